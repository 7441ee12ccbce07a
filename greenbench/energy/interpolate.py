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

REFITS = 20
"""Rounds of fitting the line and moving its points back between their polls. They converge to a line that
fits between all polls, if there is one."""

FOLLOWED = 0.5
"""Polls follow the ticks where they are less than this share of a period apart."""


class Tick(NamedTuple):
    """An update of the counter: it happened after `earliest_s`, was seen at `latest_s`, shows `energy_j`.

    `power_w` is the instantaneous power then, None without such a reading.
    """

    earliest_s: float
    latest_s: float
    energy_j: float
    power_w: float | None = None


class TickFit(NamedTuple):
    """Times of a run of ticks, and the standard uncertainty of one of them at the run's end."""

    times_s: list[float]
    uncertainty_s: float


def fit_ticks(ticks: Sequence[Tick], tick_s: float) -> TickFit:
    """Find when each tick happened (see the module).

    Parameters
    ----------
    ticks
        At least one, in order of time.
    tick_s
        The counter's update period. Polls as far apart do not follow the ticks: each shows the latest of perhaps
        several, of whose time no more is known than that it is within the last period.
    """
    middles = [(tick.earliest_s + tick.latest_s) / 2 for tick in ticks]
    width_s = math.sqrt(sum((tick.latest_s - tick.earliest_s) ** 2 for tick in ticks) / len(ticks))
    if width_s > FOLLOWED * tick_s:
        widths = [min(tick.latest_s - tick.earliest_s, tick_s) for tick in ticks]
        late = [tick.latest_s - width / 2 for tick, width in zip(ticks, widths, strict=True)]
        return TickFit(late, max(widths[0], widths[-1]) / math.sqrt(12))
    uniform_s = width_s / math.sqrt(12)
    if len(ticks) < 4:
        return TickFit(middles, uniform_s)

    gaps = [b - a for a, b in pairwise(middles)]
    usual = sorted(gaps)[len(gaps) // 2]
    # The polls round each gap up or down, so that only their mean is the pace.
    single = [gap for gap in gaps if gap < 1.6 * usual]
    pace = sum(single) / len(single)
    numbers = [0]
    for gap in gaps:
        # A late poll sees two ticks as one: count the one that was missed.
        numbers.append(numbers[-1] + max(1, round(gap / pace)))
    times = middles
    for _ in range(REFITS):
        line = _line(numbers, times)
        times = [min(max(t, tick.earliest_s), tick.latest_s) for t, tick in zip(line, ticks, strict=True)]
    count = len(ticks)
    residual_s = math.sqrt(sum((a - b) ** 2 for a, b in zip(line, middles, strict=True)) / (count - 2))
    # The line's own error is largest at its ends: twice the standard error of the mean. What the
    # ticks scatter beyond the width of the polls is jitter of their own, which no line removes.
    jitter_s = math.sqrt(max(0.0, residual_s**2 - uniform_s**2))
    line_s = max(uniform_s, residual_s) * 2 / math.sqrt(count)
    return TickFit(times, min(uniform_s, math.hypot(line_s, jitter_s)))


def _line(numbers: Sequence[int], times: Sequence[float]) -> list[float]:
    """Return the least-squares line through the times, at the same numbers."""
    mean_number = sum(numbers) / len(numbers)
    mean_time = sum(times) / len(times)
    spread = sum((number - mean_number) ** 2 for number in numbers)
    covariance = sum((n - mean_number) * (t - mean_time) for n, t in zip(numbers, times, strict=True))
    pace = covariance / spread
    return [mean_time + pace * (number - mean_number) for number in numbers]


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
    head_w = _edge_power(head[0:2], first.times_s[0:2], head[0].power_w, first.times_s)
    tail_w = _edge_power(tail[-2:], last.times_s[-2:], tail[-1].power_w, last.times_s)
    before_s = max(0.0, first.times_s[0] - start_s)
    after_s = max(0.0, end_s - last.times_s[-1])
    energy_j = inner_j + head_w * before_s + tail_w * after_s
    uncertainty_j = math.hypot(
        power_spread_w * before_s,
        power_spread_w * after_s,
        head_w * first.uncertainty_s,
        tail_w * last.uncertainty_s,
    )
    return energy_j, uncertainty_j


def _edge_power(
    pair: Sequence[Tick], times_s: Sequence[float], instant_w: float | None, run_s: Sequence[float]
) -> float:
    """Return the power beyond the outermost tick: the mean of the last interval's and the one read there.

    The mean is right for loads that change faster than the ticks, the reading for slower ones.
    """
    usual_s = (run_s[-1] - run_s[0]) / (len(run_s) - 1)
    # Jitter may put two ticks that a poll saw late next to each other.
    mean_w = (pair[1].energy_j - pair[0].energy_j) / max(times_s[1] - times_s[0], usual_s / 2)
    return mean_w if instant_w is None else (mean_w + instant_w) / 2
