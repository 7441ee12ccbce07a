"""Where a technique finds its places in a network: by attribute and by class of module, whoever wrote the network.

A *residual network* has stages ``layer1``, ``layer2`` and so on, each a `torch.nn.Sequential`, with residual blocks in
them, as torchvision's ResNet has four. It is a *backbone* if convolutions lie outside of it, as in a segmentation network.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from greenbench.errors import NotApplicable, UserError
from greenbench.nn.layers.gather_excite import GatherExciteTheta, GatherExciteThetaMinus
from greenbench.spec.recipe import Size

EXCITATION = "excitation"
"""Name of the gather-excite layer among its neighbors."""

SHORTCUTS = ("downsample", "shortcut")
"""Names under which torchvision's blocks and other common ones keep the layers of their shortcut."""


def none_of(technique: str, looked_for: str, network: nn.Module) -> NotApplicable:
    """Return the error for a network that has no place for a technique."""
    return NotApplicable(f"{technique} looked for {looked_for}; this {type(network).__name__} has none")


def is_block(module: nn.Module) -> bool:
    """Whether a module is a residual block: ``conv1``, ``bn1``, ``conv2``, ``bn2`` and a shortcut, None or not.

    One with ``conv3`` and ``bn3`` is a bottleneck, any other a basic block.
    """
    layers = all(hasattr(module, name) for name in ("conv1", "bn1", "conv2", "bn2"))
    return layers and any(hasattr(module, name) for name in SHORTCUTS)


def blocks_of(network: nn.Module) -> list[nn.Module]:
    """Return all residual blocks of a network."""
    return [module for module in network.modules() if is_block(module)]


def shortcut_of(block: nn.Module) -> nn.Module | None:
    """Return the layers of a block's shortcut, or None where it passes its input on."""
    return next((getattr(block, name) for name in SHORTCUTS if hasattr(block, name)), None)


def residual_network_of(network: nn.Module) -> nn.Module | None:
    """Return the residual network that `network` is or contains, or None."""
    return next((module for module in network.modules() if _is_residual(module)), None)


def backbone_of(network: nn.Module) -> nn.Module | None:
    """Return the residual network inside of a larger one, or None."""
    residual = residual_network_of(network)
    inside = set() if residual is None else set(residual.modules())
    outside = (module for module in network.modules() if module not in inside)
    return residual if any(isinstance(module, nn.Conv2d) for module in outside) else None


def _is_residual(network: nn.Module) -> bool:
    return any(is_block(module) for stage in _stages_of(network) for module in stage)


def _stages_of(network: nn.Module) -> list[nn.Sequential]:
    children = dict(network.named_children())
    stages: list[nn.Sequential] = []
    while isinstance(stage := children.get(f"layer{len(stages) + 1}"), nn.Sequential):
        stages.append(stage)
    return stages


def first_convolution(network: nn.Module) -> nn.Conv2d | None:
    """Return the convolution that is registered first, or None."""
    return next((module for module in network.modules() if isinstance(module, nn.Conv2d)), None)


def swap(network: nn.Module, old: nn.Module, new: nn.Module) -> None:
    """Put `new` wherever `network` holds `old`, in place."""
    paths = [path for path, module in network.named_modules(remove_duplicate=False) if module is old]
    for path in paths:
        network.set_submodule(path, new)


def excitation_places(technique: str, network: nn.Module) -> tuple[list[nn.Module], bool]:
    """Return what gather-excite layers follow, and whether they keep their input (``x + x * g``).

    In a backbone they follow the last norm of each residual branch (``x * g``), in any other residual network each of
    its stages (``x + x * g``).

    Raises
    ------
    NotApplicable
        If the network has no residual stages.
    UserError
        If it has gather-excite layers already.
    """
    if any(isinstance(module, GatherExciteTheta | GatherExciteThetaMinus) for module in network.modules()):
        raise UserError(
            f"{technique} found gather-excite layers in this {type(network).__name__}: one kind, once, is allowed",
            "leave one of the techniques out",
        )
    residual = residual_network_of(network)
    if residual is None:
        raise none_of(technique, "residual stages layer1, layer2, ...", network)
    stages = _stages_of(residual)
    if backbone_of(network) is None:
        return [*stages], True
    blocks = [block for stage in stages for block in stage.children() if is_block(block)]
    return [last_norm_of(block) for block in blocks], False


def last_norm_of(block: nn.Module) -> nn.Module:
    """Return what ends a block's residual branch: its last norm, or that norm and the layers that follow it."""
    return block.get_submodule("bn3" if hasattr(block, "bn3") else "bn2")


def append_after(network: nn.Module, place: nn.Module, name: str, layer: nn.Module) -> None:
    """Let a layer of that name follow a norm, a stage, or the layers that follow a norm already, in place."""
    if isinstance(place, nn.Sequential):
        place.add_module(name, layer)
    else:
        swap(network, place, nn.Sequential(OrderedDict({"norm": place, name: layer})))


def append_to_branches(network: nn.Module, technique: str, layer: Callable[[float, int], nn.Module]) -> None:
    """Append a layer to every residual branch, after its last norm and before the addition, in place.

    Parameters
    ----------
    network
        Any network with residual blocks; see `is_block`.
    technique
        Names the layer among its neighbors.
    layer
        Builds it from the block's depth, which is above 0 and 1 for the last block, and the branch's channels.

    Raises
    ------
    NotApplicable
        If the network has no residual block.
    """
    blocks = blocks_of(network)
    if not blocks:
        raise none_of(technique, "residual blocks", network)
    for number, block in enumerate(blocks, start=1):
        norm = last_norm_of(block)
        channels: int = next(m.num_features for m in norm.modules() if hasattr(m, "num_features"))  # type: ignore[assignment]
        append_after(network, norm, technique, layer(number / len(blocks), channels))


def map_shapes(
    technique: str, network: nn.Module, places: Sequence[nn.Module], image_size: Size
) -> list[torch.Size]:
    """Return the shapes (1, C, H, W) of what modules return for one image, from a pass on the meta device.

    Raises
    ------
    NotApplicable
        If the network does not run on such an image, or runs without one of the modules.
    """
    observed, copies = copy.deepcopy((network, list(places)))
    shapes: dict[nn.Module, torch.Size] = {}

    def note(module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        shapes[module] = output.shape

    for module in copies:
        module.register_forward_hook(note)
    convolution = first_convolution(network)
    channels = 3 if convolution is None else convolution.in_channels
    try:
        with torch.no_grad():
            observed.to("meta").eval()(torch.empty(1, channels, *image_size, device="meta"))
    except Exception as error:
        raise NotApplicable(
            f"{technique} could not measure the maps of this {type(network).__name__} with an image of "
            f"{image_size[0]}x{image_size[1]} px: {type(error).__name__}: {error}"
        ) from error
    if len(shapes) < len(copies):
        raise NotApplicable(
            f"{technique}: this {type(network).__name__} does not run all its residual stages"
        )
    return [shapes[module] for module in copies]
