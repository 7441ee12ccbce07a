"""Measure a piece of any program: as a with-statement, or as a decorator.

::

    with greenbench.measuring("encode") as window:
        encode(images)
    print(window.reading.energy_j, window.reading.status)

    @greenbench.measured
    def encode(images): ...

    readings = []

    @greenbench.measured(report=readings.append)
    def decode(data): ...

All share one meter, which is opened when it is first needed and closed when the program ends. What fails in
it leaves a reading without energy and its reason; the program goes on.
"""

from __future__ import annotations

import atexit
import functools
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import ParamSpec, TypeVar, overload

from greenbench.energy import NoMeter, open_meter
from greenbench.energy.reading import Reading
from greenbench.energy.synchronize import synchronize_loaded
from greenbench.energy.together import MeterGroup
from greenbench.energy.window import Meter, Window
from greenbench.errors import UserError
from greenbench.units import si

P = ParamSpec("P")
T = TypeVar("T")
Report = Callable[[Reading], object]


@cache
def shared_meter(source: str = "auto") -> Meter:
    """Return the program's meter of this name, opened once. Nothing that fails in it reaches the program."""
    meter: Meter
    try:
        meter = open_meter(source, synchronize_loaded, busy="mark")
    except UserError as error:
        meter = NoMeter(error.problem, error.next_step, synchronize=synchronize_loaded)
    atexit.register(meter.close)
    return MeterGroup([meter])  # in a group, what fails in a meter is its reading alone


@contextmanager
def measuring(label: str = "work", *, meter: str = "auto") -> Iterator[Window]:
    """Measure the body of a with-statement; the window has a reading once it is closed.

    Parameters
    ----------
    label
        The window's name.
    meter
        See `greenbench.energy.open_meter`.
    """
    with shared_meter(meter).window(label) as window:
        yield window


@overload
def measured(function: Callable[P, T], /) -> Callable[P, T]: ...


@overload
def measured(
    *, report: Report | None = None, meter: str = "auto"
) -> Callable[[Callable[P, T]], Callable[P, T]]: ...


def measured(
    function: Callable[P, T] | None = None, /, *, report: Report | None = None, meter: str = "auto"
) -> Callable[P, T] | Callable[[Callable[P, T]], Callable[P, T]]:
    """Measure every call of a function. Its result and its exceptions stay as they are.

    Parameters
    ----------
    function
        What is measured, where the decorator stands without parentheses.
    report
        Takes the `Reading` of each call; without it a line on standard error says what the call took.
    meter
        See `greenbench.energy.open_meter`.

    Raises
    ------
    UserError
        For a coroutine function or a generator function, whose work is not done when they return.
    """
    if function is None:
        return functools.partial(_measured, report=report, meter=meter)
    return _measured(function, report=report, meter=meter)


def _measured(function: Callable[P, T], *, report: Report | None, meter: str) -> Callable[P, T]:
    name = getattr(function, "__qualname__", type(function).__qualname__)
    if any(
        kind(function)
        for kind in (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction)
    ):
        raise UserError(
            f"{name} returns before its work is done: its calls cannot be measured",
            "measure what runs it, with greenbench.measuring",
        )

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        window = None
        try:
            with measuring(name, meter=meter) as window:
                return function(*args, **kwargs)
        finally:
            if window is not None and report is not None:
                report(window.reading)
            elif window is not None:
                # Standard error that is closed, or cannot write the line, is no error of the function.
                with suppress(OSError, ValueError):
                    print(line_of(name, window.reading), file=sys.stderr)

    return wrapper


def line_of(label: str, reading: Reading) -> str:
    """Return a reading in one line."""
    if reading.energy_j is None:
        return f"{label}: {si(reading.seconds, 's')}, energy {reading.status}: {reading.reason}"
    interval = "" if reading.uncertainty_j is None else f" ± {si(reading.uncertainty_j, 'J', 2)}"
    part = f" {reading.boundary}," if reading.boundary else ""
    return (
        f"{label}: {si(reading.energy_j, 'J', 4)}{interval} in {si(reading.seconds, 's')},{part} "
        f"{si(reading.mean_power_w, 'W')}, {reading.status}"
    )
