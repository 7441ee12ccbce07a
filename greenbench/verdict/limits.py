"""How much worse a quantity may get between two versions of the code: ``energy:5% latency:15% accuracy:1pp``."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal, cast

from greenbench.errors import UserError
from greenbench.spec.workload import Metric
from greenbench.verdict.quantities import QUANTITIES, SCORE
from greenbench.verdict.quantity import Quantity

Unit = Literal["%", "pp", ""]

FAMILIES = ("energy", "latency", "time", "memory")
"""Words that stand for every quantity whose name has them."""

EXAMPLE = "write for example 'energy:5% latency:15% score:1pp'"

USUAL = "energy:5% latency:5% time:5% memory:5% images_per_s:5% params:0% conv_macs:0% score:1pp"
"""What counts as worse where no limits are given."""

_ITEM = re.compile(r"([^\s:,]+):([-+]?(?:nan|inf)|[-+.\d]*(?:e[-+]?\d+)?)([^\s:,]*)")


@dataclass(frozen=True)
class Limit:
    """The most that one quantity, or a family of them, may get worse.

    Attributes
    ----------
    word
        Name of a quantity or of a metric, or one of `FAMILIES`.
    amount
        As a fraction, for ``5%`` and ``1pp``; of the metric's own unit where there is none.
    unit
        ``%`` of what it was, for costs and counts; ``pp``, percentage points, for scores in percent; none for others.
    """

    word: str
    amount: float
    unit: Unit

    def covers(self, quantity: Quantity, metric: Metric) -> bool:
        """Whether it is about a quantity, `metric` being that of the workload."""
        if self.word in FAMILIES:
            return self.word in quantity.name.split("_")
        if self.word in QUANTITIES:
            unit = "%" if not quantity.is_score else "pp" if quantity.unit == "%" else ""
            return self.word == quantity.name and self.unit == unit
        return quantity.name == SCORE.name and self.word == metric.name


def limit_of(quantity: Quantity, metric: Metric, limits: Collection[Limit]) -> float | None:
    """Return how much a quantity may get worse: a fraction of what it was for costs, a difference for scores; None without.

    A limit on a quantity of its own name counts before one on its family.
    """
    found = [limit for limit in limits if limit.covers(quantity, metric)]
    if not found:
        return None
    chosen = next((limit for limit in found if limit.word == quantity.name), found[0])
    return chosen.amount


def read_limits(text: str | None, metrics: Mapping[str, Metric]) -> tuple[Limit, ...]:
    """Read limits as they are given in options.

    Parameters
    ----------
    text
        Such as ``energy:5% accuracy:1pp``, separated by spaces or commas; None for `USUAL`.
    metrics
        By name: what scores may be called.

    Raises
    ------
    UserError
        For a quantity, unit or amount that makes no sense.
    """
    items = (USUAL if text is None else text).replace(",", " ").split()
    if not items:
        raise UserError("there is no limit in the list of limits", EXAMPLE)
    limits = [_read(item, metrics) for item in items]
    words = [limit.word for limit in limits]
    for word in words:
        if words.count(word) > 1:
            raise UserError(f"{word} has more than one limit", "give one")
    return tuple(limits)


def _read(item: str, metrics: Mapping[str, Metric]) -> Limit:
    parts = _ITEM.fullmatch(item)
    if parts is None:
        raise UserError(f"the limit {item!r} is not of the form NAME:AMOUNT", EXAMPLE)
    word, number, unit = parts.groups()
    if word not in (*FAMILIES, *QUANTITIES, *metrics):
        known = ", ".join((*FAMILIES, *metrics, *QUANTITIES))
        raise UserError(f"the quantity {word!r} of the limit {item!r} is unknown", f"choose one of {known}")
    is_score = word in metrics or (word in QUANTITIES and QUANTITIES[word].is_score)
    allowed = ("%",) if not is_score else ("pp", "") if word not in metrics else _units_of(metrics[word])
    if unit not in allowed:
        ways = " or ".join(f"{word}:{number.strip('%') or 1}{one}" for one in allowed)
        why = "a score has points, such as 1pp" if is_score else "a cost has percent of what it was"
        raise UserError(f"the unit {unit!r} of the limit {item!r} does not fit: {why}", f"write {ways}")
    try:
        amount = float(number)
    except ValueError:
        amount = math.nan
    exact = word in QUANTITIES and QUANTITIES[word].exact
    fraction = amount / 100 if unit else amount
    if not math.isfinite(amount) or fraction < 0 or (unit and fraction >= 1) or (amount == 0 and not exact):
        least = "0 or more" if exact else "more than 0, as no two runs are alike,"
        raise UserError(
            f"the amount {number!r} of the limit {item!r} makes no sense",
            f"give a number of {least} and below 100",
        )
    return Limit(word, fraction, cast(Unit, unit))


def _units_of(metric: Metric) -> tuple[str, ...]:
    return ("pp",) if metric.unit == "%" else ("",)
