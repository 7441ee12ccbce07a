"""How near memory's own speed: against copying as many bytes as must be read and written."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from bench_tests.speed.contest import Contest
from bench_tests.speed.data import CIFAR
from bench_tests.speed.losses import IGNORE, regions
from greenbench.data.augmentation import augment
from greenbench.nn.losses.focal import focal

COPY = "copying as many bytes"


def augmentation_traffic(images: int = 512) -> Contest:
    """Each pixel is read and written once. The peer is told where each one lies, and only has to move them."""
    pixels = torch.randint(256, (images, 3, 32, 32), dtype=torch.uint8)
    generator = torch.Generator().manual_seed(0)
    place = torch.randint(32 * 32, (images, 3, 32 * 32))
    kept = torch.empty_like(pixels)

    def ours() -> torch.Tensor:
        return augment(pixels, CIFAR, generator)

    return Contest(
        ours, lambda: pixels.flatten(2).gather(2, place), lambda: kept.copy_(pixels),
        "a gather by given places", COPY, lambda: abs(float(ours().double().mean() / ours().double().mean()) - 1), 0.05,
        items=images,
    )  # fmt: skip


def loss_traffic(images: int = 4, classes: int = 19, side: int = 256) -> Contest:
    """The focal loss reads logits and writes their gradient."""
    logits = torch.randn(images, classes, side, side).requires_grad_()
    targets = regions(images, classes, side)
    kept = torch.empty_like(logits)

    def ours() -> torch.Tensor:
        logits.grad = None
        focal(logits, targets, ignore_index=IGNORE).backward()
        return logits.grad

    def peer() -> torch.Tensor:
        logits.grad = None
        cross_entropy = F.cross_entropy(logits, targets, ignore_index=IGNORE, reduction="none")
        weight = (1 - (-cross_entropy).exp()) ** 2
        ((weight * cross_entropy).sum() / (targets != IGNORE).sum()).backward()
        return logits.grad

    def difference() -> float:
        a, b = ours(), peer()
        return float((a - b).norm() / b.norm())

    return Contest(
        ours, peer, lambda: kept.copy_(logits.detach()), "the focal loss by cross_entropy and autograd", COPY, difference
    )  # fmt: skip


CONTESTS = {"augmentation_traffic": augmentation_traffic, "loss_traffic": loss_traffic}
