"""The energy meter against its peers on the NVML stub: faults, errors on three loads, and cost.

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
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from bench_tests import nvml_stub
from bench_tests.speed.meter_faults import CASES, Case

NAME = "meters"
ROOT = Path(__file__).parents[2]
METERS = ("greenbench", "zeus", "codecarbon", "carbontracker")
AT_ONCE = 10
LIMIT_S = 60.0
"""How long a process may take beside its windows, its start on a busy machine included."""
EDGES = 100
"""Windows whose edges are timed."""
OLD_S = 45.0
"""From this age on, a window counts as old."""
CLOSE = 0.05
"""A number within this of the truth counts as right where there is one."""
IDLE = Case("none, idle at 40 W", ("wave 0 0 0 40",))

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
        timed = ("floor", *METERS)
        costs = {meter: bench.ask(meter, {"kind": "edges", "windows": EDGES}) for meter in timed}
        with ThreadPoolExecutor(AT_ONCE) as pool:
            jobs = [(meter, case) for case in CASES for meter in METERS]
            faults = dict(zip(jobs, pool.map(lambda job: bench.fault(*job), jobs), strict=True))
            runs = [(meter, load, s) for load in LOADS for s in LENGTHS_S for meter in METERS]
            errors = dict(zip(runs, pool.map(lambda job: bench.errors(*job), runs), strict=True))
            loads = pool.map(lambda meter: bench.ask(meter, {"kind": "load", "old_s": OLD_S}, OLD_S), timed)
            costs = {meter: costs[meter] | load for meter, load in zip(timed, loads, strict=True)}
    if out is not None:
        out.write_text(_report(faults, errors, costs), encoding="utf-8")
    return [*_fault_rows(faults), *_error_rows(errors), *_cost_rows(costs)]


class _Bench:
    """Starts the processes."""

    def __init__(self, folder: Path, limit_s: float = LIMIT_S) -> None:
        self._folder = folder
        self._limit_s = limit_s
        self._library = nvml_stub.build(folder)
        # CodeCarbon looks for a GPU by asking whether this program can be run.
        (folder / "nvidia-smi").write_text("#!/bin/sh\n")
        (folder / "nvidia-smi").chmod(0o755)
        self._count = 0

    def fault(self, meter: str, case: Case) -> dict[str, Any]:
        names = ("seconds", "then", "gpus", "devices", "stopped_s", "library")
        return self.ask(
            meter, {"kind": "fault", **{name: getattr(case, name) for name in names}}, case.seconds, case
        )

    def errors(self, meter: str, load: str, seconds: float) -> list[float | None]:
        windows = LENGTHS_S[seconds]
        job = {"kind": "accuracy", "load": LOADS[load], "seconds": seconds, "windows": windows, "seed": 1}
        return list(self.ask(meter, job, seconds * windows, IDLE).get("errors", ()))

    def ask(self, meter: str, job: dict[str, Any], seconds: float = 0.0, case: Case = IDLE) -> dict[str, Any]:
        """Return the process's answer: what it printed, or how it ended without."""
        self._count += 1
        place = self._folder / f"{self._count}-{meter}-{id(job)}"
        place.mkdir()
        environment = dict(os.environ)
        if case.library:
            environment = nvml_stub.environment(self._library, case.scenario, place)
            environment["PATH"] = f"{self._folder}{os.pathsep}{environment['PATH']}"
        environment.pop("CUDA_VISIBLE_DEVICES", None)
        environment |= {"PYTHONPATH": str(ROOT), "TMPDIR": str(place), **dict(case.variables)}
        try:
            done = subprocess.run(
                [sys.executable, "-m", "bench_tests.nvml_stub.peers", meter, json.dumps(job)],
                env=environment, capture_output=True, text=True, timeout=seconds + self._limit_s, cwd=ROOT,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return {"hung_s": self._limit_s}
        if done.returncode:
            return {"exit_code": done.returncode}
        return dict(json.loads(done.stdout.splitlines()[-1]))


def is_right(case: Case, answer: dict[str, Any]) -> bool:
    """Whether a meter's answer is one of the right ones."""
    energy_j, true_j = answer.get("energy_j"), answer.get("true_j")
    if "hung_s" in answer:
        return False
    if energy_j is None:
        return case.right != "number"
    return case.right != "none" and true_j is not None and abs(energy_j / true_j - 1) <= CLOSE


def _shown(case: Case, answer: dict[str, Any]) -> str:
    mark = "right" if is_right(case, answer) else "**wrong**"
    if "hung_s" in answer:
        return f"{mark}: the program hangs"
    if "exit_code" in answer:
        return f"{mark}: ends the program (exit code {answer['exit_code']})"
    if "raised" in answer:
        return f"{mark}: raises {answer['raised'].partition(':')[0]}"
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
    measured = {
        "share of a core, window just opened": ("young", lambda share: f"{share:.3%}"),
        f"share of a core, window open for {OLD_S:g} s": ("old", lambda share: f"{share:.3%}"),
        "both edges of a window": ("edges_s", lambda seconds: f"{1e3 * seconds:.2f} ms"),
    }
    return [
        {"case": f"cost: {what}", **{m: show(c[key]) if key in c else "no number" for m, c in costs.items()}}
        for what, (key, show) in measured.items()
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

Written by `python -m bench_tests.speed --only {NAME} --out FILE`.
Peers: {peers}; all through nvidia-ml-py {_version("nvidia-ml-py")}.
No GPU took part: a library in C stands in for the driver's, in real time, so that the truth is known and every
fault comes at the same moment. What it cannot show is how a real GPU's counter deviates from an external meter.

Each meter is used by its public interface with its defaults, but: Zeus without the synchronization by torch;
CodeCarbon offline, with tasks, polling every second; carbontracker with an epoch as the window and a folder for
its log, which its own parser reads. Of what CodeCarbon and carbontracker measure, the energy of the GPUs alone
counts. carbontracker is the third peer because it is kept (a release in 2026), has the MIT license, and reads NVML
in the process that it measures. All peers have aims beyond this table (Zeus optimizes energy and reads many more
devices; CodeCarbon and carbontracker report emissions of hours of work, for which a number within some percent
suffices, and short windows are not what they are made for).

## Faults

Right is the true number within {CLOSE:.0%}; where the fault takes it away, also no number, or an exception.
Where other work, another slice of the GPU or its cooling is in the joules, no number is right: they are not
those of the work. Where a number was there to be had, an exception is wrong. A meter that ends the program counts
as one that raises; a program that has not ended {LIMIT_S:g} s after its window should have is wrong. Where several
GPUs are measured, the number is their sum; ours is told to measure all, the others do so by default.

{_table(_fault_rows(faults), METERS)}

Right: {", ".join(f"{meter} {right[meter]} of {len(CASES)}" for meter in METERS)}.

## Error on three loads

Mean of the absolute error (and the largest) over {" and ".join(str(n) for n in LENGTHS_S.values())} windows of
about {" and ".join(f"{s:g} s" for s in LENGTHS_S)} (20 % more or less, so that no load ends at the same phase
each time). The load begins and ends with the window; before and after, the GPU idles at 40 W. The counter
updates every 100 ms.

{_table(_error_rows(errors), METERS)}

## Cost

CPU time with a window open while the program sleeps: the least of three runs of 1.5 s from the window's begin on,
and of three runs of 5 s from its second {OLD_S:g} on. The floor is the same program without a meter. A call into the
stub takes less time than one into a driver. Of the edges (median of {EDGES} windows of 10 ms), ours read the GPU's
condition and its process list at either end; carbontracker's number is read from its log afterward.

{_table(_cost_rows(costs), ("floor", *METERS))}
"""


def _table(rows: Sequence[dict[str, object]], columns: Sequence[str]) -> str:
    head = f"| | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}\n"
    return head + "\n".join(f"| {row['case']} | {' | '.join(str(row[c]) for c in columns)} |" for row in rows)
