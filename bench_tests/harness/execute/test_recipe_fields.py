"""Each place of the step that a recipe can fill, and the work around the steps: a teacher, a warm-up, a finish."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.optim.swa_utils import AveragedModel

from bench_tests.harness.execute.small_run import BATCH, CPU, STEPS_PER_EPOCH, Joules, network, run
from greenbench.errors import UserError
from greenbench.execute.trainer import Trainer
from greenbench.spec.recipe import plain_gradients, plain_objective


def trainer_of(recipe, data, seed=0):
    return Trainer(recipe, data, seed=seed, device=CPU)


def test_a_step_goes_through_its_places_in_their_order(recipe, data):
    seen = []

    def augment(images, targets, generator):
        seen.append(f"augment {images.dtype}")
        return images, targets

    def batch_transform(images, targets, generator):
        seen.append(f"transform {images.dtype}")
        return images, [(0.25, targets), (0.75, targets)]

    def objective(trainer, images, weighted):
        seen.append(f"objective of {len(weighted)} at step {trainer.step} of {trainer.steps}")
        return plain_objective(trainer, images, weighted)

    def gradients(trainer, images, weighted):
        seen.append("gradients")
        loss = plain_gradients(trainer, images, weighted)
        assert all(p.grad is not None for p in trainer.network.parameters())
        return loss

    changed = replace(
        recipe,
        epochs=1,
        augment=augment,
        batch_transform=batch_transform,
        objective=objective,
        gradients=gradients,
    )
    plain = list(trainer_of(replace(recipe, epochs=1), data).remaining_steps())
    losses = list(trainer_of(changed, data).remaining_steps())
    assert seen == [
        part
        for step in range(STEPS_PER_EPOCH)
        for part in (
            "augment torch.uint8",
            "transform torch.float32",
            "gradients",
            f"objective of 2 at step {step} of {STEPS_PER_EPOCH}",
        )
    ]
    torch.testing.assert_close(losses, plain)


def test_the_optimizer_starts_from_the_recipe_s_rate(recipe, data):
    doubled = trainer_of(replace(recipe, learning_rate=2 * recipe.learning_rate), data)
    assert doubled.schedule.get_last_lr() == [
        2 * rate for rate in trainer_of(recipe, data).schedule.get_last_lr()
    ]


def test_an_average_is_updated_after_every_step_and_judged(recipe, data):
    """Against a mean that is added up by hand."""

    def mean(net, steps_per_epoch, epochs):
        assert (steps_per_epoch, epochs) == (STEPS_PER_EPOCH, 1)
        return AveragedModel(net)

    trainer = trainer_of(replace(recipe, epochs=1, average=mean), data)
    seen = []
    for _ in trainer.remaining_steps():
        seen.append(trainer.network[0].weight.detach().double().clone())
    torch.testing.assert_close(
        trainer.judged_weights()["0.weight"].double(), torch.stack(seen).mean(0), rtol=1e-5, atol=1e-7
    )
    plain = trainer_of(replace(recipe, epochs=1), data)
    list(plain.remaining_steps())
    assert trainer.evaluate("validation") is not None
    torch.testing.assert_close(trainer.network.state_dict(), plain.network.state_dict(), rtol=0, atol=0)
    with torch.no_grad():
        trainer.network[0].weight.fill_(torch.nan)
    assert trainer.evaluate("validation") is not None, "the average is judged, not the network"


class Wider(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = network()

    def forward(self, images):
        return self.body(images)


def test_a_teacher_is_trained_first_and_measured_as_part_of_the_run(recipe, data):
    def objective(trainer, images, weighted):
        assert not trainer.teacher.training
        assert not any(p.requires_grad for p in trainer.teacher.parameters())
        return plain_objective(trainer, images, weighted) + F.mse_loss(
            trainer.network(images), trainer.teacher(images)
        )

    taught = replace(recipe, teacher=replace(recipe, network=Wider, epochs=2), objective=objective)
    meter, told = Joules(), []
    result = run(taught, data, meter, evaluate_every=4, progress=told.append)
    assert meter.labels[0] == "training of the teacher"
    assert result.teacher.energy_j == 1
    assert result.energy.energy_j == 1 + 2 + 3 + 4 + 5
    assert result.train_seconds == pytest.approx(
        result.teacher.seconds + sum(epoch.seconds for epoch in result.curve)
    )
    assert [progress.text for progress in told[: 2 * STEPS_PER_EPOCH]] == ["teacher"] * (2 * STEPS_PER_EPOCH)
    assert result.steps == 4 * STEPS_PER_EPOCH
    assert run(recipe, data).teacher is None
    trainer = trainer_of(taught, data)
    assert trainer.teacher is None, "it has not been trained yet"
    before = list(trainer.train_teacher())
    assert len(before) == trainer.teacher_steps == 2 * STEPS_PER_EPOCH
    weights = [p.clone() for p in trainer.teacher.parameters()]
    list(trainer.remaining_steps())
    assert all(torch.equal(a, b) for a, b in zip(weights, trainer.teacher.parameters(), strict=True))


def test_a_warm_up_is_measured_apart_and_leaves_no_trace(recipe, data):
    meter = Joules()
    warm = run(replace(recipe, warm_up=True), data, meter, evaluate_every=4)
    cold = run(recipe, data, evaluate_every=4)
    assert meter.labels[0] == "warm-up"
    assert warm.warm_up.energy_j == 1
    assert cold.warm_up is None
    assert warm.energy.energy_j == 2 + 3 + 4 + 5
    assert warm.train_seconds == sum(epoch.seconds for epoch in warm.curve)
    assert [epoch.train_loss for epoch in warm.curve] == [epoch.train_loss for epoch in cold.curve]
    assert warm.validation == cold.validation
    trainer = trainer_of(recipe, data)
    taken, take = [], trainer._take_step
    trainer._take_step = lambda batch: taken.append(batch) or take(batch)
    trainer.warm_up()
    assert len(taken) == 1
    assert all(weights.grad is None for weights in trainer.network.parameters()), "0 would let weights decay"
    assert (trainer.step, trainer.epoch) == (0, 0)


def test_the_finished_network_is_judged_at_the_end_and_there_alone(recipe, data):
    def blank(net):
        with torch.no_grad():
            net[-1].weight.zero_()
            net[-1].bias.copy_(torch.tensor([0.0, 1.0, 0.0]))
        return net

    trainer = trainer_of(replace(recipe, epochs=2, finish=blank), data)
    list(trainer.epoch_steps())
    assert trainer.evaluate("validation")["accuracy"] > 0.4
    list(trainer.remaining_steps())
    weights = trainer.judged_weights()
    share = trainer.evaluate("validation")["accuracy"]
    assert share == pytest.approx(3 / 9), "it answers 1 to all: a third of the images"
    torch.testing.assert_close(weights, trainer.judged_weights(), rtol=0, atol=0)
    assert trainer.network[-1].weight.abs().sum() > 0, "a copy was finished"


def test_batches_may_be_used_more_than_once(recipe, data):
    images = []

    def echo(batches):
        for batch in batches:
            yield batch
            yield batch

    def note(inputs, targets, generator):
        images.append(inputs.clone())
        return inputs, targets

    trainer = trainer_of(replace(recipe, epochs=1, epoch_batches=echo, augment=note), data)
    assert len(list(trainer.remaining_steps())) == STEPS_PER_EPOCH
    assert torch.equal(images[0], images[1])
    assert not torch.equal(images[1], images[2])


def test_too_few_batches_are_refused(recipe, data):
    def half(batches):
        yield next(batches)

    with pytest.raises(UserError, match=f"gave 1 batches of an epoch of {STEPS_PER_EPOCH}.*at least as many"):
        list(trainer_of(replace(recipe, epoch_batches=half), data).remaining_steps())


@pytest.mark.parametrize("field", ["network", "finish"])
def test_what_is_no_network_is_refused_by_its_type(recipe, data, field):
    changed = replace(recipe, epochs=1, **{field: lambda *_: [network()]})
    with pytest.raises(UserError, match=r"is of type list, not a torch\.nn\.Module"):
        run(changed, data)


@pytest.mark.parametrize("field", ["gradients", "objective"])
def test_a_function_without_a_return_is_named(recipe, data, field):
    def forgets(trainer, inputs, targets):
        plain_objective(trainer, inputs, targets)

    with pytest.raises(UserError, match=f"the recipe's {field} returned NoneType.*; end it with return loss"):
        run(replace(recipe, epochs=1, **{field: forgets}), data)


def test_a_loss_with_weights_of_its_own_is_moved_to_the_device(recipe, data):
    loss = nn.CrossEntropyLoss(weight=torch.ones(3))
    trainer = Trainer(replace(recipe, loss=lambda: loss), data, seed=0, device=torch.device("meta"))
    assert loss.weight.is_meta
    assert all(weights.is_meta for weights in trainer.network.parameters())
    weighted = replace(recipe, epochs=1, loss=lambda: nn.CrossEntropyLoss(weight=torch.ones(3)))
    assert run(weighted, data).curve[0].train_loss == run(replace(recipe, epochs=1), data).curve[0].train_loss


def test_outputs_may_be_a_structure(recipe, data, monkeypatch):
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = network()

        def forward(self, images):
            return {"logits": self.body(images), "extra": [torch.ones(len(images))]}

    class Size:
        def __init__(self):
            self.images = 0

        def update(self, outputs, targets):
            self.images += len(outputs["logits"])

        def compute(self):
            return {"accuracy": float(self.images)}

    monkeypatch.setattr(data, "score", Size)
    changed = replace(
        recipe, network=Two, loss=lambda: lambda outputs, targets: F.cross_entropy(outputs["logits"], targets)
    )
    trainer = trainer_of(changed, data)
    assert next(trainer.remaining_steps()) > 0
    assert trainer.evaluate("validation") == {"accuracy": 9.0}
    with torch.no_grad():
        trainer.network.body[-1].bias.fill_(torch.nan)
    assert trainer.evaluate("validation") is None
    assert BATCH == 8
