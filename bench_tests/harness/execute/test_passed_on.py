"""What a case and its bench say reaches what runs: idle power, progress, seed, mode, and tiles."""

from dataclasses import replace

import pytest
import torch

from bench_tests.harness.execute.small_run import CPU, SQUARES, TINY, small_data
from bench_tests.harness.execute.test_run import BENCH, own, run
from greenbench.energy import Meter, Reading, Status
from greenbench.energy.extrapolate.steady import SteadySettings
from greenbench.execute import cost
from greenbench.execute.modes import SWITCHES, numerical_mode
from greenbench.execute.run import run_case, trainer_of
from greenbench.execute.trainer import Trainer
from greenbench.spec.case import case_of
from greenbench.spec.mode import FAST


class Idling(Meter):
    """Draws 100 W at work, and between 20 and 24 W idle: what it reads is the product, to the last joule."""

    name = "idling"

    def __init__(self):
        super().__init__()
        self.idle_w = [20.0, 24.0]

    def _open(self, label, trace):
        return label

    def _close(self, label, opened, seconds):
        power_w = self.idle_w.pop(0) if label == "idle" else 100.0
        seconds = max(seconds, 0.5)
        return (Reading(power_w * seconds, Status.MEASURED, "idling", seconds),)


@pytest.mark.parametrize("kind", ["training", "inference"])
def test_net_energy_is_what_the_idle_device_would_not_have_drawn(kind, monkeypatch):
    monkeypatch.setattr("greenbench.execute.run.open_case_meter", lambda bench: Idling())
    monkeypatch.setattr("greenbench.energy.clock.SystemClock.sleep", lambda self, seconds: None)
    result = run(kind, scale=replace(TINY, idle_s=5.0)).result
    readings = (
        [result.single.energy_per_image, result.large.energy_per_image]
        if kind == "inference"
        else [result.energy]
    )
    for reading in readings:
        assert reading.idle_j == pytest.approx(22 * reading.seconds)
        assert reading.net_energy_j == pytest.approx(reading.energy_j - 22 * reading.seconds)
        assert reading.idle_drift_w == pytest.approx(4.0)


@pytest.mark.parametrize("kind", ["training", "inference", "cost"])
def test_progress_is_told_whatever_runs(kind):
    told = []
    run_case(case_of(kind, own, SQUARES, TINY, 0), own, SQUARES, BENCH, told.append)
    assert told


@pytest.mark.parametrize("seed", [0, 5])
@pytest.mark.parametrize("evaluation", ["full images", "tiles"])
def test_what_trains_is_what_the_case_says(seed, evaluation):
    case = case_of("training", own, SQUARES, replace(TINY, vary="order"), seed, mode="fast")
    case = replace(case, setting={**case.setting, "evaluation": evaluation})
    recipe = SQUARES.recipe("tiny")
    trainer = trainer_of(case, recipe, small_data(), CPU)
    assert trainer.tile == (recipe.image_size if evaluation == "tiles" else None)
    assert (trainer.mode, trainer.recipe) == (FAST, recipe)
    alike = Trainer(recipe, small_data(), seed=seed, vary="order", device=CPU, mode=FAST)
    batches = [next(iter(one._batches()))[1] for one in (trainer, alike)]
    assert torch.equal(*batches)


@pytest.mark.parametrize("method", ["all", "epochs", "steady"])
def test_a_training_is_measured_as_its_scale_says(method, monkeypatch):
    seen = {}

    def watched(trainer, meter, metric, **options):
        seen.update(options, metric=metric, meter=meter.name)
        raise KeyError("seen")

    monkeypatch.setattr("greenbench.execute.train.train", watched)
    run(scale=replace(TINY, training_energy=method), bench=replace(BENCH, meter="estimate:50"))
    assert (seen["training_energy"], seen["evaluate_every"]) == (method, 2)
    assert (seen["metric"], seen["meter"]) == (SQUARES.metric, "estimate 50 W")


@pytest.mark.parametrize("found", [True, False])
def test_whatever_was_set_before_convolutions_run_as_the_mode_says(found):
    cudnn = torch.backends.cudnn
    with cudnn.flags(enabled=found, benchmark=found, deterministic=found, allow_tf32=found):
        with numerical_mode("paper"):
            assert (cudnn.enabled, cudnn.benchmark) == (True, False)
            assert (cudnn.deterministic, cudnn.allow_tf32) == (False, False)
        assert (cudnn.enabled, cudnn.benchmark) == (found, found)
        assert (cudnn.deterministic, cudnn.allow_tf32) == (found, found)


def test_a_mode_has_torch_s_own_defaults_where_it_asks_for_nothing_else():
    untouched = [switch.read() for switch in SWITCHES]
    with numerical_mode("paper"):
        assert [switch.read() for switch in SWITCHES] == untouched


def test_steps_are_measured_as_long_as_it_is_said():
    assert {
        "cpu": SteadySettings(target=0.01, warmup_s=0.5, block_s=0.1, limit_s=30.0, timed=True),
        "cuda": SteadySettings(target=0.01, warmup_s=3.0, block_s=0.25, limit_s=12.0, timed=True),
    } == cost.STEADY
    assert (cost.EVALUATION_S, cost.RESTARTS, cost.AHEAD) == (2.0, 3, 4)
