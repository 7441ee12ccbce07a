"""The one measurement of inference: a network and a meter in, a plain result out."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from greenbench.data.structures import map_tensors, tensors_in
from greenbench.energy import Meter, total
from greenbench.execute.counts import count
from greenbench.execute.in_mode import images_in_mode, network_in_mode, passes_in_mode
from greenbench.execute.progress import Progress, ProgressCallback, silent
from greenbench.records.results import Batch, Inference
from greenbench.spec.mode import PAPER, Mode
from greenbench.spec.recipe import Inputs


@dataclass(frozen=True)
class Passes:
    """How forward passes are measured; see `greenbench.spec.scale.InferenceScale`."""

    passes: int
    large_batch: int
    large_batch_passes: int
    min_seconds: float
    repeats: int
    warmup_s: float


def measure_inference(
    network: nn.Module,
    example: Callable[[int], Inputs],
    plan: Passes,
    meter: Meter,
    *,
    device: torch.device,
    mode: Mode = PAPER,
    progress: ProgressCallback = silent,
) -> Inference:
    """Count a network's parameters and operations, and measure time and energy of its forward pass.

    Parameters
    ----------
    network
        What is measured; it is moved to `device` and put into evaluation mode.
    example
        Gives inputs of a batch size. They are random or real, never zeros: what a GPU draws depends on the values that
        it works on.
    plan
        What to measure.
    meter
        Measures the energy of each repeat.
    device
        Where to run.
    mode
        What the network computes in. Weights are converted to it once, before the first pass that is measured.
    progress
        Called after every repeat.
    """
    inputs = example(1)
    counts = count(network, inputs)
    shape = tensors_in(inputs)[0].shape[1:]
    network = network_in_mode(network.to(device).eval(), mode)
    measured = []
    for index, (batch_size, passes) in enumerate(
        ((1, plan.passes), (plan.large_batch, plan.large_batch_passes))
    ):
        given = inputs if batch_size == 1 else example(batch_size)
        given = images_in_mode(map_tensors(given, lambda tensor: tensor.to(device)), mode)

        def forward(given: Inputs = given) -> None:
            """Run one forward pass, and wait until the device has finished it."""
            network(given)
            synchronize(device)

        def after_repeat(repeat: int, index: int = index, batch_size: int = batch_size) -> None:
            progress(Progress(index * plan.repeats + repeat, 2 * plan.repeats, f"batch {batch_size}"))

        with passes_in_mode(mode, device):
            measured.append(_measure_batch(forward, batch_size, passes, plan, meter, after_repeat))
    return Inference(
        input_size=tuple(shape[-2:] if len(shape) == 3 else shape),  # height and width of an image
        params=counts.params,
        conv_macs=counts.conv_macs,
        full_macs=counts.full_macs,
        single=measured[0],
        large=measured[1],
    )


def _measure_batch(
    forward: Callable[[], object],
    batch_size: int,
    passes: int,
    plan: Passes,
    meter: Meter,
    after_repeat: Callable[[int], None],
) -> Batch:
    latencies_ms, medians_ms, readings = [], [], []
    for repeat in range(plan.repeats):
        warm_until = time.monotonic() + plan.warmup_s
        while time.monotonic() < warm_until:
            _timed_pass_ms(forward)
        passes_ms: list[float] = []
        with meter.window(f"inference repeat {repeat + 1}") as window:
            until = time.monotonic() + plan.min_seconds
            while len(passes_ms) < passes or time.monotonic() < until:
                passes_ms.append(_timed_pass_ms(forward))
        latencies_ms += passes_ms
        medians_ms.append(float(np.median(passes_ms)))
        readings.append(window.reading)
        after_repeat(repeat + 1)
    low, median, high = np.percentile(latencies_ms, [25, 50, 75])
    return Batch(
        batch_size=batch_size,
        passes=len(latencies_ms),
        latency_ms=float(median),
        latency_low_ms=float(low),
        latency_high_ms=float(high),
        repeat_medians_ms=tuple(medians_ms),
        energy_per_image=total(readings).scaled(1 / (len(latencies_ms) * batch_size)),
    )


def _timed_pass_ms(forward: Callable[[], object]) -> float:
    start = time.perf_counter()
    forward()
    return (time.perf_counter() - start) * 1e3


def synchronize(device: torch.device) -> None:
    """Wait until `device` has finished all queued work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
