"""The steps of one stage of a training, in blocks, and when they are enough."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from greenbench.energy.extrapolate.drift import Block, PerStep, mean_with_half_width, per_step
from greenbench.energy.gates import MIN_SECONDS, MIN_TICKS
from greenbench.energy.reading import COVERAGE, Reading, Status, Uncertainty
from greenbench.energy.sums import total

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
    def block_s(self) -> float:
        """Least length of a block."""
        return self._settings.block_s

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

    def state_dict(self) -> dict[str, Any]:
        """Return all that another one needs to go on."""
        return {"blocks": list(self._blocks), "calibrated": self._calibrated, "seconds": self.seconds}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from where `state` was taken."""
        self._blocks, self._calibrated = list(state["blocks"]), state["calibrated"]
        self.seconds = state["seconds"]

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
