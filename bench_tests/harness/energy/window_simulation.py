"""Windows on simulated devices of known energy: what the stated intervals are tried on.

Each window draws its own load, update period, phase, jitter of the updates, and polls that come late: most by up
to 2 ms, some by up to 80 ms.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Callable
from itertools import accumulate, pairwise

from greenbench.energy import Reading
from greenbench.energy.clock import VirtualClock
from greenbench.energy.device import Device, DeviceInfo, Sample
from greenbench.energy.meter import DeviceMeter
from greenbench.energy.sampler import poll_period

TICKS_S = (0.02, 0.05, 0.1)
POWER_TICK_S = 0.1
LEAD_S = 3.0
"""What ran before a window is in its averages."""


class Load:
    """A power that is constant in pieces.

    Parameters
    ----------
    points
        Times and the power from each on, in order.
    """

    def __init__(self, points: list[tuple[float, float]]) -> None:
        self.times = [time_s for time_s, _ in points]
        self.watts = [watts for _, watts in points]
        pieces = ((b - a) * watts for (a, b), watts in zip(pairwise(self.times), self.watts, strict=False))
        self._joules = [0.0, *accumulate(pieces)]

    def power_w(self, time_s: float) -> float:
        return self.watts[max(0, bisect_right(self.times, time_s) - 1)]

    def energy_j(self, time_s: float) -> float:
        """Joules from the first point to a time."""
        piece = max(0, bisect_right(self.times, time_s) - 1)
        return self._joules[piece] + self.watts[piece] * (time_s - self.times[piece])


def _steady(generator: random.Random, start_s: float, end_s: float) -> list[tuple[float, float]]:
    """A power with noise of a few percent."""
    watts, noise = generator.uniform(60, 600), generator.uniform(0.002, 0.05)
    return _pieces(start_s, end_s, lambda: (0.03, watts * generator.gauss(1.0, noise)))


def _random(generator: random.Random, start_s: float, end_s: float) -> list[tuple[float, float]]:
    """Any power for any time."""
    return _pieces(start_s, end_s, lambda: (generator.uniform(0.02, 2.0), generator.uniform(30.0, 290.0)))


def _square(generator: random.Random, start_s: float, end_s: float) -> list[tuple[float, float]]:
    """Two levels in turn, with a period of its own."""
    high_w, low_w = generator.uniform(200, 600), generator.uniform(60, 200)
    lengths = generator.uniform(0.05, 1.5), generator.uniform(0.05, 1.5)
    levels = [(lengths[0], high_w), (lengths[1], low_w)]

    def next_piece() -> tuple[float, float]:
        levels.append(levels.pop(0))
        return levels[-1]

    return _pieces(start_s, end_s, next_piece)


def _training(generator: random.Random, start_s: float, end_s: float) -> list[tuple[float, float]]:
    """Steps that wait for data at their ends."""
    step_s, high_w, wait = (
        generator.uniform(0.03, 0.4),
        generator.uniform(200, 600),
        generator.uniform(0.05, 0.3),
    )
    working = [False]

    def next_piece() -> tuple[float, float]:
        working[0] = not working[0]
        share = 1 - wait if working[0] else wait
        level_w = high_w if working[0] else 0.4 * high_w
        return share * step_s * generator.uniform(0.9, 1.1), level_w * generator.gauss(1.0, 0.02)

    return _pieces(start_s, end_s, next_piece)


def _warming(generator: random.Random, start_s: float, end_s: float) -> list[tuple[float, float]]:
    """A power that climbs or falls slowly."""
    watts, drift = generator.uniform(100, 500), generator.uniform(-0.2, 0.2)
    at = [0.0]

    def next_piece() -> tuple[float, float]:
        at[0] += 0.05 / (end_s - start_s)
        return 0.05, watts * (1 + drift * at[0]) * generator.gauss(1.0, 0.01)

    return _pieces(start_s, end_s, next_piece)


def _pieces(
    start_s: float, end_s: float, next_piece: Callable[[], tuple[float, float]]
) -> list[tuple[float, float]]:
    points, at = [], start_s
    while at < end_s:
        length_s, watts = next_piece()
        points.append((at, max(watts, 5.0)))
        at += length_s
    return points


LOADS = {"steady": _steady, "random": _random, "square": _square, "training": _training, "warming": _warming}


class SimulatedDevice(Device):
    """Shows a counter, or a power, as of its latest update.

    Parameters
    ----------
    load
        What it draws.
    clock
        Tells it the time.
    info
        ``counter`` or ``power`` by its kind.
    updates_s
        When it updates.
    lag_s
        A power is the average over this time.
    slope
        What it shows for each watt.
    """

    def __init__(
        self,
        load: Load,
        clock: VirtualClock,
        info: DeviceInfo,
        updates_s: list[float],
        lag_s: float = 0.0,
        slope: float = 1.0,
    ) -> None:
        self.info = info
        self._load, self._clock, self._updates_s = load, clock, updates_s
        self._lag_s, self._slope = lag_s, slope

    def sample(self) -> Sample:
        now = self._clock.now()
        at = self._updates_s[bisect_right(self._updates_s, now) - 1]
        energy_j = self._slope * self._load.energy_j(at) if self.info.kind == "counter" else None
        if energy_j is not None:  # the power beside a counter has updates of its own
            at = now - (now - self._updates_s[0] / 2) % POWER_TICK_S
        lag_s = self._lag_s
        power_w = self._load.power_w(at)
        if lag_s:
            power_w = (self._load.energy_j(at) - self._load.energy_j(at - lag_s)) / lag_s
        return Sample(now, now, energy_j, self._slope * power_w)


class LateClock(VirtualClock):
    """A virtual clock whose periodic calls come late, as those of a thread beside a busy program."""

    def __init__(self, generator: random.Random) -> None:
        super().__init__()
        self._generator = generator

    def repeat(self, after_s: float, call: Callable[[], float]) -> Callable[[], None]:
        return super().repeat(after_s, lambda: call() + self._late_s())

    def _late_s(self) -> float:
        return self._generator.uniform(0.0, 0.08 if self._generator.random() < 0.03 else 0.002)


def measure_random_window(
    seed: str,
    load: str,
    kind: str,
    *,
    lag_s: float = 0.0,
    gain: float = 0.0,
    lengths_s: tuple[float, float] = (5.0, 25.0),
) -> tuple[Reading, float]:
    """Return the reading of one window, and its true joules.

    Parameters
    ----------
    seed
        Draws everything.
    load
        One of `LOADS`.
    kind
        ``counter`` or ``power``.
    lag_s
        A power reading is the average over this time.
    gain
        Standard uncertainty of the device's slope, which is drawn from it.
    lengths_s
        The shortest and the longest window.
    """
    generator = random.Random(f"{seed} {load} {kind} {lag_s}")
    seconds = generator.uniform(*lengths_s)
    begin_s = LEAD_S + generator.uniform(0.0, 0.5)
    end_s = begin_s + seconds
    points = LOADS[load](generator, begin_s if generator.random() < 0.5 else 0.0, end_s + 0.5)
    if points[0][0] > 0.0:  # the work begins with the window, after an idle time
        points.insert(0, (0.0, 40.0))
    if generator.random() < 0.5:  # and ends with it
        points = [point for point in points if point[0] < end_s] + [(end_s, 40.0)]
    tick_s = generator.choice(TICKS_S)
    jitter_s = generator.choice([0.0, 0.02, 0.1]) * tick_s
    phase_s = generator.uniform(0.0, tick_s)
    count = int((end_s + 0.5) / tick_s) + 3
    updates_s = sorted(phase_s + tick_s * (k - 1) + generator.uniform(0, jitter_s) for k in range(count))
    clock = LateClock(generator)
    info = DeviceInfo("card", "card", f"simulated-{kind}", kind, tick_s, gain, lag_s)
    work = Load(points)
    shown_lag_s = lag_s * generator.uniform(0.5, 1.5)
    device = SimulatedDevice(work, clock, info, updates_s, shown_lag_s, generator.gauss(1.0, gain))
    with DeviceMeter("simulated", [device], clock=clock, period_s=poll_period(tick_s)) as meter:
        clock.sleep(begin_s)
        with meter.window("work") as window:
            clock.sleep(seconds)
    return window.reading, work.energy_j(end_s) - work.energy_j(begin_s)
