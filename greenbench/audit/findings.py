"""What an audit says: a rule, the cells that it concerns, the arithmetic and the bound."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from greenbench.audit.entries import Entry


class Severity(StrEnum):
    """How bad it is.

    ``impossible``: no measurement can give it. ``inconsistent``: it and something else that is claimed cannot both
    hold. ``implausible``: it lies outside what is known of such values. ``rounding``: two claims differ by what
    rounding can explain.
    """

    IMPOSSIBLE = "impossible"
    INCONSISTENT = "inconsistent"
    IMPLAUSIBLE = "implausible"
    ROUNDING = "rounding"


@dataclass(frozen=True)
class Finding:
    """One thing that does not fit.

    Attributes
    ----------
    rule
        Name of the rule.
    severity
        How bad it is.
    cells
        Names of the cells, or of the records' fields, that it concerns.
    arithmetic
        The calculation, one line each.
    bound
        What the result is held against, and where that comes from.
    conclusion
        What follows, in one sentence.
    """

    rule: str
    severity: Severity
    cells: tuple[str, ...]
    arithmetic: tuple[str, ...]
    bound: str
    conclusion: str


@dataclass(frozen=True)
class Rule:
    """One question to a table.

    Attributes
    ----------
    name
        As findings quote it.
    question
        What it asks, for the report.
    needs
        Fields of `Entry` without which it says nothing about one.
    judge
        The rule itself: pure, from entries to findings.
    about
        Which of the entries that have what it needs it judges. The others are there to compare with.
    """

    name: str
    question: str
    needs: tuple[str, ...]
    judge: Callable[[tuple[Entry, ...]], list[Finding]]
    about: Callable[[Entry], bool] = lambda _: True

    def applicable(self, entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
        """Return the entries that have all that the rule needs."""
        return tuple(e for e in entries if all(getattr(e, need) is not None for need in self.needs))
