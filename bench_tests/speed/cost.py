"""How well cost cases foretell the time of whole trainings: both are run, in turn, at smoke scale on this machine.

Each technique is taken on one workload in turn, and the baseline on all. A training is run before its cost case and after
it: how far these two differ is how well any time can be known here.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from greenbench.execute.run import Bench, run_case
from greenbench.records.results import Cost, Training
from greenbench.spec.case import case_of
from greenbench.spec.scale import find_scale
from greenbench.spec.technique import Technique
from greenbench.spec.workload import Workload
from greenbench.study.catalog import discover

NAME = "cost"
AIM = 0.03
BENCH = Bench(meter="none")


def run(_out: Path | None = None) -> list[dict[str, object]]:
    """Return a row for each pair, and one for the median of their errors."""
    rows: list[dict[str, object]] = []
    errors, noise, shares = [], [], []
    for technique, workload in _pairs():
        before, cost, after = (_run(kind, technique, workload) for kind in ("training", "cost", "training"))
        if not (isinstance(before, Training) and isinstance(cost, Cost) and isinstance(after, Training)):
            continue
        mean_s = (before.train_seconds + after.train_seconds) / 2
        error = cost.train_seconds / mean_s - 1
        errors.append(abs(error))
        noise.append(abs(before.train_seconds / after.train_seconds - 1))
        shares.append(cost.measured_steps / cost.steps)
        rows.append(
            {
                "pair": f"{technique.name}-{workload.name}",
                "trainings_s": f"{before.train_seconds:.2f}, {after.train_seconds:.2f}",
                "foretold_s": f"{cost.train_seconds:.2f} ± {cost.train_half_width_s:.2f}",
                "error": f"{100 * error:+.1f} %",
                "steps": f"{cost.measured_steps} of {cost.steps}",
            }
        )
    if errors:
        median = statistics.median(errors)
        rows.append(
            {
                "name": f"{NAME}, {len(errors)} pairs",
                "median_error": median,
                "median_difference_of_two_trainings": statistics.median(noise),
                "median_share_of_steps": statistics.median(shares),
                "target": f"median error <= {AIM:.0%}",
                "reached": median <= AIM,
            }
        )
    return rows


def _pairs() -> Iterator[tuple[Technique, Workload]]:
    catalog = discover(())
    workloads = [w for w in catalog.workloads.values() if find_scale("smoke").name in w.settings]
    yield from ((catalog.baseline, workload) for workload in workloads)
    for number, name in enumerate(catalog.default):
        technique = catalog.technique(name)
        suited = [workload for workload in workloads if technique.applies_to(workload.task)]
        if not technique.is_baseline and suited:
            yield technique, suited[number % len(suited)]


def _run(kind: str, technique: Technique, workload: Workload) -> object:
    case = case_of(kind, technique, workload, find_scale("smoke"), seed=0)  # type: ignore[arg-type]
    record = run_case(case, technique, workload, replace(BENCH, session=NAME))
    return record.result
