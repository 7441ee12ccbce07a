"""The study's effects beside a run's, as lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tabulate import tabulate

from greenbench.paper.effects import Effect, Word
from greenbench.paper.setups import STUDY_BOARD
from greenbench.units import MISSING

HEADINGS = ("Cell", "Quantity", "Verdict", "Published", "Here (95 % interval)", "p", "n", "")
WORDS: tuple[Word, ...] = ("reproduced", "not reproduced", "undecided", "not comparable", "not run")


def effect_lines(found: Sequence[Effect]) -> list[str]:
    """Return a table of the effects that a run has, and counts of all."""
    counts = Counter(effect.word for effect in found)
    said = ", ".join(f"{counts[word]} {word}" for word in WORDS if counts[word])
    lines = [f"against the published study, measured on {STUDY_BOARD.name}: {said}"]
    shown = [
        effect
        for effect in found
        if effect.word != "not run" and (effect.published is not None or effect.reason)
    ]
    compared = [effect for effect in shown if effect.published is not None]
    if compared:
        lines += [
            "",
            *tabulate([_cells(one) for one in compared], HEADINGS, disable_numparse=True).splitlines(),
        ]
    reasons = Counter(effect.reason for effect in shown if effect.published is None)
    return [*lines, *(f"not comparable: {reason} ({n} cells)" for reason, n in reasons.items())]


def _cells(effect: Effect) -> list[str]:
    ours = MISSING if effect.ours is None else _moved(effect, effect.ours)
    if effect.low is not None and effect.low != effect.high:
        ours += f" ({_moved(effect, effect.low)} to {_moved(effect, effect.high)})"
    return [
        effect.cell,
        effect.quantity,
        effect.word,
        _moved(effect, effect.published),
        ours,
        MISSING if effect.p is None else f"{effect.p:.2g}",
        str(effect.n),
        effect.reason,
    ]


def _moved(effect: Effect, value: float | None) -> str:
    if value is None:
        return MISSING
    return f"{100 * value:+.1f}" + (" pp" if effect.is_score else "%")
