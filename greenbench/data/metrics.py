"""Accuracy, mean intersection over union, and scores of other libraries, added up over batches.

Over nothing, a score is NaN: no sample, or no pixel with a class. So it is where the outputs name no class: the
largest logit is NaN or infinite. `MeanIoU.diverged` and `Accuracy.diverged` tell the second from the first.

On an accelerator, updates are queued as the network's own work is, and nothing waits for them before `compute`: labels
that are no class are refused there, on a CPU at once.
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
from greenbench.nn.losses.soft_dice import sums_on_device
from greenbench.spec.workload import PART

_NO_STRAY = torch.iinfo(torch.int64).min


class Accuracy:
    """Top-1 and top-5 accuracy over all samples."""

    def __init__(self) -> None:
        self._correct: Tensor | None = None
        """(2,) among the first and among the first five."""
        self._samples = 0
        self._looks = _Looks()

    @property
    def diverged(self) -> bool:
        """Whether some sample's largest logit was NaN or infinite."""
        return self._looks.found_not_finite()

    def update(self, logits: Tensor, targets: Tensor) -> None:
        """Add logits (N, C) and labels (N,).

        Raises
        ------
        ValueError
            If a label is not one of the C classes, here or, on an accelerator, in `compute`.
        """
        self._looks.at_classes("label", targets, logits.shape[1])
        values, indices = logits.topk(min(5, logits.shape[1]), dim=1)
        self._looks.at_numbers(values[:, 0])
        ranked = indices == targets[:, None]
        correct = torch.stack((ranked[:, 0].sum(), ranked.any(dim=1).sum()))
        self._correct = correct if self._correct is None else self._correct + correct
        self._samples += len(targets)

    def compute(self) -> dict[str, float]:
        """Return ``accuracy`` and ``top5_accuracy`` in 0..1, or NaN without a sample or with outputs that diverged."""
        self._looks.refuse_strays()
        samples = math.nan if self.diverged else self._samples or math.nan
        top1, top5 = (n / samples for n in ([0, 0] if self._correct is None else self._correct.tolist()))
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
        self._looks = _Looks()
        self._counts: Tensor | None = None

    @property
    def confusion(self) -> Tensor:
        """Pixels by (target, prediction), on the device of the updates."""
        if self._counts is None:
            return torch.zeros(self._classes, self._classes, dtype=torch.int64)
        return self._counts

    @property
    def diverged(self) -> bool:
        """Whether some pixel's largest logit was NaN or infinite."""
        return self._looks.found_not_finite()

    def update(self, logits: Tensor, targets: Tensor) -> None:
        """Add logits (N, C, H, W) and masks (N, H, W).

        Raises
        ------
        ValueError
            If a target is neither a class nor the ignore label, or the logits are of more classes; on an accelerator
            in `compute`.
        """
        # The index that max brings along takes a quarter of argmax's time on a CPU.
        highest, predictions = logits.max(dim=1)
        self._looks.at_numbers(highest)
        self.add(predictions, targets)

    def add(self, predictions: Tensor, targets: Tensor) -> None:
        """Add predicted classes (N, H, W) and masks (N, H, W).

        Raises
        ------
        ValueError
            If a target is neither a class nor the ignore label, or a prediction is no class; on an accelerator in
            `compute`.
        """
        classes, ignored = self._classes, self._ignore_index
        self._looks.at_classes("predicted class", predictions, classes)
        self._looks.at_classes("target label", targets, classes, ignored)
        if _at_once(predictions):
            counts = _pairs(predictions, targets, classes, ignored)
        else:
            counts = _pairs_on_device(predictions, targets, classes)
        self._counts = counts if self._counts is None else counts.add_(self._counts)

    def compute(self) -> dict[str, float]:
        """Return ``miou``, ``pixel_accuracy`` and the IoU of each class that has one (``miou/3``), all in 0..1.

        The first two alone, as NaN, without a pixel or with outputs that diverged.
        """
        self._looks.refuse_strays()
        if self.diverged:
            return {"miou": math.nan, "pixel_accuracy": math.nan}
        confusion = self.confusion.cpu().double()
        intersection = confusion.diag()
        union = confusion.sum(0) + confusion.sum(1) - intersection
        there = union > 0
        iou = intersection[there] / union[there]
        return {
            "miou": float(iou.mean()),
            "pixel_accuracy": float(intersection.sum() / confusion.sum()),
            **{
                f"miou{PART}{number}": value
                for number, value in zip(there.nonzero()[:, 0].tolist(), iou.tolist(), strict=True)
            },
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


class _Looks:
    """Looks for what no score can count: outputs that are no numbers, and labels that are no class."""

    def __init__(self) -> None:
        self._finite: Tensor | None = None
        self._strays: dict[tuple[str, int, int | None], Tensor] = {}

    def at_numbers(self, values: Tensor) -> None:
        """Look for NaN and infinity."""
        if values.numel():
            finite = torch.stack(values.aminmax()).isfinite().all()
            self._finite = finite if self._finite is None else self._finite & finite

    def found_not_finite(self) -> bool:
        return self._finite is not None and not bool(self._finite)

    def at_classes(self, what: str, values: Tensor, classes: int, ignored: int | None = None) -> None:
        """Refuse values that are no class, where they are on a CPU; else note one of them.

        On a CPU those between the classes and `ignored` pass.
        """
        if values.is_floating_point() or values.is_complex():
            raise ValueError(f"{what}s are {values.dtype}; they must be integers: round or convert them")
        if not values.numel():
            return
        if _at_once(values):
            low, high = (int(value) for value in values.aminmax())
            if low < 0 or high > max(classes - 1, ignored or 0):
                raise ValueError(_not_a_class(what, low if low < 0 else high, classes, ignored))
            return
        is_stray = (values < 0) | (values >= classes)
        if ignored is not None:
            is_stray &= values != ignored
        stray = torch.where(is_stray, values.long(), _NO_STRAY).amax()
        key = what, classes, ignored
        self._strays[key] = torch.maximum(self._strays[key], stray) if key in self._strays else stray

    def refuse_strays(self) -> None:
        """Refuse what was noted."""
        for (what, classes, ignored), noted in self._strays.items():
            if (stray := int(noted)) != _NO_STRAY:
                raise ValueError(_not_a_class(what, stray, classes, ignored))


def _at_once(values: Tensor) -> bool:
    """Whether values can be looked at without making the host wait for queued work."""
    return values.device.type == "cpu"


def _pairs(predictions: Tensor, targets: Tensor, classes: int, ignored: int) -> Tensor:
    """Count pixels by (target, prediction), (C, C), on a CPU."""
    # A bin for each pair; ignored pixels have a row of bins of their own.
    bins = classes * (ignored + 1)
    confusion = torch.zeros(classes, classes, dtype=torch.int64)
    # Image by image and in 32 bits, the pairs stay in a CPU's cache.
    for prediction, target in zip(predictions, targets, strict=True):
        pairs = target.to(torch.int32).mul_(classes).add_(prediction.to(torch.int32)).flatten()
        counts = torch.bincount(pairs, minlength=bins)
        if counts[classes**2 : classes * ignored].any():
            stray = target[(target >= classes) & (target != ignored)]
            raise ValueError(_not_a_class("target label", int(stray[0]), classes, ignored))
        confusion += counts[: classes**2].view(classes, classes)
    return confusion


def _pairs_on_device(predictions: Tensor, targets: Tensor, classes: int) -> Tensor:
    """Count pixels by (target, prediction), (C, C), without waiting; those of no class are left out."""
    is_class = (targets >= 0) & (targets < classes) & (predictions >= 0) & (predictions < classes)
    pairs = torch.where(is_class, targets.long() * classes + predictions, classes**2).flatten()
    ones = torch.ones((), dtype=torch.float64, device=pairs.device).expand(len(pairs))
    # Whole numbers below 2^53 are exact, in any order.
    counts = sums_on_device(pairs, ones, classes**2 + 1)[:-1]
    return counts.long().view(classes, classes)


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
