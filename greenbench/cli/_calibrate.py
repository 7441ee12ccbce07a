"""What `greenbench doctor` prints of calibrations."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from greenbench.cli import OK
from greenbench.energy.calibration.session import UNCALIBRATED, WINDOW_S, Outcome, calibrate_device, fraction
from greenbench.energy.calibration.store import COUNTER, Stored, forget
from greenbench.energy.reading import COVERAGE
from greenbench.units import percent, si

DECEIVED = (
    "the readings see a part of the time only, or nobody knows how much, and a load in rhythm with them deceives them; "
    "readings are corrected all the same"
)


def run_calibration(trace: str, uuid: str | None, reference_gain: str, as_json: bool) -> int:
    """Calibrate, store and print."""
    outcome = calibrate_device(Path(trace), uuid, fraction(reference_gain))
    if as_json:
        shown = {"uuid": outcome.uuid, "found": asdict(outcome.found), "stored": asdict(outcome.entry)}
        print(
            json.dumps(
                {
                    **shown,
                    "file": str(outcome.file),
                    "narrower": [UNCALIBRATED / share for share in outcome.uncertainties],
                }
            )
        )
    else:
        print("\n".join(_lines(outcome)))
    return OK


def run_forget(uuid: str, as_json: bool) -> int:
    """Remove a calibration."""
    path = forget(uuid)
    print(
        json.dumps({"forgotten": uuid, "file": str(path)}) if as_json else f"{uuid} is removed from {path}."
    )
    return OK


def stored_lines(found: Stored) -> list[str]:
    """Return what the usual examination says of the calibrations that are stored."""
    if found.problem:
        return [f"WARNING: {found.problem}"]
    return [
        f"Calibrated {uuid} on {entry.date}: {entry} (95 %), {entry.lowest_w:.0f} to {entry.highest_w:.0f} W, "
        f"driver {entry.driver or 'unknown'}"
        for uuid, entry in found.entries.items()
    ]


def stored_json(found: Stored) -> dict[str, object]:
    """Return the same for a program."""
    return {
        "problem": found.problem,
        "devices": {uuid: asdict(entry) for uuid, entry in found.entries.items()},
    }


def _lines(outcome: Outcome) -> list[str]:
    found, entry = outcome.found, outcome.entry
    reads_w = found.offset_w + found.gain * found.highest_w
    lines = [
        f"{outcome.uuid}: {found.updates} readings from {found.lowest_w:.0f} to {found.highest_w:.0f} W",
        f"  gain         {found.gain:.4f}, offset {found.offset_w:+.1f} W: it reads {reads_w:.1f} W where the external "
        f"meter says {found.highest_w:.1f} W",
        f"  fit          ± {percent(COVERAGE * found.spread, 2)} (95 %), {found.residual_w:.2f} W are left over",
    ]
    if found.lag_s is None or found.lag_spread_s is None:
        lines.append(
            "  lag          unknown: the power did not change; the gain is that of one level of power"
        )
    else:
        lines.append(
            f"  lag          a reading is the mean over {found.averaging_s:.3f} s, shown {found.delay_s:.3f} s later: "
            f"as late as a mean over {found.lag_s:.3f} ± {COVERAGE * found.lag_spread_s:.3f} s (95 %)"
        )
    energy_j = WINDOW_S * found.highest_w
    kinds = (
        ("the energy counter", "power readings")
        if entry.of == COUNTER
        else ("power readings of this kind", "the energy counter")
    )
    before = (
        f"{si(energy_j, 'J')} of {WINDOW_S:.0f} s, ± {si(COVERAGE * UNCALIBRATED * energy_j, 'J')} before"
    )
    if min(outcome.uncertainties) >= UNCALIBRATED:
        lines.append(f"  interval     {before}, stays as wide: {DECEIVED}")
    else:
        lines.append(f"  interval     {before}, is now (95 %, with the external meter's own)")
        lines += [
            f"               ± {si(COVERAGE * share * energy_j, 'J')} by {kind}, {UNCALIBRATED / share:.1f} times narrower"
            for kind, share in zip(kinds, outcome.uncertainties, strict=True)
        ]
    return [*lines, f"  kept in      {outcome.file}, for driver {entry.driver or 'unknown'}"]
