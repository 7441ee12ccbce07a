"""Numerical modes: what networks compute in, what they return, and that the paper's mode changes nothing."""

import copy
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.optim import SGD, Adagrad, Adam, RMSprop
from torch.optim.swa_utils import AveragedModel

from bench_tests.harness.execute.small_run import CPU, generator, network, small_data, small_recipe
from greenbench.errors import UserError
from greenbench.execute.in_mode import images_in_mode, network_in_mode, optimizer_in_mode, passes_in_mode
from greenbench.execute.trainer import Trainer
from greenbench.nn.optimizers.lookahead import Lookahead
from greenbench.spec.mode import FAST, MODES, PAPER, find_mode

IMAGES = torch.rand(4, 3, 8, 8, generator=generator(0))


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


class Watching(nn.Module):
    """Notes what it computes in."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(3, 4, 3)
        self.seen = []

    def forward(self, x):
        y = self.layer(x)
        self.seen.append((y.dtype, x.is_contiguous(memory_format=torch.channels_last)))
        return {"maps": y, "count": torch.tensor(len(self.seen)), "name": "watching"}


def test_an_unknown_mode_is_named_with_those_that_exist():
    with pytest.raises(UserError, match=r"mode 'quick' is unknown; choose one of paper, fast"):
        find_mode("quick")


def test_modes_are_known_by_their_names_and_the_study_s_is_the_first():
    assert list(MODES) == [mode.name for mode in MODES.values()] == ["paper", "fast"]


def test_a_fast_network_computes_in_bfloat16_on_channels_last_and_returns_float32():
    watching = network_in_mode(Watching(), FAST)
    outputs = watching(IMAGES)
    assert watching.seen == [(torch.bfloat16, True)]
    assert outputs["maps"].dtype == torch.float32
    assert (outputs["count"].dtype, outputs["name"]) == (torch.int64, "watching")
    assert not torch.is_autocast_enabled("cpu")
    assert watching.layer.weight.dtype == torch.float32
    assert watching.layer.weight.is_contiguous(memory_format=torch.channels_last)


def test_a_fast_network_has_the_names_the_class_and_about_the_values_of_a_plain_one():
    plain = Watching()
    fast = network_in_mode(copy.deepcopy(plain), FAST)
    assert isinstance(fast, Watching)
    assert type(fast).__name__ == "Watching"
    assert fast.state_dict().keys() == plain.state_dict().keys()
    # bfloat16 keeps 8 bits of each factor.
    torch.testing.assert_close(fast(IMAGES)["maps"], plain(IMAGES)["maps"], atol=2**-7, rtol=2**-7)


def test_a_copy_of_a_fast_network_is_fast_and_has_weights_of_its_own():
    first = network_in_mode(Watching(), FAST)
    second = copy.deepcopy(first)
    nn.init.zeros_(second.layer.weight)
    nn.init.ones_(second.layer.bias)
    assert torch.equal(second(IMAGES)["maps"], torch.ones(4, 4, 6, 6))
    assert second.seen[-1][0] == torch.bfloat16
    assert not torch.equal(first(IMAGES)["maps"], second(IMAGES)["maps"])


def test_a_network_is_put_into_a_mode_once():
    watching = network_in_mode(Watching(), FAST)
    kind = type(watching)
    assert type(network_in_mode(watching, FAST)) is kind


def test_hooks_and_3d_convolutions_and_networks_of_numbers_work_in_fast():
    deep = network_in_mode(nn.Conv3d(1, 2, 3), FAST)
    assert deep(torch.rand(1, 1, 4, 4, 4)).dtype == torch.float32
    embedding = network_in_mode(nn.Embedding(5, 3), FAST)
    seen = []
    embedding.register_forward_hook(lambda *_: seen.append(1))
    assert embedding(torch.tensor([[1, 2]])).dtype == torch.float32
    assert seen == [1]


def test_a_float64_network_stays_float64_where_autocast_leaves_it():
    norm = network_in_mode(nn.BatchNorm2d(3).double(), FAST)
    assert norm(IMAGES.double()).dtype == torch.float64


def test_derivatives_reach_float32_weights_through_bfloat16():
    """Behind a batch norm, gradients are small differences of what bfloat16 has rounded to 8 bits."""
    plain, targets = network(), torch.arange(4) % 3
    fast = network_in_mode(copy.deepcopy(plain), FAST)
    reference = copy.deepcopy(plain).double()
    F.cross_entropy(fast(IMAGES), targets).backward()
    F.cross_entropy(reference(IMAGES.double()), targets).backward()
    largest = max(float(weight.grad.abs().max()) for weight in reference.parameters())
    for mine, theirs in zip(fast.parameters(), reference.parameters(), strict=True):
        assert mine.grad.dtype == torch.float32
        torch.testing.assert_close(mine.grad.double(), theirs.grad, rtol=0, atol=2**-5 * largest)


def test_paper_leaves_networks_images_and_optimizers_alone():
    plain = network()
    kind, weights = type(plain), [weight.data_ptr() for weight in plain.parameters()]
    assert type(network_in_mode(plain, PAPER)) is kind
    assert [weight.data_ptr() for weight in plain.parameters()] == weights
    assert images_in_mode(IMAGES, PAPER) is IMAGES
    optimizer = SGD(plain.parameters(), 0.1)
    assert optimizer_in_mode(optimizer, PAPER).param_groups[0]["fused"] is None
    with passes_in_mode(PAPER, CPU):
        assert not torch.is_autocast_enabled("cpu")
        assert torch.is_inference_mode_enabled()


def test_at_inference_weights_are_converted_once():
    def conversions():
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
            fast(IMAGES)
        return sum(event.count for event in profile.key_averages() if event.key == "aten::_to_copy")

    fast = network_in_mode(network().eval(), FAST)
    with passes_in_mode(FAST, CPU):
        first, *others = (conversions() for _ in range(3))
        assert not fast(IMAGES).requires_grad
    assert first == 4 + max(others), "weight and bias of a convolution and of a classifier"
    assert len(set(others)) == 1
    assert not torch.is_autocast_enabled("cpu")


OPTIMIZERS = {
    "SGD": (lambda p: SGD(p, 0.1, momentum=0.9), "fused"),
    "Adam": (lambda p: Adam(p, 0.01), "fused"),
    "Adagrad": (lambda p: Adagrad(p, 0.01), "fused"),
    "RMSprop": (lambda p: RMSprop(p, 0.01), "foreach"),
    "Lookahead": (lambda p: Lookahead(SGD(p, 0.1, momentum=0.9)), "fused"),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_of_torch_step_in_one_kernel_or_over_lists_and_go_where_they_went(name):
    build, way = OPTIMIZERS[name]
    plain = nn.Conv2d(3, 4, 3)
    fast = network_in_mode(copy.deepcopy(plain), FAST)
    one = build(plain.parameters())
    other = optimizer_in_mode(build(fast.parameters()), FAST)
    assert all(group[way] for group in other.param_groups)
    for step in range(7):
        for module, optimizer in ((plain, one), (fast, other)):
            for weight in module.parameters():
                torch.manual_seed(step)
                weight.grad = torch.empty_like(weight).copy_(torch.randn(weight.shape))
            optimizer.step()
    for mine, theirs in zip(fast.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-6, rtol=1e-5)


def trained(mode, **options):
    run = Trainer(small_recipe(), small_data(), seed=0, device=CPU, mode=mode, **options)
    losses = torch.stack(list(run.remaining_steps()))
    return losses, run.evaluate("train"), run.judged_weights(), run


def by_hand(fast):
    """Return the weights of the same training, written down without the suite's loop."""
    recipe, data = small_recipe(), small_data()
    torch.manual_seed(0)
    net = network()
    layout = torch.channels_last if fast else torch.contiguous_format
    net.to(memory_format=layout)
    optimizer = SGD(net.parameters(), lr=0.1, momentum=0.9, fused=fast)
    schedule = recipe.schedule(optimizer, data.steps_per_epoch(recipe.batch_size), recipe.epochs)
    draws = generator(0)
    for _ in range(recipe.epochs):
        for images, labels in data.training_batches(recipe.batch_size, 1.0, draws):
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=fast):
                logits = net(data.normalize(images).contiguous(memory_format=layout))
            F.cross_entropy(logits.float(), labels).backward()
            optimizer.step()
            schedule.step()
    return net.state_dict()


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_a_mode_is_the_loop_that_one_would_write_bit_for_bit(mode):
    mine, theirs = trained(mode)[2], by_hand(fast=mode is FAST)
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)


def test_a_fast_training_goes_where_the_paper_s_goes_and_repeats():
    losses, score, weights, run = trained(FAST)
    theirs = trained(PAPER)
    assert losses.dtype == torch.float32
    assert all(weight.dtype == theirs[2][name].dtype for name, weight in weights.items())
    assert losses[0] == pytest.approx(float(theirs[0][0]), rel=2**-6)
    assert score["accuracy"] == pytest.approx(theirs[1]["accuracy"], abs=0.2)
    assert not torch.equal(losses, theirs[0])
    again = trained(FAST)
    assert torch.equal(losses, again[0])
    assert all(torch.equal(weights[name], again[2][name]) for name in weights)
    assert all(group["fused"] for group in run.optimizer.param_groups)


def test_teachers_averages_and_finished_networks_are_in_the_mode():
    seen = []

    class Noting(nn.Sequential):
        def forward(self, x):
            y = super().forward(x)
            seen.append((id(self), y.dtype))
            return y

    recipe = replace(small_recipe(), network=lambda: Noting(*network()), epochs=1)

    def objective(trainer, inputs, targets):
        assert trainer.teacher(inputs).dtype == torch.float32
        assert trainer.mode is FAST
        return recipe.objective(trainer, inputs, targets)

    changed = replace(
        recipe,
        teacher=recipe,
        objective=objective,
        average=lambda network, *_: AveragedModel(network),
        finish=lambda network: nn.Sequential(network, nn.Identity()),
    )
    run = Trainer(changed, small_data(), seed=0, device=CPU, mode=FAST)
    list(run.remaining_steps())
    assert run.evaluate("validation")
    assert {dtype for _, dtype in seen} == {torch.bfloat16}
    assert len({name for name, _ in seen}) >= 3, "student, teacher, average"
