"""Records of several folders in one."""

from dataclasses import replace

import pytest

from bench_tests.harness.made_records import failure_result, record_of, training_result
from greenbench.cli import main
from greenbench.errors import UserError
from greenbench.records.folder import RecordFolder, load_records
from greenbench.records.merging import merge

FIRST = record_of("baseline", training_result(0.8), started_at="2026-11-01T10:00:00+00:00")
LATER = replace(FIRST, result=training_result(0.9), started_at="2026-11-01T11:00:00+00:00")
MIXUP = record_of("mixup", training_result(0.7))


def folder_of(path, *records):
    for record in records:
        RecordFolder(path).write(record)
    return path


@pytest.mark.parametrize("turned", [False, True])
def test_the_first_of_unlike_records_of_a_case_is_kept_whatever_the_order(tmp_path, turned):
    folders = [folder_of(tmp_path / "a", FIRST), folder_of(tmp_path / "b", LATER, MIXUP)]
    merged = merge(folders[::-1] if turned else folders, tmp_path / "out")
    assert {record.case.technique: record for record in load_records(tmp_path / "out")} == {
        "baseline": FIRST,
        "mixup": MIXUP,
    }
    assert (merged.records, merged.repeated) == (2, (FIRST.file_name,))
    assert load_records(tmp_path / "b") == sorted([LATER, MIXUP], key=lambda record: record.file_name)


def test_a_sound_record_comes_before_a_failure(tmp_path):
    failed = replace(FIRST, result=failure_result())
    folders = [folder_of(tmp_path / "a", failed), folder_of(tmp_path / "b", LATER)]
    merge(folders, tmp_path / "out")
    assert load_records(tmp_path / "out") == [LATER]


def test_merging_again_changes_nothing_and_later_parts_are_added(tmp_path):
    part = folder_of(tmp_path / "a", FIRST)
    merge([part], tmp_path / "out")
    (file,) = (tmp_path / "out").glob("*.json")
    written = file.stat().st_mtime_ns
    merged = merge([part, folder_of(tmp_path / "b", MIXUP)], tmp_path / "out")
    assert (merged.records, merged.repeated) == (2, ())
    assert file.stat().st_mtime_ns == written


def test_an_empty_folder_and_the_folder_itself_are_refused_and_nothing_is_written(tmp_path):
    part = folder_of(tmp_path / "a", FIRST)
    with pytest.raises(UserError, match="holds no records"):
        merge([part, tmp_path / "none"], tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(UserError, match="is the folder that the records go to"):
        merge([part], part)


def test_the_command_writes_the_report_and_names_what_it_leaves_out(tmp_path, capsys):
    part = folder_of(tmp_path / "a", FIRST, MIXUP)
    (part / "broken.json").write_text("{")
    other = folder_of(tmp_path / "b", LATER)
    assert main(["merge", str(part), str(other), "-o", str(tmp_path / "out")]) == 0
    said = capsys.readouterr()
    assert "2 records of 2 folders" in said.out
    assert "the first kept: 1" in said.out
    assert "broken.json: not readable" in said.err
    assert "Mixup" in (tmp_path / "out" / "report.md").read_text()
