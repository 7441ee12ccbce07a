"""Real cards beside an external power meter: what it says lies inside our stated interval.

The traces are those of Yang, Adamek and Armour (SC24), as NumPy files with the arrays ``external_time_s``,
``external_power_w``, ``smi_time_s``, ``smi_draw_w``, ``smi_draw_instant_w`` and ``load_mark_s``. They do not come
with the project: ``GREENBENCH_TRACES`` names their folder.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from pathlib import Path

import numpy as np
import pytest

from greenbench.energy import Reading
from greenbench.energy.clock import Clock, VirtualClock
from greenbench.energy.device import Device, DeviceInfo, Sample
from greenbench.energy.meter import DeviceMeter
from greenbench.energy.sources.nvml.gpu import GAIN

FOLDER = Path(os.environ.get("GREENBENCH_TRACES", "no-such-folder"))
NAMES = ("a100-square", "a100-step", "rtx3090-square", "rtx3090-step")
LAGS_S = {"smi_draw_w": 1.0, "smi_draw_instant_w": 0.0, "smi_draw_average_w": 1.0}


class PolledCard(Device):
    """A card whose power was polled: at any time it shows the latest poll."""

    def __init__(self, times_s: np.ndarray, power_w: np.ndarray, lag_s: float, clock: Clock) -> None:
        self.info = DeviceInfo("card", "card", "trace", "power", 0.1, GAIN, lag_s)
        self._times = times_s.tolist()
        self._watts = power_w.tolist()
        self._clock = clock

    def sample(self) -> Sample:
        now = self._clock.now()
        watts = self._watts[max(0, bisect_right(self._times, now) - 1)]
        return Sample(now, now, None, watts)


def replay(trace, column: str) -> tuple[Reading, float]:
    """Measure the load from its first mark to its last; return the reading and the external meter's joules."""
    start, end = float(trace["load_mark_s"][0]), float(trace["load_mark_s"][-1])
    clock = VirtualClock(start=start)
    card = PolledCard(trace["smi_time_s"], trace[column], LAGS_S[column], clock)
    with DeviceMeter("trace", [card], clock=clock, period_s=0.024) as meter, meter.window("load") as window:
        clock.sleep(end - start)
    times = trace["external_time_s"]
    grid = np.concatenate([[start], times[(times > start) & (times < end)], [end]])
    watts = np.interp(grid, times, trace["external_power_w"])
    return window.reading, float(
        np.trapezoid(watts, grid) if hasattr(np, "trapezoid") else np.trapz(watts, grid)
    )


@pytest.mark.parametrize("column", LAGS_S)
@pytest.mark.parametrize("name", NAMES)
def test_the_external_meter_is_inside_our_interval(name, column):
    path = FOLDER / f"{name}.npz"
    if not path.exists():
        pytest.skip(f"no trace {path}: set GREENBENCH_TRACES to their folder")
    with np.load(path) as file:
        trace = dict(file)
    if column not in trace:
        pytest.skip(f"{name} has no {column}")
    reading, external_j = replay(trace, column)
    print(
        f"{name} {column}: {reading.energy_j:.1f} J ± {reading.uncertainty_j:.1f} J, external {external_j:.1f} J"
    )
    assert abs(reading.energy_j - external_j) <= reading.uncertainty_j


@pytest.mark.parametrize("gain", [0.9, 1.0, 1.1])
def test_a_card_that_errs_as_cards_do_is_covered_and_a_worse_one_is_not(gain):
    times = np.arange(0.0, 14.0, 0.01)
    power = np.where((times // 0.7) % 2 == 0, 300.0, 120.0)
    trace = {
        "load_mark_s": np.array([2.0, 12.0]),
        "smi_time_s": times,
        "smi_draw_instant_w": gain * power,
        "external_time_s": times,
        "external_power_w": power,
    }
    reading, external_j = replay(trace, "smi_draw_instant_w")
    assert abs(reading.energy_j - external_j) <= reading.uncertainty_j
    trace["smi_draw_instant_w"] = 1.3 * power
    reading, external_j = replay(trace, "smi_draw_instant_w")
    assert abs(reading.energy_j - external_j) > reading.uncertainty_j
