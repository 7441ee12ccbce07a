"""When two techniques go together: no part undoes another without a word."""

from dataclasses import dataclass, replace
from functools import partial

import pytest

from bench_tests.harness.spec.test_technique import RECIPE
from greenbench.errors import UserError
from greenbench.spec.composition import compose
from greenbench.spec.technique import Technique


def technique(apply):
    return Technique(apply.__name__, "Optimizer", "Somebody 2020", apply)


@technique
def first(recipe):
    """Wrap nothing: new functions in every field."""

    def optimizer(network, rate):
        return ["first"]

    return replace(recipe, optimizer=optimizer, loss=lambda: "first", schedule=lambda *_: "first")


@technique
def wraps_late(recipe):
    return replace(recipe, loss=lambda: ("late", recipe.loss()))


@technique
def wraps_early(recipe):
    inner = recipe.loss
    return replace(recipe, loss=lambda: ("early", inner()))


@technique
def wraps_partially(recipe):
    return replace(recipe, loss=partial(lambda inner: inner(), recipe.loss))


def helper(recipe):
    def loss():
        def later():
            return recipe.loss()

        return later

    return loss


@technique
def wraps_through_a_helper(recipe):
    return replace(recipe, loss=helper(recipe))


@dataclass
class Holder:
    recipe: object

    def __call__(self):
        return self.recipe.loss()


@technique
def wraps_in_an_object(recipe):
    return replace(recipe, loss=Holder(recipe))


@technique
def wraps_by_default(recipe):
    return replace(recipe, loss=lambda inner=recipe.loss: inner())


@technique
def replaces(recipe):
    return replace(recipe, loss=lambda: "replaced")


@technique
def replaces_with_a_look_at_the_recipe(recipe):
    return replace(recipe, loss=lambda: ("replaced", recipe.ignore_index, recipe.optimizer))


@technique
def replaces_with_an_object(recipe):
    class Loss:
        def __call__(self):
            return "replaced"

    return replace(recipe, loss=Loss())


WRAPS = [
    wraps_late, wraps_early, wraps_partially, wraps_through_a_helper, wraps_in_an_object, wraps_by_default
]  # fmt: skip


@pytest.mark.parametrize("second", WRAPS, ids=lambda t: t.name)
def test_a_second_part_that_wraps_the_field_is_composed(second):
    composed = compose([first, second])(RECIPE)
    assert "first" in str(composed.loss() if second.name != "wraps_through_a_helper" else composed.loss()())


@pytest.mark.parametrize(
    "second", [replaces, replaces_with_a_look_at_the_recipe, replaces_with_an_object], ids=lambda t: t.name
)
def test_a_second_part_that_replaces_the_field_is_refused_naming_it(second):
    with pytest.raises(UserError) as refused:
        compose([first, second])(RECIPE)
    assert refused.value.problem == (
        f"technique 'first+{second.name}': both change the recipe's loss, and {second.name} does not keep what first "
        "made of it"
    )
    assert refused.value.next_step == "compose others"


def test_the_refusal_names_the_order_that_works():
    assert compose([replaces, wraps_late])(RECIPE).loss() == ("late", "replaced")
    with pytest.raises(UserError, match=r"does not keep.*; compose replaces\+wraps_late, or others"):
        compose([wraps_late, replaces])(RECIPE)


def test_in_a_stack_every_part_is_held_against_those_before_it():
    stack = compose([replaces, wraps_late, wraps_early])
    assert stack(RECIPE).loss() == ("early", ("late", "replaced"))
    with pytest.raises(UserError, match=r"'wraps_late\+first': both change the recipe's loss"):
        compose([replaces, wraps_late, first])(RECIPE)


@technique
def doubles(recipe):
    return replace(recipe, epochs=2 * recipe.epochs, learning_rate=recipe.learning_rate / 2)


@technique
def sets(recipe):
    return replace(recipe, epochs=3, warm_up=True)


def test_numbers_that_follow_from_the_earlier_one_are_composed_and_others_refused():
    assert compose([sets, doubles])(RECIPE).epochs == 6
    with pytest.raises(
        UserError, match="both change the recipe's epochs, and sets does not keep what doubles"
    ):
        compose([doubles, sets])(RECIPE)


class Optimizer:
    def __init__(self, groups, inner=None):
        self.param_groups, self.inner = groups, inner


@technique
def own_optimizer(recipe):
    return replace(recipe, optimizer=lambda network, rate: Optimizer(["own"]))


@technique
def around(recipe):
    return replace(recipe, optimizer=lambda *built: Optimizer([], inner=recipe.optimizer(*built)))


@technique
def takes_groups(recipe):
    return replace(recipe, optimizer=lambda *built: Optimizer(recipe.optimizer(*built).param_groups[:]))


def test_an_optimizer_that_only_looks_at_another_one_s_groups_drops_it():
    """The code names the earlier optimizer, so this is known when it is built."""
    kept = compose([own_optimizer, around])(RECIPE).optimizer("network", 0.1)
    assert kept.inner.param_groups == ["own"]
    dropped = compose([around, takes_groups])(replace(RECIPE, optimizer=lambda *_: Optimizer(["plain"])))
    with pytest.raises(UserError, match="both change the recipe's optimizer, and takes_groups does not keep"):
        dropped.optimizer("network", 0.1)
    alone = takes_groups(replace(RECIPE, optimizer=lambda *_: Optimizer(["plain"])))
    assert alone.optimizer("network", 0.1).param_groups == ["plain"]


def test_different_fields_never_meet():
    composed = compose([replaces, doubles, around])(RECIPE)
    assert set(RECIPE.changed_fields(composed)) == {"loss", "epochs", "learning_rate", "optimizer"}


def test_a_pair_that_goes_in_neither_order_is_refused_after_a_few_looks():
    asked = []

    @technique
    def noted(recipe):
        asked.append(recipe)
        return replace(recipe, loss=lambda: "noted")

    with pytest.raises(UserError, match=r"; compose others$"):
        compose([noted, replaces])(RECIPE)
    assert len(asked) <= 3
