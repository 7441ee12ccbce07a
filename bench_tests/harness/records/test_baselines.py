"""Baselines: names, what is kept of several sessions and versions of the code, and folders that are none."""

import json

import pytest

from bench_tests.harness.made_records import failure_result, record_of, rewritten
from greenbench.errors import UserError
from greenbench.records.baselines import BASELINES, baseline_folder, find_baseline, read_runs, save_baseline
from greenbench.records.folder import RecordFolder


def side(session, n=2, **facts):
    return [record_of(seed=seed, session=session, **facts) for seed in range(n)]


@pytest.mark.parametrize("name", ["a/b", "../x", "", ".hidden", "a b", "/tmp", "paper", "a\\b", "ä"])
def test_what_can_be_no_name_is_refused(name, tmp_path):
    with pytest.raises(UserError, match="baseline"):
        baseline_folder(name, tmp_path)


def test_sessions_of_one_version_lie_beside_each_other(tmp_path):
    save_baseline(side("one"), tmp_path / "b")
    save_baseline(side("two"), tmp_path / "b")
    records, unreadable = read_runs(tmp_path / "b")
    assert sorted(record.session for record in records) == ["one", "one", "two", "two"]
    assert unreadable == []


@pytest.mark.parametrize(
    "code", [{"engine": "f" * 64}, {"technique_digest": "1" * 64}, {"workload_digest": "v" * 64}]
)
def test_another_version_of_the_code_takes_the_place_of_what_it_measured_again(tmp_path, code):
    save_baseline(side("one") + side("one", technique="mixup") + side("one", mode="fast"), tmp_path)
    save_baseline(side("two", **code), tmp_path)
    kept = {(r.session, r.case.technique, r.case.mode) for r in read_runs(tmp_path)[0]}
    assert kept == {("two", "baseline", "paper"), ("one", "mixup", "paper"), ("one", "baseline", "fast")}
    save_baseline(side("three", technique="mixup", **code) + side("three", mode="fast", **code), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["three", "two"], "and no folder is left empty"


def test_a_name_is_found_below_the_current_folder_and_a_folder_anywhere(tmp_path):
    save_baseline(side("one"), baseline_folder("main", tmp_path))
    (tmp_path / "reports" / "old").mkdir(parents=True)
    (tmp_path / "old").mkdir()
    (tmp_path / "main").mkdir()
    assert find_baseline("main", tmp_path) == tmp_path / BASELINES / "main"
    assert find_baseline("./main", tmp_path) == tmp_path / "main"
    assert find_baseline("old", tmp_path) == tmp_path / "old"
    assert find_baseline("reports/old", tmp_path) == tmp_path / "reports/old"
    assert find_baseline(str(tmp_path / "old"), tmp_path) == tmp_path / "old"
    for missing in ("other", "reports/other", ""):
        with pytest.raises(UserError, match="there are main"):
            find_baseline(missing, tmp_path)


def test_folders_without_records_are_refused(tmp_path):
    with pytest.raises(UserError, match="not a folder"):
        read_runs(tmp_path / "none")
    with pytest.raises(UserError, match="holds no record"):
        read_runs(tmp_path)
    with pytest.raises(UserError, match="there is none in"):
        find_baseline("main", tmp_path)


def test_records_of_a_newer_schema_are_named(tmp_path):
    path = RecordFolder(tmp_path / "s").write(record_of())
    rewritten(path, lambda content: content.update(schema=99))
    with pytest.raises(UserError, match=r"schema 99; this greenbench reads"):
        read_runs(tmp_path)
    RecordFolder(tmp_path).write(record_of(result=failure_result(), kind="training"))
    records, unreadable = read_runs(tmp_path)
    assert len(records) == 1
    assert "schema 99" in unreadable[0].reason


def test_a_value_that_is_no_number_is_named(tmp_path):
    path = RecordFolder(tmp_path).write(record_of())
    content = json.loads(path.read_text())
    content["result"]["validation"]["accuracy"] = float("nan")
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match="holds no record that can be read"):
        read_runs(tmp_path)
