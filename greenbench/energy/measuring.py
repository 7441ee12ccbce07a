"""Measure a piece of any program: as a with-statement, or as a decorator.

::

    with greenbench.measuring("encode") as window:
        encode(images)
    print(window.reading.energy_j, window.reading.status)

    @greenbench.measured
    def encode(images): ...

Both share one meter, which is opened when it is first needed and closed when the program ends. What fails in
it leaves a reading without energy and its reason; the program goes on.
"""

from __future__ import annotations

import atexit
import functools
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import ParamSpec, TypeVar

from greenbench.energy import NoMeter, open_meter
from greenbench.energy.reading import Reading
from greenbench.energy.synchronize import synchronize_loaded
from greenbench.energy.window import Meter, Window
from greenbench.errors import UserError
from greenbench.units import si

P = ParamSpec("P")
T = TypeVar("T")


@cache
def shared_meter(source: str = "auto") -> Meter:
    """Return the program's meter of this name, opened once."""
    try:
        meter = open_meter(source, synchronize_loaded, busy="mark")
    except UserError as error:
        return NoMeter(error.problem, error.next_step)
    atexit.register(meter.close)
    return meter


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


def measured(function: Callable[P, T]) -> Callable[P, T]:
    """Measure every call of a function and say on standard error what it took.

    Raises
    ------
    UserError
        For a coroutine function or a generator function, whose work is not done when they return.
    """
    if any(
        kind(function)
        for kind in (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction)
    ):
        raise UserError(
            f"{function.__qualname__} returns before its work is done: its calls cannot be measured",
            "measure what runs it, with greenbench.measuring",
        )

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        window = None
        try:
            with measuring(function.__qualname__) as window:
                return function(*args, **kwargs)
        finally:
            if window is not None:
                print(line_of(function.__qualname__, window.reading), file=sys.stderr)

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
