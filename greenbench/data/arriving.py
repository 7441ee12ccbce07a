"""Batches on their way from the host to the device, and images of one size put together there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import torch
from torch import Tensor

from greenbench.data.structures import map_tensors, tensors_in

_Batch = TypeVar("_Batch")
_Started = TypeVar("_Started")

WAITING_IMAGES = 32
"""Evaluated images of any size that wait for others of theirs."""


def arriving(batches: Iterable[_Batch], device: torch.device) -> Iterator[_Batch]:
    """Yield batches of structures of tensors on a device, in their order.

    A GPU copies each batch on a stream of its own while it works on the batch before, if the batches lie in pinned
    memory. Two batches are there at a time.
    """
    if device.type != "cuda":
        return (map_tensors(batch, lambda values: values.to(device, non_blocking=True)) for batch in batches)
    copies = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def start(batch: _Batch) -> tuple[_Batch, torch.cuda.Event]:
        with torch.cuda.stream(copies):
            moved = map_tensors(batch, lambda values: values.to(device, non_blocking=True))
        return moved, copies.record_event()

    def arrive(started: tuple[_Batch, torch.cuda.Event]) -> _Batch:
        moved, copied = started
        used_on = torch.cuda.current_stream(device)
        used_on.wait_event(copied)
        for values in tensors_in(moved):
            values.record_stream(used_on)  # or their memory would be given to a later copy while it is read
        return moved

    return one_ahead(batches, start, arrive)


def one_ahead(
    batches: Iterable[_Batch], start: Callable[[_Batch], _Started], arrive: Callable[[_Started], _Batch]
) -> Iterator[_Batch]:
    """Yield ``arrive(start(batch))`` of each batch, with the next one started before."""
    before: list[_Started] = []
    for batch in batches:
        before.append(start(batch))
        if len(before) > 1:
            yield arrive(before.pop(0))
    for started in before:
        yield arrive(started)


def sizes_together(images: Iterable[tuple[Tensor, Tensor]], pixels: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Put images (1, C, H, W) and masks (1, H, W) of one size together, up to so many pixels.

    The images of a batch are in their order, the batches are not. Where more than `WAITING_IMAGES` wait for others of
    their size, those that wait longest go as they are.
    """
    waiting: dict[torch.Size, list[tuple[Tensor, Tensor]]] = {}
    for pair in images:
        size = pair[0].shape[-2:]
        alike = waiting.setdefault(size, [])
        alike.append(pair)
        if (len(alike) + 1) * size.numel() > pixels:
            yield _together(waiting.pop(size))
        elif sum(map(len, waiting.values())) > WAITING_IMAGES:
            yield _together(waiting.pop(next(iter(waiting))))
    for alike in waiting.values():
        yield _together(alike)


def _together(pairs: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    images, masks = zip(*pairs, strict=True)
    return (images[0], masks[0]) if len(pairs) == 1 else (torch.cat(images), torch.cat(masks))
