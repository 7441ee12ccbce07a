"""The losses, forward and backward, on labels that lie in regions as those of photographs do."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.metadata import version

import torch
import torch.nn.functional as F
from torch import Tensor

from bench_tests.speed.contest import Contest
from greenbench.nn.losses.focal import focal
from greenbench.nn.losses.label_relaxation import label_relaxation
from greenbench.nn.losses.mixup_loss import mixup_loss
from greenbench.nn.losses.soft_dice import soft_dice
from greenbench.nn.losses.upsample_cross_entropy import upsample_cross_entropy

IGNORE = 255
CROSS_ENTROPY = partial(F.cross_entropy, ignore_index=IGNORE)
PLAIN = "cross_entropy"


def regions(images: int, classes: int, side: int, seed: int = 0) -> Tensor:
    """Return masks (N, side, side) of about 40 regions each, with a strip of ignored pixels."""
    generator = torch.Generator().manual_seed(seed)
    places = torch.arange(side, dtype=torch.float32)
    masks = []
    for _ in range(images):
        centers = torch.rand(40, 2, generator=generator) * side
        distance = (places[:, None, None] - centers[:, 0]) ** 2 + (places[:, None] - centers[:, 1]) ** 2
        masks.append(torch.randint(classes, (40,), generator=generator)[distance.argmin(-1)])
    targets = torch.stack(masks)
    targets[:, : side // 16] = IGNORE
    return targets


def _logits(images: int, classes: int, side: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(images, classes, side, side, generator=generator).mul_(2).requires_grad_()


def _step(loss: Callable[[Tensor], Tensor], logits: Tensor) -> Callable[[], None]:
    def step() -> None:
        logits.grad = None
        loss(logits).backward()

    return step


def _contest(
    ours: Callable[[Tensor], Tensor],
    peer: Callable[[Tensor], Tensor],
    floor: Callable[[Tensor], Tensor],
    logits: Tensor,
    peer_name: str,
    floor_name: str = PLAIN,
    tolerance: float = 1e-4,
) -> Contest:
    def difference() -> float:
        results = []
        for loss in (ours, peer):
            logits.grad = None
            value = loss(logits)
            value.backward()
            results.append((value.detach(), logits.grad))
        return max(float((a - b).norm() / b.norm()) for a, b in zip(*results, strict=True))

    return Contest(
        _step(ours, logits), _step(peer, logits), _step(floor, logits),
        peer_name, floor_name, difference, tolerance,
    )  # fmt: skip


def dense_relaxation(logits: Tensor, targets: Tensor) -> Tensor:
    """Sum the probabilities of all classes near each pixel, found by max-pooling one-hot labels."""
    classes = logits.shape[1]
    labels = torch.where(targets == IGNORE, classes, targets)
    one_hot = F.one_hot(labels, classes + 1).movedim(3, 1)[:, :classes].to(logits.dtype)
    near = F.max_pool2d(one_hot, 3, stride=1, padding=1)
    union = (logits.softmax(1) * near).sum(1)
    return -union[near.sum(1) > 0].log().mean()


def label_relaxation_() -> Contest:
    logits, targets = _logits(4, 19, 256), regions(4, 19, 256)
    return _contest(
        lambda x: label_relaxation(x, targets, IGNORE),
        lambda x: dense_relaxation(x, targets),
        lambda x: CROSS_ENTROPY(x, targets),
        logits,
        "max-pooled one-hot labels",
    )


def soft_dice_c171() -> Contest:
    from kornia.losses import dice_loss

    # One image: kornia's sums are those of each image, ours of the batch.
    logits = _logits(1, 171, 224)
    targets = torch.randint(171, (1, 224, 224), generator=torch.Generator().manual_seed(0))
    targets[:, :14] = IGNORE
    return _contest(
        lambda x: soft_dice(x, targets, ignore_index=IGNORE),
        lambda x: (
            CROSS_ENTROPY(x, targets) + dice_loss(x, targets, average="macro", eps=0.0, ignore_index=IGNORE)
        ),
        lambda x: CROSS_ENTROPY(x, targets),
        logits,
        f"kornia {version('kornia')} + {PLAIN}",
    )


def focal_c171() -> Contest:
    from kornia.losses import focal_loss

    logits, targets = _logits(2, 171, 160), regions(2, 171, 160)
    # kornia's mean is over all pixels and all classes, ours over the valid pixels.
    scale = logits.numel() / int((targets != IGNORE).sum())
    return _contest(
        lambda x: focal(x, targets, ignore_index=IGNORE),
        lambda x: scale * focal_loss(x, targets, None, 2.0, "mean", ignore_index=IGNORE),
        lambda x: CROSS_ENTROPY(x, targets),
        logits,
        f"kornia {version('kornia')}",
    )


def mixup_loss_() -> Contest:
    logits, targets, others = _logits(4, 19, 256), regions(4, 19, 256), regions(4, 19, 256, seed=2)
    return _contest(
        lambda x: mixup_loss(x, targets, others, 0.3, IGNORE),
        lambda x: 0.3 * CROSS_ENTROPY(x, targets) + 0.7 * CROSS_ENTROPY(x, others),
        lambda x: CROSS_ENTROPY(x, targets),
        logits,
        "two cross_entropy",
        "one cross_entropy",
    )


def upsample_ce_c171() -> Contest:
    logits, targets = _logits(2, 171, 80), regions(2, 171, 640)

    def peer(x: Tensor) -> Tensor:
        full = F.interpolate(x, targets.shape[1:], mode="bilinear", align_corners=True)
        return CROSS_ENTROPY(full, targets)

    full = torch.randn(2, 171, 640, 640)
    contest = _contest(
        lambda x: upsample_cross_entropy(x, targets, IGNORE),
        peer,
        peer,
        logits,
        "interpolate, cross_entropy",
        tolerance=1e-5,
    )
    return Contest(
        contest.ours, contest.peer, lambda: torch.softmax(full, 1, out=full),
        contest.peer_name, "softmax of full-size logits, in place", contest.difference, contest.tolerance,
    )  # fmt: skip


CONTESTS = {
    "label_relaxation": label_relaxation_,
    "soft_dice_c171": soft_dice_c171,
    "focal_c171": focal_c171,
    "mixup_loss": mixup_loss_,
    "upsample_ce_c171": upsample_ce_c171,
}
