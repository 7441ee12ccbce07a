"""The training loop: what it repeats, what it measures, when it stops, and which weights it judges."""

from dataclasses import replace
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.optim import SGD

from greenbench.datasets import Splits, discover
from greenbench.energy import Meter, Reading, Status
from greenbench.energy.sources.none import NoMeter
from greenbench.data.images import ResidentImages
from greenbench.recipe import Recipe
from greenbench.nn.schedules import poly
from greenbench.tasks.classification_data import ClassificationData
from greenbench.tasks.segmentation_data import SegmentationData
from greenbench.tasks.shared import constant_size, plain_batch
from greenbench.techniques import lookahead, mixup
from greenbench.train import evaluation_mode, train

CPU = torch.device("cpu")
STEPS_PER_EPOCH = 3
TRAIN_IMAGES, HELD_OUT_IMAGES, BATCH = 22, 9, 8
NO_METER = NoMeter("not measured in this test")


def generator(seed):
    return torch.Generator().manual_seed(seed)


def network():
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)
    )  # fmt: skip


def sgd(network):
    return SGD(network.parameters(), lr=0.1, momentum=0.9)


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    """Threads that wait for each other cost more than this small network does."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def data():
    """Return random images of three classes, told apart by their brightness."""
    labels = torch.arange(TRAIN_IMAGES + HELD_OUT_IMAGES) % 3
    noise = torch.randint(0, 60, (len(labels), 3, 8, 8), generator=generator(0))
    images = (noise + 80 * labels.view(-1, 1, 1, 1)).to(torch.uint8)
    train_part = ResidentImages(images[:TRAIN_IMAGES], labels[:TRAIN_IMAGES])
    heldout = ResidentImages(images[TRAIN_IMAGES:], labels[TRAIN_IMAGES:])
    return ClassificationData(discover()["digits"], Splits(train_part, heldout, "v"), CPU)


@pytest.fixture
def recipe():
    return Recipe(
        task="classification",
        classes=3,
        image_size=(8, 8),
        ignore_index=None,
        epochs=4,
        batch_size=BATCH,
        network=network,
        optimizer=sgd,
        schedule=poly,
        loss=lambda: F.cross_entropy,
        batch_transform=plain_batch,
        size_factor=constant_size,
    )


class Joules(Meter):
    """Reads as many joules as the number of the window, and remembers the windows' labels."""

    name = "joules"

    def __init__(self):
        super().__init__()
        self.labels = []

    def _open(self, label, trace):
        self.labels.append(label)
        return float(len(self.labels))

    def _close(self, label, opened, seconds):
        return (Reading(opened, Status.MEASURED, "joules", seconds),)


def run(recipe, data, meter=NO_METER, **options):
    return train(recipe, data, meter, **({"seed": 0, "device": CPU} | options))


def outcome(result):
    """Return what must not differ between two runs of one seed: everything but times and energies."""
    curve = [(epoch.learning_rate, epoch.train_loss, epoch.heldout) for epoch in result.curve]
    return curve, result.train, result.heldout, result.best_heldout, result.best_epoch


@pytest.mark.parametrize("technique", [None, mixup, lookahead])
def test_one_seed_gives_one_result_to_the_last_bit(recipe, data, technique):
    recipe = technique.TECHNIQUE(recipe) if technique else recipe
    first = outcome(run(recipe, data, seed=3))
    torch.rand(1)  # whatever ran in between
    assert outcome(run(recipe, data, seed=3)) == first
    assert outcome(run(recipe, data, seed=4)) != first


def test_the_seed_decides_the_order_of_the_data_even_where_the_network_does_not_draw(recipe, data):
    def fixed():
        torch.manual_seed(0)
        return network()

    recipe = replace(recipe, network=fixed)
    losses = [run(recipe, data, seed=seed).curve[0].train_loss for seed in (1, 2)]
    assert losses[0] != losses[1]


def test_it_learns(recipe, data):
    result = run(replace(recipe, epochs=20), data)
    assert result.status == "finished"
    assert result.heldout["accuracy"] == 1.0
    assert result.curve[-1].train_loss < 0.5 * result.curve[0].train_loss


def test_the_curve_tells_each_epoch(recipe, data):
    result = run(recipe, data)
    steps = STEPS_PER_EPOCH * recipe.epochs
    assert [epoch.epoch for epoch in result.curve] == [1, 2, 3, 4]
    expected = [0.1 * (1 - STEPS_PER_EPOCH * epoch / steps) ** 0.9 for epoch in range(4)]
    assert [epoch.learning_rate for epoch in result.curve] == pytest.approx(expected)
    assert {epoch.image_size for epoch in result.curve} == {(8, 8)}
    assert all(epoch.seconds > 0 for epoch in result.curve)
    assert result.train_seconds == pytest.approx(sum(epoch.seconds for epoch in result.curve))
    assert result.heldout == result.curve[-1].heldout
    assert set(result.heldout) == set(result.train) == {"accuracy", "top5_accuracy"}
    assert result.steps == steps
    assert result.diverged_at_step is None


def test_the_best_epoch_is_the_first_of_the_best(recipe, data):
    result = run(replace(recipe, epochs=20), data)
    scores = [epoch.heldout["accuracy"] for epoch in result.curve]
    assert result.best_heldout == max(scores)
    assert result.best_epoch == scores.index(max(scores)) + 1
    assert scores.count(max(scores)) > 1, "otherwise this shows nothing"


@pytest.mark.parametrize(("every", "evaluated"), [(1, [1, 2, 3, 4, 5]), (2, [2, 4, 5]), (9, [5])])
def test_the_last_epoch_is_evaluated_and_every_nth(recipe, data, every, evaluated):
    result = run(replace(recipe, epochs=5), data, evaluate_every=every)
    assert [epoch.epoch for epoch in result.curve if epoch.heldout is not None] == evaluated
    assert result.heldout is not None
    assert result.train is not None


def test_how_often_it_is_evaluated_does_not_change_the_training(recipe, data):
    losses = [
        [epoch.train_loss for epoch in run(recipe, data, evaluate_every=every).curve] for every in (1, 4)
    ]
    assert losses[0] == losses[1]


def test_progress_is_told_after_every_step_with_the_latest_score(recipe, data):
    told = []
    result = run(recipe, data, progress=told.append)
    assert [progress.done for progress in told] == list(range(1, STEPS_PER_EPOCH * recipe.epochs + 1))
    assert {progress.steps for progress in told} == {STEPS_PER_EPOCH * recipe.epochs}
    assert told[0].text == "epoch 1/4"
    assert told[-1].text == f"epoch 4/4, held-out accuracy {result.curve[2].heldout['accuracy']:.3f}"


class NotFinite:
    """The cross-entropy, until its step is `at`: then it is `value`."""

    def __init__(self, at, value):
        self._at, self._value, self._step = at, value, 0

    def __call__(self, logits, targets):
        self._step += 1
        loss = F.cross_entropy(logits, targets)
        return loss * self._value if self._step == self._at else loss


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize(("step", "epochs_run"), [(1, 1), (5, 2), (6, 2), (12, 4)])
def test_a_loss_that_is_not_finite_ends_the_run_without_a_metric(recipe, data, value, step, epochs_run):
    result = run(replace(recipe, loss=partial(NotFinite, step, value)), data)
    assert (result.status, result.diverged_at_step) == ("diverged", step)
    assert result.heldout is None
    assert result.train is None
    assert len(result.curve) == epochs_run
    assert result.curve[-1].train_loss is None
    assert result.steps == epochs_run * STEPS_PER_EPOCH
    # Epochs before it keep what was found out.
    assert all(epoch.heldout and epoch.train_loss for epoch in result.curve[:-1])


def test_a_batch_s_loss_is_the_weighted_sum_over_its_targets(recipe, data):
    def thrice(images, targets, _generator):
        return images, [(2.0, targets), (1.0, targets)]

    resting = replace(recipe, epochs=1, optimizer=lambda n: SGD(n.parameters(), lr=0.0))
    plain = run(resting, data).curve[0].train_loss
    weighted = run(replace(resting, batch_transform=thrice), data).curve[0].train_loss
    assert weighted == pytest.approx(3 * plain, rel=1e-6)


def test_training_and_evaluation_are_measured_apart(recipe, data):
    meter = Joules()
    result = run(recipe, data, meter, evaluate_every=2)
    assert meter.labels == [
        "training at 8x8 px",
        "training at 8x8 px",
        "evaluation 2",
        "training at 8x8 px",
        "training at 8x8 px",
        "evaluation 4",
    ]
    assert result.energy.energy_j == 1 + 2 + 4 + 5
    assert result.evaluation_energy.energy_j == 3 + 6


def test_measured_epochs_are_scaled_to_the_run(recipe, data, monkeypatch):
    monkeypatch.setattr("greenbench.train.MEASURED_EPOCHS", 2)
    meter = Joules()
    result = run(replace(recipe, epochs=6), data, meter, training_energy="epochs", evaluate_every=6)
    assert meter.labels == ["training at 8x8 px"] * 2 + ["evaluation 6"]
    assert result.energy.energy_j == pytest.approx((1 + 2) * 6 / 2)
    assert result.energy.scaled_by == 3
    assert "2 of 6 epochs measured" in result.energy.reason
    assert result.evaluation_energy.energy_j == 3


def test_a_run_no_longer_than_what_is_measured_is_not_scaled(recipe, data):
    result = run(recipe, data, Joules(), training_energy="epochs")
    assert result.energy.scaled_by == 1


def test_a_diverged_run_costs_what_was_run_not_what_was_planned(recipe, data, monkeypatch):
    monkeypatch.setattr("greenbench.train.MEASURED_EPOCHS", 2)
    recipe = replace(recipe, epochs=10, loss=partial(NotFinite, 3 * STEPS_PER_EPOCH + 1, float("nan")))
    result = run(recipe, data, Joules(), training_energy="epochs", evaluate_every=10)
    assert len(result.curve) == 4
    assert result.energy.energy_j == pytest.approx((1 + 2) * 4 / 2)
    assert "2 of 4 epochs measured" in result.energy.reason
    assert run(recipe, data, Joules(), evaluate_every=10).energy.energy_j == 1 + 2 + 3 + 4


def test_without_a_meter_there_is_a_reason_and_no_figure(recipe, data):
    result = run(recipe, data)
    for reading in (result.energy, result.evaluation_energy):
        assert reading.energy_j is None
        assert reading.reason == "not measured in this test"


def scenes(count):
    images = torch.randint(0, 256, (count, 3, 64, 64), dtype=torch.uint8, generator=generator(0))
    masks = torch.randint(0, 4, (count, 64, 64), dtype=torch.uint8, generator=generator(1))
    return ResidentImages(images, masks)


def test_images_that_change_size_are_measured_throughout(recipe, monkeypatch):
    monkeypatch.setattr("greenbench.train.MEASURED_EPOCHS", 1)
    data = SegmentationData(discover()["scenes4"], Splits(scenes(4), scenes(2), "v"), CPU)
    growing = replace(
        recipe,
        task="segmentation",
        image_size=(64, 64),
        batch_size=2,
        epochs=3,
        network=lambda: nn.Conv2d(3, 4, 1),
        loss=lambda: partial(F.cross_entropy, ignore_index=255),
        size_factor=lambda epoch, epochs: (0.25, 0.5, 1.0)[epoch],
    )
    meter = Joules()
    result = run(growing, data, meter, training_energy="epochs", evaluate_every=3)
    assert [epoch.image_size for epoch in result.curve] == [(16, 16), (32, 32), (64, 64)]
    assert result.energy.energy_j == 1 + 2 + 3
    assert result.energy.scaled_by == 1
    assert meter.labels == [f"training at {side}x{side} px" for side in (16, 32, 64)] + ["evaluation 3"]
    assert set(result.heldout) == {"miou", "pixel_accuracy"}


class TwoWeights(SGD):
    """Keeps a second weight, 42, for evaluation, and notes when it is asked to switch."""

    def __init__(self, network, events):
        super().__init__(network.parameters(), lr=0.1)
        self.events = events

    def eval(self):
        self.events.append("eval")

    def train(self):
        self.events.append("train")


def test_an_optimizer_with_two_sets_of_weights_is_switched_around_every_evaluation(recipe, data):
    events = []

    class Watched(nn.Linear):
        def forward(self, x):
            events.append("training pass" if self.training else "evaluation pass")
            return super().forward(x.flatten(1))

    run(
        replace(recipe, epochs=2, network=lambda: Watched(192, 3), optimizer=lambda n: TwoWeights(n, events)),
        data,
    )
    training = ["training pass"] * STEPS_PER_EPOCH
    assert events == [
        *(*training, "eval", "evaluation pass", "train"),
        *(*training, "eval", "evaluation pass", "evaluation pass", "train"),
    ]


def test_the_network_and_the_optimizer_are_switched_back_when_an_evaluation_fails():
    net, events = network(), []

    def broken_evaluation():
        with evaluation_mode(net, TwoWeights(net, events)):
            events.extend((net.training, torch.is_grad_enabled()))
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        broken_evaluation()
    assert net.training
    assert events == ["eval", False, False, "train"]


def test_lookahead_is_judged_by_its_slow_weights(recipe, data):
    """With 3 steps of 5 done, the slow weights are still the initial ones."""
    built = []

    def remembered():
        built.append(network())
        return built[-1]

    ahead = lookahead.TECHNIQUE(replace(recipe, epochs=1, network=remembered))
    judged = []

    class Score:
        def update(self, logits, targets):
            judged.append([p.detach().clone() for p in built[-1].parameters()])

        def compute(self):
            return {"accuracy": 0.0}

    class Watched(ClassificationData):
        def score(self):
            return Score()

    watched = Watched(discover()["digits"], Splits(*data._splits.values(), "v"), CPU)
    run(ahead, watched)
    torch.manual_seed(0)
    initial = list(network().parameters())
    assert all(torch.equal(a, b) for a, b in zip(judged[0], initial, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(built[-1].parameters(), initial, strict=True))


def test_a_schedule_acts_through_lookahead(recipe, data):
    ahead = lookahead.TECHNIQUE(recipe)
    assert [e.learning_rate for e in run(ahead, data).curve] == [
        e.learning_rate for e in run(recipe, data).curve
    ]
    built = []

    def remembered():
        built.append(network())
        return built[-1]

    def zero(optimizer, _steps_per_epoch, _epochs):
        return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _step: 0.0)

    run(replace(ahead, network=remembered, schedule=zero), data)
    torch.manual_seed(0)
    for resting, initial in zip(built[0].parameters(), network().parameters(), strict=True):
        assert torch.equal(resting, initial)


def test_parameters_that_are_never_used_stay_as_they_are(recipe, data):
    built = []

    class WithSpare(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = network()
            self.spare = nn.Linear(3, 3)
            built.append(self)

        def forward(self, x):
            return self.body(x)

    decayed = replace(
        recipe,
        network=WithSpare,
        optimizer=lambda n: SGD(n.parameters(), lr=0.1, momentum=0.9, weight_decay=0.5),
    )
    run(decayed, data)
    torch.manual_seed(0)
    fresh = WithSpare()
    assert torch.equal(built[0].spare.weight, fresh.spare.weight)
    assert not torch.equal(built[0].body[0].weight, fresh.body[0].weight)
