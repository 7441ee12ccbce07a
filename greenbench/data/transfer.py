"""What the host drew or read, on its way to the device that trains."""

from __future__ import annotations

import torch
from torch import Tensor


def send(values: Tensor, device: torch.device) -> Tensor:
    """Return values of the host on a device, without waiting for the work that is queued there.

    A GPU copies beside other work from memory alone that cannot be moved.
    """
    if device.type == "cuda":
        values = values.pin_memory()
    return values.to(device, non_blocking=True)
