"""What is known of the published tables beyond the workloads' files: what their numbers fit, and the board.

Captions state inputs and classes; these are the workloads' own. Counting the networks shows that some of the printed
parameters and FLOPs belong to others: to `Setup`, and to a workload's `fitted_size`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from greenbench.audit.boards import Board
from greenbench.spec.recipe import Size
from greenbench.study.catalog import Catalog, discover


@dataclass(frozen=True)
class Setup:
    """What the numbers printed for one workload fit.

    Attributes
    ----------
    params_classes, params_input
        Classes and images of the network that has the printed parameters. None for the workload's own classes, and for
        the images that the FLOPs fit.
    params_scale
        What one unit in the printed parameters stands for; 1e6 where the column is right.
    """

    params_classes: int | None = None
    params_input: Size | None = None
    params_scale: float = 1e6


SETUPS = {
    "cityscapes": Setup(),
    # The parameters are Cityscapes'.
    "coco_stuff": Setup(params_classes=19),
    "cifar100": Setup(params_scale=1e7),
    # GE-theta's parameters need maps of 64x64 images; the FLOPs are those of 32x32.
    "tiny_imagenet": Setup(params_input=(64, 64), params_scale=1e7),
}
"""The study's workloads, in the order of the tables."""

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

PARAMS_PER_CLASS = {"segmentation": 64 + 1 + 2 * (256 + 1), "classification": 2048 + 1}
"""Weights and biases that one more class adds to the heads of each task's full-size network."""

STUDY_BOARD = Board("NVIDIA GeForce RTX 2080 Ti", power_limit_w=250.0, peak_flops=13.45e12)
"""Section 3: 4,352 cores at the 1,545 MHz boost of the reference design, two operations a cycle."""


@cache
def catalog() -> Catalog:
    """Return the techniques and workloads, among them the study's."""
    return discover()
