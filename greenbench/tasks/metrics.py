"""Accuracy and mean intersection over union, added up over batches."""

from __future__ import annotations

import torch
from torch import Tensor


class Accuracy:
    """Top-1 and top-5 accuracy over all samples."""

    def __init__(self) -> None:
        self._correct = [torch.zeros((), dtype=torch.int64), torch.zeros((), dtype=torch.int64)]
        self._samples = 0

    def update(self, logits: Tensor, targets: Tensor) -> None:
        """Add logits (N, C) and labels (N,)."""
        ranked = logits.topk(min(5, logits.shape[1]), dim=1).indices == targets[:, None]
        self._correct[0] = self._correct[0].to(ranked.device) + ranked[:, 0].sum()
        self._correct[1] = self._correct[1].to(ranked.device) + ranked.any(dim=1).sum()
        self._samples += len(targets)

    def compute(self) -> dict[str, float]:
        """Return ``accuracy`` and ``top5_accuracy`` in 0..1."""
        top1, top5 = (float(correct) / self._samples for correct in self._correct)
        return {"accuracy": top1, "top5_accuracy": top5}


class MeanIoU:
    """Mean intersection over union from one confusion matrix over all pixels of the data set.

    A class that occurs neither in the targets nor in the predictions has no IoU and is left out of the
    mean. Pixels with the ignore label count nowhere.
    """

    def __init__(self, classes: int, ignore_index: int) -> None:
        self._classes = classes
        self._ignore_index = ignore_index
        self.confusion = torch.zeros(classes, classes, dtype=torch.int64)
        """Pixels by (target, prediction)."""

    def update(self, logits: Tensor, targets: Tensor) -> None:
        """Add logits (N, C, H, W) and masks (N, H, W)."""
        predictions = logits.argmax(dim=1).flatten()
        targets = targets.flatten().long()
        valid = targets != self._ignore_index
        # Ignored pixels go to one extra bin: cheaper than picking the others out.
        pairs = torch.where(valid, targets * self._classes + predictions, self._classes**2)
        counts = torch.bincount(pairs, minlength=self._classes**2 + 1)[:-1]
        self.confusion = self.confusion.to(counts.device) + counts.view(self._classes, self._classes)

    def compute(self) -> dict[str, float]:
        """Return ``miou`` and ``pixel_accuracy`` in 0..1."""
        confusion = self.confusion.double()
        intersection = confusion.diag()
        union = confusion.sum(0) + confusion.sum(1) - intersection
        iou = intersection[union > 0] / union[union > 0]
        return {
            "miou": float(iou.mean()),
            "pixel_accuracy": float(intersection.sum() / confusion.sum()),
        }
