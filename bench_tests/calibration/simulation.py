"""Simulated studies with known differences, judged by the package's own verdicts."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from greenbench.energy import Reading, Status
from greenbench.records.machine import Machine
from greenbench.records.record import Record, TechniqueFacts, WorkloadFacts
from greenbench.records.results import Training
from greenbench.spec.case import Case
from greenbench.spec.workload import ACCURACY
from greenbench.verdict.verdict import Verdict, judge

NOISE, COST_NOISE = 0.005, 0.02
"""Standard deviations of one run: half a point of score, 2 % of cost."""

MACHINE = Machine("simulated", 1, None, None, None, "", "", "", "", 1)


@dataclass(frozen=True)
class Scenario:
    """How runs of a study come about.

    Attributes
    ----------
    techniques, workloads, seeds
        Size of the study.
    unlike
        Standard deviation of the logarithm of the techniques' noises; 0 where all scatter alike.
    wild
        Factor of the noise of the last technique.
    tails
        Degrees of freedom of Student's t that noise has; infinite for normal noise.
    common
        Part of a run's variance that all techniques have in common at a seed.
    effect
        Difference of each second technique's score, in points; its cost differs by five times as many percent.
    """

    name: str
    techniques: int = 17
    workloads: int = 4
    seeds: int = 3
    unlike: float = 0.0
    wild: float = 1.0
    tails: float = math.inf
    common: float = 0.3
    effect: float = 0.0


SCENARIOS = (
    Scenario("17 techniques, 3 seeds"),
    Scenario("the same, 5 seeds", seeds=5),
    Scenario("the same, 8 seeds", seeds=8),
    Scenario("one technique, 3 seeds", techniques=1, workloads=1),
    Scenario("one technique, 8 seeds", techniques=1, workloads=1, seeds=8),
    Scenario("no noise in common", common=0.0),
    Scenario("noises unlike (log-sd 0.5)", unlike=0.5),
    Scenario("noises very unlike (log-sd 1)", unlike=1.0),
    Scenario("one technique 5 times as noisy", wild=5),
    Scenario("the same, 5 seeds each", wild=5, seeds=5),
    Scenario("5 times as noisy, one workload", workloads=1, wild=5),
    Scenario("5 times as noisy, two workloads", workloads=2, wild=5),
    Scenario("heavy tails (t, 4 df)", tails=4),
    Scenario("half differ by 3 points, 3 seeds", effect=3),
    Scenario("half differ by 1 point, 8 seeds", effect=1, seeds=8),
)
"""What `python -m bench_tests.calibration` simulates."""


def study(scenario: Scenario, rng: np.random.Generator) -> tuple[list[list[Record]], np.ndarray]:
    """Return the records of one simulated study, workload by workload, and the true differences of the scores."""
    rows = scenario.techniques + 1
    truth = np.zeros(rows)
    truth[2::2] = scenario.effect / 100
    sets = []
    for workload in range(scenario.workloads):
        noises = np.exp(rng.normal(0, scenario.unlike, (rows, 1)))
        noises[-1] *= scenario.wild
        drawn = [
            noises * math.sqrt(1 - scenario.common) * _noise(scenario, rng, (rows, scenario.seeds))
            + math.sqrt(scenario.common) * rng.normal(size=scenario.seeds)
            for _ in range(2)
        ]
        scores = 0.9 + truth[:, None] + NOISE * drawn[0]
        seconds = np.exp(1 + 5 * truth[:, None] + COST_NOISE * drawn[1])
        sets.append(
            [
                _record(row, f"w{workload}", seed, scores[row, seed], seconds[row, seed])
                for row in range(rows)
                for seed in range(scenario.seeds)
            ]
        )
    return sets, truth


def judged(scenario: Scenario, studies: int, seed: int = 0) -> Iterator[list[tuple[Verdict, float]]]:
    """Judge simulated studies; return the verdicts of each with the true differences."""
    rng = np.random.default_rng(seed)
    for _ in range(studies):
        sets, truth = study(scenario, rng)
        yield [
            (verdict, float(truth[int(verdict.technique[1:])]) * (1 if verdict.quantity == "score" else 5))
            for found in judge(sets)
            for verdict in found
        ]


@dataclass(frozen=True)
class Outcome:
    """What verdicts on simulated studies came to, as shares.

    Attributes
    ----------
    false_claims
        Of studies with a false ``better`` or ``worse``.
    false_same
        Of studies with a false ``same``.
    coverage
        Of 95 % intervals that hold the true difference.
    power
        Of true differences that were found; None where there are none.
    same
        Of comparisons without a difference that were shown to be the same.
    """

    false_claims: float
    false_same: float
    coverage: float
    power: float | None
    same: float


def outcome(scenario: Scenario, studies: int, seed: int = 0) -> Outcome:
    """Judge simulated studies, and count."""
    false_claims = false_same = covered = comparisons = found = different = same = equal = 0
    for rows in judged(scenario, studies, seed):
        wrong = [_wrong(verdict, truth) for verdict, truth in rows]
        false_claims += "claim" in wrong
        false_same += "same" in wrong
        for verdict, truth in rows:
            comparisons += 1
            covered += abs(verdict.difference - truth) <= (verdict.half_width or 0.0)
            different += truth != 0
            found += truth != 0 and verdict.word in ("better", "worse")
            equal += truth == 0
            same += truth == 0 and verdict.word == "same"
    return Outcome(
        false_claims / studies,
        false_same / studies,
        covered / comparisons,
        found / different if different else None,
        same / equal,
    )


def _wrong(verdict: Verdict, truth: float) -> str:
    gain = truth if verdict.quantity == "score" else -truth
    if (verdict.word == "better" and gain <= 0) or (verdict.word == "worse" and gain >= 0):
        return "claim"
    return "same" if verdict.word == "same" and abs(truth) >= (verdict.margin or 0.0) else ""


def _noise(scenario: Scenario, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    if math.isinf(scenario.tails):
        return rng.normal(size=shape)
    return rng.standard_t(scenario.tails, shape) / math.sqrt(scenario.tails / (scenario.tails - 2))


_TRAINING = Training(
    "finished",
    1,
    1.0,
    0.0,
    Reading(None, Status.NOT_MEASURED, "none", 1.0, "simulated"),
    Reading(None, Status.NOT_MEASURED, "none", 1.0, "simulated"),
    (),
)


def _record(row: int, workload: str, seed: int, score: float, seconds: float) -> Record:
    name = f"t{row}" if row else "baseline"
    case = Case(
        kind="training",
        technique=name,
        technique_digest=name,
        workload=workload,
        workload_digest="",
        scale="smoke",
        mode="paper",
        seed=seed,
        setting={},
    )
    return Record(
        case,
        MACHINE,
        "",
        "none",
        "",
        None,
        "",
        1.0,
        TechniqueFacts(name, "", "", "", "", ""),
        WorkloadFacts(workload, "classification", ACCURACY, 10, None),
        replace(_TRAINING, validation={"accuracy": float(score)}, train_seconds=float(seconds)),
    )
