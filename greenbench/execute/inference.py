"""The one measurement of inference: a network and a meter in, a plain result out."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from greenbench.energy import Meter, total
from greenbench.execute.counts import count
from greenbench.execute.progress import Progress, ProgressCallback, silent
from greenbench.records.results import Batch, Inference
from greenbench.spec.recipe import Size


@dataclass(frozen=True)
class Passes:
    """How forward passes are measured; see `greenbench.spec.scale.InferenceScale`."""

    image_size: Size
    passes: int
    large_batch: int
    large_batch_passes: int
    min_seconds: float
    repeats: int
    warmup_s: float


def measure_inference(
    network: nn.Module,
    plan: Passes,
    meter: Meter,
    *,
    seed: int,
    device: torch.device,
    progress: ProgressCallback = silent,
) -> Inference:
    """Count a network's parameters and operations, and measure time and energy of its forward pass.

    Inputs are random, never zeros: what a GPU draws depends on the values that it works on.

    Parameters
    ----------
    network
        Maps images (N, 3, H, W) to logits; it is moved to `device` and put into evaluation mode.
    plan
        What to measure.
    meter
        Measures the energy of each repeat.
    seed
        Of the images.
    device
        Where to run.
    progress
        Called after every repeat.
    """
    counts = count(network, (1, 3, *plan.image_size))
    network.to(device).eval()
    generator = torch.Generator().manual_seed(seed)
    measured = []
    for index, (batch_size, passes) in enumerate(
        ((1, plan.passes), (plan.large_batch, plan.large_batch_passes))
    ):
        images = torch.randn((batch_size, 3, *plan.image_size), generator=generator).to(device)

        def after_repeat(repeat: int, index: int = index, batch_size: int = batch_size) -> None:
            progress(Progress(index * plan.repeats + repeat, 2 * plan.repeats, f"batch {batch_size}"))

        measured.append(_measure_batch(network, images, passes, plan, meter, after_repeat))
    return Inference(
        input_size=plan.image_size,
        params=counts.params,
        conv_macs=counts.conv_macs,
        full_macs=counts.full_macs,
        single=measured[0],
        large=measured[1],
    )


@torch.inference_mode()
def _measure_batch(
    network: nn.Module,
    images: torch.Tensor,
    passes: int,
    plan: Passes,
    meter: Meter,
    after_repeat: Callable[[int], None],
) -> Batch:
    latencies_ms, medians_ms, readings = [], [], []
    for repeat in range(plan.repeats):
        warm_until = time.monotonic() + plan.warmup_s
        while time.monotonic() < warm_until:
            _timed_pass_ms(network, images)
        passes_ms: list[float] = []
        with meter.window(f"inference repeat {repeat + 1}") as window:
            until = time.monotonic() + plan.min_seconds
            while len(passes_ms) < passes or time.monotonic() < until:
                passes_ms.append(_timed_pass_ms(network, images))
        latencies_ms += passes_ms
        medians_ms.append(float(np.median(passes_ms)))
        readings.append(window.reading)
        after_repeat(repeat + 1)
    low, median, high = np.percentile(latencies_ms, [25, 50, 75])
    return Batch(
        batch_size=len(images),
        passes=len(latencies_ms),
        latency_ms=float(median),
        latency_low_ms=float(low),
        latency_high_ms=float(high),
        repeat_medians_ms=tuple(medians_ms),
        energy_per_image=total(readings).scaled(1 / (len(latencies_ms) * len(images))),
    )


def _timed_pass_ms(network: nn.Module, images: torch.Tensor) -> float:
    """Time one forward pass, waiting until the device has finished it."""
    start = time.perf_counter()
    network(images)
    synchronize(images.device)
    return (time.perf_counter() - start) * 1e3


def synchronize(device: torch.device) -> None:
    """Wait until `device` has finished all queued work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
