"""One training under way: what it repeats, which streams of random numbers it has, and how it is saved."""

import copy
import io
import random
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.optim import SGD
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from bench_tests.harness.execute.small_run import (
    CPU,
    STEPS_PER_EPOCH,
    TRAIN_IMAGES,
    generator,
    network,
    run,
    small_data,
)
from greenbench.errors import UserError
from greenbench.execute.trainer import Trainer
from greenbench.spec.recipe import plain_objective
from greenbench.techniques.lookahead import lookahead
from greenbench.techniques.mixup import mixup
from greenbench.techniques.random_gradient import random_gradient


def trainer_of(recipe, data, seed=0):
    return Trainer(recipe, data, seed=seed, device=CPU)


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def outcome(result):
    """Return what must not differ between two runs of one seed: everything but times and energies."""
    curve = [(epoch.learning_rate, epoch.train_loss, epoch.validation) for epoch in result.curve]
    return curve, result.train, result.validation, result.best, result.best_epoch


@pytest.mark.parametrize(
    "technique", [lambda recipe: recipe, mixup, lookahead], ids=["none", "mixup", "lookahead"]
)
def test_one_seed_gives_one_result_to_the_last_bit(recipe, data, technique):
    recipe = technique(recipe)
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


class Seen:
    """Passes batches on, and remembers their images; draws as many numbers as it is told to."""

    def __init__(self, draws=0):
        self.draws = draws
        self.images = []
        self.drawn = []

    def __call__(self, images, targets, generator):
        self.images.append(images.clone())
        self.drawn.append(torch.rand(self.draws, generator=generator))
        return images, [(1.0, targets)]


def test_what_a_technique_draws_does_not_shift_the_data(recipe, data):
    """The order of the images and their augmentation are the baseline's."""
    quiet, drawing = Seen(), Seen(draws=5)
    for seen in (quiet, drawing):
        list(trainer_of(replace(recipe, batch_transform=seen), data).remaining_steps())
    assert len(quiet.images) == STEPS_PER_EPOCH * recipe.epochs
    assert all(torch.equal(a, b) for a, b in zip(quiet.images, drawing.images, strict=True))
    assert not torch.equal(quiet.images[0], quiet.images[STEPS_PER_EPOCH]), "every epoch has its own order"


def test_a_technique_draws_other_numbers_than_the_data_do(recipe, data):
    seen = Seen(draws=5)
    list(trainer_of(replace(recipe, batch_transform=seen), data).epoch_steps())
    assert not torch.equal(seen.drawn[0], torch.rand(5, generator=generator(0)))


class Drawing(nn.Module):
    """Has all kinds of state that a resumed run needs: running averages, and draws from torch's own stream."""

    def __init__(self):
        super().__init__()
        self.body = network()
        self.dropout = nn.Dropout(0.3)

    def forward(self, x):
        return self.body(self.dropout(x))


class Cosine(torch.optim.lr_scheduler.CosineAnnealingLR):
    """Its rate follows from the last rate, so that it has to be restored."""


def average(net, _steps_per_epoch, _epochs):
    return AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(0.5), use_buffers=True)


class Remembering(nn.Module):
    """A loss that weighs by what it has seen, and draws from the generators that Python and NumPy share among all."""

    def __init__(self):
        super().__init__()
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, outputs, targets):
        loss = F.cross_entropy(outputs, targets)
        self.seen += loss.detach()
        return loss * (1 + 0.1 * self.seen + random.random() + np.random.random())


def imitate(trainer, inputs, targets):
    """Add the distance from the teacher to the objective."""
    taught = plain_objective(trainer, inputs, targets)
    return taught + F.mse_loss(trainer.network(inputs), trainer.teacher(inputs))


RECIPES = {
    "average": lambda recipe: replace(recipe, average=average),
    "plain": lambda recipe: recipe,
    "dropout": lambda recipe: replace(recipe, network=Drawing),
    "a loss with a memory": lambda recipe: replace(recipe, loss=Remembering),
    "mixup": mixup,
    "lookahead": lookahead,
    "random gradient": random_gradient,
    "Adam and a recursive schedule": lambda recipe: replace(
        recipe,
        optimizer=lambda net, _rate: torch.optim.Adam(net.parameters(), lr=0.01),
        schedule=lambda optimizer, steps, epochs: Cosine(optimizer, steps * epochs),
    ),
    "a size that changes": lambda recipe: replace(recipe, size_factor=lambda epoch, epochs: 1.0),
}


@pytest.mark.parametrize("change", RECIPES.values(), ids=RECIPES)
@pytest.mark.parametrize("stop", [0, 1, 2, 3, 4, 5, 6])
def test_a_run_that_is_saved_after_any_step_goes_on_bit_for_bit(recipe, change, stop):
    recipe = replace(change(recipe), epochs=2)
    first = trainer_of(recipe, small_data())
    steps = first.remaining_steps()
    list(islice(steps, stop))
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    losses = list(steps)
    first.evaluate("validation")

    file.seek(0)
    torch.rand(3), random.random(), np.random.random()  # another process has other states
    resumed = trainer_of(recipe, small_data(), seed=99)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    again = list(resumed.remaining_steps())
    resumed.evaluate("validation")
    assert len(losses) == len(again) == 2 * STEPS_PER_EPOCH - stop
    assert all(torch.equal(a, b) for a, b in zip(losses, again, strict=True))
    assert equal(first.network.state_dict(), resumed.network.state_dict())
    assert first.schedule.get_last_lr() == resumed.schedule.get_last_lr()


def test_a_run_can_be_saved_between_epochs_too(recipe, data):
    whole = trainer_of(recipe, data)
    list(whole.remaining_steps())
    first = trainer_of(recipe, data)
    list(first.epoch_steps())
    state = copy.deepcopy(first.state_dict())
    resumed = trainer_of(recipe, data, seed=99)
    resumed.load_state_dict(state)
    assert resumed.epoch == 1
    list(resumed.remaining_steps())
    assert equal(whole.network.state_dict(), resumed.network.state_dict())


def test_every_part_of_the_state_is_needed(recipe):
    """Without any one of them, the resumed run ends elsewhere, or is refused."""
    recipe = mixup(replace(recipe, network=Drawing, epochs=2, teacher=replace(recipe, epochs=1)))
    recipe = replace(recipe, average=average, objective=imitate, loss=Remembering)
    fresh = copy.deepcopy(trainer_of(recipe, small_data(), seed=99).state_dict())
    first = trainer_of(recipe, small_data())
    steps = first.remaining_steps()
    list(islice(steps, STEPS_PER_EPOCH + 4))
    state = copy.deepcopy(first.state_dict())
    list(steps)
    parts = {name: {**state, name: fresh[name]} for name in state.keys() - {"random"}}
    for name in state["random"].keys() - {"cuda"}:
        parts[name] = {**state, "random": {**state["random"], name: fresh["random"][name]}}
    for name in sorted(parts):
        resumed = trainer_of(recipe, small_data(), seed=99)
        resumed.load_state_dict(parts[name])
        list(resumed.remaining_steps())
        same = equal(first.judged_weights(), resumed.judged_weights())
        assert not same or first.schedule.get_last_lr() != resumed.schedule.get_last_lr(), name


def test_steps_of_one_epoch_can_be_taken_over_and_over(recipe, data):
    trainer = trainer_of(recipe, data)
    taken = [trainer.step for _ in islice(trainer.steps_like(2), 2 * STEPS_PER_EPOCH + 1)]
    first = 2 * STEPS_PER_EPOCH + 1
    epoch = list(range(first, first + STEPS_PER_EPOCH))
    assert taken == [*epoch, *epoch, first]
    assert trainer.steps == recipe.epochs * STEPS_PER_EPOCH


def test_a_batch_s_loss_is_the_weighted_sum_over_its_targets(recipe, data):
    def thrice(images, targets, _generator):
        return images, [(2.0, targets), (1.0, targets)]

    resting = replace(recipe, epochs=1, optimizer=lambda n, _rate: SGD(n.parameters(), lr=0.0))
    plain = run(resting, data).curve[0].train_loss
    weighted = run(replace(resting, batch_transform=thrice), data).curve[0].train_loss
    assert weighted == pytest.approx(3 * plain, rel=1e-6)


def test_the_schedule_steps_after_every_step(recipe, data):
    trainer = trainer_of(recipe, data)
    rates = [trainer.schedule.get_last_lr()[0] for _ in trainer.remaining_steps()]
    total = STEPS_PER_EPOCH * recipe.epochs
    assert rates == pytest.approx([0.1 * (1 - (step + 1) / total) ** 0.9 for step in range(total)])


class TwoWeights(SGD):
    """Keeps a second set of weights for evaluation, and notes when it is asked to switch."""

    def __init__(self, network, events):
        super().__init__(network.parameters(), lr=0.1)
        self.events = events

    def eval(self):
        self.events.append("eval")

    def train(self):
        self.events.append("train")


class Watched(nn.Linear):
    """Notes in which mode it is called, and whether gradients are kept."""

    def __init__(self, events):
        super().__init__(192, 3)
        self.events = events

    def forward(self, x):
        mode = "training" if self.training else "evaluation"
        self.events.append(f"{mode}, gradients {'on' if torch.is_grad_enabled() else 'off'}")
        return super().forward(x.flatten(1))


def test_an_optimizer_with_two_sets_of_weights_is_switched_around_every_evaluation(recipe, data):
    events = []
    run(
        replace(
            recipe,
            epochs=2,
            network=lambda: Watched(events),
            optimizer=lambda n, _rate: TwoWeights(n, events),
        ),
        data,
    )
    training = ["training, gradients on"] * STEPS_PER_EPOCH
    evaluation = ["eval", "evaluation, gradients off", "train"]
    assert events == [*training, *evaluation, *training, *evaluation, *evaluation]


def test_network_and_optimizer_are_switched_back_when_an_evaluation_fails(recipe, data, monkeypatch):
    events = []
    trainer = trainer_of(replace(recipe, optimizer=lambda n, _rate: TwoWeights(n, events)), data)
    monkeypatch.setattr(trainer.data, "evaluation_batches", lambda split: iter([(torch.ones(1), None)]))
    with pytest.raises((RuntimeError, TypeError, AttributeError)):
        trainer.evaluate("validation")
    assert trainer.network.training
    assert events == ["eval", "train"]


def test_a_network_that_gives_nan_has_no_score(recipe, data):
    trainer = trainer_of(recipe, data)
    assert 0 <= trainer.evaluate("train")["accuracy"] <= 1
    with torch.no_grad():
        trainer.network[0].weight[0, 0, 0, 0] = torch.nan
    assert trainer.evaluate("train") is None


class NoValue:
    def update(self, logits, targets):
        pass

    def compute(self):
        return {"fine": 1.0, "miou": float("nan")}


def test_a_metric_that_is_not_finite_is_refused_by_name(recipe, data, monkeypatch):
    trainer = trainer_of(recipe, data)
    monkeypatch.setattr(trainer.data, "score", NoValue)
    with pytest.raises(UserError, match="miou of the validation images is nan") as refused:
        trainer.evaluate("validation")
    assert "targets" in refused.value.next_step or "target" in refused.value.next_step


def test_as_many_training_images_are_judged_as_there_are_for_validation(recipe, data):
    trainer = trainer_of(recipe, data)
    sizes = [
        sum(len(images) for images, _ in data.evaluation_batches(split)) for split in ("train", "validation")
    ]
    assert sizes == [9, 9]
    assert TRAIN_IMAGES > 9
    assert trainer.evaluate("train").keys() == trainer.evaluate("validation").keys()


def test_lookahead_is_judged_by_its_slow_weights(recipe, data, monkeypatch):
    """With 3 steps of 5 done, the slow weights are still the initial ones."""
    trainer = trainer_of(lookahead(replace(recipe, epochs=1)), data)
    initial = [p.detach().clone() for p in trainer.network.parameters()]
    judged = []

    class Score:
        def update(self, logits, targets):
            judged.extend(p.detach().clone() for p in trainer.network.parameters())

        def compute(self):
            return {}

    monkeypatch.setattr(data, "score", Score)
    list(trainer.remaining_steps())
    trainer.evaluate("validation")
    assert all(torch.equal(a, b) for a, b in zip(judged, initial, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(trainer.network.parameters(), initial, strict=True))


def test_a_schedule_acts_through_lookahead(recipe, data):
    ahead = lookahead(recipe)
    rates, plain = ([e.learning_rate for e in run(r, data).curve] for r in (ahead, recipe))
    assert rates == plain

    def zero(optimizer, _steps_per_epoch, _epochs):
        return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _step: 0.0)

    trainer = trainer_of(replace(ahead, schedule=zero), data)
    initial = [p.detach().clone() for p in trainer.network.parameters()]
    list(trainer.remaining_steps())
    assert all(torch.equal(a, b) for a, b in zip(trainer.network.parameters(), initial, strict=True))


class WithSpare(nn.Module):
    """Has weights that no pass uses."""

    def __init__(self):
        super().__init__()
        self.body = network()
        self.spare = nn.Linear(3, 3)

    def forward(self, x):
        return self.body(x)


def test_parameters_that_are_never_used_stay_as_they_are(recipe, data):
    decayed = replace(
        recipe,
        network=WithSpare,
        optimizer=lambda n, _rate: SGD(n.parameters(), lr=0.1, momentum=0.9, weight_decay=0.5),
    )
    trainer = trainer_of(decayed, data)
    spare, used = trainer.network.spare.weight.clone(), trainer.network.body[0].weight.clone()
    list(trainer.remaining_steps())
    assert torch.equal(trainer.network.spare.weight, spare)
    assert not torch.equal(trainer.network.body[0].weight, used)
