"""BlurPool against numpy's padding and a dense binomial filter in float64."""

from math import comb

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from greenbench.nn.layers.blurpool import BlurPool2d

sides = st.integers(1, 13)
filters = st.sampled_from([3, 5, 7])
strides = st.integers(1, 4)


def blurred(x, filter_size, stride):
    """Pad, filter, subsample, as the definition says."""
    half = filter_size // 2
    taps = np.array([comb(filter_size - 1, i) for i in range(filter_size)]) / 2 ** (filter_size - 1)
    padded = np.pad(x, ((0, 0), (0, 0), (half, half), (half, half)), mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (filter_size, filter_size), (2, 3))
    return np.einsum("nchwij,i,j->nchw", windows[:, :, ::stride, ::stride], taps, taps)


@settings(deadline=None, max_examples=60)
@given(sides, sides, filters, strides, st.booleans(), st.integers(0, 2**31))
def test_equals_the_definition_on_any_map(height, width, filter_size, stride, channels_last, seed):
    x = torch.randn(2, 3, height, width, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    layout = torch.channels_last if channels_last else torch.contiguous_format
    y = BlurPool2d(3, stride, filter_size)(x.contiguous(memory_format=layout))
    np.testing.assert_allclose(y.numpy(), blurred(x.numpy(), filter_size, stride), atol=1e-12)


@pytest.mark.parametrize(("height", "width"), [(64, 65), (129, 70), (200, 131)])
def test_maps_of_several_blocks_equal_the_definition(height, width):
    x = torch.randn(1, 2, height, width, dtype=torch.float64)
    for layout in (torch.contiguous_format, torch.channels_last):
        y = BlurPool2d(2)(x.contiguous(memory_format=layout))
        assert y.is_contiguous(memory_format=layout)
        np.testing.assert_allclose(y.numpy(), blurred(x.numpy(), 5, 2), atol=1e-12)


@pytest.mark.parametrize("shape", [(1, 2, 5, 6), (2, 1, 1, 4), (1, 1, 7, 2)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_gradients_are_exact(shape, layout):
    x = torch.randn(shape, dtype=torch.float64).contiguous(memory_format=layout).requires_grad_()
    blur = BlurPool2d(shape[1])
    assert torch.autograd.gradcheck(blur, x)
    assert torch.autograd.gradgradcheck(blur, x)


@settings(deadline=None, max_examples=30)
@given(sides, sides, st.sampled_from([torch.float32, torch.bfloat16]), st.integers(-8, 8))
def test_constant_in_constant_out(height, width, dtype, value):
    y = BlurPool2d(2)(torch.full((1, 2, height, width), float(value), dtype=dtype))
    assert y.dtype == dtype
    assert torch.equal(y, torch.full_like(y, float(value)))


def test_equals_timm():
    layers = pytest.importorskip("timm.layers", reason="timm, an oracle, is not installed")
    for shape in ((2, 4, 8, 8), (1, 4, 9, 14), (2, 4, 70, 33)):
        x = torch.randn(shape)
        torch.testing.assert_close(BlurPool2d(4)(x), layers.BlurPool2d(4, filt_size=5)(x))


def test_adds_nothing_to_a_checkpoint():
    assert not BlurPool2d(4).state_dict()
    assert not list(BlurPool2d(4).parameters())


@pytest.mark.parametrize("filter_size", [4, 2, 1, 0, -3])
def test_refuses_filters_without_a_center(filter_size):
    with pytest.raises(ValueError, match=rf"filter_size is {filter_size}; .*odd"):
        BlurPool2d(4, filter_size=filter_size)


@pytest.mark.parametrize(("channels", "stride"), [(0, 2), (4, 0)])
def test_refuses_settings_below_one(channels, stride):
    with pytest.raises(ValueError, match="at least 1"):
        BlurPool2d(channels, stride)


def test_refuses_another_number_of_channels():
    with pytest.raises(ValueError, match=r"expected \(N, 4, H, W\), got \(1, 3, 8, 8\)"):
        BlurPool2d(4)(torch.zeros(1, 3, 8, 8))
