"""Accuracy, mean intersection over union, and scores of other libraries, added up over batches.

Over nothing, a score is NaN: no sample, or no pixel with a class. So it is where the outputs name no class: the
largest logit is NaN or infinite. `MeanIoU.diverged` and `Accuracy.diverged` tell the second from the first.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from greenbench.data.structures import tensors_in
from greenbench.errors import UserError


class Accuracy:
    """Top-1 and top-5 accuracy over all samples."""

    def __init__(self) -> None:
        self._correct = [torch.zeros((), dtype=torch.int64), torch.zeros((), dtype=torch.int64)]
        self._samples = 0
        self.diverged = False
        """Whether some sample's largest logit was NaN or infinite."""

    def update(self, logits: Tensor, targets: Tensor) -> None:
        """Add logits (N, C) and labels (N,).

        Raises
        ------
        ValueError
            If a label is not one of the C classes.
        """
        _check("label", targets, logits.shape[1])
        values, indices = logits.topk(min(5, logits.shape[1]), dim=1)
        self.diverged |= not _are_finite(values[:, 0])
        ranked = indices == targets[:, None]
        self._correct[0] = self._correct[0].to(ranked.device) + ranked[:, 0].sum()
        self._correct[1] = self._correct[1].to(ranked.device) + ranked.any(dim=1).sum()
        self._samples += len(targets)

    def compute(self) -> dict[str, float]:
        """Return ``accuracy`` and ``top5_accuracy`` in 0..1, or NaN without a sample or with outputs that diverged."""
        samples = math.nan if self.diverged else self._samples or math.nan
        top1, top5 = (float(correct) / samples for correct in self._correct)
        return {"accuracy": top1, "top5_accuracy": top5}


class MeanIoU:
    """Mean intersection over union from one confusion matrix over all pixels of the data set.

    A class that occurs neither in the targets nor in the predictions has no IoU and is left out of the
    mean. Pixels with the ignore label count nowhere.
    """

    def __init__(self, classes: int, ignore_index: int) -> None:
        if ignore_index < classes:
            raise ValueError(f"ignore_index is {ignore_index}; it must not be one of {classes} classes")
        self._classes = classes
        self._ignore_index = ignore_index
        self.confusion = torch.zeros(classes, classes, dtype=torch.int64)
        """Pixels by (target, prediction)."""
        self.diverged = False
        """Whether some pixel's largest logit was NaN or infinite."""

    def update(self, logits: Tensor, targets: Tensor) -> None:
        """Add logits (N, C, H, W) and masks (N, H, W).

        Raises
        ------
        ValueError
            If a target is neither a class nor the ignore label, or the logits are of more classes.
        """
        # The index that max brings along takes a quarter of argmax's time on a CPU.
        highest, predictions = logits.max(dim=1)
        self.diverged |= not _are_finite(highest)
        self.add(predictions, targets)

    def add(self, predictions: Tensor, targets: Tensor) -> None:
        """Add predicted classes (N, H, W) and masks (N, H, W).

        Raises
        ------
        ValueError
            If a target is neither a class nor the ignore label, or a prediction is no class.
        """
        _check("predicted class", predictions, self._classes)
        _check("target label", targets, self._classes, self._ignore_index)
        classes, ignored = self._classes, self._ignore_index
        # A bin for each pair of target and prediction; ignored pixels have a row of bins of their own.
        bins = classes * (ignored + 1)
        # Image by image and in 32 bits, the pairs stay in a CPU's cache.
        for prediction, target in zip(predictions, targets, strict=True):
            pairs = target.to(torch.int32).mul_(classes).add_(prediction.to(torch.int32)).flatten()
            counts = torch.bincount(pairs, minlength=bins)
            if counts[classes**2 : classes * ignored].any():
                stray = target[(target >= classes) & (target != ignored)]
                raise ValueError(_not_a_class("target label", int(stray[0]), classes, ignored))
            counts = counts[: classes**2].view(classes, classes)
            self.confusion = self.confusion.to(counts.device) + counts

    def compute(self) -> dict[str, float]:
        """Return ``miou`` and ``pixel_accuracy`` in 0..1, or NaN without a pixel or with outputs that diverged."""
        if self.diverged:
            return {"miou": math.nan, "pixel_accuracy": math.nan}
        confusion = self.confusion.double()
        intersection = confusion.diag()
        union = confusion.sum(0) + confusion.sum(1) - intersection
        iou = intersection[union > 0] / union[union > 0]
        return {
            "miou": float(iou.mean()),
            "pixel_accuracy": float(intersection.sum() / confusion.sum()),
        }


class OwnScore:
    """A score of the user's own, or of torchmetrics.

    Parameters
    ----------
    score
        A class, a function that makes one, or an object that is copied: with ``update(outputs, targets)`` and
        ``compute()``, which returns one number or numbers by name.
    metric
        Name of the workload's metric, which is that of a single number.
    """

    def __init__(self, score: Any, metric: str) -> None:
        is_made = hasattr(score, "update") and not isinstance(score, type)
        self._score = copy.deepcopy(score) if is_made else score()
        self._metric = metric
        for method in ("update", "compute"):
            if not callable(getattr(self._score, method, None)):
                raise UserError(
                    f"the score {type(self._score).__name__} has no {method}()",
                    "give an object with update(outputs, targets) and compute()",
                )

    def update(self, outputs: Any, targets: Any) -> None:
        """Add one batch."""
        tensors = tensors_in(outputs)
        if hasattr(self._score, "to") and tensors:
            self._score.to(tensors[0].device)  # torchmetrics' start on the CPU
        self._score.update(outputs, targets)

    def compute(self) -> dict[str, float]:
        """Return what are single numbers, by name.

        Raises
        ------
        UserError
            If the workload's metric is not among them.
        """
        value = self._score.compute()
        named = value if isinstance(value, Mapping) else {self._metric: value}
        found = {str(name): float(number) for name, number in named.items() if _is_number(number)}
        if self._metric not in found:
            raise UserError(
                f"the score {type(self._score).__name__} gives {', '.join(found) or 'no number'}, and no "
                f"{self._metric!r}",
                "name the workload's Metric as one of them",
            )
        return found


def _are_finite(values: Tensor) -> bool:
    return not values.numel() or bool(torch.stack(values.aminmax()).isfinite().all())


def _check(what: str, values: Tensor, classes: int, ignored: int | None = None) -> None:
    """Refuse labels below 0 or above all that are allowed; those between the classes and `ignored` pass."""
    if values.is_floating_point() or values.is_complex():
        raise ValueError(f"{what}s are {values.dtype}; they must be integers: round or convert them")
    if not values.numel():
        return
    low, high = (int(value) for value in values.aminmax())
    if low < 0 or high > max(classes - 1, ignored or 0):
        raise ValueError(_not_a_class(what, low if low < 0 else high, classes, ignored))


def _not_a_class(what: str, value: int, classes: int, ignored: int | None) -> str:
    return (
        f"{what} {value} is outside the classes 0 to {classes - 1}"
        + ("" if ignored is None else f" and is not the ignored {ignored}")
        + "; check the labels and the number of classes"
    )


def _is_number(value: Any) -> bool:
    if isinstance(value, Tensor | np.ndarray):
        return math.prod(value.shape) == 1
    return isinstance(value, int | float | np.number)
