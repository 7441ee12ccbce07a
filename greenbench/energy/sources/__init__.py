"""Where energy is read: a file or folder for each kind of device, and this folder is their list.

A module here, or one that an installed package names in the entry-point group ``greenbench.meters``, defines ``SOURCES``,
a tuple of `Source`.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points

from greenbench.energy.window import Meter
from greenbench.errors import UserError

ENTRY_POINT_GROUP = "greenbench.meters"


@dataclass(frozen=True)
class Request:
    """What a meter is wanted for; see `greenbench.energy.open_meter`. `argument` follows the source's name."""

    argument: str
    synchronize: Callable[[], None]
    devices: str | Sequence[str]
    busy: str


def no_argument(argument: str) -> None:
    """Refuse any argument."""
    if argument:
        raise UserError(f"the argument {argument!r} has no meaning", "leave it out")


@dataclass(frozen=True)
class Source:
    """A way to get energy.

    Attributes
    ----------
    name
        As in ``--green-meter``, before a colon.
    open
        Opens the meter; `SourceUnavailable` where it cannot measure on this machine, `UserError` where a device is
        in use.
    forms
        How it is written, where not just by its name: ``("replay:FILE",)``.
    check
        Takes what follows the colon; `UserError` where that cannot be.
    rank
        Place in the order in which ``auto`` tries sources; None for one that it does not try.
    part
        What of the machine it measures, for the name of one that cannot.
    """

    name: str
    open: Callable[[Request], Meter]
    forms: tuple[str, ...] = ()
    check: Callable[[str], None] = no_argument
    rank: int | None = None
    part: str | None = None


@cache
def known_sources() -> dict[str, Source]:
    """Return all sources by name."""
    modules = [f"{__name__}.{info.name}" for info in pkgutil.iter_modules(__path__)]
    modules += [point.module for point in entry_points(group=ENTRY_POINT_GROUP)]
    found = {}
    for module in modules:
        for source in importlib.import_module(module).SOURCES:
            found[source.name] = source
    return dict(sorted(found.items()))
