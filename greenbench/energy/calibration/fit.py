"""How a device's power readings follow an external meter: their gain, and how late they are.

The model: a reading that appears at time t is ``offset + gain * (mean power from t - delay - averaging to t - delay)``.
Averaging time and delay are searched for; gain and offset are the regression line. Standard uncertainties are robust
against residuals that are alike from one reading to the next (Newey, West 1987).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from greenbench.energy.calibration.limits import DELAYS_S, GAINS, RECORD, check_lag, check_line
from greenbench.energy.calibration.series import STEADY_SHARE, Reference, series, updates
from greenbench.errors import UserError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from greenbench.energy.calibration.series import Numbers

MIN_SECONDS, MIN_UPDATES = 5.0, 30
"""A trace has at least this length, and so many updates of the readings."""

MIN_FOLLOWING = 0.99
"""Share of the readings' variance that the external meter must explain (R squared)."""

LEVEL_MARGIN = 0.1
"""The gain at one level of power is taken to hold this far around it."""

MAX_AVERAGING_S = 3.0
SHORTEST_AVERAGING_S = 0.005
FEW = 1.4
"""Robust uncertainties of a hundred readings are too small by up to this factor, as simulated cards show."""

GRID, DELAY_STEP_S, REFINEMENTS = 24, 0.02, 12
MOST_UPDATES = 1000
"""The search for the lag looks at so many updates at most."""


@dataclass(frozen=True)
class Calibration:
    """What was found of one device.

    Attributes
    ----------
    gain, offset_w
        The device reads ``offset_w + gain * power``.
    spread
        Standard uncertainty of a power that is corrected by these, as a fraction; the largest one within the levels of
        power that were covered. The external meter's own is not in it.
    averaging_s, delay_s
        A reading is the mean over so long, and appears so long after that. None where the power did not change.
    lag_s, lag_spread_s
        ``averaging_s + 2 * delay_s``: a mean over that long, shown without delay, would be as late. With its standard
        uncertainty; None where the power did not change.
    lowest_w, highest_w
        The levels of power that were covered.
    residual_w
        Standard deviation of what is left.
    updates, tick_s
        Readings that were used, and the usual time between them.
    """

    gain: float
    offset_w: float
    spread: float
    averaging_s: float | None
    delay_s: float | None
    lag_s: float | None
    lag_spread_s: float | None
    lowest_w: float
    highest_w: float
    residual_w: float
    updates: int
    tick_s: float


def calibrate(
    device_times_s: ArrayLike, device_w: ArrayLike, reference_times_s: ArrayLike, reference_w: ArrayLike
) -> Calibration:
    """Find gain, offset and lag of a device's power readings from an external meter's trace.

    Parameters
    ----------
    device_times_s, device_w
        Polls of the device; a value that stays the same is one reading.
    reference_times_s, reference_w
        The external meter's, on the same clock.

    Raises
    ------
    UserError
        For what cannot be found from this trace, with the reason.
    """
    import numpy as np

    times_s, watts = series("device", device_times_s, device_w)
    meter = Reference(*series("reference", reference_times_s, reference_w))
    update_s, update_w, poll_s = updates(times_s, watts)
    overlap_s = min(times_s[-1], meter.end_s) - max(times_s[0], meter.start_s)
    if overlap_s <= 0:
        raise UserError(
            f"device ({times_s[0]:.6g} to {times_s[-1]:.6g} s) and reference ({meter.start_s:.6g} to "
            f"{meter.end_s:.6g} s) have no time in common",
            "write the times of both by one clock",
        )
    if overlap_s < MIN_SECONDS:
        raise UserError(f"the trace is {overlap_s:.1f} s long, of at least {MIN_SECONDS:g} s", RECORD)
    inside = (times_s >= meter.start_s) & (times_s <= meter.end_s)
    if inside.sum() < MIN_UPDATES:
        raise UserError(f"the trace has {inside.sum()} readings, of at least {MIN_UPDATES}", RECORD)
    moved = int(((update_s >= meter.start_s) & (update_s <= meter.end_s)).sum())
    if meter.mean_w(times_s[inside][-1:], overlap_s)[0] <= 0:
        raise UserError(
            "the reference has a mean power of 0 W, which no device draws", "mend or cut the trace"
        )
    if meter.is_steady:
        return _one_level(times_s[inside], watts[inside], meter)
    if moved < MIN_UPDATES:
        raise UserError(
            f"the readings changed {moved} times while the external meter ran, of at least {MIN_UPDATES}",
            RECORD,
        )
    longest_s = min(MAX_AVERAGING_S, overlap_s / 6)
    blur_s = math.hypot(poll_s, meter.period_s) / math.sqrt(12)
    ranges = ((max(SHORTEST_AVERAGING_S, 2 * meter.period_s), longest_s), DELAYS_S)
    sure = np.ones_like(update_s)
    averaging_s = delay_s = 0.0
    for _ in range(3):
        averaging_s, delay_s = _search(update_s, update_w, sure, meter, ranges)
        x = meter.mean_w(update_s - delay_s, averaging_s)
        _, by_delay = _slopes(update_s, x, meter, averaging_s, delay_s, blur_s)
        used = meter.covers(update_s - delay_s, averaging_s)
        sure[used] = _weighted(x[used], update_w[used], np.abs(by_delay[used]) * blur_s)[2]
        near_s = max(0.05, averaging_s / 4)
        ranges = (
            (max(ranges[0][0], averaging_s / 2), min(longest_s, 1.5 * averaging_s + 0.02)),
            (delay_s - near_s, delay_s + near_s),
        )
    check_lag(averaging_s, delay_s, longest_s)
    return _line(update_s[used], update_w[used], meter, averaging_s, delay_s, blur_s)


def _search(
    update_s: Numbers,
    update_w: Numbers,
    weights: Numbers,
    meter: Reference,
    ranges: tuple[tuple[float, float], tuple[float, float]],
) -> tuple[float, float]:
    """Return the averaging time and the delay by which the meter explains most of the readings."""
    import numpy as np

    step = -(-len(update_s) // MOST_UPDATES)
    update_s, update_w, weights = update_s[::step], update_w[::step], weights[::step]
    (shortest_s, longest_s), (soonest_s, latest_s) = ranges

    def explained(averaging_s: float, delay_s: float) -> float:
        used = meter.covers(update_s - delay_s, averaging_s)
        if used.sum() < MIN_UPDATES / 2:
            return -1.0
        weight, y = weights[used], update_w[used]
        x = meter.mean_w(update_s[used] - delay_s, averaging_s)
        x = x - float(weight @ x) / float(weight.sum())
        y = y - float(weight @ y) / float(weight.sum())
        of_x, of_y = float((weight * x) @ x), float((weight * y) @ y)
        of_both = float((weight * x) @ y)
        # A load in rhythm with the readings fits other lags, too, but with a gain that no card has.
        possible = GAINS[0] * of_x <= of_both <= GAINS[1] * of_x
        return of_both**2 / max(of_x * of_y, 1e-12) - (0.0 if possible else 0.5)

    lengths = np.geomspace(shortest_s, longest_s, GRID)
    delays = np.arange(soonest_s, latest_s + DELAY_STEP_S / 2, DELAY_STEP_S)
    best = max((explained(length, delay), length, delay) for length in lengths for delay in delays)
    factor, step_s = (longest_s / shortest_s) ** (1 / (GRID - 1)), DELAY_STEP_S
    for _ in range(REFINEMENTS):
        factor, step_s = math.sqrt(factor), step_s / 2
        near = [
            (min(max(best[1] * factor**i, shortest_s), longest_s), best[2] + j * step_s)
            for i in range(-2, 3)
            for j in range(-2, 3)
        ]
        best = max(best, *((explained(*point), *point) for point in near))
    return float(best[1]), float(best[2])


def _line(
    update_s: Numbers, update_w: Numbers, meter: Reference, averaging_s: float, delay_s: float, blur_s: float
) -> Calibration:
    import numpy as np

    x = meter.mean_w(update_s - delay_s, averaging_s)
    by_length, by_delay = _slopes(update_s, x, meter, averaging_s, delay_s, blur_s)
    gain, offset_w, weights, follows = _weighted(x, update_w, np.abs(by_delay) * blur_s)
    if follows < MIN_FOLLOWING or gain <= 0:
        raise UserError(
            f"the readings follow the external meter too loosely (R squared is {max(follows, 0.0):.3f}, of at least "
            f"{MIN_FOLLOWING}): the load changed faster than they do, or the traces are of two devices",
            RECORD,
        )
    left_w = update_w - offset_w - gain * x
    covariance = _covariance(
        np.column_stack([np.ones_like(x), x, gain * by_length, gain * by_delay]) * np.sqrt(weights)[:, None],
        left_w * np.sqrt(weights),
        max(update_s[-1] - update_s[0], 1e-9) / (len(update_s) - 1),
        averaging_s,
    )
    # Errors of the means flatten a line by at most 1 - R squared.
    tilt = np.array([-np.average(x, weights=weights), 1.0, 0.0, 0.0]) * gain * (1 - follows) / math.sqrt(3)
    covariance += np.outer(tilt, tilt)
    lowest_w, highest_w = (max(float(level), 1e-3) for level in np.percentile(x, [1, 99]))
    spread = 0.0
    for level_w in (lowest_w, highest_w):
        at = np.array([1.0, level_w, 0.0, 0.0])
        spread = max(spread, math.sqrt(max(at @ covariance @ at, 0.0)) / (gain * level_w))
    of_lag = np.array([0.0, 0.0, 1.0, 2.0])
    lag_spread_s = math.hypot(math.sqrt(max(of_lag @ covariance @ of_lag, 0.0)), 2 * blur_s)
    check_line(gain, offset_w, highest_w)
    return Calibration(
        gain,
        offset_w,
        spread,
        averaging_s,
        delay_s,
        max(0.0, averaging_s + 2 * delay_s),
        lag_spread_s,
        lowest_w,
        highest_w,
        float(math.sqrt(np.average(left_w**2, weights=weights))),
        len(update_s),
        float(np.median(np.diff(update_s))),
    )


def _weighted(x: Numbers, y: Numbers, blur_w: Numbers) -> tuple[float, float, Numbers, float]:
    """Return slope and offset of the line through readings of which some are blurred, their weights, and R squared.

    When a reading changed is known to a poll. At an edge of the load that blurs it by up to the whole step, and such
    readings must not turn the line.
    """
    import numpy as np

    weights = np.ones_like(x)
    slope = offset = follows = 0.0
    for _ in range(6):
        x_mean, y_mean = np.average(x, weights=weights), np.average(y, weights=weights)
        covered = float(np.average((x - x_mean) * (y - y_mean), weights=weights))
        slope = covered / float(np.average((x - x_mean) ** 2, weights=weights))
        offset = float(y_mean - slope * x_mean)
        left = y - offset - slope * x
        follows = 1 - float(np.average(left**2, weights=weights)) / float(
            np.average((y - y_mean) ** 2, weights=weights)
        )
        noise = max(float(np.average(left**2, weights=weights)), 1e-12)
        weights = noise / (noise + (slope * blur_w) ** 2)
    return slope, offset, weights, follows


def _slopes(
    update_s: Numbers, x: Numbers, meter: Reference, averaging_s: float, delay_s: float, blur_s: float
) -> tuple[Numbers, Numbers]:
    """Return how fast each mean changes with the averaging time and with the delay, in W/s."""
    step_s = max(blur_s, 0.05 * averaging_s)
    longer = meter.mean_w(update_s - delay_s, averaging_s + step_s)
    later = meter.mean_w(update_s - delay_s - step_s, averaging_s)
    sooner = meter.mean_w(update_s - delay_s + step_s, averaging_s)
    return (longer - x) / step_s, (later - sooner) / (2 * step_s)


def _covariance(derivatives: Numbers, left_w: Numbers, tick_s: float, averaging_s: float) -> Numbers:
    """Return the covariance of the parameters, where residuals near each other may be alike."""
    import numpy as np

    count, parameters = derivatives.shape
    reach = max(math.ceil(4 * (count / 100) ** (2 / 9)), math.ceil(2 * averaging_s / tick_s))
    scores = derivatives * left_w[:, None]
    middle = scores.T @ scores
    for apart in range(1, min(reach, count // 3) + 1):
        together = scores[apart:].T @ scores[:-apart]
        middle += (1 - apart / (reach + 1)) * (together + together.T)
    bread = np.linalg.pinv(derivatives.T @ derivatives)
    covariance: Numbers = bread @ middle @ bread * FEW**2 * count / (count - parameters)
    return covariance


def _one_level(times_s: Numbers, watts: Numbers, meter: Reference) -> Calibration:
    """Return the gain at the one power there is."""
    import numpy as np

    # Means of tenths of the time are as good as independent, whatever the readings in them have in common.
    parts = np.array_split(np.arange(len(times_s)), 10)
    edges_s = np.array([times_s[0], *(times_s[part[-1]] for part in parts)])
    powers_w = np.concatenate(
        [meter.mean_w(edges_s[i + 1 : i + 2], edges_s[i + 1] - edges_s[i]) for i in range(10)]
    )
    ratios = np.array([watts[part].mean() for part in parts]) / powers_w
    level_w, gain = float(powers_w.mean()), float(ratios.mean())
    check_line(gain, 0.0, level_w)
    apart = float(np.std(ratios, ddof=1)) / gain
    if apart > 2 * STEADY_SHARE:
        raise UserError(
            f"the readings vary by {apart:.1%} while the external meter's do not: the traces are of two devices",
            RECORD,
        )
    levels_w = ((1 - LEVEL_MARGIN) * level_w, (1 + LEVEL_MARGIN) * level_w)
    spread = FEW * apart / math.sqrt(10)
    tick_s = float(np.median(np.diff(times_s)))
    return Calibration(
        gain, 0.0, spread, None, None, None, None, *levels_w, float(np.std(watts)), len(watts), tick_s
    )
