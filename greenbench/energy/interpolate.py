"""Energy between two moments from a counter that only moves at ticks.

At an edge of the window the counter shows its last update, which may be a tick old. The plain difference
of two such values is wrong by up to a tick's energy at either end. Here the stretch between an edge and the
nearest tick *inside* the window gets the power at that tick: before and after the window, other work runs
at another power.

::

      counter      |      E1        E2            En      |
      ticks     .  |  .    |    .    |   ...   .   |   .  |  .
                 start    t1        t2            tn     end
                   <------>                        <------>
                   head power                      tail power

A poll sees a tick some time after it happened: each tick lies in an interval between two polls. Ticks come
at an even pace. So a straight line through all of them, kept inside each interval, gives their times more
exactly than the polls do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from greenbench.energy.pace import FOLLOWED, Interval, Line, fit_line
from greenbench.energy.reading import COVERAGE

LEAST_FOLLOWED = 4
"""Ticks from which a line is drawn."""

ONE_TICK = 1.6
"""Ticks less than so many periods apart are neighbors."""

FEW_MISSES = 8
"""With fewer intervals to try the power at the edges on, the spread of the power says how wrong it can be."""


RARE = 0.975
"""Share of the ticks at which the power is better known, so that both edges are within the interval in 95 %."""


class Tick(NamedTuple):
    """An update of the counter: it happened after `earliest_s`, was seen at `latest_s`, shows `energy_j`.

    `power_w` is the instantaneous power then, None without such a reading. `number` counts all ticks; None
    where it is not known which one this is. See `greenbench.energy.pace`.
    """

    earliest_s: float
    latest_s: float
    energy_j: float
    power_w: float | None = None
    number: int | None = None


class TickFit(NamedTuple):
    """Times of a run of ticks, and the standard uncertainty of each."""

    times_s: list[float]
    uncertainties_s: list[float]


def fit_ticks(ticks: Sequence[Tick], tick_s: float) -> TickFit:
    """Find when each tick happened (see the module).

    Parameters
    ----------
    ticks
        At least one, in order of time. One without a number is the last one before its poll.
    tick_s
        The counter's update period.
    """
    widths = [min(tick.latest_s - tick.earliest_s, tick_s) for tick in ticks]
    followed = [
        Interval(tick.number, tick.earliest_s, tick.latest_s)
        for tick, width in zip(ticks, widths, strict=True)
        if tick.number is not None and width <= FOLLOWED * tick_s
    ]
    if len(followed) < LEAST_FOLLOWED:
        times = [tick.latest_s - width / 2 for tick, width in zip(ticks, widths, strict=True)]
        return TickFit(times, [width / math.sqrt(12) for width in widths])
    line = fit_line(followed)
    found = [_time(tick, line) for tick in ticks]
    return TickFit([time_s for time_s, _ in found], [doubt_s for _, doubt_s in found])


def _time(tick: Tick, line: Line) -> tuple[float, float]:
    """Return when a tick happened, and the standard uncertainty of that."""
    if tick.number is not None:
        time_s = min(max(line.at(tick.number), tick.earliest_s), tick.latest_s)
        own_s = (tick.latest_s - tick.earliest_s) / math.sqrt(12)
        return time_s, min(max(own_s, line.uniform_s), line.doubt_s(tick.number))
    # It is the latest tick that the poll could see.
    latest = math.floor(line.number(tick.latest_s))
    doubt_s = line.doubt_s(latest)
    possible = [
        number
        for number in (latest - 1, latest, latest + 1)
        if tick.earliest_s - 2 * doubt_s < line.at(number) < tick.latest_s + 2 * doubt_s
    ]
    certain = [number for number in possible if line.at(number) < tick.latest_s - 2 * doubt_s]
    if certain and certain[-1] == possible[-1]:
        return max(line.at(certain[-1]), tick.earliest_s), doubt_s
    if len(possible) == 1:
        return min(max(line.at(possible[0]), tick.earliest_s), tick.latest_s), doubt_s
    # A tick came so close to the poll that it may have been seen or not.
    return tick.latest_s - line.pace_s / 2, line.pace_s / 2


def energy_between(
    start_s: float,
    end_s: float,
    head: Sequence[Tick],
    tail: Sequence[Tick],
    power_spread_w: float,
    tick_s: float,
) -> tuple[float, float]:
    """Return the energy from `start_s` to `end_s` and its standard uncertainty, both in joules.

    Parameters
    ----------
    start_s, end_s
        The window.
    head, tail
        The window's first and its last ticks, in order of time; at least two each. In a short window
        they are the same.
    power_spread_w
        Standard deviation of the power around its mean: how wrong the power of the neighboring ticks
        can be for the stretch at an edge.
    tick_s
        The counter's update period.
    """
    first, last = fit_ticks(head, tick_s), fit_ticks(tail, tick_s)
    inner_j = tail[-1].energy_j - head[0].energy_j
    before_s = max(0.0, first.times_s[0] - start_s)
    after_s = max(0.0, end_s - last.times_s[-1])
    # The start is the end of the same run backwards, in which the counter counts down. A reading there may be older than
    # the window.
    head = [tick._replace(energy_j=-tick.energy_j, power_w=None) for tick in reversed(head)]
    head_s = [-time_s for time_s in reversed(first.times_s)]
    head_w, head_misses_w = _power_beyond(head, head_s, tick_s)
    tail_w, tail_misses_w = _power_beyond(tail, last.times_s, tick_s)
    misses_w = sorted(map(abs, head_misses_w + tail_misses_w))
    miss_w = power_spread_w
    if len(misses_w) >= FEW_MISSES:
        # Loads that jump are far off at few ticks.
        miss_w = max(_rms(misses_w), misses_w[int(RARE * len(misses_w))] / COVERAGE)
    uncertainty_j = math.hypot(
        miss_w * before_s,
        miss_w * after_s,
        head_w * first.uncertainties_s[0],
        tail_w * last.uncertainties_s[-1],
    )
    return inner_j + head_w * before_s + tail_w * after_s, uncertainty_j


def _power_beyond(
    ticks: Sequence[Tick], times_s: Sequence[float], tick_s: float
) -> tuple[float, list[float]]:
    """Return the power after the last tick, and by how much the same rule misses that of each tick that is known.

    It is between the mean of the last interval, which is right for loads that change faster than the ticks, and the power
    that was read, which is right for slower ones: where it misses least. Of an interval that is much longer than a tick
    the mean says nothing of its end.
    """
    means_w = [
        (b.energy_j - a.energy_j)
        / max(b_s - a_s, tick_s / 2)  # jitter may put two late ticks next to each other
        for (a, b), (a_s, b_s) in zip(pairwise(ticks), pairwise(times_s), strict=True)
    ]
    read_w = [tick.power_w for tick in ticks[1:]]
    single = [tick_s / 2 < b_s - a_s < ONE_TICK * tick_s for a_s, b_s in pairwise(times_s)]
    known = [k for k in range(len(means_w) - 1) if single[k] and single[k + 1]]
    found = []
    for share in (0.0, 0.5, 1.0):
        rule = [m if r is None else (1 - share) * m + share * r for m, r in zip(means_w, read_w, strict=True)]
        found.append((rule[-1], [means_w[k + 1] - rule[k] for k in known]))
    power_w, misses_w = min(found, key=lambda rule: _rms(rule[1]))
    return (power_w if single[-1] else found[-1][0]), misses_w


def _rms(values: Sequence[float]) -> float:
    return math.sqrt(sum(value**2 for value in values) / len(values)) if values else 0.0
