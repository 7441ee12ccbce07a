"""What every source of energy figures offers: devices that can be sampled.

A `Device` is one thing with a meter of its own: a GPU, a CPU package, a recorded trace. It knows how
to read itself; what the readings mean over a window is the same for all and lies elsewhere.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import NamedTuple


class DeviceFault(Exception):
    """The device could not be read; the message names the call and the answer."""


class SourceUnavailable(Exception):
    """A source cannot measure on this machine; the message says why.

    `absent` tells a machine that lacks the hardware from one whose hardware cannot be read.
    """

    def __init__(self, reason: str, *, absent: bool = False) -> None:
        super().__init__(reason)
        self.absent = absent


class Sample(NamedTuple):
    """One poll of a device. What it cannot tell is None.

    `begin_s` and `end_s` enclose the moment of reading: the call's answer may reach a busy program late.
    """

    begin_s: float
    end_s: float
    energy_j: float | None = None
    power_w: float | None = None


@dataclass(frozen=True)
class EdgeState:
    """The device's condition at an edge of a window; None for what it does not tell.

    `processes` are the foreign programs seen on the device as ``pid (name)``; `contention` says what
    that is worth: ``none``, ``foreign`` or ``unknown``.
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
        Length of the average that a power reading is.
    max_power_w
        No honest mean power is above this; None where no bound is known.
    notes
        What belongs beside each of its readings.
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


class Device(ABC):
    """One metered thing."""

    info: DeviceInfo

    @abstractmethod
    def sample(self) -> Sample:
        """Poll the device; `DeviceFault` where it does not answer."""

    def edge(self) -> EdgeState:
        """Read the device's condition; `DeviceFault` where the device itself is gone."""
        return EdgeState(self.info.uuid)
