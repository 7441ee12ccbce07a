"""The workloads' baselines and settings, number by number."""

import pytest
import torch
from torch import nn

from greenbench.errors import UserError
from greenbench.spec.scale import SCALES
from greenbench.study.catalog import discover

WORKLOADS = discover().workloads

# (epochs, batch size, learning rate, epochs between evaluations, large batch)
SETTINGS = {
    ("digits", "smoke"): (5, 40, 0.06, 1, 32),
    ("scenes4", "smoke"): (4, 10, 0.3, 2, 32),
    ("cifar100", "tryout"): (10, 64, 0.05, 1, 32),
    ("tiny_imagenet", "tryout"): (10, 64, 0.05, 1, 32),
    ("camvid", "tryout"): (24, 8, 0.05, 8, 32),
    ("cityscapes", "tryout"): (12, 8, 0.05, 6, 32),
    ("coco_stuff", "tryout"): (4, 8, 0.05, 2, 32),
    ("cifar100", "short"): (10, 128, 0.1, 1, 1024),
    ("tiny_imagenet", "short"): (10, 128, 0.1, 1, 256),
    ("speedrun", "short"): (10, 256, 0.2, 5, 1024),
    ("camvid", "short"): (40, 16, 0.025, 2, 64),
    ("cityscapes", "short"): (20, 16, 0.025, 1, 32),
    ("coco_stuff", "short"): (4, 12, 0.01, 1, 32),
    ("cifar100", "paper"): (200, 128, 0.1, 1, 1024),
    ("tiny_imagenet", "paper"): (200, 128, 0.1, 1, 256),
    ("cityscapes", "paper"): (1000, 16, 0.025, 10, 32),
    ("coco_stuff", "paper"): (60, 12, 0.01, 5, 32),
}
# (task, classes, image size, size at which the study's FLOPs fit)
TASKS = {
    "digits": ("classification", 10, (9, 9), None),
    "cifar100": ("classification", 100, (32, 32), None),
    "tiny_imagenet": ("classification", 200, (64, 64), (32, 32)),
    "speedrun": ("classification", 100, (32, 32), None),
    "scenes4": ("segmentation", 4, (48, 48), None),
    "camvid": ("segmentation", 11, (352, 480), None),
    "cityscapes": ("segmentation", 19, (512, 512), (512, 1024)),
    "coco_stuff": ("segmentation", 171, (640, 640), (640, 1144)),
}
# (training and validation images, image size)
PARTS = {
    "cifar100": ((10_000, 2_000), (16, 16)),
    "tiny_imagenet": ((10_000, 2_000), (16, 16)),
    "camvid": ((160, 48), (128, 176)),
    "cityscapes": ((320, 48), (128, 128)),
    "coco_stuff": ((640, 96), (128, 128)),
}
SMALL_NETWORK = {"width": 0.25, "norm_momentum": 0.3}
SHALLOW = {"blocks_per_stage": (1, 1, 1, 1)}
OTHER_NETWORKS = {
    "digits": {"width": 0.125},
    "scenes4": {"width": 0.375} | SHALLOW,
    "camvid": {"width": 0.5},
    "cityscapes": {"width": 0.5},
}


def test_the_settings_are_these_and_no_others():
    found = {
        (workload.name, scale): (
            setting.epochs,
            setting.batch_size,
            setting.learning_rate,
            setting.evaluate_every,
            setting.large_batch,
        )
        for workload in WORKLOADS.values()
        for scale, setting in workload.settings.items()
    }
    assert found == SETTINGS
    assert {scale for _, scale in found} == set(SCALES)


def test_small_networks_are_for_the_small_scales_alone():
    for workload in WORKLOADS.values():
        blocks = SHALLOW if workload.task == "classification" else {}
        small = OTHER_NETWORKS.get(workload.name, SMALL_NETWORK) | blocks
        for scale, setting in workload.settings.items():
            assert setting.network == (small if scale in ("smoke", "tryout") else {})


def test_parts_of_the_data_and_small_images_are_for_tryout_alone():
    for workload in WORKLOADS.values():
        for scale, setting in workload.settings.items():
            images = setting.subset and (setting.subset.train, setting.subset.validation)
            expected = PARTS[workload.name] if scale == "tryout" else (None, None)
            assert (images, setting.image_size) == expected
            assert setting.subset is None or setting.subset.seed == 0


@pytest.mark.parametrize("name", PARTS)
def test_a_part_is_smaller_than_the_whole_and_its_images_have_the_same_shape(name):
    workload = WORKLOADS[name]
    (train, validation), size = PARTS[name]
    assert train <= workload.train_images
    assert validation <= workload.validation_images
    assert size[0] / size[1] == pytest.approx(workload.image_size[0] / workload.image_size[1], rel=0.02)
    assert workload.size_at("tryout") == workload.inference_size("fitted", "tryout") == size
    assert workload.size_at("short") == workload.image_size


@pytest.mark.parametrize("name", TASKS)
def test_a_workload_states_task_classes_and_sizes(name):
    workload = WORKLOADS[name]
    stated = (workload.task, workload.num_classes, workload.image_size, workload.fitted_size)
    assert stated == TASKS[name]
    assert workload.ignore_index == (None if workload.task == "classification" else 255)
    assert workload.inference_size("stated") == workload.image_size
    assert workload.inference_size("fitted") == (workload.fitted_size or workload.image_size)
    assert "**Source.**" in workload.card
    assert "**Augmentation.**" in workload.card


def test_every_workload_is_among_those():
    assert set(WORKLOADS) == set(TASKS)


@pytest.mark.parametrize(("name", "scale"), SETTINGS)
def test_a_recipe_is_made_of_them(name, scale):
    recipe = WORKLOADS[name].recipe(scale)
    epochs, batch_size, learning_rate, *_ = SETTINGS[name, scale]
    assert (recipe.epochs, recipe.batch_size) == (epochs, batch_size)
    assert (recipe.task, recipe.num_classes) == TASKS[name][:2]
    assert recipe.image_size == (PARTS[name][1] if scale == "tryout" else TASKS[name][2])
    assert recipe.ignore_index == WORKLOADS[name].ignore_index
    optimizer = recipe.optimizer(nn.Linear(2, 2), recipe.learning_rate)
    assert {group["lr"] for group in optimizer.param_groups} == {learning_rate}
    decays = [group["weight_decay"] for group in optimizer.param_groups]
    assert decays == ([5e-4] if recipe.task == "classification" else [5e-4, 0])
    assert recipe.size_factor(0, epochs) == 1
    assert recipe.batch_transform(1, 2, None) == (1, [(1.0, 2)])


@pytest.mark.parametrize(
    ("name", "scale", "first"),
    [("cifar100", "paper", 0.02), ("digits", "smoke", 0.06), ("cityscapes", "paper", 0.025)],
)
def test_the_schedule_starts_with_a_warm_up_in_classification_alone(name, scale, first):
    recipe = WORKLOADS[name].recipe(scale)
    optimizer = recipe.optimizer(nn.Linear(2, 2), recipe.learning_rate)
    schedule = recipe.schedule(optimizer, 5, recipe.epochs)
    assert schedule.get_last_lr()[0] == pytest.approx(first)


def test_segmentation_ignores_the_void_and_classification_nothing():
    logits = torch.randn(1, 4, 1, 2, generator=torch.Generator().manual_seed(0))
    loss = WORKLOADS["scenes4"].recipe("smoke").loss()
    alone = loss(logits[..., :1], torch.tensor([[[2]]]))
    torch.testing.assert_close(loss(logits, torch.tensor([[[2, 255]]])), alone)
    with pytest.raises((IndexError, RuntimeError), match="255"):
        WORKLOADS["digits"].recipe("smoke").loss()(logits[..., 0, 0], torch.tensor([255]))


@pytest.mark.parametrize("name", ["digits", "scenes4"])
def test_the_network_is_that_of_the_setting(name):
    network = WORKLOADS[name].recipe("smoke").network()
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    assert {norm.momentum for norm in norms} == {0.1}
    stem = network.conv1 if name == "digits" else network.backbone.conv1
    assert stem.out_channels == (8 if name == "digits" else 24)


def test_a_scale_that_a_workload_does_not_take_part_in_is_refused():
    with pytest.raises(
        UserError, match=r"'camvid' has no setting for the scale 'paper'; choose one of tryout, short"
    ):
        WORKLOADS["camvid"].recipe("paper")
