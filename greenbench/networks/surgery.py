"""Where a technique finds its places in the two base networks."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator

from torch import nn
from torchvision.models.resnet import BasicBlock, Bottleneck

from greenbench.errors import UserError
from greenbench.networks.bisenet import BiSeNet
from greenbench.networks.resnet import ResNet

EXCITATION = "excitation"
"""Name of the gather-excite layer among its neighbors."""


def backbone_of(network: nn.Module) -> ResNet:
    """Return the residual network itself, or the one inside a BiSeNet.

    Raises
    ------
    UserError
        If it is neither.
    """
    if isinstance(network, BiSeNet):
        return network.backbone
    if isinstance(network, ResNet):
        return network
    raise UserError(
        f"this technique knows where its layers go in greenbench's ResNet and BiSeNet, not in a "
        f"{type(network).__name__}",
        "apply it to a recipe with one of the two",
    )


def stages_of(resnet: ResNet) -> list[nn.Sequential]:
    """Return the four stages, ``layer1`` to ``layer4``."""
    stages = [resnet.get_submodule(f"layer{index}") for index in range(1, 5)]
    return [stage for stage in stages if isinstance(stage, nn.Sequential)]


def blocks_of(stage: nn.Sequential) -> Iterator[BasicBlock | Bottleneck]:
    """Go through the residual blocks of one stage."""
    return (block for block in stage if isinstance(block, BasicBlock | Bottleneck))


def stage_map_sizes(resnet: ResNet, image_size: tuple[int, int]) -> list[tuple[int, int]]:
    """Return height and width of the four stages' maps: every halving rounds up."""
    height, width = image_size
    halvings = 0 if isinstance(resnet.maxpool, nn.Identity) else 2
    sizes = []
    for stage in range(4):
        divisor = 2 ** (halvings + stage)
        sizes.append((-(-height // divisor), -(-width // divisor)))
    return sizes


def refuse_no_change(places: int, technique: str, network: nn.Module) -> None:
    """Raise `UserError` if a technique found no place in the network, as when it is applied twice."""
    if places == 0:
        raise UserError(
            f"technique {technique!r} found no place in this {type(network).__name__}", "apply it once"
        )


def add_excitation(network: nn.Module, gather: Callable[[int, int, bool], nn.Module], technique: str) -> None:
    """Add gather-excite layers where the study has them, in place.

    In a ResNet one follows each stage and keeps its input (``x + x * g``); in a BiSeNet's backbone one
    follows the last norm of each block's residual branch (``x * g``).

    Parameters
    ----------
    network
        ResNet or BiSeNet.
    gather
        Builds the layer from the stage's index (from 0), its channels, and whether it keeps its input.
    technique
        Name for error messages.
    """
    resnet = backbone_of(network)
    places = 0
    for index, (stage, channels) in enumerate(zip(stages_of(resnet), resnet.stage_channels, strict=True)):
        if network is resnet:
            if not hasattr(stage, EXCITATION):
                stage.add_module(EXCITATION, gather(index, channels, True))
                places += 1
            continue
        for block in blocks_of(stage):
            if isinstance(block, BasicBlock) and not isinstance(block.bn2, nn.Sequential):
                layers = OrderedDict({"norm": block.bn2, EXCITATION: gather(index, channels, False)})
                block.bn2 = nn.Sequential(layers)
                places += 1
    refuse_no_change(places, technique, network)
