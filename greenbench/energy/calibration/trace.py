"""The files that `greenbench doctor --calibrate` reads: a device's readings beside an external meter's."""

from __future__ import annotations

import csv
import hashlib
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from greenbench.energy.calibration.store import COUNTER, POWER
from greenbench.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

COLUMNS = (
    ("device_time_s", "time_s", "smi_time_s"),
    ("device_energy_j", "device_w", "smi_draw_instant_w", "smi_draw_w"),
    ("reference_time_s", "time_s", "external_time_s"),
    ("reference_w", "external_power_w"),
)
"""Names of device time, device reading, reference time and reference power: the first that is there counts. The last
ones are those of the public traces of Yang, Adamek and Armour (SC24) as NumPy files."""

POLLS = 20
"""A counter's power is a mean over the time of at least so many polls."""

FORMS = (
    "a CSV file has the columns time_s, device_w (or device_energy_j, of the counter) and reference_w; cells may be empty, "
    "and device_time_s and reference_time_s tell two times apart"
)


class PairedTrace(NamedTuple):
    """The four series that `greenbench.energy.calibration.fit.calibrate` takes, what was read, and the file's digest."""

    device_times_s: Numbers
    device_w: Numbers
    reference_times_s: Numbers
    reference_w: Numbers
    of: str
    sha256: str


def read_pair(path: Path) -> PairedTrace:
    """Read a trace; `UserError` where it is none."""
    try:
        raw = path.read_bytes()
        columns = _arrays(raw) if path.suffix == ".npz" else _cells(raw.decode("utf-8-sig"))
        names = [next((name for name in known if name in columns), None) for known in COLUMNS]
        missing = [known[0] for known, name in zip(COLUMNS, names, strict=True) if name is None]
        if missing:
            raise ValueError(f"no column {' and no column '.join(missing)}")
        device_time, device, reference_time, reference = (columns[str(name)] for name in names)
        device_times_s, device_w = _present(device_time, device)
        reference_times_s, reference_w = _present(reference_time, reference)
        if names[1] == "device_energy_j":
            device_times_s, device_w = _power(device_times_s, device_w)
    except OSError as error:
        raise UserError(f"the trace {path} cannot be read: {error.strerror}", FORMS) from error
    except Exception as error:  # NumPy's reader of a foreign file raises anything
        raise UserError(f"{path} is no trace for a calibration: {error}", FORMS) from error
    of = COUNTER if names[1] == "device_energy_j" else POWER
    digest = hashlib.sha256(raw).hexdigest()
    return PairedTrace(device_times_s, device_w, reference_times_s, reference_w, of, digest)


def _arrays(raw: bytes) -> Mapping[str, Any]:
    import numpy as np

    with np.load(io.BytesIO(raw), allow_pickle=False) as file:
        return dict(file)


def _cells(text: str) -> Mapping[str, Sequence[float]]:
    rows = csv.DictReader(io.StringIO(text), skipinitialspace=True)
    columns: dict[str, list[float]] = {name.strip(): [] for name in rows.fieldnames or ()}
    for row in rows:
        for name, cell in row.items():
            if name is None or cell is None:
                raise ValueError(
                    f"line {rows.line_num} has not one cell for each of the {len(columns)} columns"
                )
            try:
                columns[name.strip()].append(float(cell) if cell.strip() else math.nan)
            except ValueError:
                raise ValueError(f"line {rows.line_num}, {name.strip()}: {cell!r} is no number") from None
    return columns


def _present(times_s: Any, values: Any) -> tuple[Numbers, Numbers]:
    """Return a series without the rows where this one has nothing."""
    import numpy as np

    times, numbers = np.asarray(times_s, dtype=float), np.asarray(values, dtype=float)
    if times.ndim != 1 or times.shape != numbers.shape:
        raise ValueError(
            f"{times.shape} times and {numbers.shape} values, and must be two lists of one length"
        )
    kept = ~(np.isnan(times) | np.isnan(numbers))
    if not kept.any():
        raise ValueError("a column without a number")
    return times[kept], numbers[kept]


def _power(times_s: Numbers, energy_j: Numbers) -> tuple[Numbers, Numbers]:
    """Return the mean power up to each update of a counter, and when it was known.

    When an update came is known to a poll. So the means are over so many polls that this matters little.
    """
    import numpy as np

    changed = np.flatnonzero(np.diff(energy_j)) + 1
    if (np.diff(energy_j) < 0).any():
        raise ValueError("a counter that goes back")
    if len(changed) < 2:
        raise ValueError("a counter that stands still")
    update_s, update_j = (times_s[changed] + times_s[changed - 1]) / 2, energy_j[changed]
    polls = float(np.median(np.diff(update_s)) / np.median(np.diff(times_s)))
    spans = max(1, math.ceil(POLLS / polls - 1e-6))
    spans = min(spans, len(update_s) - 1)
    seconds = np.maximum(update_s[spans:] - update_s[:-spans], 1e-9)
    return update_s[spans:], (update_j[spans:] - update_j[:-spans]) / seconds
