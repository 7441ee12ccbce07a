"""Image and mask files as arrays: decoded rightly, or refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from greenbench.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

Size = tuple[int, int]
"""Height and width."""

CURE = "unpack the data set again"
MASK_CURE = "give PNG files with one channel that stores ids (mode L or P)"

LOSSY = ("JPEG", "MPO")
BITS_PER_SAMPLE = 258
"""The tag of TIFF."""

CONTENTS = {
    "RGB": "colors",
    "RGBA": "colors and transparency",
    "LA": "gray levels and transparency",
    "PA": "a palette and transparency",
    "CMYK": "printing colors",
    "I": "whole numbers of 32 bits",
    "F": "floating-point numbers",
}
"""What a file of a mode of Pillow's holds, in words."""


def decode_image(file: Path, size: Size | None = None, cure: str = CURE) -> np.ndarray:
    """Return the pixels (H, W, 3) uint8 of an image file; of 16 bits the higher 8.

    Parameters
    ----------
    size
        Height and width that it must have, or None for any.
    cure
        What to do about a file that cannot be used.

    Raises
    ------
    DataError
        If the file is missing, damaged, no image, of another size, or of numbers without a known white.
    """
    from PIL import Image

    try:
        with Image.open(file) as image:
            found = (image.height, image.width)
            if size is not None and found != size:
                raise DataError(
                    f"{file} has {found[0]}x{found[1]} pixels, and all images of this data set have {size[0]}x{size[1]}",
                    cure,
                )
            return image_pixels(image, str(file))
    except DataError:
        raise
    except (
        Exception
    ) as error:  # Pillow has no one class for damage: OSError, SyntaxError, ValueError, its own
        raise _unreadable(file, error, cure) from None


def image_pixels(image: Image, what: str) -> np.ndarray:
    """Return the pixels (H, W, 3) uint8 of an open image; of 16 bits the higher 8.

    Pillow's own conversion cuts numbers above 255, so that a 16-bit image turns white.

    Raises
    ------
    DataError
        Naming the image as `what`, where its numbers have no known white.
    """
    wide = image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM"))
    if wide:
        gray = (np.array(image).astype(np.uint32) >> 8).astype(np.uint8)
        return np.repeat(gray[..., None], 3, axis=2)
    if image.mode in ("I", "F"):
        raise DataError(
            f"{what} holds {CONTENTS[image.mode]}, of which none is known to be white",
            "save it as an image of 8 or 16 bits",
        )
    return np.array(image.convert("RGB"))


def decode_mask(file: Path, cure: str = CURE) -> np.ndarray:
    """Return the ids (H, W) uint8 that a mask file stores: no gray levels, no colors, nothing scaled.

    Raises
    ------
    DataError
        If the file is missing, damaged, or stores no ids of one byte.
    """
    from PIL import Image

    try:
        with Image.open(file) as image:
            if image.format in LOSSY:
                raise DataError(
                    f"{file} is a mask saved as {image.format}, which changes the ids of its pixels",
                    MASK_CURE,
                )
            bits = _bits(image, file)
            stored = image.mode
            ids = np.array(image)
    except DataError:
        raise
    except Exception as error:  # as for images
        raise _unreadable(file, error, cure) from None
    if stored == "L" and bits in (2, 4):
        return np.asarray(ids // (255 // (2**bits - 1)), np.uint8)  # Pillow spreads 0 to 15 over 0 to 255
    if stored in ("1", "L", "P"):
        return ids.astype(np.uint8)
    if stored == "I" or stored.startswith("I;16"):
        if ids.min() >= 0 and ids.max() <= 255:
            return ids.astype(np.uint8)
        raise DataError(
            f"{file} holds numbers from {ids.min()} to {ids.max()}, and ids of classes are at most 255: "
            "are they ids of single objects (instanceIds)?",
            "give the masks that store ids of classes",
        )
    raise DataError(
        f"{file} holds {CONTENTS.get(stored, f'pixels of the mode {stored}')}, and a mask holds the id of a class in each "
        "pixel",
        MASK_CURE,
    )


def _bits(image: Image, file: Path) -> int:
    """Return the bits of a stored gray level, which Pillow does not tell."""
    if image.format == "PNG":
        with file.open("rb") as content:
            return content.read(25)[24]  # after the signature: length, "IHDR", width, height, bit depth
    tags = getattr(image, "tag_v2", {})
    return int(tags[BITS_PER_SAMPLE][0]) if BITS_PER_SAMPLE in tags else 8


def _unreadable(file: Path, error: Exception, cure: str) -> DataError:
    return DataError(f"{file} cannot be read as an image ({_reason(file, error)})", cure)


def _reason(file: Path, error: Exception) -> str:
    """Say in one line what is wrong with a file."""
    try:
        with file.open("rb") as content:
            start = content.read(64)
    except OSError as problem:
        return problem.strerror or type(problem).__name__
    if not start:
        return "it is empty: 0 bytes"
    if start.startswith(b"version https://git-lfs"):
        return "it is a pointer of Git LFS, not the file itself"
    if start.lstrip().lower().startswith((b"<!doctype", b"<html")):
        return "it is a web page"
    if type(error).__name__ == "UnidentifiedImageError":
        return "it is of no known format"
    return " ".join(str(error).split()) or type(error).__name__
