"""How one GPU's energy and power are read. What the GPU can do is tried out, not assumed.

One ``nvmlDeviceGetFieldValues`` per poll reads both; on a driver without it, each takes a call of its own.
A field carries its own return code. The energy is read as 64 bits: 32 would wrap at 4.29 MJ.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pynvml

from greenbench.energy.clock import Clock
from greenbench.energy.device import DeviceFault, SourceUnavailable
from greenbench.energy.methods import PAPER_PERIOD_S
from greenbench.energy.sources.nvml.errors import GONE, fault, optional, required, text

ENERGY = pynvml.NVML_FI_DEV_TOTAL_ENERGY_CONSUMPTION
POWER_INSTANT = pynvml.NVML_FI_DEV_POWER_INSTANT
POWER_AVERAGE = pynvml.NVML_FI_DEV_POWER_AVERAGE

SCOPES = {"gpu": pynvml.NVML_POWER_SCOPE_GPU, "module": pynvml.NVML_POWER_SCOPE_MODULE}
"""On superchips such as Grace Hopper the module is the GPU with CPU and memory."""

AVERAGING_S = 1.0
"""Ampere and later, but for the chip GA100, report power as the average of the last second."""

GA100 = re.compile(r"\b(A100|A800|A30)\b")
"""Names of cards with this chip; NVML tells none."""

ASSUMED_TICK_S = 0.1
"""Update period of the power readings where a steady load does not show it."""

PROBE_SECONDS = 1.0
PROBE_TICKS = 2
PROBE_STEP_S = 0.001

Read = Callable[[], tuple[float | None, float | None]]
"""Returns joules and watts, each None where this reader has none."""


@dataclass(frozen=True)
class Reader:
    """A way to read a GPU: the call, the method's name, and how often the value changes."""

    read: Read
    kind: str
    method: str
    tick_s: float
    power_lag_s: float = 0.0
    notes: tuple[str, ...] = ()


def choose_reader(handle: object, clock: Clock, scope: str = "gpu") -> Reader:
    """Return the reader of the counter, or of the power where no counter moves.

    Raises
    ------
    SourceUnavailable
        Where neither can be read.
    """
    power, method, lag_s = _power(handle, scope)
    energy = _energy(handle, scope)
    if isinstance(energy, DeviceFault):
        note = f"no energy counter ({energy.reason}): power readings integrated instead"
    else:
        tick_s = probe_tick(lambda: energy()[0], clock)
        if tick_s is not None:
            return Reader(energy, "counter", "nvml-counter", tick_s, lag_s)
        note = "the energy counter stands still: power readings integrated instead"
    if isinstance(power, DeviceFault):
        reason = f"neither energy nor power can be read ({note}; {power.reason})"
        raise SourceUnavailable(reason, power.next_step)
    tick_s = probe_tick(lambda: power()[1], clock) or ASSUMED_TICK_S
    return Reader(power, "power", method, tick_s, lag_s, (note,))


def paper_reader(handle: object) -> Reader:
    """Return the paper's reader: ``nvmlDeviceGetPowerUsage`` and nothing else."""
    read = _calls(handle, energy=False, power=True)
    _, _, lag_s = _usage(handle)
    problem = _problem(read)
    if problem:
        raise SourceUnavailable(f"power cannot be read ({problem.reason})", problem.next_step)
    return Reader(read, "paper", "nvml-paper", PAPER_PERIOD_S, lag_s)


def probe_tick(value: Callable[[], float | None], clock: Clock) -> float | None:
    """Find how often a value changes, in seconds; None where it does not within a second."""
    end = clock.now() + PROBE_SECONDS
    changes: list[float] = []
    previous = required(value)
    while clock.now() < end and len(changes) <= PROBE_TICKS:
        clock.sleep(PROBE_STEP_S)
        current = required(value)
        if current != previous:
            changes.append(clock.now())
            previous = current
    if len(changes) < 2:
        return None
    return (changes[-1] - changes[0]) / (len(changes) - 1)


def _energy(handle: object, scope: str) -> Read | DeviceFault:
    """Return the reader of the counter, with the power beside it if there is one; else why not."""
    together = [ENERGY, *_first_available(handle, scope, (POWER_INSTANT, POWER_AVERAGE))]
    by_fields = _fields(handle, scope, together)
    if scope != "gpu":
        return _problem(by_fields) or by_fields
    both = _calls(handle, energy=True, power=True)
    alone = _calls(handle, energy=True, power=False)
    candidates = [by_fields, both, alone] if len(together) > 1 else [both, by_fields, alone]
    works = next((read for read in candidates if _problem(read) is None), None)
    return works or _problem(alone) or alone


def _power(handle: object, scope: str) -> tuple[Read | DeviceFault, str, float]:
    """Return the reader of the power (or why there is none), its method's name, and its lag."""
    for field, lag_s, method in (
        (POWER_INSTANT, 0.0, "nvml-power"),
        (POWER_AVERAGE, AVERAGING_S, "nvml-power-average"),
    ):
        read = _fields(handle, scope, [field])
        if _problem(read) is None:
            return read, method, lag_s
    if scope != "gpu":
        return DeviceFault(f"no power reading for the scope {scope}"), "none", 0.0
    return _usage(handle)


def _usage(handle: object) -> tuple[Read | DeviceFault, str, float]:
    read = _calls(handle, energy=False, power=True)
    architecture = optional(lambda: pynvml.nvmlDeviceGetArchitecture(handle))
    averaged = architecture is None or architecture >= pynvml.NVML_DEVICE_ARCH_AMPERE
    if averaged and GA100.search(text(lambda: pynvml.nvmlDeviceGetName(handle))):
        averaged = False
    method, lag_s = ("nvml-power-average", AVERAGING_S) if averaged else ("nvml-power", 0.0)
    return _problem(read) or read, method, lag_s


def _first_available(handle: object, scope: str, fields: Sequence[int]) -> list[int]:
    return [field for field in fields if _problem(_fields(handle, scope, [field])) is None][:1]


def _problem(read: Read) -> DeviceFault | None:
    """Try a reader once: None if it works, else what NVML says."""
    try:
        read()
    except pynvml.NVMLError as error:
        return fault(error)
    return None


def _fields(handle: object, scope: str, fields: Sequence[int]) -> Read:
    query = [(field, SCOPES[scope]) for field in fields]

    def read() -> tuple[float | None, float | None]:
        energy_j = power_w = None
        for field, value in zip(fields, pynvml.nvmlDeviceGetFieldValues(handle, query), strict=True):
            if value.nvmlReturn != pynvml.NVML_SUCCESS:
                if field != ENERGY and ENERGY in fields and value.nvmlReturn not in GONE:
                    continue  # the power only checks the counter
                raise pynvml.NVMLError(value.nvmlReturn)
            if field == ENERGY:
                energy_j = value.value.ullVal / 1e3
            else:
                power_w = value.value.uiVal / 1e3
        return energy_j, power_w

    return read


def _calls(handle: object, *, energy: bool, power: bool) -> Read:
    def read() -> tuple[float | None, float | None]:
        energy_j = pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1e3 if energy else None
        power_w = pynvml.nvmlDeviceGetPowerUsage(handle) / 1e3 if power else None
        return energy_j, power_w

    return read
