"""A workload: its recipe at a scale, its inputs, and what it says where data are missing."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

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
    assert recipe.optimizer("the network") == ("the network", 0.1)
    assert (recipe.schedule, recipe.loss) == (remember, remember)
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
