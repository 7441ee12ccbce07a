"""The reports that come with the project are those of their records."""

import shutil
from pathlib import Path

import pytest

import greenbench
from greenbench.energy.carbon import carbon_intensity
from greenbench.report import OUTPUTS, PAGE, write_report

REPORTS = Path(greenbench.__file__).parents[1] / "reports"


@pytest.mark.parametrize("name", ["smoke", "tryout", "shapes"])
def test_a_report_made_again_is_the_same(tmp_path, name):
    folder = REPORTS / name
    if not folder.is_dir():
        pytest.skip(f"{folder} comes with a checkout alone")
    for path in folder.glob("*.json"):
        shutil.copy(path, tmp_path)
    write_report(tmp_path, carbon_intensity("world"))
    for file in (*OUTPUTS, "verdicts.json", "targets.json"):
        if file != PAGE:  # which anybody can make, and holds a library
            assert (folder / file).read_bytes() == (tmp_path / file).read_bytes(), file
    # Not their bytes: how wide a letter is depends on the fonts of the machine.
    assert {path.name for path in folder.glob("figures/*")} == {
        path.name for path in tmp_path.glob("figures/*")
    }
