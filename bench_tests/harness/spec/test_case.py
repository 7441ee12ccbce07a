"""A case's key: it changes with all that the run depends on, and with nothing else."""

import json
from dataclasses import asdict, replace

import pytest

from greenbench.errors import UserError
from greenbench.spec.case import KEY_LENGTH, Case, case_of
from greenbench.spec.scale import TRAINED, VARIES, find_scale
from greenbench.spec.setting import Subset
from greenbench.spec.source import Source
from greenbench.study.catalog import discover

SMOKE = find_scale("smoke")
CATALOG = discover()
DIGITS, SCENES = CATALOG.workloads["digits"], CATALOG.workloads["scenes4"]


def key(kind="training", workload=DIGITS, scale=SMOKE, technique="mixup", seed=0, **mode):
    return case_of(kind, CATALOG.technique(technique), workload, scale, seed, **mode).key


def with_setting(workload, **changes):
    smoke = replace(workload.settings["smoke"], **changes)
    return replace(workload, settings={**workload.settings, "smoke": smoke})


def test_the_key_is_short_and_names_a_file():
    assert len(key()) == KEY_LENGTH
    assert key().isalnum()


def test_the_key_is_the_same_after_a_record_was_read():
    for kind in ("training", "inference"):
        case = case_of(kind, CATALOG.technique("blurpool"), SCENES, SMOKE, 0)
        read = Case(**json.loads(json.dumps(asdict(case))))
        assert read == case
        assert read.key == case.key


@pytest.mark.parametrize("kind", ["training", "inference"])
def test_what_decides_the_run_is_in_the_key(kind):
    edited = replace(DIGITS, source=replace(DIGITS.source, digest="another"))
    technique = CATALOG.techniques["mixup"]
    edited_technique = replace(technique, source=Source(digest="another"))
    keys = {
        key(kind),
        key(kind, seed=1),
        key(kind, mode="fast"),
        key(kind, technique="baseline"),
        key(kind, technique="mixup+lookahead"),
        key(kind, edited),
        key(kind, replace(DIGITS, name="others", source=replace(DIGITS.source, digest="another"))),
        key(kind, with_setting(DIGITS, network={"width": 0.5})),
        key(kind, scale=replace(SMOKE, idle_s=5.0)),
        case_of(kind, edited_technique, DIGITS, SMOKE, 0).key,
    }
    assert len(keys) == 10


@pytest.mark.parametrize(
    "changes", [{"epochs": 9}, {"batch_size": 1}, {"learning_rate": 0.5}, {"evaluate_every": 2}]
)
def test_how_a_workload_trains_changes_its_trainings_alone(changes):
    changed = with_setting(DIGITS, **changes)
    assert key("training", changed) != key("training", DIGITS)
    assert key("inference", changed) == key("inference", DIGITS)


def test_a_case_holds_nothing_of_other_workloads_and_scales():
    more = replace(DIGITS, settings={**DIGITS.settings, "short": SCENES.settings["smoke"]})
    assert key("training", more) == key("training", DIGITS)
    setting = case_of("training", CATALOG.baseline, DIGITS, SMOKE, 0).setting
    assert setting.keys() == {
        *("epochs", "batch_size", "learning_rate", "network", "evaluate_every", "training_energy", "idle_s"),
    }


@pytest.mark.parametrize(
    "changes",
    [{"passes": 21}, {"repeats": 4}, {"warmup_s": 1.0}, {"large_batch_passes": 1}, {"min_seconds": 1.0}],
)
def test_how_inference_is_measured_changes_inference_alone(changes):
    scale = replace(SMOKE, inference=replace(SMOKE.inference, **changes))
    assert key("inference", scale=scale) != key("inference")
    assert key("training", scale=scale) == key("training")


def test_the_size_of_large_batches_changes_inference_alone():
    changed = with_setting(DIGITS, large_batch=64)
    assert key("inference", changed) != key("inference")
    assert key("training", changed) == key("training")


def test_how_training_energy_is_measured_changes_training_alone():
    scale = find_scale("smoke", training_energy="steady")
    assert key("training", scale=scale) != key("training")
    assert key("inference", scale=scale) == key("inference")


def test_a_subset_and_its_seed_change_training_alone():
    asked = [with_setting(DIGITS, subset=Subset(40, 20, seed)) for seed in (0, 1)]
    assert len({key("training", workload) for workload in (DIGITS, *asked)}) == 3
    assert {key("inference", workload) for workload in (DIGITS, *asked)} == {key("inference")}
    setting = case_of("training", CATALOG.baseline, asked[1], SMOKE, 0).setting
    assert setting["subset"] == {"train": 40, "validation": 20, "seed": 1}


def test_a_scale_s_own_image_size_changes_training_and_inference():
    smaller = with_setting(DIGITS, image_size=(8, 8))
    for kind in ("training", "inference"):
        assert key(kind, smaller) != key(kind)
        assert case_of(kind, CATALOG.baseline, smaller, SMOKE, 0).setting["image_size"] == [8, 8]


@pytest.mark.parametrize("scale", ["smoke", "short", "paper"])
def test_where_nothing_is_left_out_a_case_says_nothing_of_it(scale):
    for workload in CATALOG.workloads.values():
        if scale in workload.settings:
            case = case_of("training", CATALOG.baseline, workload, find_scale(scale), 0)
            assert not {"subset", "image_size"} & case.setting.keys()


def test_the_inputs_change_inference_alone():
    city = CATALOG.workloads["cityscapes"]
    stated, fitted = (find_scale("paper", inputs=inputs) for inputs in ("stated", "fitted"))
    assert key("inference", city, stated) != key("inference", city, fitted)
    assert key("training", city, stated) == key("training", city, fitted)
    case = case_of("inference", CATALOG.baseline, city, fitted, 0)
    assert case.setting["image_size"] == [512, 1024]


def test_what_the_run_does_not_depend_on_is_not_in_the_key():
    told_otherwise = replace(DIGITS, card="new words", title="New", best_known={"accuracy": 1.0})
    unbound = with_setting(told_otherwise, floor=0.1, floor_source="another")
    more = replace(unbound, settings={**unbound.settings, "short": DIGITS.settings["smoke"]})
    assert key("training", more, replace(SMOKE, seeds=5)) == key("training")


def test_the_id_names_technique_and_workload():
    case = case_of("training", CATALOG.technique("mixup+lookahead"), DIGITS, SMOKE, 3)
    assert case.id == "mixup+lookahead-digits"
    assert (case.scale, case.seed, case.mode, case.kind) == ("smoke", 3, "paper", "training")


def test_how_it_is_evaluated_is_part_of_a_case_where_images_have_sizes_of_their_own():
    """Scores of full images and of tiles are then never compared: a case's settings are conditions."""
    full = replace(SCENES, full_image_evaluation=True)

    def evaluation(name, workload, kind="training"):
        return case_of(kind, CATALOG.technique(name), workload, SMOKE, 0).setting.get("evaluation")

    assert evaluation("ge_theta", full) == evaluation("lookahead+ge_theta", full) == "tiles"
    assert evaluation("baseline", full) == evaluation("ge_theta_minus", full) == "full images"
    assert evaluation("ge_theta", SCENES) is evaluation("ge_theta", full, "inference") is None
    assert {w.name for w in CATALOG.workloads.values() if w.full_image_evaluation} == {
        "camvid", "cityscapes", "coco_stuff"
    }  # fmt: skip


def test_what_seeds_vary_is_in_the_key_of_what_is_trained_with_them():
    varied = [replace(SMOKE, vary=part) for part in VARIES]
    assert len({key("training", scale=scale) for scale in varied}) == len(VARIES)
    assert key("training", scale=varied[0]) == key("training")
    assert len({key("inference", scale=scale) for scale in varied}) == 1
    assert len({key("cost", scale=scale) for scale in varied}) == 1
    trained = [replace(scale, inference=replace(scale.inference, weights=TRAINED)) for scale in varied]
    assert len({key("inference", scale=scale) for scale in trained}) == len(VARIES)


def test_a_scale_is_found_with_what_its_seeds_vary():
    assert find_scale("smoke", vary="init").vary == "init"
    assert find_scale("smoke") == SMOKE
    with pytest.raises(UserError, match="what seeds vary 'weights' is unknown"):
        find_scale("smoke", vary="weights")
