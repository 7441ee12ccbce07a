"""A device that computes on the CPU and is none: it shows where the host would wait for an accelerator.

Its tensors say that they lie on ``meta``, so code takes the way of an accelerator, and every operation on them passes
here. Reading a value of theirs, or moving one between host and device while the host waits, is refused inside of
`no_waiting`. So is what reads values to know how large its result is.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_leaves, tree_map_only

ELSEWHERE = torch.device("meta", 1)
HOST = torch.device("cpu")

aten = torch.ops.aten
READS = {
    packet
    for name in [
        "_local_scalar_dense",
        "item",
        "is_nonzero",
        "equal",
        "nonzero",
        "nonzero_numpy",
        "masked_select",
        "bincount",
        "_unique",
        "_unique2",
        "unique_dim",
        "unique_consecutive",
        "unique_dim_consecutive",
        "repeat_interleave",
        "allclose",
        "histogram",
    ]
    if (packet := getattr(aten, name, None)) is not None
}
COPIES = {aten._to_copy, aten.copy_, aten.copy, aten._copy_from}
INDEXING = {aten.index, aten.index_put, aten.index_put_, aten._index_put_impl_, aten._unsafe_index}


class HostWaits(AssertionError):
    """Something that an accelerator would make the host wait for."""


class There(Tensor):
    """A tensor that lies elsewhere."""

    here: Tensor

    @staticmethod
    def __new__(cls, here: Tensor) -> There:
        wrapper = Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls,
            here.shape,
            strides=here.stride(),
            storage_offset=here.storage_offset(),
            dtype=here.dtype,
            device=ELSEWHERE,
            requires_grad=here.requires_grad,
        )
        wrapper.here = here.detach()
        return wrapper

    def __repr__(self, *_: Any, **__: Any) -> str:
        return f"There({self.here})"

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})


class _Elsewhere(TorchDispatchMode):
    """Also takes in what has no tensor from there: what is made there, and what is sent there."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})


class _Made(TorchFunctionMode):
    """Takes in what is made there from numbers of the host, which no operation shows."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in (Tensor.tolist, Tensor.numpy) and isinstance(args[0], There):
            _refuse(f"{func.__name__} reads values")
            args = (args[0].here, *args[1:])
        if func is Tensor.__setitem__ and _is_mask(args[1]) and isinstance(args[2], int | float):
            return args[0].masked_fill_(
                args[1], args[2]
            )  # as on a GPU, where no place is counted for one number
        if func is Tensor.new_tensor:
            kwargs = {"device": args[0].device, **kwargs}
            func, args = torch.tensor, args[1:]
        device = kwargs.get("device")
        if func in (torch.tensor, torch.as_tensor, torch.asarray) and _is_there(device):
            made = func(*args, **{**kwargs, "device": None})
            return made.to(ELSEWHERE)
        return func(*args, **kwargs)


_refused: list[str] | None = None


def _is_mask(index: Any) -> bool:
    return isinstance(index, There) and index.dtype == torch.bool


def _is_there(device: Any) -> bool:
    return device is not None and torch.device(device).type == ELSEWHERE.type


def _run(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    leaves = tree_leaves((args, kwargs))
    there = [leaf for leaf in leaves if isinstance(leaf, There)]
    here = [leaf for leaf in leaves if isinstance(leaf, Tensor) and not isinstance(leaf, There)]
    asked = kwargs.get("device")
    to_there = _is_there(asked)
    to_here = asked is not None and not to_there
    if any(tensor.device.type == ELSEWHERE.type for tensor in here):
        raise RuntimeError(f"{func} got a tensor without values")
    if not there and not to_there:
        return func(*args, **kwargs)
    packet = func.overloadpacket
    # A length that is told in advance is not read.
    if packet in READS and there and kwargs.get("output_size") is None:
        _refuse(f"{func} reads values")
    if packet in INDEXING:
        for index in tree_leaves(args[1]):
            if isinstance(index, Tensor) and index.dtype in (torch.bool, torch.uint8):
                _refuse(f"{func} with a mask counts its places")
            elif isinstance(index, Tensor) and not isinstance(index, There) and index.ndim:
                _refuse(f"{func} copies places from the host")
    crosses = (to_there and here) or (to_here and there) or (packet in COPIES and here and there)
    if crosses and not _is_queued(func, args, kwargs):
        _refuse(f"{func} between host and device waits")
    if not crosses and packet not in INDEXING and there and any(tensor.ndim for tensor in here):
        raise RuntimeError(f"{func}: all tensors must be on one device")
    if asked is not None:
        kwargs = {**kwargs, "device": HOST}
    inner_args, inner_kwargs = tree_map_only(There, lambda tensor: tensor.here, (args, kwargs))
    result = func(*inner_args, **inner_kwargs)
    if to_here or (packet is aten.copy_ and not isinstance(args[0], There)):
        if packet is aten._to_copy and any(result is tensor.here for tensor in there):
            result = result.clone()
        return args[0] if packet is aten.copy_ else result
    if packet is aten.set_ or packet is aten.resize_:
        raise RuntimeError(f"{func} is not known here")
    wrapped = tree_map_only(Tensor, There, result)
    return return_and_correct_aliasing(func, args, kwargs, wrapped)


def _is_queued(func: Any, args: Any, kwargs: dict[str, Any]) -> bool:
    names = [argument.name for argument in func._schema.arguments]
    if kwargs.get("non_blocking"):
        return True
    return "non_blocking" in names and len(args) > (at := names.index("non_blocking")) and bool(args[at])


_of_torch = torch.autocast


def _autocast(kind: str, *args: Any, **kwargs: Any) -> AbstractContextManager[Any]:
    """Torch's autocast, which does not know this device: there it does nothing."""
    return nullcontext() if _is_there(kind) else _of_torch(kind, *args, **kwargs)


def _refuse(what: str) -> None:
    if _refused is not None:
        _refused.append(what)
        raise HostWaits(what)


@contextmanager
def elsewhere():
    """Give the device; what is made there must be used inside."""
    with ExitStack() as stack:
        from torch.optim import optimizer, sgd

        for module in (optimizer, sgd):
            if hasattr(module, "_get_fused_kernels_supported_devices"):
                known = module._get_fused_kernels_supported_devices()
                stack.enter_context(
                    mock.patch.object(
                        module, "_get_fused_kernels_supported_devices", lambda known=known: [*known, "meta"]
                    )
                )
        stack.enter_context(mock.patch.object(torch, "autocast", _autocast))
        stack.enter_context(_Made())
        stack.enter_context(_Elsewhere())
        yield ELSEWHERE


@contextmanager
def no_waiting():
    """Refuse whatever makes the host wait."""
    global _refused
    before, _refused = _refused, []
    try:
        yield
    finally:
        found, _refused = _refused, before
    assert not found, found  # also where it was caught on the way
