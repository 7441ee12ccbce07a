"""The gate finds a rise of 5 % in joules and lets pull requests through that change nothing, as often as it says.

``python -m bench_tests.harness.energy.gate_simulation`` prints the shares of many more pull requests.
"""

import pytest

from bench_tests.harness.energy.gate_simulation import LIMIT, Plan, by_numbers, on_stub, simulate

SIX_PAIRS = Plan(workloads=2, techniques=3, seeds=5)
FEW = 60
"""Pull requests: of 60, at most 3 are missed by chance at 98 %, and at most 2 fail falsely at 0.5 %, but for one time in 100."""


def found_and_false(plan, count, measure=by_numbers, **options):
    """Return how many pull requests with a rise were stopped, and how many without."""
    risen = [simulate(plan, LIMIT, seed, measure, **options) for seed in range(count)]
    still = [simulate(plan, 0.0, -1 - seed, measure, **options) for seed in range(count)]
    found = sum(one.word == "worse" for one in risen)
    return found, sum(one.word == "worse" or one.false_alarm for one in still)


@pytest.mark.parametrize("plan", [SIX_PAIRS, Plan(1, 1, seeds=6), Plan(2, 3, seeds=9, sessions=3)], ids=str)
def test_a_rise_of_five_percent_is_found_and_few_alarms_are_false(plan):
    found, false = found_and_false(plan, FEW)
    assert found >= FEW - 4
    assert false <= 2


def test_sessions_far_apart_would_be_seen_here():
    """Ten times what the gate begins with, and only one session to tell: it cannot know, and the simulation shows it."""
    assert found_and_false(SIX_PAIRS, 20, session_sd=0.05)[1] >= 5


def test_several_sessions_tell_that_they_lie_apart():
    assert found_and_false(Plan(2, 3, seeds=6, sessions=3), 20, session_sd=0.05)[1] <= 1


def test_too_few_runs_are_undecided_and_say_how_many_would_tell():
    few = [simulate(Plan(2, 3, seeds=2), LIMIT, seed) for seed in range(20)]
    undecided = [one for one in few if one.word == "undecided"]
    assert len(undecided) >= 5
    assert all(one.more_runs and 1 <= one.more_runs <= 20 for one in undecided)


@pytest.mark.slow
def test_joules_that_the_meter_reads_are_judged_as_well(stub):
    found, false = found_and_false(Plan(1, 2, seeds=8), 10, on_stub(stub))
    assert found >= 9
    assert false <= 1
