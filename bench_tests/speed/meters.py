"""The energy meter against Zeus and CodeCarbon on the NVML stub: faults, errors on three loads, and cost.

Every measurement is a process of its own in real time, with the stub library in place of the driver's: each
meter is used as its users use it, and meets the same faults at the same time. With ``--out FILE`` the report
is written; ``reports/meters.md`` is one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from bench_tests import nvml_stub

NAME = "meters"
ROOT = Path(__file__).parents[2]
METERS = ("greenbench", "zeus", "codecarbon")
SECONDS = 5.2
AT_ONCE = 10
CLOSE = 0.05
"""A number within this of the truth counts as right where there is one."""


@dataclass(frozen=True)
class Case:
    """A row of the fault table.

    `scenario` holds from the start, `then` from the middle of the window on ({soon}) or from its begin
    ({now}); {held} is what the counter shows at the begin, in millijoules. `right` says what
    answers are right: the true ``number``, ``none``, or ``either``.
    """

    fault: str
    scenario: tuple[str, ...] = ()
    then: tuple[str, ...] = ()
    right: str = "either"
    seconds: float = SECONDS
    variables: tuple[tuple[str, str], ...] = ()
    gpu: int = 0
    library: bool = True


def everywhere(code: int, *calls: str) -> tuple[str, ...]:
    """Let calls fail from the start."""
    return tuple(f"fault {call} -1 0 1e9 {code}" for call in calls)


COUNTER = ("field:83", "nvmlDeviceGetTotalEnergyConsumption")
POWER = ("field:185", "field:186", "nvmlDeviceGetPowerUsage")
SEVERAL = ("gpus 4", *(f"wave {gpu} 0 0 {80 + 30 * gpu}" for gpu in range(4)))


def mid_window(code: int, *calls: str, value: float = 0.0) -> tuple[str, ...]:
    """Let calls fail from the middle of the window on."""
    return tuple(f"fault {call} -1 {{soon}} 1e9 {code} {value}" for call in calls)


LOST = (*COUNTER, *POWER, "nvmlDeviceGetFieldValues")
CASES = (
    Case("no fault", right="number"),
    Case("no driver library", library=False, right="none"),
    Case("driver not loaded (9)", everywhere(9, "nvmlInitWithFlags"), right="none"),
    Case("version mismatch (18)", everywhere(18, "nvmlInitWithFlags"), right="none"),
    Case("no energy counter (3)", everywhere(3, *COUNTER), right="number"),
    Case("neither counter nor power (3)", everywhere(3, *COUNTER, *POWER), right="none"),
    Case("GPU lost in the window (15)", then=mid_window(15, *LOST)),
    Case("permission lost in the window (4)", then=mid_window(4, *COUNTER)),
    Case("counter not ready in the window (27)", then=mid_window(27, *COUNTER)),
    Case("counter goes back (driver reloaded)", then=("reload 0 {soon}",)),
    Case("counter stands still", then=tuple(f"fault {call} -1 {{now}} 1e9 0 {{held}}" for call in COUNTER)),
    Case("counter leaps (garbage)", then=mid_window(0, *COUNTER, value=9e12)),
    Case("no counter, power garbage (4 MW)", everywhere(3, *COUNTER), mid_window(0, *POWER, value=4e9)),
    Case("window of 30 ms, tick of 100 ms", seconds=0.03),
    Case("MIG enabled", ("set 0 mig 1",), right="none"),
    Case("4 GPUs, one visible (index)", SEVERAL, (), "number", variables=(("CUDA_VISIBLE_DEVICES", "2"),), gpu=2),
    Case(
        "4 GPUs, one visible (UUID)", SEVERAL, (), "number", gpu=2,
        variables=(("CUDA_VISIBLE_DEVICES", "GPU-5afe0002-0000-4000-8000-000000000002"),),
    ),
    Case("another process comes", then=(f"process 0 {os.getpid()} {{soon}} 1e9",), right="none"),
    Case("throttled by heat for 40 %", ("set 0 thermal_share 0.4",), right="none"),
)  # fmt: skip

LOADS = {
    "constant 200 W": "constant",
    "training steps, 250/180 W": "steps",
    "square wave, 280/70 W, 0.37 s": "square",
}
LENGTHS_S = {1.0: 10, 5.0: 4}


def run(out: Path | None = None) -> list[dict[str, object]]:
    """Compare the meters and return the results as rows; write the report too if a file is given."""
    if nvml_stub.compiler() is None:
        return [{"case": NAME, "note": "not run: no C compiler for the NVML stub"}]
    missing = [meter for meter in METERS[1:] if _version(meter) is None]
    if missing:
        needed = ", ".join(missing)
        return [{"case": NAME, "note": f"not run: {needed} missing; pip install 'greenbench[bench]'"}]
    with tempfile.TemporaryDirectory() as folder:
        bench = _Bench(Path(folder))
        costs = {meter: bench.ask(meter, {"kind": "cost", "seconds": 4.5}) for meter in ("floor", *METERS)}
        with ThreadPoolExecutor(AT_ONCE) as pool:
            jobs = [(meter, case) for case in CASES for meter in METERS]
            faults = dict(zip(jobs, pool.map(lambda job: bench.fault(*job), jobs), strict=True))
            runs = [(meter, load, s) for load in LOADS for s in LENGTHS_S for meter in METERS]
            errors = dict(zip(runs, pool.map(lambda job: bench.errors(*job), runs), strict=True))
    if out is not None:
        out.write_text(_report(faults, errors, costs), encoding="utf-8")
    return [*_fault_rows(faults), *_error_rows(errors), *_cost_rows(costs)]


class _Bench:
    """Starts the processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._library = nvml_stub.build(folder)
        # CodeCarbon looks for a GPU by asking whether this program can be run.
        (folder / "nvidia-smi").write_text("#!/bin/sh\n")
        (folder / "nvidia-smi").chmod(0o755)
        self._count = 0

    def fault(self, meter: str, case: Case) -> dict[str, Any]:
        job = {"kind": "fault", "seconds": case.seconds, "then": case.then, "gpu": case.gpu}
        return self.ask(meter, {**job, "library": case.library}, case.scenario, case.variables, case.library)

    def errors(self, meter: str, load: str, seconds: float) -> list[float]:
        job = {"kind": "accuracy", "load": LOADS[load], "seconds": seconds, "windows": LENGTHS_S[seconds]}
        answer = self.ask(meter, {**job, "seed": 1}, ("wave 0 0 0 40",))
        return answer["errors"]

    def ask(
        self,
        meter: str,
        job: dict[str, Any],
        scenario: Sequence[str] = (),
        variables: Sequence[tuple[str, str]] = (),
        library: bool = True,
    ) -> dict[str, Any]:
        self._count += 1
        place = self._folder / f"{self._count}-{meter}-{id(job)}"
        place.mkdir()
        environment = {name: text for name, text in os.environ.items() if name != "CUDA_VISIBLE_DEVICES"}
        if library:
            environment = nvml_stub.environment(self._library, scenario, place)
            environment["PATH"] = f"{self._folder}{os.pathsep}{environment['PATH']}"
            environment.pop("CUDA_VISIBLE_DEVICES", None)
        environment |= {"PYTHONPATH": str(ROOT), "TMPDIR": str(place), **dict(variables)}
        done = subprocess.run(
            [sys.executable, "-m", "bench_tests.nvml_stub.peers", meter, json.dumps(job)],
            env=environment, capture_output=True, text=True, timeout=180, cwd=ROOT,
        )  # fmt: skip
        try:
            return dict(json.loads(done.stdout.splitlines()[-1]))
        except (IndexError, ValueError):
            return {"raised": done.stderr.strip().splitlines()[-1:], "warnings": []}


def is_right(case: Case, answer: dict[str, Any]) -> bool:
    """Whether a meter's answer is one of the right ones."""
    energy_j, true_j = answer.get("energy_j"), answer.get("true_j")
    if energy_j is None:
        return case.right != "number"
    return case.right != "none" and true_j is not None and abs(energy_j / true_j - 1) <= CLOSE


def _shown(case: Case, answer: dict[str, Any]) -> str:
    mark = "right" if is_right(case, answer) else "**wrong**"
    if "raised" in answer:
        return f"{mark}: raises {str(answer['raised']).partition(':')[0]}"
    if answer["energy_j"] is None:
        return f"{mark}: no number" + (f" ({answer['said'].partition(';')[0]})" if answer["said"] else "")
    true = "" if case.right == "none" else f" of {answer['true_j']:.4g} J"
    warned = " with a warning" if answer["warnings"] else ""
    return f"{mark}: {answer['energy_j']:.4g} J{true}{warned}"


def _fault_rows(faults: dict[tuple[str, Case], dict[str, Any]]) -> list[dict[str, object]]:
    return [
        {"case": f"fault: {case.fault}", **{meter: _shown(case, faults[meter, case]) for meter in METERS}}
        for case in CASES
    ]


def _error_rows(errors: dict[tuple[str, str, float], list[float]]) -> list[dict[str, object]]:
    return [
        {
            "case": f"error: {load}, window about {seconds:g} s",
            **{meter: _spread(errors[meter, load, seconds]) for meter in METERS},
        }
        for load in LOADS
        for seconds in LENGTHS_S
    ]


def _spread(errors: Sequence[float | None]) -> str:
    present = [abs(error) for error in errors if error is not None]
    if not present:
        return "no number"
    return f"{sum(present) / len(present):.2%} (worst {max(present):.2%})"


def _cost_rows(costs: dict[str, dict[str, Any]]) -> list[dict[str, object]]:
    return [
        {"case": "cost: share of a core, window open", **{m: f"{c['core']:.3%}" for m, c in costs.items()}},
        {
            "case": "cost: both edges of a window",
            **{m: f"{1e3 * c['edges_s']:.2f} ms" for m, c in costs.items()},
        },
    ]


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _report(
    faults: dict[tuple[str, Case], dict[str, Any]],
    errors: dict[tuple[str, str, float], list[float]],
    costs: dict[str, dict[str, Any]],
) -> str:
    right = {meter: sum(is_right(case, faults[meter, case]) for case in CASES) for meter in METERS}
    peers = ", ".join(f"{meter} {_version(meter)}" for meter in METERS[1:])
    return f"""# Energy meters on a stub of NVML

Written by `python -m bench_tests.speed --only {NAME} --out FILE`. Peers: {peers}; all through nvidia-ml-py
{_version("nvidia-ml-py")}. No GPU took part: a library in C stands in for the driver's, in real time, so that
the truth is known and every fault comes at the same moment. What it cannot show is how a real GPU's counter
deviates from an external meter.

Each meter is used by its public interface with its defaults, but: Zeus without the synchronization by torch;
CodeCarbon offline, with tasks, polling every second, and its GPU energy alone. Both peers have aims beyond
this table (Zeus optimizes energy and reads many more devices; CodeCarbon reports emissions of whole machines,
for which a number within some percent suffices).

## Faults

Right is the true number within {CLOSE:.0%}; where the fault takes it away, also no number, or an exception.
Where other work, another slice of the GPU or its cooling is in the joules, no number is right: they are not
those of the work. Where a number was there to be had, an exception is wrong.

{_table(_fault_rows(faults), METERS)}

Right: {", ".join(f"{meter} {right[meter]} of {len(CASES)}" for meter in METERS)}.

## Error on three loads

Mean of the absolute error (and the largest) over {" and ".join(str(n) for n in LENGTHS_S.values())} windows of
about {" and ".join(f"{s:g} s" for s in LENGTHS_S)} (20 % more or less, so that no load ends at the same phase
each time). The load begins and ends with the window; before and after, the GPU idles at 40 W. The counter
updates every 100 ms.

{_table(_error_rows(errors), METERS)}

## Cost

CPU time with a window open while the program sleeps (least of three runs of 1.5 s); the floor is the same
program without a meter. A call into the stub takes less time than one into a driver. Of the edges, ours read
the GPU's condition and its process list at either end.

{_table(_cost_rows(costs), ("floor", *METERS))}
"""


def _table(rows: Sequence[dict[str, object]], columns: Sequence[str]) -> str:
    head = f"| | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}\n"
    return head + "\n".join(f"| {row['case']} | {' | '.join(str(row[c]) for c in columns)} |" for row in rows)
