"""Focal loss: cross-entropy that counts what is already well classified for less.

Source: Tsung-Yi Lin et al., Focal Loss for Dense Object Detection, 2017, arXiv:1708.02002, equation 4,
with the softmax over classes in place of its sigmoid.
"""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor

from greenbench.nn.derivatives import needs_plain
from greenbench.nn.losses.gradient import log_softmax, with_gradient
from greenbench.nn.losses.targets import by_pixel
from greenbench.nn.precision import without_autocast


@without_autocast
def focal(logits: Tensor, targets: Tensor, gamma: float = 2.0, ignore_index: int | None = None) -> Tensor:
    """Return the mean over valid labels of ``-(1 - p)^gamma log p``, p the true class's probability.

    Without a valid label it is 0.

    Parameters
    ----------
    logits
        (N, C) or (N, C, H, W).
    targets
        (N,) or (N, H, W), labels 0..C-1 or `ignore_index`.
    gamma
        At least 0 and finite; at 0 this is the cross-entropy.

    Raises
    ------
    ValueError
        If `gamma` is negative or not finite, or for targets that `greenbench.nn.losses.targets.checked_labels` refuses.
    """
    if not 0 <= gamma < math.inf:
        raise ValueError(f"gamma is {gamma}; it must be at least 0, and finite")
    logits, labels, valid = by_pixel(logits, targets, ignore_index)
    plain = partial(_plain, labels=labels, valid=valid, gamma=gamma)
    if needs_plain(logits):
        return plain(logits)
    with torch.no_grad():
        log_p = log_softmax(logits)
        # Logits of minus infinity are allowed: nothing times an infinite loss would be NaN at ignored pixels.
        cross_entropy = -log_p.gather(1, labels[:, None]).squeeze(1).masked_fill_(~valid, 0)
        # 1 - p without cancellation; kept off 0, where its power's derivative is infinite for gamma < 1.
        missed = (-torch.expm1(-cross_entropy)).clamp_min(torch.finfo(logits.dtype).tiny)
        share = valid.to(logits.dtype) / valid.sum().clamp_min(1)
        loss = (share * missed**gamma * cross_entropy).sum()
    if not (torch.is_grad_enabled() and logits.requires_grad):
        return loss
    with torch.no_grad():
        slope = missed**gamma + gamma * missed ** (gamma - 1) * (1 - missed) * cross_entropy
        pull = (share * slope)[:, None]
        gradient = log_p.exp_().mul_(pull).scatter_add_(1, labels[:, None], -pull)
    return with_gradient(loss, logits, gradient, plain)


def _plain(logits: Tensor, labels: Tensor, valid: Tensor, gamma: float) -> Tensor:
    log_p = logits.log_softmax(1).gather(1, labels[:, None]).squeeze(1).masked_fill(~valid, 0)
    missed = (-torch.expm1(log_p)).clamp_min(torch.finfo(logits.dtype).tiny)
    return -(missed**gamma * log_p).sum() / valid.sum().clamp_min(1)
