"""The one profiler of inference: a network and a meter in, a plain result out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import nn

from greenbench.execute.counts import count
from greenbench.energy import Meter, total
from greenbench.protocol import InferenceProtocol
from greenbench.records.results import BatchProfile, InferenceResult, Progress, ProgressCallback


def profile(
    network: nn.Module,
    input_size: tuple[int, int],
    passes: Mapping[int, int],
    protocol: InferenceProtocol,
    meter: Meter,
    *,
    seed: int,
    device: torch.device,
    progress: ProgressCallback = lambda _: None,
) -> InferenceResult:
    """Count a network's parameters and operations, and measure time and energy of its forward pass.

    Inputs are random, never zeros: what a GPU draws depends on the values that it works on.

    Parameters
    ----------
    network
        Maps images (N, 3, H, W) to logits; it is moved to `device` and put into evaluation mode.
    input_size
        Height and width of the images in pixels.
    passes
        Timed passes of a repeat for each batch size.
    protocol
        Repeats, their least duration, and warm-up.
    meter
        Measures the energy of each repeat.
    seed
        Of the images.
    device
        Where to run.
    progress
        Called after every repeat.
    """
    counts = count(network, (1, 3, *input_size))
    network.to(device).eval()
    steps = len(passes) * protocol.repeats
    generator = torch.Generator().manual_seed(seed)
    batches = []
    for index, (batch_size, batch_passes) in enumerate(passes.items()):
        images = torch.randn((batch_size, 3, *input_size), generator=generator).to(device)

        def after_repeat(repeat: int, index: int = index, batch_size: int = batch_size) -> None:
            progress(Progress(index * protocol.repeats + repeat, steps, f"batch {batch_size}"))

        batches.append(_profile_batch(network, images, batch_passes, protocol, meter, after_repeat))
    return InferenceResult(input_size, counts.params, counts.conv_macs, counts.full_macs, tuple(batches))


@torch.inference_mode()
def _profile_batch(
    network: nn.Module,
    images: torch.Tensor,
    passes: int,
    protocol: InferenceProtocol,
    meter: Meter,
    after_repeat: Callable[[int], None],
) -> BatchProfile:
    latencies_ms, medians_ms, readings = [], [], []
    for repeat in range(protocol.repeats):
        warm_until = time.monotonic() + protocol.warmup_s
        while time.monotonic() < warm_until:
            _timed_pass_ms(network, images)
        passes_ms: list[float] = []
        with meter.window(f"inference repeat {repeat + 1}") as window:
            until = time.monotonic() + protocol.min_seconds
            while len(passes_ms) < passes or time.monotonic() < until:
                passes_ms.append(_timed_pass_ms(network, images))
        latencies_ms += passes_ms
        medians_ms.append(float(np.median(passes_ms)))
        readings.append(window.reading)
        after_repeat(repeat + 1)
    low, median, high = np.percentile(latencies_ms, [25, 50, 75])
    return BatchProfile(
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
