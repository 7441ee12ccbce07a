"""Kilograms of CO2 for a week of video: from measured joules, and from the study's own formula.

The physical quantity is the energy of an image, times the frames of a week, times the carbon intensity of
the electricity. The study's CO2 column is the latency times one constant (`paper_co2_kg_per_week`).
"""

from __future__ import annotations

import csv
import math
import re
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib import resources

from greenbench.errors import UserError
from greenbench.units import JOULES_PER_KWH

FRAMES_PER_WEEK = 168 * 3600 * 30
"""168 hours of video at 30 frames a second (section 3.3 of the study): 18,144,000."""

PAPER_KG_PER_WEEK_PER_MS = 4.3928
"""What all 30 CO2 cells of Tables 3 and 4 are per millisecond of latency; reconstructed, not stated."""

DEFAULT_REGION = "world"

MOST_KG_PER_KWH = 10.0
"""No electricity causes more; the worst country of the table is near 1.3. A larger amount has a wrong unit."""

EXAMPLES = "write for example deu, Germany, world, 300 g/kWh or 0.3 kg/kWh"

_GRAMS = {"g": 1.0, "kg": 1e3}
_AMOUNT = re.compile(
    r"\s*([-+]?[\d.]+(?:[eE][-+]?\d+)?)\s*(k?g)(?:co2(?:e|eq)?)?\s*/\s*kwh\s*", re.IGNORECASE
)


@dataclass(frozen=True)
class CarbonIntensity:
    """CO2-equivalent of one kilowatt-hour of electricity.

    Attributes
    ----------
    kg_per_kwh
        Kilograms of CO2-equivalent per kWh, from 0 to `MOST_KG_PER_KWH`.
    region
        Where: a region of the table, or ``user value``.
    year
        Year of the value; None for a user's value.
    source
        Who publishes it.
    """

    kg_per_kwh: float
    region: str
    year: int | None
    source: str

    def __post_init__(self) -> None:
        if not 0 <= self.kg_per_kwh <= MOST_KG_PER_KWH:
            raise UserError(
                f"carbon intensity {self.kg_per_kwh:g} kg/kWh: it must be from 0 to {MOST_KG_PER_KWH:g} kg/kWh",
                "write for example 0.3 kg/kWh",
            )

    def __str__(self) -> str:
        origin = f"{self.region} {self.year}, {self.source}" if self.year else self.region
        return f"{1e3 * self.kg_per_kwh:g} g/kWh ({origin})"


@cache
def intensities() -> dict[str, CarbonIntensity]:
    """Return the shipped table by code: ISO 3166-1 alpha-3 in lower case, and ``eu``, ``world``."""
    text = resources.files("greenbench.energy").joinpath("carbon_intensity.csv").read_text(encoding="utf-8")
    return {
        row["code"]: CarbonIntensity(
            kg_per_kwh=float(row["g_per_kwh"]) / 1e3,
            region=row["region"],
            year=int(row["year"]),
            source=row["source"],
        )
        for row in csv.DictReader(text.splitlines())
    }


def carbon_intensity(setting: str = DEFAULT_REGION) -> CarbonIntensity:
    """Read a region or an amount.

    Parameters
    ----------
    setting
        A code (``deu``) or name (``Germany``) of the table, in any case, or an amount with its unit:
        ``"0.3 kg/kWh"``, ``"300 g/kWh"``.

    Raises
    ------
    UserError
        If the region is unknown, the unit is missing, or the amount is negative or not a number.
    """
    wanted = setting.strip().lower()
    if not wanted:
        raise UserError(f"carbon intensity {setting!r} is empty: it must be a region or an amount", EXAMPLES)
    amount = _AMOUNT.fullmatch(setting)
    if amount:
        grams = _number(amount[1], setting) * _GRAMS[amount[2].lower()]
        return CarbonIntensity(grams / 1e3, "user value", None, "user")
    table = intensities()
    for code, entry in table.items():
        if wanted in (code, entry.region.lower()):
            return entry
    raise UserError(
        f"carbon intensity {setting!r} is neither an amount with its unit nor a known region",
        f"{_did_you_mean(wanted)}{EXAMPLES}",
    )


def _did_you_mean(wanted: str) -> str:
    """Return the regions whose code or name is like `wanted`, as the start of a sentence; or nothing."""
    table = intensities()
    codes = {spelling: code for code, entry in table.items() for spelling in (code, entry.region.lower())}
    close = dict.fromkeys(codes[spelling] for spelling in get_close_matches(wanted, codes))
    near = [f"{code} ({table[code].region})" for code in close]
    return f"did you mean {' or '.join(near)}? Else " if near else ""


def co2_kg(energy_j: float | None, intensity: CarbonIntensity) -> float | None:
    """Return the CO2 of `energy_j` joules in kilograms; None where the energy was not measured.

    Raises
    ------
    ValueError
        If the energy is negative or not finite.
    """
    if energy_j is None:
        return None
    if not (math.isfinite(energy_j) and energy_j >= 0):
        raise ValueError(f"energy_j must be a finite number, 0 or above, got {energy_j}")
    return energy_j / JOULES_PER_KWH * intensity.kg_per_kwh


def co2_kg_per_week(energy_j_per_image: float | None, intensity: CarbonIntensity) -> float | None:
    """Return the CO2 of a week of video (`FRAMES_PER_WEEK`) in kilograms; None for unmeasured energy."""
    return co2_kg(None if energy_j_per_image is None else energy_j_per_image * FRAMES_PER_WEEK, intensity)


def paper_co2_kg_per_week(latency_ms: float | None) -> float | None:
    """Return what the study's CO2 column holds: a constant times the latency, whatever the energy.

    Reconstructed: all 30 cells of Tables 3 and 4 equal `PAPER_KG_PER_WEEK_PER_MS` times the printed
    milliseconds. Only those tables can be compared with it.
    """
    return None if latency_ms is None else PAPER_KG_PER_WEEK_PER_MS * latency_ms


def _number(digits: str, setting: str) -> float:
    try:
        return float(digits)
    except ValueError:
        raise UserError(f"carbon intensity {setting!r}: {digits!r} is not a number") from None
