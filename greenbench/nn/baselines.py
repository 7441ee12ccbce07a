"""What the study's baselines train with: SGD and cross-entropy. Imports torch when called."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer

    WeightedTargets = Sequence[tuple[float, Tensor]]

MOMENTUM = 0.9
WEIGHT_DECAY = 5e-4
IGNORE_NOTHING = -100
"""torch's own label for it, which never occurs."""


def sgd(network: nn.Module, learning_rate: float) -> Optimizer:
    """Build SGD with weight decay on everything, norms and biases too.

    The public code that the study's classification recipe matches has it so.
    """
    from torch.optim import SGD

    return SGD(
        network.parameters(), lr=learning_rate, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY, fused=True
    )


def sgd_sparing_vectors(network: nn.Module, learning_rate: float) -> Optimizer:
    """Build SGD with weight decay on weights alone, not on norms and biases.

    The study is silent on it for segmentation; BiSeNet's public code spares them.
    """
    from torch.optim import SGD

    parameters = [p for p in network.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": WEIGHT_DECAY},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return SGD(groups, lr=learning_rate, momentum=MOMENTUM, fused=True)


def cross_entropy(ignore_index: int | None = None) -> Callable[[Tensor, Tensor], Tensor]:
    """Build the mean cross-entropy over samples or valid pixels; 0, with gradient 0, where there are none."""
    return CrossEntropy(ignore_index)


@dataclass(frozen=True)
class CrossEntropy:
    """Torch's mean cross-entropy over samples or valid pixels; 0, with gradient 0, where there are none.

    Attributes
    ----------
    ignore_index
        Label that does not count, or None.
    """

    ignore_index: int | None

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of one set of targets."""
        import torch.nn.functional as F

        if self.ignore_index is None:
            return F.cross_entropy(logits, targets, ignore_index=IGNORE_NOTHING)
        return valid_cross_entropy(logits, targets, self.ignore_index)

    def together(self, logits: Tensor, targets: WeightedTargets) -> Tensor:
        """Return the weighted sum of the losses of several sets of targets, labels by one softmax."""
        from greenbench.nn.losses.mixup_loss import weighted_cross_entropy

        if any(target.is_floating_point() for _, target in targets):  # shares of classes
            return sum(
                (weight * self(logits, target) for weight, target in targets), start=logits.new_zeros(())
            )
        return weighted_cross_entropy(logits, targets, self.ignore_index)

    def upsampled(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of logits (N, C, h, w) that are upsampled to the size of targets, labels in blocks of rows."""
        import torch.nn.functional as F

        from greenbench.nn.losses.upsample_cross_entropy import upsample_cross_entropy

        if targets.is_floating_point():  # shares of classes
            size = targets.shape[-2:]
            return self(F.interpolate(logits, size, mode="bilinear", align_corners=True), targets)
        return upsample_cross_entropy(logits, targets, self.ignore_index)


def valid_cross_entropy(
    logits: Tensor, targets: Tensor, ignore_index: int = -100, label_smoothing: float = 0.0
) -> Tensor:
    """Return torch's mean cross-entropy, but 0 for a batch without a valid label, where that is NaN."""
    import torch
    import torch.nn.functional as F

    loss = F.cross_entropy(logits, targets, ignore_index=ignore_index, label_smoothing=label_smoothing)
    return torch.where((targets != ignore_index).any(), loss, 0)
