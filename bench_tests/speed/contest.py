"""How two ways to the same result are compared: the same inputs, one process, turn by turn."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

REPEATS = 9
TURN_S = 0.02


@dataclass(frozen=True)
class Target:
    """What is aimed at, where anything is.

    Attributes
    ----------
    speedup
        Least ratio of the peer's time to ours.
    per_s
        Fewest items a second.
    over_floor
        Largest ratio of our time to the floor's.
    """

    speedup: float | None = None
    per_s: float | None = None
    over_floor: float | None = None

    def cells(self, row: dict[str, object]) -> dict[str, object]:
        """Return what a row says of the target: itself in words, and whether it is reached."""
        parts = [
            ("speedup", self.speedup, "at least", lambda value, bound: value >= bound),
            ("per_s", self.per_s, "at least", lambda value, bound: value >= bound),
            ("over_floor", self.over_floor, "at most", lambda value, bound: value <= bound),
        ]
        stated = [(name, bound, words, holds) for name, bound, words, holds in parts if bound is not None]
        if not stated:
            return {}
        return {
            "target": ", ".join(f"{name} {words} {bound:g}" for name, bound, words, _ in stated),
            "reached": all(holds(row[name], bound) for name, bound, _, holds in stated),
        }


@dataclass(frozen=True)
class Contest:
    """What is run against what.

    Attributes
    ----------
    ours, peer, floor
        Do the whole work once. The floor is the part of it that cannot be left out, or the plain operation
        that the technique replaces.
    peer_name, floor_name
        What they are, with the version where it is a library's.
    difference
        Relative difference of our result from the peer's; a comparison of different results is none.
    tolerance
        Largest difference at which they are the same.
    repeats
        Turns of each.
    items
        Images or steps in one run of ours, where their rate is of interest.
    target
        What is aimed at.
    clock
        In seconds. A process's own for what one thread computes: what others take of the machine is then not in it.
    """

    ours: Callable[[], object]
    peer: Callable[[], object]
    floor: Callable[[], object]
    peer_name: str
    floor_name: str
    difference: Callable[[], float]
    tolerance: float = 1e-4
    repeats: int = REPEATS
    items: int | None = None
    target: Target = Target()
    clock: Callable[[], float] = time.perf_counter


def compare(name: str, contest: Contest) -> dict[str, object]:
    """Run a contest and return its row: milliseconds, and ratios of medians with their spread.

    The contenders take turns, so that a slow moment of the machine hits all of them. A turn runs one of
    them often enough to last. The spread is that of the middle half of the turns' own ratios.

    Raises
    ------
    AssertionError
        If ours and the peer's results differ.
    """
    difference = contest.difference()
    if not difference <= contest.tolerance:
        raise AssertionError(
            f"{name}: our result differs from that of {contest.peer_name} by {difference:.1e} "
            f"(allowed: {contest.tolerance:.0e}); their times cannot be compared"
        )
    runners = {"ours": contest.ours, "peer": contest.peer, "floor": contest.floor}
    clock = contest.clock
    calls = {key: _calls_per_turn(run, clock) for key, run in runners.items()}
    times: dict[str, list[float]] = {key: [] for key in runners}
    for _ in range(contest.repeats):
        for key, run in runners.items():
            start = clock()
            for _ in range(calls[key]):
                run()
            times[key].append((clock() - start) / calls[key] * 1e3)
    median = {key: statistics.median(values) for key, values in times.items()}
    row: dict[str, object] = {
        "name": name,
        "ours_ms": median["ours"],
        "peer": contest.peer_name,
        "peer_ms": median["peer"],
        "floor": contest.floor_name,
        "floor_ms": median["floor"],
        "speedup": median["peer"] / median["ours"],
        "speedup_spread": _spread(times["peer"], times["ours"]),
        "over_floor": median["ours"] / median["floor"],
        "over_floor_spread": _spread(times["ours"], times["floor"]),
        "difference": difference,
        "repeats": contest.repeats,
    }
    if contest.items is not None:
        row["per_s"] = contest.items / median["ours"] * 1e3
    return row | contest.target.cells(row)


def _calls_per_turn(run: Callable[[], object], clock: Callable[[], float]) -> int:
    run()
    start = clock()
    run()
    return max(1, round(TURN_S / max(clock() - start, 1e-9)))


def _spread(above: list[float], below: list[float]) -> tuple[float, float]:
    low, _, high = statistics.quantiles([a / b for a, b in zip(above, below, strict=True)], n=4)
    return low, high
