"""What a window keeps of a device's samples: as much for an hour as for a minute."""

from __future__ import annotations

import math
from collections import deque

from greenbench.energy.device import Contention, DeviceFault, DeviceInfo, Sample
from greenbench.energy.interpolate import Tick
from greenbench.energy.pace import Pace

KEPT_TICKS = 64
"""Ticks kept at either end of the window."""

LATEST_TICK = 1.25
"""The latest tick is at most this many update periods old, jitter included."""

NEIGHBORS = 0.9
"""Ticks cannot be less than so many periods apart, however close to each other they are seen."""

SLACK_J = 1e-6
"""Counters count in millijoules or finer; less than this is rounding."""

STEP_TOLERANCE = 2.0
"""For a short time the power may be this much above what the device can draw: limits hold for means."""

OVERSHOOT_S = 1.0
"""That time."""

MEAN_TOLERANCE = 1.1
"""In the rest of the time between two polls it may be this much above."""

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
    power_integral_j, power_seconds
        Power times time, each sample holding until the next; the time that this covers.
    power_changes_j2
        Sum of squares of each change of the power, times how long the sample before it held.
    max_power_w
        The largest power among the samples.
    pace
        Follows the counter's ticks.
    longest_still_s
        The longest time in which the counter was seen not to move.
    longest_gap_s
        The longest time between two samples.
    impossible_w
        The last power reading that cannot be. Beside a counter it counts for nothing; without one the window is void.
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
        self.pace = Pace(info.tick_s)
        self._ticks_seen = 0
        self.power_integral_j = 0.0
        self.power_seconds = 0.0
        self.power_changes_j2 = 0.0
        self.max_power_w: float | None = None
        self.longest_still_s = 0.0
        self.longest_gap_s = 0.0
        self.impossible_w: float | None = None
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
        if seen.power_w is not None and self._impossible(seen.power_w):
            self.impossible_w = seen.power_w
            if self.info.kind != "counter":
                bound_w = self.info.max_power_w
                above = (
                    "impossible" if bound_w is None else f"above what the device can draw ({bound_w:.0f} W)"
                )
                self.fault = self.fault or DeviceFault(f"a power of {seen.power_w:.4g} W is {above}")
            seen = seen._replace(power_w=None)
        previous = self.last
        if previous is None:
            self.first = seen
            self._unmoved_since_s = seen.end_s
        else:
            self.longest_gap_s = max(self.longest_gap_s, seen.begin_s - previous.end_s)
            self._add_energy(previous, seen)
            if previous.power_w is not None:
                seconds = seen.end_s - previous.end_s
                self.power_integral_j += previous.power_w * seconds
                self.power_seconds += seconds
                if seen.power_w is not None:
                    held_s = max(seconds, self.info.tick_s)
                    self.power_changes_j2 += ((seen.power_w - previous.power_w) * held_s) ** 2
        self._add_power(seen)
        self.last = seen

    def unsettled_until(self) -> float | None:
        """Return when a further poll can tell whether the last one saw a tick that came at that very moment.

        None where there is no doubt.
        """
        if not self.tail or self.last is None or self.tail[-1].latest_s != self.last.end_s:
            return None
        near = None if self.tail[-1].number is not None else self.pace.near(self.last.end_s)
        return near and near[1]

    def settle(self, later: Sample | DeviceFault) -> None:
        """Take in that further poll, which is not part of the window."""
        near = self.pace.near(self.tail[-1].latest_s)
        if near and isinstance(later, Sample) and later.energy_j is not None:
            unseen = later.energy_j > self.tail[-1].energy_j + SLACK_J
            self.tail[-1] = self.tail[-1]._replace(number=near[0] - unseen)

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
    def begun(self) -> bool:
        """Whether the first ticks are all there."""
        return len(self.head) == KEPT_TICKS

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
    def power_deviation_w(self) -> float:
        """Standard deviation of the power samples."""
        return self._power.deviation

    @property
    def power_spread_w(self) -> float:
        """Standard deviation of the power, as the samples and as the ticks show it."""
        return max(self._power.deviation, self._tick_power.deviation)

    def _impossible(self, watts: float) -> bool:
        bound_w = self.info.max_power_w
        return (
            watts < 0
            or not math.isfinite(watts)
            or (bound_w is not None and watts > STEP_TOLERANCE * bound_w)
        )

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
                self.pace.still(self._unmoved_since_s, sample.begin_s)
            return
        self._unmoved_since_s = sample.end_s
        self._check_step(step_j, sample.end_s - previous.begin_s)
        # A poll shows the latest tick, however late the poll comes.
        earliest_s = max(previous.begin_s, sample.begin_s - LATEST_TICK * self.info.tick_s)
        number = self.pace.number(earliest_s, sample.end_s)
        tick = Tick(earliest_s, sample.end_s, sample.energy_j, self._instant_w(sample), number)
        if self.tail:
            self._add_tick_power(self.tail[-1], tick)
        self._ticks_seen += 1
        if len(self.head) < KEPT_TICKS:
            self.head.append(tick)
        self.tail.append(tick)

    def _add_tick_power(self, before: Tick, tick: Tick) -> None:
        """Take in the mean power between two ticks, if it is known how far apart they are."""
        seconds = tick.latest_s - before.latest_s
        if tick.number is not None and before.number is not None:
            seconds = (tick.number - before.number) * self.info.tick_s
        if seconds > NEIGHBORS * self.info.tick_s:
            self._tick_power.add((tick.energy_j - before.energy_j) / seconds)

    def _check_step(self, step_j: float, seconds: float) -> None:
        """Find a leap of the counter: more than the device can draw in the time between two polls."""
        bound_w = self.info.max_power_w
        # What a poll shows may be a tick old.
        longest_s = seconds + LATEST_TICK * self.info.tick_s
        short_s = min(longest_s, OVERSHOOT_S)
        times_s = STEP_TOLERANCE * short_s + MEAN_TOLERANCE * (longest_s - short_s)
        if bound_w is not None and step_j > times_s * bound_w:
            reason = (
                f"the energy counter leapt by {step_j:.4g} J in {seconds:.2g} s, "
                f"above what the device can draw ({bound_w:.0f} W)"
            )
            self.fault = self.fault or DeviceFault(reason)

    def _instant_w(self, sample: Sample) -> float | None:
        """Return the power at the moment of the sample; None where that is averaged."""
        return None if self.info.power_lag_s > 0 else sample.power_w


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
