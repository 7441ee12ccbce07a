"""The modern techniques that work on batches, losses, gradients and weights, against their formulas in float64."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from bench_tests.techniques import contract
from bench_tests.techniques.reference import IGNORE, drawn
from greenbench.spec.mode import PAPER
from greenbench.study.catalog import discover
from greenbench.techniques.modern.autocast import autocast
from greenbench.techniques.modern.cutmix import cutmix
from greenbench.techniques.modern.data_echoing import data_echoing
from greenbench.techniques.modern.distillation import distillation
from greenbench.techniques.modern.ema import ema
from greenbench.techniques.modern.gradient_accumulation import gradient_accumulation
from greenbench.techniques.modern.gradient_clipping import gradient_clipping
from greenbench.techniques.modern.label_smoothing import label_smoothing
from greenbench.techniques.modern.large_batch import large_batch
from greenbench.techniques.modern.lower_resolution import lower_resolution
from greenbench.techniques.modern.magnitude_pruning import magnitude_pruning
from greenbench.techniques.modern.randaugment import randaugment
from greenbench.techniques.modern.random_erasing import random_erasing
from greenbench.techniques.modern.sam import sam

CATALOG = discover()
DIGITS = CATALOG.workloads["digits"].recipe("smoke")
SCENES = CATALOG.workloads["scenes4"].recipe("smoke")
SMALL = contract.small(CATALOG.workloads["digits"])
CLASSES = 5

seeds = st.integers(0, 2**31)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def numbered(count):
    """Return images that hold their own number, and labels that are that number."""
    return torch.arange(count, dtype=torch.float64).view(-1, 1, 1, 1).expand(-1, 3, 10, 8), torch.arange(
        count
    )


class Smooth(nn.Module):
    """A float64 network without batch norm, one layer of which is not used."""

    def __init__(self, seed):
        super().__init__()
        torch.manual_seed(seed)
        self.hidden, self.classifier, self.unused = nn.Linear(12, 7), nn.Linear(7, CLASSES), nn.Linear(1, 1)
        self.double()

    def forward(self, images):
        return self.classifier(self.hidden(images.flatten(1)).tanh())


def smooth_trainer(recipe, teacher=None):
    """Return what a technique sees of a training."""
    network = Smooth(seed=0)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    return SimpleNamespace(
        recipe=recipe, network=network, optimizer=optimizer, loss=recipe.loss(), teacher=teacher, mode=PAPER
    )


def smooth_batch(count, seed=0):
    draws = generator(seed)
    images = torch.randn(count, 3, 2, 2, dtype=torch.float64, generator=draws)
    return images, torch.randint(CLASSES, (count,), generator=draws)


def gradients_of(trainer):
    return {name: p.grad.clone() for name, p in trainer.network.named_parameters() if p.grad is not None}


def plain(count, seed=0):
    """Return the baseline's loss and gradients on a batch."""
    trainer = smooth_trainer(DIGITS)
    images, labels = smooth_batch(count, seed)
    loss = DIGITS.gradients(trainer, images, [(1.0, labels)])
    return loss.detach(), gradients_of(trainer)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 12), seeds)
def test_cutmix_weighs_labels_by_the_pixels_of_each_image(count, seed):
    images, labels = numbered(count)
    mixed, ((kept, own), (pasted, other)) = cutmix(DIGITS).batch_transform(images, labels, generator(seed))
    assert torch.equal(own, labels)
    assert sorted(other.tolist()) == labels.tolist(), "partners are a permutation of the batch"
    assert kept + pasted == pytest.approx(1)
    for image, mine, partner in zip(mixed, own, other, strict=True):
        foreign = (image != mine).double().mean().item()
        assert mine == partner or foreign == pytest.approx(pasted, abs=1e-12)
        assert set(image.unique().tolist()) <= {float(mine), float(partner)}


def test_cutmix_cuts_boxes_of_the_size_that_was_drawn():
    images, labels = torch.zeros(2, 3, 100, 100), torch.tensor([0, 1])
    areas = [cutmix(DIGITS).batch_transform(images, labels, generator(seed))[1][1][0] for seed in range(400)]
    # A quarter of the area 1 - l ~ U(0, 1) at least lies inside, wherever the center is.
    assert all(0 <= area <= 1 for area in areas)
    assert 0.2 < sum(areas) / len(areas) < 0.5


def test_cutmix_pastes_masks_with_their_images():
    masks = torch.randint(0, 4, (6, 16, 12), generator=generator())
    masks[:, 0] = IGNORE
    images = masks[:, None].double().expand(-1, 3, -1, -1)
    mixed, ((weight, pasted),) = cutmix(SCENES).batch_transform(images, masks, generator(3))
    assert weight == 1
    assert torch.equal(mixed[:, 0], pasted.double())
    assert not torch.equal(pasted, masks)


@pytest.mark.parametrize(("technique", "raw"), [(randaugment, True), (random_erasing, False)])
def test_torchvision_s_transforms_follow_the_given_generator_alone(technique, raw):
    images = torch.randint(256, (12, 3, 16, 16), dtype=torch.uint8, generator=generator())
    images, labels = images if raw else images / 255, torch.arange(12)
    change = technique(DIGITS).augment if raw else technique(DIGITS).batch_transform
    before, state = images.clone(), torch.get_rng_state()
    first = change(images, labels, generator(1))[0]
    torch.manual_seed(5)
    assert torch.equal(first, change(images, labels, generator(1))[0])
    assert not torch.equal(first, change(images, labels, generator(2))[0])
    torch.set_rng_state(state)
    change(images, labels, generator(3))
    assert torch.equal(torch.get_rng_state(), state), "the run's own stream was used"
    assert torch.equal(images, before), "the batch that was given has changed"
    assert first.dtype == images.dtype
    assert first.shape == images.shape
    assert sum(not torch.equal(a, b) for a, b in zip(first, images, strict=True)) > 2


def test_random_erasing_fills_half_of_the_images_with_noise_before_they_are_mixed():
    images, labels = torch.full((400, 3, 12, 12), 9.0), torch.arange(400)
    seen = []

    def look(images, targets, _generator):
        seen.append(images)
        return images, [(1.0, targets)]

    recipe = replace(DIGITS, batch_transform=look)
    erased, _ = random_erasing(recipe).batch_transform(images, labels, generator())
    assert seen[0] is erased
    areas = (erased[:, 0] != 9.0).double().mean((1, 2))
    assert 0.4 < (areas > 0).double().mean() < 0.6
    assert areas.max() < 0.4
    noise = erased[erased != 9.0]
    assert abs(noise.mean()) < 0.05
    assert 0.9 < noise.std() < 1.1


@settings(deadline=None, max_examples=20)
@given(seeds)
def test_label_smoothing_is_cross_entropy_with_a_tenth_spread_over_all_classes(seed):
    logits, labels = drawn((4, 5, 3, 2), seed)
    loss = label_smoothing(SCENES).loss()(logits, labels)
    log_p = logits.log_softmax(1)
    wanted = 0.9 * F.one_hot(labels.clamp(max=4), 5).movedim(-1, 1) + 0.1 / 5
    expected = -(wanted * log_p).sum(1)[labels != IGNORE].mean()
    torch.testing.assert_close(loss, expected, rtol=1e-6, atol=1e-6)  # torch holds eps in float32
    everywhere = label_smoothing(DIGITS).loss()(logits, labels.clamp(max=4))
    torch.testing.assert_close(everywhere, -(wanted * log_p).sum(1).mean(), rtol=1e-6, atol=1e-6)


def test_clipping_shortens_long_gradients_and_keeps_their_direction():
    _, whole = plain(6)
    norm = torch.cat([g.flatten() for g in whole.values()]).norm()
    for scale in (0.1, 10.0):
        scaled = replace(DIGITS, loss=lambda scale=scale: lambda o, t: scale / norm * F.cross_entropy(o, t))
        trainer = smooth_trainer(scaled)
        images, labels = smooth_batch(6)
        gradient_clipping(scaled).gradients(trainer, images, [(1.0, labels)])
        for name, gradient in gradients_of(trainer).items():
            expected = whole[name] / norm * min(scale, 1.0)
            torch.testing.assert_close(gradient, expected, rtol=1e-5, atol=1e-12)


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 17), seeds)
def test_accumulated_parts_give_the_gradient_of_the_whole_batch(count, seed):
    loss, whole = plain(count, seed)
    trainer = smooth_trainer(DIGITS)
    images, labels = smooth_batch(count, seed)
    weighted = [(0.25, labels), (0.75, labels)]
    objective = gradient_accumulation(DIGITS).gradients(trainer, images, weighted)
    torch.testing.assert_close(objective, loss, rtol=1e-12, atol=1e-12)
    assert gradients_of(trainer).keys() == whole.keys(), "a layer that is not used has no gradient"
    for name, gradient in gradients_of(trainer).items():
        torch.testing.assert_close(gradient, whole[name], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    ("count", "parts"), [(1, [1]), (3, [3]), (4, [2, 2]), (7, [3, 2, 2]), (9, [3, 2, 2, 2])]
)
def test_no_part_is_a_single_image_of_a_larger_batch(count, parts):
    seen = []

    def note(trainer, images, targets):
        seen.append(len(images))
        return DIGITS.gradients(trainer, images, targets)

    images, labels = smooth_batch(count)
    recipe = replace(DIGITS, gradients=note)
    gradient_accumulation(recipe).gradients(smooth_trainer(recipe), images, [(1.0, labels)])
    assert seen == parts


def test_sam_takes_the_gradient_at_distance_rho_uphill():
    _, first = plain(6)
    norm = torch.cat([g.flatten() for g in first.values()]).norm()
    trainer = smooth_trainer(DIGITS)
    images, labels = smooth_batch(6)
    before = {name: value.clone() for name, value in trainer.network.state_dict().items()}
    sam(DIGITS).gradients(trainer, images, [(1.0, labels)])
    found = gradients_of(trainer)
    assert contract.same(trainer.network.state_dict(), before), "the weights did not come back"

    uphill = smooth_trainer(DIGITS)
    with torch.no_grad():
        for name, parameter in uphill.network.named_parameters():
            if name in first:
                parameter += 0.05 * first[name] / norm
    DIGITS.gradients(uphill, images, [(1.0, labels)])
    for name, gradient in gradients_of(uphill).items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-9, atol=1e-12)


def test_sam_s_two_passes_move_running_statistics_once_and_weights_not_at_all():
    states = []

    def note(trainer, images, targets):
        states.append({name: v.clone() for name, v in trainer.network.state_dict().items()})
        return SMALL.gradients(trainer, images, targets)

    recipe = replace(SMALL, gradients=note)
    run = contract.trainer(sam(recipe))
    images, labels = torch.randn(4, 3, 10, 10, generator=generator()), torch.arange(4)
    sam(recipe).gradients(run, images, [(1.0, labels)])
    start, uphill = states
    moved = [uphill[name] - start[name] for name, _ in run.network.named_parameters()]
    assert torch.cat([m.flatten() for m in moved]).double().norm().item() == pytest.approx(0.05, rel=1e-3)
    after = run.network.state_dict()
    for name in start:
        kept = uphill if "running" in name or "tracked" in name else start
        assert torch.equal(after[name], kept[name]), name
    assert not torch.equal(after["bn1.running_mean"], start["bn1.running_mean"])


def test_the_average_is_the_exponential_one_and_training_does_not_notice():
    long = replace(SMALL, epochs=40)
    run, untouched = contract.trainer(ema(long)), contract.trainer(long)
    decay, average = 1 - 1 / (0.05 * run.steps), None
    for _ in zip(run.remaining_steps(), untouched.remaining_steps(), strict=True):
        now = {k: v.double() for k, v in run.network.state_dict().items() if v.is_floating_point()}
        average = now if average is None else {k: decay * average[k] + (1 - decay) * now[k] for k in now}
        if run.step == 30:
            break
    assert contract.same(run.network.state_dict(), untouched.network.state_dict())
    judged = run.judged_weights()
    for name, expected in average.items():
        torch.testing.assert_close(judged[name].double(), expected, rtol=1e-4, atol=1e-6)
    assert not torch.equal(judged["fc.weight"], run.network.state_dict()["fc.weight"])


def test_distillation_learns_from_labels_and_from_a_teacher_that_stays_as_it_is():
    teacher = Smooth(seed=1)
    recipe = distillation(DIGITS)
    assert recipe.teacher is DIGITS
    trainer = smooth_trainer(recipe, teacher=teacher)
    images, labels = smooth_batch(6)
    loss = recipe.objective(trainer, images, [(0.3, labels), (0.7, labels)])
    loss.backward()
    assert all(p.grad is None for p in teacher.parameters())
    taught, learned = teacher(images).detach(), trainer.network(images).detach()
    p, q = (taught / 4).softmax(1), (learned / 4).softmax(1)
    soft = (p * (p / q).log()).sum(1).mean()
    expected = 0.1 * F.cross_entropy(learned, labels) + 0.9 * 16 * soft
    torch.testing.assert_close(loss.detach(), expected, rtol=1e-10, atol=1e-10)


def test_the_teacher_starts_elsewhere_and_is_trained_first():
    run = contract.trainer(distillation(SMALL))
    steps = run.remaining_steps()
    assert run.teacher is None
    for _ in range(run.teacher_steps):
        next(steps)
    assert run.step == 0
    next(steps)
    assert run.step == 1
    assert not any(p.requires_grad for p in run.teacher.parameters())
    assert not torch.equal(run.teacher.fc.weight, run.network.fc.weight)


def test_pruning_zeroes_the_half_of_the_weights_that_are_smallest():
    network = DIGITS.network()
    layers = {n: m for n, m in network.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)}
    before = {name: layer.weight.detach().clone() for name, layer in layers.items()}
    names = network.state_dict().keys()
    pruned = magnitude_pruning(DIGITS).finish(network)
    assert pruned.state_dict().keys() == names, "nothing is left but the weights"
    together = torch.cat([w.abs().flatten() for w in before.values()])
    threshold = together.sort().values[len(together) // 2 - 1]
    for name, layer in layers.items():
        expected = torch.where(before[name].abs() > threshold, before[name], 0.0)
        assert torch.equal(layer.weight, expected)
    zeros = sum(int((layer.weight == 0).sum()) for layer in layers.values())
    assert zeros == round(len(together) / 2)


def test_training_goes_on_with_whole_weights_after_the_pruned_network_was_judged():
    run = contract.trainer(magnitude_pruning(SMALL))
    list(run.remaining_steps())
    before = {name: value.clone() for name, value in run.network.state_dict().items()}
    run.evaluate("validation")
    assert contract.same(run.network.state_dict(), before)


def test_each_batch_is_echoed_and_half_of_them_are_read():
    read = []

    def batches():
        for number in range(6):
            read.append(number)
            yield number, -number

    echoed = data_echoing(DIGITS).epoch_batches(batches())
    assert [next(echoed) for _ in range(6)] == [(0, 0), (0, 0), (1, -1), (1, -1), (2, -2), (2, -2)]
    assert read == [0, 1, 2]


def test_echoes_are_augmented_apart_and_their_batch_stays_as_it_was_read():
    images = torch.randint(256, (4, 3, 10, 10), dtype=torch.uint8, generator=generator())
    recipe = randaugment(data_echoing(DIGITS))
    before = images.clone()
    draws = generator(1)
    seen = [
        recipe.augment(*batch, draws)[0] for batch in recipe.epoch_batches(iter([(images, torch.arange(4))]))
    ]
    assert len(seen) == 2
    assert not torch.equal(*seen)
    assert torch.equal(images, before)


def test_large_batches_take_a_quarter_of_the_steps_at_four_times_the_rate():
    recipe = large_batch(DIGITS)
    data = CATALOG.workloads["digits"].data(None, torch.device("cpu"))
    assert data.steps_per_epoch(recipe.batch_size) == -(-data.size("train") // (4 * DIGITS.batch_size))
    optimizer = recipe.optimizer(nn.Linear(2, 2), recipe.learning_rate)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(4 * DIGITS.learning_rate)


def test_lower_resolution_ends_with_half_of_the_run_at_full_size():
    large = replace(DIGITS, image_size=(32, 32))
    recipe = lower_resolution(large)
    assert [recipe.size_factor(epoch, 8) for epoch in range(8)] == 4 * [0.75] + 4 * [1.0]
    halved = lower_resolution(replace(large, size_factor=lambda _epoch, _epochs: 0.5))
    assert [halved.size_factor(epoch, 4) for epoch in (0, 3)] == [0.375, 0.5]


def test_lower_resolution_leaves_the_least_that_the_network_takes():
    recipe = lower_resolution(DIGITS)
    data = CATALOG.workloads["digits"].data(None, torch.device("cpu"))
    images, _ = next(iter(data.training_batches(4, recipe.size_factor(0, 4), generator())))
    assert images.shape[-2:] == (8, 8)
    assert next(iter(data.evaluation_batches("validation")))[0].shape[-2:] == (9, 9)


def test_autocast_computes_in_bfloat16_and_keeps_weights_and_gradients():
    run = contract.trainer(autocast(SMALL))
    types = []
    run.network.conv1.register_forward_hook(lambda _module, _inputs, output: types.append(output.dtype))
    next(run.remaining_steps())
    run.evaluate("validation")
    assert types == [torch.bfloat16, torch.float32]
    assert {p.dtype for p in run.network.parameters()} == {torch.float32}
    assert {p.grad.dtype for p in run.network.parameters() if p.grad is not None} == {torch.float32}


def test_a_stack_of_three_keeps_all_of_them():
    together = CATALOG.technique("cutmix+sam+ema")(SMALL)
    run = contract.trainer(together)
    losses = torch.stack(list(run.remaining_steps()))
    assert losses.isfinite().all()
    for left_out in ("sam+ema", "cutmix+ema"):
        other = contract.trainer(CATALOG.technique(left_out)(SMALL))
        list(other.remaining_steps())
        assert not contract.same(other.network.state_dict(), run.network.state_dict()), left_out
    assert run.average is not None
