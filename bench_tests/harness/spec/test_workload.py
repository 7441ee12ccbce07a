"""A workload: its recipe at a scale, its inputs, and what it says where data are missing."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from greenbench.errors import UserError
from greenbench.spec.workload import ACCURACY, MIOU, Setting, Workload, check_root

FAST = Setting(epochs=2, batch_size=8, learning_rate=0.1, network={"width": 0.5})


def remember(*arguments):
    return arguments


WORKLOAD = Workload(
    name="own_set",
    title="Own",
    task="classification",
    metric=ACCURACY,
    num_classes=7,
    image_size=(8, 9),
    settings={"smoke": FAST, "paper": replace(FAST, epochs=200)},
    data=remember,
    network=remember,
    optimizer=remember,
    schedule=remember,
    loss=remember,
    ignore_index=255,
    folder="own-set",
    how_to_get="Get it from example.org.",
)


def test_the_recipe_is_the_setting_s():
    recipe = WORKLOAD.recipe("paper", Path("/data"))
    assert (recipe.task, recipe.num_classes, recipe.image_size) == ("classification", 7, (8, 9))
    assert (recipe.epochs, recipe.batch_size, recipe.ignore_index) == (200, 8, 255)
    assert recipe.network() == (7, WORKLOAD.settings["paper"], Path("/data"))
    assert recipe.learning_rate == 0.1
    assert (recipe.optimizer, recipe.schedule, recipe.loss) == (remember, remember, remember)
    assert WORKLOAD.recipe("smoke").epochs == 2


def test_a_scale_without_a_setting_is_refused_with_those_that_have_one():
    for ask in (WORKLOAD.recipe, WORKLOAD.setting):
        with pytest.raises(UserError) as refused:
            ask("short")
        assert refused.value.problem == "workload 'own_set' has no setting for the scale 'short'"
        assert refused.value.next_step == "choose one of smoke, paper"


@pytest.mark.parametrize("name", ["Own", "own set", "a-b", "a+b", ""])
def test_a_name_that_cannot_be_used_is_refused(name):
    with pytest.raises(UserError, match=r"workload .* has a name that cannot be used"):
        replace(WORKLOAD, name=name)


def test_inputs_are_those_stated_or_those_that_the_flops_fit():
    fitted = replace(WORKLOAD, fitted_size=(16, 32))
    assert fitted.inference_size("stated") == (8, 9)
    assert fitted.inference_size("fitted") == (16, 32)
    assert WORKLOAD.inference_size("fitted") == (8, 9)


def test_data_that_come_with_the_package_are_never_missing(tmp_path):
    assert replace(WORKLOAD, folder=None).missing(None) is None
    (tmp_path / "own-set").mkdir()
    assert WORKLOAD.missing(tmp_path) is None


def test_missing_data_are_named_with_how_to_get_them(tmp_path):
    assert WORKLOAD.missing(None) == (
        "own_set: no data root was given (--green-data or GREENBENCH_DATA). Get it from example.org."
    )
    (tmp_path / "own-set").write_text("a file")
    assert WORKLOAD.missing(tmp_path) == (
        f"own_set: looked for {tmp_path / 'own-set'}, which is not there. Get it from example.org."
    )


def test_a_workload_starts_from_random_weights_unless_it_says_otherwise():
    assert WORKLOAD.weights(FAST, None) is None
    assert WORKLOAD.best_known == {}


def test_a_data_root_is_a_folder_that_can_be_read(tmp_path):
    assert check_root(tmp_path) == tmp_path
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file is a file; give the folder"):
        check_root(tmp_path / "file")
    with pytest.raises(UserError, match="nowhere does not exist"):
        check_root(tmp_path / "nowhere")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_data_root_that_cannot_be_read_is_named(tmp_path):
    tmp_path.chmod(0)
    with pytest.raises(UserError, match="cannot be read"):
        check_root(tmp_path)


def test_the_two_metrics_say_what_they_are():
    assert (ACCURACY.name, ACCURACY.unit, ACCURACY.better, ACCURACY.per_image) == (
        "accuracy",
        "%",
        "higher",
        True,
    )
    assert (MIOU.name, MIOU.title, MIOU.per_image) == ("miou", "mIoU", False)


def test_what_only_the_data_tell_is_read_from_them_alone():
    asked = []

    def facts(root):
        asked.append(root)
        return 5, (6, 7)

    unread = replace(WORKLOAD, num_classes=None, image_size=None, facts=facts)
    recipe = unread.recipe("smoke", Path("/data"))
    assert (recipe.num_classes, recipe.image_size, unread.inference_size("stated")) == (None, None, None)
    assert not asked
    read = unread.read(Path("/data"))
    recipe = read.recipe("smoke", Path("/data"))
    assert (recipe.num_classes, recipe.image_size) == (5, (6, 7))
    assert read.read() is read
    assert asked == [Path("/data")]


def test_what_is_stated_stands_beside_what_the_data_tell():
    read = replace(WORKLOAD, facts=lambda root: (5, (6, 7))).read()
    assert (read.num_classes, read.image_size) == (7, (8, 9))


def test_an_example_is_of_random_images_unless_the_workload_has_its_own():
    generator = torch.Generator().manual_seed(0)
    assert WORKLOAD.example(2, None, generator).shape == (2, 3, 8, 9)
    assert WORKLOAD.example(2, (4, 5), generator).shape == (2, 3, 4, 5)
    own = replace(WORKLOAD, inputs=remember)
    assert own.example(2, (4, 5), generator, Path("/data")) == (2, (4, 5), generator, Path("/data"))
    with pytest.raises(UserError, match="'own_set' does not say what its network takes"):
        replace(WORKLOAD, image_size=None).example(2, None, generator)


def test_a_root_may_be_needed_without_a_folder(tmp_path):
    rooted = replace(WORKLOAD, folder=None, needs_root=True)
    assert rooted.missing(None).startswith("own_set: no data root was given")
    assert rooted.missing(tmp_path) is None


@pytest.mark.parametrize(
    ("field", "value"), [("epochs", 0), ("batch_size", 2.0), ("evaluate_every", 0), ("large_batch", -1)]
)
def test_a_setting_counts_from_1(field, value):
    with pytest.raises(UserError, match=rf"{field} is {value}; give a whole number from 1 on"):
        replace(FAST, **{field: value})


@pytest.mark.parametrize("rate", [0, -0.1, float("nan")])
def test_a_learning_rate_is_above_0(rate):
    with pytest.raises(UserError, match=r"learning_rate is .*; give a number above 0"):
        replace(FAST, learning_rate=rate)


@pytest.mark.parametrize("target", ["0.9", None, True, float("nan"), float("inf")])
def test_targets_are_scores(target):
    with pytest.raises(UserError, match="targets holds"):
        Setting(epochs=1, batch_size=1, learning_rate=0.1, targets=(0.5, target))
