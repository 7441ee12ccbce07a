"""AMD GPUs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from greenbench.energy.clock import Clock
from greenbench.energy.device import DeviceFault, DeviceInfo, EdgeState, Sample
from greenbench.energy.sources.zeus.asking import ZeusDevice, amount, ask, notes_of

TICK_S = 0.1
"""AMD states none. On an MI250X and an MI300A the counter moves within milliseconds (arXiv:2604.06056), of others nothing
is known. A tick that is not fine also means that the counter is held against the power readings: the library believes a
counter that is wrong by a factor of up to ten (ROCm/amdsmi issue 38)."""

PERIOD_S = 0.036
"""No divisor of the tick, so that polls drift across it."""

AVERAGE_LAG_S = 1.0
"""Assumed: AMD does not state over which time the average power is one."""

GAIN = 0.065
"""Standard uncertainty of the calibration. AMD states none; that of NVIDIA's GPUs is assumed."""

MAX_POWER_W = 2000.0
"""No GPU draws more: the bound where the highest power limit is not known."""

TWO_CHIPLETS = "MI250"
"""The first chiplet of these counts for both; for the second, the library raises."""


class AmdGpu(ZeusDevice):
    """One GPU: its energy counter, or its power where the library finds the counter wrong.

    Raises
    ------
    DeviceFault
        Where it gives neither.
    """

    period_s = PERIOD_S

    def __init__(self, gpu: Any, version: str, clock: Clock) -> None:
        self._gpu = gpu
        self._clock = clock
        name = str(ask("get_name", gpu.get_name))
        supports = gpu.supports_get_total_energy_consumption
        self._counts = bool(ask("supports_get_total_energy_consumption", supports))
        limit_w = self._limit_w(lambda: max(gpu.get_power_management_limit_constraints()))
        self._power, lag_s = self._choose_power()
        self.info = DeviceInfo(
            name=name,
            uuid=f"zeus-amd-{gpu.gpu_index}",
            method="zeus-amd-counter" if self._counts else "zeus-amd-power",
            kind="counter" if self._counts else "power",
            tick_s=TICK_S,
            gain=GAIN,
            power_lag_s=lag_s,
            max_power_w=limit_w or MAX_POWER_W,
            notes=notes_of(version, GAIN),
        )
        if TWO_CHIPLETS in name:
            self.info = replace(self.info, notes=(*self.info.notes, "the energy of both chiplets"))
        self.sample()

    def sample(self) -> Sample:
        """Read the counter, and the power it is held against; or the power alone."""
        begin_s = self._clock.now()
        if not self._counts:
            power_w = self._power_w(self._power)
            return Sample(begin_s, self._clock.now(), None, power_w)
        what = "get_total_energy_consumption"
        energy_j = amount(what, ask(what, self._gpu.get_total_energy_consumption))
        end_s = self._clock.now()
        try:
            return Sample(begin_s, end_s, energy_j, self._power_w(self._power))
        except DeviceFault:
            return Sample(begin_s, end_s, energy_j)  # the gates say that the counter could not be checked

    def edge(self) -> EdgeState:
        """Read the power limit and the temperature, where there are any."""
        try:
            degrees = ask("get_gpu_temperature", self._gpu.get_gpu_temperature)
        except DeviceFault:
            degrees = None
        return replace(
            super().edge(),
            temperature_c=float(degrees) if isinstance(degrees, int | float) else None,
            power_limit_w=self._limit_w(self._gpu.get_power_management_limit),
        )

    def _choose_power(self) -> tuple[str, float]:
        """Return which power is read, and over which time it is an average."""
        average = "get_average_power_usage"
        try:
            self._power_w(average)
        except DeviceFault:
            return "get_instant_power_usage", 0.0
        return average, AVERAGE_LAG_S

    def _power_w(self, what: str) -> float:
        return amount(what, ask(what, getattr(self._gpu, what)))

    def _limit_w(self, call: Callable[[], object]) -> float | None:
        """Return a power limit; None where there is none, or none that can be."""
        try:
            limit_w = amount("the power limit", ask("the power limit", call))
        except DeviceFault:
            return None
        return limit_w if 1.0 < limit_w <= MAX_POWER_W else None
