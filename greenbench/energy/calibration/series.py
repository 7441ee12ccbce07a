"""Two series of power in time: what a device showed, and an external meter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greenbench.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    Numbers = NDArray[np.float64]

STEADY_SHARE = 0.02
"""With a standard deviation below this share of the mean, the power tells nothing about lag and offset."""

RIPPLE_S = 0.1
"""What averages away within this time, such as ripple, is no change of the load."""

SLOW_POLLS = 0.7
"""With a new value in so many of the polls, they are slower than the updates: when one came is unknown."""


class Reference:
    """The external meter's trace, ready to be averaged over any time."""

    def __init__(self, times_s: Numbers, watts: Numbers) -> None:
        import numpy as np

        self.start_s, self.end_s = float(times_s[0]), float(times_s[-1])
        self.period_s = float(np.median(np.diff(times_s)))
        self._times_s = times_s
        steps_j = (watts[1:] + watts[:-1]) / 2 * np.diff(times_s)
        self._energy_j = np.concatenate([[0.0], np.cumsum(steps_j)])
        edges_s = np.linspace(self.start_s, self.end_s, max(3, int((self.end_s - self.start_s) / RIPPLE_S)))
        levels_w = np.diff(np.interp(edges_s, times_s, self._energy_j)) / np.diff(edges_s)
        self.is_steady = bool(np.std(levels_w) < STEADY_SHARE * np.mean(levels_w))

    def covers(self, end_s: Numbers, averaging_s: float) -> NDArray[np.bool_]:
        """Return which of such means lie within the trace."""
        inside: NDArray[np.bool_] = (end_s - averaging_s >= self.start_s) & (end_s <= self.end_s)
        return inside

    def mean_w(self, end_s: Numbers, averaging_s: float) -> Numbers:
        """Return the mean power over that long before each of these times."""
        import numpy as np

        before_j = np.interp(end_s - averaging_s, self._times_s, self._energy_j)
        means: Numbers = (np.interp(end_s, self._times_s, self._energy_j) - before_j) / averaging_s
        return means


def series(what: str, times_s: ArrayLike, watts: ArrayLike) -> tuple[Numbers, Numbers]:
    """Return times and powers as arrays, each time once; `UserError` where they are none that can be."""
    import numpy as np

    times = np.asarray(times_s, dtype=float)
    values = np.asarray(watts, dtype=float)
    problem = None
    if times.ndim != 1 or times.shape != values.shape:
        problem = f"{times.shape} times and {values.shape} powers, and must be two lists of one length"
    elif len(times) < 2:
        problem = f"{len(times)} values, of at least 2"
    elif not (np.isfinite(times).all() and np.isfinite(values).all()):
        problem = "a time or power that is no finite number"
    elif (values < 0).any():
        problem = f"a power of {values.min():g} W, and none may be negative"
    elif (np.diff(times) < 0).any():
        problem = "times that go back"
    elif times[0] == times[-1]:
        problem = "one time for all its values"
    if problem:
        raise UserError(f"the {what} has {problem}", "mend or cut the trace")
    kept = np.concatenate([[True], np.diff(times) > 0])
    return times[kept], values[kept]


def updates(times_s: Numbers, watts: Numbers) -> tuple[Numbers, Numbers, float]:
    """Return when the readings changed, to what, and the time between polls."""
    import numpy as np

    poll_s = float(np.median(np.diff(times_s)))
    changed = np.flatnonzero(np.diff(watts)) + 1
    if len(changed) > SLOW_POLLS * len(times_s):
        return times_s[1:], watts[1:], poll_s
    return (times_s[changed] + times_s[changed - 1]) / 2, watts[changed], poll_s
