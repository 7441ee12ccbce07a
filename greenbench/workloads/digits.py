"""Digits and Digits-20 with a small ResNet-50."""

from __future__ import annotations

import hashlib
from functools import partial
from typing import TYPE_CHECKING

from greenbench.data.decorator import workload
from greenbench.networks.factories import resnet50
from greenbench.nn.schedules import step_decay
from greenbench.spec.workload import Setting, Workload

if TYPE_CHECKING:
    import torch

    from greenbench.data.labels import LabelData

SIDE = 10
TIES_UP = 1e-3
"""Added before rounding: interpolation lands on halves, which machines would round each in its own way."""


def _digits(name: str, title: str, classes: int, smoke: Setting) -> Workload:
    @workload(
        name=name,
        title=title,
        metric="accuracy",
        num_classes=classes,
        image_size=(SIDE, SIDE),
        network=resnet50,
        schedule=partial(step_decay, warmup_fraction=0.1),
        settings={"smoke": smoke},
    )
    def digits(device: torch.device) -> LabelData:
        """Scanned handwritten digits that come with the package, with a small ResNet-50.

        ``digits`` has ten classes. ``digits20`` adds the inverted images (dark on light) as ten more.

        **Source.** Alpaydin and Kaynak 1998, Optical Recognition of Handwritten Digits (CC BY 4.0): 1,437 images for
        training and 360 for validation, 8 px enlarged to 10 px, so that the deepest of the four stages still has more
        than one pixel.

        **Augmentation.** Rotation by up to 8 degrees. A mirrored digit is another shape, and the scans are centered
        and cut to their edges.
        """  # noqa: D401  # a card begins with what it is of
        import numpy as np
        import torch
        import torch.nn.functional as F

        from greenbench.data.augmentation import Augmentation
        from greenbench.data.images import ResidentImages
        from greenbench.data.labels import LabelData
        from greenbench.data.normalization import Normalization
        from greenbench.data.scans import LEVELS, VALIDATION_EVERY, read_scans

        scans, labels = read_scans()
        gray = scans.astype(np.float32) * (255 / LEVELS)
        labels = labels.astype(np.int64)
        validation = np.arange(len(labels)) % VALIDATION_EVERY == 0
        if classes == 20:
            gray = np.concatenate([gray, 255 - gray])
            labels = np.concatenate([labels, labels + 10])
            validation = np.concatenate([validation, validation])
        pixels = F.interpolate(torch.from_numpy(gray)[:, None], size=(SIDE, SIDE), mode="bilinear")
        images = (pixels + TIES_UP).round().to(torch.uint8).expand(-1, 3, -1, -1).contiguous()
        targets = torch.from_numpy(labels)
        chosen = torch.from_numpy(validation)
        return LabelData(
            ResidentImages(images[~chosen], targets[~chosen]),
            ResidentImages(images[chosen], targets[chosen]),
            augmentation=Augmentation(padding=0, flip=False, rotation_degrees=8),
            normalization=Normalization((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
            version=hashlib.sha256(images.numpy().tobytes() + labels.tobytes()).hexdigest()[:12],
            device=device,
        )

    return digits


SMALL = {"width": 0.125, "blocks_per_stage": (1, 1, 1, 1), "norm_momentum": 0.3}

WORKLOADS = (
    _digits(
        "digits",
        "Digits",
        10,
        Setting(
            epochs=4,
            batch_size=36,
            learning_rate=0.06,
            network=SMALL,
            floor=0.95,
            floor_source="97.2 to 98.3 % over 4 seeds",
        ),
    ),
    _digits(
        "digits20",
        "Digits-20",
        20,
        Setting(
            epochs=2,
            batch_size=36,
            learning_rate=0.06,
            network=SMALL,
            floor=0.94,
            floor_source="95.6 to 97.2 % over 3 seeds",
        ),
    ),
)
