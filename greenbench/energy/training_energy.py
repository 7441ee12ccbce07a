"""The energy of a whole training from a part of it: the paper's way, and a cheaper one with an interval.

The study measures 10 epochs and scales (section 3.3): `from_epochs`. But steps of one training are alike,
so that seconds tell as much as minutes, once the card is warm: `SteadyEnergy` measures blocks of steps,
stops when the 95 % interval of the energy per step is within a target, and scales by the planned steps.
Stages with different work, as in progressive resizing, are measured each and added::

    energy = SteadyEnergy(meter)
    for size in sizes_by_epoch:
        with energy.stage(f"{size} px") as step_done:
            for batch in batches:
                train_step(batch)
                step_done()
    reading = energy.estimate({"32 px": 78_200})

Once a stage is known well enough, its further steps cost nothing (`step_done` returns at once), and
`SteadyEnergy.known` tells a run that is after the energy alone that it may stop.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

from greenbench.energy.gates import MIN_SECONDS, MIN_TICKS
from greenbench.energy.reading import COVERAGE, Reading, Status, Uncertainty, total
from greenbench.energy.window import Meter, Window

MIN_BLOCKS = 5
DRIFT_T = 2.0
"""A slope of more than this many standard errors is a drift."""


@dataclass(frozen=True)
class SteadySettings:
    """How long to measure.

    Attributes
    ----------
    target
        Half-width of the 95 % interval of the energy per step, as a fraction, at which a stage is known.
    warmup_s
        Seconds at a stage's start that do not count.
    block_s
        Least length of a block of steps; the spread between blocks gives the interval.
    limit_s
        Stop a stage after this long, warm-up included, whatever was reached; the interval says what that is.
    """

    target: float = 0.01
    warmup_s: float = 10.0
    block_s: float = 1.0
    limit_s: float = 120.0


class PerStep(NamedTuple):
    """Energy per step and the standard uncertainties of noise and drift, in joules."""

    mean_j: float
    noise_j: float
    drift_j: float

    @property
    def half_width(self) -> float:
        """Half-width of the 95 % interval, as a fraction of the mean."""
        return COVERAGE * math.hypot(self.noise_j, self.drift_j) / self.mean_j


class SteadyStage:
    """The blocks of one stage, and when they are enough. Pure: takes readings, returns a reading."""

    def __init__(self, settings: SteadySettings) -> None:
        self._settings = settings
        self._warmup: list[tuple[int, Reading]] = []
        self._blocks: list[tuple[int, Reading]] = []
        self.seconds = 0.0
        """Spent on this stage so far, warm-up included."""

    def add(self, steps: int, reading: Reading) -> None:
        """Take in the next block: its steps and what they took."""
        warm = self.seconds >= self._settings.warmup_s
        (self._blocks if warm else self._warmup).append((steps, reading))
        self.seconds += reading.seconds

    @property
    def failed(self) -> bool:
        """Whether a block has no figure, so that the stage cannot have one either."""
        return any(reading.energy_j is None for _, reading in self._warmup + self._blocks)

    @property
    def known(self) -> bool:
        """Whether more blocks would not help: target or limit reached, or a block without a figure."""
        if self.failed or self.seconds >= self._settings.limit_s:
            return True
        kept = _settled(self._blocks)
        whole = total([reading for _, reading in kept])
        if len(kept) < MIN_BLOCKS or whole.seconds < MIN_SECONDS or (whole.ticks or 0) < MIN_TICKS:
            return False
        return per_step(kept).half_width <= self._settings.target

    def estimate(self, planned_steps: int) -> Reading:
        """Return the energy of `planned_steps` steps, its interval in the reading's uncertainty."""
        failed = next(
            (reading for _, reading in self._warmup + self._blocks if reading.energy_j is None), None
        )
        if failed is not None:
            return failed
        # A stage that is over before it was warm is still better known by its steps than not at all.
        kept = _settled(self._blocks) or self._warmup
        if not kept:
            return total([])
        steps = sum(count for count, _ in kept)
        whole = total([reading for _, reading in kept])
        found = per_step(kept)
        half_width = found.half_width if len(kept) > 1 else None
        shown = "unknown" if half_width is None else f"±{half_width:.1%}"
        gain_j = whole.uncertainty.gain_j if whole.uncertainty else 0.0
        reading = replace(
            whole,
            status=_status(whole, self._blocks),
            reason=f"{steps} of {planned_steps} steps measured, energy per step {shown} (95 %)",
            uncertainty=Uncertainty(
                gain_j=gain_j, noise_j=found.noise_j * steps, thermal_j=found.drift_j * steps
            ),
        )
        return reading.scaled(planned_steps / steps)


class SteadyEnergy:
    """Measures a training's steps in blocks, stage by stage; see the module.

    Parameters
    ----------
    meter
        Opens the blocks' windows.
    settings
        How long to measure.
    """

    def __init__(self, meter: Meter, settings: SteadySettings | None = None) -> None:
        self._meter = meter
        self._settings = settings or SteadySettings()
        self.stages: dict[str, SteadyStage] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[Callable[[], None]]:
        """Train inside, and call what this yields after every step. A stage can be entered again."""
        stage = self.stages.setdefault(name, SteadyStage(self._settings))
        if stage.known:
            yield lambda: None
            return
        block = _Block(self._meter, name)

        def step_done() -> None:
            if not block.open:
                return
            block.steps += 1
            if block.seconds >= self._settings.block_s:
                stage.add(block.steps, block.close())
                if not stage.known:
                    block.begin()

        block.begin()
        try:
            yield step_done
        finally:
            if block.open:
                steps, seconds = block.steps, block.seconds
                reading = block.close()
                # A rest of a few steps would weigh as much as a block and scatter more.
                if steps and seconds >= self._settings.block_s / 2:
                    stage.add(steps, reading)

    def known(self, name: str) -> bool:
        """Whether the stage of that name needs no more steps."""
        return name in self.stages and self.stages[name].known

    def estimate(self, planned_steps: Mapping[str, int]) -> Reading:
        """Return the energy of the whole training, given the planned steps of each stage."""
        missing = [name for name in planned_steps if name not in self.stages]
        if missing:
            reason = f"no step of the stage {', '.join(missing)} was measured"
            return Reading(None, Status.NOT_MEASURED, "none", 0.0, reason)
        readings = [self.stages[name].estimate(steps) for name, steps in planned_steps.items()]
        whole = total(readings)
        if whole.energy_j is None or len(readings) == 1:
            return whole
        measured = "; ".join(
            f"{name}: {reading.reason}" for name, reading in zip(planned_steps, readings, strict=True)
        )
        return replace(whole, reason=measured)


def from_epochs(readings: Sequence[Reading], planned_epochs: int) -> Reading:
    """Scale measured epochs to the planned ones (section 3.3); the epochs' spread gives the interval."""
    whole = total(readings)
    if whole.energy_j is None:
        return whole
    if len(readings) > 1 and whole.uncertainty is not None:
        noise_j = per_step([(1, reading) for reading in readings]).noise_j * len(readings)
        whole = replace(whole, uncertainty=replace(whole.uncertainty, noise_j=noise_j))
    return whole.scaled(planned_epochs / len(readings))


def per_step(blocks: Sequence[tuple[int, Reading]]) -> PerStep:
    """Return the energy per step over blocks of (steps, reading), and how well it is known.

    The blocks' scatter about their mean gives the noise, widened where neighbors are alike (first-order
    autocorrelation) and by Student's t, so that `COVERAGE` of it is the 95 % half-width. A slope over time
    gives the drift: what is left of it is taken to be as much as was seen in half the time.
    """
    steps = sum(count for count, _ in blocks)
    mean_j = sum(reading.energy_j or 0.0 for _, reading in blocks) / steps
    if len(blocks) < 2:
        return PerStep(mean_j, 0.0, 0.0)
    values = [(reading.energy_j or 0.0) / count for count, reading in blocks]
    count = len(values)
    center = sum(values) / count
    deviations = [value - center for value in values]
    squares = sum(deviation**2 for deviation in deviations)
    alike = 0.0
    if count >= MIN_BLOCKS and squares > 0:
        alike = sum(a * b for a, b in pairwise(deviations)) / squares
    effective = max(2.0, count * (1 - max(alike, 0.0)) / (1 + max(alike, 0.0)))
    error_j = math.sqrt(squares / (count - 1) / effective)
    slope_j, slope_error_j = _slope(values)
    drifting = count >= MIN_BLOCKS and abs(slope_j) > DRIFT_T * slope_error_j
    drift_j = abs(slope_j) * count / 2 / COVERAGE if drifting else 0.0
    return PerStep(mean_j, error_j * _student(effective - 1) / COVERAGE, drift_j)


def _settled(blocks: list[tuple[int, Reading]]) -> list[tuple[int, Reading]]:
    """Leave out the older half of the blocks where the energy per step still drifts over all of them."""
    if len(blocks) >= 2 * MIN_BLOCKS and per_step(blocks).drift_j > 0:
        return blocks[len(blocks) // 2 :]
    return blocks


def _slope(values: Sequence[float]) -> tuple[float, float]:
    """Return the least-squares slope per position and its standard error (infinite for two values)."""
    count = len(values)
    middle = (count - 1) / 2
    center = sum(values) / count
    spread = sum((position - middle) ** 2 for position in range(count))
    slope = sum((position - middle) * (value - center) for position, value in enumerate(values)) / spread
    residual = sum((v - center - slope * (p - middle)) ** 2 for p, v in enumerate(values))
    return slope, math.sqrt(residual / (count - 2) / spread) if count > 2 else math.inf


def _student(degrees: float) -> float:
    """Return the 97.5 % quantile of Student's t."""
    from scipy.special import stdtrit  # not at import: reading a meter needs no scipy

    return float(stdtrit(degrees, 0.975))


def _status(whole: Reading, blocks: Sequence[tuple[int, Reading]]) -> Status:
    """Blocks are short one by one; together they need not be."""
    if whole.status is not Status.MEASURED_SHORT:
        return whole.status
    enough = whole.seconds >= MIN_SECONDS and (whole.ticks or 0) >= MIN_TICKS and bool(blocks)
    return Status.MEASURED if enough else Status.MEASURED_SHORT


class _Block:
    """One window over some steps."""

    def __init__(self, meter: Meter, name: str) -> None:
        self._meter = meter
        self._name = name
        self._stack = ExitStack()
        self._window: Window | None = None
        self._start_s = 0.0
        self.steps = 0

    @property
    def open(self) -> bool:
        return self._window is not None

    @property
    def seconds(self) -> float:
        return self._meter.clock.now() - self._start_s

    def begin(self) -> None:
        self.steps = 0
        self._window = self._stack.enter_context(self._meter.window(f"steps of {self._name}"))
        self._start_s = self._meter.clock.now()

    def close(self) -> Reading:
        assert self._window is not None
        window, self._window = self._window, None
        self._stack.close()
        return window.reading
