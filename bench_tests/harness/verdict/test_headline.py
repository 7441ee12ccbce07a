"""A pair's records in a few words."""

import pytest

from bench_tests.harness.made_records import (
    diverged_result,
    failure_result,
    inference_result,
    record_of,
    training_result,
)
from greenbench.records.memory import PROCESS, PeakMemory
from greenbench.verdict.headline import headline


def test_a_training_says_status_metric_score_joules_and_seconds():
    records = [
        record_of(
            result=training_result(score, 10.0), seed=seed, memory=PeakMemory(500_000_000 + seed, PROCESS)
        )
        for seed, score in enumerate((0.5, 0.75))
    ]
    assert headline(records) == {
        "status": "finished",
        "metric": "accuracy",
        "score": "0.625",
        "energy_j": "10",
        "time_s": "2",
        "memory_bytes": "5e+08",
        "records": " ".join(record.file_name for record in records),
    }


def test_an_inference_says_joules_and_milliseconds_of_an_image():
    found = headline([record_of(result=inference_result(4.0, energy_j=0.25))])
    assert (found["status"], found["energy_j"], found["time_ms"]) == ("finished", "0.25", "4")
    assert "score" not in found


def test_what_was_not_measured_says_why():
    found = headline([record_of(result=training_result(0.5))])
    assert found["memory_bytes"] == "not measured: records of earlier versions do not hold it"
    assert found["energy_j"] == "not measured: no meter on this machine (test)"


@pytest.mark.parametrize(
    ("result", "status"), [(failure_result(), "failed"), (diverged_result(), "diverged")]
)
def test_one_run_without_a_result_gives_the_status(result, status):
    records = [record_of(result=training_result(0.5)), record_of(result=result, kind="training", seed=1)]
    found = headline(records)
    assert found["status"] == status
    assert found["score"] == "0.5"
    assert headline(records[1:])["score"] == "not measured"
