"""What the seed of a run varies: all of it, or one part while the others stay as with seed 0."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import nn

from bench_tests.harness.data.test_streamed import Noisy, streamed
from bench_tests.harness.execute.small_run import CPU, STEPS_PER_EPOCH, small_data
from greenbench.data.loading import draw_order
from greenbench.errors import UserError
from greenbench.execute.seeds import NEXT_EPOCH, ORDER_STREAM, TEACHER_STREAM, TECHNIQUE_STREAM, Seeds
from greenbench.execute.trainer import Trainer
from greenbench.spec.scale import VARIES, VARY_ALL

PARTS = [part for part in VARIES if part != VARY_ALL]


def trainer_of(recipe, data, seed=0, vary=VARY_ALL):
    return Trainer(recipe, data, seed=seed, vary=vary, device=CPU)


def drawn(recipe, data, seed, vary):
    """Return first weights, the order of the labels, the augmented images in that order, and other draws."""
    seen = []

    def noted(inputs, targets, generator):
        seen.append((inputs.clone(), targets.clone(), torch.rand(1, generator=generator), torch.rand(1)))
        return inputs, targets

    trainer = trainer_of(replace(recipe, augment=noted), data, seed, vary)
    weights = torch.cat([p.detach().flatten() for p in trainer.network.parameters()])
    for _ in range(2):
        for _loss in trainer.epoch_steps():
            pass
    inputs, targets, own, others = (torch.cat(part) for part in zip(*seen, strict=True))
    return {"init": weights, "order": targets, "images": inputs, "own": own, "others": others}


@pytest.fixture
def alike():
    """Return data whose images are all alike, so that what an image shows is its augmentation alone."""
    data = small_data()
    for images in data._splits.values():
        images.images[:] = torch.arange(64, dtype=torch.uint8).view(8, 8)
    return data


VARIED = {"init": {"init"}, "order": {"order"}, "augmentation": {"images", "own", "others"}}


@pytest.mark.parametrize("part", PARTS)
def test_one_part_varies_and_the_others_are_those_of_seed_0(recipe, alike, part):
    first, other = (drawn(recipe, alike, seed, part) for seed in (0, 5))
    assert {name for name in first if not torch.equal(first[name], other[name])} == VARIED[part]


def test_all_parts_vary_together_unless_told_otherwise(recipe, alike):
    first, other = (drawn(recipe, alike, seed, VARY_ALL) for seed in (0, 5))
    assert not any(torch.equal(first[name], other[name]) for name in first)


def test_seed_0_is_the_same_run_whatever_varies(recipe, data):
    runs = [drawn(recipe, data, 0, part) for part in PARTS]
    assert all(torch.equal(one[name], other[name]) for one, other in pairwise(runs) for name in one)


@pytest.mark.parametrize("part", PARTS)
def test_each_epoch_has_an_order_and_an_augmentation_of_its_own(recipe, alike, part):
    found = drawn(recipe, alike, 3, part)
    for name in ("order", "images"):
        first, second = found[name].chunk(2)
        assert not torch.equal(first, second)


@pytest.mark.parametrize("part", PARTS)
def test_a_run_goes_on_where_it_was_saved(recipe, data, part):
    whole, first = (trainer_of(recipe, data, 2, part) for _ in range(2))
    for _ in range(2):
        losses = [float(loss) for loss in whole.epoch_steps()]
    for _loss in first.epoch_steps():
        pass
    steps = first.epoch_steps()
    next(steps)
    state = first.state_dict()
    resumed = trainer_of(recipe, data, 7, part)
    if part == "order":  # whose seed is not in the state
        resumed = trainer_of(recipe, data, 2, part)
    resumed.load_state_dict(state)
    assert [float(loss) for loss in resumed.epoch_steps()] == losses[1:]
    assert len(losses) == STEPS_PER_EPOCH


class OwnData:
    """Draws order and augmentation by one generator, as a user's data may."""

    def __init__(self):
        self._data = small_data()

    def __getattr__(self, name):
        return getattr(self._data, name)

    def training_batches(self, batch_size, size_factor, generator):
        for chosen in torch.randperm(self.size("train"), generator=generator).split(batch_size):
            images = self._data._splits["train"]
            yield images.images[chosen], images.targets[chosen]


@pytest.mark.parametrize("part", ["order", "augmentation"])
def test_data_that_do_not_tell_them_apart_are_refused(recipe, part):
    with pytest.raises(UserError, match=f"{part} alone cannot vary") as refused:
        next(trainer_of(recipe, OwnData(), vary=part).epoch_steps())
    assert "draw_order" in refused.value.next_step


def test_the_first_weights_vary_alone_for_any_data(recipe):
    first, other = (drawn(recipe, OwnData(), seed, "init") for seed in (0, 5))
    assert torch.equal(first["order"], other["order"])


def test_samples_that_draw_for_themselves_belong_to_the_augmentation(recipe):
    def values(seed, vary):
        seeds = Seeds(seed, vary)
        data = streamed(Noisy(10))
        read = seeds.batches(lambda generator: data.training_batches(4, 1.0, generator), seeds.draws(), 0)
        inputs = torch.cat([inputs for inputs, _ in read])
        return inputs[:, 0], inputs[:, 1:]

    order, noise = values(0, "order")
    for part, varies in (("order", (True, False)), ("augmentation", (False, True)), ("init", (False, False))):
        other_order, other_noise = values(5, part)
        assert (not torch.equal(order, other_order), not torch.equal(noise, other_noise)) == varies


def test_a_teacher_has_first_weights_of_its_own_whatever_varies(recipe, data):
    for part in VARIES:
        trainer = trainer_of(replace(recipe, teacher=replace(recipe, epochs=1)), data, 1, part)
        student, teacher = (
            nn.utils.parameters_to_vector(one.parameters())
            for one in (trainer.network, trainer.teaching.network)
        )
        assert not torch.equal(student, teacher)


def test_an_order_shares_no_numbers_with_the_augmentation():
    drawn = []

    def read(generator):
        drawn.append((draw_order(100, generator).tolist(), torch.randperm(100, generator=generator).tolist()))
        return iter(())

    seeds = Seeds(3, "order")
    for epoch in range(2):
        list(seeds.batches(read, seeds.draws(), epoch))
    alike = torch.randperm(100, generator=torch.Generator().manual_seed(3)).tolist()
    orders = [order for order, _ in drawn]
    assert alike not in orders
    assert orders[0] != orders[1]


def test_seeds_of_runs_teachers_and_epochs_do_not_meet():
    ends = [
        seed + teacher + order
        for seed in (0, 1000)
        for teacher in (0, TEACHER_STREAM)
        for order in (0, TECHNIQUE_STREAM, *(ORDER_STREAM + epoch * NEXT_EPOCH for epoch in (0, 1, 9999)))
    ]
    assert len(set(ends)) == len(ends)
    assert max(ends) < 2**32
    assert Seeds(TEACHER_STREAM + 5, "order").of("init") == TEACHER_STREAM
    assert Seeds(5, "order").of("order") == Seeds(5).of("init") == 5
