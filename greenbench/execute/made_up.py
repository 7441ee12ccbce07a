"""Random images for a workload whose data are not there, as its network and its loss take them."""

from __future__ import annotations

import torch

from greenbench.data.made_up import RandomImages
from greenbench.data.structures import tensors_in
from greenbench.errors import UserError
from greenbench.spec.recipe import Recipe
from greenbench.spec.workload import Workload

OUTPUTS = {2: False, 4: True}
"""By the number of dimensions of a network's output: whether its targets are masks."""


def random_images(workload: Workload, scale: str, recipe: Recipe, device: torch.device) -> RandomImages:
    """Return random images as many and as large as a scale takes of the official ones, with labels or masks.

    Which of the two is seen from what the network makes of one image.

    Raises
    ------
    UserError
        For a workload that states no sizes, or whose targets are neither.
    """
    size, whole, num_classes = recipe.image_size, workload.evaluated_size(scale), workload.num_classes
    subset = workload.setting(scale).subset
    counts = (
        (workload.train_images, workload.validation_images)
        if subset is None
        else (subset.train, subset.validation)
    )
    if size is None or whole is None or num_classes is None or counts[0] is None or counts[1] is None:
        raise UserError(
            f"the data of {workload.name} are not there, and it states no sizes", workload.how_to_get
        )
    network = recipe.network().to(device).eval()
    with torch.inference_mode():
        dimensions = tensors_in(network(torch.zeros(1, 3, *size, device=device)))[0].dim()
    if dimensions not in OUTPUTS:
        raise UserError(
            f"the data of {workload.name} are not there, and for outputs of {dimensions} dimensions none are made up",
            workload.how_to_get,
        )
    return RandomImages(
        (counts[0], counts[1]),
        size=size,
        whole=whole,
        num_classes=num_classes,
        masks=OUTPUTS[dimensions],
        ignore_index=recipe.ignore_index,
        device=device,
    )
