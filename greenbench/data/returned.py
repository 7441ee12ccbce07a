"""What a workload's function may return: two data sets, and a function that builds the network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from greenbench.data.options import Options
from greenbench.data.samples import Samples, classes_of
from greenbench.errors import UserError

FACTORY_CURE = "return a function that builds it: lambda: Network(...)"


def checked(returned: Any, what: str, options: Options) -> tuple[Samples, Samples, Callable[..., Any]]:
    """Return training data, validation data and what builds the network.

    Parameters
    ----------
    returned
        What the function returned.
    what
        Name of the workload, for messages.
    options
        Of the decorator; a network of theirs stands for one that is returned.

    Raises
    ------
    UserError
        If it is something else.
    """
    parts = len(returned) if isinstance(returned, tuple | list) else 0
    wanted = "end its function with: return train, validation" + ("" if options.network else ", network")
    if parts not in (2, 3):
        found = f"{parts} things" if parts else type(returned).__name__
        raise UserError(f"{what} returned {found}", wanted)
    if (parts == 3) == (options.network is not None):
        found = "a network beside network=" if options.network else "no network"
        raise UserError(f"{what} returned {found}", wanted)
    train, validation, *rest = returned
    network = rest[0] if rest else options.network
    if isinstance(network, nn.Module):
        raise UserError(
            f"{what} returned {type(network).__name__} that is built, and every run needs a new one",
            FACTORY_CURE,
        )
    if not callable(network):
        raise UserError(f"{what} returned {type(network).__name__} as its network", FACTORY_CURE)
    _check_samples(train, f"{what}: its train data")
    _check_samples(validation, f"{what}: its validation data")
    classes, others = classes_of(train), classes_of(validation)
    if classes is not None and others is not None and classes != others:
        only = sorted({*map(str, classes)} ^ {*map(str, others)})
        how = f"{only[0]} is in one of them alone" if only else "they are in another order"
        raise UserError(
            f"{what}: the classes of training and validation differ, as {how}",
            "give both the same classes in the same order",
        )
    return train, validation, network


def _check_samples(samples: Any, what: str) -> None:
    kind = type(samples).__name__
    for method, lack in (("__len__", "a length"), ("__getitem__", "samples by index")):
        if not hasattr(samples, method):
            raise UserError(
                f"{what} ({kind}) have not {lack}",
                "return map-style data sets (torch.utils.data.Dataset), not loaders or streams",
            )
    if len(samples) == 0:
        raise UserError(f"{what} ({kind}) are empty", "look at where they are read from")
