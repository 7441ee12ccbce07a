"""The seven architectural techniques: each changes the network where its card says, and trains."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from greenbench.errors import UserError
from greenbench.networks.bisenet import BiSeNet
from greenbench.networks.resnet import resnet50
from greenbench.nn.layers.blurpool import BlurPool2d
from greenbench.nn.layers.coordconv import CoordConv2d
from greenbench.nn.layers.gather_excite import GatherExciteTheta, GatherExciteThetaMinus
from greenbench.nn.layers.switchnorm import SwitchNorm2d
from greenbench.study.catalog import discover

NAMES = (
    "one_branch",
    "blurpool",
    "switchnorm",
    "spatial_bottleneck",
    "ge_theta",
    "ge_theta_minus",
    "coordconv",
)
VARIANTS = [(name, "scenes4") for name in NAMES] + [(name, "digits") for name in NAMES[1:]]
EVERY_VARIANT = pytest.mark.parametrize(("name", "workload"), VARIANTS)

CATALOG = discover()


def recipe_for(name, workload, image_size=None):
    recipe = CATALOG.workloads[workload].recipe("smoke")
    return CATALOG.technique(name)(replace(recipe, image_size=image_size or recipe.image_size))


def build(name, workload, image_size=None, seed=0):
    torch.manual_seed(seed)
    return recipe_for(name, workload, image_size).network()


def images_for(workload, image_size=None, batch=2):
    size = image_size or CATALOG.workloads[workload].image_size
    return torch.randn(batch, 3, *size, generator=torch.Generator().manual_seed(1))


@EVERY_VARIANT
def test_a_variant_trains_a_step(name, workload):
    recipe = recipe_for(name, workload)
    torch.manual_seed(0)
    network = recipe.network().train()
    optimizer, loss = recipe.optimizer(network, recipe.learning_rate), recipe.loss()
    images = images_for(workload, batch=4)
    logits = network(images)
    shape = (4,) if recipe.task == "classification" else (4, *recipe.image_size)
    targets = torch.randint(0, recipe.num_classes, shape)
    assert logits.shape == (4, recipe.num_classes, *shape[1:])
    before = {key: value.clone() for key, value in network.named_parameters()}
    loss(logits, targets).backward()
    optimizer.step()
    trained = [key for key, value in network.named_parameters() if value.grad is not None]
    moved = [key for key, value in network.named_parameters() if not torch.equal(value, before[key])]
    assert set(trained) == set(moved)
    # All but the heads that the study registers and never runs.
    idle = {key for key in before if key.startswith(("backbone.fc", "aux_head"))}
    assert set(trained) == set(before) - idle


@EVERY_VARIANT
def test_a_variants_state_round_trips(name, workload):
    trained, fresh = build(name, workload, seed=0), build(name, workload, seed=1)
    images = images_for(workload)
    trained.train()(images)  # moves the running averages
    fresh.load_state_dict(trained.state_dict())
    trained.eval(), fresh.eval()
    with torch.no_grad():
        torch.testing.assert_close(fresh(images), trained(images), rtol=0, atol=0)


@EVERY_VARIANT
def test_applying_a_technique_twice_is_refused(name, workload):
    technique = CATALOG.technique(name)
    with pytest.raises(UserError, match=f"technique '{name}' has been applied to this recipe before"):
        technique(recipe_for(name, workload))


@EVERY_VARIANT
def test_changing_a_changed_network_again_is_refused(name, workload):
    recipe = recipe_for(name, workload)
    network = recipe.network()
    with pytest.raises(UserError, match=f"{name} (looked for|found gather-excite)"):
        recipe.network.change(network)


@EVERY_VARIANT
@pytest.mark.parametrize("mode", ["train", "eval"])
def test_odd_sizes_work(name, workload, mode):
    size = (33, 41) if workload == "scenes4" else (9, 13)
    network = build(name, workload, size).train(mode == "train")
    logits = network(images_for(workload, size))
    expected = size if workload == "scenes4" else ()
    assert logits.shape[2:] == expected
    assert logits.isfinite().all()


@EVERY_VARIANT
def test_an_input_too_small_for_the_depth_is_refused_with_both_sizes(name, workload):
    smallest = 32 if workload == "scenes4" else 8
    size = (smallest - 1, 64)
    with pytest.raises(ValueError, match=rf"{smallest - 1}x64 px.*at least {smallest} px"):
        build(name, workload, size).eval()(images_for(workload, size))


@EVERY_VARIANT
def test_the_smallest_allowed_input_works(name, workload):
    size = (32, 32) if workload == "scenes4" else (8, 8)
    logits = build(name, workload, size).eval()(images_for(workload, size))
    assert logits.isfinite().all()


def test_ge_theta_refuses_another_size_than_it_was_built_for():
    network = build("ge_theta", "scenes4").eval()
    with pytest.raises(ValueError, match=r"built for.*got"):
        network(images_for("scenes4", (64, 96)))


def test_ge_theta_refuses_a_batch_of_one_in_training():
    network = build("ge_theta", "digits").train()
    with pytest.raises(ValueError, match="batch of 1"):
        network(images_for("digits", batch=1))


def count_of(network, kind):
    return sum(isinstance(module, kind) for module in network.modules())


def full_size(name, task):
    network = BiSeNet(19) if task == "segmentation" else resnet50(100)
    workload = "scenes4" if task == "segmentation" else "digits"
    recipe = replace(CATALOG.workloads[workload].recipe("smoke"), network=lambda: network)
    return CATALOG.technique(name)(recipe).network()


@pytest.mark.parametrize(
    ("name", "kind", "in_resnet", "in_bisenet"),
    [
        ("switchnorm", SwitchNorm2d, 53, 15),
        ("spatial_bottleneck", nn.ConvTranspose2d, 13, 5),
        ("ge_theta", GatherExciteTheta, 4, 8),
        ("ge_theta_minus", GatherExciteThetaMinus, 4, 8),
        ("coordconv", CoordConv2d, 1, 1),
        # Three blocks with a shortcut each; three more after the spatial path, one after max-pooling.
        ("blurpool", BlurPool2d, 6, 10),
    ],
)
def test_the_layers_are_as_many_as_the_card_says(name, kind, in_resnet, in_bisenet):
    with torch.device("meta"):
        assert count_of(full_size(name, "classification"), kind) == in_resnet
        assert count_of(full_size(name, "segmentation"), kind) == in_bisenet


def test_switchnorm_leaves_the_segmentation_backbone_alone():
    network = build("switchnorm", "scenes4")
    assert count_of(network.backbone, SwitchNorm2d) == 0
    assert count_of(network, nn.BatchNorm2d) == count_of(network.backbone, nn.BatchNorm2d)


def test_switchnorm_takes_over_momentum_and_eps():
    baseline = recipe_for("baseline", "scenes4")
    other = replace(baseline, network=lambda: BiSeNet(4, width=0.25, norm_momentum=0.3))
    network = CATALOG.technique("switchnorm")(other).network()
    norm = next(module for module in network.modules() if isinstance(module, SwitchNorm2d))
    assert (norm.momentum, norm.eps) == (0.3, 1e-5)


def test_one_branch_is_the_baseline_without_its_spatial_path():
    baseline, variant = build("baseline", "scenes4"), build("one_branch", "scenes4")
    old, new = baseline.state_dict(), variant.state_dict()
    assert set(new) == {key for key in old if not key.startswith("spatial_path")}
    assert [key for key in new if new[key].shape != old[key].shape] == ["fusion.conv.0.weight"]


@pytest.mark.parametrize("workload", ["digits", "scenes4"])
def test_coordconv_without_coordinate_weights_is_the_baseline(workload):
    baseline, variant = build("baseline", workload).eval(), build("coordconv", workload).eval()
    missing, unexpected = variant.load_state_dict(baseline.state_dict(), strict=False)
    assert [key.rpartition(".")[2] for key in missing] == ["coord_weight"]
    assert not unexpected
    for module in variant.modules():
        if isinstance(module, CoordConv2d):
            nn.init.zeros_(module.coord_weight)
    images = images_for(workload)
    with torch.no_grad():
        torch.testing.assert_close(variant(images), baseline(images))


@pytest.mark.parametrize("workload", ["digits", "scenes4"])
def test_ge_theta_with_equal_weights_and_plain_norm_is_ge_theta_minus(workload):
    learned, averaged = build("ge_theta", workload).eval(), build("ge_theta_minus", workload).eval()
    averaged.load_state_dict(learned.state_dict(), strict=False)
    for module in learned.modules():
        if isinstance(module, GatherExciteTheta):
            nn.init.constant_(module.weight, 1 / module.weight[0].numel())
            module.norm.eps = 0.0
    images = images_for(workload)
    with torch.no_grad():
        torch.testing.assert_close(learned(images), averaged(images), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["blurpool", "spatial_bottleneck", "ge_theta_minus"])
@pytest.mark.parametrize("workload", ["digits", "scenes4"])
def test_parameters_stay_the_baselines(name, workload):
    counts = [sum(p.numel() for p in build(which, workload).parameters()) for which in ("baseline", name)]
    assert counts[0] == counts[1]


@pytest.mark.parametrize("workload", ["digits", "scenes4"])
def test_blurpool_leaves_no_strided_layer_but_the_stem_and_the_blurs(workload):
    network = build("blurpool", workload)
    strided = [
        name
        for name, module in network.named_modules()
        if not isinstance(module, BlurPool2d) and getattr(module, "stride", 1) in (2, (2, 2))
        if isinstance(module, nn.Conv2d | nn.MaxPool2d)
    ]
    assert strided == (["backbone.conv1"] if workload == "scenes4" else [])


@pytest.mark.parametrize("name", NAMES)
def test_the_method_card_says_where_the_layer_goes_and_what_deviates(name):
    card = CATALOG.technique(name).card
    for part in ("**Source.**", "**Where.**", "**Settings.**", "**Deviations.**", "**Not reproducible.**"):
        assert part in card
    assert "arXiv:" in card
