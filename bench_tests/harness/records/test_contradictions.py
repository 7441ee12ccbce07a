"""Values that contradict each other are refused by name, whatever the file's digest says."""

from dataclasses import replace

import pytest

from bench_tests.harness.made_records import (
    NOT_MEASURED,
    diverged_result,
    inference_result,
    reading_of,
    record_of,
    rewritten,
    training_result,
)
from greenbench.records.contradictions import contradiction
from greenbench.records.folder import RecordFolder, read_record
from greenbench.records.results import Cost, Epoch
from greenbench.spec.workload import ACCURACY, MIOU, Metric

PERPLEXITY = Metric("perplexity", "Perplexity", unit="", better="lower")


def epoch(number, score, metric="accuracy"):
    validation = None if score is None else {metric: score}
    return Epoch(number, (12, 12), 0.1, 0.5, 1.0, NOT_MEASURED, validation)


def run_of(*scores, metric=ACCURACY, **changes):
    """Return a record of a run with these scores after its epochs, of 360 images each."""
    pick = max if metric.better == "higher" else min
    last = None if scores[-1] is None else {metric.name: scores[-1]}
    best = pick(score for score in scores if score is not None)
    result = training_result(None)
    result = replace(
        result,
        train=last,
        validation=last,
        steps=10 * len(scores),
        best=best,
        best_epoch=scores.index(best) + 1,
        train_seconds=float(len(scores)),
        curve=tuple(epoch(number, score, metric.name) for number, score in enumerate(scores, 1)),
    )
    record = record_of(result=replace(result, **changes), metric=metric)
    return replace(record, workload=replace(record.workload, train_images=1437, validation_images=360))


def changed(record, part="result", **changes):
    """Return a record in which fields of a part are others."""
    return replace(record, **{part: replace(getattr(record, part), **changes)})


def edited(record, number, **changes):
    """Return a record of a training in which fields of one epoch (from 1) are others."""
    curve = [replace(e, **changes) if e.epoch == number else e for e in record.result.curve]
    return changed(record, curve=tuple(curve))


def measured_run(whole_j=30.0, **setting):
    """Return a record of two epochs of 10 and 20 J."""
    record = run_of(0.5, 0.75, energy=reading_of(whole_j, 2.0))
    for number in (1, 2):
        record = edited(record, number, energy=reading_of(10.0 * number, 1.0))
    return changed(record, "case", setting={**record.case.setting, **setting})


def inference_of(**changes):
    record = record_of(result=inference_result(2.0, energy_j=0.5))
    return changed(record, single=replace(record.result.single, **changes))


def planned(record, epochs, **facts):
    record = changed(record, "case", setting={**record.case.setting, "epochs": epochs})
    return changed(record, "technique", **facts)


COST = Cost(10, 2, 0.01, True, 100.0, 5.0, 0.1, reading_of(5.0, 1.0), NOT_MEASURED, NOT_MEASURED)


@pytest.mark.parametrize(
    "record",
    [
        run_of(0.5, 0.75, 0.725),
        run_of(None, 0.5, None, 0.75),
        run_of(1 / 3, metric=MIOU),
        run_of(0.0, 1.0, metric=MIOU),
        run_of(30.0, 12.5, 17.1, metric=PERPLEXITY),
        record_of(result=diverged_result()),
        record_of(result=training_result(0.9)),
        record_of(result=training_result(0.9, energy_j=5.0)),
        record_of(result=inference_result(2.0, energy_j=0.5)),
        record_of(result=COST, kind="cost"),
        measured_run(training_energy="all"),
        measured_run(whole_j=31.0, training_energy="steady"),
        planned(run_of(0.5, 0.75), 4, changed_fields=("epochs",)),
        planned(record_of(result=diverged_result()), 4),
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
        (
            run_of(0.5, 0.75, best_epoch=1),
            "its best epoch is 1, where accuracy is 0.5, and its best is 0.75",
        ),
        (
            run_of(0.5, 0.75, best_epoch=9),
            "its best epoch is 9, where accuracy is None, and its best is 0.75",
        ),
        (planned(run_of(0.5, 0.75), 1), "it has 2 epochs, and its recipe 1"),
        (planned(run_of(0.5, 0.75), 4), "it is finished after 2 epochs, and its recipe has 4"),
        (planned(record_of(result=diverged_result()), 0), "it has 1 epochs, and its recipe 0"),
        (
            edited(run_of(0.75, 0.5), 2, epoch=3),
            "its epochs are 1, 3, not 1, 2, ...",
        ),
        (run_of(0.5, 0.75, steps=21), "it took 21 steps in 2 epochs, which is no whole number in each"),
        (run_of(0.5, 0.75, steps=-20), "it took -20 steps in 2 epochs, which is no whole number in each"),
        (run_of(0.5, train=None), "it is finished, and diverged or has no final metrics"),
        (run_of(0.5, diverged_at_step=3), "it is finished, and diverged or has no final metrics"),
        (
            run_of(0.5, status="diverged", diverged_at_step=3),
            "it diverged, and has final metrics or no step from 1 to 10 at which it did",
        ),
        (
            record_of(result=diverged_result(step=11)),
            "it diverged, and has final metrics or no step from 1 to 10 at which it did",
        ),
        (
            edited(run_of(0.5, 0.75), 1, train_loss=None),
            "it went on after epoch 1, whose loss was not finite",
        ),
        (edited(run_of(0.5, 0.75), 2, seconds=-1.0), "the seconds of epoch 2 are -1.0"),
        (edited(run_of(0.5, 0.75), 2, energy=reading_of(-3.0, 1.0)), "the joules of epoch 2 are -3.0"),
        (run_of(0.5, evaluation_seconds=float("nan")), "the seconds of evaluation are nan"),
        (run_of(0.5, energy=reading_of(float("inf"), 1.0)), "the joules of training are inf"),
        (
            measured_run(whole_j=24.0, training_energy="all"),
            "its training energy is 24.0 J, and its parts took 30.0 J",
        ),
        (replace(run_of(0.5), seconds=-1.0), "the seconds of the case are -1.0"),
        (changed(run_of(0.5), "memory", peak_bytes=-1), "the bytes of peak memory are -1"),
        (changed(inference_of(), params=-1), "the parameters are -1"),
        (inference_of(batch_size=2), "a single image is one of 2"),
        (
            inference_of(latency_ms=1.0),
            "the time of a single image has the median 1.0 ms and the quartiles (2.0, 2.0) ms",
        ),
        (
            inference_of(repeat_medians_ms=(3.0, 4.0)),
            "the time of a single image has the median 2.0 ms, and its repeats (3.0, 4.0) ms",
        ),
        (inference_of(energy_per_image=reading_of(-1.0, 6.0)), "the joules of a single image are -1.0"),
        (
            record_of(result=replace(COST, train_seconds=-5.0), kind="cost"),
            "the seconds of training are -5.0",
        ),
        (
            record_of(result=replace(COST, setup=reading_of(-5.0, 1.0)), kind="cost"),
            "the joules of set-up are -5.0",
        ),
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
