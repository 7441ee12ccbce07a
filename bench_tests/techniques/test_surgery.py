"""The architectural techniques on networks that are not the study's, and two of them at once."""

from dataclasses import replace
from functools import cache
from itertools import permutations

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torchvision.models import resnet, segmentation
from torchvision.models.vision_transformer import VisionTransformer

from greenbench.errors import NotApplicable, UserError
from greenbench.execute.counts import count
from greenbench.nn.layers.blurpool import BlurPool2d
from greenbench.nn.layers.coordconv import CoordConv2d
from greenbench.nn.layers.gather_excite import GatherExciteTheta, GatherExciteThetaMinus
from greenbench.nn.layers.switchnorm import SwitchNorm2d
from greenbench.study.catalog import discover

CATALOG = discover()
LAYERS = {
    "blurpool": BlurPool2d,
    "coordconv": CoordConv2d,
    "ge_theta": GatherExciteTheta,
    "ge_theta_minus": GatherExciteThetaMinus,
    "spatial_bottleneck": nn.ConvTranspose2d,
    "switchnorm": SwitchNorm2d,
}
"""What each technique brings into a network."""
SIX = tuple(LAYERS)
SIZE = (64, 64)
DEPTHS = {"resnet18": resnet.resnet18, "resnet34": resnet.resnet34, "resnet50": resnet.resnet50}


def recipe_of(network, image_size=SIZE, workload="digits"):
    recipe = CATALOG.workloads[workload].recipe("smoke")
    return replace(recipe, network=network, image_size=image_size, num_classes=5)


def apply(name, *recipe):
    """Build a network with a technique applied to it."""
    torch.manual_seed(0)
    return CATALOG.technique(name)(recipe_of(*recipe)).network()


def count_of(network, name):
    """Return how many layers of a technique's are there; for the one that takes a path out, whether it is out."""
    if name == "one_branch":
        return int(network.spatial_path is None)
    return sum(isinstance(module, LAYERS[name]) for module in network.modules())


def parameters_of(network):
    return sum(parameter.numel() for parameter in network.parameters())


def images(batch=2, size=SIZE, channels=3):
    return torch.randn(batch, channels, *size, generator=torch.Generator().manual_seed(1))


# What a 64x64 image costs more, by hand. Maps of the four stages are 16, 8, 4 and 2 pixels wide.
STEM_COORDINATES = 3 * 64 * 7 * 7
MAPS_18, MAPS_50 = (sum(width * 64 * 2**i * (16 // 2**i) ** 2 for i in range(4)) for width in (1, 4))
NORMS_18, NORMS_50 = (2 * width * (64 + 128 + 256 + 512) for width in (1, 4))
# A 3x3 from w to w channels costs the same in each stage, as does a 1x1 from 4 w to 8 w.
CONV3 = 9 * 64 * 64 * 16 * 16
SHORTCUT = 256 * 512 * 8 * 8
CHANGES = {
    # (network, technique): layers, parameters, multiply-adds in the study's convention.
    ("resnet18", "blurpool"): (7, 0, 0),
    ("resnet34", "blurpool"): (7, 0, 0),
    # Three 3x3 and three shortcuts work on four times the positions.
    ("resnet50", "blurpool"): (7, 0, 3 * 3 * CONV3 + 3 * 3 * SHORTCUT),
    ("resnet18", "coordconv"): (1, STEM_COORDINATES, STEM_COORDINATES * 32 * 32),
    ("resnet34", "coordconv"): (1, STEM_COORDINATES, STEM_COORDINATES * 32 * 32),
    ("resnet50", "coordconv"): (1, STEM_COORDINATES, STEM_COORDINATES * 32 * 32),
    ("resnet18", "ge_theta"): (4, MAPS_18 + NORMS_18, MAPS_18),
    ("resnet34", "ge_theta"): (4, MAPS_18 + NORMS_18, MAPS_18),
    ("resnet50", "ge_theta"): (4, MAPS_50 + NORMS_50, MAPS_50),
    ("resnet18", "ge_theta_minus"): (4, 0, 0),
    ("resnet34", "ge_theta_minus"): (4, 0, 0),
    ("resnet50", "ge_theta_minus"): (4, 0, 0),
    # Of two 3x3 remains one on a quarter of the positions; of one, half of its channels there.
    ("resnet18", "spatial_bottleneck"): (5, 0, -5 * (2 * CONV3 - CONV3 // 4)),
    ("resnet34", "spatial_bottleneck"): (13, 0, -13 * (2 * CONV3 - CONV3 // 4)),
    ("resnet50", "spatial_bottleneck"): (13, 0, -13 * (CONV3 - CONV3 // 8)),
    ("resnet18", "switchnorm"): (20, 6 * 20, 0),
    ("resnet34", "switchnorm"): (36, 6 * 36, 0),
    ("resnet50", "switchnorm"): (53, 6 * 53, 0),
}


@cache
def baseline_counts(depth):
    with torch.device("meta"):
        return count(DEPTHS[depth](num_classes=5), (1, 3, *SIZE))


@pytest.mark.parametrize(("depth", "name"), CHANGES)
def test_on_torchvisions_resnet_it_changes_what_its_card_says(depth, name):
    with torch.device("meta"):
        network = apply(name, lambda: DEPTHS[depth](num_classes=5))
        counts, before = count(network, (1, 3, *SIZE)), baseline_counts(depth)
    found = (count_of(network, name), counts.params - before.params, counts.conv_macs - before.conv_macs)
    assert found == CHANGES[depth, name]


def steps(network, recipe, inputs, targets):
    """Take two training steps and return the losses."""
    optimizer, loss = recipe.optimizer(network.train(), 0.01), recipe.loss()
    losses = []
    for _ in range(2):
        optimizer.zero_grad()
        value = loss(network(inputs), targets)
        value.backward()
        optimizer.step()
        losses.append(value.detach())
    return torch.stack(losses)


@pytest.mark.parametrize("depth", ["resnet18", pytest.param("resnet50", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", SIX)
def test_on_torchvisions_resnet_it_trains_all_its_parameters(depth, name):
    recipe = recipe_of(lambda: DEPTHS[depth](num_classes=5))
    network = apply(name, recipe.network)
    before = {key: value.detach().clone() for key, value in network.named_parameters()}
    assert network(images()).shape == (2, 5)
    assert steps(network, recipe, images(), torch.tensor([0, 3])).isfinite().all()
    assert [key for key, value in network.named_parameters() if torch.equal(value, before[key])] == []


@pytest.mark.parametrize("name", SIX)
def test_odd_sizes_work_on_torchvisions_resnet(name):
    network = apply(name, lambda: resnet.resnet18(num_classes=5), (45, 61)).eval()
    assert network(images(size=(45, 61))).isfinite().all()


@pytest.mark.parametrize(
    ("name", "in_fcn", "in_deeplab"),
    [
        # The backbone's first strided block, its shortcut, its max-pooling; the others are dilated.
        ("blurpool", 3, 3),
        ("coordconv", 1, 1),
        ("ge_theta", 16, 16),
        ("ge_theta_minus", 16, 16),
        # Three of stage 1, three of stage 2, and the block of stage 3 that is not dilated yet.
        ("spatial_bottleneck", 7, 7),
        # Those of the heads alone.
        ("switchnorm", 1, 7),
    ],
)
def test_in_a_segmentation_network_of_torchvisions_it_treats_the_backbone_as_bisenets(
    name, in_fcn, in_deeplab
):
    for build, expected in (
        (segmentation.fcn_resnet50, in_fcn),
        (segmentation.deeplabv3_resnet50, in_deeplab),
    ):
        with torch.device("meta"):
            network = apply(name, lambda build=build: build(weights_backbone=None, num_classes=5))
            assert count_of(network, name) == expected
            outputs = network.eval()(torch.empty(2, 3, *SIZE, device="meta"))
            assert outputs["out"].shape == (2, 5, *SIZE)


class OwnBlock(nn.Module):
    """A basic block as users write it: no torchvision, another name for the shortcut."""

    def __init__(self, channels, planes, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, planes, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.shortcut = nn.Sequential()
        if stride != 1 or channels != planes:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels, planes, 1, stride, bias=False), nn.BatchNorm2d(planes)
            )

    def forward(self, x):
        out = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(out + self.shortcut(x))


class OwnResNet(nn.Module):
    """A residual network as users write it, for gray images."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        for index, (channels, planes) in enumerate(((8, 8), (8, 16), (16, 16), (16, 32)), start=1):
            first = OwnBlock(channels, planes, 1 if index == 1 else 2)
            self.add_module(f"layer{index}", nn.Sequential(first, OwnBlock(planes, planes, 1)))
        self.linear = nn.Linear(32, 5)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        for index in range(1, 5):
            x = self.get_submodule(f"layer{index}")(x)
        return self.linear(x.mean((2, 3)))


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        ("blurpool", 6),
        ("coordconv", 1),
        ("ge_theta", 4),
        ("ge_theta_minus", 4),
        ("spatial_bottleneck", 5),
        ("switchnorm", 20),
    ],
)
@pytest.mark.parametrize("size", [(16, 16), (17, 23)])
def test_it_works_on_a_residual_network_of_a_users_own(name, layers, size):
    network = apply(name, OwnResNet, size)
    assert count_of(network, name) == layers
    recipe = recipe_of(OwnResNet)
    assert steps(network, recipe, images(4, size, 1), torch.arange(4)).isfinite().all()


def test_blurpool_leaves_no_strided_convolution_in_a_users_blocks():
    network = apply("blurpool", OwnResNet, (16, 16))
    assert {module.stride for module in network.modules() if isinstance(module, nn.Conv2d)} == {(1, 1)}


def test_a_wrapped_classifier_is_treated_as_the_classifier():
    network = apply("ge_theta", lambda: nn.Sequential(nn.Identity(), OwnResNet(), nn.Dropout()), (16, 16))
    assert [hasattr(network[1].layer4, "excitation"), count_of(network, "ge_theta")] == [True, 4]


class Plain(nn.Module):
    """Convolutions, norms and one max-pooling that serves maps of two widths."""

    def __init__(self, norm=nn.BatchNorm2d):
        super().__init__()
        self.pool = nn.MaxPool2d(2)
        self.first = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), norm(4), nn.ReLU())
        self.rest = nn.Sequential(
            nn.Conv2d(4, 8, 3, padding=1), norm(8), nn.ReLU(), self.pool,
            nn.Conv2d(8, 8, 3, stride=2, padding=1), norm(8), nn.ReLU(inplace=True),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5),
        )  # fmt: skip

    def forward(self, x):
        return self.rest(self.pool(self.first(x)))


@pytest.mark.parametrize(("name", "layers"), [("blurpool", 2), ("coordconv", 1), ("switchnorm", 3)])
def test_it_works_on_a_plain_network_and_keeps_its_keys(name, layers):
    before, network = apply("baseline", Plain), apply(name, Plain).eval()
    assert count_of(network, name) == layers
    lost = set(before.state_dict()) - set(network.state_dict())
    assert {key.rpartition(".")[2] for key in lost} <= {"num_batches_tracked"}
    assert network(images()).shape == (2, 5)


def test_switchnorm_takes_over_what_the_batch_norm_has_learned():
    def trained():
        network = Plain()
        nn.init.normal_(network.first[1].weight), nn.init.normal_(network.first[1].running_mean)
        return network

    before, after = apply("baseline", trained).state_dict(), apply("switchnorm", trained).state_dict()
    assert all(
        torch.equal(after[f"first.1.{key}"], before[f"first.1.{key}"]) for key in ("weight", "running_mean")
    )


def vit():
    return VisionTransformer(
        image_size=64, patch_size=16, num_layers=1, num_heads=1, hidden_dim=8, mlp_dim=8, num_classes=5
    )


def mlp():
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 64 * 64, 5))


def plain_without_norms():
    return Plain(norm=lambda _: nn.Identity())


@pytest.mark.parametrize(
    ("name", "network", "reason"),
    [
        ("blurpool", mlp, "max-pooling, residual blocks or layers of stride 2; this Sequential has none"),
        ("blurpool", vit, "this VisionTransformer has none"),
        ("coordconv", mlp, "a first convolution without coordinates; this Sequential has none"),
        ("coordconv", lambda: nn.Sequential(nn.Conv2d(3, 4, 3, padding="same")), "padding='same'"),
        ("ge_theta", vit, "residual stages layer1, layer2, ...; this VisionTransformer has none"),
        ("ge_theta_minus", Plain, "residual stages layer1, layer2, ...; this Plain has none"),
        ("one_branch", resnet.resnet18, "a BiSeNet with a spatial path; this ResNet has none"),
        ("spatial_bottleneck", Plain, "residual blocks of stride 1 .*; this Plain has none"),
        (
            "spatial_bottleneck",
            lambda: resnet.ResNet(resnet.Bottleneck, [1] * 4, groups=32),
            "this ResNet has",
        ),
        ("switchnorm", plain_without_norms, "batch norms; this Plain has none"),
        ("switchnorm", mlp, "batch norms; this Sequential has none"),
    ],
)
def test_where_there_is_nothing_to_change_it_says_so(name, network, reason):
    with torch.device("meta"), pytest.raises(NotApplicable, match=rf"^{name}.*{reason}"):
        CATALOG.technique(name).apply(recipe_of(network)).network()


def test_ge_theta_needs_the_size_of_the_images_and_a_network_that_runs_on_it():
    with pytest.raises(NotApplicable, match="ge_theta builds its kernels for one size"):
        apply("ge_theta", OwnResNet, None)
    assert apply("ge_theta_minus", OwnResNet, None)
    with pytest.raises(NotApplicable, match=r"ge_theta could not measure .* 16x16 px: RuntimeError"):
        apply("ge_theta", lambda: nn.Sequential(OwnResNet(), nn.Linear(7, 1)), (16, 16))


def test_ge_theta_refuses_a_network_that_leaves_out_a_stage():
    class Short(OwnResNet):
        def forward(self, x):
            return self.layer1(self.conv1(x))

    with pytest.raises(NotApplicable, match="this Short does not run all its residual stages"):
        apply("ge_theta", Short, (16, 16))


NETWORKS = {
    "resnet50": CATALOG.workloads["digits"].recipe("smoke").network,
    "bisenet": CATALOG.workloads["scenes4"].recipe("smoke").network,
    # As torchvision's ResNet-18 and ResNet-50, with one block a stage.
    "basic": lambda: resnet.ResNet(resnet.BasicBlock, [1] * 4, num_classes=5),
    "bottleneck": lambda: resnet.ResNet(resnet.Bottleneck, [1] * 4, num_classes=5, width_per_group=8),
}
PAIRS = [
    (network, *pair)
    for network in NETWORKS
    for pair in permutations((*SIX, "one_branch") if network == "bisenet" else SIX, 2)
]


def recipe_on(network):
    return NETWORKS[network], SIZE, "scenes4" if network == "bisenet" else "digits"


@cache
def alone(network, name):
    """Return the number of a technique's layers, and of parameters that it adds."""
    with torch.device("meta"):
        before, changed = parameters_of(NETWORKS[network]()), apply(name, *recipe_on(network))
    return count_of(changed, name), parameters_of(changed) - before


@pytest.mark.slow
@pytest.mark.parametrize(("network", "first", "second"), PAIRS)
def test_two_techniques_are_both_there_or_refused(network, first, second):
    if {first, second} == {"ge_theta", "ge_theta_minus"}:
        with pytest.raises(UserError, match=f"{second} found gather-excite layers in this"):
            apply(f"{first}+{second}", *recipe_on(network))
        return
    changed = apply(f"{first}+{second}", *recipe_on(network))
    # The spatial path goes with its three blurs and four norms; switchable norms also replace those of the gathers.
    differences = {("blurpool", "one_branch"): -3, ("switchnorm", "one_branch"): -4}
    if network != "bisenet" and (first, second) == ("ge_theta", "switchnorm"):
        differences["switchnorm", "ge_theta"] = 4
    added = 0
    for name, other in ((first, second), (second, first)):
        layers, parameters = alone(network, name)
        more = differences.get((name, other), 0)
        assert count_of(changed, name) == layers + more > 0
        added += parameters + 6 * more * (name == "switchnorm")
    assert parameters_of(changed) - parameters_of(NETWORKS[network]()) == added
    targets = torch.randint(0, 4, (2, *SIZE) if network == "bisenet" else (2,))
    assert steps(changed, recipe_of(*recipe_on(network)), images(), targets).isfinite().all()
