"""``greenbench compare``: two folders, a table, an exit code."""

import json

import pytest

from bench_tests.harness.made_records import record_of, rewritten, training_result
from greenbench.cli import main
from greenbench.records.folder import RecordFolder

NOISE = (0.99, 1.0, 1.01, 1.005, 0.995, 1.0)


def write(folder, joules, session, n=6, **facts):
    for seed in range(n):
        result = training_result(0.9, joules * NOISE[seed])
        RecordFolder(folder).write(record_of(result=result, seed=seed, session=session, **facts))
    return str(folder)


@pytest.fixture
def sides(tmp_path):
    return write(tmp_path / "a", 100, "s1"), write(tmp_path / "b", 110, "s2", engine="f" * 64)


def test_a_rise_is_shown_and_fails_where_it_is_asked_to(sides, capsys):
    assert main(["compare", *sides]) == 0
    shown = capsys.readouterr().out
    assert "1 worse" in shown
    assert "+10.0% (+" in shown
    assert "code that differs: engine" in shown
    assert "failed" not in shown
    assert main(["compare", *sides, "--fail", "energy:5%"]) == 1
    assert capsys.readouterr().out.endswith("failed: 1 worse\n")
    assert main(["compare", *sides, "--fail", "memory:5% score:1pp"]) == 0


def test_json_has_every_row(sides, capsys):
    assert main(["compare", *sides, "--fail", "energy:5% accuracy:1pp", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    rows = {row["quantity"]: row for row in found["rows"]}
    assert rows.keys() == {"train_energy_j", "score"}
    assert rows["train_energy_j"]["word"] == "worse"
    assert rows["train_energy_j"]["change"] == pytest.approx(0.1)
    assert rows["score"]["word"] == "holds"
    assert found["failure"] == "1 worse"


def test_what_one_session_cannot_know_is_said(sides, capsys):
    assert main(["compare", *sides]) == 0
    assert "one session on a side: costs of sessions are taken to scatter by 0.5 %" in capsys.readouterr().out
    assert main(["compare", *sides, "--fail", "score:1pp"]) == 0
    assert "one session" not in capsys.readouterr().out


def test_folders_in_a_folder_are_sessions(tmp_path, capsys):
    for name in ("1", "2"):
        write(tmp_path / "a" / name, 100, f"a{name}")
        write(tmp_path / "b" / name, 100, f"b{name}")
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "b"), "--json"]) == 0
    (row,) = (
        row for row in json.loads(capsys.readouterr().out)["rows"] if row["quantity"] == "train_energy_j"
    )
    assert (row["n_before"], row["n_after"], row["sessions"]) == (12, 12, 2)
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "b")]) == 0
    assert "one session" not in capsys.readouterr().out


def test_what_is_undecided_fails_where_that_is_asked_for(tmp_path, capsys):
    sides = write(tmp_path / "a", 100, "s1", n=1), write(tmp_path / "b", 100, "s2", n=1)
    assert main(["compare", *sides, "--fail", "energy:5%"]) == 0
    shown = capsys.readouterr().out
    assert "undecided: one run, no verdict; 1 more runs on each side would tell" in shown
    assert main(["compare", *sides, "--fail", "energy:5%", "--strict"]) == 1
    assert "failed: 1 undecided" in capsys.readouterr().out


def test_a_gate_that_could_compare_nothing_fails(tmp_path, capsys):
    sides = write(tmp_path / "a", 100, "s1"), write(tmp_path / "b", 100, "s2", meter="other")
    assert main(["compare", *sides, "--fail", "energy:5%"]) == 1
    assert "failed: nothing could be compared: meter was 'test' and is 'other'" in capsys.readouterr().out


def test_a_gate_whose_baseline_has_nothing_of_what_was_run_fails(tmp_path, capsys):
    sides = write(tmp_path / "a", 100, "s1"), write(tmp_path / "b", 100, "s2", technique="own")
    assert main(["compare", *sides]) == 0
    assert "against" in capsys.readouterr().out
    assert main(["compare", *sides, "--fail", "energy:5%"]) == 1
    assert "failed: nothing could be compared: all of it is new" in capsys.readouterr().out


def test_a_limit_on_what_nobody_measured_is_named(tmp_path, capsys):
    sides = []
    for name in ("a", "b"):
        for seed in range(3):
            RecordFolder(tmp_path / name).write(
                record_of(result=training_result(0.9), seed=seed, session=name)
            )
        sides.append(str(tmp_path / name))
    assert main(["compare", *sides, "--fail", "energy:5% score:1pp"]) == 0
    assert "not measured: before and now: no meter on this machine (test)" in capsys.readouterr().out
    assert main(["compare", *sides, "--fail", "energy:5%"]) == 1
    assert main(["compare", *sides, "--fail", "energy:5% score:1pp", "--strict"]) == 1


def test_what_was_run_before_alone_is_named(sides, tmp_path, capsys):
    write(tmp_path / "a", 100, "s1", technique="own")
    assert main(["compare", *sides]) == 0
    assert "not run now: own-digits" in capsys.readouterr().out


def test_bad_input_is_a_sentence(sides, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    newer = tmp_path / "newer"
    path = RecordFolder(newer).write(record_of())
    rewritten(path, lambda content: content.update(schema=99))
    for arguments, words in (
        ([sides[0], sides[0]], "both sides are the same runs"),
        ([sides[0], str(tmp_path / "none")], "none is not a folder"),
        ([sides[0], str(tmp_path / "empty")], "empty holds no record"),
        ([str(newer), sides[0]], "schema 99"),
        ([*sides, "--fail", "joy:5%"], "'joy'"),
        ([*sides, "--fail", "energy:5J"], "unit 'J'"),
        ([*sides, "--fail", ""], "no limit"),
        ([*sides, "--strict"], "--strict has nothing to fail on"),
    ):
        assert main(["compare", *arguments]) == 2
        shown = capsys.readouterr()
        assert words in shown.err
        assert shown.err.count("\n") == 1
        assert not shown.out
