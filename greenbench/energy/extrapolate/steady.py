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

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

from greenbench.energy.extrapolate.stage import SteadySettings as SteadySettings
from greenbench.energy.extrapolate.stage import SteadyStage as SteadyStage
from greenbench.energy.reading import Reading, Status
from greenbench.energy.sums import total
from greenbench.energy.window import Meter, Window


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
        self._entry: _Entry | None = None
        self._begun: dict[str, Any] | None = None
        """The state of an entry that was interrupted."""

    @contextmanager
    def stage(self, name: str) -> Iterator[Callable[[], None]]:
        """Train inside, and call what this yields after every step. A stage can be entered again."""
        stage, begun = self.stages[name], self._begun
        self._begun = None
        if self.known(name) and begun is None:
            self._latest = _unmeasured_entry(stage.failure)
            yield lambda: None
            return
        self._latest = _not_measured("the epoch did not end")
        entry = self._entry = _Entry(self._meter, name, stage, self._planned[name], begun)
        entry.begin()
        try:
            yield entry.step_done
        finally:
            entry.end()
            self._entry = None
        self._latest = entry.reading

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Measure nothing of what is done inside, between two steps of a stage."""
        entry = self._entry
        if entry is None:
            yield
            return
        entry.end()
        yield
        entry.begin()

    def state_dict(self) -> dict[str, Any]:
        """Return all that another one needs to go on; to be asked for within `paused`."""
        return {
            "stages": {name: stage.state_dict() for name, stage in self.stages.items()},
            "begun": self._entry.state_dict() if self._entry is not None else self._begun,
            "latest": self._latest,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from where `state` was taken."""
        for name, stage in self.stages.items():
            stage.load_state_dict(state["stages"][name])
        self._begun, self._latest = state["begun"], state["latest"]

    def known(self, name: str) -> bool:
        """Whether the stage of that name needs no more steps."""
        return self.stages[name].known(self._planned[name])

    @property
    def latest(self) -> Reading:
        """The reading of the stage that was left last, if all its steps were measured this time."""
        return self._latest

    @property
    def epochs(self) -> list[Reading]:
        """None: what is measured are blocks of steps."""
        return []

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


class _Entry:
    """The steps of a stage from when it is entered until it is left, measured until the stage is known."""

    def __init__(
        self, meter: Meter, name: str, stage: SteadyStage, planned_steps: int, begun: dict[str, Any] | None
    ) -> None:
        self._stage = stage
        self._planned = planned_steps
        self._run = _Block(meter, f"{name}, all steps")
        self._block = _Block(meter, f"{name}, block")
        self._blocks_before = 0
        begun = begun or {"readings": [], "measured": 0, "missed": 0}
        self._readings: list[Reading] = list(begun["readings"])
        self._measured, self._missed = begun["measured"], begun["missed"]

    def state_dict(self) -> dict[str, Any]:
        """Return what another one needs to go on; to be asked for after `end`."""
        return {"readings": list(self._readings), "measured": self._measured, "missed": self._missed}

    def begin(self) -> None:
        """Go on, unless the stage became known."""
        if not self._stage.known(self._planned):
            self._blocks_before = self._stage.block_count
            self._run.begin()
            self._block.begin()

    def step_done(self) -> None:
        """Take in a step."""
        if not self._run.open:
            self._missed += 1
            return
        self._measured += 1
        self._block.steps += 1
        if self._block.seconds >= self._stage.block_s:
            self._stage.add(self._block.steps, self._block.close())
            if self._stage.known(self._planned):
                self._close_run()
            else:
                self._block.begin()

    def end(self) -> None:
        """Take in what is open."""
        if not self._run.open:
            return
        steps, seconds = self._block.steps, self._block.seconds
        reading = self._block.close()
        # A rest of a few steps would scatter more than it tells, unless epochs are that short.
        alone = self._stage.block_count == self._blocks_before
        if steps and (alone or seconds >= self._stage.block_s / 2):
            self._stage.add(steps, reading)
        self._close_run()

    @property
    def reading(self) -> Reading:
        """Of all steps, if all were measured."""
        whole = total(self._readings)
        if self._missed and whole.energy_j is not None:
            return _not_measured(f"only {self._measured} steps of this epoch were measured")
        return whole

    def _close_run(self) -> None:
        self._readings.append(self._run.close())
        self._stage.calibrate(self._readings[-1])


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
        self._window = self._stack.enter_context(self._meter.window(self._name))
        self._start_s = self._meter.clock.now()

    def close(self) -> Reading:
        assert self._window is not None
        window, self._window = self._window, None
        self._stack.close()
        return window.reading
