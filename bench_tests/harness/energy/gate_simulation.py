"""Pull requests of known effect, judged by the gate: by numbers alone, and by joules that the meter read on the stub.

Runs of one setting scatter by 1 % (standard deviation of the logarithm of joules), sessions by 0.5 %; a card that warms up
draws up to 3 % more or less at first, with a time constant of 10 to 60 s, and 2 % of noise from second to second. On the stub
all of that together makes runs of 30 s scatter by 1.5 %.

``python -m bench_tests.harness.energy.gate_simulation`` prints the shares of many pull requests.
"""

from __future__ import annotations

import math
import random
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from bench_tests.harness.made_records import record_of, training_result
from bench_tests.nvml_stub import Stub, build
from greenbench.energy import Reading, Status
from greenbench.energy.sources.nvml.opening import open_nvml
from greenbench.records.record import Record
from greenbench.verdict.gate import compare
from greenbench.verdict.limits import read_limits

LIMIT = 0.05
LIMITS = read_limits("train_energy_j:5%", {})
RUN_SD, SESSION_SD = 0.01, 0.005
MEAN_W, WINDOW_S = 220.0, 30.0

Measure = Callable[[random.Random, float], Reading]
"""Takes what the power is to be multiplied by."""


@dataclass(frozen=True)
class Plan:
    """How large a pull request's study is.

    `sessions` are those on each side; `seeds` are all runs of a pair on one side.
    """

    workloads: int
    techniques: int
    seeds: int
    sessions: int = 1

    def __str__(self) -> str:
        pairs = self.workloads * self.techniques
        return f"{pairs} pairs, {self.seeds} runs a side in {self.sessions} sessions"


@dataclass(frozen=True)
class Outcome:
    """What the gate said of one pull request: of the pair that changed, and of any other."""

    word: str
    false_alarm: bool
    more_runs: int | None


def by_numbers(rng: random.Random, factor: float) -> Reading:
    """Return joules as if read without an error."""
    return Reading(MEAN_W * WINDOW_S * factor, Status.MEASURED, "test", WINDOW_S)


def on_stub(stub: Stub) -> Measure:
    """Return what draws power on the stub, and reads it with the meter."""

    def measure(rng: random.Random, factor: float) -> Reading:
        drift, constant_s = rng.uniform(-0.03, 0.03), rng.uniform(10.0, 60.0)
        points = [(0.0, 60.0)]
        for second in range(1, int(WINDOW_S) + 4):
            level = 1 + drift * math.exp(-second / constant_s) + rng.gauss(0.0, 0.02)
            points.append((float(second), MEAN_W * factor * level))
        stub.reset()
        stub.wave(points)
        stub.command(f"set 0 phase {rng.uniform(0.0, 0.1)}")
        stub.command(f"set 0 tick {rng.choice([0.02, 0.1])}")
        with open_nvml(lambda: None, clock=stub.clock()) as meter:
            meter.clock.sleep(1.0 - stub.now)
            with meter.window("training") as window:
                meter.clock.sleep(WINDOW_S)
        return window.reading

    return measure


def simulate(
    plan: Plan, rise: float, seed: int, measure: Measure = by_numbers, session_sd: float = SESSION_SD
) -> Outcome:
    """Let a pull request raise the joules of its first pair, and of no other."""
    rng = random.Random(seed)
    before, after = (
        _side(plan, side, risen, rng, measure, session_sd) for side, risen in (("old", 0.0), ("new", rise))
    )
    rows = compare(before, after, LIMITS)
    changed = rows[[(row.technique, row.workload) for row in rows].index(("t0", "w0"))]
    return Outcome(
        changed.word, any(row.word == "worse" for row in rows if row is not changed), changed.more_runs
    )


def _side(
    plan: Plan, side: str, rise: float, rng: random.Random, measure: Measure, session_sd: float
) -> list[Record]:
    sessions = [rng.gauss(0.0, session_sd) for _ in range(plan.sessions)]
    made = []
    for workload in range(plan.workloads):
        for technique in range(plan.techniques):
            risen = math.log1p(rise) if workload == technique == 0 else 0.0
            for seed in range(plan.seeds):
                session = seed % plan.sessions
                factor = math.exp(risen + sessions[session] + rng.gauss(0.0, RUN_SD))
                reading = measure(rng, factor)
                made.append(
                    record_of(
                        f"t{technique}",
                        replace(training_result(0.5), energy=reading),
                        seed=seed,
                        workload=f"w{workload}",
                        session=f"{side}{session}",
                    )
                )
    return made


def shares(plan: Plan, count: int, measure: Measure = by_numbers, session_sd: float = SESSION_SD) -> str:
    """Return, in words, how often a rise of the limit is found and how often nothing changed and the gate fails."""
    risen = [simulate(plan, LIMIT, seed, measure, session_sd) for seed in range(count)]
    still = [simulate(plan, 0.0, -1 - seed, measure, session_sd) for seed in range(count)]
    found = sum(one.word == "worse" for one in risen)
    undecided = sum(one.word == "undecided" for one in risen)
    alarms = sum(one.word == "worse" or one.false_alarm for one in still)
    return (
        f"{plan}: a rise of 5 % found in {100 * found / count:.1f} %, undecided in {100 * undecided / count:.1f} %; "
        f"false alarms in {100 * alarms / count:.1f} % of {count} pull requests"
    )


def main(count: int) -> None:
    """Print the shares: of studies of 1, 6 and 72 pairs, where sessions lie further apart, and on the stub."""
    for workloads, techniques, sizes in (
        (1, 1, ((3, 1), (4, 1), (6, 1))),
        (2, 3, ((3, 1), (4, 1), (5, 1), (6, 1), (6, 3))),
        (4, 18, ((5, 1), (6, 1), (8, 1), (6, 3))),
    ):
        for seeds, sessions in sizes:
            print(shares(Plan(workloads, techniques, seeds, sessions), count), flush=True)
    print("sessions twice as far apart as stated:")
    for seeds, sessions in ((6, 1), (6, 3), (10, 5)):
        print(shares(Plan(2, 3, seeds, sessions), count, session_sd=2 * SESSION_SD), flush=True)
    print("read by the meter on the stub:")
    with tempfile.TemporaryDirectory() as folder:
        stub = Stub(build(Path(folder)))
        stub.install()
        for seeds in (6, 8, 10):
            print(shares(Plan(1, 2, seeds), count // 2, on_stub(stub)), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 400)
