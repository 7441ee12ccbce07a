"""Learning-rate schedules against their closed forms, in exact fractions."""

import math
from fractions import Fraction
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from greenbench.nn.schedules import cosine, poly, step_decay

LEARNING_RATE = 0.1


def rates(schedule, steps_per_epoch, epochs):
    """Return the learning rate of every step of a run."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=LEARNING_RATE)
    scheduler = schedule(optimizer, steps_per_epoch, epochs)
    seen = []
    for _ in range(steps_per_epoch * epochs):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return seen


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 20), st.integers(1, 12))
def test_poly_is_its_closed_form(steps_per_epoch, epochs):
    steps = steps_per_epoch * epochs
    expected = [LEARNING_RATE * (1 - step / steps) ** 0.9 for step in range(steps)]
    assert rates(poly, steps_per_epoch, epochs) == pytest.approx(expected, rel=1e-9)


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 30), st.integers(1, 20), st.sampled_from([Fraction(1, 200), Fraction(1, 10)]))
def test_step_decay_is_its_closed_form(steps_per_epoch, epochs, warmup):
    steps = steps_per_epoch * epochs
    warmup_steps = max(1, round(warmup * steps))

    def factor(step):
        if step < warmup_steps:
            return Fraction(step + 1, warmup_steps)
        return Fraction(1, 5) ** sum(step >= Fraction(tenths, 10) * steps for tenths in (3, 6, 8))

    schedule = partial(step_decay, warmup_fraction=float(warmup))
    expected = [LEARNING_RATE * float(factor(step)) for step in range(steps)]
    assert rates(schedule, steps_per_epoch, epochs) == pytest.approx(expected, rel=1e-12)


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 20), st.integers(1, 12))
def test_cosine_is_its_closed_form_after_a_warm_up_over_5_percent(steps_per_epoch, epochs):
    steps = steps_per_epoch * epochs
    warmup = max(1, round(Fraction(1, 20) * steps))
    rising = [(step + 1) / warmup for step in range(warmup)]
    falling = [
        math.cos(math.pi / 2 * (step - warmup) / (steps - warmup)) ** 2 for step in range(warmup, steps)
    ]
    expected = [LEARNING_RATE * factor for factor in rising + falling]
    assert rates(cosine, steps_per_epoch, epochs) == pytest.approx(expected, rel=1e-9, abs=1e-15)


def test_in_a_run_of_200_epochs_the_rate_drops_after_60_120_and_160():
    schedule = partial(step_decay, warmup_fraction=1 / 200)
    seen = rates(schedule, 5, 200)
    assert seen[:5] == pytest.approx([0.02, 0.04, 0.06, 0.08, 0.1]), "one epoch of warm-up, step by step"
    first_steps = [seen[5 * epoch] for epoch in (1, 59, 60, 119, 120, 159, 160, 199)]
    assert first_steps == pytest.approx([0.1, 0.1, 0.02, 0.02, 0.004, 0.004, 0.0008, 0.0008])
