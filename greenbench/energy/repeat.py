"""Joules of one call of a function, from as many calls as a meter needs."""

from __future__ import annotations

import math
import operator
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce

from greenbench.energy.gates import MIN_SECONDS
from greenbench.energy.reading import COVERAGE, Reading
from greenbench.energy.window import Meter
from greenbench.errors import UserError
from greenbench.units import si

BLOCKS = 6
"""Blocks of calls, whose spread gives the interval; together they last somewhat longer than a reading needs."""

MOST_CALLS = 10_000_000

PAUSE_S = 0.1
"""Longest pause between two blocks, which is random: calls that take just as long as a sensor's period would else
meet it at the same point each time. It is the usual tick."""

LONG_BLOCK_S = 0.5
"""A shorter block has no energy of its own on the usual tick: there the pauses would stay in the result."""

_random = random.Random()  # leaves the program's own random numbers as they are


@dataclass(frozen=True)
class PerCall:
    """What one call takes.

    Attributes
    ----------
    energy_j
        Mean joules of a call, without the pauses between blocks; None with the reading's `reason` where they were
        not measured.
    uncertainty_j
        Half-width of its 95 % interval, calibration included.
    comparison_uncertainty_j
        The same without calibration: for comparison with another function on the same device.
    seconds, seconds_uncertainty
        Mean time of a call, and the half-width of its 95 % interval (None from a single block).
    calls
        How many were measured.
    reading
        Of all calls together, pauses included, with status, reason and boundary.
    """

    energy_j: float | None
    uncertainty_j: float | None
    comparison_uncertainty_j: float | None
    seconds: float
    seconds_uncertainty: float | None
    calls: int
    reading: Reading

    def __str__(self) -> str:
        reading = self.reading
        spread = "" if self.seconds_uncertainty is None else f" ± {si(self.seconds_uncertainty, 's', 2)}"
        time = f"{si(self.seconds, 's')}{spread} a call, {self.calls} calls"
        if self.energy_j is None:
            return f"{reading.status}: {reading.reason}; {time}"
        interval = "" if self.uncertainty_j is None else f" ± {si(self.uncertainty_j, 'J', 2)}"
        return f"{si(self.energy_j, 'J', 4)}{interval} a call ({reading.status}), {time}"


def measure(
    meter: Meter,
    call: Callable[[], object],
    *,
    repeats: int | None = None,
    warmup: int = 1,
    label: str = "calls",
) -> PerCall:
    """Measure what one call takes.

    Parameters
    ----------
    meter
        Where the joules come from.
    call
        What is measured. It must do the same work each time.
    repeats
        How many calls to measure; None takes as many as a reading needs (about 6 s of work, at least
        `BLOCKS` calls).
    warmup
        Calls before that, which do not count.
    label
        The window's.

    Raises
    ------
    UserError
        If `repeats` or `warmup` make no sense.
    """
    _check(repeats, warmup)
    for _ in range(warmup):
        call()
    planned = _enough(meter, call) if repeats is None else repeats
    sizes = [size for k in range(BLOCKS) if (size := (k + 1) * planned // BLOCKS - k * planned // BLOCKS)]
    blocks: list[tuple[int, Reading]] = []
    with meter.window(label) as window:
        for size in sizes:
            with meter.window(f"{label}: block") as block:
                for _ in range(size):
                    call()
            blocks.append((size, block.reading))
            if len(blocks) < len(sizes) and block.reading.seconds >= LONG_BLOCK_S:
                meter.clock.sleep(_random.uniform(0.0, PAUSE_S))
    return _per_call(window.reading, blocks)


def _check(repeats: int | None, warmup: int) -> None:
    if repeats is not None and not 1 <= repeats <= MOST_CALLS:
        raise UserError(
            f"repeats={repeats!r}: it must be from 1 to {MOST_CALLS}", "leave it out to have it chosen"
        )
    if not 0 <= warmup <= MOST_CALLS:
        raise UserError(f"warmup={warmup!r}: it must be from 0 to {MOST_CALLS}", "write for example warmup=3")


def _enough(meter: Meter, call: Callable[[], object]) -> int:
    """Find how many calls last as long as a reading needs."""
    calls = 1
    while True:
        start_s = meter.clock.now()
        for _ in range(calls):
            call()
        meter.synchronize()
        seconds = meter.clock.now() - start_s
        needed_s = MIN_SECONDS * (1 + 1 / BLOCKS)
        if seconds > needed_s / 50 or calls >= MOST_CALLS:
            return min(MOST_CALLS, max(BLOCKS, math.ceil(calls * needed_s / max(seconds, 1e-9))))
        calls *= 4


def _per_call(whole: Reading, blocks: Sequence[tuple[int, Reading]]) -> PerCall:
    calls = sum(size for size, _ in blocks)
    seconds = sum(reading.seconds for _, reading in blocks)
    seconds_uncertainty = _half_width([reading.seconds / size for size, reading in blocks])
    energy_j = uncertainty_j = comparison_j = None
    if whole.energy_j is not None:
        readings, pauses_j = _without_pauses(whole, whole.energy_j, [reading for _, reading in blocks])
        energies = [reading.energy_j for reading in readings if reading.energy_j is not None]
        energy_j = (sum(energies) - pauses_j / 2) / calls
        parts = [reading.uncertainty for reading in readings if reading.uncertainty is not None]
        if len(parts) == len(readings):
            own = reduce(operator.add, parts)
            spread_j = 0.0
            if len(energies) == len(blocks):  # it holds what a reading cannot know: that calls differ
                pairs = zip(energies, blocks, strict=True)
                spread_j = _half_width([block_j / size for block_j, (size, _) in pairs]) or 0.0
            bound_j = pauses_j / 2 / calls
            comparison_j = math.hypot(COVERAGE * own.random_j / calls, spread_j) + bound_j
            uncertainty_j = math.hypot(COVERAGE * own.total_j / calls, spread_j) + bound_j
    return PerCall(energy_j, uncertainty_j, comparison_j, seconds / calls, seconds_uncertainty, calls, whole)


def _without_pauses(
    whole: Reading, whole_j: float, blocks: Sequence[Reading]
) -> tuple[Sequence[Reading], float]:
    """Return the readings that hold the calls' energy, and the most joules in them of the time between blocks.

    These are the blocks' own where each has energy. Blocks that are too short for that leave the whole window,
    in which the time between them took anything from nothing to as much as the calls.
    """
    if all(reading.energy_j is not None for reading in blocks):
        return blocks, 0.0
    working = sum(reading.seconds for reading in blocks) / whole.seconds
    return [whole], whole_j * max(0.0, 1.0 - working)


def _half_width(values: Sequence[float]) -> float | None:
    """Return the half-width of the 95 % interval of the values' mean (Student); None for fewer than two."""
    count = len(values)
    if count < 2:
        return None
    from scipy import stats

    mean = sum(values) / count
    deviation = math.sqrt(sum((value - mean) ** 2 for value in values) / (count - 1))
    return float(stats.t.ppf(0.975, count - 1)) * deviation / math.sqrt(count)
