"""What the study says about its four data sets, and what its figures fit instead.

The text states inputs and classes (captions of Tables 1 to 4). Counting the networks shows other ones
behind the parameters and FLOPs: see `Setup.fitted_input` and its neighbors.
"""

from __future__ import annotations

from dataclasses import dataclass

from greenbench.recipe import Task

Size = tuple[int, int]
"""Height and width in pixels."""


@dataclass(frozen=True)
class Setup:
    """One data set of the study.

    Attributes
    ----------
    dataset, task
        Its name in the tables, and what is trained.
    classes
        Classes of the data set.
    stated_input
        Size of the images in the captions; training crops have it too.
    epochs, train_images
        Length of the baseline training. Images are None where the study does not say which
        edition it used.
    counted_classes, fitted_input, fitted_flops_input
        What reproduces the printed parameters (classes and input) and FLOPs (input).
    params_scale
        What one unit in the printed parameters stands for; 1e6 where the column is right.
    """

    dataset: str
    task: Task
    classes: int
    stated_input: Size
    epochs: int
    train_images: int | None
    counted_classes: int
    fitted_input: Size
    fitted_flops_input: Size
    params_scale: float = 1e6


SETUPS = {
    setup.dataset: setup
    for setup in (
        Setup("cityscapes", "segmentation", 19, (512, 512), 1000, 2975, 19, (512, 1024), (512, 1024)),
        # 19 classes: the parameters are Cityscapes'. The width is the largest that all FLOPs fit.
        Setup("coco_stuff", "segmentation", 171, (640, 640), 60, None, 19, (640, 1144), (640, 1144)),
        Setup("cifar100", "classification", 100, (32, 32), 200, 50_000, 100, (32, 32), (32, 32), 1e7),
        # GE-theta's parameters need maps of 64x64 images; the FLOPs are those of 32x32.
        Setup("tiny_imagenet", "classification", 200, (64, 64), 200, 100_000, 200, (64, 64), (32, 32), 1e7),
    )
}

ARCHITECTURES = (
    "baseline",
    "one_branch",
    "blurpool",
    "switchnorm",
    "spatial_bottleneck",
    "ge_theta",
    "ge_theta_minus",
    "coordconv",
)
"""The rows of Tables 3 and 4; Table 4 has no one_branch."""


@dataclass(frozen=True)
class Board:
    """A graphics board, by its data sheet.

    Attributes
    ----------
    name
        As NVML reports it.
    power_limit_w
        Power that it may draw for long.
    peak_flops
        Floating-point operations per second (a multiply-add is two); infinite where unknown.
    """

    name: str
    power_limit_w: float
    peak_flops: float


STUDY_BOARD = Board("NVIDIA GeForce RTX 2080 Ti", power_limit_w=250.0, peak_flops=13.45e12)
"""Section 3: 4,352 cores at the 1,545 MHz boost of the reference design, two operations a cycle."""


def as_text(size: Size) -> str:
    """Write a size as height x width: ``512x1024``."""
    return f"{size[0]}x{size[1]}"
