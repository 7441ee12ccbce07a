"""The stated 95 % intervals hold the truth as often as that, on random loads, update periods and jitter.

Of windows of more than 6 s somewhat more: the power at their edges is held to be as uncertain as at its rare jumps.

``python -m bench_tests.harness.energy.test_coverage`` prints the shares of many more windows.
"""

from __future__ import annotations

import sys

import pytest

from bench_tests.harness.energy.training_simulation import SETTINGS as SETTINGS_OF_THE_STUDY
from bench_tests.harness.energy.training_simulation import simulate_blocks
from bench_tests.harness.energy.window_simulation import LOADS, measure_random_window

Lengths = tuple[float, float]

SETTINGS: dict[str, tuple[str, float, Lengths]] = {
    "counter, 1 to 6 s": ("counter", 0.0, (1.0, 6.0)),
    "counter, 6 to 30 s": ("counter", 0.0, (6.0, 30.0)),
    "power, 5 to 25 s": ("power", 0.0, (5.0, 25.0)),
    "average power of 1 s, 5 to 25 s": ("power", 1.0, (5.0, 25.0)),
}
FEW, MANY = 40, 1000
"""Windows of each load."""


def errors(kind: str, lag_s: float, lengths_s: Lengths, count: int) -> list[float]:
    """Return each window's error as a share of the half-width of its interval."""
    found = []
    for load in LOADS:
        for seed in range(count):
            reading, true_j = measure_random_window(
                str(seed), load, kind, lag_s=lag_s, gain=0.002, lengths_s=lengths_s
            )
            assert reading.energy_j is not None, reading.reason
            assert reading.uncertainty_j is not None
            found.append((reading.energy_j - true_j) / reading.uncertainty_j)
    return found


def share_inside(setting: str, count: int) -> float:
    """Return the share of windows whose interval holds the truth."""
    found = errors(*SETTINGS[setting], count)
    return sum(abs(error) <= 1.0 for error in found) / len(found)


@pytest.mark.parametrize("setting", SETTINGS)
def test_intervals_hold_the_truth_as_often_as_they_say(setting):
    chance = (0.95 * 0.05 / (FEW * len(LOADS))) ** 0.5
    assert 0.93 - chance <= share_inside(setting, FEW) <= 0.98 + chance


def test_intervals_that_are_a_third_too_narrow_would_be_found():
    found = errors("counter", 0.0, (1.0, 6.0), FEW)
    assert sum(abs(error) <= 2 / 3 for error in found) / len(found) < 0.90


def share_of_trainings(count: int) -> float:
    """Return the share of trainings, measured in steady blocks, whose interval holds the truth."""
    runs = [simulate_blocks(setting, seed) for setting in SETTINGS_OF_THE_STUDY for seed in range(count)]
    return sum(run.inside for run in runs) / len(runs)


def test_intervals_of_trainings_from_steady_blocks_hold_the_truth_as_often_as_they_say():
    chance = (0.95 * 0.05 / (FEW * len(SETTINGS_OF_THE_STUDY))) ** 0.5
    assert 0.93 - chance <= share_of_trainings(FEW) <= 0.97 + chance


if __name__ == "__main__":
    windows = int(sys.argv[1]) if len(sys.argv) > 1 else MANY
    for name in SETTINGS:
        print(f"{name}: {share_inside(name, windows):.1%} of {windows * len(LOADS)} windows", flush=True)
    trainings = share_of_trainings(windows)
    print(f"steady blocks of a training: {trainings:.1%} of {windows * len(SETTINGS_OF_THE_STUDY)}")
