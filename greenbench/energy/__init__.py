"""Energy meters: windows over measured work, and where their numbers come from.

``open_meter`` gives a `Meter`; its windows give `Reading` objects. From the outside in: a meter
(`meter.py`) polls devices (`sources/`) while a window is open (`sampler.py`, `accumulate.py`); a method
(`methods.py`, `interpolate.py`) turns the samples into joules; the gates (`gates.py`) decide whether that
is a measurement.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from greenbench.energy.busy import BUSY_POLICIES
from greenbench.energy.device import SourceUnavailable
from greenbench.energy.idle import Idle
from greenbench.energy.reading import Reading, Status, Uncertainty
from greenbench.energy.sources.estimate import EstimateMeter
from greenbench.energy.sources.none import NoMeter
from greenbench.energy.sums import total
from greenbench.energy.window import Meter, Window
from greenbench.errors import UserError

__all__ = [
    "BUSY_POLICIES",
    "SOURCES",
    "Idle",
    "Meter",
    "NoMeter",
    "Reading",
    "Status",
    "Uncertainty",
    "Window",
    "check_source",
    "open_meter",
    "total",
]

PLAIN_SOURCES = ("auto", "none", "nvml", "nvml:module", "paper", "rapl")
SOURCES = (*PLAIN_SOURCES, "replay:FILE", "estimate:WATTS")
"""What a meter can be: FILE is a recorded trace, WATTS the power that an estimate multiplies."""


def check_source(source: str) -> str:
    """Return `source` if it names a meter; `UserError` otherwise."""
    if source in PLAIN_SOURCES:
        return source
    kind, _, argument = source.partition(":")
    if kind == "replay" and argument:
        if not Path(argument).is_file():
            raise UserError(
                f"meter {source!r}: there is no file {argument!r}",
                "record one with 'greenbench watch --record'",
            )
        return source
    if kind == "estimate":
        _watts(source)
        return source
    raise UserError(f"meter {source!r} is unknown", f"choose one of {', '.join(SOURCES)}")


def open_meter(
    source: str = "auto",
    synchronize: Callable[[], None] = lambda: None,
    *,
    devices: str | Sequence[str] = "first",
    busy: str = "fail",
) -> Meter:
    """Open the meter that `source` names.

    ``auto`` takes the NVIDIA GPU; on a machine without one the CPU (RAPL); else a meter that says why it
    measures nothing. A GPU that is there but cannot be measured is never replaced by the CPU.

    Parameters
    ----------
    source
        One of `SOURCES`.
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
    kind, _, argument = check_source(source).partition(":")
    if kind == "none":
        return NoMeter("no meter was asked for (meter none)")
    if kind == "estimate":
        return EstimateMeter(_watts(source), synchronize)
    try:
        if kind == "replay":
            from greenbench.energy.sources.replay import open_replay

            return open_replay(Path(argument), synchronize)
        if kind == "rapl":
            from greenbench.energy.sources.rapl import open_rapl

            return open_rapl(synchronize)
        if kind == "auto":
            return _automatic(synchronize, devices, busy)
        from greenbench.energy.sources.nvml import open_nvml

        method = "paper" if kind == "paper" else "counter"
        scope = argument or "gpu"
        return open_nvml(synchronize, method=method, scope=scope, devices=devices, busy=busy)
    except SourceUnavailable as unavailable:
        go_on = "use auto to go on without energy, or see 'greenbench doctor' for what would work"
        raise UserError(
            f"meter {source!r} cannot measure on this machine: {unavailable.reason}",
            "; ".join(filter(None, [unavailable.next_step, go_on])),
        ) from unavailable


def _automatic(synchronize: Callable[[], None], devices: str | Sequence[str], busy: str) -> Meter:
    from greenbench.energy.sources.nvml import open_nvml
    from greenbench.energy.sources.rapl import open_rapl

    try:
        if devices == "none":
            raise SourceUnavailable("the work is not done on a GPU", absent=True)
        return open_nvml(synchronize, devices=devices, busy=busy)
    except SourceUnavailable as no_gpu:
        if not no_gpu.absent:
            return NoMeter(no_gpu.reason, no_gpu.next_step)
        try:
            return open_rapl(synchronize)
        except SourceUnavailable as no_cpu:
            steps = filter(None, [no_gpu.next_step, no_cpu.next_step])
            reason = f"no meter on this machine ({no_gpu.reason}; {no_cpu.reason})"
            return NoMeter(reason, "; ".join(steps) or None)


def _watts(source: str) -> float:
    text = source.partition(":")[2]
    try:
        watts = float(text)
    except ValueError:
        watts = 0.0
    if not 0.0 < watts < 1e5:
        raise UserError(f"meter {source!r}: {text!r} is no power in watts", "write for example estimate:65")
    return watts
