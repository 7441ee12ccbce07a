"""Three ways from a window's samples to joules: counter, integrated power, and the paper's sum."""

from __future__ import annotations

import math
from typing import NamedTuple

from greenbench.energy.accumulate import Accumulator
from greenbench.energy.device import Explained
from greenbench.energy.interpolate import energy_between
from greenbench.energy.reading import Status, Uncertainty

FINE_TICK_S = 0.005
"""A counter that updates faster than this needs no interpolation."""

STILL_TICKS = 5
"""A counter without an update in so many periods has stopped."""

SHORTEST_STILL_S = 0.2
"""A fine counter may be late by more than its periods, such as on a processor that sleeps deeply."""

MAX_POWER_GAP_S = 2.0
"""Without a power reading for longer, power times time is a guess."""

PAPER_PERIOD_S = 0.010
"""Poll period of the paper (section 3.3): each power counts for this long."""


LAG_SPREAD = 1 / math.sqrt(12)
"""Standard uncertainty of the time over which a power is averaged, as a share of it: half as long to half as long
again."""

LONGER = "measure more work at once"
UPDATE = "update the driver; a virtual device may have no counter"


class Refused(Explained):
    """No energy can be given."""

    def __init__(self, status: Status, reason: str, next_step: str | None = None) -> None:
        super().__init__(reason, next_step)
        self.status = status


class Found(NamedTuple):
    """Energy, the updates of the source in the window, and the uncertainty."""

    energy_j: float
    ticks: int
    uncertainty: Uncertainty


def from_counter(seen: Accumulator, seconds: float) -> Found:
    """Difference of an energy counter over the window, interpolated where its ticks are coarse."""
    assert seen.first is not None
    assert seen.last is not None
    info = seen.info
    if seen.first.energy_j is None or seen.last.energy_j is None:
        raise Refused(Status.INVALID, "the energy counter gave no value at an edge of the window")
    if seen.longest_still_s > max(STILL_TICKS * info.tick_s, SHORTEST_STILL_S):
        still_s = seen.longest_still_s
        raise Refused(Status.INVALID, f"the energy counter stood still for {still_s:.1f} s", UPDATE)
    if info.tick_s <= FINE_TICK_S:
        energy_j = seen.last.energy_j - seen.first.energy_j
        if energy_j <= 0:
            raise Refused(Status.NOT_MEASURED, f"the counter did not move in {1e3 * seconds:.1f} ms", LONGER)
        tick_j = energy_j / seconds * info.tick_s / math.sqrt(6)  # two edges, each uniform over a tick
        return Found(energy_j, int(seconds / info.tick_s), Uncertainty(info.gain * energy_j, tick_j))
    if seen.tick_count < 2:
        raise Refused(
            Status.NOT_MEASURED,
            f"a window of {1e3 * seconds:.0f} ms holds {seen.tick_count} of the two ticks it needs at least "
            f"(the counter updates every {1e3 * info.tick_s:.0f} ms)",
            LONGER,
        )
    start_s, end_s = seen.first.end_s, seen.last.begin_s
    energy_j, tick_j = energy_between(
        start_s, end_s, seen.head, list(seen.tail), seen.power_spread_w, info.tick_s
    )
    return Found(energy_j, seen.tick_count, Uncertainty(info.gain * energy_j, tick_j))


def from_power(seen: Accumulator, seconds: float) -> Found:
    """Power readings, each holding until the next, put forward by what they are late."""
    _need_power(seen)
    info = seen.info
    first_w, last_w = (
        seen.mean_power_w if edge is None or edge.power_w is None else edge.power_w
        for edge in (seen.first, seen.last)
    )
    # A reading holds for a period and is an average of some time before. So the window's readings begin with the power
    # before the window, and the last power is seen in part only.
    tick_s, lag_s, step_w = info.tick_s, info.power_lag_s, last_w - first_w
    late_s = LAG_SPREAD * lag_s if info.power_lag_spread_s is None else info.power_lag_spread_s
    energy_j = seen.power_integral_j + (tick_s + lag_s) / 2 * step_w
    edges_w = math.hypot(first_w - seen.mean_power_w, last_w - seen.mean_power_w)
    parts = Uncertainty(
        gain_j=info.gain * energy_j,
        tick_j=math.hypot(
            edges_w * tick_s / math.sqrt(12),
            step_w * late_s / 2,
            seen.power_spread_w * lag_s / math.sqrt(6),
        ),
        noise_j=_sampling_j(seen, seconds),
    )
    return Found(energy_j, int(seconds / info.tick_s), parts)


def _sampling_j(seen: Accumulator, seconds: float) -> float:
    """Return the standard uncertainty of the integral by what the power did between its updates.

    How alike neighbors are tells how fast the power changes. For an exponential autocorrelation, exp(-x) from one
    update to the next, the variance of each update's share is coth(x/2) - 2/x of the power's.
    """
    if not seen.power_changes_j2:
        return 0.0
    updates_j2 = seconds * seen.info.tick_s * seen.power_deviation_w**2
    unlike = min(seen.power_changes_j2 / (2 * updates_j2), 0.999)
    x = -math.log1p(-unlike)
    return math.sqrt(seen.power_changes_j2 / 2 * max(1 / math.tanh(x / 2) - 2 / x, x / 8) / unlike)


def from_paper(seen: Accumulator, seconds: float) -> Found:
    """Add up the power polls, each for 10 ms, as the paper does.

    Where polls come late, fewer come, and energy is missing. This is kept so that tables can be compared
    with the paper's. `from_power` uses the time of each poll instead.
    """
    found = from_power(seen, seconds)
    polls = max(seen.power_count - 1, 0)
    return found._replace(energy_j=seen.mean_power_w * polls * PAPER_PERIOD_S)


def _need_power(seen: Accumulator) -> None:
    if seen.power_count < 3:
        reason = f"only {seen.power_count} power readings fell into the window: too short"
        raise Refused(Status.NOT_MEASURED, reason, LONGER)
    if seen.longest_gap_s > MAX_POWER_GAP_S:
        raise Refused(
            Status.INVALID,
            f"the power was not read for {seen.longest_gap_s:.1f} s (at most {MAX_POWER_GAP_S:.0f} s): was the "
            "program stopped?",
            "do not stop the program in a window, or choose a device with an energy counter",
        )


METHODS = {"counter": from_counter, "power": from_power, "paper": from_paper}
