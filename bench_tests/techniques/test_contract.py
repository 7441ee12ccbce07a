"""The contract, for every technique that discovery finds, and proof that each clause can be broken."""

from dataclasses import replace
from functools import cache, partialmethod

import pytest
import torch

from bench_tests.techniques import contract
from greenbench.errors import NotApplicable, UserError
from greenbench.spec.mode import FAST, MODES, PAPER
from greenbench.spec.technique import Technique
from greenbench.study.catalog import discover

CATALOG = discover()
COMPILE = torch.nn.Module.compile
WORKLOADS = {"classification": "digits", "segmentation": "scenes4"}
CHANGING = [t for t in CATALOG.techniques.values() if not t.is_baseline]


def composes(candidate):
    other = "lookahead" if candidate.technique.name == "mixup" else "mixup"
    contract.composes(candidate, CATALOG.technique(other))


LONG = {contract.trains_and_repeats, contract.leaves_its_argument_alone, composes}
"""Slow for the modern techniques."""

CLAUSES = (
    contract.agrees_with_float32,
    contract.has_an_effect,
    contract.saves_and_resumes,
    *sorted(LONG, key=lambda c: c.__name__),
)


def promises():
    """Return every clause of every technique on every task of its, in every mode.

    Slow are segmentation with the modern ones, and in the modes that are not the study's all but one clause.
    The clauses of one technique follow each other, so that one worker has its trainings.
    """
    return [
        pytest.param(
            clause,
            technique,
            task,
            mode,
            id=f"{clause.__name__}-{technique.name}-{task}" + ("" if mode is PAPER else f"-{mode.name}"),
            marks=[pytest.mark.slow]
            if (technique.collection != "paper" and (clause in LONG or task == "segmentation"))
            or (mode is not PAPER and clause is not contract.agrees_with_float32)
            else [],
        )
        for technique in CHANGING
        for task in WORKLOADS
        if technique.applies_to(task)
        for mode in MODES.values()
        for clause in CLAUSES
        if not says_nothing(clause, technique, mode)
    ]


def says_nothing(clause, technique, mode):
    """Whether a clause cannot be asked: without a compiler, a compiled network trains to the baseline's weights."""
    return (
        (clause is contract.has_an_effect and "compile" in technique.name)
        or (clause is contract.agrees_with_float32 and mode is PAPER)
        or (technique.name == "autocast" and mode.autocast is not None)
    )


pytestmark = pytest.mark.usefixtures("_no_compiler")


@cache
def baseline(task, mode=PAPER):
    """Return the recipe of a narrow network, and what its training gives."""
    recipe = contract.small(CATALOG.workloads[WORKLOADS[task]])
    return recipe, contract.trained(recipe, mode=mode)


@cache
def candidate(technique, task, mode):
    return contract.Candidate(CATALOG.techniques[technique], *baseline(task, mode), mode)


@pytest.fixture
def recipe(task):
    return baseline(task)[0]


@pytest.mark.parametrize("technique", [pytest.param(t, id=t.name) for t in CHANGING])
def test_describes_itself(technique):
    contract.describes_itself(technique)


@pytest.mark.parametrize(("clause", "technique", "task", "mode"), promises())
def test_it_keeps_its_promise(clause, technique, task, mode):
    clause(candidate(technique.name, task, mode))


@pytest.mark.parametrize("task", WORKLOADS)
def test_autocast_has_nothing_to_do_in_a_mode_that_computes_in_bfloat16(recipe):
    changed = CATALOG.technique("autocast")(recipe)
    with pytest.raises(NotApplicable, match="networks compute in bfloat16 already in the mode fast"):
        contract.trained(changed, mode=FAST)


@pytest.mark.parametrize("task", ["classification"])
def test_radam_refuses_to_replace_an_optimizer_that_another_technique_made(recipe):
    for first in ("lookahead", "random_gradient"):
        composed = CATALOG.technique(f"{first}+radam")(recipe)
        with pytest.raises(
            UserError, match=rf"both change the recipe's optimizer, and radam.*compose radam\+{first}"
        ):
            composed.optimizer(composed.network(), composed.learning_rate)
        composed = CATALOG.technique(f"radam+{first}")(recipe)
        assert composed.optimizer(composed.network(), composed.learning_rate)


@pytest.mark.slow
@pytest.mark.parametrize("task", ["classification"])
def test_a_compiled_network_trains_and_resumes(recipe, monkeypatch):
    """With torch's own tracing; its compiler of kernels would take minutes."""
    monkeypatch.setattr(torch.nn.Module, "compile", partialmethod(COMPILE, backend="aot_eager"))
    technique = CATALOG.technique("torch_compile")
    assert technique(recipe).network()._compiled_call_impl is not None
    contract.saves_and_resumes(contract.Candidate(technique, recipe))


def broken(name, apply):
    return Technique(name, "Optimizer", "none", apply, title=name)


def _forgetful(recipe):
    """Its optimizer's step depends on how often it was built."""
    built = []

    def optimizer(network, learning_rate):
        built.append(1)
        made = recipe.optimizer(network, learning_rate)
        for group in made.param_groups:
            group["lr"] /= len(built)
        return made

    return replace(recipe, optimizer=optimizer)


def _diverging(recipe):
    return replace(recipe, loss=lambda: lambda logits, targets: logits.sum() * float("nan"))


def _idle(recipe):
    return replace(recipe, batch_transform=lambda i, t, g: recipe.batch_transform(i, t, g))


def _still(recipe):
    return replace(recipe, optimizer=lambda network, _rate: torch.optim.SGD(network.parameters(), lr=0.0))


def _amnesiac(recipe):
    """Scales the loss by a count that no state dict holds."""

    def loss():
        plain, calls = recipe.loss(), []

        def counted(logits, targets):
            calls.append(1)
            return plain(logits, targets) * len(calls)

        return counted

    return replace(recipe, loss=loss)


def _vandal(recipe):
    object.__setattr__(recipe, "batch_size", recipe.batch_size + 1)
    return replace(recipe, epochs=recipe.epochs + 1)


BROKEN = [
    (contract.has_an_effect, _idle, "the baseline's very weights"),
    (contract.trains_and_repeats, _diverging, "the run diverged"),
    (contract.trains_and_repeats, _still, "no weight moved"),
    (contract.trains_and_repeats, _forgetful, "two runs under one seed differ"),
    (contract.leaves_its_argument_alone, _vandal, "modified its argument's batch_size"),
    (contract.saves_and_resumes, _amnesiac, "the resumed run ends elsewhere"),
]


@pytest.mark.parametrize("task", ["classification"])
@pytest.mark.parametrize(("clause", "apply", "told"), BROKEN, ids=[c[1].__name__ for c in BROKEN])
def test_each_clause_fails_for_a_technique_that_breaks_it(recipe, clause, apply, told):
    with pytest.raises(AssertionError, match=told):
        clause(contract.Candidate(broken("broken", apply), recipe))


@pytest.mark.parametrize("task", ["classification"])
def test_composing_fails_where_the_second_technique_undoes_the_first(recipe):
    longer = broken("longer", lambda r: replace(r, epochs=r.epochs + 1))
    undone = broken("undone", lambda r: replace(r, epochs=contract.EPOCHS, batch_size=2))
    with pytest.raises(UserError, match="both change the recipe's epochs, and undone does not keep"):
        contract.composes(contract.Candidate(longer, recipe), undone)


def _coarse(recipe):
    """Is another technique where networks compute in less."""

    def objective(trainer, inputs, targets):
        return recipe.objective(trainer, inputs, targets) * (1.1 if trainer.mode.autocast else 1.0)

    return replace(recipe, objective=objective)


@pytest.mark.parametrize("task", ["classification"])
def test_agreeing_fails_for_a_technique_that_is_another_one_in_another_mode(recipe):
    with pytest.raises(AssertionError, match=r"the losses are .* off"):
        contract.agrees_with_float32(contract.Candidate(broken("coarse", _coarse), recipe, mode=FAST))


def test_a_technique_without_a_card_does_not_describe_itself():
    with pytest.raises((AssertionError, IndexError)):
        contract.describes_itself(broken("mute", _idle))
