"""A folder of records: written whole, read strictly, mergeable, and never lost to a bad neighbor."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench_tests.harness.made_records import (
    MACHINE,
    diverged_result,
    failure_result,
    inference_result,
    record_of,
    rewritten,
    training_result,
)
from greenbench.energy import Reading, Status, Uncertainty
from greenbench.energy.device import EdgeState
from greenbench.errors import UserError
from greenbench.records.folder import RecordFolder, load_records, read_record
from greenbench.records.record import Record

RESULTS = {
    "training": training_result(0.5),
    "training with energy": training_result(0.5, energy_j=3.25),
    "diverged": diverged_result(),
    "inference": inference_result(4.0),
    "inference with energy": inference_result(4.0, energy_j=0.5),
    "failure": failure_result(),
}
FULL_READING = Reading(
    5.5,
    Status.MEASURED_SHORT,
    "nvml-counter",
    2.0,
    reason="few ticks",
    device="H200",
    ticks=3,
    idle_j=1.0,
    net_energy_j=4.5,
    uncertainty=Uncertainty(0.1, 0.2, 0.3, 0.4),
    start=EdgeState("GPU-1"),
    notes=("a note",),
    scaled_by=2.0,
)


@pytest.fixture
def folder(tmp_path):
    return RecordFolder(tmp_path / "out")


@pytest.mark.parametrize("result", RESULTS.values(), ids=RESULTS)
def test_what_is_written_is_read_back_equal(folder, result):
    record = record_of(result=result)
    path = folder.write(record)
    assert read_record(path) == record
    assert folder.find(record.case, record.machine) == record
    assert [p.name for p in folder.path.iterdir()] == [record.file_name]
    assert load_records(folder.path) == [record]


def test_all_of_a_reading_comes_back(folder):
    record = record_of(
        result=training_result(0.5, energy=FULL_READING), disturbed="process 7", weights="w.pth"
    )
    assert read_record(folder.write(record)) == record


def test_every_epoch_has_its_reading(folder):
    record = read_record(folder.write(record_of(result=training_result(0.5, energy_j=3.25))))
    assert [epoch.energy.energy_j for epoch in record.result.curve] == [3.25]


def test_a_file_that_leaves_defaults_out_is_read(folder):
    record = record_of()
    content = json.loads(folder.write(record).read_text())
    assert "disturbed" not in content
    assert "diverged_at_step" not in content["result"]
    assert {"schema", "key"} <= content.keys(), "what identifies it is always there"


def test_a_file_that_spells_defaults_out_is_read(folder):
    path = folder.write(record_of())
    rewritten(path, lambda content: content.update(disturbed=None))
    assert read_record(path) == record_of()


def test_the_key_follows_from_the_case_alone():
    first = record_of()
    assert record_of(session="another", machine=replace(MACHINE, cpu="another")).key == first.key
    assert first.key == first.case.key
    for changes in (
        {"seed": 1},
        {"mode": "fast"},
        {"setting": {"epochs": 5}},
        {"technique_digest": "f" * 64},
    ):
        assert record_of(**changes).key != first.key, changes


def test_records_of_two_machines_lie_side_by_side(folder, tmp_path):
    ours, theirs = record_of(), record_of(machine=replace(MACHINE, cpu="Another CPU"))
    folder.write(ours)
    elsewhere = RecordFolder(tmp_path / "elsewhere")
    shutil.copy(elsewhere.write(theirs), folder.path)
    records, unreadable = folder.read()
    assert {record.machine.cpu for record in records} == {"Test CPU", "Another CPU"}
    assert not unreadable
    assert folder.find(ours.case, ours.machine) == ours


def test_a_record_that_is_not_there_or_not_readable_is_not_found(folder):
    record = record_of()
    assert folder.find(record.case, record.machine) is None
    folder.write(record).write_text("{")
    assert folder.find(record.case, record.machine) is None


def test_verdicts_beside_the_records_are_no_records(folder):
    folder.write(record_of())
    (folder.path / "verdicts.json").write_text("[]")
    assert folder.read() == ([record_of()], [])


def leaves(content, path=()):
    """Go through all values of a file with their places."""
    items = content.items() if isinstance(content, dict) else enumerate(content)
    for name, value in items:
        if isinstance(value, dict | list):
            yield from leaves(value, (*path, name))
        else:
            yield (*path, name), value


def at(content, path):
    for name in path:
        content = content[name]
    return content


def other(value):
    if isinstance(value, str):
        return value + "x"
    return not value if isinstance(value, bool) else 1 if value is None else value + 1


@pytest.mark.parametrize("name", ["training with energy", "inference", "failure"])
def test_an_edit_of_any_value_is_named(folder, name):
    path = folder.write(record_of(result=RESULTS[name]))
    text = path.read_text()
    places = [place for place, _ in leaves(json.loads(text))]
    assert len(places) > 30
    for place in places:
        content = json.loads(text)
        inside = at(content, place[:-1])
        inside[place[-1]] = other(inside[place[-1]])
        path.write_text(json.dumps(content))
        loaded = read_record(path)
        assert not isinstance(loaded, Record), place
        assert "it was edited" in loaded.reason or place == ("schema",), place


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda r: r["case"].update(seed="0"), "expected int @ $.case.seed"),
        (lambda r: r.update(seconds="3"), "expected float | None @ $.seconds"),
        (lambda r: r["machine"].update(workers=True), "expected int @ $.machine.workers"),
        (lambda r: r["technique"].update(title=3), "expected str @ $.technique.title"),
        (lambda r: r["machine"].pop("cpu"), "required field missing @ $.machine.cpu"),
        (lambda r: r.pop("result"), "required field missing @ $.result"),
        (lambda r: r.update(more=1), "extra fields found (more)"),
        (lambda r: r["result"].update(type="cost"), "$.result"),
        (lambda r: r["result"].update(curve=[1]), "$.result"),
        (lambda r: r["result"]["energy"].update(energy_j=0.0), "$.result.energy"),
        (lambda r: r["case"].update(kind="guess"), "$.case.kind"),
        (lambda r: r["workload"].update(image_size=[1, 2, 3]), "$.workload.image_size"),
        (lambda r: r.update(key="0" * 12), "its key 000000000000 is not that of its case"),
        (lambda r: r["workload"].update(validation_images=10**400), "too large"),
    ],
)
def test_what_no_record_can_hold_is_refused_even_under_a_digest_of_its_own(folder, change, reason):
    record = record_of(
        metric=replace(record_of().workload.metric, per_image=True), result=training_result(0.8)
    )
    path = folder.write(record)
    assert read_record(path) == record
    rewritten(path, change)
    assert reason in read_record(path).reason


@pytest.mark.parametrize(
    ("schema", "shown"), [(3, "3"), ("2", "'2'"), (True, "True"), (None, "None"), ([2], "[2]")]
)
def test_a_schema_of_another_time_is_named(folder, schema, shown):
    path = folder.write(record_of())
    rewritten(path, lambda content: content.update(schema=schema))
    assert read_record(path).reason == f"schema {shown}; this greenbench reads the schemas 1 and 2"


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda text: text[: len(text) // 2], "not readable as JSON"),
        (lambda _: "", "not readable as JSON"),
        (lambda _: "1" * 5000, "not readable as JSON"),
        (lambda _: "[" * 200_000, "not readable as JSON"),
        (lambda _: "[1, 2]", "not a greenbench record"),
        (lambda _: '{"a": 1}', "not a greenbench record"),
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
    assert len(records) == len(unreadable) == 1


@given(st.binary(max_size=60))
def test_no_content_of_a_file_raises(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_bytes(content)
    assert not isinstance(read_record(path), Record)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=3), inside, max_size=3),
    max_leaves=5,
)
MADE = {name: record_of(result=result) for name, result in RESULTS.items()}


@given(st.data())
def test_no_value_in_the_place_of_another_raises(tmp_path_factory, data):
    folder = RecordFolder(tmp_path_factory.getbasetemp() / "any")
    record = data.draw(st.sampled_from(list(MADE.values())))
    path = folder.write(record)
    places = [place for place, _ in leaves(json.loads(path.read_text()))]
    cut = data.draw(st.sampled_from(places))
    place = cut[: data.draw(st.integers(1, len(cut)))]
    rewritten(path, lambda content: at(content, place[:-1]).__setitem__(place[-1], data.draw(JSON)))
    read_record(path)


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
from greenbench.records.folder import RecordFolder, read_record
folder = RecordFolder(Path(sys.argv[1]))
kept = folder.write(read_record(Path(sys.argv[2])))
other = read_record(Path(sys.argv[3]))
try:
    for number in range(20):
        (folder.path / f"more{number}").write_bytes(b"y" * 4096)
except OSError:
    pass
try:
    folder.write(other)
except UserError as error:
    print("refused:", error)
records, unreadable = folder.read()
print("left:", [r.case.technique for r in records], len(unreadable), sorted(folder.path.glob(".*")))
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


def test_a_folder_that_cannot_be_made_is_named_before_anything_runs(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    for place in (file, file / "below"):
        with pytest.raises(UserError, match=f"cannot be made: {file} is a file") as refused:
            RecordFolder(place).check()
        assert "--green-out" in refused.value.next_step
        with pytest.raises(UserError, match="cannot be written"):
            RecordFolder(place).write(record_of())


def test_checking_a_folder_makes_nothing(tmp_path):
    RecordFolder(tmp_path / "a" / "b").check()
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    tmp_path.chmod(0o555)
    with pytest.raises(UserError, match="cannot be written"):
        RecordFolder(tmp_path / "out").check()
