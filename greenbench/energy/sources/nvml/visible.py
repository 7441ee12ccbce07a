"""Which GPUs CUDA_VISIBLE_DEVICES means. NVML ignores that variable; this does not.

Rules of the CUDA driver, tried on 580.159 with 33 values: an entry is an index, which is the number that its text
begins with (``0gpu`` and ``0;1`` are 0), or a UUID or the beginning of one. The list ends at the first entry that names
nothing, and a GPU that is named twice makes all invisible. A MIG name is refused: NVML's energy is that of the whole GPU.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence

from greenbench.energy.device import SourceUnavailable

VARIABLE = "CUDA_VISIBLE_DEVICES"
ORDER = "CUDA_DEVICE_ORDER"

HIDING = ("", "-1", "NoDevFiles")
"""Values with which somebody hides all GPUs on purpose: then the work is the CPU's."""

_INDEX = re.compile(r"\s*(?:\+|-(?=0+(?![0-9])))?([0-9]{1,99})", re.ASCII)
"""A number as C reads it; a minus is allowed before zero alone."""


def visible_uuids(
    uuids: Sequence[str],
    names: Sequence[str],
    environment: Mapping[str, str] | None = None,
    *,
    first: bool = False,
) -> list[str]:
    """Return the UUIDs of the GPUs that a CUDA program started here would see, in its order.

    Parameters
    ----------
    uuids, names
        All GPUs and their models, in NVML's order, which is that of the PCI bus.
    environment
        Stands in for the process's own.
    first
        Return the first one alone.

    Raises
    ------
    SourceUnavailable
        Where nothing is visible, where a MIG slice is, or where it cannot be known which GPU an index
        means.
    """
    variables = os.environ if environment is None else environment
    text = variables.get(VARIABLE)
    chosen, by_index = (list(range(len(uuids))), True) if text is None else _parse(text, uuids)
    if not chosen:
        raise SourceUnavailable(
            f"{VARIABLE}={text!r} leaves none of this machine's {len(uuids)} GPUs visible",
            f"unset {VARIABLE}, or name a GPU in it, by its index or UUID",
            absent=text in HIDING,
        )
    if first:
        chosen = chosen[:1]
    # Among GPUs of one model it does not matter which is which, nor where all of them are meant.
    ambiguous = by_index and len(set(names)) > 1 and len(chosen) < len(uuids)
    if ambiguous and variables.get(ORDER) != "PCI_BUS_ID":
        raise SourceUnavailable(
            f"this machine's GPUs differ ({', '.join(dict.fromkeys(names))}), so that CUDA's index "
            f"{chosen[0]} may be another GPU than NVML's",
            f"set {ORDER}=PCI_BUS_ID, or name the GPU by UUID in {VARIABLE}",
        )
    return [uuids[position] for position in chosen]


def _parse(text: str, uuids: Sequence[str]) -> tuple[list[int], bool]:
    """Return the positions that the variable's text names, and whether it does so by index."""
    chosen: list[int] = []
    by_index = False
    for entry in text.split(","):
        if entry.startswith("MIG"):
            raise SourceUnavailable(
                f"{VARIABLE}={text} names a MIG slice, and NVML's energy is that of the whole GPU",
                f"choose a GPU without MIG in {VARIABLE}",
            )
        if entry.startswith("GPU-"):
            matches = [k for k, uuid in enumerate(uuids) if uuid.startswith(entry) or entry.startswith(uuid)]
        else:
            by_index = True
            matches = _index(entry, len(uuids))
        if len(matches) != 1:
            break
        if matches[0] in chosen:
            return [], by_index
        chosen.append(matches[0])
    return chosen, by_index


def _index(entry: str, count: int) -> list[int]:
    """Return the position that an entry begins with; empty if there is none such."""
    number = _INDEX.match(entry)
    if number is None:
        return []
    # The driver reads 64 bits and keeps 32 of them.
    index = min(int(number[1]), 2**63 - 1) % 2**32
    return [index] if index < count else []
