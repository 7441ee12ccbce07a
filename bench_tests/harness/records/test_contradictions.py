"""Values that contradict each other are refused by name, whatever the file's digest says."""

from dataclasses import replace

import pytest

from bench_tests.harness.made_records import (
    NOT_MEASURED,
    diverged_result,
    record_of,
    rewritten,
    training_result,
)
from greenbench.records.contradictions import contradiction
from greenbench.records.folder import RecordFolder, read_record
from greenbench.records.results import Epoch
from greenbench.spec.workload import ACCURACY, MIOU, Metric

PERPLEXITY = Metric("perplexity", "Perplexity", unit="", better="lower")


def epoch(number, score, metric="accuracy"):
    validation = None if score is None else {metric: score}
    return Epoch(number, (12, 12), 0.1, 0.5, 1.0, NOT_MEASURED, validation)


def run_of(*scores, metric=ACCURACY, **changes):
    """Return a record of a run with these scores after its epochs, of 360 images each."""
    pick = max if metric.better == "higher" else min
    last = None if scores[-1] is None else {metric.name: scores[-1]}
    result = training_result(None)
    result = replace(
        result,
        train=last,
        validation=last,
        best=pick(score for score in scores if score is not None),
        train_seconds=float(len(scores)),
        curve=tuple(epoch(number, score, metric.name) for number, score in enumerate(scores, 1)),
    )
    record = record_of(result=replace(result, **changes), metric=metric)
    return replace(record, workload=replace(record.workload, train_images=1437, validation_images=360))


@pytest.mark.parametrize(
    "record",
    [
        run_of(0.5, 0.75, 0.725),
        run_of(None, 0.5, None, 0.75),
        run_of(1 / 3, metric=MIOU),
        run_of(30.0, 12.5, 17.1, metric=PERPLEXITY),
        record_of(result=diverged_result()),
        record_of(result=training_result(0.9)),
    ],
)
def test_a_sound_record_has_none(record):
    assert contradiction(record) is None


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (run_of(0.5, 0.75, best=0.5), "its best accuracy is 0.5, and its curve's is 0.75"),
        (run_of(9.0, 7.0, metric=PERPLEXITY, best=9.0), "its best perplexity is 9.0, and its curve's is 7.0"),
        (
            run_of(0.5, 0.75, validation={"accuracy": 0.9}),
            "its final metrics are not those of its last epoch",
        ),
        (run_of(0.5, 0.75, validation=None), "its final metrics are not those of its last epoch"),
        (run_of(0.9991), "accuracy of train is 0.9991, which 360 images cannot give"),
        (
            run_of(0.5, train={"accuracy": 0.9991}),
            "accuracy of train is 0.9991, which 360 images cannot give",
        ),
        (run_of(0.9991, 0.75), "accuracy of epoch 1 is 0.9991, which 360 images cannot give"),
        (run_of(1.25, metric=MIOU), "miou of train is 1.25, not between 0 and 1"),
        (run_of(0.5, train={"accuracy": -0.25}), "accuracy of train is -0.25, not between 0 and 1"),
        (run_of(float("inf"), metric=PERPLEXITY), "perplexity of train is inf"),
        (run_of(0.5, train={"miou": 0.5}), "accuracy of train is missing"),
        (run_of(0.5, 0.75, train_seconds=3.0), "its training time is 3.0 s, and its parts took 2.0 s"),
    ],
)
def test_what_cannot_be_is_named(record, words):
    assert contradiction(record) == words


def test_a_split_smaller_than_the_other_is_evaluated_as_a_whole():
    record = run_of(0.5, train={"accuracy": 2 / 7})
    fewer = replace(record.workload, train_images=7)
    assert contradiction(replace(record, workload=fewer)) is None
    assert "which 7 images" in contradiction(replace(run_of(0.5, train={"accuracy": 0.25}), workload=fewer))


def test_an_edit_under_a_fresh_digest_is_still_found(tmp_path):
    path = RecordFolder(tmp_path).write(run_of(0.5, 0.75))
    assert read_record(path) == run_of(0.5, 0.75)

    def better(content):
        content["result"]["validation"]["accuracy"] = 0.9991

    rewritten(path, better)
    assert "0.9991, which 360 images cannot give: such a run cannot have been" in read_record(path).reason
