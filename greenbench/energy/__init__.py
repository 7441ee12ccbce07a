"""Energy meters: windows over measured work, and where their numbers come from.

``open_meter`` gives a `Meter`; its windows give `Reading` objects. From the outside in: a meter
(`meter.py`) polls devices (`sources/`) while a window is open (`sampler.py`, `accumulate.py`); a method
(`methods.py`, `interpolate.py`) turns the samples into joules; the gates (`gates.py`) decide whether that
is a measurement.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from greenbench.energy.busy import BUSY_POLICIES
from greenbench.energy.device import SourceUnavailable
from greenbench.energy.idle import Idle
from greenbench.energy.reading import Reading, Status, Uncertainty
from greenbench.energy.sources import Request, Source, known_sources
from greenbench.energy.sources.none import NoMeter
from greenbench.energy.sums import total
from greenbench.energy.together import MeterGroup
from greenbench.energy.window import Meter, Window
from greenbench.errors import UserError

__all__ = [
    "BUSY_POLICIES",
    "Idle",
    "Meter",
    "NoMeter",
    "Reading",
    "Status",
    "Uncertainty",
    "Window",
    "check_source",
    "meter_forms",
    "open_meter",
    "total",
]

CHOSEN = ("auto", "all")
"""Names of meters for which the machine decides what is measured."""


def meter_forms() -> tuple[str, ...]:
    """Return how meters are named: ``auto``, ``all``, and every source in its forms; ``A+B`` joins two."""
    return (
        *CHOSEN,
        *(form for source in known_sources().values() for form in source.forms or (source.name,)),
    )


def check_source(name: str) -> str:
    """Return `name` if it names a meter; `UserError` otherwise."""
    if name not in CHOSEN:
        for part in _parts(name):
            source, argument = _find(part)
            try:
                source.check(argument)
            except UserError as error:
                raise UserError(f"meter {part!r}: {error.problem}", error.next_step) from error
    return name


def open_meter(
    source: str = "auto",
    synchronize: Callable[[], None] = lambda: None,
    *,
    devices: str | Sequence[str] = "first",
    busy: str = "fail",
) -> Meter:
    """Open the meter that `source` names.

    ``auto`` takes the NVIDIA GPU; on a machine without one the CPU (RAPL); else a meter that says why it
    measures nothing. A GPU that is there but cannot be measured is never replaced by the CPU. ``all`` measures GPU,
    CPU packages and memory, each on its own, and says of what is missing why.

    Parameters
    ----------
    source
        One of `meter_forms`, or several joined by ``+``.
    synchronize
        Waits until the measured device has finished all queued work.
    devices
        Of the GPUs that CUDA_VISIBLE_DEVICES leaves visible: ``first``, ``all``, or UUIDs; ``none`` where the
        work is the CPU's, whatever GPUs there are (for ``auto``).
    busy
        One of `BUSY_POLICIES`: what to do when other programs are on a device.

    Raises
    ------
    UserError
        For an unknown source, for a named one that cannot measure on this machine, or for a device
        that is in use while `busy` is ``fail``.
    """
    check_source(source)
    if source == "auto":
        return _automatic(Request("", synchronize, devices, busy))
    if source == "all":
        return MeterGroup(_all(Request("", lambda: None, devices, busy)), synchronize)
    parts = _parts(source)
    if len(parts) == 1:
        return _open(source, synchronize, devices, busy)
    return MeterGroup([_open(part, lambda: None, devices, busy) for part in parts], synchronize)


def _open(name: str, synchronize: Callable[[], None], devices: str | Sequence[str], busy: str) -> Meter:
    chosen, argument = _find(name)
    try:
        return chosen.open(Request(argument, synchronize, devices, busy))
    except SourceUnavailable as unavailable:
        go_on = "use auto to go on without energy, or see 'greenbench doctor' for what would work"
        raise UserError(
            f"meter {name!r} cannot measure on this machine: {unavailable.reason}",
            "; ".join(filter(None, [unavailable.next_step, go_on])),
        ) from unavailable


def _all(request: Request) -> list[Meter]:
    """Open every source, or what says why it cannot be. Hardware that is not there comes last: it does no work."""
    present: list[Meter] = []
    absent: list[Meter] = []
    for source in _ranked():
        try:
            present.append(source.open(request))
        except SourceUnavailable as why:
            (absent if why.absent else present).append(NoMeter(why.reason, why.next_step, source.part))
    return [*present, *absent]


def _parts(name: str) -> list[str]:
    """Split a name at each plus that another source's name follows: a file's name may have one, too."""
    known = "|".join(re.escape(source) for source in known_sources())
    return re.split(rf"\+(?=(?:{known})(?:[:+]|$))", name)


def _ranked() -> list[Source]:
    """Return the sources that need not be asked for by name, in their order."""
    ranked = [(source.rank, source) for source in known_sources().values() if source.rank is not None]
    return [source for _, source in sorted(ranked, key=lambda pair: pair[0])]


def _find(name: str) -> tuple[Source, str]:
    kind, colon, argument = name.partition(":")
    if colon and not argument:
        raise UserError(f"meter {name!r}: nothing follows the colon", "leave it out, or complete it")
    if kind not in known_sources():
        raise UserError(f"meter {name!r} is unknown", f"choose one of {', '.join(meter_forms())}")
    return known_sources()[kind], argument


def _automatic(request: Request) -> Meter:
    """Open the first source whose device is there. One that is there but cannot be read is never replaced."""
    reasons: list[str] = []
    steps: list[str] = []
    for source in _ranked():
        try:
            return source.open(request)
        except SourceUnavailable as unavailable:
            if not unavailable.absent and not reasons:
                return NoMeter(unavailable.reason, unavailable.next_step, synchronize=request.synchronize)
            reasons.append(unavailable.reason)
            steps += [unavailable.next_step] if unavailable.next_step else []
            if not unavailable.absent:
                break
    reason = f"no meter on this machine ({'; '.join(reasons)})"
    return NoMeter(reason, "; ".join(steps) or None, synchronize=request.synchronize)
