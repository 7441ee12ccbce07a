"""Where results come from that greenbench did not measure: a table, and how it was read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Literal


@dataclass(frozen=True)
class Elsewhere:
    """A table of results: it stands in the place of the machine, which greenbench does not know.

    Two records of it may be compared only if all of this agrees: the same table, read in the same way.

    Attributes
    ----------
    table, sha256, rows
        Name of the file, digest of its bytes, and number of its rows.
    columns
        The columns that were read, by what was read from them, such as ``{"workload": ("dataset", "network")}``.
    unread
        The other columns.
    baseline
        The technique that all others are compared with, as the table names it.
    score_unit, better
        Unit of the scores, and which direction is good; None without scores.
    energy_unit
        Unit of the energies in the table; None without energies. Records hold joules.
    cumulative
        Whether the rows of a run say what was spent since its start, and not since the row before.
    greenbench
        Version that read the table.
    """

    table: str
    sha256: str
    rows: int
    columns: Mapping[str, tuple[str, ...]]
    unread: tuple[str, ...]
    baseline: str
    score_unit: str | None
    better: Literal["higher", "lower"] | None
    energy_unit: str | None
    cumulative: bool
    greenbench: str

    @cached_property
    def key(self) -> str:
        """Hash of all of it."""
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:6]
