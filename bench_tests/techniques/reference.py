"""Slow float64 formulas that the losses are held against, and labels to try them on."""

import torch

IGNORE = 255


def drawn(shape, seed, ignored=0.2, dtype=torch.float64, spread=3.0):
    """Return logits (N, C, H, W) or (N, C) and labels, a share of them ignored but never all."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(shape, dtype=torch.float64, generator=generator) * spread
    labels = torch.randint(shape[1], (shape[0], *shape[2:]), generator=generator)
    away = torch.rand(labels.shape, generator=generator) < ignored
    away.view(-1)[0] = False
    return logits.to(dtype).requires_grad_(), labels.masked_fill(away, IGNORE)


def in_layout(logits, channels_last):
    """Return a leaf with the same values in the other memory layout."""
    layout = torch.channels_last if channels_last and logits.ndim == 4 else torch.contiguous_format
    return logits.detach().clone(memory_format=layout).requires_grad_()


def probabilities(logits):
    """Return the softmax with the classes last, flattened to (pixels, C)."""
    return logits.double().softmax(1).movedim(1, -1).reshape(-1, logits.shape[1])


def same_value_and_gradient(ours, reference, logits, tolerance=1e-10):
    """Assert that two losses agree in value and in the gradient by the logits."""
    results = []
    for loss in (ours, reference):
        leaf = logits.detach().clone(memory_format=torch.preserve_format).requires_grad_()
        value = loss(leaf)
        value.backward()
        results.append((value.detach().double(), leaf.grad.double()))
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, atol=tolerance, rtol=tolerance)
