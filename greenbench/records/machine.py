"""What a result was measured on: only results of one machine and one set of versions are compared."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path

from greenbench.version import VERSION

ARITHMETIC = (
    "ATEN_CPU_CAPABILITY",
    "CUBLASLT_WORKSPACE_SIZE",
    "CUBLAS_WORKSPACE_CONFIG",
    "DISABLE_ADDMM_CUDA_LT",
    "DNNL_DEFAULT_FPMATH_MODE",
    "DNNL_MAX_CPU_ISA",
    "MKL_CBWR",
    "MKL_ENABLE_INSTRUCTIONS",
    "NVIDIA_TF32_OVERRIDE",
    "ONEDNN_DEFAULT_FPMATH_MODE",
    "ONEDNN_MAX_CPU_ISA",
    "TORCH_BLAS_PREFER_CUBLASLT",
    "TORCH_CUDNN_USE_HEURISTIC_MODE_B",
    "TORCH_LINALG_PREFER_CUSOLVER",
)
"""Environment variables by which libraries compute otherwise, or in another order."""


@dataclass(frozen=True)
class Machine:
    """A machine, and the software that the figures depend on.

    Attributes
    ----------
    cpu
        Model name of the processor.
    cpu_threads
        Threads that torch computes with.
    gpu, gpu_uuid, driver
        Of the GPU that trained; None without one. Where workers side by side have a card each, `gpu_uuid` names all
        of them, whichever was a case's: the energy's reading says which.
    torch, torchvision, python, greenbench
        Versions.
    workers
        Measuring processes side by side; more than one disturb each other's figures.
    environment
        Variables that change the arithmetic of libraries, as ``NAME=value``, where they are set.
    """

    cpu: str
    cpu_threads: int
    gpu: str | None
    gpu_uuid: str | None
    driver: str | None
    torch: str
    torchvision: str
    python: str
    greenbench: str
    workers: int
    environment: tuple[str, ...] = ()

    @cached_property
    def key(self) -> str:
        """Hash of all of it."""
        parts = {**vars(self)}
        if not self.environment:  # so it was before there was one
            del parts["environment"]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:6]


def this_machine(workers: int = 1, cards: Sequence[str] = ()) -> Machine:
    """Return the machine that this process runs on, with the threads and the environment of now. Imports torch.

    `cards` are the UUIDs of the GPUs that the workers share, where they do.
    """
    import torch

    known = _as_it_is(workers)
    return replace(
        known,
        gpu_uuid=", ".join(cards) if cards and known.gpu is not None else known.gpu_uuid,
        cpu_threads=torch.get_num_threads(),
        environment=tuple(f"{name}={os.environ[name]}" for name in ARITHMETIC if os.environ.get(name)),
    )


@cache
def _as_it_is(workers: int) -> Machine:
    import torch
    import torchvision

    gpu = gpu_uuid = None
    if torch.cuda.is_available():
        properties = torch.cuda.get_device_properties(0)
        gpu, gpu_uuid = properties.name, str(properties.uuid)
    return Machine(
        cpu=_cpu_model(),
        cpu_threads=torch.get_num_threads(),
        gpu=gpu,
        gpu_uuid=gpu_uuid,
        driver=_driver(),
        torch=torch.__version__,
        torchvision=torchvision.__version__,
        python=platform.python_version(),
        greenbench=VERSION,
        workers=workers,
    )


@cache
def suite_commit() -> str | None:
    """Return the git commit of the suite's own checkout, with ``+changes`` if it was edited, or None."""
    folder = Path(__file__).parents[1]

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(folder), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        # A checkout of somebody else's project that merely contains an installed greenbench is not ours.
        if Path(git("rev-parse", "--show-toplevel")) != folder.parent:
            return None
        return git("rev-parse", "HEAD") + ("+changes" if git("status", "--porcelain", ".") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _driver() -> str | None:
    import pynvml

    try:
        pynvml.nvmlInit()
        driver = pynvml.nvmlSystemGetDriverVersion()
    except pynvml.NVMLError:
        return None
    return driver.decode() if isinstance(driver, bytes) else str(driver)
