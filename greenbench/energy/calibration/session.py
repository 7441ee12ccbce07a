"""One calibration from the trace to the file: for ``greenbench doctor --calibrate``."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from greenbench.energy.calibration.applied import gain_uncertainty
from greenbench.energy.calibration.fit import Calibration, calibrate
from greenbench.energy.calibration.store import Entry, store
from greenbench.energy.calibration.trace import read_pair
from greenbench.energy.device import SourceUnavailable
from greenbench.errors import UserError

REPEATABILITY = 0.007
"""Standard uncertainty by which one card's error differs from day to day and from load to load: measurements of a card
scatter by 0.1 to 1.4 % (Yang, Adamek, Armour, SC24)."""

REFERENCE_GAIN = 0.01
"""Standard uncertainty of an external meter of which nothing better is known."""

UNCALIBRATED = 0.065
"""Standard uncertainty of the gain of a GPU without a calibration: `greenbench.energy.sources.nvml.gpu.GAIN`."""

USUAL_TICK_S = 0.1
"""Update period of GPUs, where it is hidden by polls that are slower."""

MAX_REFERENCE_GAIN = 0.2

WINDOW_S = 60.0
"""The window for which the intervals are compared."""


@dataclass(frozen=True)
class Outcome:
    """What a calibration found, and what it is worth.

    Attributes
    ----------
    uuid, found, entry, file
        The device, what its trace says, what was stored, and where.
    """

    uuid: str
    found: Calibration
    entry: Entry
    file: Path

    @property
    def uncertainties(self) -> tuple[float, float]:
        """Standard uncertainty of readings of the kind that was recorded, and of another kind of the same card."""
        tick_s = min(self.found.tick_s, USUAL_TICK_S)
        same, another = (
            gain_uncertainty(self.entry, tick_s, UNCALIBRATED, same=same) for same in (True, False)
        )
        return same, another


def calibrate_device(trace: Path, uuid: str | None, reference_gain: float) -> Outcome:
    """Calibrate a device by a trace, and store that.

    Parameters
    ----------
    trace
        See `greenbench.energy.calibration.trace.read_pair`.
    uuid
        The device; None for the only GPU of this machine.
    reference_gain
        Standard uncertainty of the external meter's calibration, as a fraction.

    Raises
    ------
    UserError
        Where that cannot be.
    """
    from greenbench.energy.sources.nvml import loaded

    try:
        here = list(loaded().visible_gpus())
        driver = loaded().driver_version()
    except SourceUnavailable as none:
        if uuid is None:
            raise UserError(
                f"whose trace it is cannot be seen here: {none.reason}", "name the GPU: --device UUID"
            ) from none
        here, driver = [], None
    if uuid is None:
        if len(here) > 1:
            raise UserError(
                f"there are {len(here)} GPUs: {', '.join(here)}", "name one of them: --device UUID"
            )
        uuid = here[0]
    pair = read_pair(trace)
    found = calibrate(pair.device_times_s, pair.device_w, pair.reference_times_s, pair.reference_w)
    entry = Entry(
        gain=found.gain,
        offset_w=found.offset_w,
        uncertainty=math.hypot(found.spread, reference_gain, REPEATABILITY),
        averaging_s=found.averaging_s,
        lag_s=found.lag_s,
        lag_spread_s=found.lag_spread_s,
        lowest_w=found.lowest_w,
        highest_w=found.highest_w,
        of=pair.of,
        date=date.today().isoformat(),
        driver=driver if uuid in here else None,
        trace_sha256=pair.sha256,
    )
    return Outcome(uuid, found, entry, store(uuid, entry))


def fraction(text: str) -> float:
    """Read ``1%`` or ``0.01``; `UserError` for what no meter's uncertainty can be."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*(%?)\s*", text)
    value = float(found[1]) / (100 if found[2] else 1) if found else math.nan
    if not 0 < value <= MAX_REFERENCE_GAIN:
        raise UserError(
            f"--reference-gain {text}: it must be above 0 and at most {MAX_REFERENCE_GAIN:.0%}",
            "write for example 1%: the standard uncertainty, half of the interval of 95 %",
        )
    return value
