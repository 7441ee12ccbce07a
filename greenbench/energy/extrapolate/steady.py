"""The energy of a training from blocks of its steps, with an interval.

Steps of one training are alike, so that seconds tell as much as minutes once the GPU is warm. `SteadyEnergy`
measures blocks of steps. It stops when the 95 % interval of the energy per step is within a target, and
scales to the planned steps. Stages of different work, as in progressive resizing, are measured one by one;
the training's energy is their sum::

    energy = SteadyEnergy(meter, {"32 px": 78_200})
    for size in sizes_by_epoch:
        with energy.stage(f"{size} px") as step_done:
            for batch in batches:
                train_step(batch)
                step_done()
    reading = energy.reading

Once a stage is known well enough, its further steps cost nothing: `step_done` returns at once. A run that
is there for the energy alone may then stop; `SteadyEnergy.known` says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from greenbench.energy.extrapolate.drift import Block, PerStep, mean_with_half_width, per_step
from greenbench.energy.gates import MIN_SECONDS, MIN_TICKS
from greenbench.energy.reading import COVERAGE, Reading, Status, Uncertainty
from greenbench.energy.sums import total
from greenbench.energy.window import Meter, Window

FIRST_LOOK = 10
"""The interval is looked at after so many blocks, and each time their number has doubled. A look after every block would
end the measuring where the blocks happened to be alike, and the interval is too narrow."""


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
    timed
        Whether the time per step must be known as well, also where no energy is measured.
    """

    target: float = 0.01
    warmup_s: float = 5.0
    block_s: float = 1.0
    limit_s: float = 120.0
    timed: bool = False


class SteadyStage:
    """The blocks of one stage, and when they are enough."""

    def __init__(self, settings: SteadySettings) -> None:
        self._settings = settings
        self._blocks: list[tuple[Block, Reading]] = []
        self._calibrated = 0
        self.seconds = 0.0
        """Spent on this stage so far, warm-up included."""

    def add(self, steps: int, reading: Reading) -> None:
        """Take in the next block: its steps and what they took."""
        start_s = self.seconds
        self.seconds += reading.seconds
        self._blocks.append((Block(steps, reading.energy_j or 0.0, start_s, self.seconds), reading))

    def calibrate(self, run: Reading) -> None:
        """Scale the last blocks so that they add up to the window that was open around all of them.

        Every block ends where a step ends, so that the interpolation errs there in the same way each time.
        The window around them has only two edges.
        """
        if run.energy_j is None and self.failure is not None:
            return
        if run.energy_j is None:
            self._blocks.append((Block(0, 0.0, self.seconds, self.seconds), run))
            return
        latest = self._blocks[self._calibrated :]
        summed_j = sum(block.energy_j for block, _ in latest)
        seconds = sum(reading.seconds for _, reading in latest)
        if self.failure is None and summed_j > 0:
            factor = run.energy_j / run.seconds / (summed_j / seconds)
            self._blocks[self._calibrated :] = [
                (block._replace(energy_j=block.energy_j * factor), reading) for block, reading in latest
            ]
        self._calibrated = len(self._blocks)

    @property
    def block_count(self) -> int:
        """Blocks taken in so far."""
        return len(self._blocks)

    @property
    def step_count(self) -> int:
        """Steps taken in so far, those of the warm-up too."""
        return sum(block.steps for block, _ in self._blocks)

    @property
    def failure(self) -> Reading | None:
        """The first block without energy; with it, the stage has none either."""
        return next((reading for _, reading in self._blocks if reading.energy_j is None), None)

    def known(self, planned_steps: int) -> bool:
        """Whether measuring can end: target or limit reached, or a block without energy where it alone matters."""
        timed, failed = self._settings.timed, self.failure is not None
        if self.seconds >= self._settings.limit_s or (failed and not timed):
            return True
        kept = self._kept()
        looks, rest = divmod(len(kept), FIRST_LOOK)
        if rest or not looks or looks & (looks - 1):
            return False
        return (failed or self._energy_known(kept, planned_steps)) and (not timed or self._time_known())

    def _energy_known(self, kept: Sequence[tuple[Block, Reading]], planned_steps: int) -> bool:
        if not _long_enough([reading for _, reading in kept]):
            return False
        return _half_width(per_step([block for block, _ in kept], planned_steps)) <= self._settings.target

    def _time_known(self) -> bool:
        mean_s, half_width_s = self.seconds_per_step
        return half_width_s <= self._settings.target * mean_s

    @property
    def seconds_per_step(self) -> tuple[float, float]:
        """Mean time of a step and the half-width of its 95 % interval; it does not drift as the power does."""
        kept = [(block.steps, reading.seconds) for block, reading in self._kept() if block.steps]
        return mean_with_half_width(
            [seconds / steps for steps, seconds in kept], [steps for steps, _ in kept]
        )

    def estimate(self, planned_steps: int) -> Reading:
        """Return the energy of `planned_steps` steps, its interval in the reading's uncertainty."""
        if self.failure is not None:
            return self.failure
        kept = self._kept()
        if not kept:
            return total([])
        readings = [reading for _, reading in kept]
        whole = total(readings)
        measured = sum(block.steps for block, _ in kept)
        found = per_step([block for block, _ in kept], planned_steps)
        shown = f"±{_half_width(found):.1%}" if len(kept) > 1 else "of unknown spread"
        enough = whole.status is Status.MEASURED_SHORT and _long_enough(readings)
        gain_j = whole.uncertainty.gain_j if whole.uncertainty else 0.0
        scaled = whole.scaled(planned_steps / measured)
        return replace(
            scaled,
            energy_j=found.mean_j * planned_steps,
            status=Status.MEASURED if enough else whole.status,
            reason=f"{measured} of {planned_steps} steps measured, energy per step {shown} (95 %)",
            next_step=None if enough else whole.next_step,
            uncertainty=Uncertainty(
                gain_j=gain_j / measured * planned_steps,
                noise_j=found.noise_j * planned_steps,
                thermal_j=found.drift_j * planned_steps,
            ),
        )

    def _kept(self) -> list[tuple[Block, Reading]]:
        warm = [pair for pair in self._blocks if pair[0].start_s >= self._settings.warmup_s]
        # A stage that ended before it was warm is still better known by its steps than not at all.
        return warm or self._blocks


def _long_enough(readings: Sequence[Reading]) -> bool:
    """Blocks are short one by one; together they need not be."""
    whole = total(readings)
    return whole.seconds >= MIN_SECONDS and (whole.ticks or 0) >= MIN_TICKS


def _half_width(found: PerStep) -> float:
    return COVERAGE * math.hypot(found.noise_j, found.drift_j) / found.mean_j


class SteadyEnergy:
    """Measures a training's steps in blocks, stage by stage; see the module.

    Parameters
    ----------
    meter
        Opens the blocks' windows.
    planned_steps
        The steps of each stage in the whole training, by the stage's name.
    settings
        How long to measure.
    """

    def __init__(
        self, meter: Meter, planned_steps: Mapping[str, int], settings: SteadySettings | None = None
    ) -> None:
        self._meter = meter
        self._planned = dict(planned_steps)
        self._settings = settings or SteadySettings()
        self.stages = {name: SteadyStage(self._settings) for name in self._planned}
        self._latest = _not_measured("no step was trained")

    @contextmanager
    def stage(self, name: str) -> Iterator[Callable[[], None]]:
        """Train inside, and call what this yields after every step. A stage can be entered again."""
        stage = self.stages[name]
        if self.known(name):
            self._latest = _unmeasured_entry(stage.failure)
            yield lambda: None
            return
        self._latest = _not_measured("the epoch did not end")
        blocks_before = stage.block_count
        run = _Block(self._meter, f"{name}, all steps")
        block = _Block(self._meter, f"{name}, block")

        def step_done() -> None:
            if not run.open:
                run.missed += 1
                return
            run.steps += 1
            block.steps += 1
            if block.seconds >= self._settings.block_s:
                stage.add(block.steps, block.close())
                if self.known(name):
                    stage.calibrate(run.close())
                else:
                    block.begin()

        run.begin()
        block.begin()
        try:
            yield step_done
        finally:
            if run.open:
                steps, seconds = block.steps, block.seconds
                reading = block.close()
                # A rest of a few steps would scatter more than it tells, unless epochs are that short.
                alone = stage.block_count == blocks_before
                if steps and (alone or seconds >= self._settings.block_s / 2):
                    stage.add(steps, reading)
                stage.calibrate(run.close())
        self._latest = run.reading
        if run.missed and run.reading.energy_j is not None:
            self._latest = _not_measured(f"only {run.steps} steps of this epoch were measured")

    def known(self, name: str) -> bool:
        """Whether the stage of that name needs no more steps."""
        return self.stages[name].known(self._planned[name])

    @property
    def latest(self) -> Reading:
        """The reading of the stage that was left last, if all its steps were measured this time."""
        return self._latest

    @property
    def spent(self) -> Reading:
        """Not measured: of a training that ended early, only a part of the steps was."""
        return _not_measured("the training ended before its planned steps")

    @property
    def reading(self) -> Reading:
        """The energy of the whole training, as known so far; its reason says what was measured."""
        readings = [stage.estimate(self._planned[name]) for name, stage in self.stages.items()]
        whole = total(readings)
        if whole.energy_j is None or len(readings) == 1:
            return whole
        measured = (f"{name}: {reading.reason}" for name, reading in zip(self.stages, readings, strict=True))
        return replace(whole, reason="; ".join(measured))


def _unmeasured_entry(failure: Reading | None) -> Reading:
    """Return why a known stage is not measured again."""
    if failure is not None:
        return Reading(None, Status.NOT_MEASURED, failure.method, 0.0, failure.reason, failure.next_step)
    return _not_measured("no step of this epoch was measured: those before were enough")


def _not_measured(reason: str) -> Reading:
    return Reading(None, Status.NOT_MEASURED, "steady", 0.0, reason)


class _Block:
    """One window over some steps."""

    def __init__(self, meter: Meter, name: str) -> None:
        self._meter = meter
        self._name = name
        self._stack = ExitStack()
        self._window: Window | None = None
        self._start_s = 0.0
        self.steps = 0
        self.missed = 0
        """Steps after it was closed."""

    @property
    def open(self) -> bool:
        return self._window is not None

    @property
    def seconds(self) -> float:
        return self._meter.clock.now() - self._start_s

    def begin(self) -> None:
        self.steps = 0
        self._window = self._stack.enter_context(self._meter.window(self._name))
        self._start_s = self._meter.clock.now()

    def close(self) -> Reading:
        assert self._window is not None
        window, self._window = self._window, None
        self._stack.close()
        self.reading = window.reading
        return self.reading
