"""Every number in a technique's file: either its method card states it, or it is named here as no setting."""

import ast
from itertools import chain

import pytest
import torch
from torch import nn

from greenbench.study.catalog import discover

TECHNIQUES = discover().techniques

STATED = {
    "adamw": {"a fiftieth of the baseline's": [0.02], "Weight decay 0.025": [0.025]},
    "blurpool": {"5x5 filter": [5]},
    "cyclic_lr": {
        "(0.001 and 0.1 of 0.1), step size 20 epochs (a tenth of 200)": [0.001, 0.1, 1, 10],
        "(0.004 and 0.4 of 0.025), step size 50 epochs (a twentieth of 1000)": [0.004, 0.4, 1, 20],
    },
    "data_echoing": {"Two steps per batch": [2]},
    "distillation": {"T = 4 and a = 0.9": [4, 0.9]},
    "ema": {"1 - 1 / (0.05 n)": [0.05, 1, 1], "at least over two steps": [2]},
    "focal": {"gamma = 2": [2]},
    "gradient_accumulation": {"Four parts": [4], "none of a single image": [2]},
    "gradient_clipping": {"c = 1": [1]},
    "label_smoothing": {"eps = 0.1": [0.1]},
    "large_batch": {"k = 4": [4]},
    "lion": {"0.005 of the baseline's": [0.005], "weight decay 0.1": [0.1]},
    "lookahead": {"k = 5, alpha = 0.5": [5, 0.5]},
    "lower_resolution": {
        "24 of 32 px": [0.75],
        "whole images from half of the run on": [0.5],
        "Sides below 8 px": [8],
    },
    "magnitude_pruning": {"Half of the weights": [0.5]},
    "mixup": {"alpha = 1": [1]},
    "muon": {"0.04 of the baseline's": [0.04], "Weight decay 0.0125": [0.0125]},
    "poly_half_epochs": {"half of the baseline's steps": [2]},
    "progressive_resizing": {"1/8, 1/4, 1/2 and 1": [1, 8, 1, 4, 1, 2, 1], "Sides below 32 px": [32]},
    "randaugment": {"N = 2": [2], "M = 9": [9]},
    "sam": {"rho = 0.05": [0.05]},
    "schedule_free": {"10 times the baseline's": [10], "the first twentieth of the run": [0.05]},
    "soft_dice": {"gamma = 1": [1]},
    "squeeze_excite": {"r = 16": [16], "at least one channel": [1]},
    "stochastic_depth": {"p_L = 0.2": [0.2]},
    "switchnorm": {"instead of 0.1": [0.1]},
}
"""By technique: what its card says, and the numbers of its file that must agree with that."""

NO_SETTINGS = {
    "blurpool": [0] * 6 + [1] * 10 + [2] * 4 + [3],
    "cutmix": [0.5, 0.5, 1, 1, 1, 2, 2, 3],
    "cyclic_lr": [1],
    "distillation": [1, 1, 1, 1, 2],
    "ge_theta": [0, 1],
    "gradient_accumulation": [1],
    "lower_resolution": [0, 1],
    "mixup": [0, 1, 2, 31],
    "muon": [1],
    "one_branch": [0, 0, 0, 1, 2],
    "poly_half_epochs": [1],
    "progressive_resizing": [0, 0, 1, 1],
    "randaugment": [1, 2],
    "random_erasing": [1],
    "sam": [1e-12],
    "schedule_free": [1, 1, 1],
    "spatial_bottleneck": [0, 0] + [1] * 10 + [3, 3],
}
"""By technique: exponents, axes, counts and the like."""


def numbers_in(source):
    """Return the numbers of a file, but for those of `work_share`, which the audit holds measurements against."""
    tree = ast.parse(source)
    shares = {id(k.value) for k in ast.walk(tree) if isinstance(k, ast.keyword) and k.arg == "work_share"}
    return sorted(
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and type(node.value) in (int, float) and id(node) not in shares
    )


@pytest.mark.parametrize("name", TECHNIQUES)
def test_a_number_is_one_that_the_card_states(name):
    technique = TECHNIQUES[name]
    stated = STATED.get(name, {})
    card = " ".join(technique.card.split())
    assert [words for words in stated if words not in card] == []
    found = numbers_in(technique.source.code)
    assert found == sorted([*chain.from_iterable(stated.values()), *NO_SETTINGS.get(name, [])])


WORK_SHARES = {
    **dict.fromkeys(
        ["adamw", "cyclic_lr", "ema", "gradient_clipping", "lion", "lookahead", "magnitude_pruning"], 1.0
    ),
    **dict.fromkeys(["random_gradient", "schedule_free"], 1.0),
    "poly_half_epochs": 0.5,
    "sam": 2.0,
}


def test_work_is_fixed_where_network_data_loss_and_steps_are():
    assert {t.name: t.work_share for t in TECHNIQUES.values() if t.work_share is not None} == WORK_SHARES


OPTIMIZERS = {
    "adamw": {"lr": 0.002, "weight_decay": 0.025, "betas": (0.9, 0.999), "eps": 1e-8},
    "radam": {"lr": 0.1, "weight_decay": 5e-4, "betas": (0.9, 0.999), "eps": 1e-8},
    "lion": {"lr": 0.0005, "weight_decay": 0.1, "betas": (0.9, 0.99)},
    "muon": {"lr": 0.004, "weight_decay": 0.0125},
    "schedule_free": {"lr": 1.0, "weight_decay": 5e-4, "momentum": 0.9},
    "baseline": {"lr": 0.1, "weight_decay": 5e-4, "momentum": 0.9, "nesterov": False, "dampening": 0},
    "lookahead": {"lr": 0.1, "weight_decay": 5e-4, "momentum": 0.9},
    "random_gradient": {"lr": 0.1, "weight_decay": 5e-4, "momentum": 0.9},
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_has_the_settings_of_its_card(name):
    recipe = TECHNIQUES[name](discover().workloads["cifar100"].recipe("paper"))
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 5))
    groups = recipe.optimizer(network, 0.1).param_groups
    assert sum(len(group["params"]) for group in groups) == len(list(network.parameters()))
    for group in groups:
        for key, value in OPTIMIZERS[name].items():
            assert group[key] == pytest.approx(value), key


SPARING = {
    "baseline",
    "ema",
    "gradient_clipping",
    "lookahead",
    "radam",
    "random_gradient",
    "sam",
}
"""Techniques whose cards leave weight decay to the baseline, which spares norms and biases in segmentation."""


@pytest.mark.parametrize("name", sorted({*OPTIMIZERS, *SPARING}))
def test_norms_and_biases_decay_where_the_card_says_so(name):
    recipe = TECHNIQUES[name](discover().workloads["cityscapes"].recipe("paper"))
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    groups = recipe.optimizer(network, 0.1).param_groups
    decays = {id(p): group["weight_decay"] for group in groups for p in group["params"]}
    found = [decays[id(parameter)] for parameter in network.parameters()]
    decay = OPTIMIZERS.get(name, OPTIMIZERS["baseline"])["weight_decay"]
    assert found == [decay, *3 * [0.0 if name in SPARING else decay]]


@pytest.mark.parametrize("name", [t.name for t in TECHNIQUES.values() if t.applies_to("segmentation")])
def test_a_pixel_without_a_class_teaches_nothing(name):
    recipe = TECHNIQUES[name](discover().workloads["cityscapes"].recipe("paper"))
    draws = torch.Generator().manual_seed(0)
    logits = torch.randn(2, recipe.num_classes, 8, 8, generator=draws, requires_grad=True)
    masks = torch.randint(recipe.num_classes, (2, 8, 8), generator=draws)
    masks[:, :3] = recipe.ignore_index
    recipe.loss()(logits, masks).backward()
    assert not logits.grad[:, :, :2].any(), "of pixels whose neighbors are without a class too"
    assert logits.grad[:, :, 4:].any(1).all()
