"""The cost to a target in tables that others made, against scipy's log-rank test on the rows of the file."""

import csv
import gzip
import os
from collections import defaultdict
from pathlib import Path
from statistics import fmean

import pytest
from scipy.stats import CensoredData, logrank

from bench_tests.harness.verdict.test_imported_verdicts import PEERS
from greenbench.records.conditions import same_conditions
from greenbench.records.imported import read_results
from greenbench.records.reader import Reader
from greenbench.spec.technique import BASELINE
from greenbench.verdict.to_target import to_targets

READER = Reader(
    "SGD",
    {"workload": "dataset", "technique": "optimizer", "epoch": "epoch", "score": "val_acc"},
    score_unit="fraction",
    better="higher",
)


def by_scipy(rows):
    """Return of each data set and optimizer how many runs reached the mean of SGD's last scores, and Holm's p-value."""
    runs = defaultdict(list)
    for row in rows:
        values = int(row["epoch"]), float(row["val_acc"]), float(row["seconds"])
        runs[row["dataset"], row["optimizer"], row["seed"]].append(values)
    found = {}
    for task in {task for task, _, _ in runs}:
        curves = {key[1:]: sorted(epochs) for key, epochs in runs.items() if key[0] == task}
        target = fmean(epochs[-1][1] for (name, _), epochs in curves.items() if name == "SGD")
        times = defaultdict(list)
        for (name, _), epochs in curves.items():
            until = [sum(s for _, _, s in epochs[:number]) for number in range(1, len(epochs) + 1)]
            hits = [t for t, (_, score, _) in zip(until, epochs, strict=True) if score >= target - 1e-9]
            times[name].append((hits[0], True) if hits else (until[-1], False))
        p_values = {}
        for name in times.keys() - {"SGD"}:
            most = max(time for time, _ in (*times[name], *times["SGD"]))
            sides = [
                CensoredData(
                    uncensored=[time for time, there in times[side] if there],
                    right=[most for _, there in times[side] if not there],
                )
                for side in (name, "SGD")
            ]
            p_values[name] = logrank(*sides).pvalue
        largest = 0.0
        for rank, name in enumerate(sorted(p_values, key=p_values.get)):
            largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[name]))
            found[task, name] = sum(there for _, there in times[name]), largest
    return found


def test_a_study_of_eight_optimizers_gives_what_scipy_gives():
    folder = os.environ.get(PEERS)
    if not folder:
        pytest.skip(f"needs {PEERS}, a folder with results that others measured")
    path = Path(folder) / "optimizer-study-epochs.csv.gz"
    with gzip.open(path, "rt") as file:
        expected = by_scipy(csv.DictReader(file))
    assert len(expected) == 21
    records = read_results(path, READER)
    titles = {
        (record.case.workload, record.case.technique): (record.workload.title, record.technique.title)
        for record in records
    }
    found = [one for alike in same_conditions(records) for one in to_targets(alike)]
    for one in found:
        if one.technique != BASELINE:
            reached, p = expected.pop(titles[one.workload, one.technique])
            assert (one.reached, one.p) == (reached, pytest.approx(p))
            assert (one.word == "undecided") == (p > 0.05)
    assert not expected
