"""NVML without a GPU: builds the stub library and drives it under the real pynvml.

``stub.c`` says what a scenario can hold. In one process the clock is virtual: nothing sleeps, and a
window of hours takes milliseconds. Programs started as children get a scenario file and real time.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

import pynvml

from greenbench.energy.clock import VirtualClock

SOURCE = Path(__file__).with_name("stub.c")
FOREVER = 1e9


def compiler() -> str | None:
    """The C compiler's path, or None where there is none."""
    return shutil.which("gcc") or shutil.which("cc")


def build(folder: Path) -> Path:
    """Compile the stub into `folder` under the name that pynvml loads."""
    library = folder / "libnvidia-ml.so.1"
    flags = ["-shared", "-fPIC", "-O2", "-D_GNU_SOURCE", f"-Wl,-soname,{library.name}"]
    subprocess.run([compiler() or "cc", *flags, "-o", str(library), str(SOURCE), "-lm"], check=True)
    return library


class Stub:
    """The stub library inside this process, put in the place of the real one."""

    def __init__(self, library: Path) -> None:
        self._library = ctypes.CDLL(str(library))
        self._library.stub_now.restype = ctypes.c_double
        self._library.stub_energy.restype = ctypes.c_double
        self._library.stub_energy.argtypes = (ctypes.c_int, ctypes.c_double)
        self._library.stub_set_time.argtypes = (ctypes.c_double,)
        self.reset()

    def install(self) -> None:
        """Make pynvml talk to the stub, as if it had loaded it."""
        pynvml.nvmlLib = self._library
        pynvml._nvmlGetFunctionPointer_cache.clear()

    @staticmethod
    def remove() -> None:
        """Make pynvml look for a library of its own again."""
        pynvml.nvmlLib = None
        pynvml._nvmlGetFunctionPointer_cache.clear()

    def reset(self) -> None:
        """Go back to one faultless GPU at 100 W and second 0 of a virtual clock."""
        self._library.stub_reset()

    def command(self, line: str) -> None:
        """Carry out one line of a scenario."""
        if self._library.stub_command(line.encode()):
            raise ValueError(f"the stub does not understand {line!r}")

    def wave(self, points: Iterable[Sequence[float]], repeat: float = 0.0, gpu: int = 0) -> None:
        """Draw `watts` from each `time` on, over again after `repeat` seconds."""
        self.command(wave_line(points, repeat, gpu))

    def fault(
        self,
        call: str,
        code: int,
        start: float = 0.0,
        end: float = FOREVER,
        value: float = 0.0,
        gpu: int = -1,
    ) -> None:
        """Let a call fail with `code`, or succeed with a wrong `value` where the code is 0."""
        self.command(f"fault {call} {gpu} {start} {end} {code} {value}")

    @property
    def now(self) -> float:
        """Seconds on the stub's clock."""
        return float(self._library.stub_now())

    def true_energy_j(self, start: float, end: float, gpu: int = 0) -> float:
        """Joules drawn between two times: what a perfect meter would say."""
        return float(self._library.stub_energy(gpu, end) - self._library.stub_energy(gpu, start))

    def clock(self) -> VirtualClock:
        """Return a clock whose sleeping moves the stub's time."""
        return VirtualClock(self._library.stub_set_time, self.now)


def wave_line(points: Iterable[Sequence[float]], repeat: float = 0.0, gpu: int = 0) -> str:
    """Return the scenario's line for a waveform of (second, watts) points."""
    return f"wave {gpu} {repeat!r} " + " ".join(f"{time!r} {watts!r}" for time, watts in points)


def environment(library: Path, scenario: Sequence[str], folder: Path) -> dict[str, str]:
    """Return the variables that give a child process the stub and its scenario."""
    path = folder / "scenario.txt"
    # A driver's text need not be UTF-8: "\udcf8" becomes the byte F8.
    path.write_text("\n".join(["clock real", *scenario]) + "\n", encoding="utf-8", errors="surrogateescape")
    return {
        **os.environ,
        "LD_LIBRARY_PATH": os.pathsep.join([str(library.parent), os.environ.get("LD_LIBRARY_PATH", "")]),
        "NVML_STUB_SCENARIO": str(path),
    }
