"""Records: written whole, read strictly, mergeable, and never lost to a bad neighbor."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench_tests.harness.made_records import MACHINE, inference_result, record_of, training_result
from greenbench.errors import UserError
from greenbench.records.record import Record, RecordFolder, read_record


@pytest.fixture
def folder(tmp_path):
    return RecordFolder(tmp_path / "out")


@pytest.mark.parametrize(
    "result", [training_result(0.5), training_result(0.5, energy_j=3.25), inference_result(4.0)]
)
def test_what_is_written_is_read_back_equal(folder, result):
    record = record_of(result=result)
    path = folder.write(record)
    assert read_record(path) == record
    assert folder.find(record.case, record.machine) == record
    assert [p.name for p in folder.path.iterdir()] == [record.file_name]


def test_the_key_follows_from_the_case_alone():
    first = record_of(seed=0)
    assert record_of(seed=0, session="another").key == first.key
    assert record_of(seed=1).key != first.key
    assert record_of("mixup").key != first.key
    assert record_of(protocol={"width": 0.5}).key != first.key
    assert replace(first.case, technique_sha256="f" * 64).key != first.key


def test_records_of_two_machines_lie_side_by_side(folder, tmp_path):
    ours, theirs = record_of(), record_of(machine=replace(MACHINE, cpu="Another CPU"))
    folder.write(ours)
    elsewhere = RecordFolder(tmp_path / "elsewhere")
    shutil.copy(elsewhere.write(theirs), folder.path)
    records, unreadable = folder.read()
    assert {record.machine.cpu for record in records} == {"Test CPU", "Another CPU"}
    assert not unreadable
    assert folder.find(ours.case, ours.machine) == ours


def edited(change):
    def damage(text):
        content = json.loads(text)
        change(content)
        return json.dumps(content)

    return damage


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda text: text[: len(text) // 2], "not readable as JSON"),
        (lambda _: "", "not readable as JSON"),
        (lambda _: "[1, 2]", "not a greenbench record"),
        (lambda _: '{"a": 1}', "not a greenbench record"),
        (edited(lambda r: r.update(schema=99)), "schema 99"),
        (edited(lambda r: r["case"].update(seed=7)), "it was edited"),
        (edited(lambda r: r["case"].update(seed="0")), "another type"),
        (edited(lambda r: r.update(seconds="3")), "another type"),
        (edited(lambda r: r["machine"].pop("cpu")), "cpu"),
        (edited(lambda r: r.update(more=1)), "more"),
        (edited(lambda r: r["training"]["energy"].update(energy_j=0.0)), "energy"),
    ],
)
def test_a_damaged_file_is_left_out_by_name_and_the_others_stay(folder, damage, reason):
    good, bad = record_of(), record_of("mixup")
    folder.write(good)
    path = folder.write(bad)
    path.write_text(damage(path.read_text()))
    records, unreadable = folder.read()
    assert records == [good]
    assert [(u.path, reason in u.reason) for u in unreadable] == [(path, True)], unreadable


def test_bytes_that_are_no_text_are_left_out(folder):
    folder.write(record_of())
    (folder.path / "noise.json").write_bytes(b"\xff\xfe\x00{")
    records, unreadable = folder.read()
    assert len(records) == 1
    assert len(unreadable) == 1


@given(st.binary(max_size=60))
def test_no_content_of_a_file_raises(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("any") / "x.json"
    path.write_bytes(content)
    assert not isinstance(read_record(path), Record)


def test_a_value_that_is_not_finite_is_never_written(folder):
    with pytest.raises(ValueError, match="JSON compliant"):
        folder.write(record_of(result=training_result(float("nan"))))
    assert folder.read() == ([], [])


def test_a_full_disk_is_named_and_what_was_there_stays(tmp_path):
    """A real full disk: a small file system in memory, in a mount namespace of its own."""
    script = """
import sys
from pathlib import Path
from greenbench.errors import UserError
from greenbench.records.record import RecordFolder, read_record
folder = RecordFolder(Path(sys.argv[1]))
record = read_record(Path(sys.argv[2]))
kept = folder.write(record)
(folder.path / "ballast").write_bytes(b"x" * (64 * 1024 - 3 * 4096 - len(kept.read_bytes()) // 4096 * 4096))
other = read_record(Path(sys.argv[3]))
try:
    for _ in range(20):
        (folder.path / f"more{_}").write_bytes(b"y" * 4096)
except OSError:
    pass
try:
    folder.write(other)
except UserError as error:
    print("refused:", error)
records, unreadable = folder.read()
print("left:", [r.case.technique for r in records], len(unreadable), sorted(p.suffix for p in folder.path.glob("*.tmp")))
"""
    source = RecordFolder(tmp_path / "source")
    paths = [source.write(record_of(name)) for name in ("baseline", "mixup")]
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = f"mount -t tmpfs -o size=64k none {disk} && exec {sys.executable} -c '{script}' {disk} {paths[0]} {paths[1]}"
    try:
        run = subprocess.run(
            ["unshare", "-m", "sh", "-c", mount], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        pytest.skip("needs unshare (util-linux)")
    if "ermission denied" in run.stderr or "not permitted" in run.stderr:
        pytest.skip("needs the right to mount a small file system")
    assert "refused: the record" in run.stdout, run.stdout + run.stderr
    assert "No space left" in run.stdout
    assert "--green-resume" in run.stdout
    assert "left: ['baseline'] 0 []" in run.stdout


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(UserError, match="cannot be written"):
        RecordFolder(tmp_path / "out").write(record_of())
