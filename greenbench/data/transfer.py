"""What the host drew or read, on its way to the device that trains."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from greenbench.data.structures import map_tensors, tensors_in


def send(values: Tensor, device: torch.device) -> Tensor:
    """Return values of the host on a device, without waiting for the work that is queued there.

    A GPU copies beside other work from memory alone that cannot be moved.
    """
    if device.type == "cuda" and values.device.type == "cpu":
        values = values.pin_memory()
    return values.to(device, non_blocking=True)


class Sender:
    """Sends batches, to a GPU by a stream of their own: a batch is copied while the step before it is still at work.

    Parameters
    ----------
    device
        Where to.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream: torch.cuda.Stream | None = None

    def __call__(self, batch: Any) -> Any:
        """Return a batch of any structure on the device; the work that is queued from now on waits for it."""
        if self._device.type != "cuda":
            return self._sent(batch)
        if self._stream is None:
            self._stream = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
        with torch.cuda.stream(self._stream):
            sent = self._sent(batch)
        current = torch.cuda.current_stream(self._device)
        current.wait_stream(self._stream)
        for values in tensors_in(sent):
            values.record_stream(current)  # its memory is not given to the next copy before the work is done
        return sent

    def _sent(self, batch: Any) -> Any:
        return map_tensors(batch, lambda values: send(values, self._device))
