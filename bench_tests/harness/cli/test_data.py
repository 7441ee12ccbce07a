"""``greenbench data``: what is there, and whether it is whole."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from bench_tests.harness.local_server import offer, zip_of
from greenbench.cli import main
from greenbench.cli._histograms import histogram
from greenbench.data import fetching

SQUARES = """
import greenbench
import torch
from greenbench.errors import UserError

def made(name):
    @greenbench.workload(
        metric="accuracy", epochs=1, batch_size=4, name=name, folder=name, how_to_get="Draw some.",
        train_images=8, validation_images=4, num_classes=2, image_size=(8, 8),
    )
    def squares(root):
        lines = (root / name / "count.txt").read_text().split()
        if lines[0] == "bad":
            raise UserError("a square is round", "draw it again")
        def split(count):
            return torch.utils.data.TensorDataset(
                torch.zeros(count, 3, 8, 8, dtype=torch.uint8), torch.arange(count) % 2
            )
        return split(int(lines[0])), split(int(lines[1])), lambda: torch.nn.Flatten()
    return squares

WHOLE, PART, MORE, BAD, WORSE, NONE = map(made, ("whole", "part", "more", "bad", "worse", "none"))
"""


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", sys.path[:])
    monkeypatch.delenv("GREENBENCH_DATA", raising=False)
    (tmp_path / "squares_of_mine.py").write_text(SQUARES)
    for name, count in (("whole", "8 4"), ("part", "7 4"), ("more", "9 3"), ("bad", "bad"), ("worse", "x")):
        folder = tmp_path / "data" / name
        folder.mkdir(parents=True)
        (folder / "count.txt").write_text(count)
    yield tmp_path / "data"
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


def rows_of(capsys, *arguments):
    code = main(["data", *map(str, arguments), "--json"])
    return code, {row["name"]: row for row in json.loads(capsys.readouterr().out)}


def test_each_data_set_is_whole_or_the_reason_is_said(root, capsys):
    code, rows = rows_of(capsys, root, "--file", root.parent / "squares_of_mine.py")
    assert code == 1
    assert {rows[name]["status"] for name in ("cifar100", "coco_stuff")} == {"missing"}
    names = ("whole", "part", "more", "bad", "none")
    assert {name: (rows[name]["status"], rows[name]["reason"]) for name in names} == {
        "whole": ("complete", None),
        "part": ("partial", "7 of 8 training images"),
        "more": ("partial", "9 of 8 training images and 3 of 4 validation images"),
        "bad": ("damaged", "a square is round"),
        "none": ("missing", f"looked for {root / 'none'}, which is not there."),
    }
    assert rows["worse"]["status"] == "damaged"
    assert "invalid literal for int" in rows["worse"]["reason"]
    assert (rows["bad"]["next_step"], rows["part"]["next_step"]) == ("draw it again", "Draw some.")
    assert (rows["whole"]["train_images"], rows["whole"]["validation_images"]) == (8, 4)
    assert rows["whole"]["version"] != rows["part"]["version"]
    assert (rows["bad"]["version"], rows["none"]["version"]) == (None, None)


def test_what_comes_with_the_package_is_no_data_set_to_get(root, capsys):
    code, rows = rows_of(capsys, root)
    assert code == 0, "what is not there is no damage"
    assert set(rows) == {"cifar100", "tiny_imagenet", "camvid", "cityscapes", "coco_stuff"}


def test_two_workloads_on_the_same_data_are_one_data_set(root, capsys):
    mine = root.parent / "squares_of_mine.py"
    more = """
from dataclasses import replace
AGAIN = replace(WHOLE, name="whole_again")
OTHER = replace(WHOLE, name="whole_other", samples=lambda *_: None)
"""
    mine.write_text(SQUARES + more)
    _, rows = rows_of(capsys, root, "--file", mine)
    assert {"whole", "whole_other"} <= set(rows)
    assert "whole_again" not in rows


def test_a_person_reads_a_table_and_sentences_of_80_columns(root, capsys):
    assert main(["data", str(root), "--file", str(root.parent / "squares_of_mine.py")]) == 1
    lines = capsys.readouterr().out.splitlines()
    (line,) = (line for line in lines if line.startswith("part "))
    assert line.split()[:5] == ["part", "partial", "7", "+", "4"]
    assert "part: 7 of 8 training images. Draw some." in lines
    assert "bad: a square is round. draw it again." in lines
    assert max(len(line) for line in lines if "/" not in line) <= 80


def test_without_a_root_everything_is_missing_and_a_wrong_one_is_refused(root, capsys, monkeypatch):
    code, rows = rows_of(capsys)
    assert code == 0
    assert {row["status"] for row in rows.values()} == {"missing"}
    assert "no data root was given" in rows["camvid"]["reason"]
    monkeypatch.setenv("GREENBENCH_DATA", str(root / "nowhere"))
    assert main(["data"]) == 2
    assert "the data root" in capsys.readouterr().err


def test_the_official_numbers_of_images_are_known():
    from greenbench.study.catalog import discover

    official = {
        name: (workload.train_images, workload.validation_images)
        for name, workload in discover().workloads.items()
        if workload.folder is not None
    }
    assert official == {
        "cifar100": (50_000, 10_000),
        "speedrun": (50_000, 10_000),
        "tiny_imagenet": (100_000, 10_000),
        "camvid": (367, 101),
        "cityscapes": (2_975, 500),
        "coco_stuff": (118_287, 5_000),
    }


def checked(root, capsys, tmp_path, *more):
    code, rows = rows_of(
        capsys,
        root,
        "--file",
        root.parent / "squares_of_mine.py",
        "--check",
        "--sheets",
        tmp_path / "sheets",
        *more,
    )
    return code, rows, tmp_path / "sheets"


def test_check_decodes_all_counts_labels_and_draws(root, capsys, tmp_path):
    code, rows, sheets = checked(root, capsys, tmp_path)
    assert code == 1
    whole = rows["whole"]
    assert whole["status"] == "complete"
    assert whole["checked"] == {
        split: {"samples": 2 * half, "faults": [], "next_step": "", "labels": [half, half], "ignored": 0}
        for split, half in (("train", 4), ("validation", 2))
    }
    assert Path(whole["contact_sheet"]) == sheets / "whole.png"
    assert (sheets / "whole.png").is_file()
    assert rows["bad"]["checked"]["train"]["faults"] == ["a square is round"]
    assert (rows["bad"]["status"], rows["bad"]["next_step"]) == ("damaged", "draw it again")
    assert rows["none"]["checked"] is None
    assert (sheets / "bad-damaged.txt").read_text() == "a square is round\n"
    assert not (sheets / "whole-damaged.txt").exists()


def test_a_person_sees_the_histogram_and_where_the_contact_sheet_is(root, capsys, tmp_path):
    arguments = ["data", str(root), "--file", str(root.parent / "squares_of_mine.py"), "--check"]
    assert main([*arguments, "--sheets", str(tmp_path / "s")]) == 1
    text = capsys.readouterr().out
    assert "whole: 12 samples decoded, faults: 0" in text
    assert f"      0 {'━' * 40}      50.00%      50.00%" in text.splitlines()
    assert f"  contact sheet: {tmp_path / 's' / 'whole.png'}" in text
    assert max(len(line) for line in text.splitlines() if "/" not in line) <= 80


def test_a_folder_for_sheets_that_cannot_be_is_refused_before_anything_is_read(root, capsys, tmp_path):
    (tmp_path / "file").write_text("")
    assert main(["data", str(root), "--check", "--sheets", str(tmp_path / "file" / "sheets")]) == 2
    message = capsys.readouterr().err
    assert "cannot be written" in message
    assert "--sheets" in message
    assert "reading" not in message


def test_many_labels_are_columns_and_those_that_are_nowhere_are_named():
    counts = [[8] * 30 + [0] + [1] * 69, [2] * 100]
    lines = histogram(counts, ["train", "validation"])
    assert lines == [
        "  train: 0 to 8 of each label",
        f"      0 {'█' * 30}·{'▂' * 19} 49",
        f"     50 {'▂' * 50} 99",
        "  validation: 2 of each label",
        f"      0 {'█' * 50} 49",
        f"     50 {'█' * 50} 99",
        "  labels that are not in train: 30",
    ]


@pytest.mark.parametrize("counts", [[], [[]], [[], []], [[0, 0], [0, 0]]])
def test_nothing_counted_is_nothing_shown(counts):
    assert histogram(counts, ["train", "validation"][: len(counts)]) == []


def test_labels_of_one_part_alone_are_shown():
    lines = histogram([[], [3, 1]], ["train", "validation"])
    assert [line.split()[-1] for line in lines[1:]] == ["75.00%", "25.00%"]


# Downloads.

OFFERED = """
import greenbench
import torch
from greenbench.spec.download import Download

def made(name, *downloads):
    @greenbench.workload(
        metric="accuracy", epochs=1, batch_size=4, name=name, folder=name, how_to_get="Draw some.",
        train_images=2, validation_images=2, num_classes=2, image_size=(8, 8), downloads=downloads,
    )
    def squares(root):
        part = torch.utils.data.TensorDataset(torch.zeros(2, 3, 8, 8, dtype=torch.uint8), torch.arange(2))
        return part, part, lambda: torch.nn.Flatten()
    return squares

BY_HAND, OFFERED = made("by_hand", Download({weights!r}, {weights_sum!r})), made("offered", Download({url!r}, {sum!r}, "offered"))
"""


@pytest.fixture
def offered(root, server, monkeypatch):
    """Offer one of two data sets, and weights for the other."""
    monkeypatch.setattr(fetching, "PAUSE_S", 0)
    server.bodies = {"offered.zip": zip_of({"offered/a.txt": b"a"}), "weights.pth": b"weights"}
    archive, weights = (offer(server, body, name, None, "sha256") for name, body in server.bodies.items())
    file = root.parent / "offered_to_me.py"
    file.write_text(
        OFFERED.format(
            url=archive.url, sum=archive.checksum, weights=weights.url, weights_sum=weights.checksum
        )
    )
    return file


def downloaded(offered, capsys, *arguments):
    code = main(["data", *map(str, arguments), "--file", str(offered), "--json"])
    out, err = capsys.readouterr()
    return code, {row["name"]: row for row in json.loads(out)}, err


def test_a_data_set_is_downloaded_into_a_folder_that_is_made(offered, root, server, capsys):
    new = root / "not" / "there"
    _, rows, _ = downloaded(offered, capsys, root)
    assert rows["offered"]["next_step"] == "Draw some. Or run greenbench data ROOT --download offered."
    code, rows, err = downloaded(offered, capsys, new, "--download", "offered")
    assert (code, rows["offered"]["status"], rows["by_hand"]["status"]) == (0, "complete", "missing")
    assert [file.name for file in new.iterdir()] == ["offered"]
    assert "downloading http://127.0.0.1" in err
    code, _, err = downloaded(offered, capsys, new, "--download", "offered")
    assert (code, len(server.asked)) == (0, 1)
    assert "downloading" not in err


def test_what_cannot_be_downloaded_is_named_with_how_to_get_it(offered, root, capsys):
    code, rows, err = downloaded(offered, capsys, root, "--download", "by_hand", "offered")
    assert code == 1, "it was asked for by name"
    assert (
        "by_hand is not downloaded: it needs an account, or no checksum of it is published. Draw some." in err
    )
    assert (root / "weights.pth").read_bytes() == b"weights", "what its network starts from can be got"
    assert rows["offered"]["status"] == "complete"


def test_one_that_fails_leaves_the_others(offered, root, server, capsys):
    server.bodies["weights.pth"] = b"others"
    code, rows, err = downloaded(offered, capsys, root, "--download", "offered", "by_hand")
    assert code == 1
    assert "weights.pth has the SHA256" in err
    assert rows["offered"]["status"] == "complete"
    assert not (root / "weights.pth").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--download"], "has no folder to put data into.* before --download"),
        (
            ["{root}", "--download", "imagenet"],
            "--download imagenet: there is no such data set; choose of .*cifar100",
        ),
        (["{root}/bad/count.txt", "--download", "offered"], "cannot be made"),
    ],
)
def test_a_download_that_makes_no_sense_is_refused(offered, root, capsys, server, arguments, words):
    assert main(["data", *(text.format(root=root) for text in arguments), "--file", str(offered)]) == 2
    assert re.search(words, capsys.readouterr().err)
    assert server.asked == []


def test_the_official_downloads_are_those_whose_checksum_is_published():
    from greenbench.study.catalog import discover

    found = {
        name: [(each.name, each.checksum, each.folder) for each in workload.downloads]
        for name, workload in discover().workloads.items()
        if workload.downloads
    }
    cifar = [("cifar-100-python.tar.gz", "md5:eb9058c3a382ffc7106e4002c42a8d85", "cifar-100-python")]
    weights = [("resnet18-f37072fd.pth", "sha256:f37072fd", None)]
    assert found == {
        "cifar100": cifar,
        "speedrun": cifar,
        "tiny_imagenet": [
            ("tiny-imagenet-200.zip", "md5:90528d7ca1a48142e341f4ef8d21d0de", "tiny-imagenet-200")
        ],
        **dict.fromkeys(("camvid", "cityscapes", "coco_stuff"), weights),
    }
