"""Soft dice: one minus the overlap of predicted probabilities and labels, class by class.

Source: Fausto Milletari et al., V-Net, 2016, arXiv:1606.04797, with the sums of probabilities in the
denominator not squared (equation 6 of the study).
"""

from __future__ import annotations

import torch
from torch import Tensor

from greenbench.nn.losses.gradient import log_softmax, with_gradient
from greenbench.nn.losses.targets import by_pixel


def soft_dice(logits: Tensor, targets: Tensor, gamma: float = 1.0, ignore_index: int | None = None) -> Tensor:
    """Return cross-entropy plus `gamma` times the dice loss.

    ``dice = mean over present classes c of 1 - 2 sum(p_c y_c) / (sum p_c + sum y_c)``, sums over the valid
    pixels of the batch.

    Parameters
    ----------
    logits
        (N, C) or (N, C, H, W).
    targets
        (N,) or (N, H, W), labels 0..C-1 or `ignore_index`.
    gamma
        Weight of the dice loss, at least 0.

    Raises
    ------
    ValueError
        If `gamma` is negative, or for targets that `greenbench.nn.losses.targets.checked_labels` refuses.
    """
    if not gamma >= 0:
        raise ValueError(f"gamma is {gamma}; it must be at least 0")
    logits, labels, valid = by_pixel(logits, targets, ignore_index)
    classes = logits.shape[1]
    with torch.no_grad():
        p = log_softmax(logits)
        log_p_true = p.gather(1, labels[:, None]).squeeze(1) * valid
        p.exp_()
        if not valid.all():
            p *= valid[:, None]
        p_true = log_p_true.exp() * valid

        # In double precision, since these sums run from pixel to pixel: a float32 one would stop growing.
        flat = labels.flatten()
        pixels = torch.bincount(flat, valid.flatten().double(), classes).to(p.dtype)
        overlap = torch.bincount(flat, p_true.flatten().double(), classes).to(p.dtype)
        total = p.sum((0, 2)) + pixels
        occurs = pixels > 0
        dice = torch.where(occurs, 2 * overlap / total, 0)
        count = valid.sum().to(p.dtype)
        share = occurs * (gamma / occurs.sum().to(p.dtype))
        loss = (share * (1 - dice)).sum() - log_p_true.sum() / count
    if not (torch.is_grad_enabled() and logits.requires_grad):
        return loss
    with torch.no_grad():
        # By the probability of class c: dice / total everywhere, less 2 / total where c is the label.
        everywhere = share * dice / total
        at_true = p_true * (2 * share / total)[labels]
        for image, labels_, at_true_, valid_ in zip(p, labels, at_true, valid, strict=True):
            weight = valid_ / count
            # A softmax passes on each pixel's gradients less their mean under p.
            mean = torch.mv(image.mT, everywhere) - at_true_
            image *= everywhere[:, None] + (weight - mean)
            image.scatter_add_(0, labels_[None], -(at_true_ + weight)[None])
    return with_gradient(loss, logits, p)
