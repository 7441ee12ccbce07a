"""A sweep is a loop: one technique for each value."""

from dataclasses import replace

import torch

import greenbench


def smoothing(share):
    """Return label smoothing by a share."""

    def apply(recipe):
        return replace(recipe, loss=lambda: torch.nn.CrossEntropyLoss(label_smoothing=share))

    apply.__name__ = f"smoothing_{round(100 * share)}"
    apply.__doc__ = f"Label smoothing: targets leave {share:.0%} to all classes."
    return greenbench.technique(
        "Loss Function", "Szegedy et al. 2015, arXiv:1512.00567", tasks=("classification",)
    )(apply)


SWEEP = [smoothing(share) for share in (0.05, 0.1, 0.2)]
