"""RAdam, LookAhead and the random gradient against their closed forms."""

from math import sqrt

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.optim import SGD, AdamW
from torch.optim.lr_scheduler import PolynomialLR

from greenbench.nn.optimizers.lookahead import Lookahead
from greenbench.nn.optimizers.radam import RAdam, rectification
from greenbench.nn.optimizers.random_gradient import RandomGradient

seeds = st.integers(0, 2**31)


def gradients(steps, seed, shape=(3, 2)):
    generator = torch.Generator().manual_seed(seed)
    return list(torch.randn(steps, *shape, dtype=torch.float64, generator=generator))


def parameter():
    return torch.linspace(-1, 1, 6, dtype=torch.float64).view(3, 2).requires_grad_()


def run(optimizer, weights, gradients):
    """Step through the gradients; return the weights after each."""
    path = []
    for gradient in gradients:
        weights.grad = gradient.clone()
        optimizer.step()
        path.append(weights.detach().clone())
    return path


def radam_by_definition(w, gradients, lr, betas, eps, decay):
    """Algorithm 2 of the paper with the authors' decoupled decay, one step at a time."""
    m, v = torch.zeros_like(w), torch.zeros_like(w)
    path = []
    longest = 2 / (1 - betas[1]) - 1
    for t, g in enumerate(gradients, start=1):
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g**2
        length = longest - 2 * t * betas[1] ** t / (1 - betas[1] ** t)
        if length >= 5:
            r = sqrt((length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length))
            w = w - lr * decay * w
            w = w - lr * r * sqrt(1 - betas[1] ** t) / (1 - betas[0] ** t) * m / (v.sqrt() + eps)
        path.append(w)
    return path


@settings(deadline=None, max_examples=30)
@given(
    seeds,
    st.sampled_from([0.0, 0.01]),
    st.sampled_from([0.9, 0.99, 0.999]),
    st.sampled_from([1e-8, 1e-2]),
)
def test_radam_is_the_authors_algorithm(seed, decay, beta2, eps):
    weights, given_gradients = parameter(), gradients(30, seed)
    expected = radam_by_definition(parameter().detach(), given_gradients, 0.1, (0.9, beta2), eps, decay)
    path = run(RAdam([weights], 0.1, (0.9, beta2), eps, decay), weights, given_gradients)
    for ours, theirs in zip(path, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-13)


def test_radam_rests_for_five_steps_and_moves_at_the_sixth():
    weights = parameter()
    path = run(RAdam([weights], lr=0.1, weight_decay=0.1), weights, gradients(6, seed=0))
    for resting in path[:5]:
        assert torch.equal(resting, parameter().detach())
    assert not torch.equal(path[5], path[4])


def test_rectification_grows_to_one():
    assert [step for step in range(1, 10) if rectification(step, 0.999) is None] == [1, 2, 3, 4, 5]
    assert rectification(6, 0.999) < rectification(100, 0.999) < rectification(10**5, 0.999) <= 1
    assert rectification(10**5, 0.999) == pytest.approx(1, abs=1e-3)


def test_radam_equals_pytorch_optimizer_s():
    library = pytest.importorskip(
        "pytorch_optimizer", reason="pytorch-optimizer, an oracle, is not installed"
    )
    paths = []
    for make in (
        lambda p: RAdam([p], lr=0.1, weight_decay=0.01),
        lambda p: library.RAdam([p], lr=0.1, weight_decay=0.01, weight_decouple=True),
    ):
        weights = parameter()
        paths.append(run(make(weights), weights, gradients(40, seed=1)))
    torch.testing.assert_close(paths[0][-1], paths[1][-1], rtol=1e-13, atol=1e-14)


def test_radam_resumes_bit_for_bit():
    given_gradients = gradients(20, seed=2)
    weights = parameter()
    whole = run(RAdam([weights], lr=0.1), weights, given_gradients)
    weights = parameter()
    first = RAdam([weights], lr=0.1)
    run(first, weights, given_gradients[:8])
    second = RAdam([weights], lr=0.5)
    second.load_state_dict(first.state_dict())
    assert torch.equal(run(second, weights, given_gradients[8:])[-1], whole[-1])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_radam_is_fused_adamw_with_other_numbers_to_the_bit(dtype):
    weights, plain = (parameter().detach().to(dtype).requires_grad_() for _ in range(2))
    given_gradients = [gradient.to(dtype) for gradient in gradients(30, seed=8)]
    path = run(RAdam([weights], 0.1, weight_decay=0.01), weights, given_gradients)
    control = AdamW([plain], fused=True)
    for step, (gradient, ours) in enumerate(zip(given_gradients, path, strict=True), start=1):
        r = rectification(step, 0.999)
        eps = 1e-8 / sqrt(1 - 0.999**step)
        control.param_groups[0].update(lr=0.1 * (r or 0.0), weight_decay=0.01 / r if r else 0.0, eps=eps)
        assert torch.equal(ours, run(control, plain, [gradient])[0])


def test_radam_goes_on_from_a_state_of_torch_s_adamw():
    weights = parameter()
    first = AdamW([weights], lr=0.1)
    run(first, weights, gradients(9, seed=0))
    second = RAdam([weights])
    second.load_state_dict(first.state_dict())
    run(second, weights, gradients(1, seed=1))
    assert second.param_groups[0]["step"] == int(second.state[weights]["step"]) == 10


def test_radam_refuses_sparse_gradients_before_it_counts_a_step():
    weights = parameter()
    optimizer = RAdam([weights])
    weights.grad = torch.ones_like(weights).to_sparse()
    with pytest.raises(RuntimeError, match="a gradient is sparse, and RAdam takes dense ones; build"):
        optimizer.step()
    assert optimizer.param_groups[0]["step"] == 0


def test_radam_leaves_parameters_without_gradients_alone():
    used, unused = parameter(), parameter()
    optimizer = RAdam([used, unused])
    run(optimizer, used, gradients(8, seed=3))
    assert torch.equal(unused, parameter())
    assert unused not in optimizer.state


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ({"lr": -1.0}, "lr is -1.0"),
        ({"betas": (0.9, 1.0)}, r"betas are \(0.9, 1.0\)"),
        ({"eps": 0.0}, "eps is 0.0"),
        ({"weight_decay": -0.1}, "weight_decay is -0.1"),
    ],
)
def test_radam_refuses_settings_out_of_range(setting, told):
    with pytest.raises(ValueError, match=told):
        RAdam([parameter()], **setting)


def sgd(weights):
    return SGD([weights], lr=0.1, momentum=0.9, weight_decay=0.01)


@settings(deadline=None, max_examples=30)
@given(seeds, st.integers(1, 7), st.floats(0.1, 1))
def test_lookahead_is_its_closed_form(seed, k, alpha):
    given_gradients = gradients(15, seed)
    weights = parameter()
    path = run(Lookahead(sgd(weights), k, alpha), weights, given_gradients)

    fast = parameter()
    slow, inner = fast.detach().clone(), sgd(fast)
    for step, (gradient, ours) in enumerate(zip(given_gradients, path, strict=True), start=1):
        run(inner, fast, [gradient])
        if step % k == 0:
            slow = slow + alpha * (fast.detach() - slow)
            fast.data.copy_(slow)
        torch.testing.assert_close(ours, fast.detach(), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_lookahead_interpolates_to_the_bit(dtype):
    fast, weights = (parameter().detach().to(dtype).requires_grad_() for _ in range(2))
    given_gradients = [gradient.to(dtype) for gradient in gradients(15, seed=9)]
    path = run(Lookahead(sgd(weights), k=3, alpha=0.3), weights, given_gradients)
    slow, inner = fast.detach().clone(), sgd(fast)
    for step, (gradient, ours) in enumerate(zip(given_gradients, path, strict=True), start=1):
        run(inner, fast, [gradient])
        if step % 3 == 0:
            slow.lerp_(fast.detach(), 0.3)
            fast.data.copy_(slow)
        assert torch.equal(ours, fast)


@settings(deadline=None, max_examples=20)
@given(seeds, st.integers(1, 6))
def test_lookahead_with_alpha_1_is_the_inner_optimizer(seed, k):
    given_gradients = gradients(12, seed)
    weights, plain = parameter(), parameter()
    ahead = run(Lookahead(sgd(weights), k, alpha=1.0), weights, given_gradients)
    assert torch.equal(ahead[-1], run(sgd(plain), plain, given_gradients)[-1])


def test_lookahead_of_one_step_halves_the_first():
    weights, plain = parameter(), parameter()
    given_gradients = gradients(1, seed=0)
    halved = run(Lookahead(sgd(weights), k=1, alpha=0.5), weights, given_gradients)[0]
    whole = run(sgd(plain), plain, given_gradients)[0]
    torch.testing.assert_close(halved - parameter().detach(), (whole - parameter().detach()) / 2)


@pytest.mark.parametrize("stop", [3, 5, 7])
def test_lookahead_resumes_bit_for_bit(stop):
    given_gradients = gradients(17, seed=4)
    weights = parameter()
    whole = run(Lookahead(sgd(weights)), weights, given_gradients)
    weights = parameter()
    first = Lookahead(sgd(weights))
    run(first, weights, given_gradients[:stop])
    saved = first.state_dict()
    # A new process begins from the saved weights, which are the fast ones.
    resumed = weights.detach().clone().requires_grad_()
    second = Lookahead(sgd(resumed))
    second.load_state_dict(saved)
    assert torch.equal(run(second, resumed, given_gradients[stop:])[-1], whole[-1])


def test_lookahead_equals_pytorch_optimizer_s():
    library = pytest.importorskip(
        "pytorch_optimizer", reason="pytorch-optimizer, an oracle, is not installed"
    )
    paths = []
    for make in (
        lambda p: Lookahead(sgd(p), k=5, alpha=0.5),
        lambda p: library.Lookahead(sgd(p), k=5, alpha=0.5, pullback_momentum="none"),
    ):
        weights = parameter()
        paths.append(run(make(weights), weights, gradients(23, seed=5)))
    torch.testing.assert_close(paths[0][-1], paths[1][-1], rtol=1e-13, atol=1e-14)


def test_lookahead_is_evaluated_on_the_slow_weights_and_trains_on_from_the_fast_ones():
    weights = parameter()
    optimizer = Lookahead(sgd(weights), k=5)
    fast = run(optimizer, weights, gradients(3, seed=6))[-1]
    optimizer.eval()
    assert torch.equal(weights, parameter())
    optimizer.train()
    assert torch.equal(weights, fast)


@pytest.mark.parametrize("k", [0, -1])
def test_lookahead_refuses_k_below_1(k):
    with pytest.raises(ValueError, match=f"k is {k}"):
        Lookahead(sgd(parameter()), k=k)


@pytest.mark.parametrize("alpha", [0.0, -0.5, 1.5])
def test_lookahead_refuses_alpha_outside_0_to_1(alpha):
    with pytest.raises(ValueError, match=f"alpha is {alpha}"):
        Lookahead(sgd(parameter()), alpha=alpha)


@settings(deadline=None, max_examples=30)
@given(seeds)
def test_a_random_gradient_scales_the_plain_step_by_one_draw(seed):
    gradient = gradients(1, seed)
    plain, random = parameter(), parameter()
    step = run(SGD([plain], lr=0.1), plain, gradient)[0] - parameter().detach()
    torch.manual_seed(seed)
    scaled = run(RandomGradient(SGD([random], lr=0.1)), random, gradient)[0] - parameter().detach()
    torch.manual_seed(seed)
    torch.testing.assert_close(scaled, float(torch.rand(())) * step)


def test_a_random_gradient_with_momentum_is_sgd_at_drawn_rates_to_the_bit():
    weights, plain = parameter(), parameter()
    given_gradients = gradients(12, seed=3)
    torch.manual_seed(3)
    path = run(RandomGradient(sgd(weights)), weights, given_gradients)
    torch.manual_seed(3)
    control = sgd(plain)
    for gradient, ours in zip(given_gradients, path, strict=True):
        control.param_groups[0]["lr"] = 0.1 * float(torch.rand(()))
        assert torch.equal(ours, run(control, plain, [gradient])[0])


def test_all_parameter_groups_share_a_draw():
    a, b = parameter(), parameter()
    optimizer = RandomGradient(SGD([{"params": [a]}, {"params": [b], "lr": 0.2}], lr=0.1))
    a.grad, b.grad = torch.ones_like(a), torch.ones_like(b)
    optimizer.step()
    torch.testing.assert_close(b - parameter(), 2 * (a - parameter()))


def test_draws_are_uniform():
    torch.manual_seed(0)
    weights = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    path = run(RandomGradient(SGD([weights], lr=1.0)), weights, [-torch.ones_like(weights)] * 4000)
    draws = torch.stack(path).flatten().diff()
    assert float(draws.min()) >= 0
    assert float(draws.max()) <= 1
    assert float(draws.mean()) == pytest.approx(0.5, abs=0.02)
    assert float(draws.var()) == pytest.approx(1 / 12, abs=0.01)


def test_a_recursive_schedule_never_sees_the_draws():
    weights, plain = parameter(), parameter()
    optimizer, other = RandomGradient(SGD([weights], lr=0.1)), SGD([plain], lr=0.1)
    schedules = [PolynomialLR(o, total_iters=10, power=0.9) for o in (optimizer, other)]
    for gradient in gradients(8, seed=7):
        run(optimizer, weights, [gradient])
        run(other, plain, [gradient])
        for schedule in schedules:
            schedule.step()
        assert optimizer.param_groups[0]["lr"] == other.param_groups[0]["lr"]
