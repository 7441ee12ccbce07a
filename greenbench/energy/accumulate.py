"""What a window keeps of a device's samples: as much for an hour as for a minute."""

from __future__ import annotations

import math
from collections import deque

from greenbench.energy.device import Contention, DeviceFault, DeviceInfo, Sample
from greenbench.energy.interpolate import Tick

KEPT_TICKS = 64
"""Ticks kept at either end of the window."""

LATEST_TICK = 1.25
"""The latest tick is at most this many update periods old, jitter included."""

SLACK_J = 1e-6
"""Counters count in millijoules or finer; less than this is rounding."""

STEP_TOLERANCE = 2.0
"""Between two polls the power may be this much above what the device can draw: limits hold for means."""

KEPT_STRANGERS = 16
"""Names of other programs that are kept."""


class Accumulator:
    """Collects the samples of one device during one window.

    Attributes
    ----------
    first, last
        The samples at the edges so far.
    fault
        Why the window is void; None if it is not.
    head, tail
        The first and the last ticks of the counter.
    power_integral_j
        Power times time, each sample holding until the next.
    max_power_w
        The largest power among the samples.
    longest_still_s
        The longest time in which the counter was seen not to move.
    longest_gap_s
        The longest time between two samples.
    strangers, doubts
        Other programs that were met on the device, and why it is unknown whether there were any.
    """

    def __init__(self, info: DeviceInfo, *, keep: bool = False) -> None:
        self.info = info
        self.first: Sample | None = None
        self.last: Sample | None = None
        self.fault: DeviceFault | None = None
        self.kept: list[Sample] | None = [] if keep else None
        self.head: list[Tick] = []
        self.tail: deque[Tick] = deque(maxlen=KEPT_TICKS)
        self._ticks_seen = 0
        self.power_integral_j = 0.0
        self.max_power_w: float | None = None
        self.longest_still_s = 0.0
        self.longest_gap_s = 0.0
        self.strangers: list[str] = []
        self.doubts: list[str] = []
        self._unmoved_since_s: float | None = None
        self._power = _Moments()
        self._tick_power = _Moments()

    def add(self, seen: Sample | DeviceFault) -> None:
        """Take in the next poll. The first fault makes the window void."""
        if isinstance(seen, DeviceFault):
            self.fault = self.fault or seen
            return
        if self.kept is not None:
            self.kept.append(seen)
        previous = self.last
        if previous is None:
            self.first = seen
            self._unmoved_since_s = seen.end_s
        else:
            self.longest_gap_s = max(self.longest_gap_s, seen.begin_s - previous.end_s)
            self._add_energy(previous, seen)
            if previous.power_w is not None:
                self.power_integral_j += previous.power_w * (seen.end_s - previous.end_s)
        self._add_power(seen)
        self.last = seen

    def meet(self, others: Contention) -> None:
        """Take in who else uses the device."""
        kept = {"foreign": self.strangers, "unknown": self.doubts}.get(others.state)
        if kept is not None and len(kept) < KEPT_STRANGERS:
            kept += [name for name in others.processes if name not in kept]

    @property
    def tick_count(self) -> int:
        """Ticks of the counter, those included that fell between polls far apart."""
        if not self.tail:
            return 0
        spanned = round((self.tail[-1].latest_s - self.head[0].latest_s) / self.info.tick_s) + 1
        return max(self._ticks_seen, spanned)

    @property
    def age_s(self) -> float:
        """Time from the first sample to the last."""
        return 0.0 if self.first is None or self.last is None else self.last.end_s - self.first.end_s

    @property
    def power_count(self) -> int:
        """Samples that carried a power."""
        return self._power.count

    @property
    def mean_power_w(self) -> float:
        """Mean of the power samples."""
        return self._power.mean

    @property
    def power_spread_w(self) -> float:
        """Standard deviation of the power, as the samples and as the ticks show it."""
        return max(self._power.deviation, self._tick_power.deviation)

    def _add_power(self, sample: Sample) -> None:
        if sample.power_w is None:
            return
        self.max_power_w = max(sample.power_w, self.max_power_w or 0.0)
        self._power.add(sample.power_w)

    def _add_energy(self, previous: Sample, sample: Sample) -> None:
        if sample.energy_j is None or previous.energy_j is None:
            return
        step_j = sample.energy_j - previous.energy_j
        if step_j < -SLACK_J:
            reason = f"the energy counter went back by {-step_j:.0f} J (was the driver reloaded?)"
            self.fault = self.fault or DeviceFault(reason)
        if step_j <= SLACK_J:
            if self._unmoved_since_s is not None:
                still_s = sample.begin_s - self._unmoved_since_s
                self.longest_still_s = max(self.longest_still_s, still_s)
            return
        self._unmoved_since_s = sample.end_s
        self._check_step(step_j, sample.end_s - previous.begin_s)
        # A poll shows the latest tick, however late the poll comes.
        earliest_s = max(previous.begin_s, sample.begin_s - LATEST_TICK * self.info.tick_s)
        tick = Tick(earliest_s, sample.end_s, sample.energy_j, self._instant_w(sample))
        if self.tail:
            before = self.tail[-1]
            self._tick_power.add((tick.energy_j - before.energy_j) / (tick.latest_s - before.latest_s))
        self._ticks_seen += 1
        if len(self.head) < KEPT_TICKS:
            self.head.append(tick)
        self.tail.append(tick)

    def _check_step(self, step_j: float, seconds: float) -> None:
        """Find a leap of the counter: more than the device can draw in the time between two polls."""
        bound_w = self.info.max_power_w
        # What a poll shows may be a tick old.
        longest_s = seconds + LATEST_TICK * self.info.tick_s
        if bound_w is not None and step_j > STEP_TOLERANCE * bound_w * longest_s:
            reason = (
                f"the energy counter leapt by {step_j:.4g} J in {seconds:.2g} s, "
                f"above what the device can draw ({bound_w:.0f} W)"
            )
            self.fault = self.fault or DeviceFault(reason)

    def _instant_w(self, sample: Sample) -> float | None:
        """Return the power at the moment of the sample; None where that is averaged or impossible."""
        watts, bound_w = sample.power_w, self.info.max_power_w
        if watts is None or self.info.power_lag_s > 0 or (bound_w is not None and watts > bound_w):
            return None
        return watts


class _Moments:
    """Running mean and standard deviation (Welford)."""

    def __init__(self) -> None:
        self.count = 0
        self.mean = 0.0
        self._squares = 0.0

    def add(self, value: float) -> None:
        self.count += 1
        change = value - self.mean
        self.mean += change / self.count
        self._squares += change * (value - self.mean)

    @property
    def deviation(self) -> float:
        return math.sqrt(self._squares / self.count) if self.count else 0.0
