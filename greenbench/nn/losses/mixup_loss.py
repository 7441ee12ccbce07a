"""Cross-entropy of a mixed batch: several sets of labels, one softmax.

Source: Hongyi Zhang et al., mixup: Beyond Empirical Risk Minimization, 2017, arXiv:1710.09412.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from greenbench.nn.derivatives import needs_plain
from greenbench.nn.losses.gradient import log_softmax, with_gradient
from greenbench.nn.losses.targets import by_pixel
from greenbench.nn.precision import without_autocast


@without_autocast
def mixup_loss(
    logits: Tensor, targets_a: Tensor, targets_b: Tensor, share: float, ignore_index: int | None = None
) -> Tensor:
    """Return ``share * CE(logits, targets_a) + (1 - share) * CE(logits, targets_b)``.

    Without ignored labels this is the cross-entropy with the mixed one-hot labels. With them, each
    cross-entropy is the mean over its own valid labels, and 0 where there are none.

    Parameters
    ----------
    logits
        (N, C) or (N, C, H, W).
    targets_a, targets_b
        (N,) or (N, H, W), labels 0..C-1 or `ignore_index`.
    share
        Weight of the first labels, 0 to 1.

    Raises
    ------
    ValueError
        If `share` lies outside 0..1, or for targets that `greenbench.nn.losses.targets.checked_labels`
        refuses.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share is {share}; it must lie between 0 and 1")
    return weighted_cross_entropy(logits, [(share, targets_a), (1 - share, targets_b)], ignore_index)


def weighted_cross_entropy(
    logits: Tensor, weighted: Sequence[tuple[float, Tensor]], ignore_index: int | None = None
) -> Tensor:
    """Return the sum of ``weight * CE(logits, targets)`` over (weight, targets), at least one.

    Parameters
    ----------
    logits, ignore_index
        As for `mixup_loss`; so are targets.

    Raises
    ------
    ValueError
        For targets that `greenbench.nn.losses.targets.checked_labels` refuses.
    """
    pulls = []
    for weight, targets in weighted:
        pixels, labels, valid = by_pixel(logits, targets, ignore_index)
        share = valid.to(pixels.dtype) * weight / valid.sum().clamp_min(1)
        pulls.append((labels[:, None], share[:, None]))
    plain = partial(_plain, pulls=pulls)
    if needs_plain(pixels):
        return plain(pixels)
    with torch.no_grad():
        log_p = log_softmax(pixels)
        loss = _mixed(log_p, pulls)
    if not (torch.is_grad_enabled() and pixels.requires_grad):
        return loss
    with torch.no_grad():
        gradient = log_p.exp_().mul_(torch.stack([pull for _, pull in pulls]).sum(0))
        for labels, pull in pulls:
            gradient.scatter_add_(1, labels, -pull)
    return with_gradient(loss, pixels, gradient, plain)


def _plain(logits: Tensor, pulls: list[tuple[Tensor, Tensor]]) -> Tensor:
    return _mixed(logits.log_softmax(1), pulls)


def _mixed(log_p: Tensor, pulls: list[tuple[Tensor, Tensor]]) -> Tensor:
    """Return the sum over labels and their weights, both (N, 1, P)."""
    # Logits of minus infinity are allowed: nothing times their logarithm would be NaN.
    terms = ((log_p.gather(1, labels).masked_fill_(pull == 0, 0) * pull).sum() for labels, pull in pulls)
    return -sum(terms, start=log_p.new_zeros(()))
