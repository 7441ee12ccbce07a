"""What to do when other programs use a device: fail, wait, or go on and mark the readings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

from greenbench.energy import lock
from greenbench.energy.clock import Clock
from greenbench.energy.device import Device, DeviceFault
from greenbench.energy.patience import patiently
from greenbench.errors import UserError

BUSY_POLICIES = ("fail", "wait", "mark")

WAIT_SECONDS = 3600.0
"""With ``wait``, how long to wait for a device before giving up."""

RETRY_SECONDS = 1.0


class Reservation:
    """The locks of a set of devices, and the rule for foreign processes on them.

    Parameters
    ----------
    devices
        What is about to be measured.
    policy
        ``fail``: a device that is in use is a `UserError`. ``wait``: wait until it is free, now and
        before every window. ``mark``: go on; the gates mark the readings.
    """

    def __init__(self, devices: Sequence[Device], policy: str, clock: Clock) -> None:
        if policy not in BUSY_POLICIES:
            raise UserError(f"busy policy {policy!r} is unknown", f"choose one of {', '.join(BUSY_POLICIES)}")
        self._devices = devices
        self._policy = policy
        self._clock = clock
        self._locked: list[str] = []
        self.notes: list[str] = []
        try:
            for device in devices:
                self._lock(device)
            if policy == "fail":
                self._refuse(self._foreign())
            self.wait_until_free()
        except UserError:
            self.release()
            raise

    def wait_until_free(self) -> None:
        """With the policy ``wait``, return when no foreign process is on a device."""
        if self._policy == "wait":
            self._wait(self._foreign)

    def release(self) -> None:
        """Give all locks back."""
        while self._locked:
            with suppress(OSError):
                lock.release(self._locked.pop())

    def _lock(self, device: Device) -> None:
        uuid = device.info.uuid

        def holder() -> str | None:
            try:
                who = lock.acquire(uuid)
            except OSError as error:
                unseen = f"no lock could be taken ({error}): another run on this device would not be seen"
                self.notes = [*dict.fromkeys([*self.notes, unseen])]
                return None
            return None if who is None else f"{who} is measuring on {device.info.name} ({uuid})"

        if self._policy == "wait":
            self._wait(holder)
            self._locked.append(uuid)
            return
        found = holder()
        if found is None:
            self._locked.append(uuid)
        elif self._policy == "mark":
            self.notes.append(found)
        else:
            self._refuse(found)

    def _foreign(self) -> str | None:
        for device in self._devices:
            try:
                state = patiently(device.edge)
            except DeviceFault:
                continue  # the window will say what is wrong
            if state.contention == "foreign":
                return f"{', '.join(state.processes)} runs on {device.info.name} ({device.info.uuid})"
        return None

    def _wait(self, problem: Callable[[], str | None]) -> None:
        end = self._clock.now() + WAIT_SECONDS
        while (found := problem()) is not None:
            if self._clock.now() >= end:
                raise UserError(f"{found}, and still did after {WAIT_SECONDS:.0f} s: giving up waiting")
            self._clock.sleep(RETRY_SECONDS)

    @staticmethod
    def _refuse(found: str | None) -> None:
        if found is not None:
            raise UserError(
                f"{found}: its energy would be counted as ours",
                "stop it, choose another GPU with CUDA_VISIBLE_DEVICES, "
                "or set the busy policy to wait or mark",
            )
