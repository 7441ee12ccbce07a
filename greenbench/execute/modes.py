"""Numerical modes: what may change the arithmetic of a case is set for it, and put back afterwards.

What a technique, another test or a plugin has left behind would change a case without a word: a default dtype, an autocast,
a precision of float32, deterministic algorithms, the number of threads. That number is the machine's, and recorded there:
a case keeps the one that it finds.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from operator import attrgetter
from typing import Any, NamedTuple

import torch

from greenbench.errors import UserError
from greenbench.spec.mode import find_mode

_CUDA: Any = torch.backends.cuda
_BACKENDS = attrgetter("cuda.matmul", "cudnn.conv", "cudnn.rnn", "mkldnn.matmul", "mkldnn.conv", "mkldnn.rnn")

NOT_FLOAT32: Mapping[str, tuple[str, ...]] = {
    "NVIDIA_TF32_OVERRIDE": ("", "0"),
    "ONEDNN_DEFAULT_FPMATH_MODE": ("", "STRICT"),
    "DNNL_DEFAULT_FPMATH_MODE": ("", "STRICT"),
}
"""Environment variables that replace float32 by less, whatever torch is told, and the values that do not."""


class Switch(NamedTuple):
    """A setting of the whole process: how to read and set it, and its value within a case."""

    read: Callable[[], Any]
    set: Callable[[Any], object]
    within: Any


def _autocast(device: str, dtype: torch.dtype) -> tuple[Switch, Switch]:
    return (
        Switch(
            lambda: torch.is_autocast_enabled(device),
            lambda on: torch.set_autocast_enabled(device, on),
            False,
        ),
        Switch(
            lambda: torch.get_autocast_dtype(device),
            lambda kind: torch.set_autocast_dtype(device, kind),
            dtype,
        ),
    )


def _attribute(place: Any, name: str, within: bool) -> Switch:
    return Switch(lambda: getattr(place, name), lambda on: setattr(place, name, on), within)


def _reduction(name: str) -> Switch:
    """Return the switch of sums in less than float32: whether they are allowed, and whether in parts."""
    place = torch.backends.cuda.matmul

    def read() -> tuple[bool, bool]:
        return getattr(place, name), getattr(place, f"{name}_split_k", True)

    # Older versions of torch know no parts.
    return Switch(read, lambda found: setattr(place, name, found[0] if found[1] else found), (True, True))


def _anomalies(found: tuple[bool, bool]) -> None:
    torch.set_anomaly_enabled(found[0], check_nan=found[1])


def _default_device(device: torch.device) -> None:
    torch.set_default_device(None if device.type == "cpu" else device)


def _deterministic(found: tuple[bool, bool]) -> None:
    torch.use_deterministic_algorithms(found[0], warn_only=found[1])


def _flushes() -> bool:
    """Whether numbers below the smallest normal one become zero: torch does not say, so it is tried."""
    return bool(torch.tensor([1e-40], dtype=torch.float32, device="cpu").mul(1.0).eq(0).all())


SWITCHES = (
    Switch(torch.get_default_dtype, torch.set_default_dtype, torch.float32),
    Switch(torch.get_default_device, _default_device, torch.device("cpu")),
    *_autocast("cpu", torch.bfloat16),
    *_autocast("cuda", torch.float16),
    Switch(torch.is_autocast_cache_enabled, torch.set_autocast_cache_enabled, True),
    Switch(
        lambda: (
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
        ),
        _deterministic,
        (False, False),
    ),
    _reduction("allow_fp16_reduced_precision_reduction"),
    _reduction("allow_bf16_reduced_precision_reduction"),
    _attribute(torch.backends.cuda.matmul, "allow_fp16_accumulation", False),
    _attribute(torch.backends.mkldnn, "enabled", True),
    _attribute(torch.backends.mkldnn, "deterministic", False),
    Switch(_CUDA.preferred_blas_library, _CUDA.preferred_blas_library, torch._C._BlasBackend.Default),
    Switch(_CUDA.preferred_linalg_library, _CUDA.preferred_linalg_library, torch._C._LinalgBackend.Default),
    Switch(_CUDA.flash_sdp_enabled, _CUDA.enable_flash_sdp, True),
    Switch(_CUDA.mem_efficient_sdp_enabled, _CUDA.enable_mem_efficient_sdp, True),
    Switch(_CUDA.math_sdp_enabled, _CUDA.enable_math_sdp, True),
    Switch(_CUDA.cudnn_sdp_enabled, _CUDA.enable_cudnn_sdp, True),
    Switch(_CUDA.fp16_bf16_reduction_math_sdp_allowed, _CUDA.allow_fp16_bf16_reduction_math_sdp, False),
    Switch(_flushes, torch.set_flush_denormal, False),
    Switch(
        lambda: (torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()), _anomalies, (False, True)
    ),
    Switch(torch.is_grad_enabled, torch.set_grad_enabled, True),
)
"""Torch's own values, whatever was left behind. After the case all are as they were before it."""


@contextmanager
def _case() -> Iterator[None]:
    """Let float32 be float32: without TF32, which torch allows in convolutions unless told not to."""
    with torch.inference_mode(False), _switched(), _float32():
        yield


@contextmanager
def _switched() -> Iterator[None]:
    found = [switch.read() for switch in SWITCHES]
    threads = torch.get_num_threads()
    try:
        for switch in SWITCHES:
            switch.set(switch.within)
        yield
    finally:
        torch.set_num_threads(threads)
        for switch, value in zip(SWITCHES, found, strict=True):
            switch.set(value)


@contextmanager
def _float32() -> Iterator[None]:
    """Switch TF32 and bfloat16 off in all products and convolutions of float32.

    Torch has an older and a newer switch for it. Whoever asks the older one while they differ gets an error, so both
    are set.
    """
    before = [place.fp32_precision for place in _precisions()]
    try:
        matmul = torch.get_float32_matmul_precision()
    except RuntimeError:  # only the newer one was set
        matmul = None
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=False, allow_tf32=False):
            for place in _precisions():
                place.fp32_precision = "ieee"
            yield
    finally:
        if matmul is not None:
            torch.set_float32_matmul_precision(matmul)
        for place, precision in zip(_precisions(), before, strict=True):
            place.fp32_precision = precision


def _precisions() -> tuple[Any, ...]:
    """Return all places that hold a precision of float32 arithmetic, the one that others inherit first."""
    return (torch.backends, *_BACKENDS(torch.backends))


def numerical_mode(name: str) -> AbstractContextManager[None]:
    """Return the context in which a case of that mode runs.

    Raises
    ------
    UserError
        For an unknown name, where the environment replaces float32 by less, or under a profiler, which cannot be switched
        off for the case and would be part of its times and energies.
    """
    find_mode(name)
    for variable, allowed in NOT_FLOAT32.items():
        if os.environ.get(variable, "").upper() not in allowed:
            raise UserError(
                f"{variable}={os.environ[variable]} replaces float32 by less, which the mode {name} does not ask for",
                f"unset {variable}",
            )
    if torch._C._autograd._profiler_enabled():
        raise UserError(
            "a profiler of torch is on, which would be part of every time and energy",
            "end it before the first case",
        )
    return _case()
