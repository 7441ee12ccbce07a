"""The speedrun: CIFAR-100 with a ResNet-9, in minutes of two cores, for many seeds of a technique."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from greenbench.data.decorator import workload
from greenbench.networks.factories import resnet9
from greenbench.nn.baselines import MOMENTUM, WEIGHT_DECAY
from greenbench.nn.schedules import cosine
from greenbench.spec.workload import Setting
from greenbench.workloads.cifar100 import SHA1, cifar100

if TYPE_CHECKING:
    import torch
    from torch import nn
    from torch.optim import Optimizer

    from greenbench.data.labels import LabelData


def nesterov(network: nn.Module, learning_rate: float) -> Optimizer:
    """Build SGD with Nesterov's momentum and weight decay on everything."""
    from torch.optim import SGD

    return SGD(
        network.parameters(),
        lr=learning_rate,
        momentum=MOMENTUM,
        weight_decay=WEIGHT_DECAY,
        nesterov=True,
        fused=True,
    )


@workload(
    title="CIFAR-100 speedrun",
    metric="accuracy",
    num_classes=cifar100.num_classes,
    image_size=cifar100.image_size,
    train_images=cifar100.train_images,
    validation_images=cifar100.validation_images,
    folder=cifar100.folder,
    other_folder=cifar100.other_folder,
    how_to_get=cifar100.how_to_get,
    downloads=cifar100.downloads,
    samples=cifar100.samples,
    network=resnet9,
    optimizer=nesterov,
    schedule=cosine,
    settings={
        "short": Setting(
            epochs=10,
            batch_size=256,
            learning_rate=0.2,
            evaluate_every=5,
            large_batch=1024,
        ),
    },
)
def speedrun(root: Path, device: torch.device) -> LabelData:
    """All of CIFAR-100 with a small ResNet-9, so that many seeds of a technique are affordable.

    ``pytest bench_tests/study --green-scale short --green-mode fast --green-seeds 30 -k speedrun`` is how it is meant:
    bfloat16 and channels_last. It takes part in `paper` mode too; the two are never compared.

    **Source.** The data set of the workload `cifar100`, all 50,000 + 10,000 images, and the network that David Page made
    for CIFAR-10 (How to Train Your ResNet, 2018): a convolution, three stages of a convolution, max-pooling, norm and
    ReLU, a residual block of torchvision's in the first and the last of them, and a classifier of scaled logits.

    **Recipe.** SGD with Nesterov's momentum of 0.9 and weight decay of 5e-4; a short warm-up, then a cosine down to 0;
    cross-entropy without label smoothing, which is a technique here.

    **Augmentation.** Random crop of 32 after padding by 2, horizontal flip.

    **Deviations.** From Page's network: the first convolution has a stride of 2, so that all that follows costs a
    quarter; channels are 48, 96, 192 and 384; pooling comes before the norm; the blocks' ReLU follows the addition, so
    that techniques find in them what they know.
    """
    from greenbench.data.augmentation import Augmentation
    from greenbench.data.labels import LabelData
    from greenbench.data.normalization import Normalization

    return LabelData(
        cifar100.samples(root, "train"),
        cifar100.samples(root, "validation"),
        augmentation=Augmentation(padding=2, flip=True),
        normalization=Normalization((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
        version=SHA1["train.bin"][:12],
        device=device,
    )
