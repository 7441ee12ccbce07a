"""The residual branches of a network, whoever wrote it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from torch import nn

from greenbench.networks.surgery import blocks_of, none_of


def append_to_branches(network: nn.Module, technique: str, layer: Callable[[float, int], nn.Module]) -> None:
    """Append a layer to every residual branch, after its last norm and before the addition, in place.

    Parameters
    ----------
    network
        Any network with residual blocks; see `greenbench.networks.surgery.is_block`.
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
        last = "bn3" if hasattr(block, "bn3") else "bn2"
        norm = block.get_submodule(last)
        branch = norm if isinstance(norm, nn.Sequential) else nn.Sequential(OrderedDict(norm=norm))
        channels: int = next(m.num_features for m in branch.modules() if hasattr(m, "num_features"))  # type: ignore[assignment]
        branch.add_module(technique, layer(number / len(blocks), channels))
        setattr(block, last, branch)
