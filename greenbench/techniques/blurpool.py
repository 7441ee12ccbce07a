"""BlurPool."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from greenbench.networks.modified import modify_network
from greenbench.spec.recipe import Recipe
from greenbench.spec.technique import technique

if TYPE_CHECKING:
    from torch import nn

FILTER_SIZE = 5
FOLLOWING = {"conv1": "conv2", "conv2": "conv3"}
"""The layer before which a bottleneck blurs, by the layer that is strided."""


@technique("Custom Nodes and Layer", "Zhang 2019, arXiv:1904.11486", title="BlurPool")
def blurpool(recipe: Recipe) -> Recipe:
    """BlurPool: every downsampling is anti-aliased by a fixed blur.

    ``y = (x * f)[::2, ::2]`` with ``f`` the outer product of (1, 4, 6, 4, 1) / 16 with itself, applied to
    each channel, borders reflected. A strided layer aliases; blurring makes it nearly invariant to shifts of
    its input.

    **Source.** Zhang 2019, Making Convolutional Networks Shift-Invariant Again, arXiv:1904.11486.

    **Where.** ResNet-50: in the first block of stages 2 to 4 the 3x3 runs at stride 1, then norm, ReLU, blur,
    and the closing 1x1; the shortcut's 1x1 and norm run at stride 1, then blur. BiSeNet: the three strided
    layers of the spatial path run at stride 1, then norm, ReLU, blur; in the backbone the max-pooling runs at
    stride 1, then blur, and the strided 3x3 and shortcut 1x1 of stages 2 to 4 become blur, then the layer at
    stride 1 on the smaller map. Any other network: bottlenecks as ResNet-50's, basic blocks and max-poolings as
    the backbone's, and strided layers as the spatial path's where a `Sequential` holds convolution, norm and
    activation in a row; a strided stem outside of one stays, as torchvision's ResNets have it.

    **Settings.** 5x5 filter.

    **Deviations.** The text replaces all downsampling. Table 3's 34.16 GMAC leave the backbone's 7x7 stem as
    it is and blur before the backbone's other strided layers, where the original work blurs after them, which
    costs more. We follow the numbers. The filters themselves (0.37 GMAC at 512x1024) are in our full count,
    and not in the paper's.

    **Not reproducible.** Table 4 prints 1.93 for the 1.9395 GMAC that we count: truncated.
    """
    return modify_network(recipe, blurpool.name, blur_downsampling)


def blur_downsampling(network: nn.Module) -> None:
    """Anti-alias the downsampling layers of a network, in place."""
    from torch import nn

    from greenbench.networks.surgery import blocks_of, none_of

    places = sum(_blur_block(block) for block in blocks_of(network))
    for module in list(network.modules()):
        if isinstance(module, nn.Sequential):
            places += _blur_sequence(module)
        elif isinstance(module, nn.MaxPool2d):
            places += _blur_pooling(network, module)
    if places == 0:
        raise none_of(blurpool.name, "max-pooling, residual blocks or layers of stride 2", network)


def _blur(channels: int | None = None) -> nn.Module:
    from greenbench.nn.layers.blurpool import BlurPool2d

    return BlurPool2d(channels, stride=2, filter_size=FILTER_SIZE)


def _is_strided(layer: nn.Module | None) -> bool:
    return getattr(layer, "stride", 1) in (2, (2, 2))


def _blur_block(block: Any) -> bool:
    """Blur both branches of a strided block: in a bottleneck after the strided layers, in a basic block before."""
    from torch import nn

    from greenbench.networks.surgery import shortcut_of

    shortcut = shortcut_of(block)
    strided = next((name for name in FOLLOWING if _is_strided(getattr(block, name))), None)
    if strided is None or not isinstance(shortcut, nn.Sequential) or not any(map(_is_strided, shortcut)):
        return False
    bottleneck = hasattr(block, "conv3")
    conv = getattr(block, strided)
    conv.stride = (1, 1)
    blurred = FOLLOWING[strided] if bottleneck else strided
    blur = _blur(conv.out_channels if bottleneck else conv.in_channels)
    setattr(block, blurred, nn.Sequential(blur, getattr(block, blurred)))
    # A shortcut that averages before its convolution does not alias.
    for conv in [layer for layer in shortcut if isinstance(layer, nn.Conv2d) and _is_strided(layer)]:
        conv.stride = (1, 1)
        if bottleneck:
            shortcut.append(_blur(conv.out_channels))
        else:
            shortcut.insert(0, _blur(conv.in_channels))
    return True


def _blur_sequence(layers: nn.Sequential) -> int:
    """Blur after the activation of each strided convolution; return how many there were."""
    from torch import nn

    places = 0
    for index, conv in enumerate(layers):
        after = [layer for layer in list(layers)[index + 1 : index + 3] if not hasattr(layer, "num_features")]
        if not isinstance(conv, nn.Conv2d) or not _is_strided(conv) or not after:
            continue
        if type(after[0]).__module__ == nn.ReLU.__module__:
            conv.stride = (1, 1)
            layers[list(layers).index(after[0])] = nn.Sequential(after[0], _blur(conv.out_channels))
            places += 1
    return places


def _blur_pooling(network: nn.Module, pooling: nn.MaxPool2d) -> bool:
    """Pool at stride 1, then blur; not where the sizes would change, or the places of the maxima are asked for."""
    from torch import nn

    from greenbench.networks.surgery import swap

    if not _is_strided(pooling) or pooling.ceil_mode or pooling.return_indices:
        return False
    pooling.stride = 1
    # One pooling may serve maps of several widths.
    swap(network, pooling, nn.Sequential(pooling, _blur()))
    return True
