"""The even pace of a counter's updates: which tick is which, and when the next one comes.

A counter that updates every 100 ms does so to a ten-thousandth, with a millisecond or two of jitter (H100). So once
some ticks were seen close by, a few polls around a predicted tick tell as much as polls all the time.

::

      counter                                    |
      predicted tick                            |
      polls                               |     |     |     and then none for seconds

The middle one tells whether the tick comes early or late: without it, a tick would seem to come just when it is
expected, however wrong that is.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

FOLLOWED = 0.6
"""A tick is followed where the polls around it are less than this share of a period apart."""

NEEDED = 6
"""Ticks from which the next one is predicted."""

KEPT = 64

ASIDE = 0.1
"""The polls before and after a predicted tick are this share of a period away from it."""

CERTAIN = 3.0
"""Standard uncertainties after which a tick has come."""

MOST_MISSES = 3
"""So many ticks in a row that did not come when they were predicted, and the pace is a new one."""

REFITS = 20
"""Rounds of moving the line to where it fits between the polls."""

EVEN = 1.5
"""Even ticks are known to so many widths of the intervals, divided by their number: found by simulation."""


class Interval(NamedTuple):
    """When a numbered tick happened."""

    number: int
    earliest_s: float
    latest_s: float


@dataclass(frozen=True)
class Line:
    """Tick `number` happens at `start_s + number * pace_s`.

    Attributes
    ----------
    uniform_s
        Standard uncertainty of one tick's time by the polls around it alone.
    scatter_s
        What a single tick adds to the line's error.
    jitter_s
        How much the ticks themselves scatter around the line.
    """

    start_s: float
    pace_s: float
    uniform_s: float
    scatter_s: float
    jitter_s: float
    count: int
    mean_number: float
    squares: float

    def at(self, number: float) -> float:
        """Return the time of a tick."""
        return self.start_s + number * self.pace_s

    def number(self, time_s: float) -> float:
        """Return which tick it is at a time; between two, a fraction."""
        return (time_s - self.start_s) / self.pace_s

    def doubt_s(self, number: float) -> float:
        """Return the standard uncertainty of `at`."""
        squared = 1 / self.count + (number - self.mean_number) ** 2 / self.squares
        return math.hypot(self.scatter_s * math.sqrt(squared), self.jitter_s)


def fit_line(ticks: Sequence[Interval]) -> Line:
    """Return the line that fits best between the polls around three or more ticks.

    By `n` intervals of width `w`, even ticks would be known to about `w / n`. Where the ticks scatter by `j`, the
    intervals' ends blur, and it is `sqrt(w j / n)`. It is never worse than least squares through the middles,
    `w / sqrt(12 n)`. About `j / w` of the ticks lie outside their intervals, by about `j`: that tells `j`.
    """
    count = len(ticks)
    mean_number = sum(tick.number for tick in ticks) / count
    numbers = [tick.number - mean_number for tick in ticks]
    squares = sum(number**2 for number in numbers)

    def least_squares(values: Sequence[float]) -> tuple[float, float]:
        return sum(values) / count, sum(n * value for n, value in zip(numbers, values, strict=True)) / squares

    middles = [(tick.earliest_s + tick.latest_s) / 2 for tick in ticks]
    middle_s, pace_s = least_squares(middles)
    best = math.inf, middle_s, pace_s
    for _ in range(REFITS):
        line = [middle_s + pace_s * n for n in numbers]
        outside = [
            min(max(at_s, tick.earliest_s), tick.latest_s) - at_s
            for at_s, tick in zip(line, ticks, strict=True)
        ]
        loss = sum(miss**2 for miss in outside)
        if loss < best[0]:
            best = loss, middle_s, pace_s
        shift_s, turn_s = least_squares(outside)
        gain = sum((shift_s + turn_s * n) ** 2 for n in numbers)
        if gain == 0.0:
            break
        step = max(1.0, loss / gain / 2)  # Polyak's: as far as to no loss at all, if the loss were linear
        middle_s += step * shift_s
        pace_s += step * turn_s
    loss, middle_s, pace_s = best
    width_s = math.sqrt(sum((tick.latest_s - tick.earliest_s) ** 2 for tick in ticks) / count)
    uniform_s = width_s / math.sqrt(12)
    misses = [middle_s + pace_s * n - middle for n, middle in zip(numbers, middles, strict=True)]
    residual_s = math.sqrt(sum(miss**2 for miss in misses) / count)
    jitter_s = max((loss / count * width_s) ** (1 / 3), math.sqrt(max(0.0, residual_s**2 - uniform_s**2)))
    even_s = EVEN * width_s / math.sqrt(count)
    return Line(
        middle_s - pace_s * mean_number,
        pace_s,
        uniform_s,
        scatter_s=min(max(uniform_s, residual_s), math.hypot(even_s, math.sqrt(width_s * jitter_s))),
        jitter_s=jitter_s,
        count=count,
        mean_number=mean_number,
        squares=squares,
    )


class Pace:
    """Follows the ticks of one counter.

    Parameters
    ----------
    tick_s
        The period as it was found before.
    """

    def __init__(self, tick_s: float) -> None:
        self.aside_s = ASIDE * tick_s
        self._tick_s = tick_s
        self._ticks: deque[Interval] = deque(maxlen=KEPT)
        self._last: Interval | None = None
        self._blind = False
        self._misses = 0
        self._line: Line | None = None

    @property
    def latest_s(self) -> float:
        """When the latest followed tick was seen."""
        return self._last.latest_s if self._last else -math.inf

    def number(self, earliest_s: float, latest_s: float) -> int | None:
        """Return the number of a new tick; None where the polls around it are too far apart to tell."""
        if latest_s - earliest_s > FOLLOWED * self._tick_s:
            self._blind = True
            return None
        passed = 1
        if self._last is not None and self._blind:  # late polls see several ticks as one
            gap_s = (earliest_s + latest_s - self._last.earliest_s - self._last.latest_s) / 2
            line = self._known()
            passed = max(1, round(gap_s / (line.pace_s if line else self._tick_s)))
        self._last = Interval(self._last.number + passed if self._last else 0, earliest_s, latest_s)
        self._ticks.append(self._last)
        self._blind = False
        self._misses = 0
        self._line = None
        return self._last.number

    def still(self, begin_s: float, end_s: float) -> None:
        """Be told that no tick came between these times."""
        if end_s - begin_s < self._tick_s:
            return
        expected_s = self.next_after(begin_s + self.aside_s / 2)
        if expected_s is None or expected_s > end_s - self.aside_s / 2:
            return
        self._misses += 1
        if self._misses == MOST_MISSES:
            self._ticks.clear()
            self._line = None

    def next_after(self, time_s: float) -> float | None:
        """Predict the first tick after a time; None where that cannot be told."""
        line = self._known()
        if line is None:
            return None
        number = math.ceil(line.number(time_s))
        return line.at(number) if line.doubt_s(number) < self.aside_s else None

    def near(self, time_s: float) -> tuple[int, float] | None:
        """Return which tick is so near to a time that it may be before or after it, and when it surely is past."""
        line = self._known()
        if line is None:
            return None
        number = round(line.number(time_s))
        doubt_s = CERTAIN * line.doubt_s(number)
        return (number, line.at(number) + doubt_s) if abs(line.at(number) - time_s) < doubt_s else None

    def _known(self) -> Line | None:
        if self._line is None and len(self._ticks) >= NEEDED:
            self._line = fit_line(self._ticks)
        return self._line
