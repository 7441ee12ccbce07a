"""A technique: made of a function, checked when it is made and when it is applied, and composed."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenbench.errors import UserError
from greenbench.spec.composition import compose
from greenbench.spec.recipe import Recipe, constant_size, plain_batch, scaled_size
from greenbench.spec.source import Source
from greenbench.spec.technique import CATEGORIES, Technique, technique


def nothing(*_):
    """Build nothing: no test here trains."""


RECIPE = Recipe(
    task="classification",
    num_classes=10,
    image_size=(8, 8),
    ignore_index=None,
    epochs=4,
    batch_size=8,
    learning_rate=0.1,
    network=nothing,
    optimizer=nothing,
    schedule=nothing,
    loss=nothing,
)


def made(name="own", apply=lambda recipe: replace(recipe, epochs=recipe.epochs + 1), **changes):
    fields = {"category": "Optimizer", "citation": "Somebody 2020", "source": Source(f"{name}.py", "", name)}
    return Technique(name, apply=apply, **{**fields, **changes})


def test_a_function_becomes_a_technique():
    @technique("Loss Function", "Szegedy et al. 2015")
    def label_smoothing(recipe):
        """Label smoothing: a tenth of the target goes to all classes.

        **Source.** Szegedy et al. 2015.
        """
        return replace(recipe, epochs=1)

    assert label_smoothing.name == "label_smoothing"
    assert label_smoothing.title == "Label smoothing"
    assert (label_smoothing.category, label_smoothing.citation) == ("Loss Function", "Szegedy et al. 2015")
    assert label_smoothing.card.splitlines() == [
        "Label smoothing: a tenth of the target goes to all classes.",
        "",
        "**Source.** Szegedy et al. 2015.",
    ]
    assert (label_smoothing.tasks, label_smoothing.work_share) == (None, None)
    assert label_smoothing.applies_to("anything")
    assert label_smoothing(RECIPE).epochs == 1


def test_what_is_stated_is_kept():
    @technique("Optimizer", "x", title="RAdam", tasks=("segmentation",), work_share=1.0)
    def radam(recipe):
        return recipe

    assert (radam.title, radam.tasks, radam.work_share, radam.card) == ("RAdam", ("segmentation",), 1.0, "")
    assert radam.applies_to("segmentation")
    assert not radam.applies_to("classification")


@pytest.mark.parametrize(
    "name", ["", "Mixup", "label smoothing", "2mix", "mix-up", "_x", "é", "a+", "a/b", "<lambda>"]
)
def test_a_name_that_cannot_stand_in_test_ids_is_refused(name):
    with pytest.raises(UserError, match="has a name that cannot be used") as refused:
        made(name)
    assert repr(name.split("+")[-1]) in refused.value.problem
    assert "lower case letters, digits and _" in refused.value.next_step


@given(st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True))
def test_any_other_name_is_taken(name):
    assert made(name).name == name


@pytest.mark.parametrize("category", ["optimizer", "Regularization", ""])
def test_an_unknown_category_is_refused_with_those_that_exist(category):
    with pytest.raises(UserError, match="has the category") as refused:
        made(category=category)
    assert repr(category) in refused.value.problem
    assert "choose one of Architecture Modification, " in refused.value.next_step
    assert "Baseline" not in refused.value.next_step
    assert len(CATEGORIES) == 8


def leave(recipe):
    return replace(recipe)


def exits(recipe):
    raise SystemExit(3)


def misspells(recipe):
    return recipe.epoch


def forgets(recipe):
    replace(recipe, epochs=1)


@pytest.mark.parametrize(
    ("apply", "problem", "next_step"),
    [
        (leave, "leaves the recipe for classification unchanged", "change a field of the recipe"),
        (
            misspells,
            "fails on the recipe for classification: AttributeError: 'Recipe' object has no",
            "mend its function",
        ),
        (exits, "fails on the recipe for classification: SystemExit: 3", "mend its function"),
        (forgets, "returned NoneType, not a Recipe", "dataclasses.replace"),
        (lambda recipe: "recipe", "returned str, not a Recipe", "dataclasses.replace"),
    ],
)
def test_a_technique_that_does_not_do_its_part_is_refused_naming_its_file(apply, problem, next_step):
    with pytest.raises(UserError) as refused:
        made(apply=apply)(RECIPE)
    assert re.match(r"technique 'own' \(own.py, line \d+\) ", refused.value.problem)
    assert problem in refused.value.problem
    assert next_step in refused.value.next_step


@pytest.mark.parametrize("value", [7, dict, None])
def test_what_is_no_function_cannot_be_decorated(value):
    with pytest.raises(UserError, match="which is no function; decorate a function from recipe to recipe"):
        technique("Optimizer", "x")(value)


def test_what_a_technique_says_itself_is_passed_on():
    def refuses(recipe):
        raise UserError("no place for it in this network", "take another")

    with pytest.raises(UserError, match=r"^no place for it in this network; take another$"):
        made(apply=refuses)(RECIPE)


def test_a_user_who_interrupts_is_heard():
    def interrupted(recipe):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        made(apply=interrupted)(RECIPE)


def test_a_technique_on_a_task_it_does_not_claim_is_refused():
    with pytest.raises(UserError, match="'own' applies to segmentation, not to classification"):
        made(tasks=("segmentation",))(RECIPE)


def test_the_baseline_alone_may_change_nothing():
    baseline = made("baseline", leave, category="Baseline")
    assert baseline.is_baseline
    assert baseline(RECIPE) == RECIPE


def test_applying_leaves_the_recipe_alone():
    before = replace(RECIPE)
    changed = made()(RECIPE)
    assert before == RECIPE
    assert RECIPE.changed_fields(changed) == ("epochs",)


def test_a_recipe_has_a_plain_batch_of_full_size_unless_it_says_otherwise():
    assert RECIPE.batch_transform is plain_batch
    assert plain_batch("images", "targets", None) == ("images", [(1.0, "targets")])
    assert RECIPE.size_factor is constant_size
    assert constant_size(3, 9) == 1.0
    assert scaled_size((64, 100), 0.33) == (21, 33)


double = made("double", lambda recipe: replace(recipe, epochs=recipe.epochs * 2))


def test_composition_applies_from_left_to_right():
    assert compose([made(), double])(RECIPE).epochs == (4 + 1) * 2
    assert compose([double, made()])(RECIPE).epochs == 4 * 2 + 1


def test_a_composition_carries_what_its_parts_say():
    one = made(title="One", card="What one does.", citation="A 2020", source=Source("one.py", "code 1", "d1"))
    two = made(
        "two", title="Two", card="What two does.", citation="B 2021", source=Source("two.py", "code 2", "d2")
    )
    both = compose([one, two])
    assert (both.name, both.title, both.category) == ("own+two", "One + Two", "Optimizer")
    assert both.citation == "A 2020; B 2021"
    assert both.card == "What one does.\n\nWhat two does."
    assert both.source == Source("one.py, two.py", "code 1\n\ncode 2", "d1+d2")
    assert compose([two, one]).source.digest != both.source.digest


@pytest.mark.parametrize(
    ("one", "two", "both"),
    [
        (None, None, None),
        (None, ("a", "b"), ("a", "b")),
        (("b", "a"), ("a", "b", "c"), ("a", "b")),
        (("a",), ("a", "b"), ("a",)),
    ],
)
def test_a_composition_applies_where_all_parts_do(one, two, both):
    assert compose([made(tasks=one), made("two", tasks=two)]).tasks == both


def test_parts_without_a_task_in_common_do_not_compose():
    with pytest.raises(UserError, match=r"'own\+two': its parts have no task in common; compose others"):
        compose([made(tasks=("a",)), made("two", tasks=("b",))])


@pytest.mark.parametrize(
    ("one", "two", "both"), [(0.5, 0.5, 0.25), (1.0, 0.5, 0.5), (None, 0.5, None), (1, None, None)]
)
def test_shares_of_the_work_multiply_where_both_are_known(one, two, both):
    assert compose([made(work_share=one), made("two", work_share=two)]).work_share == both


def test_a_part_that_fails_is_named_by_itself():
    with pytest.raises(UserError, match=r"^technique 'two' \(two.py, line \d+\) leaves the recipe"):
        compose([made(), made("two", leave)])(RECIPE)


@pytest.mark.parametrize("arguments", [(leave,), ("Optimizer",), ("Optimizer", "")])
def test_a_decorator_without_its_arguments_says_how_it_is_written(arguments):
    with pytest.raises(
        UserError, match=r'without category or citation; write @greenbench.technique\("Optimizer", '
    ):
        technique(*arguments)


class Module:
    """Looks like a network or a loss that is built already."""

    def forward(self, *_):
        return 0

    __call__ = forward


@pytest.mark.parametrize(
    ("field", "value", "problem", "next_step"),
    [
        ("epochs", 0, "epochs is 0", "whole number from 1 on"),
        ("epochs", 1.5, "epochs is 1.5", "whole number from 1 on"),
        ("batch_size", True, "batch_size is True", "whole number from 1 on"),
        ("learning_rate", -0.1, "learning_rate is -0.1", "number above 0"),
        ("learning_rate", float("nan"), "learning_rate is nan", "number above 0"),
        ("learning_rate", "0.1", "learning_rate is '0.1'", "number above 0"),
        ("optimizer", lambda network: 0, "cannot be called with (network, learning rate)", "take these"),
        ("optimizer", "adam", "optimizer is 'adam', which is no function", "give one of (network, learning"),
        ("loss", Module(), "loss is Module, and every run needs a new one", "loss=lambda: Module(...)"),
        (
            "network",
            Module(),
            "network is Module, and every run needs a new one",
            "network=lambda: Module(...)",
        ),
        ("loss", lambda outputs, targets: 0, "loss cannot be called with ()", "greenbench.Recipe"),
        ("schedule", lambda optimizer: 0, "(optimizer, steps per epoch, epochs)", "greenbench.Recipe"),
        ("gradients", lambda inputs, targets: 0, "(trainer, inputs, weighted targets)", "take these"),
        ("finish", None, "finish is None, which is no function", "(network)"),
        ("average", 3, "average is 3, which is no function", "(network, steps per epoch, epochs)"),
        ("teacher", "large", "teacher is of type str", "a Recipe, or None"),
    ],
)
def test_a_field_that_no_run_could_work_with_is_refused_before_it(field, value, problem, next_step):
    with pytest.raises(UserError) as refused:
        made(apply=lambda recipe: replace(recipe, **{field: value}))(RECIPE)
    assert refused.value.problem.startswith("technique 'own' (own.py, line ")
    assert problem in refused.value.problem
    assert next_step in refused.value.next_step


def test_what_a_run_can_work_with_passes():
    def changed(recipe):
        return replace(
            recipe,
            epochs=1,
            learning_rate=1,
            loss=Module,
            average=lambda *arguments: None,
            teacher=recipe,
            optimizer=lambda network, rate, momentum=0.9: 0,
        )

    assert made(apply=changed)(RECIPE).average is not None
    from greenbench.spec.fields import ARGUMENTS

    others = {"task", "num_classes", "image_size", "ignore_index", "epochs", "batch_size", "learning_rate"}
    assert set(ARGUMENTS) == set(Recipe.__dataclass_fields__) - others - {"teacher", "warm_up"}


@pytest.mark.parametrize("tried", [0, -1, 1.5, True, "many"])
def test_settings_tried_are_a_whole_number(tried):
    with pytest.raises(UserError, match="has settings_tried="):
        technique("Optimizer", "Somebody 2020", settings_tried=tried)(lambda_of_recipe)
    assert technique("Optimizer", "Somebody 2020", settings_tried=4)(lambda_of_recipe).settings_tried == 4


def lambda_of_recipe(recipe):
    """Own."""
    return recipe
