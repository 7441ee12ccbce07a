"""Augmenting images, and counting the confusion of predictions."""

from __future__ import annotations

from functools import partial
from importlib.metadata import version

import numpy as np
import torch
from torch import Tensor

from bench_tests.speed.contest import Contest
from greenbench.data.augmentation import Augmentation, augment
from greenbench.data.metrics import MeanIoU

CIFAR = Augmentation(padding=4, flip=True, rotation_degrees=15)
"""As for the workload cifar100."""

IMAGES = 2048
BATCH = 128
IGNORE = 255


class PilImages(torch.utils.data.Dataset[tuple[Tensor, int]]):
    """CIFAR-sized images as torchvision's pipeline takes them."""

    def __init__(self, images: Tensor) -> None:
        from PIL import Image
        from torchvision import transforms

        self.images = [Image.fromarray(image) for image in images.permute(0, 2, 3, 1).numpy()]
        self.transform = transforms.Compose(
            [
                transforms.RandomCrop(32, padding=4),
                transforms.RandomHorizontalFlip(),
                transforms.RandomRotation(15),
                transforms.PILToTensor(),
            ]
        )

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(self.images[index]), 0


def augmentation() -> Contest:
    """CIFAR-100's crop, flip and rotation; the batches stay bytes on both sides."""
    images = torch.randint(256, (IMAGES, 3, 32, 32), dtype=torch.uint8)
    generator = torch.Generator().manual_seed(0)
    loader = torch.utils.data.DataLoader(
        PilImages(images), BATCH, shuffle=True, num_workers=2, persistent_workers=True
    )

    def ours() -> None:
        for chosen in torch.randperm(IMAGES).split(BATCH):
            augment(images[chosen], CIFAR, generator)

    def peer() -> None:
        for _ in loader:
            pass

    def floor() -> None:
        for chosen in torch.randperm(IMAGES).split(BATCH):
            images[chosen]

    def difference() -> float:
        """Compare the mean brightness: the pipelines draw their own numbers."""
        made = torch.cat([augment(images, CIFAR, generator) for _ in range(4)])
        theirs = torch.cat([batch for _ in range(4) for batch, _ in loader])
        return abs(float(made.double().mean() / theirs.double().mean()) - 1)

    return Contest(
        ours, peer, floor,
        f"torchvision {version('torchvision')}, PIL, 2 workers", "picking the images", difference, 0.01,
    )  # fmt: skip


def miou() -> Contest:
    """Predictions and masks of 16 images of 512 px with 19 classes."""
    from torchmetrics.classification import MulticlassJaccardIndex

    generator = torch.Generator().manual_seed(0)
    predictions, masks = (torch.randint(19, (16, 512, 512), generator=generator) for _ in range(2))
    masks[:, :20] = IGNORE
    pairs = np.random.default_rng(0).integers(0, 361, masks.numel(), dtype=np.int64)

    def ours() -> dict[str, float]:
        score = MeanIoU(19, IGNORE)
        score.add(predictions, masks)
        return score.compute()

    def peer() -> Tensor:
        metric = MulticlassJaccardIndex(19, ignore_index=IGNORE)
        metric.update(predictions, masks)
        return metric.compute()

    return Contest(
        ours, peer, partial(np.bincount, pairs),
        f"torchmetrics {version('torchmetrics')}, as it comes", "bincount of given pairs",
        lambda: abs(ours()["miou"] / float(peer()) - 1),
    )  # fmt: skip


CONTESTS = {"miou": miou, "augmentation": augmentation}
