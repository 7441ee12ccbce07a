"""Which GPUs CUDA_VISIBLE_DEVICES means. NVML ignores that variable; this does not.

Rules of the CUDA runtime: entries are indices or (beginnings of) UUIDs, and the list ends at the first
entry that names nothing. A MIG name is refused: NVML's energy is that of the whole GPU.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from greenbench.energy.device import SourceUnavailable

VARIABLE = "CUDA_VISIBLE_DEVICES"
ORDER = "CUDA_DEVICE_ORDER"


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
            f"{VARIABLE}={text!r} leaves no GPU visible",
            f"unset {VARIABLE}, or name a GPU in it",
            absent=True,
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
    for entry in (part.strip() for part in text.split(",")):
        if entry.startswith("MIG"):
            raise SourceUnavailable(
                f"{VARIABLE}={text} names a MIG slice, and NVML's energy is that of the whole GPU",
                f"choose a GPU without MIG in {VARIABLE}",
            )
        if entry.startswith("GPU-"):
            matches = [position for position, uuid in enumerate(uuids) if uuid.startswith(entry)]
        else:
            by_index = True
            matches = [int(entry)] if entry.isdigit() and int(entry) < len(uuids) else []
        if len(matches) != 1:
            break
        chosen.append(matches[0])
    return chosen, by_index
