"""The matrix: which techniques run on which workloads, and with which seeds."""

import sys
from collections import Counter
from dataclasses import fields, replace
from functools import partial

import pytest

from greenbench.errors import NotApplicable
from greenbench.spec.scale import SCALES
from greenbench.spec.technique import Technique
from greenbench.spec.workload import Workload
from greenbench.study.catalog import discover
from greenbench.study.plan import changed_fields, plan, rounds

CATALOG = discover()
SMOKE = SCALES["smoke"]
CHANGE_NETWORKS = {
    *("blurpool", "coordconv", "ge_theta", "ge_theta_minus", "spatial_bottleneck", "switchnorm"),
    "one_branch",
}


def matrix(kind, techniques=None, scale=SMOKE, seeds=1):
    chosen = map(CATALOG.technique, CATALOG.default) if techniques is None else techniques
    changes = partial(changed_fields, scale=scale, root=None)
    return plan(kind, chosen, CATALOG.workloads.values(), scale, seeds, changes)


def test_the_training_matrix_is_the_papers():
    """14 techniques in classification, 18 in segmentation."""
    counts = Counter(pair[0].workload for pair in matrix("training"))
    assert counts == {"digits": 14, "scenes4": 18}


def test_inference_has_the_networks_that_differ():
    pairs = matrix("inference")
    assert len(pairs) == 15
    assert {pair[0].technique for pair in pairs} == CHANGE_NETWORKS | {"baseline"}
    assert all(pair[0].kind == "inference" for pair in pairs)


def test_a_composition_has_inference_if_a_part_changes_the_network():
    pairs = matrix("inference", [CATALOG.technique("mixup+lookahead"), CATALOG.technique("blurpool+mixup")])
    assert {pair[0].technique for pair in pairs} == {"blurpool+mixup"}


def test_every_pair_has_its_seeds_and_no_two_cases_a_key():
    pairs = matrix("training", seeds=3)
    assert all([case.seed for case in pair] == [0, 1, 2] for pair in pairs)
    keys = {case.key for pair in (*pairs, *matrix("inference", seeds=3)) for case in pair}
    assert len(keys) == 3 * (32 + 15)


def test_pairs_come_workload_by_workload_as_the_catalog_has_them():
    order = [pair[0].workload for pair in matrix("training")]
    assert order == sorted(order, key=list(CATALOG.workloads).index)


@pytest.mark.parametrize("scale", SCALES)
def test_a_workload_takes_part_in_the_scales_that_it_has_a_setting_for(scale):
    names = {pair[0].workload for pair in matrix("training", [CATALOG.baseline], SCALES[scale])}
    assert names == {name for name, workload in CATALOG.workloads.items() if scale in workload.settings}
    assert names


def own(**changes):
    fields = {"category": "Optimizer", "citation": "x", "apply": lambda recipe: replace(recipe, epochs=99)}
    return Technique("own", **{**fields, **changes})


def test_a_technique_runs_where_it_applies():
    segmentation = matrix("training", [own(tasks=("segmentation",))])
    assert {pair[0].workload for pair in segmentation} == {"scenes4"}
    assert matrix("training", [own(tasks=("speech",))]) == []


def fails(recipe):
    raise ZeroDivisionError


def ends(recipe):
    sys.exit("bye")


def has_nothing_to_do(recipe):
    raise NotApplicable("there is nothing to change")


@pytest.mark.parametrize(
    "apply", [fails, ends, has_nothing_to_do, lambda recipe: recipe, lambda recipe: None]
)
def test_a_technique_that_does_not_do_its_part_has_its_training_cases_fail(apply):
    broken = own(apply=apply, tasks=("classification",))
    assert [pair[0].id for pair in matrix("training", [broken])] == ["own-digits"]
    assert matrix("inference", [broken]) == []


def test_a_user_who_interrupts_is_heard():
    def interrupted(recipe):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        matrix("inference", [own(apply=interrupted)])


@pytest.mark.parametrize("field", ["network", "finish"])
def test_inference_has_what_changes_the_network_at_the_start_or_at_the_end(field):
    technique = own(apply=lambda recipe: replace(recipe, **{field: lambda *network: None}))
    assert {pair[0].workload for pair in matrix("inference", [technique])} == {"digits", "scenes4"}


def test_a_workload_without_a_recipe_keeps_its_cases():
    class NoRecipe(Workload):
        def recipe(self, scale, root=None):
            raise RuntimeError("no recipe")

    digits = CATALOG.workloads["digits"]
    broken = NoRecipe(**{f.name: getattr(digits, f.name) for f in fields(digits)})
    techniques = [CATALOG.baseline, CATALOG.techniques["blurpool"]]
    changes = partial(changed_fields, scale=SMOKE, root=None)
    for kind, names in (("training", ["baseline", "blurpool"]), ("inference", ["baseline"])):
        assert [pair[0].technique for pair in plan(kind, techniques, [broken], SMOKE, 1, changes)] == names


def test_seeds_run_in_rounds_and_the_last_one_judges_the_pair():
    pairs = matrix("training", seeds=3)
    order = rounds(pairs)
    assert sorted(order, key=str) == sorted(
        [(pair, seed) for pair in pairs for seed in (0, 1, None)], key=str
    )
    numbers = [seed for _, seed in order]
    assert numbers == [0] * len(pairs) + [1] * len(pairs) + [None] * len(pairs)
    workloads = [pair[0].workload for pair, _ in order[: len(pairs)]]
    assert workloads == [pair[0].workload for pair in pairs], "data are read once for a workload and round"


def test_the_order_of_a_round_is_drawn_and_every_process_draws_the_same():
    pairs = matrix("training", seeds=3)
    order = rounds(pairs)
    first, second = ([pair for pair, seed in order if seed == number] for number in (0, 1))
    assert first != second
    assert first != pairs
    assert order == rounds(pairs)


def test_pairs_of_one_seed_keep_their_order():
    pairs = matrix("training")
    assert rounds(pairs) == [(pair, None) for pair in pairs]
    assert rounds([]) == []
