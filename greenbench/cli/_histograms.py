"""How often each label is there, in lines of a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from greenbench.data.mask_ids import ranges

COLUMNS = 80
BAR = "━"
STEPS = "▁▂▃▄▅▆▇█"
NONE = "·"

MOST_ROWS = 24
"""Up to that many labels have a row of their own; more are columns, one letter wide."""

LABELS_IN_A_ROW = 50
BAR_LENGTH = 40


def histogram(counts: Sequence[Sequence[int]], names: Sequence[str]) -> list[str]:
    """Return lines of at most 80 columns.

    Parameters
    ----------
    counts
        Of each label, for each part of the data.
    names
        Of these parts.
    """
    if not any(sum(part) for part in counts):
        return []
    length = max(map(len, counts))
    parts = [[*part, *[0] * (length - len(part))] for part in counts]
    lines = _rows(parts, names) if length <= MOST_ROWS else _columns(parts, names)
    for part, name in zip(parts, names, strict=True):
        if sum(part) and (without := [label for label, count in enumerate(part) if not count]):
            text = f"labels that are not in {name}: {ranges(without)}"
            lines += textwrap.wrap(text, COLUMNS - 2, initial_indent="  ", subsequent_indent="    ")
    return lines


def _rows(parts: Sequence[Sequence[int]], names: Sequence[str]) -> list[str]:
    """Return a row for each label: a bar for the first part, and the shares of all."""
    shares = [[count / max(1, sum(part)) for count in part] for part in parts]
    highest = max(shares[0]) or 1
    lines = ["  label " + " " * BAR_LENGTH + "".join(f"{name:>12}" for name in names)]
    for label, of_parts in enumerate(zip(*shares, strict=True)):
        bar = BAR * round(BAR_LENGTH * of_parts[0] / highest)
        lines.append(f"  {label:>5} {bar:<{BAR_LENGTH}}" + "".join(f"{share:>12.2%}" for share in of_parts))
    return lines


def _columns(parts: Sequence[Sequence[int]], names: Sequence[str]) -> list[str]:
    lines = []
    for part, name in zip(parts, names, strict=True):
        highest = max(part)
        if not highest:
            continue
        lowest = f"{min(part):,} to " if min(part) < highest else ""
        lines.append(f"  {name}: {lowest}{highest:,} of each label")
        for start in range(0, len(part), LABELS_IN_A_ROW):
            some = part[start : start + LABELS_IN_A_ROW]
            heights = "".join(
                STEPS[min(len(STEPS) - 1, len(STEPS) * count // highest)] if count else NONE for count in some
            )
            lines.append(f"  {start:>5} {heights} {start + len(some) - 1}")
    return lines
