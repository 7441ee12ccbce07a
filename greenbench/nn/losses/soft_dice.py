"""Soft dice: one minus the overlap of predicted probabilities and labels, class by class.

Source: Fausto Milletari et al., V-Net, 2016, arXiv:1606.04797, with the sums of probabilities in the
denominator not squared (equation 6 of the study).
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

_NEIGHBORS = 256


@without_autocast
def soft_dice(logits: Tensor, targets: Tensor, gamma: float = 1.0, ignore_index: int | None = None) -> Tensor:
    """Return cross-entropy plus `gamma` times the dice loss.

    ``dice = mean over present classes c of 1 - 2 sum(p_c y_c) / (sum p_c + sum y_c)``, sums over the valid
    pixels of the batch. Without a valid pixel the loss is 0.

    Parameters
    ----------
    logits
        (N, C) or (N, C, H, W).
    targets
        (N,) or (N, H, W), labels 0..C-1 or `ignore_index`.
    gamma
        Weight of the dice loss, at least 0 and finite.

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
    classes = logits.shape[1]
    with torch.no_grad():
        p = log_softmax(logits)
        log_p_true = p.gather(1, labels[:, None]).squeeze(1).masked_fill_(~valid, 0)
        p.exp_()
        # A CPU can look whether this is needed; an accelerator would have to wait for its queued work.
        if valid.device.type != "cpu" or not valid.all():
            p *= valid[:, None]
        p_true = log_p_true.exp() * valid

        pixels = _sums_by_class(labels, valid, classes).to(p.dtype)
        overlap = _sums_by_class(labels, p_true, classes).to(p.dtype)
        # 0 for a class without pixels whose probabilities all underflow: it has no share in the loss.
        total = (p.sum((0, 2)) + pixels).clamp_min(torch.finfo(p.dtype).tiny)
        occurs = pixels > 0
        dice = torch.where(occurs, 2 * overlap / total, 0)
        count = valid.sum().clamp_min(1).to(p.dtype)
        share = occurs * (gamma / occurs.sum().clamp_min(1).to(p.dtype))
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
    return with_gradient(loss, logits, p, plain)


def _sums_by_class(labels: Tensor, values: Tensor, classes: int) -> Tensor:
    """Return the sums (C,) of `values` over the places of each label, both (N, P).

    In double precision, since the sums run from pixel to pixel: a float32 one would stop growing.
    """
    flat, doubles = labels.flatten(), values.flatten().double()
    if labels.device.type == "cpu":
        return torch.bincount(flat, doubles, classes)
    return sums_on_device(flat, doubles, classes)


def sums_on_device(labels: Tensor, values: Tensor, classes: int) -> Tensor:
    """Return ``bincount(labels, values, classes)`` of labels (P,) without waiting for the device."""
    # Neighbors have sums of their own, or all pixels of a class would be added in turn.
    bins = labels * _NEIGHBORS + torch.arange(len(labels), device=labels.device) % _NEIGHBORS
    return values.new_zeros(classes * _NEIGHBORS).index_add_(0, bins, values).view(classes, -1).sum(1)


def _plain(logits: Tensor, labels: Tensor, valid: Tensor, gamma: float) -> Tensor:
    log_p = logits.log_softmax(1)
    index, weight = labels[:, None], valid[:, None].to(logits.dtype)
    true = torch.zeros_like(log_p).scatter(1, index, weight)
    pixels, p = true.sum((0, 2)), log_p.exp() * weight
    total = (p.sum((0, 2)) + pixels).clamp_min(torch.finfo(p.dtype).tiny)
    occurs = pixels > 0
    dice = (gamma * (1 - 2 * (p * true).sum((0, 2)) / total) * occurs).sum() / occurs.sum().clamp_min(1)
    log_p_true = log_p.gather(1, index).masked_fill(weight == 0, 0)
    return dice - log_p_true.sum() / weight.sum().clamp_min(1)
