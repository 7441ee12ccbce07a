"""The shortest technique: one field of the recipe, replaced."""

from dataclasses import replace

import torch

import greenbench


@greenbench.technique("Loss Function", "Szegedy et al. 2015, arXiv:1512.00567", tasks=("classification",))
def smoothed_labels(recipe):
    """Label smoothing: targets leave a tenth to all classes."""
    return replace(recipe, loss=lambda: torch.nn.CrossEntropyLoss(label_smoothing=0.1))
