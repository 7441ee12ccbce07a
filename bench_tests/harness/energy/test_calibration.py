"""Gain and lag of simulated cards, whose gain and lag are known; and what cannot be found is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench_tests.harness.energy.calibration_simulation import Card, Recorded, recorded
from greenbench.energy.calibration.fit import Calibration, calibrate
from greenbench.errors import UserError

CARDS = {
    "instantaneous": (Card(), {}),
    "a quarter of the time": (Card(averaging_s=0.025), {}),
    "mean of a second": (Card(averaging_s=1.0), {}),
    "an offset and a delay": (Card(gain=0.95, offset_w=-3.0, delay_s=0.05), {"seconds": 12.0}),
    "noise": (Card(noise_w=5.0), {}),
    "a fast load": (Card(noise_w=2.0), {"period_s": 0.8}),
    "a fast counter": (Card(tick_s=0.02, averaging_s=0.02), {"poll_s": 0.005}),
    "two levels near each other": (Card(noise_w=0.2), {"low_w": 260.0}),
}
SEEDS = 16


def errors_of(card: Card, found: Calibration) -> list[float]:
    """Errors of corrected powers at the levels covered, in standard uncertainties."""
    levels = (found.lowest_w, (found.lowest_w + found.highest_w) / 2, found.highest_w)
    corrected = [(card.offset_w + card.gain * level - found.offset_w) / found.gain for level in levels]
    return [(power / level - 1) / found.spread for power, level in zip(corrected, levels, strict=True)]


@pytest.mark.parametrize("name", CARDS)
def test_the_stated_intervals_hold_what_is_true_and_not_much_more(name):
    card, how = CARDS[name]
    found = [calibrate(*recorded(card, seed, **how)) for seed in range(SEEDS)]
    outside = sum(max(map(abs, errors_of(card, one))) > 2 for one in found)
    assert outside <= 3  # at 5 % each, more are less likely than one in sixty
    lag_s = card.averaging_s + 2 * card.delay_s
    assert sum(abs(one.lag_s - lag_s) > 2 * one.lag_spread_s for one in found) <= 3
    assert max(abs(error) for one in found for error in errors_of(card, one)) > 0.4
    assert np.median([one.spread for one in found]) < 0.015


@settings(max_examples=10, deadline=None)
@given(
    gain=st.floats(0.8, 1.25),
    offset_w=st.floats(-8, 8),
    averaging_s=st.sampled_from([0.02, 0.1, 0.5, 1.0]),
    seed=st.integers(0, 10_000),
)
def test_any_card_is_found(gain, offset_w, averaging_s, seed):
    card = Card(gain, offset_w, averaging_s, noise_w=0.3)
    found = calibrate(*recorded(card, seed))
    assert max(map(abs, errors_of(card, found))) < 6
    assert found.lag_s == pytest.approx(averaging_s, abs=6 * found.lag_spread_s)


def test_the_origin_of_time_and_the_unit_of_order_do_not_matter():
    trace = recorded(Card(), 1)
    here = calibrate(*trace)
    later = calibrate(trace.times_s + 4096, trace.watts, trace.reference_s + 4096, trace.reference_w)
    assert later.gain == pytest.approx(here.gain, rel=1e-6)
    assert later.lag_s == pytest.approx(here.lag_s, abs=1e-4)


def test_a_card_without_any_noise_is_found_to_the_digit():
    found = calibrate(*recorded(Card(gain=1.1, noise_w=0.0), 3, meter_noise_w=0.0))
    assert found.gain == pytest.approx(1.1, rel=2e-3)


def test_a_steady_power_gives_the_gain_at_its_level_and_no_lag():
    found = calibrate(*recorded(Card(gain=0.95), 5, low_w=300.0, high_w=300.0))
    assert found.lag_s is None
    assert found.averaging_s is None
    assert found.gain == pytest.approx(0.95, abs=3 * found.spread + 1e-3)
    assert (found.lowest_w, found.highest_w) == pytest.approx((270, 330), rel=0.03)


def test_polls_that_are_slower_than_the_card_give_a_gain_and_a_rough_lag():
    card = Card(gain=0.93)
    found = calibrate(*recorded(card, 6, seconds=120.0, period_s=30.0, poll_s=1.0))
    assert max(map(abs, errors_of(card, found))) < 4
    assert found.lag_spread_s > 0.3


def changed(trace: Recorded, field: str, value: float) -> Recorded:
    array = getattr(trace, field).copy()
    array[len(array) // 2] = value
    return replace(trace, **{field: array})


def moved(trace: Recorded, seconds: float) -> Recorded:
    return replace(trace, times_s=trace.times_s + seconds)


GOOD = recorded(Card(), 0)
OTHER = recorded(Card(), 99)
STEADY = recorded(Card(), 7, low_w=200.0, high_w=200.0)
REFUSED = {
    "too short": (recorded(Card(), 0, seconds=4.5), "4.* s long, of at least 5 s"),
    "few readings": (recorded(Card(), 0, seconds=10.0, poll_s=0.7), "readings, of at least 30"),
    "few updates": (recorded(Card(tick_s=0.5), 0, seconds=10.0), "readings changed .* times"),
    "no time in common": (moved(GOOD, 1e4), "no time in common"),
    "clocks far apart": (moved(GOOD, -0.5), "clocks of the two are apart"),
    "the reading comes first": (moved(GOOD, -0.25), "clocks of the two are apart"),
    "clocks behind": (moved(GOOD, 0.95), "clocks of the two are apart|too loosely"),
    "another run": (replace(OTHER, times_s=GOOD.times_s, watts=GOOD.watts), "too loosely|clocks|means over"),
    "another device": (replace(GOOD, watts=GOOD.watts / 3), "the gain would be 0.34"),
    "the whole machine": (replace(GOOD, reference_w=GOOD.reference_w + 150), "at no power"),
    "a load too fast": (recorded(Card(averaging_s=0.025), 0, period_s=0.05), "too loosely"),
    "unsteady beside steady": (
        replace(STEADY, watts=STEADY.watts * (1 + STEADY.times_s / 100)),
        "of two devices",
    ),
    "a mean too long": (recorded(Card(averaging_s=2.9), 0, seconds=12.0), "means over|too loosely"),
    "a power that is no number": (
        changed(GOOD, "watts", np.nan),
        "device has a time or power that is no finite",
    ),
    "an infinite power": (
        changed(GOOD, "reference_w", np.inf),
        "reference has a time or power that is no finite",
    ),
    "a negative power": (changed(GOOD, "watts", -5.0), "a power of -5 W"),
    "times that go back": (changed(GOOD, "reference_s", 0.0), "times that go back"),
    "one time": (replace(GOOD, times_s=np.zeros_like(GOOD.times_s)), "one time for all"),
    "nothing": (replace(GOOD, times_s=np.array([]), watts=np.array([])), "0 values"),
    "unequal lengths": (replace(GOOD, watts=GOOD.watts[1:]), "two lists of one length"),
    "a dead reference": (replace(GOOD, reference_w=np.zeros_like(GOOD.reference_w)), "mean power of 0 W"),
    "a dead device": (replace(GOOD, watts=np.full_like(GOOD.watts, 80.0)), "changed 0 times"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_found_is_refused_in_words(name):
    trace, words = REFUSED[name]
    with pytest.raises(UserError, match=words) as refused:
        calibrate(*trace)
    assert refused.value.next_step
