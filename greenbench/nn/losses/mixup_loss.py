"""Cross-entropy of a mixed batch: two sets of labels, one softmax.

Source: Hongyi Zhang et al., mixup: Beyond Empirical Risk Minimization, 2017, arXiv:1710.09412.
"""

from __future__ import annotations

import torch
from torch import Tensor

from greenbench.nn.losses.gradient import log_softmax, with_gradient
from greenbench.nn.losses.targets import by_pixel


def mixup_loss(
    logits: Tensor, targets_a: Tensor, targets_b: Tensor, share: float, ignore_index: int | None = None
) -> Tensor:
    """Return ``share * CE(logits, targets_a) + (1 - share) * CE(logits, targets_b)``.

    Without ignored labels this is the cross-entropy with the mixed one-hot labels. With them, each
    cross-entropy is the mean over its own valid labels.

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
    pixels, labels_a, valid_a = by_pixel(logits, targets_a, ignore_index)
    _, labels_b, valid_b = by_pixel(logits, targets_b, ignore_index)
    with torch.no_grad():
        log_p = log_softmax(pixels)
        pulls = [
            (labels[:, None], (valid.to(log_p.dtype) * weight / valid.sum())[:, None])
            for labels, valid, weight in ((labels_a, valid_a, share), (labels_b, valid_b, 1 - share))
        ]
        loss = -sum(
            ((log_p.gather(1, labels) * pull).sum() for labels, pull in pulls), start=log_p.new_zeros(())
        )
    if not (torch.is_grad_enabled() and pixels.requires_grad):
        return loss
    with torch.no_grad():
        gradient = log_p.exp_().mul_(pulls[0][1] + pulls[1][1])
        for labels, pull in pulls:
            gradient.scatter_add_(1, labels, -pull)
    return with_gradient(loss, pixels, gradient)
