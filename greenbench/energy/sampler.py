"""Polls the devices and hands each sample to every open window."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from greenbench.energy.accumulate import Accumulator
from greenbench.energy.clock import Clock
from greenbench.energy.device import Device, DeviceFault, Sample

Listener = Callable[[int, float, Sample | DeviceFault], None]
"""Takes a device's position, the time, and what the poll gave."""


class Sampler:
    """Samples a set of devices in a fixed period while a window is open.

    Parameters
    ----------
    devices
        What to poll; all of them in every round.
    clock
        Gives the period.
    period_s
        Time between rounds. Rounds that come late are no error: each sample carries its time.
    """

    def __init__(self, devices: Sequence[Device], clock: Clock, period_s: float) -> None:
        self._devices = devices
        self._clock = clock
        self.period_s = period_s
        self.listener: Listener | None = None
        """Sees every poll; for recording."""
        self._open: list[list[Accumulator]] = []
        self._stop: Callable[[], None] | None = None
        self._lock = threading.Lock()

    def start(self, *, keep: bool) -> list[Accumulator]:
        """Begin a window: take its first samples, and return what takes in all later ones."""
        window = [Accumulator(device.info, keep=keep) for device in self._devices]
        with self._lock:
            self._open.append(window)
        self.poll()
        if self._stop is None:
            self._stop = self._clock.every(self.period_s, self.poll)
        return window

    def finish(self, window: list[Accumulator]) -> None:
        """End a window with its last samples."""
        self.poll()
        with self._lock:
            self._open.remove(window)
        if not self._open and self._stop is not None:
            self._stop()
            self._stop = None

    def poll(self) -> None:
        """Sample every device once."""
        with self._lock:
            for position, device in enumerate(self._devices):
                seen: Sample | DeviceFault
                try:
                    seen = device.sample()
                except DeviceFault as fault:
                    seen = fault
                for window in self._open:
                    window[position].add(seen)
                if self.listener is not None:
                    self.listener(position, self._clock.now(), seen)
