"""What can be measured on this machine, and how well: for ``greenbench doctor``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from greenbench.energy.clock import Clock, SystemClock
from greenbench.energy.device import Sample, SourceUnavailable
from greenbench.energy.meter import DeviceMeter
from greenbench.energy.reading import Reading, Status

WITHOUT_METER = "use the meter estimate:WATTS, whose numbers are marked as estimates"


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
    boundary
        What of the machine it is: ``GPU``, ``CPU package``, ``CPU memory``, or ``CPU`` as a whole.
    problem, next_step
        Why a measurement would not be valid, and what to do.
    notes
        Remarks.
    """

    device: str
    uuid: str | None
    method: str
    valid: bool
    boundary: str
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
    """Examine every visible GPU, the CPU packages and their memory, for that many seconds each.

    A GPU that this machine lacks is left out where the CPU can be measured.
    """
    clock = clock or SystemClock()
    from greenbench.energy.sources.nvml import loaded
    from greenbench.energy.sources.rapl import open_rapl

    found: list[Examination] = []
    absent = False
    try:
        nvml = loaded()
        uuids = list(nvml.visible_gpus())
    except SourceUnavailable as no_gpu:
        found.append(_unavailable("GPU", None, no_gpu))
        absent = no_gpu.absent
        uuids = []
    for uuid in uuids:
        try:
            found += _examine(nvml.open_nvml(lambda: None, devices=[uuid], busy="mark", clock=clock), seconds)
        except SourceUnavailable as unavailable:
            found.append(_unavailable("GPU", uuid, unavailable))
    try:
        cpu = _examine(open_rapl(lambda: None, clock), seconds)
    except SourceUnavailable as no_cpu:
        return [*found, _unavailable("CPU", None, no_cpu)]
    return cpu if absent else [*found, *cpu]


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
        boundary=reading.boundary or "unknown",
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
        next_step=None if valid else _next_step(reading),
        notes=reading.notes,
    )


def _next_step(reading: Reading) -> str:
    if reading.status is Status.MEASURED_SHORT:
        return "run doctor with more --seconds"
    return reading.next_step or WITHOUT_METER


def _unavailable(device: str, uuid: str | None, why: SourceUnavailable) -> Examination:
    step = why.next_step or WITHOUT_METER
    return Examination(device, uuid, "none", False, device, problem=why.reason, next_step=step)


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
