"""A stored calibration, used on the readings of its device.

Samples stay as the device gave them, in recorded files too; what is corrected is the reading of a window, with the trace
that it carries. By then it is known whether the power was one that the calibration covers. A meter with calibrated
devices has a name of its own, so that its readings are not compared with others.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from greenbench.energy.calibration.store import COUNTER, Entry
from greenbench.energy.device import DeviceInfo, EdgeState, Sample
from greenbench.energy.reading import Reading

TRANSFER = 0.02
"""Standard uncertainty by which a counter and power readings of one sensor, or two kinds of power readings, differ."""

AVERAGED_S = 0.5
"""Power readings are means over about a second, or nearly instantaneous; this is between the two."""

COVERED = 0.1
"""A calibration holds this far, as a share, beyond the levels of power that it covers."""

SEEN = 0.8
"""Share of the time that readings must cover. What covers less, such as a quarter of it on an A100, is deceived by a load in
rhythm with it, by more than its gain errs; what covers all of it is not."""

Judge = Callable[[DeviceInfo], Reading]
"""Makes the reading of a device that is as this says."""


def calibrated(judge: Judge, info: DeviceInfo, start: EdgeState, entry: Entry | None) -> Reading:
    """Return the reading of a window, by the calibration where it holds, else with a note that says why not.

    At a power that the calibration does not cover, its line is continued, and the interval is as wide as without it.

    Parameters
    ----------
    judge
        Makes the reading from the window's samples.
    info, start
        What is known about the device, and its condition at the start of the window.
    entry
        Its calibration; None where there is none.
    """
    if entry is None or info.kind == "paper":  # the paper's tables were made without
        return judge(info)
    if entry.driver and start.driver != entry.driver:
        why = f"it is of driver {entry.driver}, and this is {start.driver or 'an unknown one'}"
        return _noted(judge(info), f"the calibration of {entry.date} is not used: {why}")
    used, remarks = _informed(info, entry)
    reading = _corrected(judge(used), entry)
    if reading.energy_j is None:
        return reading
    outside = _outside(reading, entry)
    if outside is not None:  # corrected all the same: readings of one meter must be comparable
        reading = _corrected(judge(replace(used, gain=max(info.gain, used.gain))), entry)
        remarks = (*remarks, outside)
    return _noted(reading, _note(entry, remarks))


def gain_uncertainty(entry: Entry, tick_s: float, usual: float, *, same: bool) -> float:
    """Return the standard uncertainty of the gain of corrected readings, as a fraction.

    Parameters
    ----------
    entry
        The calibration.
    tick_s
        The device's update period.
    usual
        The uncertainty without a calibration.
    same
        Whether the readings are of the kind that was recorded.
    """
    if not _sees_all(entry, tick_s):
        return max(usual, entry.uncertainty)
    return math.hypot(entry.uncertainty, 0.0 if same else TRANSFER)


def _sees_all(entry: Entry, tick_s: float) -> bool:
    return entry.averaging_s is not None and entry.averaging_s >= SEEN * tick_s


def _informed(info: DeviceInfo, entry: Entry) -> tuple[DeviceInfo, tuple[str, ...]]:
    """Return the device as its calibration knows it, and remarks."""
    same = _same_reading(info, entry)
    gain = gain_uncertainty(entry, info.tick_s, info.gain, same=same)
    remarks: tuple[str, ...] = () if entry.driver else ("of an unknown driver",)
    if not _sees_all(entry, info.tick_s):
        seen = "an unknown part" if entry.averaging_s is None else f"{entry.averaging_s:.2f} s"
        remarks += (
            f"the interval stays as wide, since the readings see {seen} of each {info.tick_s:.2f} s, and a load in rhythm "
            "with them deceives them",
        )
    elif not same:
        kind = "the energy counter" if info.kind == "counter" else "another kind of power reading"
        remarks += (f"{kind} is taken to agree with the readings then within {2 * TRANSFER:.0%}",)
    if same and entry.lag_s is not None and info.kind != "counter":
        info = replace(info, power_lag_s=entry.lag_s, power_lag_spread_s=entry.lag_spread_s)
    return replace(info, gain=gain), remarks


def _same_reading(info: DeviceInfo, entry: Entry) -> bool:
    if info.kind == "counter" or entry.of == COUNTER:
        return info.kind == entry.of
    return entry.lag_s is None or (entry.lag_s > AVERAGED_S) == (info.power_lag_s > AVERAGED_S)


def _outside(reading: Reading, entry: Entry) -> str | None:
    mean_w = reading.mean_power_w
    lowest_w, highest_w = (1 - COVERED) * entry.lowest_w, (1 + COVERED) * entry.highest_w
    if mean_w is None or lowest_w <= mean_w <= highest_w:
        return None
    return (
        f"the interval stays as wide, since a mean power of {mean_w:.0f} W is outside of the {entry.lowest_w:.0f} to "
        f"{entry.highest_w:.0f} W that it covers"
    )


def _corrected(reading: Reading, entry: Entry) -> Reading:
    if reading.energy_j is None or reading.uncertainty is None:
        return reading
    energy_j = (reading.energy_j - entry.offset_w * reading.seconds) / entry.gain
    parts = reading.uncertainty.scaled(1 / entry.gain)
    share = reading.uncertainty.gain_j / reading.energy_j
    peak_w = reading.max_power_w
    return replace(
        reading,
        energy_j=energy_j,
        uncertainty=replace(parts, gain_j=share * energy_j),
        max_power_w=None if peak_w is None else _watts(peak_w, entry),
        trace=reading.trace
        and tuple(_sample(sample, reading.trace[0].end_s, entry) for sample in reading.trace),
    )


def _sample(sample: Sample, start_s: float, entry: Entry) -> Sample:
    energy_j, power_w = sample.energy_j, sample.power_w
    if energy_j is not None:
        energy_j = (energy_j - entry.offset_w * (sample.end_s - start_s)) / entry.gain
    return sample._replace(energy_j=energy_j, power_w=None if power_w is None else _watts(power_w, entry))


def _watts(power_w: float, entry: Entry) -> float:
    return max(0.0, (power_w - entry.offset_w) / entry.gain)


def _note(entry: Entry, remarks: tuple[str, ...]) -> str:
    return "; ".join((f"calibrated on {entry.date} against an external meter: {entry} (95 %)", *remarks))


def _noted(reading: Reading, note: str) -> Reading:
    return replace(reading, notes=(*reading.notes, note))
