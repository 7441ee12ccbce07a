"""What every source offers: devices that can be sampled.

A `Device` is one thing with a counter or power sensor of its own: a GPU, a CPU package, a recorded trace.
It only knows how to read itself; windows and methods are the same for all devices.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import NamedTuple


class Explained(Exception):
    """An error with the reason and, where something can be done, the next step. `str` joins both."""

    def __init__(self, reason: str, next_step: str | None = None) -> None:
        super().__init__(f"{reason}; {next_step}" if next_step else reason)
        self.reason = reason
        self.next_step = next_step


class DeviceFault(Explained):
    """The device could not be read; the reason names the call and the answer."""


class SourceUnavailable(Explained):
    """A source cannot measure on this machine.

    `absent` tells a machine that lacks the hardware from one whose hardware cannot be read.
    """

    def __init__(self, reason: str, next_step: str | None = None, *, absent: bool = False) -> None:
        super().__init__(reason, next_step)
        self.absent = absent


class Sample(NamedTuple):
    """One poll of a device. What it cannot tell is None.

    The value was read between `begin_s` and `end_s`; a busy program may get the answer late.
    """

    begin_s: float
    end_s: float
    energy_j: float | None = None
    power_w: float | None = None


@dataclass(frozen=True)
class EdgeState:
    """The device's condition at an edge of a window; None for what it does not tell.

    `contention` says whether other programs use the device: ``none``, ``foreign`` or ``unknown``.
    `processes` names them, as ``process 12 (python)``, or says why it is unknown.
    """

    uuid: str
    driver: str | None = None
    temperature_c: float | None = None
    sm_clock_mhz: float | None = None
    memory_clock_mhz: float | None = None
    power_limit_w: float | None = None
    thermal_throttle_s: float | None = None
    power_throttle_s: float | None = None
    contention: str = "none"
    processes: tuple[str, ...] = ()


@dataclass(frozen=True)
class DeviceInfo:
    """What is known about a device from the start.

    Attributes
    ----------
    name, uuid
        The model, and what tells this one from others.
    method
        How its energy is found; appears in every reading, e.g. ``nvml-counter``.
    kind
        Which of `greenbench.energy.methods` that is: ``counter``, ``power`` or ``paper``.
    tick_s
        Update period of what the method reads.
    gain
        Standard uncertainty of its calibration, as a fraction.
    power_lag_s
        A power reading is the average over this time.
    power_lag_spread_s
        Standard uncertainty of that time, where a calibration found it; None where it is a guess.
    max_power_w
        A mean power above this is a fault; None where no bound is known.
    notes
        Notes of each of its readings.
    part
        What of the machine it is, for the boundary of a sum: ``GPU``, ``module``, ``SoC``,
        ``CPU package``, ``CPU memory``, ``neural engine``, ``machine``.
    """

    name: str
    uuid: str
    method: str
    kind: str
    tick_s: float
    gain: float
    power_lag_s: float = 0.0
    max_power_w: float | None = None
    notes: tuple[str, ...] = field(default=())
    part: str = "GPU"
    power_lag_spread_s: float | None = None


class Contention(NamedTuple):
    """``none``, ``foreign`` or ``unknown``, and the programs (or the doubt) behind it."""

    state: str
    processes: tuple[str, ...] = ()


class Device(ABC):
    """One thing that can be sampled. Its calls come one after another, from one thread at a time."""

    info: DeviceInfo

    def begin(self) -> None:  # noqa: B027  # a device that keeps nothing between windows has nothing to do
        """Be told that polls begin again, after a time without any."""

    def next_s(self, now: float) -> float | None:
        """Return when the device will show something new, where that is known."""
        return None

    def foreign(self) -> Contention:
        """Say who else uses the device right now; called about once a second in a window."""
        return Contention("none")

    @abstractmethod
    def sample(self) -> Sample:
        """Poll the device; `DeviceFault` where it does not answer."""

    def edge(self) -> EdgeState:
        """Read the device's condition; `DeviceFault` where the device itself is gone."""
        return EdgeState(self.info.uuid)
