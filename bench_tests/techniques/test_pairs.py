"""Every ordered pair of techniques, on both tasks: either both effects are there, or the pair is refused in words."""

import re
from dataclasses import replace
from itertools import islice, permutations

import pytest

from bench_tests.techniques import contract
from greenbench.errors import NotApplicable, UserError
from greenbench.spec.composition import compose
from greenbench.study.catalog import discover

pytestmark = pytest.mark.usefixtures("_no_compiler")
CATALOG = discover()
WORKLOADS = {"classification": "digits", "segmentation": "scenes4"}
TECHNIQUES = [t for t in CATALOG.techniques.values() if not t.is_baseline]
BUILDERS = ("network", "optimizer", "schedule", "loss", "average")


def applicable(task):
    return [technique for technique in TECHNIQUES if technique.applies_to(task)]


class Watched:
    """Stands for a function of a recipe, and counts its calls and those of what it builds."""

    def __init__(self, function, builds):
        self.function, self.builds, self.calls = function, builds, 0

    def __call__(self, *args):
        self.calls += 1
        made = self.function(*args)
        if not self.builds:
            return made
        return self._loss(made) if self.builds == "loss" else made

    def _loss(self, loss):
        self.calls = 0

        def counted(*args):
            self.calls += 1
            return loss(*args)

        return counted


def watch(before, after):
    """Return `after` with what changed since `before` watched, and those that watch."""
    watched = {}
    for name in before.changed_fields(after):
        value = getattr(after, name)
        if callable(value):
            watched[name] = Watched(value, name if name in BUILDERS else None)
    return replace(after, **watched), watched


def both_effects(first, second, recipe):
    """Train two steps, evaluate at the end; every function that either technique brought was called."""
    one, of_first = watch(recipe, first(recipe))
    two, of_second = watch(one, second(one))
    run = contract.trainer(two)
    losses = list(islice(run.remaining_steps(), run.teacher_steps + 2))
    assert len(losses) == run.teacher_steps + 2
    assert all(loss.isfinite() for loss in losses), "the run diverged"
    if {"finish", "average"} & {*of_first, *of_second}:
        list(run.remaining_steps())
        assert run.evaluate("validation") is not None
    for technique, watched in ((first, of_first), (second, of_second)):
        unused = [name for name, function in watched.items() if not function.calls]
        assert not unused, f"{technique.name}'s {', '.join(unused)} was never called"
    for technique in (first, second):
        plain = recipe.changed_fields(technique(recipe))
        undone = [name for name in plain if getattr(two, name) == getattr(recipe, name)]
        assert not undone, f"{technique.name}'s {', '.join(undone)} is as it was"


def outcome(first, second, recipe):
    """Return why a pair is refused, or None where it trains with both effects."""
    try:
        contract.trainer(compose([first, second])(recipe))
        both_effects(first, second, recipe)
    except UserError as error:
        refused = error
    else:
        return None
    assert refused.next_step or isinstance(refused, NotApplicable), f"{refused} has no next step"
    return refused.problem


def small(task):
    """Return a recipe of two epochs of two steps."""
    return replace(contract.small(CATALOG.workloads[WORKLOADS[task]]), epochs=2)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("first", "task"),
    [pytest.param(t, task, id=f"{t.name}-{task}") for task in WORKLOADS for t in applicable(task)],
)
def test_a_pair_has_both_effects_or_is_refused(first, task):
    recipe = small(task)
    for second in applicable(task):
        if second is not first:
            try:
                outcome(first, second, recipe)
            except Exception as error:
                raise AssertionError(f"{first.name}+{second.name} on {task}: {error!r}") from error


@pytest.mark.parametrize(
    ("names", "task", "told"),
    [
        ("cyclic_lr+poly_half_epochs", "classification", "schedule"),
        ("poly_half_epochs+cyclic_lr", "classification", "schedule"),
        ("focal+soft_dice", "segmentation", "loss"),
        ("soft_dice+focal", "segmentation", "loss"),
        ("lookahead+radam", "classification", "optimizer"),
    ],
)
def test_two_that_replace_one_field_are_refused(names, task, told):
    pair = [CATALOG.technique(name) for name in names.split("+")]
    reason = outcome(*pair, small(task))
    assert f"both change the recipe's {told}" in reason


def test_most_pairs_of_the_paper_go_together(recipes):
    """A rule that refused everything would pass the test above."""
    recipe = recipes["digits", "smoke"]
    paper = [t for t in applicable("classification") if t.collection == "paper"]
    together = 0
    for pair in permutations(paper, 2):
        try:
            compose(pair)(recipe)
            together += 1
        except UserError:
            pass
    assert together >= 0.9 * len(paper) * (len(paper) - 1)


def test_a_technique_that_is_never_called_is_found():
    recipe = small("classification")
    mixup, focal = (CATALOG.technique(name) for name in ("mixup", "focal"))
    deaf = replace(
        mixup, name="deaf", apply=lambda r: replace(r, objective=lambda t, x, _: t.network(x).square().mean())
    )
    with pytest.raises(AssertionError, match="focal's loss was never called"):
        both_effects(focal, deaf, recipe)


def test_images_that_change_size_are_refused_by_layers_of_one_size():
    pair = [CATALOG.technique(name) for name in ("ge_theta", "progressive_resizing")]
    for parts in (pair, pair[::-1]):
        reason = outcome(*parts, small("segmentation"))
        assert re.search(r"this layer was built for \(N, (\d+), 12, 12\), got \(4, \1, 8, 8\)", reason), (
            reason
        )
