"""BlurPool."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greenbench.networks.modified import modify_network
from greenbench.spec.recipe import Recipe
from greenbench.spec.technique import technique

if TYPE_CHECKING:
    from torch import nn
    from torchvision.models.resnet import BasicBlock, Bottleneck

FILTER_SIZE = 5


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
    stride 1 on the smaller map.

    **Settings.** 5x5 filter.

    **Deviations.** The text replaces all downsampling. Table 3's 34.16 GMAC leave the backbone's 7x7 stem as
    it is and blur before the backbone's other strided layers, where the original work blurs after them, which
    costs more. We follow the numbers. The filters themselves (0.37 GMAC at 512x1024) are in our full count,
    and not in the paper's.

    **Not reproducible.** Table 4 prints 1.93 for the 1.9395 GMAC that we count: truncated.
    """
    return modify_network(recipe, blurpool.name, blur_downsampling)


def blur_downsampling(network: nn.Module) -> None:
    """Anti-alias the downsampling layers of a ResNet or BiSeNet, in place."""
    from torch import nn
    from torchvision.models.resnet import Bottleneck

    from greenbench.networks.bisenet import BiSeNet, ConvNormRelu
    from greenbench.networks.surgery import backbone_of, blocks_of, refuse_no_change, stages_of

    resnet = backbone_of(network)
    strided = [block for stage in stages_of(resnet) for block in blocks_of(stage) if _is_strided(block)]
    for block in strided:
        _blur_bottleneck(block) if isinstance(block, Bottleneck) else _blur_basic_block(block)
    places = len(strided)
    if isinstance(resnet.maxpool, nn.MaxPool2d):
        resnet.maxpool.stride = 1
        resnet.maxpool = nn.Sequential(resnet.maxpool, _blur(resnet.conv1.out_channels))
        places += 1
    if isinstance(network, BiSeNet) and network.spatial_path is not None:
        for layer in network.spatial_path.children():
            if not isinstance(layer, ConvNormRelu):
                continue
            conv = layer[0]
            if isinstance(conv, nn.Conv2d) and conv.stride == (2, 2):
                conv.stride = (1, 1)
                layer.append(_blur(conv.out_channels))
                places += 1
    refuse_no_change(places, blurpool.name, network)


def _blur(channels: int) -> nn.Module:
    from greenbench.nn.layers.blurpool import BlurPool2d

    return BlurPool2d(channels, stride=2, filter_size=FILTER_SIZE)


def _is_strided(block: BasicBlock | Bottleneck) -> bool:
    return block.downsample is not None and getattr(block.downsample[0], "stride", None) == (2, 2)


def _blur_bottleneck(block: Bottleneck) -> None:
    """Blur after the strided 3x3, its norm and ReLU, and after the shortcut."""
    from torch import nn

    shortcut = block.downsample
    block.conv2.stride = shortcut[0].stride = (1, 1)
    block.conv3 = nn.Sequential(_blur(block.conv3.in_channels), block.conv3)
    shortcut.append(_blur(shortcut[0].out_channels))


def _blur_basic_block(block: BasicBlock) -> None:
    """Blur before the strided 3x3 and before the shortcut."""
    from torch import nn

    shortcut = block.downsample
    block.conv1.stride = shortcut[0].stride = (1, 1)
    channels = block.conv1.in_channels
    block.conv1 = nn.Sequential(_blur(channels), block.conv1)
    shortcut.insert(0, _blur(channels))
