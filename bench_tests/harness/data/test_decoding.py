"""Image and mask files of every kind: decoded rightly, or refused by name."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from greenbench.data.decoding import decode_image, decode_mask
from greenbench.data.mask_ids import MaskIds, ranges
from greenbench.errors import DataError

IDS = np.arange(12).reshape(3, 4)


def write_png(file, bits, color, rows):
    """Write a PNG of rows that are packed already, as Pillow does not for 2 and 4 bits."""

    def chunk(kind, content):
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    height, width = rows[0], rows[1]
    header = struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, 0)
    packed = b"".join(b"\0" + row for row in rows[2])
    file.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(packed))
        + chunk(b"IEND", b"")
    )


def packed(ids, bits):
    digits = np.unpackbits(ids.astype(np.uint8)[..., None], axis=-1)[..., 8 - bits :]
    return [row.tobytes() for row in np.packbits(digits.reshape(len(ids), -1), axis=1)]


@pytest.mark.parametrize(("bits", "most"), [(1, 1), (2, 3), (4, 11), (8, 11)])
def test_masks_of_few_bits_keep_their_ids(tmp_path, bits, most):
    ids = np.minimum(IDS, most)
    write_png(tmp_path / "mask.png", bits, 0, (3, 4, packed(ids, bits)))
    assert decode_mask(tmp_path / "mask.png").tolist() == ids.tolist()
    assert decode_mask(tmp_path / "mask.png").dtype == np.uint8


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp", "gif"])
def test_masks_of_8_bits_and_palettes_keep_their_ids(tmp_path, suffix):
    file = tmp_path / f"mask.{suffix}"
    Image.fromarray(IDS.astype(np.uint8)).save(file)
    assert decode_mask(file).tolist() == IDS.tolist()
    palette = Image.fromarray(IDS.astype(np.uint8)).convert("P")
    palette.putdata(IDS.flatten().tolist())
    palette.putpalette(np.random.default_rng(0).integers(0, 256, 768).tolist())
    palette.save(tmp_path / "palette.png")
    assert decode_mask(tmp_path / "palette.png").tolist() == IDS.tolist()


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_masks_of_16_bits_are_read_where_their_ids_fit_and_refused_where_not(tmp_path, suffix):
    file = tmp_path / f"mask.{suffix}"
    Image.fromarray(IDS.astype(np.uint16)).save(file)
    assert decode_mask(file).tolist() == IDS.tolist()
    Image.fromarray((IDS + 26_000).astype(np.uint16)).save(file)
    with pytest.raises(
        DataError, match=r"numbers from 26000 to 26011, .*instanceIds.*; give the masks"
    ) as error:
        decode_mask(file)
    assert str(file) in str(error.value)


@pytest.mark.parametrize(
    ("mode", "suffix", "words"),
    [
        ("RGB", "png", "holds colors, and a mask holds the id"),
        ("RGBA", "png", "holds colors and transparency"),
        ("LA", "png", "holds gray levels and transparency"),
        ("F", "tif", "holds floating-point numbers"),
        ("L", "jpg", "saved as JPEG, which changes the ids"),
    ],
)
def test_masks_that_store_no_ids_are_refused_by_name(tmp_path, mode, suffix, words):
    file = tmp_path / f"mask.{suffix}"
    Image.fromarray(IDS.astype(np.uint8)).convert(mode).save(file)
    with pytest.raises(DataError, match=words) as error:
        decode_mask(file)
    assert str(file) in str(error.value)
    assert "give PNG files with one channel" in error.value.next_step


@pytest.mark.parametrize("suffix", ["png", "tif", "pgm"])
def test_a_gray_image_of_16_bits_keeps_its_levels(tmp_path, suffix):
    file = tmp_path / f"gray.{suffix}"
    levels = np.linspace(0, 65_535, 12).round().astype(np.uint16).reshape(3, 4)
    Image.fromarray(levels).save(file)
    pixels = decode_image(file)
    assert pixels.shape == (3, 4, 3)
    assert pixels[..., 0].tolist() == (levels >> 8).tolist()
    assert (pixels == pixels[..., :1]).all()


@pytest.mark.parametrize("mode", ["F", "I"])
def test_an_image_without_a_known_white_is_refused_by_name(tmp_path, mode):
    file = tmp_path / "depth.tif"
    Image.fromarray(IDS.astype(np.uint8)).convert(mode).save(file)
    with pytest.raises(DataError, match=r"depth.tif holds .*white; save it as an image of 8 or 16 bits"):
        decode_image(file)


def huge(file):
    write_png(file, 8, 0, (20_000, 20_000, [b""]))


def cut(file):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)).save(file, "JPEG")
    file.write_bytes(file.read_bytes()[:700])


def text(content):
    return lambda file: file.write_bytes(content)


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (huge, "400000000 pixels"),
        (cut, "truncated"),
        (text(b""), "it is empty: 0 bytes"),
        (text(b"version https://git-lfs.github.com/spec/v1\n"), "a pointer of Git LFS"),
        (text(b"<!DOCTYPE html>"), "a web page"),
        (text(b"\0" * 100), "of no known format"),
        (lambda file: None, "No such file or directory"),
        (lambda file: file.mkdir(), "Is a directory"),
    ],
)
@pytest.mark.parametrize("decode", [decode_image, decode_mask])
def test_a_file_that_cannot_be_read_is_named_once_with_what_it_is(tmp_path, write, words, decode):
    file = tmp_path / "a.png"
    write(file)
    if write is cut and decode is decode_mask:
        words = "saved as JPEG"
    with pytest.raises(DataError, match=words) as error:
        decode(file)
    message = str(error.value)
    assert message.count(str(file)) == 1
    assert "\n" not in message
    assert error.value.next_step
    assert error.value.__cause__ is None, "a traceback of Pillow's tells a user nothing"


def test_an_image_of_another_size_is_refused(tmp_path):
    file = tmp_path / "a.png"
    Image.new("RGB", (32, 16)).save(file)
    assert decode_image(file, (16, 32)).shape == (16, 32, 3)
    with pytest.raises(
        DataError, match=r"a.png has 16x32 pixels, and all images of this data set have 64x64"
    ):
        decode_image(file, (64, 64))


def test_ids_are_mapped_and_others_refused_by_name(tmp_path):
    ids = MaskIds(classes=(7, 8), unlabeled=(0, 255), ignore_index=255, likely="they are of another kind")
    assert ids.labels(np.array([[7, 8], [0, 255]], np.uint8), tmp_path).tolist() == [[0, 1], [255, 255]]
    with pytest.raises(
        DataError, match=r"holds the ids 1 to 2, 9, and .* hold 0, 7 to 8, 255; they are of"
    ) as error:
        ids.labels(np.array([[1, 2, 9, 7]], np.uint8), tmp_path / "mask.png")
    assert "mask.png" in str(error.value)


def test_ranges_are_words():
    assert ranges([]) == ""
    assert ranges([3]) == "3"
    assert ranges([0, 1, 2, 5, 7, 8]) == "0 to 2, 5, 7 to 8"
