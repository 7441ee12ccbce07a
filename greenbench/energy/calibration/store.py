"""The file of calibrations: one entry for each device's UUID.

It lies in the user's configuration folder (``XDG_CONFIG_HOME``), or where ``GREENBENCH_CALIBRATION`` says.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from greenbench.atomic import whole_file
from greenbench.energy.reading import COVERAGE
from greenbench.errors import UserError

FORMAT, VERSION = "greenbench-calibration", 1
FILE_VARIABLE = "GREENBENCH_CALIBRATION"
POWER, COUNTER = "power", "counter"


@dataclass(frozen=True)
class Entry:
    """The calibration of one device.

    Attributes
    ----------
    gain, offset_w, averaging_s, lag_s, lag_spread_s, lowest_w, highest_w
        See `greenbench.energy.calibration.fit.Calibration`.
    uncertainty
        Standard uncertainty of a corrected power, as a fraction: the fit, the external meter, and what one card
        scatters from day to day.
    of
        What was read: ``power``, or the energy ``counter``.
    date
        When, as ``2026-01-31``.
    driver
        The driver's version then; None where that was unknown.
    trace_sha256
        Digest of the trace's file.
    """

    gain: float
    offset_w: float
    uncertainty: float
    averaging_s: float | None
    lag_s: float | None
    lag_spread_s: float | None
    lowest_w: float
    highest_w: float
    of: str
    date: str
    driver: str | None
    trace_sha256: str

    def __post_init__(self) -> None:
        needed = (self.gain, self.offset_w, self.uncertainty, self.lowest_w, self.highest_w)
        lags = (self.averaging_s, self.lag_s, self.lag_spread_s)
        known = [lag for lag in lags if lag is not None]
        for value in (*needed, *known):
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise ValueError(f"{value!r} is no finite number")
        if not (0.1 < self.gain < 10 and 0 < self.uncertainty < 1 and 0 <= self.lowest_w < self.highest_w):
            raise ValueError("a gain, an uncertainty or a level of power that cannot be")
        if len(known) not in (0, len(lags)) or min(known, default=0.0) < 0:
            raise ValueError("a lag that cannot be")
        if self.of not in (POWER, COUNTER) or not isinstance(self.driver, str | None):
            raise ValueError("a kind of reading or a driver that cannot be")
        date.fromisoformat(self.date)

    def __str__(self) -> str:
        gain = f"gain {self.gain:.3f} ± {COVERAGE * self.gain * self.uncertainty:.3f}"
        offset = f", offset {self.offset_w:+.1f} W" if self.offset_w else ""
        if self.lag_s is None or self.lag_spread_s is None:
            return f"{gain}{offset}, lag unknown"
        return f"{gain}{offset}, lag {self.lag_s:.2f} ± {COVERAGE * self.lag_spread_s:.2f} s"


class Stored(NamedTuple):
    """What the file holds, by UUID; or why it cannot be used."""

    entries: Mapping[str, Entry]
    problem: str | None = None


def calibration_file() -> Path:
    """Return where the calibrations are, or would be."""
    named = os.environ.get(FILE_VARIABLE)
    if named:
        return Path(named)
    folder = os.environ.get("XDG_CONFIG_HOME")
    base = Path(folder) if folder and Path(folder).is_absolute() else Path("~/.config").expanduser()
    return base / "greenbench" / "calibration.json"


def stored() -> Stored:
    """Read the file. One that cannot be read is a problem, not an error: what is measured can do without."""
    try:
        path = calibration_file()
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return Stored({})
    except (OSError, RuntimeError, ValueError) as error:  # no home folder, or a text that is none
        return Stored({}, f"no calibration is used: the file of calibrations cannot be read ({error})")
    try:
        return Stored(_entries(json.loads(text)))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        shown = str(error)[:120] or type(error).__name__
        return Stored({}, f"no calibration is used: {path} is no sound file of calibrations ({shown})")


def store(uuid: str, entry: Entry) -> Path:
    """Keep a device's calibration in the place of an earlier one; `UserError` where that cannot be."""
    return _write({**_sound(), uuid: entry})


def forget(uuid: str) -> Path:
    """Remove a device's calibration; `UserError` where there is none."""
    entries = _sound()
    if uuid not in entries:
        known = ", ".join(entries) or "none"
        raise UserError(f"there is no calibration of {uuid!r}", f"there are those of: {known}")
    return _write({other: entry for other, entry in entries.items() if other != uuid})


def from_json(found: Mapping[str, Any]) -> Entry:
    """Make an entry of what `asdict` made of one; `ValueError`, `TypeError` for anything else."""
    return Entry(**found)


def _entries(found: Any) -> dict[str, Entry]:
    if found["format"] != FORMAT or found["version"] != VERSION:
        raise ValueError(f"it says {found['format']!r} version {found['version']!r}")
    return {uuid: from_json(entry) for uuid, entry in found["devices"].items()}


def _sound() -> dict[str, Entry]:
    found = stored()
    if found.problem:
        raise UserError(found.problem, "mend the file, or move it away")
    return dict(found.entries)


def _write(entries: Mapping[str, Entry]) -> Path:
    """Write the file at once and whole: a reader sees the old one or the new one."""
    path = calibration_file()
    whole = {
        "format": FORMAT,
        "version": VERSION,
        "devices": {uuid: asdict(e) for uuid, e in entries.items()},
    }
    try:
        with whole_file(path.resolve()) as file:  # a link stays one
            file.write(f"{json.dumps(whole, indent=1)}\n".encode())
    except OSError as error:
        raise UserError(
            f"the file of calibrations {path} cannot be written: {error.strerror}",
            f"name another one by {FILE_VARIABLE}",
        ) from error
    return path
