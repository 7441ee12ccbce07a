"""CoordConv against a convolution of concatenated coordinates."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from greenbench.nn.layers.coordconv import CoordConv2d, coordinates

sides = st.integers(1, 9)
CPU = torch.device("cpu")


def place(index, length):
    return 0.0 if length == 1 else 2 * index / (length - 1) - 1


@settings(deadline=None, max_examples=40)
@given(sides, sides)
def test_coordinates_are_exact_off_squares(height, width):
    maps = coordinates(height, width, torch.float64, CPU)[0]
    for i in range(height):
        for j in range(width):
            x, y = place(j, width), place(i, height)
            assert maps[:, i, j].tolist() == pytest.approx([x, y, math.hypot(x, y)], abs=1e-15)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 3), sides, sides, st.sampled_from([(1, 1, 0), (3, 2, 1), (3, 1, 2)]), st.booleans())
def test_equals_the_convolution_of_concatenated_coordinates(batch, height, width, kind, bias):
    kernel, stride, padding = kind
    conv = CoordConv2d(2, 4, kernel, stride, padding, bias=bias).double()
    x = torch.randn(batch, 2, height, width, dtype=torch.float64)
    if min(height, width) + 2 * padding < kernel:
        return
    concatenated = torch.cat((x, coordinates(height, width, x.dtype, CPU).expand(batch, -1, -1, -1)), 1)
    weight = torch.cat((conv.weight, conv.coord_weight), 1)
    expected = F.conv2d(concatenated, weight, conv.bias, stride, padding)
    for mode in (conv.train(), conv.eval()):
        torch.testing.assert_close(mode(x), expected)
    with torch.no_grad():
        torch.testing.assert_close(conv(x), expected)


def test_gradients_are_exact():
    conv = CoordConv2d(2, 3, 3, padding=1).double()
    x = torch.randn(2, 2, 4, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, *_: conv(x), (x, *conv.parameters()))


def test_zero_coordinate_weights_leave_the_plain_convolution():
    plain = nn.Conv2d(3, 8, 7, 2, 3)
    conv = CoordConv2d.from_conv(plain)
    nn.init.zeros_(conv.coord_weight)
    x = torch.randn(2, 3, 20, 33)
    assert torch.equal(conv(x), plain(x))


def test_pretrained_weights_of_the_plain_convolution_load():
    plain = nn.Conv2d(3, 8, 7, 2, 3, bias=False)
    conv = CoordConv2d(3, 8, 7, 2, 3, bias=False)
    missing, unexpected = conv.load_state_dict(plain.state_dict(), strict=False)
    assert (missing, unexpected) == (["coord_weight"], [])
    assert torch.equal(conv.weight, plain.weight)


def test_inference_sees_every_change_of_the_weights():
    conv = CoordConv2d(2, 3, 3, padding=1)
    x = torch.randn(1, 2, 6, 5)

    def fresh():
        with torch.enable_grad():
            return conv(x).detach()

    with torch.no_grad():
        conv(x)
        conv.coord_weight.add_(1)
        assert torch.equal(conv(x), fresh())
        conv.coord_weight.data = torch.zeros_like(conv.coord_weight)
        assert torch.equal(conv(x), fresh())
        conv.load_state_dict(CoordConv2d(2, 3, 3, padding=1).state_dict())
        assert torch.equal(conv(x), fresh())
        conv.double()
        assert conv(x.double()).dtype == torch.float64
        x = torch.randn(1, 2, 5, 6, dtype=torch.float64)
        assert torch.equal(conv(x), fresh())


def test_trains_on_after_evaluation_in_inference_mode():
    coordinates.cache_clear()
    conv = CoordConv2d(2, 3, 3, padding=1)
    x = torch.randn(2, 2, 7, 6)
    with torch.inference_mode():
        conv(x)
    conv(x).sum().backward()
    assert conv.coord_weight.grad.abs().sum() > 0


def test_counters_see_the_concatenated_form_for_one_image():
    conv = CoordConv2d(3, 8, 7, 2, 3, bias=False).to("meta")
    with FlopCounterMode(display=False) as counter:
        conv(torch.empty(1, 3, 64, 96, device="meta"))
    assert counter.get_total_flops() == 2 * 49 * 6 * 8 * 32 * 48
    assert conv.conv_macs((1, 3, 64, 96)) == 49 * 6 * 8 * 32 * 48


@pytest.mark.parametrize(
    ("conv", "named"),
    [
        (nn.Conv2d(4, 4, 3, groups=2), "groups=2"),
        (nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"), "padding_mode='reflect'"),
        (nn.Conv2d(4, 4, 3, padding="same"), "padding='same'"),
    ],
)
def test_convolutions_that_cannot_take_coordinates_are_refused(conv, named):
    with pytest.raises(ValueError, match=named):
        CoordConv2d.from_conv(conv)


def test_coordinates_start_as_the_weights_of_one_convolution_of_all_channels():
    """Uniform: of 15,000 draws the largest are within a thousandth of the bound, and the mean is near 0."""
    torch.manual_seed(0)
    drawn = CoordConv2d(5, 100, 7).coord_weight.detach()
    bound = ((5 + 3) * 7 * 7) ** -0.5
    assert drawn.shape == (100, 3, 7, 7)
    assert -bound <= drawn.min() < -0.998 * bound
    assert 0.998 * bound < drawn.max() <= bound
    assert abs(drawn.mean()) < 0.03 * bound
    assert drawn.std() == pytest.approx(bound / 3**0.5, rel=0.02)
