"""What a whole training costs, told from a part of it: against whole trainings on the NVML stub, whose energy is known."""

import random
import statistics
from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from bench_tests.harness.energy.conftest import loaded_stub, stub, stub_library  # noqa: F401  # fixtures
from bench_tests.harness.energy.training_simulation import SETTINGS, simulate
from bench_tests.harness.execute.small_run import (
    CPU,
    NO_METER,
    SQUARES,
    TRAIN_IMAGES,
    VALIDATION_IMAGES,
    network,
    small_data,
    small_recipe,
)
from bench_tests.harness.execute.test_run import own, run
from greenbench.data.made_up import VERSION, RandomImages
from greenbench.energy import lock
from greenbench.energy.clock import VirtualClock
from greenbench.energy.extrapolate.steady import SteadySettings
from greenbench.energy.sources.nvml.opening import open_nvml
from greenbench.execute import cost as cost_module
from greenbench.execute.cost import measure_cost
from greenbench.execute.made_up import random_images
from greenbench.execute.train import train
from greenbench.execute.trainer import Trainer
from greenbench.records.folder import RecordFolder, read_record
from greenbench.records.results import Cost, Failure
from greenbench.spec.case import RANDOM
from greenbench.spec.workload import ACCURACY

STEP_S, IMAGE_S, FIRST_STEP_S, EPOCH_START_S = 0.15, 0.002, 2.0, 0.1
EPOCHS = 120
BUILDING_S, H100_W = 2.0, 400.0
"""What a case takes beside its measuring, and what an H100 draws in a training of ResNet-50."""


class Card:
    """A GPU whose work takes virtual time: steps by the pixels of their images, slower first steps, pauses at epochs."""

    def __init__(self, clock):
        self.clock = clock
        self.begun = False

    def recipe(self, **changes):
        def objective(trainer, inputs, weighted):
            whole = inputs.shape[-1] / 8
            self.clock.sleep(STEP_S * whole**2)
            if not self.begun:
                self.clock.sleep(FIRST_STEP_S)
                self.begun = True
            return F.cross_entropy(trainer.network(inputs), weighted[0][1])

        def epoch_batches(batches):
            self.clock.sleep(EPOCH_START_S)
            yield from batches

        return replace(
            small_recipe(), epochs=EPOCHS, objective=objective, epoch_batches=epoch_batches, **changes
        )

    def data(self):
        data = small_data()
        evaluation_batches = data.evaluation_batches

        def slow(split):
            for images, labels in evaluation_batches(split):
                self.clock.sleep(IMAGE_S * len(images))
                yield images, labels

        data.evaluation_batches = slow
        return data


def half_size(epoch, epochs):
    return 0.5 if epoch < epochs // 2 else 1.0


SHAPES = {
    "plain": {},
    "evaluated seldom": {},
    "growing images": {"size_factor": half_size},
    "a teacher": {"teacher": True},
}


@contextmanager
def simulated(gpu, seed, drift=0.01):
    """A card of 300 W on average: it drifts, steps by a percent now and then, and scatters."""
    generator = random.Random(seed)
    first, constant_s, level = generator.uniform(-drift, drift), generator.uniform(10, 60), 0.01
    points, at = [(0.0, 60.0)], 1.0
    while at < 200.0:
        level = -level if generator.random() < 0.02 else level
        now = 1 + first * 2.718 ** (-at / constant_s) + level + generator.gauss(0, 0.02)
        points.append((at, 300.0 * now))
        at += 0.15
    gpu.reset()
    gpu.wave(points)
    gpu.command("set 0 tick 0.02")
    with open_nvml(lambda: None, clock=gpu.clock()) as meter:
        meter.clock.sleep(1.0)
        yield meter


def trainer_on(meter, changes):
    card = Card(meter.clock)
    teacher = replace(card.recipe(), epochs=40) if changes.get("teacher") else None
    return Trainer(card.recipe(**{**changes, "teacher": teacher}), card.data(), seed=0, device=CPU)


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
def test_energy_and_time_of_a_whole_training_are_within_two_percent(stub, shape, monkeypatch, tmp_path):  # noqa: F811
    monkeypatch.setattr(lock, "lock_folder", lambda: tmp_path)
    monkeypatch.setitem(cost_module.STEADY, "cpu", cost_module.STEADY["cuda"])
    every = 10 if shape == "evaluated seldom" else 1
    errors, times, evaluations = [], [], []
    for seed in range(6):
        with simulated(stub, seed) as meter:
            trainer = trainer_on(meter, SHAPES[shape])
            with meter.window("set-up") as setup:
                pass
            cost = measure_cost(trainer, meter, setup.reading, device=CPU, evaluate_every=every)
        with simulated(stub, seed) as meter:
            whole = train(trainer_on(meter, SHAPES[shape]), meter, ACCURACY, evaluate_every=every)
        assert cost.steps == whole.steps + (120 if shape == "a teacher" else 0)
        assert cost.measured_steps < cost.steps
        errors.append(cost.energy.energy_j / whole.energy.energy_j - 1)
        times.append(cost.train_seconds / whole.energy.seconds - 1)
        evaluations.append(cost.evaluation.seconds / whole.evaluation_energy.seconds - 1)
        assert cost.energy.comparison_uncertainty_j > 0
    assert statistics.median(map(abs, errors)) <= 0.02, errors
    assert max(map(abs, errors)) <= 0.03, errors
    assert max(map(abs, times)) <= 0.01, times
    assert max(map(abs, evaluations)) <= 0.01, evaluations


@pytest.mark.slow
def test_the_energy_column_of_both_tables_takes_20_minutes_and_half_a_megajoule(stub, monkeypatch, tmp_path):  # noqa: F811
    """The 64 pairs of the paper's Tables 1 and 2 on a simulated card, which drifts by up to 3 % and steps by 1 %."""
    monkeypatch.setattr(lock, "lock_folder", lambda: tmp_path)
    outcomes = [
        simulate(stub, setting, seed, cost_module.STEADY["cuda"])
        for setting in SETTINGS
        for seed in range(16)
    ]
    spent_s = sum(outcome.spent_s + cost_module.EVALUATION_S + BUILDING_S for outcome in outcomes)
    assert spent_s <= 20 * 60
    assert spent_s * H100_W <= 0.5e6
    assert statistics.median(abs(outcome.error) for outcome in outcomes) <= 0.02
    assert sum(outcome.inside for outcome in outcomes) >= 0.9 * len(outcomes)


class Silent(type(NO_METER)):
    """A meter that measures nothing, on a virtual clock."""

    def __init__(self):
        super().__init__("not measured in this test")
        self.clock = VirtualClock()


def cost_on(meter, changes=None, **options):
    with meter.window("set-up") as setup:
        meter.clock.sleep(7.0)
    return measure_cost(trainer_on(meter, changes or {}), meter, setup.reading, device=CPU, **options)


def test_time_is_known_without_a_meter_and_energy_says_why_it_is_not():
    cost = cost_on(Silent())
    whole_s = EPOCHS * (3 * STEP_S + EPOCH_START_S) + FIRST_STEP_S
    assert cost.train_seconds == pytest.approx(whole_s, rel=0.01)
    assert cost.train_half_width_s > 0
    assert (cost.energy.energy_j, cost.energy.reason) == (None, "not measured in this test")
    assert cost.images_per_s == pytest.approx(EPOCHS * TRAIN_IMAGES / whole_s, rel=0.01)
    assert cost.evaluation.seconds == pytest.approx((EPOCHS + 1) * VALIDATION_IMAGES * IMAGE_S, rel=0.01)
    assert cost.setup.seconds == 7.0
    assert cost.whole.seconds == pytest.approx(cost.train_seconds + cost.evaluation.seconds + 7.0)


def test_a_long_evaluation_is_measured_for_two_seconds(monkeypatch):
    monkeypatch.setattr("bench_tests.harness.execute.test_cost.IMAGE_S", 0.5)
    monkeypatch.setattr("greenbench.data.labels.EVALUATION_BATCH", 2)
    cost = cost_on(Silent())
    images = (EPOCHS + 1) * VALIDATION_IMAGES
    assert cost.evaluation.scaled_by == pytest.approx(images / 4), "two batches take two seconds"
    assert cost.evaluation.seconds == pytest.approx(images * 0.5)


def test_images_a_second_are_those_of_the_training_without_its_teacher():
    cost = cost_on(Silent(), {"teacher": True})
    whole_s = EPOCHS * (3 * STEP_S + EPOCH_START_S)
    assert cost.images_per_s == pytest.approx(EPOCHS * TRAIN_IMAGES / whole_s, rel=0.01)
    assert cost.train_seconds == pytest.approx(whole_s * 4 / 3 + FIRST_STEP_S, rel=0.01)


def test_measuring_ends_at_the_limit_and_says_that_it_is_not_known(monkeypatch):
    limited = SteadySettings(target=1e-9, warmup_s=0.5, block_s=0.1, limit_s=5.0, timed=True)
    monkeypatch.setitem(cost_module.STEADY, "cpu", limited)
    cost = cost_on(Silent())
    assert not cost.known
    assert cost.measured_steps * STEP_S < 6.0


def test_a_short_training_is_measured_to_its_end_at_most(monkeypatch):
    limited = SteadySettings(target=1e-9, warmup_s=0.5, block_s=0.1, limit_s=1e9, timed=True)
    monkeypatch.setitem(cost_module.STEADY, "cpu", limited)
    cost = cost_on(Silent())
    assert cost.known
    assert cost.measured_steps == cost.steps
    exact_s = EPOCHS * (3 * STEP_S + EPOCH_START_S) + FIRST_STEP_S
    assert cost.train_seconds == pytest.approx(exact_s, rel=1e-6)


@pytest.mark.parametrize(
    "change",
    [
        {"finish": lambda network: network},
        {"teacher": small_recipe()},
        {"size_factor": half_size},
        {"warm_up": True},
    ],
    ids=["finish", "teacher", "sizes", "warm-up"],
)
def test_all_that_a_training_does_has_its_cost(change, monkeypatch):
    warmed_up = []
    monkeypatch.setattr(Trainer, "warm_up", lambda trainer: warmed_up.append(next(trainer.epoch_steps())))
    technique = replace(own, apply=lambda recipe: replace(recipe, **change))
    cost = run("cost", technique).result
    assert isinstance(cost, Cost)
    assert cost.steps == 2 * 3 + (12 if "teacher" in change else 0)
    assert (cost.warm_up is not None) == ("warm_up" in change) == (len(warmed_up) == 1)
    assert cost.train_seconds > 0


def test_a_cost_is_a_record_like_all_others(tmp_path):
    record = run("cost")
    assert (record.workload.version, record.workload.train_images) == ("v", TRAIN_IMAGES)
    assert record.memory.of
    assert read_record(RecordFolder(tmp_path).write(record)) == record


STATED = replace(SQUARES, train_images=50, validation_images=9, data=None)


def random_run(workload):
    case = run("cost").case
    return run("cost", workload=workload, setting={**case.setting, "data": RANDOM})


def test_without_its_data_a_workload_is_measured_on_random_images():
    record = random_run(STATED)
    assert isinstance(record.result, Cost)
    assert record.workload.version == VERSION
    assert (record.workload.train_images, record.workload.validation_images) == (50, 9)


def test_a_workload_that_states_no_sizes_cannot_be_made_up():
    failure = random_run(replace(STATED, train_images=None)).result
    assert isinstance(failure, Failure)
    assert failure.error == "the data of squares are not there, and it states no sizes"


def made(workload, net):
    recipe = replace(workload.recipe("tiny"), network=lambda: net)
    return random_images(workload, "tiny", recipe, CPU)


def test_labels_or_masks_are_what_the_network_s_outputs_ask_for():
    images, labels = next(made(STATED, network()).training_batches(8, 1.0, torch.Generator()))
    assert (images.shape, images.dtype, labels.shape) == ((8, 3, 8, 8), torch.uint8, (8,))
    masks = made(replace(STATED, full_image_evaluation=(12, 16)), torch.nn.Conv2d(3, 3, 1))
    images, targets = next(masks.training_batches(8, 0.5, torch.Generator()))
    assert (images.shape, targets.shape) == ((8, 3, 4, 4), (8, 4, 4))
    assert next(masks.evaluation_batches("train"))[1].shape == (1, 12, 16)


@pytest.mark.parametrize("masks", [False, True])
def test_random_images_are_as_many_as_the_real_ones(masks):
    data = RandomImages(
        (50, 9), size=(8, 8), whole=(8, 8), num_classes=3, masks=masks, ignore_index=None, device=CPU
    )
    sizes = [len(images) for images, _ in data.training_batches(8, 1.0, torch.Generator())]
    assert sizes == [8] * 6 + ([] if masks else [2])
    assert data.steps_per_epoch(8) == len(sizes)
    assert sum(len(images) for images, _ in data.evaluation_batches("train")) == 9
