"""Verdicts on tables that others made, against scipy's own tests on the columns of the file."""

import csv
import gzip
import os
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ttest_rel

from greenbench.records.imported import read_results
from greenbench.records.reader import Reader
from greenbench.spec.technique import BASELINE
from greenbench.verdict.to_target import to_targets
from greenbench.verdict.verdict import verdicts

PEERS = "GREENBENCH_PEERS"
MADE_UP = """\
task,method,run,top1,joules
easy,plain,0,71.2,101
easy,plain,1,70.1,99
easy,plain,2,70.9,103
easy,plain,3,71.6,98
easy,deep,0,74.0,140
easy,deep,1,73.1,135
easy,deep,2,74.4,139
easy,deep,3,73.9,137
easy,thin,3,70.2,71
easy,thin,2,70.8,74
easy,thin,1,70.3,70
easy,thin,0,71.9,69
hard,plain,0,41.0,201
hard,plain,1,44.1,199
hard,plain,2,39.9,202
hard,deep,1,47.0,280
hard,deep,2,45.0,300
hard,deep,5,44.0,290
"""
OF_MADE_UP = Reader(
    "plain",
    {"workload": "task", "technique": "method", "seed": "run", "score": "top1", "energy": "joules"},
    score_unit="percent",
    better="higher",
    energy_unit="J",
)


def rows_of(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def by_scipy(rows, workload, technique, seed, value, baseline, transform):
    """Return mean difference, 95 % interval and p of every technique, from the rows as they stand in the file."""
    columns = defaultdict(dict)
    for row in rows:
        columns[row[workload], row[technique]][int(row[seed])] = transform(float(row[value]))
    found = {}
    for (task, name), ours in columns.items():
        theirs = columns[task, baseline]
        shared = sorted(ours.keys() & theirs.keys())
        if name != baseline and len(shared) > 1:
            a, b = (np.array([values[number] for number in shared]) for values in (ours, theirs))
            test = ttest_rel(a, b)
            found[task, name] = (len(shared), (a - b).mean(), *test.confidence_interval(0.95), test.pvalue)
    return found


def check(records, quantity, expected):
    """Compare one technique at a time: with others beside it, they tell of its noise, and the test is no longer scipy's."""
    found, families = {}, {}
    for technique in {record.case.technique for record in records} - {BASELINE}:
        alone = verdicts([record for record in records if record.case.technique in (BASELINE, technique)])
        title = {r.case.technique: r.technique.title for r in records}[technique]
        for one in alone:
            place = next(r.workload.title for r in records if r.case.workload == one.workload), title
            families[title] = sum(each.p is not None for each in alone)
            if one.quantity == quantity:
                found[place] = one
    assert found.keys() == expected.keys()
    for place, (n, difference, low, high, p) in expected.items():
        verdict = found[place]
        assert verdict.n == n
        assert verdict.difference == pytest.approx(difference, rel=1e-9, abs=1e-12)
        assert verdict.half_width == pytest.approx((high - low) / 2, rel=1e-6)
        assert verdict.p == pytest.approx(min(1.0, families[place[1]] * p), rel=1e-6, abs=1e-12)


@pytest.mark.parametrize(
    ("quantity", "column", "transform"),
    [("score", "top1", lambda percent: percent / 100), ("train_energy_j", "joules", np.log)],
)
def test_a_made_up_table_gives_what_scipy_gives(tmp_path, quantity, column, transform):
    path = tmp_path / "results.csv"
    path.write_text(MADE_UP)
    expected = by_scipy(rows_of(path), "task", "method", "run", column, "plain", transform)
    assert len(expected) == 3
    check(read_results(path, OF_MADE_UP), quantity, expected)


@pytest.mark.parametrize(
    ("quantity", "column", "transform"),
    [("score", "final_accuracy", float), ("train_time_s", "seconds", np.log), ("steps", "epochs", np.log)],
)
def test_a_study_of_eight_optimizers_gives_what_scipy_gives(quantity, column, transform):
    folder = os.environ.get(PEERS)
    if not folder:
        pytest.skip(f"needs {PEERS}, a folder with results that others measured")
    path = Path(folder) / "optimizer-study-runs.csv"
    reader = Reader(
        "SGD",
        {"workload": "dataset", "technique": "optimizer", "score": "final_accuracy", "steps": "epochs"},
        score_unit="fraction",
        better="higher",
    )
    expected = by_scipy(rows_of(path), "dataset", "optimizer", "seed", column, "SGD", transform)
    assert len(expected) == 21
    check(read_results(path, reader), quantity, expected)


def test_joules_to_a_target_by_power_limit_are_those_of_the_traces(tmp_path):
    """Zeus's traces: epochs to 60 % by batch size, seconds and watts by power limit; their product is joules to a target."""
    folder = os.environ.get(PEERS)
    if not folder:
        pytest.skip(f"needs {PEERS}, a folder with results that others measured")
    epochs, joules = defaultdict(dict), {}
    with gzip.open(Path(folder) / "zeus-train.csv.gz", "rt") as file:
        for row in csv.DictReader(file):
            if (
                row["dataset"] == "cifar100"
                and row["optimizer"] == "adadelta"
                and row["target_epoch"] != "nan"
            ):
                batch, run = row["batch_size"], int(row["run"])
                epochs[batch, run][float(row["target_metric"])] = int(float(row["target_epoch"]))
    for row in rows_of(Path(folder) / "zeus-power-v100.csv"):
        if row["dataset"] == "cifar100" and row["optimizer"] == "adadelta":
            of_epoch = float(row["time_per_epoch"]) * float(row["average_power"])
            joules[row["batch_size"], row["power_limit"]] = of_epoch
    path = tmp_path / "zeus.csv"
    with path.open("w") as file:
        print("limit,batch,run,epoch,top1,joules", file=file)
        for (batch, run), reached in epochs.items():
            best = {epoch: target for target, epoch in sorted(reached.items())}  # the last target of an epoch
            for (of_batch, limit), of_epoch in joules.items():
                for epoch, target in best.items() if of_batch == batch else ():
                    print(limit, batch, run, epoch, target, of_epoch * epoch, sep=",", file=file)
    reader = Reader(
        "1024",
        {"workload": "limit", "technique": "batch", "seed": "run", "score": "top1", "energy": "joules"},
        score_unit="fraction",
        better="higher",
        energy_unit="J",
        cumulative=True,
    )
    records = read_results(path, reader)
    compared = 0
    for limit in {record.workload.title for record in records}:
        for one in to_targets([record for record in records if record.workload.title == limit]):
            batch = "1024" if one.technique == BASELINE else one.technique
            costs = {
                run: joules[batch, limit] * reached[0.6]
                for (of_batch, run), reached in epochs.items()
                if of_batch == batch and 0.6 in reached
            }
            theirs = {run: joules["1024", limit] * epochs["1024", run][0.6] for run in range(1, 11)}
            assert one.target == pytest.approx(0.6)
            assert one.reached == len(costs)
            if one.low is None:
                continue
            assert one.cost == pytest.approx(np.median(list(costs.values())))
            shared = sorted(costs.keys() & theirs.keys())
            test = ttest_rel(np.log([costs[run] for run in shared]), np.log([theirs[run] for run in shared]))
            interval = test.confidence_interval(0.95)
            assert (one.low, one.high) == pytest.approx(np.exp([interval.low, interval.high]))
            compared += 1
    assert compared > 30
