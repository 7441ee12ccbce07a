"""Joules of one call of a function, from as many calls as a meter needs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from greenbench.energy.gates import MIN_SECONDS
from greenbench.energy.reading import Reading
from greenbench.energy.window import Meter
from greenbench.errors import UserError
from greenbench.units import si

BLOCKS = 6
"""Blocks of calls, whose spread gives the interval; together they last somewhat longer than a reading needs."""

MOST_CALLS = 10_000_000


@dataclass(frozen=True)
class PerCall:
    """What one call takes.

    Attributes
    ----------
    energy_j
        Mean joules of a call; None with the reading's `reason` where they were not measured.
    uncertainty_j
        Half-width of its 95 % interval, calibration included.
    comparison_uncertainty_j
        The same without calibration: for comparison with another function on the same device.
    seconds, seconds_uncertainty
        Mean time of a call, and the half-width of its 95 % interval (None from a single block).
    calls
        How many were measured.
    reading
        Of all calls together, with status, reason and boundary.
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
        How many calls to measure; None takes as many as a reading needs (about 6 s of work).
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
    return _per_call(window.reading, planned, blocks)


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


def _per_call(whole: Reading, calls: int, blocks: Sequence[tuple[int, Reading]]) -> PerCall:
    seconds_uncertainty = _half_width([reading.seconds / size for size, reading in blocks])
    energy_j = uncertainty_j = comparison_j = None
    if whole.energy_j is not None:
        energy_j = whole.energy_j / calls
        energies = [reading.energy_j / size for size, reading in blocks if reading.energy_j is not None]
        spread_j = _half_width(energies) if len(energies) == len(blocks) else None
        if whole.comparison_uncertainty_j is not None and whole.uncertainty_j is not None:
            # The spread of the blocks holds what a reading cannot know: that calls differ.
            comparison_j = math.hypot(whole.comparison_uncertainty_j / calls, spread_j or 0.0)
            uncertainty_j = math.hypot(whole.uncertainty_j / calls, spread_j or 0.0)
    return PerCall(
        energy_j, uncertainty_j, comparison_j, whole.seconds / calls, seconds_uncertainty, calls, whole
    )


def _half_width(values: Sequence[float]) -> float | None:
    """Return the half-width of the 95 % interval of the values' mean (Student); None for fewer than two."""
    count = len(values)
    if count < 2:
        return None
    from scipy import stats

    mean = sum(values) / count
    deviation = math.sqrt(sum((value - mean) ** 2 for value in values) / (count - 1))
    return float(stats.t.ppf(0.975, count - 1)) * deviation / math.sqrt(count)
