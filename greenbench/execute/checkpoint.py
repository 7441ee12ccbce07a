"""Checkpoints: the state of a training on disk, from which it goes on after whatever ended it.

A file is a line of JSON that says of what it is, what `torch.save` makes of the state, and a digest of both. It is read
without running code that it brings along.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from greenbench.atomic import UNFINISHED, whole_file
from greenbench.errors import Interrupted
from greenbench.execute.requests import ENDED, Requests
from greenbench.records.conditions import engine_digest
from greenbench.records.machine import Machine
from greenbench.spec.case import Case

KEPT = 2
"""Checkpoints of a training. A damaged one leaves the one before it."""

SUFFIX = ".ckpt"

USUAL_MINUTES = 10.0


@dataclass(frozen=True)
class CheckpointPlan:
    """Where and when a training is saved.

    Attributes
    ----------
    folder
        Of this training alone.
    minutes
        Between two checkpoints.
    resume
        Whether to go on from one that is there.
    """

    folder: Path
    minutes: float = USUAL_MINUTES
    resume: bool = False

    def remove(self) -> None:
        """Remove the checkpoints of a training that is over."""
        shutil.rmtree(self.folder, ignore_errors=True)
        with suppress(OSError):  # not empty, or never made
            self.folder.parent.rmdir()


def identity_of(case: Case, machine: Machine, meter: str) -> dict[str, str]:
    """Return what must be equal where a training goes on, by name; what people change most often comes first."""
    import torch

    return {
        "technique file": case.technique_digest,
        "workload file": case.workload_digest,
        "torch": torch.__version__,
        "version of greenbench's code": engine_digest(),
        "machine": machine.key,
        "meter": meter,
        "case": case.key,
    }


class Checkpoints:
    """Saves one training and reads it back.

    Parameters
    ----------
    plan
        Where and when.
    identity
        See `identity_of`.
    requests
        Signals that ask for a checkpoint.
    started_s
        When this sitting began, by `time.monotonic`.
    """

    def __init__(
        self, plan: CheckpointPlan, identity: Mapping[str, str], requests: Requests, started_s: float
    ) -> None:
        self._plan = plan
        self._identity = dict(identity)
        self.requests = requests
        self._started_s = self._written_s = started_s
        self._checked = False
        self.resumed = 0
        """How often the training was gone on with."""
        self.earlier_s = 0.0
        """Seconds of its earlier sittings, until what is known of them."""
        self.remarks: list[str] = []
        """What went wrong, in sentences."""

    def load(self) -> dict[str, Any] | None:
        """Return the state of the newest checkpoint that can be used, or None; `remarks` says what is wrong with others."""
        if not self._plan.resume:
            self._plan.remove()
            return None
        for left in self._plan.folder.glob(f".*{UNFINISHED}"):
            left.unlink(missing_ok=True)
        found = _files(self._plan.folder)
        for path in reversed(found):
            try:
                header, state = read_checkpoint(path, self._identity)
            except _Unusable as reason:
                self.remarks.append(f"checkpoint {path} is not used: {reason}")
                continue
            self.resumed = header["resumed"] + 1
            self.earlier_s = header["seconds"]
            return state
        if found:
            self.remarks.append("no checkpoint could be used: the training started from its beginning")
        return None

    @property
    def due(self) -> bool:
        """Whether it is time for one."""
        return self.requests.save or time.monotonic() - self._written_s >= 60 * self._plan.minutes

    def write(self, state: Mapping[str, Any]) -> None:
        """Write one; what goes wrong with that becomes a remark.

        Raises
        ------
        Interrupted
            After it, if a signal asked to end.
        """
        self.requests.save = False
        written = self._write(state)
        self._written_s = time.monotonic()
        if self.requests.end:
            raise Interrupted(ENDED if written else f"{ENDED}; {self.remarks[-1]}")

    def _write(self, state: Mapping[str, Any]) -> bool:
        import torch

        folder = self._plan.folder
        found = _files(folder)
        target = folder / f"{int(found[-1].stem) + 1 if found else 1:06d}{SUFFIX}"
        seconds = self.earlier_s + time.monotonic() - self._started_s
        header = {"identity": self._identity, "resumed": self.resumed, "seconds": seconds}
        try:
            with whole_file(target, synced=True) as file:
                hashing = _Hashing(file)
                hashing.write(f"{json.dumps(header)}\n".encode())
                torch.save(dict(state), hashing)  # type: ignore[arg-type]  # it is only written to
                file.write(hashing.digest)
        except (OSError, RuntimeError) as error:  # torch wraps a full disk in the latter
            reason = error.strerror if isinstance(error, OSError) else str(error).partition("\n")[0]
            self._remark(f"a checkpoint could not be written to {folder} ({reason})")
            return False
        if not self._checked:
            self._checked = True
            try:
                read_checkpoint(target, self._identity)
            except _Unusable as reason:
                self._remark(f"checkpoints of this training cannot be used: {reason}")
                return False
        for old in [*found, target][:-KEPT]:
            with suppress(OSError):
                old.unlink()
        return True

    def _remark(self, text: str) -> None:
        if text not in self.remarks:
            self.remarks.append(text)


class _Hashing:
    """A file that is written, with a digest of what was written."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._hash = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self._hash.update(data)
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()

    @property
    def digest(self) -> bytes:
        return self._hash.digest()


class _Unusable(Exception):
    """Why a checkpoint cannot be used, in words."""


def _files(folder: Path) -> list[Path]:
    """Return the checkpoints in a folder, the newest last."""
    return sorted(path for path in folder.glob(f"*{SUFFIX}") if path.stem.isdecimal())


def read_checkpoint(path: Path, identity: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the first line of a checkpoint and its state, on the CPU.

    Raises
    ------
    _Unusable
        If it is damaged, or of something else.
    """
    import torch

    try:
        content = path.read_bytes()
    except OSError as error:
        raise _Unusable(f"it cannot be read ({error.strerror})") from error
    size = hashlib.sha256().digest_size
    line, found, payload = content[:-size].partition(b"\n")
    if not found or hashlib.sha256(content[:-size]).digest() != content[-size:]:
        raise _Unusable("it is damaged: its content is not what its digest says")
    header = json.loads(line)
    for name, ours in identity.items():
        theirs = header["identity"].get(name)
        if theirs != ours:
            raise _Unusable(f"it is of another {name}: {theirs}, and this run's is {ours}")
    try:
        with torch.serialization.safe_globals(_kept_classes()):
            state: dict[str, Any] = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
    except Exception as error:  # pickle.UnpicklingError, and what damaged content may raise
        said = " ".join(str(error).split())[:200]
        raise _Unusable(f"it holds more than tensors, numbers and texts ({said})") from error
    return header, state


def _kept_classes() -> list[Any]:
    """Return the classes of greenbench that a state holds; all hold values alone."""
    from greenbench.energy.device import EdgeState, Sample
    from greenbench.energy.extrapolate.drift import Block
    from greenbench.energy.reading import Reading, Status, Uncertainty
    from greenbench.records.results import Epoch

    return [EdgeState, Sample, Block, Reading, Status, Uncertainty, Epoch]
