"""The faults that every energy meter meets in the comparison of `bench_tests.speed.meters`."""

from __future__ import annotations

import os
from dataclasses import dataclass

SECONDS = 5.2


@dataclass(frozen=True)
class Case:
    """A row of the fault table.

    `scenario` holds from the start, `then` from the begin of the window on. Its lines name moments: {now} is the
    begin, {soon} the middle, {soon:1.5} is 1.5 s after that; {held} and {held_soon} are what the counter of the first
    GPU shows at these two, in millijoules. `right` says what answers are right: the true ``number``, ``none``, or
    ``either``.

    Attributes
    ----------
    gpus
        Whose energy is the truth.
    devices
        What a meter that has to be told is told to measure: ``first`` or ``all``. The others take what is visible.
    stopped_s
        For so long, around the middle of the window, the whole process is stopped.
    """

    fault: str
    scenario: tuple[str, ...] = ()
    then: tuple[str, ...] = ()
    right: str = "either"
    seconds: float = SECONDS
    variables: tuple[tuple[str, str], ...] = ()
    gpus: tuple[int, ...] = (0,)
    devices: str = "first"
    stopped_s: float = 0.0
    library: bool = True


def everywhere(code: int, *calls: str) -> tuple[str, ...]:
    """Let calls fail from the start."""
    return tuple(f"fault {call} -1 0 1e9 {code}" for call in calls)


def mid_window(code: int, *calls: str, value: str = "0", gpu: int = -1) -> tuple[str, ...]:
    """Let calls fail from the middle of the window on."""
    return tuple(f"fault {call} {gpu} {{soon}} 1e9 {code} {value}" for call in calls)


def other(kind: str, start: str, end: str) -> tuple[str, ...]:
    """Put another process on the GPU: the comparison itself, which is no child of the meter's."""
    return (f"{kind} 0 {os.getpid()} {start} {end}",)


def visible(devices: str) -> tuple[tuple[str, str], ...]:
    """Set CUDA_VISIBLE_DEVICES."""
    return (("CUDA_VISIBLE_DEVICES", devices),)


COUNTER = ("field:83", "nvmlDeviceGetTotalEnergyConsumption")
POWER = ("field:185", "field:186", "nvmlDeviceGetPowerUsage")
ALL = (*COUNTER, *POWER, "nvmlDeviceGetFieldValues")
NO_COUNTER = everywhere(3, *COUNTER)
STOPPED = ("wave 0 0 0 100 {soon:-3} 250 {soon:3} 100",)
"""More is drawn while the process is stopped: what is guessed from before and after is wrong."""
SEVERAL = ("gpus 4", *(f"wave {gpu} 0 0 {80 + 30 * gpu}" for gpu in range(4)))
EIGHT = (
    "gpus 8",
    *(f"set {gpu} limit 700" for gpu in range(8)),
    *(f"wave {gpu} 0 0 650" for gpu in range(8)),
)

CASES = (
    Case("no fault", right="number"),
    Case("no driver library", library=False, right="none"),
    Case("driver not loaded (9)", everywhere(9, "nvmlInitWithFlags"), right="none"),
    Case("version mismatch (18)", everywhere(18, "nvmlInitWithFlags"), right="none"),
    Case("the driver's start never returns", everywhere(-2, "nvmlInitWithFlags"), right="none"),
    Case("no energy counter (3)", NO_COUNTER, right="number"),
    Case("neither counter nor power (3)", everywhere(3, *COUNTER, *POWER), right="none"),
    Case("GPU lost in the window (15)", then=mid_window(15, *ALL)),
    Case("permission lost in the window (4)", then=mid_window(4, *COUNTER)),
    Case("counter not ready in the window (27)", then=mid_window(27, *COUNTER)),
    Case("driver calls never return from mid-window on", then=mid_window(-2, *ALL)),
    Case(
        "driver calls of 1 s in the window",
        then=tuple(f"fault {call} -1 {{soon}} {{soon:1}} -1 1" for call in ALL), right="number",
    ),
    Case("counter goes back (driver reloaded)", then=("reload 0 {soon}",)),
    Case("counter stands still", then=tuple(f"fault {call} -1 {{now}} 1e9 0 {{held}}" for call in COUNTER)),
    Case("counter stops at half of the window", then=mid_window(0, *COUNTER, value="{held_soon}")),
    Case("counter leaps (garbage)", then=mid_window(0, *COUNTER, value="9e12")),
    Case("counter leaps by 9,000 J and goes on, 60 s", then=("leap 0 {soon} 9000",), seconds=60.0),
    Case("no counter, power garbage (4 MW)", NO_COUNTER, mid_window(0, *POWER, value="4e9")),
    Case(
        "no counter, process stopped for 10 of 15 s", NO_COUNTER, STOPPED, seconds=SECONDS + 10.0, stopped_s=10.0,
    ),
    Case(
        "process stopped for 10 of 15 s, counter good", then=STOPPED, right="number",
        seconds=SECONDS + 10.0, stopped_s=10.0,
    ),
    Case("power lost in the window (3), counter good", then=mid_window(3, *POWER), right="number"),
    Case("power garbage (4 MW), counter good", then=mid_window(0, *POWER, value="4e9"), right="number"),
    Case("window of 30 ms, tick of 100 ms", seconds=0.03),
    Case(
        "8 GPUs of 650 W, window of 40 ms", EIGHT, seconds=0.04, gpus=tuple(range(8)), devices="all",
    ),
    Case("MIG enabled", ("set 0 mig 1",), right="none"),
    Case("4 GPUs, one visible (index)", SEVERAL, right="number", variables=visible("2"), gpus=(2,)),
    Case(
        "4 GPUs, one visible (UUID)", SEVERAL, right="number", gpus=(2,),
        variables=visible("GPU-5afe0002-0000-4000-8000-000000000002"),
    ),
    Case('4 GPUs, CUDA_VISIBLE_DEVICES="0;1"', SEVERAL, right="number", variables=visible("0;1")),
    Case("4 GPUs, all measured, no fault", SEVERAL, right="number", gpus=(0, 1, 2, 3), devices="all"),
    Case("2 GPUs, all measured, one lost", ("gpus 2",), mid_window(15, *ALL, gpu=1), gpus=(0, 1), devices="all"),
    Case("another process comes", then=other("process", "{soon}", "1e9"), right="none"),
    Case("another process comes and goes", then=other("process", "{soon:-0.7}", "{soon:0.8}"), right="none"),
    Case("another process for 0.2 s", then=other("process", "{soon}", "{soon:0.2}"), right="none"),
    Case("a graphics process comes", then=other("graphics", "{soon}", "1e9"), right="none"),
    Case("throttled by heat for 40 %", ("set 0 thermal_share 0.4",), right="none"),
    Case("GPU's name is not UTF-8", ("set 0 name Stub \udcf8 GPU",), right="number"),
    Case("the driver's end fails (1)", everywhere(1, "nvmlShutdown"), right="number"),
)  # fmt: skip
