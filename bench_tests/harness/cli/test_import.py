"""``greenbench import``: from a table to a report, and what is refused."""

import json
import re
import shlex
from pathlib import Path

import pytest

import greenbench
from greenbench.cli import main

TABLE = "dataset,optimizer,seed,acc,kwh\n" + "".join(
    f"A,{name},{seed},{acc},{kwh}\n"
    for name, acc, kwh in (("SGD", 0.8, 1), ("Adam", 0.9, 2))
    for seed in range(3)
)
OPTIONS = [
    "--workload",
    "dataset",
    "--technique",
    "optimizer",
    "--score",
    "acc",
    "--score-unit",
    "fraction",
    "--better",
    "higher",
    "--energy",
    "kwh",
    "--energy-unit",
    "kWh",
    "--baseline",
    "SGD",
]


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "results.csv"
    path.write_text(TABLE)
    return path


def test_a_table_becomes_records_a_report_and_verdicts(table, tmp_path, capsys):
    out = tmp_path / "theirs"
    assert main(["import", str(table), "-o", str(out), *OPTIONS]) == 0
    printed = capsys.readouterr().out
    assert "Source: results.csv, 6 rows" in printed
    assert printed.endswith(f"6 records in {out}; next: greenbench report {out}\n")
    assert main(["report", str(out)]) == 0
    found = json.loads((out / "verdicts.json").read_text())
    assert {(one["technique"], one["quantity"], one["word"]) for one in found} == {
        ("adam", "score", "better"),
        ("adam", "train_energy_j", "worse"),
    }
    first = next(out.glob("imported-adam-a-seed0-*.json"))
    capsys.readouterr()
    assert main(["show", str(first)]) == 0
    shown = capsys.readouterr().out
    assert "Adam on A: imported, seed 0, line 5" in shown
    assert "from results.csv, which greenbench did not measure" in shown
    assert "7.20 MJ" in shown


def test_read_again_it_is_the_same_and_an_earlier_reading_is_named(table, tmp_path, capsys):
    out = tmp_path / "theirs"
    for _ in range(2):
        assert main(["import", str(table), "-o", str(out), *OPTIONS]) == 0
    assert len(list(out.iterdir())) == 6
    capsys.readouterr()
    assert main(["import", str(table), "-o", str(out), *OPTIONS[:-1], "Adam"]) == 0
    assert f"{out} holds 6 records of tables that were imported before" in capsys.readouterr().out
    assert len(list(out.iterdir())) == 12


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("0.9", "good"), "results.csv, line 5, column 'acc' is 'good'; allowed is a number"),
        (("SGD,2", "SGD,0"), "lines 2 and 4 are of the same run; take one of them out"),
        (("SGD", "RMSprop"), "no row is of the baseline 'SGD'"),
    ],
)
def test_what_is_refused_leaves_nothing_behind(table, tmp_path, capsys, change, message):
    table.write_text(TABLE.replace(*change))
    out = tmp_path / "theirs"
    assert main(["import", str(table), "-o", str(out), *OPTIONS]) == 2
    assert message in capsys.readouterr().err
    assert not out.exists()


def test_a_folder_that_cannot_be_made_is_refused(table, capsys):
    assert main(["import", str(table), "-o", str(table / "theirs"), *OPTIONS]) == 2
    assert "results.csv is a file; make room or choose another folder with --out" in capsys.readouterr().err


def test_the_example_of_the_documentation_works(tmp_path, monkeypatch, capsys):
    page = Path(greenbench.__file__).parents[1] / "docs" / "tables.md"
    if not page.is_file():
        pytest.skip("the documentation is not part of an installed package")
    text = page.read_text(encoding="utf-8")
    (tmp_path / "results.csv").write_text(re.search(r"```csv\n(.*?)```", text, re.DOTALL)[1])
    monkeypatch.chdir(tmp_path)
    commands = re.search(r"```sh\n(.*?)```", text, re.DOTALL)[1].replace("\\\n", "").splitlines()
    assert len(commands) == 3
    for command in commands:
        assert main(shlex.split(command)[1:]) == 0
    assert "Not read: minutes" in capsys.readouterr().out
    assert "| Adam" in Path("theirs/report.md").read_text()
