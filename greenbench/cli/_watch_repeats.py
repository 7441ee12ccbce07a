"""Several runs for ``greenbench watch``: the mean of one command, or two commands in turn."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from greenbench.cli._streams import say
from greenbench.cli._watch_output import co2_json, co2_line, print_json
from greenbench.cli._watch_statistics import (
    Mean,
    Ratio,
    Run,
    boundary_of,
    mean_energy,
    mean_of,
    ratio_of,
)
from greenbench.cli._watch_window import Watch
from greenbench.cli._watched import Command
from greenbench.units import si


@dataclass
class _Series:
    """Runs so far, and whether to go on."""

    watch: Watch
    runs: list[Run] = field(default_factory=list)
    stopped: bool = False

    def add(self, command: list[str], head: dict[str, Any], name: str) -> None:
        work = Command(command)
        whole = self.watch.run(work, {"command": command, **head}, name)
        self.runs.append(Run(name, work.exit_code, whole))
        # A command that cannot be run will not be able to later.
        self.stopped = work.interrupted or not work.runs

    @property
    def exit_code(self) -> int:
        """The first failure's."""
        return next((run.exit_code for run in self.runs if run.exit_code), 0)

    def left_out(self, boundary: str | None) -> dict[str, str]:
        """Return the runs whose joules do not count, with the reason."""
        reasons = {run.name: run.why_not(boundary) for run in self.runs}
        return {name: reason for name, reason in reasons.items() if reason}


def repeat(watch: Watch, command: list[str], count: int) -> int:
    """Run a command `count` times, show the mean, and return the exit code of the first run that failed."""
    series = _Series(watch)
    for number in range(1, count + 1):
        if not series.stopped:
            series.add(command, {"run": number}, f"run {number}")
    boundary = boundary_of(series.runs)
    left_out = series.left_out(boundary)
    counted = [run for run in series.runs if run.name not in left_out]
    finished = [run.whole.seconds for run in series.runs if not run.exit_code]
    energy = mean_energy(counted)
    seconds = mean_of(finished) if finished else None
    text = [f"mean: {_mean(energy, 'J')}; {_mean(seconds, 's')}"]
    line: dict[str, Any] = {
        "command": command,
        "runs": count,
        "counted": len(counted),
        "boundary": boundary,
        "mean_energy_j": energy.value if energy else None,
        "half_width_j": energy.half_width if energy else None,
        "mean_seconds": seconds.value if seconds else None,
        "half_width_seconds": seconds.half_width if seconds else None,
        "left_out": left_out,
    }
    if watch.carbon:
        energy_j = energy.value if energy else None
        text.append(co2_line(energy_j, watch.carbon))
        line |= co2_json(energy_j, watch.carbon)
    _show(watch, line, text, left_out)
    return series.exit_code


def compare(watch: Watch, first: list[str], second: list[str], count: int) -> int:
    """Run two commands in turn, `count` times each, show the ratio second / first, and return the exit code."""
    series = _Series(watch)
    for number in range(1, count + 1):
        for letter, command in (("A", first), ("B", second)):
            if not series.stopped:
                series.add(command, {"which": letter, "run": number}, f"run {number} of {letter}")
    boundary = boundary_of(series.runs)
    left_out = series.left_out(boundary)
    pairs = list(zip(series.runs[::2], series.runs[1::2], strict=False))
    energy = ratio_of(
        [
            (a.whole.energy_j or 0.0, b.whole.energy_j or 0.0)
            for a, b in pairs
            if not {a.name, b.name} & left_out.keys()
        ]
    )
    seconds = ratio_of(
        [(a.whole.seconds, b.whole.seconds) for a, b in pairs if not a.exit_code + b.exit_code]
    )
    text = [f"B / A: {_ratio(energy, 'joules')}; {_ratio(seconds, 'seconds')}"]
    line = {
        "a": first,
        "b": second,
        "pairs": count,
        "boundary": boundary,
        "energy_ratio": _ratio_json(energy),
        "seconds_ratio": _ratio_json(seconds),
        "left_out": left_out,
    }
    _show(watch, line, text, left_out)
    return series.exit_code


def _show(watch: Watch, line: dict[str, Any], text: Sequence[str], left_out: dict[str, str]) -> None:
    if watch.json:
        print_json(line, json.dumps(line))
    else:
        for name, reason in left_out.items():
            say(f"{name} does not count: {reason}")
        for words in text:
            say(words)


def _mean(mean: Mean | None, unit: str) -> str:
    if mean is None:
        return "no run has joules that count" if unit == "J" else "no run finished"
    value = si(mean.value, unit, 4)
    if mean.half_width is None:
        return f"{value} (one run)"
    return f"{value} ± {si(mean.half_width, unit, 2)} (95 %, {mean.count} run{'s' * (mean.count > 1)})"


def _ratio(ratio: Ratio | None, what: str) -> str:
    if ratio is None:
        return f"no ratio of {what}, because no pair counts"
    if ratio.low is None:
        return f"{ratio.value:.3g} times the {what}, without an interval, because one pair alone counts"
    return (
        f"{ratio.value:.3g} times the {what} "
        f"(95 % interval {ratio.low:.3g} to {ratio.high:.3g}, {ratio.pairs} pairs)"
    )


def _ratio_json(ratio: Ratio | None) -> dict[str, Any]:
    if ratio is None:
        return {"value": None, "low": None, "high": None, "pairs": 0}
    return {"value": ratio.value, "low": ratio.low, "high": ratio.high, "pairs": ratio.pairs}
