"""The scales, and how one is chosen."""

from dataclasses import replace

import pytest

from greenbench.errors import UserError
from greenbench.spec.scale import INPUTS, MEASURED_EPOCHS, SCALES, TRAINING_ENERGIES, find_scale


def test_the_paper_s_scale_is_the_paper_s():
    paper = find_scale("paper")
    assert paper.training_energy == "epochs"
    assert MEASURED_EPOCHS == 10
    assert (paper.inference.passes, paper.inference.repeats, paper.inference.inputs) == (10_000, 3, "stated")


def test_scales_are_found_by_their_names():
    assert list(SCALES) == ["smoke", "tryout", "short", "paper"]
    for name, scale in SCALES.items():
        assert find_scale(name) == scale
        assert scale.name == name


@pytest.mark.parametrize("method", TRAINING_ENERGIES)
def test_another_energy_method_changes_that_alone(method):
    assert find_scale("smoke", method) == replace(SCALES["smoke"], training_energy=method)


@pytest.mark.parametrize("inputs", INPUTS)
def test_other_inputs_change_that_alone(inputs):
    smoke = SCALES["smoke"]
    assert find_scale("smoke", inputs=inputs) == replace(
        smoke, inference=replace(smoke.inference, inputs=inputs)
    )


@pytest.mark.parametrize(
    ("arguments", "problem", "next_step"),
    [
        (("tiny",), "scale 'tiny' is unknown", "choose one of smoke, tryout, short, paper"),
        (("smoke", "some"), "training energy 'some' is unknown", "choose one of all, epochs, steady"),
        (("smoke", None, "guessed"), "inputs 'guessed' is unknown", "choose one of stated, fitted"),
        (("",), "scale '' is unknown", "choose one of smoke, tryout, short, paper"),
        (("smoke", ""), "training energy '' is unknown", "choose one of all, epochs, steady"),
    ],
)
def test_what_is_unknown_is_refused_with_what_there_is(arguments, problem, next_step):
    with pytest.raises(UserError) as refused:
        find_scale(*arguments)
    assert (refused.value.problem, refused.value.next_step) == (problem, next_step)
