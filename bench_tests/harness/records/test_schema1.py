"""The first format of records stays readable. The files in ``schema1/`` are real ones, of the first smoke run."""

import json
from pathlib import Path

import pytest

from bench_tests.harness.made_records import rewritten
from greenbench.energy import Status
from greenbench.records.folder import RecordFolder, read_record
from greenbench.records.record import Record

FILES = sorted((Path(__file__).parent / "schema1").glob("*.json"))
KINDS = {"training", "inference"}


def named(part):
    (file,) = (file for file in FILES if part in file.name)
    return file


def test_there_are_files_of_both_kinds():
    assert {file.name.partition("-")[0] for file in FILES} == KINDS


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_it_is_read_keeps_its_key_and_is_written_again_as_schema_2(file, tmp_path):
    record = read_record(file)
    assert isinstance(record, Record), record
    assert record.key == json.loads(file.read_text())["key"]
    again = RecordFolder(tmp_path).write(record)
    assert again.name == file.name
    assert json.loads(again.read_text())["schema"] == 2
    assert read_record(again) == record


def test_a_training_says_what_the_file_says():
    old = json.loads(named("training-mixup").read_text())
    record = read_record(named("training-mixup"))
    assert (record.case.technique, record.case.workload, record.case.scale) == ("mixup", "digits", "smoke")
    assert (record.case.setting["epochs"], record.case.mode, record.case.seed) == (4, "paper", 0)
    assert (record.workload.train_images, record.workload.validation_images) == (1437, 360)
    assert (record.workload.metric.name, record.workload.num_classes) == ("accuracy", 10)
    assert record.result.validation == old["training"]["heldout"]
    assert record.result.best == old["training"]["best_heldout"]
    assert record.technique.changed_fields == ("batch_transform",)


def test_an_inference_says_what_the_file_says():
    old = json.loads(named("inference-blurpool").read_text())["inference"]
    record = read_record(named("inference-blurpool"))
    assert (record.result.params, record.result.conv_macs) == (old["params"], old["conv_macs"])
    assert [record.result.single.batch_size, record.result.large.batch_size] == [1, 32]
    assert record.result.large.latency_ms == old["batches"][1]["latency_ms"]
    assert record.workload.version is None


def test_what_it_did_not_keep_stays_open():
    record = read_record(named("training-mixup"))
    assert record.engine is None
    assert record.case.workload_digest == ""
    assert {epoch.energy.status for epoch in record.result.curve} == {Status.NOT_MEASURED}
    assert "schema 1" in record.result.curve[0].energy.reason


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda r: r["case"].update(seed=7), "is not that of its case: it was edited"),
        (lambda r: r["case"]["protocol"]["epochs"].update(digits=5), "it was edited"),
        (lambda r: r.update(key="0" * 12), "it was edited"),
        (lambda r: r["training"].update(best_heldout=0.99), "its best accuracy is 0.99"),
        (lambda r: r["training"]["heldout"].update(accuracy=0.9991), "360 images cannot give"),
        (lambda r: r["training"].update(train_seconds=1.0), "its training time is 1.0 s"),
        (lambda r: r["training"].update(steps="120"), "expected int"),
        (lambda r: r.pop("training"), "missing"),
    ],
)
def test_an_edited_file_is_refused(change, reason, tmp_path):
    path = tmp_path / "edited.json"
    path.write_text(named("training-mixup").read_text())
    rewritten(path, change)
    assert reason in read_record(path).reason
