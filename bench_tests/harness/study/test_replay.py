"""``greenbench replay``: a published row is run again, by a catalog that takes a moment."""

import json

import pytest

from bench_tests.harness.execute.small_run import TINY
from bench_tests.harness.made_records import failure_result, inference_result, record_of, rewritten
from bench_tests.harness.study.small_session import CATALOG, pair_of
from greenbench.cli import main
from greenbench.records.folder import RecordFolder
from greenbench.spec import scale
from greenbench.study import settings


@pytest.fixture
def replay(study, monkeypatch, capsys, tmp_path):
    """Return a function that replays a record; the study's catalog and scale are known to the command line."""
    monkeypatch.setattr(settings, "usual_executor", lambda: "inline")
    monkeypatch.setattr(settings, "discover", lambda files=(): CATALOG)
    monkeypatch.setitem(scale.SCALES, "tiny", TINY)

    def run(path, *arguments):
        code = main(["replay", str(path), "--meter", "none", *arguments])
        return code, capsys.readouterr()

    return run


@pytest.fixture
def row(study, tmp_path):
    """Return the files of a row of two seeds."""
    session = study(seeds=2)
    return [tmp_path / "out" / record.file_name for record in session.records(pair_of(session, "longer"))]


def test_the_same_code_gives_the_same_score_and_agrees(replay, row, ran):
    ran.clear()
    code, shown = replay(row[0], "--runs", "2", "--json")
    rows = {one["quantity"]: one for one in json.loads(shown.out)}
    assert ran == [("longer", "training", 0), ("longer", "training", 1)]
    assert (rows["score"]["word"], rows["score"]["p"]) == ("agrees", 1.0)
    assert (rows["score"]["n_before"], rows["score"]["n_after"]) == (2, 2)
    assert code == (1 if any(one["word"] == "disagrees" for one in rows.values()) else 0)


def test_the_record_s_seed_comes_first_and_new_ones_follow(replay, row, ran):
    ran.clear()
    replay(row[1], "--runs", "3")
    assert [seed for _, _, seed in ran] == [1, 0, 2]


def test_records_are_kept_where_that_is_asked_for(replay, row, tmp_path):
    replay(row[0], "--runs", "1", "--out", str(tmp_path / "again"))
    assert len(RecordFolder(tmp_path / "again").read()[0]) == 1
    assert len(RecordFolder(tmp_path / "out").read()[0]) == 2


def test_another_score_disagrees(replay, row):
    def worse(content):
        result = content["result"]
        for values in (
            result["train"],
            result["validation"],
            *(e.get("validation") for e in result["curve"]),
        ):
            if values:
                values["accuracy"] = 0.0
        result["best"] = 0.0

    for path in row:
        rewritten(path, worse)
    _, shown = replay(row[0], "--runs", "2", "--json")
    rows = {one["quantity"]: one for one in json.loads(shown.out)}
    assert rows["score"]["word"] in ("disagrees", "undecided")
    assert rows["score"]["before"] == 0.0 < rows["score"]["after"]


def test_bad_input_is_a_sentence(replay, row, tmp_path):
    folder = RecordFolder(tmp_path / "made")
    failed = folder.write(record_of(result=failure_result(), kind="training"))
    unknown = folder.write(record_of(workload="elsewhere", scale="tiny"))
    technique = folder.write(record_of("unheard", workload="squares", scale="tiny"))
    changed = folder.write(record_of("baseline", inference_result(1.0), workload="squares", scale="tiny"))
    for path, arguments, words in (
        (tmp_path / "none.json", (), "none.json"),
        (tmp_path, (), "not readable"),
        (failed, (), "no result to hold a run against"),
        (unknown, (), "the workload 'elsewhere' of the record is not here"),
        (technique, (), "unheard"),
        (changed, (), "has another setting by now"),
        (row[0], ("--runs", "0"), "--runs is 0"),
        (row[0], ("--out", str(row[0].parent)), "the record's own folder"),
    ):
        code, shown = replay(path, *arguments)
        assert (code, shown.out) == (2, "")
        assert words in shown.err
        assert shown.err.count("\n") == 1
