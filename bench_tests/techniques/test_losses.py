"""Focal, soft dice, mixed and upsampled cross-entropy against their definitions."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from bench_tests.techniques.reference import IGNORE, drawn, in_layout, probabilities, same_value_and_gradient
from greenbench.nn.losses.focal import focal
from greenbench.nn.losses.label_relaxation import label_relaxation
from greenbench.nn.losses.mixup_loss import mixup_loss
from greenbench.nn.losses.soft_dice import soft_dice
from greenbench.nn.losses.upsample_cross_entropy import upsample_cross_entropy

maps = st.tuples(st.integers(1, 3), st.integers(1, 5), st.integers(1, 7), st.integers(1, 7))
flat = st.tuples(st.integers(1, 6), st.integers(1, 5))
shapes = st.one_of(maps, flat)
seeds = st.integers(0, 2**31)


def cross_entropy(logits, labels):
    return F.cross_entropy(logits, labels, ignore_index=IGNORE)


def focal_by_definition(logits, labels, gamma):
    flat = labels.flatten()
    p = probabilities(logits)[flat != IGNORE, flat[flat != IGNORE]]
    return -((1 - p) ** gamma * p.log()).mean()


def dice_by_definition(logits, labels, gamma):
    flat = labels.flatten()
    p = probabilities(logits)[flat != IGNORE]
    y = F.one_hot(flat[flat != IGNORE], logits.shape[1]).double()
    present = y.sum(0) > 0
    dice = 1 - 2 * (p * y).sum(0) / (p.sum(0) + y.sum(0))
    return cross_entropy(logits.double(), labels) + gamma * dice[present].mean()


@settings(deadline=None, max_examples=60)
@given(shapes, st.booleans(), st.sampled_from([0.5, 1.0, 2.0, 5.0]), seeds)
def test_focal_is_its_definition(shape, channels_last, gamma, seed):
    logits, labels = drawn(shape, seed, spread=1.0)
    assume(shape[1] > 1)
    same_value_and_gradient(
        lambda x: focal(x, labels, gamma, IGNORE),
        lambda x: focal_by_definition(x, labels, gamma),
        in_layout(logits, channels_last),
    )


@settings(deadline=None, max_examples=40)
@given(shapes, seeds)
def test_focal_at_gamma_0_is_cross_entropy(shape, seed):
    logits, labels = drawn(shape, seed)
    same_value_and_gradient(
        lambda x: focal(x, labels, 0.0, IGNORE), lambda x: cross_entropy(x, labels), logits
    )


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
def test_focal_stays_finite_for_certain_and_for_hopeless_pixels(gamma):
    logits = torch.tensor([[200.0, 0.0, 0.0], [0.0, 200.0, 0.0]], requires_grad=True)
    value = focal(logits, torch.tensor([0, 0]), gamma)
    value.backward()
    assert float(value.detach()) == pytest.approx(100)
    assert logits.grad.isfinite().all()


@settings(deadline=None, max_examples=60)
@given(shapes, st.booleans(), st.sampled_from([0.0, 0.5, 1.0, 3.0]), seeds)
def test_soft_dice_is_its_definition(shape, channels_last, gamma, seed):
    logits, labels = drawn(shape, seed)
    same_value_and_gradient(
        lambda x: soft_dice(x, labels, gamma, IGNORE),
        lambda x: dice_by_definition(x, labels, gamma),
        in_layout(logits, channels_last),
    )


def test_a_perfect_prediction_has_no_dice_loss():
    labels = torch.tensor([[[0, 1], [2, 0]]])
    logits = F.one_hot(labels, 4).movedim(3, 1).double() * 100
    assert float(soft_dice(logits, labels)) == pytest.approx(0, abs=1e-12)


@settings(deadline=None, max_examples=40)
@given(maps, seeds)
def test_ignored_pixels_get_no_gradient(shape, seed):
    logits, labels = drawn(shape, seed, ignored=0.5)
    for loss in (
        lambda x: soft_dice(x, labels, ignore_index=IGNORE),
        lambda x: focal(x, labels, ignore_index=IGNORE),
        lambda x: mixup_loss(x, labels, labels, 0.3, IGNORE),
    ):
        (gradient,) = torch.autograd.grad(loss(logits), logits)
        assert not gradient.movedim(1, -1)[labels == IGNORE].any()


@settings(deadline=None, max_examples=40)
@given(shapes, st.booleans(), st.floats(0, 1), seeds)
def test_mixup_loss_is_two_cross_entropies(shape, channels_last, share, seed):
    logits, labels = drawn(shape, seed)
    _, others = drawn(shape, seed + 1)
    same_value_and_gradient(
        lambda x: mixup_loss(x, labels, others, share, IGNORE),
        lambda x: share * cross_entropy(x, labels) + (1 - share) * cross_entropy(x, others),
        in_layout(logits, channels_last),
    )


@settings(deadline=None, max_examples=40)
@given(shapes, st.floats(0, 1), seeds)
def test_mixup_loss_is_cross_entropy_with_soft_targets(shape, share, seed):
    logits, labels = drawn(shape, seed, ignored=0)
    _, others = drawn(shape, seed + 1, ignored=0)
    one_hot = [F.one_hot(t, shape[1]).movedim(-1, 1).double() for t in (labels, others)]
    soft = share * one_hot[0] + (1 - share) * one_hot[1]
    same_value_and_gradient(
        lambda x: mixup_loss(x, labels, others, share), lambda x: F.cross_entropy(x, soft), logits
    )


sizes = st.tuples(st.integers(1, 5), st.integers(1, 5), st.integers(1, 40), st.integers(1, 40))


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 2), st.integers(1, 4), sizes, seeds)
def test_upsampled_cross_entropy_is_interpolate_and_cross_entropy(batch, classes, size, seed):
    height, width, out_height, out_width = size
    logits, _ = drawn((batch, classes, height, width), seed)
    _, labels = drawn((batch, classes, out_height, out_width), seed)

    def reference(x):
        full = F.interpolate(x, (out_height, out_width), mode="bilinear", align_corners=True)
        return cross_entropy(full, labels)

    same_value_and_gradient(lambda x: upsample_cross_entropy(x, labels, IGNORE), reference, logits)


class Largest(TorchDispatchMode):
    """Remembers the largest array that any operation returned."""

    elements = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, tuple | list) else (result,):
            if isinstance(tensor, torch.Tensor):
                self.elements = max(self.elements, tensor.numel())
        return result


def test_upsampled_cross_entropy_never_holds_the_full_size_logits():
    logits = torch.randn(2, 171, 20, 20, requires_grad=True)
    labels = torch.randint(171, (2, 160, 160))
    with Largest() as seen:
        upsample_cross_entropy(logits, labels).backward()
    # The largest is one image with its columns upsampled: an eighth of one image at full size.
    assert seen.elements == 171 * 20 * 160
    with Largest() as seen:
        F.cross_entropy(F.interpolate(logits, (160, 160)), labels).backward()
    assert seen.elements == 2 * 171 * 160 * 160


def test_upsampled_cross_entropy_is_within_1e_5_in_single_precision():
    logits = (torch.randn(1, 171, 20, 20) * 4).requires_grad_()
    labels = torch.randint(171, (1, 160, 160))

    def reference(x):
        return F.cross_entropy(
            F.interpolate(x.double(), (160, 160), mode="bilinear", align_corners=True), labels
        )

    ours, exact = (
        torch.autograd.grad(loss(logits), logits)[0].double()
        for loss in (lambda x: upsample_cross_entropy(x, labels), reference)
    )
    assert float((ours - exact).norm() / exact.norm()) < 1e-5


LOSSES = {
    "focal": lambda x, t: focal(x, t, ignore_index=IGNORE),
    "soft_dice": lambda x, t: soft_dice(x, t, ignore_index=IGNORE),
    "label_relaxation": lambda x, t: label_relaxation(x, t, IGNORE),
    "mixup_loss": lambda x, t: mixup_loss(x, t, t, 0.4, IGNORE),
    "upsample_cross_entropy": lambda x, t: upsample_cross_entropy(x, t, IGNORE),
}


@pytest.fixture(params=LOSSES)
def loss(request):
    return LOSSES[request.param]


def test_gradients_are_exact(loss):
    logits, labels = drawn((2, 3, 3, 4), seed=1)
    assert torch.autograd.gradcheck(lambda x: loss(x, labels), logits)


def test_upstream_gradients_and_retained_graphs_are_honored(loss):
    logits, labels = drawn((2, 3, 4, 4), seed=2)
    (once,) = torch.autograd.grad(loss(logits, labels), logits)
    value = loss(logits, labels) * 3
    for _ in range(2):
        (tripled,) = torch.autograd.grad(value, logits, retain_graph=True)
        torch.testing.assert_close(tripled, 3 * once)
    (last,) = torch.autograd.grad(value, logits)
    torch.testing.assert_close(last, 3 * once)


def test_value_without_gradient_is_the_same(loss):
    logits, labels = drawn((2, 3, 4, 4), seed=3)
    with torch.no_grad():
        bare = loss(logits, labels)
    assert not bare.requires_grad
    torch.testing.assert_close(bare, loss(logits, labels).detach())


def test_half_precision_logits_are_summed_in_full_precision(loss):
    logits, labels = drawn((2, 3, 6, 6), seed=4, dtype=torch.bfloat16)
    value = loss(logits, labels)
    value.backward()
    assert value.dtype == torch.float32
    assert logits.grad.dtype == torch.bfloat16
    torch.testing.assert_close(value.detach().double(), loss(logits.detach().double(), labels))


def test_survives_logit_gaps_of_200(loss):
    logits = torch.zeros(1, 3, 4, 4)
    logits[:, 2] = 200
    labels = torch.zeros(1, 4, 4, dtype=torch.int64)
    labels[:, :, 2:] = 1
    logits.requires_grad_()
    value = loss(logits, labels)
    value.backward()
    # Soft dice adds less than one to the cross-entropy.
    assert 199 < float(value.detach()) < 201.1
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize(
    ("label", "told"), [(3, "label 3"), (-1, "label -1"), (254, "label 254"), (2**32 + 1, "label 4294967297")]
)
def test_labels_outside_the_classes_are_refused(loss, label, told):
    logits, labels = drawn((2, 3, 4, 4), seed=5)
    labels[1, 2, 2] = label
    with pytest.raises(ValueError, match=rf"{told} is outside the classes 0 to 2 and is not the ignored 255"):
        loss(logits, labels)


def test_a_batch_without_valid_labels_has_loss_and_gradient_0(loss):
    logits, labels = drawn((2, 3, 4, 4), seed=6)
    value = loss(logits, torch.full_like(labels, IGNORE))
    value.backward()
    assert float(value.detach()) == 0
    assert not logits.grad.any()
    assert torch.func.grad(lambda x: loss(x, torch.full_like(labels, IGNORE)))(logits.detach()).eq(0).all()


def test_one_set_of_mixed_labels_may_have_no_valid_one():
    logits, labels = drawn((2, 3, 4, 4), seed=6)
    same_value_and_gradient(
        lambda x: mixup_loss(x, labels, torch.full_like(labels, IGNORE), 0.3, IGNORE),
        lambda x: 0.3 * cross_entropy(x, labels),
        logits,
    )


@pytest.mark.parametrize("gap", [200.0, 300.0, torch.inf])
def test_a_class_without_probability_and_without_pixels_changes_nothing(loss, gap):
    """Its probabilities underflow to 0, also where it is masked by minus infinity."""
    logits, labels = drawn((2, 3, 4, 4), seed=12, dtype=torch.float32)
    more = F.pad(logits.detach(), (0, 0, 0, 0, 0, 1), value=-gap).requires_grad_()
    if loss is LOSSES["upsample_cross_entropy"] and gap == torch.inf:
        pytest.skip("interpolation multiplies infinity with 0, as torch's own does")
    same, without = loss(more, labels), loss(logits, labels)
    torch.testing.assert_close(same, without)
    (gradient,), (expected,) = torch.autograd.grad(same, more), torch.autograd.grad(without, logits)
    torch.testing.assert_close(gradient[:, :3], expected)
    assert not gradient[:, 3].any()


def test_a_masked_class_may_be_that_which_ignored_pixels_stand_for(loss):
    """Ignored labels are 0 inside the losses; nothing times minus infinity would be NaN."""
    if loss is LOSSES["upsample_cross_entropy"]:
        pytest.skip("interpolation multiplies infinity with 0, as torch's own does")
    logits, labels = drawn((2, 3, 4, 4), seed=13)
    labels = labels.clamp_min(1)
    masked = logits.detach().index_fill(1, torch.tensor(0), -torch.inf).requires_grad_()
    value = loss(masked, labels)
    value.backward()
    assert value.isfinite()
    assert masked.grad.isfinite().all()


@pytest.mark.parametrize("shape", [(3, 4, 4), (2, 3, 4, 4), (2,)])
def test_labels_of_another_shape_are_refused(loss, shape):
    logits, _ = drawn((2, 3, 4, 4), seed=7)
    with pytest.raises(ValueError, match=r"logits \(2, 3, 4, 4\) and targets .* do not belong together"):
        loss(logits, torch.zeros(shape, dtype=torch.int64))


def test_labels_of_another_size_are_refused():
    logits, _ = drawn((2, 3, 4, 4), seed=7)
    for name, loss in LOSSES.items():
        if name != "upsample_cross_entropy":
            with pytest.raises(ValueError, match="do not belong together"):
                loss(logits, torch.zeros(2, 4, 5, dtype=torch.int64))


def test_labels_that_are_no_integers_are_refused(loss):
    logits, labels = drawn((2, 3, 4, 4), seed=8)
    with pytest.raises(ValueError, match=r"targets are torch.float32; they must be integer"):
        loss(logits, labels.float())


@pytest.mark.parametrize("gamma", [-0.1, float("nan"), float("inf")])
def test_negative_and_endless_gamma_is_refused(gamma):
    logits, labels = drawn((2, 3), seed=9)
    for loss in (focal, soft_dice):
        with pytest.raises(ValueError, match=f"gamma is {gamma}; it must be at least 0"):
            loss(logits, labels, gamma, IGNORE)


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_shares_outside_0_to_1_are_refused(share):
    logits, labels = drawn((2, 3), seed=9)
    with pytest.raises(ValueError, match=f"share is {share}"):
        mixup_loss(logits, labels, labels, share, IGNORE)


def test_focal_equals_kornia():
    losses = pytest.importorskip("kornia.losses", reason="kornia, an oracle, is not installed")
    logits, labels = drawn((2, 4, 5, 6), seed=10)
    total = losses.focal_loss(logits, labels, None, 2.0, "sum", ignore_index=IGNORE)
    torch.testing.assert_close(focal(logits, labels, 2.0, IGNORE), total / (labels != IGNORE).sum())


def test_soft_dice_equals_segmentation_models_where_every_class_occurs():
    smp = pytest.importorskip(
        "segmentation_models_pytorch.losses",
        reason="segmentation-models-pytorch, an oracle, is not installed",
    )
    logits, labels = drawn((2, 3, 8, 8), seed=11, ignored=0)
    dice = smp.DiceLoss("multiclass", eps=1e-12)(logits, labels)
    torch.testing.assert_close(soft_dice(logits, labels), cross_entropy(logits, labels) + dice)
