"""Wait for whatever GPU work a program has queued, without importing what it does not use."""

from __future__ import annotations

import sys
from contextlib import suppress


def synchronize_loaded() -> None:
    """Wait for the GPU work of torch and CuPy, where the program has imported them and uses a GPU.

    Other libraries are waited for by their own function; see the argument `synchronize` of `open_meter`.
    """
    torch = sys.modules.get("torch")
    with suppress(AttributeError):  # one that is still being imported
        if torch is not None and torch.cuda.is_initialized():
            torch.cuda.synchronize()
    cupy = sys.modules.get("cupy")
    with suppress(AttributeError):
        if cupy is not None:
            cupy.cuda.runtime.deviceSynchronize()
