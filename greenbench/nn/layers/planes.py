"""Single passes over the planes (H, W) of (N, C, H, W) maps, each plane with numbers of its own.

Contiguous maps are treated as one image of N * C channels, for which batch normalization has fused kernels on
every device: with given moments its forward pass scales and shifts each plane, and its backward pass is two
sums. Maps in channels_last are broadcast over instead. In half precision on a CPU, broadcasting would convert
them to the type of the numbers first: there they go through the fused kernels image by image.
"""

from __future__ import annotations

import torch
from torch import Tensor


def standardize(x: Tensor, mean: Tensor, var: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    """Return ``(x - mean) / sqrt(var + eps) * weight + bias`` in the type and layout of `x`.

    `mean` and `var` are (N, C), `weight` and `bias` (C,) or (N, C).
    """
    n, c, h, w = x.shape
    if x.is_contiguous():
        y = torch.batch_norm(
            x.view(1, n * c, h, w),
            weight.expand(n, c).flatten(), bias.expand(n, c).flatten(), mean.flatten(), var.flatten(),
            False, 0.0, eps, False,
        )  # fmt: skip
        # The caller may modify the result in place, which autograd forbids for a view.
        z: Tensor = torch.ops.aten._unsafe_view(y, (n, c, h, w))
        return z
    if _goes_by_image(x, mean):
        numbers = zip(x, weight.expand(n, c), bias.expand(n, c), mean, var, strict=True)
        return torch.cat(
            [torch.batch_norm(i[None], w, b, m, v, False, 0.0, eps, False) for i, w, b, m, v in numbers]
        )
    scale = weight * (var + eps).rsqrt()
    return torch.addcmul(over(bias - mean * scale), x, over(scale)).to(x.dtype)


def sums(dy: Tensor, x: Tensor, mean: Tensor, var: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """Return for each plane the sums of `dy` and of ``dy * (x - mean) / sqrt(var + eps)``, (N, C)."""
    n, c, h, w = x.shape
    if x.is_contiguous():
        _, weighted, total = torch.ops.aten.native_batch_norm_backward(
            dy.reshape(1, n * c, h, w), x.view(1, n * c, h, w), None,
            mean.flatten(), var.flatten(), None, None, False, eps, [False, True, True],
        )  # fmt: skip
        return total.view(n, c), weighted.view(n, c)
    if _goes_by_image(x, mean):
        # Where the two differ in layout, torch adds them up in half precision.
        dy = dy.contiguous(memory_format=torch.channels_last)
        parts = [
            torch.ops.aten.native_batch_norm_backward(
                d[None], image[None], None, m, v, None, None, False, eps, [False, True, True]
            )
            for d, image, m, v in zip(dy, x, mean, var, strict=True)
        ]
        return torch.stack([total for *_, total in parts]), torch.stack([part for _, part, _ in parts])
    weighted = (dy * (x - over(mean))).sum((2, 3), dtype=mean.dtype)
    return dy.sum((2, 3), dtype=mean.dtype), weighted * (var + eps).rsqrt()


def _goes_by_image(x: Tensor, numbers: Tensor) -> bool:
    return x.device.type == "cpu" and x.dtype != numbers.dtype


def over(numbers: Tensor) -> Tensor:
    """Shape (N, C) numbers to broadcast over maps, in their own type.

    In the type of half-precision maps, a mean would be off by as much as what lies around it.
    """
    return numbers[:, :, None, None]
