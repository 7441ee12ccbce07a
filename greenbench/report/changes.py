"""Two versions of the code side by side: what moved, as lines and as plain data, and whether a gate has to stop it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tabulate import tabulate

from greenbench.errors import UserError
from greenbench.records.record import Record
from greenbench.report.values import PREFIXED
from greenbench.units import MISSING, si
from greenbench.verdict.change import Change, count_words
from greenbench.verdict.gate import compare
from greenbench.verdict.limits import Limit
from greenbench.verdict.quantities import QUANTITIES
from greenbench.verdict.shift import SESSION_SD
from greenbench.verdict.versions import only_in

MOST_ROWS = 40
SHOWN = ("failed", "worse", "undecided", "better")
"""The words of the rows that a table shows, in its order; the others are counted, with their reasons."""

HEADINGS = (
    "Method on workload",
    "Quantity",
    "Verdict",
    "Before",
    "Now",
    "Change (95 % interval)",
    "Limit",
    "p",
    "n",
)


@dataclass(frozen=True)
class Changes:
    """What came of a comparison.

    Attributes
    ----------
    rows
        One for each quantity with a limit.
    left_out
        Ids of what was run before alone.
    strict
        Whether what is undecided, not comparable or not measured fails too.
    """

    rows: tuple[Change, ...]
    left_out: tuple[str, ...]
    strict: bool = False

    @property
    def failure(self) -> str:
        """Why it fails, in words; empty where it does not."""
        counts = count_words(self.rows)
        failing = (
            "failed",
            "worse",
            *(("undecided", "not comparable", "not measured") if self.strict else ()),
        )
        found = [f"{counts[word]} {word}" for word in failing if word in counts]
        if found:
            return ", ".join(found)
        if not self.rows or any(
            row.word not in ("not comparable", "not measured", "new") for row in self.rows
        ):
            return ""
        reasons = [row.reason for row in self.rows if row.reason]
        return f"nothing could be compared: {reasons[0] if reasons else 'all of it is new'}"

    def lines(self, name: str) -> list[str]:
        """Return a table of what moved and what is not decided, and counts of the rest."""
        counts = ", ".join(f"{n} {word}" for word, n in count_words(self.rows).items())
        lines = [f"against {name}: {counts or 'no quantity that has a limit'}"]
        shown = [row for word in SHOWN for row in self.rows if row.word == word]
        if shown:
            table = [_cells(row) for row in shown[:MOST_ROWS]]
            lines += ["", *tabulate(table, HEADINGS, disable_numparse=True).splitlines()]
            if len(shown) > MOST_ROWS:
                lines.append(f"and {len(shown) - MOST_ROWS} more")
        lines += [*_reasons(self.rows), *_sessions(self.rows), *_code(self.rows)]
        if self.left_out:
            lines.append(f"not run now: {_some(self.left_out)}")
        return lines

    def as_data(self) -> dict[str, Any]:
        """Return it as plain data; numbers are None where they are not known."""
        return {
            "rows": [asdict(row) for row in self.rows],
            "not_run_now": list(self.left_out),
            "failure": self.failure,
        }


def changes(
    before: Sequence[Record], after: Sequence[Record], limits: Sequence[Limit], *, strict: bool = False
) -> Changes:
    """Compare records of two versions of the code.

    Parameters
    ----------
    before, after, limits
        See `greenbench.verdict.gate.compare`.
    strict
        See `Changes`.

    Raises
    ------
    UserError
        Where both sides are the same runs.
    """
    known = {(record.session, record.file_name) for record in before}
    if all((record.session, record.file_name) in known for record in after):
        raise UserError("both sides are the same runs", "give the records of another run")
    return Changes(tuple(compare(before, after, limits)), tuple(only_in(before, after)), strict)


def replay_lines(rows: Sequence[Change]) -> list[str]:
    """Return a table of a replay, and what it comes to."""
    headings = [{"Before": "Published", "Now": "Again"}.get(text, text) for text in HEADINGS]
    table = [[*_cells(row), MISSING if row.within is None else f"{row.within:.2g}"] for row in rows]
    lines = tabulate(table, [*headings, "P (within)"], disable_numparse=True).splitlines()
    counts = ", ".join(f"{n} {word}" for word, n in count_words(rows).items())
    return [*lines, *_reasons(rows), *_sessions(rows), *_code(rows), counts or "nothing to compare"]


def _cells(row: Change) -> list[str]:
    if not row.n_before:
        return [f"{row.technique}-{row.workload}", row.quantity, row.word, *[""] * 6]
    return [
        f"{row.technique}-{row.workload}",
        row.quantity,
        row.word + (f", {row.more_runs} more" if row.more_runs else ""),
        _value(row, row.before),
        _value(row, row.after),
        MISSING if row.change is None else f"{_moved(row, row.change, '+')} ({_interval(row)})",
        _moved(row, row.limit),
        MISSING if row.p is None else f"{row.p:.2g}",
        f"{row.n_before}, {row.n_after}",
    ]


def _value(row: Change, value: float | None) -> str:
    if value is None:
        return MISSING
    if row.unit == "%":
        return f"{100 * value:.2f}%"
    return si(value, row.unit) if row.unit in PREFIXED else f"{value:.4g} {row.unit}".rstrip()


def _moved(row: Change, moved: float | None, sign: str = "") -> str:
    if moved is None:
        return MISSING
    if row.is_score and row.unit != "%":
        return f"{moved:{sign}.3g}"
    return f"{100 * moved:{sign}.1f}" + (" pp" if row.is_score else "%")


def _interval(row: Change) -> str:
    return f"{_moved(row, row.low, '+')} to {_moved(row, row.high, '+')}"


def _reasons(rows: Sequence[Change]) -> list[str]:
    """Say why some rows are not decided, each reason once."""
    found: dict[str, list[Change]] = {}
    for row in rows:
        if row.reason:
            found.setdefault(f"{row.word}: {row.reason}", []).append(row)
    lines = [""] if found else []
    for reason, alike in found.items():
        names = _some([f"{row.technique}-{row.workload} {row.quantity}" for row in alike])
        more = [row.more_runs for row in alike if row.more_runs]
        span = f"{min(more)} to {max(more)}" if len(set(more)) > 1 else f"{more[0]}" if more else ""
        told = f"; {span} more runs on each side would tell" if span else ""
        lines.append(f"{reason}{told} ({names})")
    return lines


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _sessions(rows: Sequence[Change]) -> list[str]:
    """Say what is taken for granted where costs were measured in one session."""
    if not any(row.sessions == 1 and row.p is not None and QUANTITIES[row.quantity].is_timed for row in rows):
        return []
    apart = f"{100 * SESSION_SD:g} %"
    return [
        f"one session on a side: costs of sessions are taken to scatter by {apart}; where they scatter more, run several in turn"
    ]


def _code(rows: Sequence[Change]) -> list[str]:
    code = dict.fromkeys(name for row in rows for name in row.code)
    return [f"code that differs: {', '.join(code)}"] if code else []
