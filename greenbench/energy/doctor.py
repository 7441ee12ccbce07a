"""What can be measured on this machine, and how well: the examination behind ``greenbench doctor``."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from greenbench.energy.clock import Clock, SystemClock
from greenbench.energy.device import Sample, SourceUnavailable
from greenbench.energy.meter import DeviceMeter
from greenbench.energy.sources.rapl import PERMISSION
from greenbench.energy.reading import Reading, Status

NEXT_STEPS = {
    "short window": "run doctor with more --seconds",
    "shared with": "stop the other program, or choose another GPU with CUDA_VISIBLE_DEVICES",
    "throttled by heat": "cool the GPU or lower its power limit (nvidia-smi -pl)",
    "apart": "do not use this card's figures; report it with the trace of 'greenbench watch --record'",
    "stood still": "update the driver; a virtual GPU may have no counter",
    "is measuring on": "let the other measurement finish",
    "split by MIG": "turn MIG off (nvidia-smi -mig 0), or choose a GPU without it",
    "names a MIG slice": "choose a GPU without MIG in CUDA_VISIBLE_DEVICES",
    "leaves no GPU visible": "unset CUDA_VISIBLE_DEVICES, or name a GPU in it",
    "GPUs differ": "set CUDA_DEVICE_ORDER=PCI_BUS_ID, or name the GPU by UUID",
    "is not permitted": f"run {PERMISSION}",
    "no package under": "measure on a machine of your own; a virtual one has no counters",
}
"""By words in a reading's reason: what to do about it. NVML's errors carry their next step themselves."""

WITHOUT_METER = "without a meter, the source estimate:WATTS gives figures that are marked as estimates"


@dataclass(frozen=True)
class Examination:
    """One device, measured for a few seconds.

    Attributes
    ----------
    device, uuid, method, tick_ms
        What it is, how it is measured, and the probed update period.
    valid
        Whether a measurement here and now would be one.
    idle_power_w, idle_spread_w
        Mean power, and the standard deviation of its samples, in the seconds of the examination.
    counter_j, integral_j
        Energy by the counter and by integrated power over the same seconds; None for what is missing.
    uncertainty_j
        Half-width of the 95 % interval of the energy.
    temperature_c, sm_clock_mhz, power_limit_w, driver
        The device's condition.
    problem, next_step
        What would make a measurement wrong, and what to do.
    notes
        Remarks.
    """

    device: str
    uuid: str | None
    method: str
    valid: bool
    tick_ms: float | None = None
    idle_power_w: float | None = None
    idle_spread_w: float | None = None
    counter_j: float | None = None
    integral_j: float | None = None
    uncertainty_j: float | None = None
    temperature_c: float | None = None
    sm_clock_mhz: float | None = None
    power_limit_w: float | None = None
    driver: str | None = None
    problem: str | None = None
    next_step: str | None = None
    notes: tuple[str, ...] = ()


def examine_machine(seconds: float, clock: Clock | None = None) -> list[Examination]:
    """Examine every visible GPU, or the CPU where there is no GPU, for that many seconds each."""
    clock = clock or SystemClock()
    from greenbench.energy.sources.nvml import open_nvml, visible_gpus
    from greenbench.energy.sources.rapl import open_rapl

    try:
        uuids = list(visible_gpus())
    except SourceUnavailable as no_gpu:
        gpu = _unavailable("GPU", None, no_gpu)
        if not no_gpu.absent:
            return [gpu]
        try:
            return [*_examine(open_rapl(lambda: None, clock), seconds)]
        except SourceUnavailable as no_cpu:
            return [gpu, _unavailable("CPU", None, no_cpu)]
    found: list[Examination] = []
    for uuid in uuids:
        try:
            found += _examine(open_nvml(lambda: None, devices=[uuid], busy="mark", clock=clock), seconds)
        except SourceUnavailable as unavailable:
            found.append(_unavailable("GPU", uuid, unavailable))
    return found


def _examine(meter: DeviceMeter, seconds: float) -> list[Examination]:
    with meter:
        with meter.window("doctor", trace=True) as window:
            meter.clock.sleep(seconds)
        return [
            _examination(reading, device.info.kind, device.info.tick_s)
            for reading, device in zip(window.readings, meter.devices, strict=True)
        ]


def _examination(reading: Reading, kind: str, tick_s: float) -> Examination:
    powers = [sample.power_w for sample in reading.trace or () if sample.power_w is not None]
    state = reading.end
    valid = reading.status is Status.MEASURED
    return Examination(
        device=reading.device or "unknown",
        uuid=reading.uuid,
        method=reading.method,
        valid=valid,
        tick_ms=1e3 * tick_s,
        idle_power_w=reading.mean_power_w,
        idle_spread_w=_deviation(powers),
        counter_j=reading.energy_j if kind == "counter" else None,
        integral_j=_integral(reading.trace or ()),
        uncertainty_j=reading.uncertainty_j,
        temperature_c=state.temperature_c if state else None,
        sm_clock_mhz=state.sm_clock_mhz if state else None,
        power_limit_w=state.power_limit_w if state else None,
        driver=state.driver if state else None,
        problem=None if valid else reading.reason,
        next_step=None if valid else next_step(reading.reason or ""),
        notes=reading.notes,
    )


def next_step(reason: str) -> str:
    """Return what to do about a reading's reason."""
    known = (step for words, step in NEXT_STEPS.items() if words in reason)
    of_nvml = (found[1] for found in [re.search(r"\(\d+\): (.+)", reason)] if found)
    return next(known, None) or next(of_nvml, WITHOUT_METER)


def _unavailable(device: str, uuid: str | None, why: SourceUnavailable) -> Examination:
    return Examination(device, uuid, "none", False, problem=str(why), next_step=next_step(str(why)))


def _deviation(values: Sequence[float]) -> float | None:
    if len(values) < 2:
        return None
    mean = sum(values) / len(values)
    return math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))


def _integral(trace: Sequence[Sample]) -> float | None:
    steps = [
        sample.power_w * (following.end_s - sample.end_s)
        for sample, following in pairwise(trace)
        if sample.power_w is not None
    ]
    return sum(steps) if steps else None
