"""Trainings of known energy, on the stub or block by block: what the estimators of training energy are tried on.

The four settings have the epoch energies of the paper's baselines (tables 1 and 2) at a mean power of
220 W. Each run draws its own: a thermal drift of up to ±3 % with a time constant of 10 to 60 s, steps of
±1 % in the power every 8 s on average, 2 % of noise from step to step, and the phase of the ticks.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from bench_tests.nvml_stub import Stub
from greenbench.energy import Reading, Status, Uncertainty
from greenbench.energy.extrapolate.steady import SteadyEnergy, SteadySettings, SteadyStage
from greenbench.energy.sources.nvml.opening import open_nvml

MEAN_W = 220.0
BUSY = 0.85
"""Share of a step in which the GPU computes; in the rest it waits for data."""
WAITING_W = 90.0
PAPER_EPOCHS_MEASURED = 10


@dataclass(frozen=True)
class Setting:
    """A data set's training in the paper."""

    name: str
    total_j: float
    epochs: int
    steps_per_epoch: int

    @property
    def steps(self) -> int:
        return self.epochs * self.steps_per_epoch

    @property
    def step_s(self) -> float:
        return self.total_j / self.steps / MEAN_W

    @property
    def budget_s(self) -> float:
        """A twentieth of the 10 epochs that the paper measures."""
        return PAPER_EPOCHS_MEASURED * self.steps_per_epoch * self.step_s / 20


SETTINGS = (
    Setting("cifar100", 2.40e6, 200, 391),
    Setting("tiny_imagenet", 6.89e6, 200, 782),
    Setting("cityscapes", 19.6e6, 1000, 186),
    Setting("coco_stuff", 65.8e6, 60, 9857),
)


@dataclass(frozen=True)
class Outcome:
    """One simulated run."""

    reading: Reading
    true_j: float
    spent_s: float
    budget_s: float

    @property
    def inside(self) -> bool:
        """Whether the interval, calibration left out, holds the truth."""
        assert self.reading.energy_j is not None
        assert self.reading.comparison_uncertainty_j is not None
        return abs(self.reading.energy_j - self.true_j) <= self.reading.comparison_uncertainty_j

    @property
    def error(self) -> float:
        assert self.reading.energy_j is not None
        return self.reading.energy_j / self.true_j - 1


def simulate(stub: Stub, setting: Setting, seed: int, settings: SteadySettings | None = None) -> Outcome:
    """Train on the stub until the steady estimator has enough, and compare with the whole training."""
    generator = random.Random(f"{setting.name} {seed}")
    drift, constant_s = generator.uniform(-0.03, 0.03), generator.uniform(10.0, 60.0)
    seconds = min(setting.budget_s, 150.0) + 10.0
    load_w = (MEAN_W - (1 - BUSY) * WAITING_W) / BUSY
    points, at, level = [(0.0, 30.0)], 1.0, generator.choice([-0.01, 0.01])
    while at < seconds:
        if generator.random() < setting.step_s / 8.0:
            level = -level
        now = 1 + drift * math.exp(-(at - 1.0) / constant_s) + level + generator.gauss(0.0, 0.02)
        points += [(at, load_w * now), (at + BUSY * setting.step_s, WAITING_W * now)]
        at += setting.step_s
    # What the drift adds over the whole training; noise and steps average out over 40 minutes and more.
    true_j = setting.total_j + drift * constant_s * MEAN_W

    stub.reset()
    stub.wave(points)
    stub.command(f"set 0 phase {generator.uniform(0.0, 0.1)}")
    stub.command(f"set 0 tick {generator.choice([0.02, 0.1])}")
    settings = settings or SteadySettings(limit_s=min(setting.budget_s - 2.0, 120.0))
    with open_nvml(lambda: None, clock=stub.clock()) as meter:
        meter.clock.sleep(1.0 - stub.now)
        energy = SteadyEnergy(meter, {"training": setting.steps}, settings)
        with energy.stage("training") as step_done:
            while not energy.known("training"):
                meter.clock.sleep(setting.step_s)
                step_done()
    return Outcome(energy.reading, true_j, energy.stages["training"].seconds, setting.budget_s)


def simulate_blocks(setting: Setting, seed: int) -> Outcome:
    """Do the same without a meter, for many runs: each block's energy is known to 0.07 %."""
    generator = random.Random(f"blocks {setting.name} {seed}")
    drift, constant_s = generator.uniform(-0.03, 0.03), generator.uniform(10.0, 60.0)
    level = generator.choice([-0.01, 0.01])
    stage = SteadyStage(SteadySettings(limit_s=min(setting.budget_s - 2.0, 120.0)))
    steps, at = math.ceil(1.0 / setting.step_s - 1e-9), 0.0
    while not stage.known(setting.steps):
        energy_j = 0.0
        for _ in range(steps):
            if generator.random() < setting.step_s / 8.0:
                level = -level
            now = 1 + drift * math.exp(-at / constant_s) + level + generator.gauss(0.0, 0.02)
            energy_j += MEAN_W * setting.step_s * now
            at += setting.step_s
        energy_j *= generator.gauss(1.0, 0.0007)
        seconds = steps * setting.step_s
        ticks, parts = int(seconds / 0.1), Uncertainty(gain_j=0.065 * energy_j, tick_j=0.0007 * energy_j)
        stage.add(
            steps,
            Reading(
                energy_j, Status.MEASURED_SHORT, "blocks", seconds, "short", ticks=ticks, uncertainty=parts
            ),
        )
    true_j = setting.total_j + drift * constant_s * MEAN_W
    return Outcome(stage.estimate(setting.steps), true_j, stage.seconds, setting.budget_s)
