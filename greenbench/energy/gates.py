"""From a window's samples to a reading: the checks that a measurement must pass.

In this order: Was the device there all the time? Is it the same one? Did the counter run forward, at a
possible power? Does it agree with the integrated power? Was the device throttled by heat? Was the window
long enough? Did other programs use the device?
"""

from __future__ import annotations

import math
from dataclasses import replace

from greenbench.energy.accumulate import Accumulator
from greenbench.energy.device import Contention, DeviceFault, EdgeState
from greenbench.energy.methods import FINE_TICK_S, LONGER, METHODS, Refused
from greenbench.energy.reading import Reading, Status

MIN_SECONDS = 5.0
"""A shorter window is marked as short."""

MIN_TICKS = 50
"""So is one with fewer updates of the source."""

POWER_TOLERANCE = 1.10
"""The mean power may be this much above the enforced limit: GPUs overshoot it for short times."""

CROSS_CHECK_TOLERANCE = 0.25
"""Counter and integrated power may differ by this much: on some GPUs the power reading covers only a
quarter of the time (Yang, Adamek, Armour, SC24)."""

MAX_GAP_S = 12.0
"""With polls further apart on average, the integrated power is too rough to check the counter."""

MAX_GAP_SHARE = 0.1
"""So it is where one gap between polls is so much of the window, as of a program that was stopped."""

MAX_THERMAL_SHARE = 0.10
"""With more of the window throttled by heat, the energy depends on the cooling more than on the work."""

ALONE = "stop the other program, or choose another GPU with CUDA_VISIBLE_DEVICES"


def judge(seen: Accumulator, start: EdgeState, end: EdgeState, seconds: float, busy: str) -> Reading:
    """Return the reading of one device over one window.

    Parameters
    ----------
    seen
        The window's samples.
    start, end
        The device's condition at the edges.
    seconds
        The window's length.
    busy
        The policy for foreign processes; with ``mark`` a shared window keeps its energy, as an estimate.
    """
    info = seen.info
    blank = Reading(
        None,
        Status.INVALID,
        info.method,
        seconds,
        reason="not judged yet",
        device=info.name,
        uuid=info.uuid,
        max_power_w=seen.max_power_w,
        start=start,
        end=end,
        notes=info.notes,
        trace=None if seen.kept is None else tuple(seen.kept),
        boundary=info.part,
    )
    try:
        _check_presence(seen, start, end)
        found = METHODS[info.kind](seen, seconds)
        thermal = _share(start.thermal_throttle_s, end.thermal_throttle_s, seconds)
        _check_power(seen, found.energy_j / seconds, seconds, (start.power_limit_w, end.power_limit_w))
        note = _check_against_power(seen, found.energy_j, seconds)
        _check_heat(thermal)
    except Refused as refused:
        return replace(blank, status=refused.status, reason=refused.reason, next_step=refused.next_step)
    reading = replace(
        blank,
        energy_j=found.energy_j,
        status=Status.MEASURED,
        reason=None,
        ticks=found.ticks,
        uncertainty=found.uncertainty,
        thermal_throttle=thermal,
        power_throttle=_share(start.power_throttle_s, end.power_throttle_s, seconds),
        notes=info.notes + note,
    )
    return _contended(_short(reading), seen, start, end, busy)


def _check_presence(seen: Accumulator, start: EdgeState, end: EdgeState) -> None:
    if seen.first is None:
        fault = seen.fault or DeviceFault("the device gave no sample")
        raise Refused(Status.NOT_MEASURED, fault.reason, fault.next_step)
    if seen.fault is not None:
        raise Refused(Status.INVALID, seen.fault.reason, seen.fault.next_step)
    for what, before, after in (
        ("device", start.uuid, end.uuid),
        ("driver", start.driver, end.driver),
    ):
        if before != after:
            raise Refused(Status.INVALID, f"the {what} changed in the window, from {before} to {after}")


def _check_power(
    seen: Accumulator, mean_w: float, seconds: float, limits_w: tuple[float | None, float | None]
) -> None:
    limit_w = seen.info.max_power_w
    if limit_w is not None:  # which somebody may have raised since
        limit_w = max(limit_w, *(limit or 0.0 for limit in limits_w))
    if mean_w <= 0:
        raise Refused(Status.INVALID, f"a mean power of {mean_w:.1f} W over {seconds:.1f} s is impossible")
    if limit_w is not None and mean_w > POWER_TOLERANCE * limit_w:
        raise Refused(
            Status.INVALID,
            f"a mean power of {mean_w:.4g} W is above what the device can draw ({limit_w:.0f} W)",
        )


def _check_against_power(seen: Accumulator, energy_j: float, seconds: float) -> tuple[str, ...]:
    """Compare the counter with the integrated power; a device without power readings gets a note."""
    if seen.info.kind != "counter" or seen.info.tick_s <= FINE_TICK_S:
        return ()
    if seen.impossible_w is not None:
        return (f"the counter could not be checked: a power reading says {seen.impossible_w:.4g} W",)
    if seen.power_count == 0:
        return ("the counter could not be checked: no power readings",)
    if seen.power_seconds < (1 - MAX_GAP_SHARE) * seconds:
        covered = f"{seen.power_seconds:.1f} of {seconds:.1f} s"
        return (f"the counter could not be checked: the power readings cover {covered}",)
    if seconds < MIN_SECONDS:
        return ()  # a reading may be the average of the last second, and so lag behind the counter
    if seen.longest_gap_s > MAX_GAP_SHARE * seconds:
        return (f"the counter could not be checked: no poll happened for {seen.longest_gap_s:.1f} s",)
    if seen.power_count * MAX_GAP_S < seconds:
        polls = f"{seen.power_count} polls in {seconds:.0f} s"
        return (f"the counter could not be checked: the program let only {polls} happen",)
    integral_j = seen.power_integral_j
    # What a few polls of a power that varies can be off by.
    chance_j = 3.0 * math.sqrt(seen.power_changes_j2 / 2)
    if abs(integral_j - energy_j) > CROSS_CHECK_TOLERANCE * energy_j + chance_j:
        raise Refused(
            Status.INVALID,
            f"the energy counter says {energy_j:.4g} J, the integrated power {integral_j:.4g} J: "
            f"more than {CROSS_CHECK_TOLERANCE:.0%} apart",
            "do not trust this GPU's counter; report it with the trace of 'greenbench watch --record'",
        )
    return ()


def _check_heat(thermal: float | None) -> None:
    if thermal is not None and thermal > MAX_THERMAL_SHARE:
        raise Refused(
            Status.INVALID,
            f"throttled by heat for {thermal:.0%} of the window (at most {MAX_THERMAL_SHARE:.0%})",
            "cool the GPU or lower its power limit (nvidia-smi -pl)",
        )


def _short(reading: Reading) -> Reading:
    shortness = []
    if reading.seconds < MIN_SECONDS:
        shortness.append(f"{reading.seconds:.2f} s of at least {MIN_SECONDS:.0f} s")
    if reading.ticks is not None and reading.ticks < MIN_TICKS:
        shortness.append(f"{reading.ticks} updates of at least {MIN_TICKS}")
    if not shortness:
        return reading
    reason = "short window: " + ", ".join(shortness)
    return replace(reading, status=Status.MEASURED_SHORT, reason=reason, next_step=LONGER)


def _contended(reading: Reading, seen: Accumulator, start: EdgeState, end: EdgeState, busy: str) -> Reading:
    """Apply what is known about other programs on the device."""
    for state in (start, end):
        seen.meet(Contention(state.contention, state.processes))
    if seen.strangers:
        reason = f"shared with {', '.join(seen.strangers)}: their energy is counted too"
        shared = replace(reading, reason=reason, next_step=ALONE)
        if busy == "mark":
            return replace(shared, status=Status.ESTIMATED)
        return replace(shared, energy_j=None, status=Status.INVALID)
    if seen.doubts:
        return replace(reading, notes=(*reading.notes, f"contention unknown: {', '.join(seen.doubts)}"))
    return reading


def _share(before_s: float | None, after_s: float | None, seconds: float) -> float | None:
    if before_s is None or after_s is None or not seconds:
        return None
    return min(max((after_s - before_s) / seconds, 0.0), 1.0)
