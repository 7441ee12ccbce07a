"""Budgets of joules, seconds and CO2 for a piece of work, and what a reading says to them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from greenbench.energy.carbon import CarbonIntensity, co2_kg
from greenbench.energy.reading import Reading, Status
from greenbench.errors import UserError
from greenbench.units import JOULES_PER_KWH, si

UNITS: Mapping[str, Mapping[str, float]] = {
    "energy": {
        "uJ": 1e-6,
        "µJ": 1e-6,
        "mJ": 1e-3,
        "J": 1.0,
        "kJ": 1e3,
        "MJ": 1e6,
        "Wh": 3600.0,
        "kWh": 3.6e6,
    },
    "time": {"us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0},
    "co2": {"ug": 1e-6, "µg": 1e-6, "mg": 1e-3, "g": 1.0, "kg": 1e3},
}
"""Units of each budget in joules, seconds and grams."""

EXAMPLES = {"energy": "2 J", "time": "50 ms", "co2": "1 mg"}
_AMOUNT = re.compile(r"\s*([0-9]+(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?)\s*(\S+)\s*")

_CURRENCY = re.compile(r"[A-Z]{3}")


@dataclass(frozen=True)
class Budget:
    """The most that a piece of work may take; None where that is not limited.

    Attributes
    ----------
    energy_j, time_s, co2_g
        Joules, seconds, grams of CO2-equivalent.
    """

    energy_j: float | None = None
    time_s: float | None = None
    co2_g: float | None = None

    @property
    def needs_energy(self) -> bool:
        """Whether joules must be measured."""
        return self.energy_j is not None or self.co2_g is not None

    def overruns(self, reading: Reading, intensity: CarbonIntensity, *, estimates: bool = False) -> list[str]:
        """Say in words what of the reading is above the budget; `unknown` says what could not be judged.

        With `estimates` an estimated energy is judged like a measured one, and called estimated.
        """
        found = []
        if self.time_s is not None and reading.seconds > self.time_s:
            found.append(f"time {si(reading.seconds, 's')} is over the budget of {si(self.time_s, 's')}")
        if reading.energy_j is None or not _counts(reading, estimates):
            return found
        part = f" ({', '.join(filter(None, (reading.boundary, _doubt(reading))))})"
        for title, value, interval, most, unit in (
            ("energy", reading.energy_j, reading.uncertainty_j, self.energy_j, "J"),
            (
                "CO2",
                _grams(reading.energy_j, intensity),
                _grams(reading.uncertainty_j, intensity),
                self.co2_g,
                "g",
            ),
        ):
            if most is not None and value is not None and value > most:
                shown = "" if interval is None else f" ± {si(interval, unit, 2)}"
                sure = interval is None or value - interval > most
                found.append(
                    f"{title} {si(value, unit)}{shown} is over the budget of {si(most, unit)}"
                    f"{'' if sure else ', though not certainly'}{part if part != ' ()' else ''}"
                )
        return found

    def unknown(self, reading: Reading, *, estimates: bool = False) -> str | None:
        """Say why the budget cannot be judged by this reading; None where it can be."""
        if not self.needs_energy or _counts(reading, estimates):
            return None
        return "; ".join(filter(None, (f"energy {reading.status}: {reading.reason}", reading.next_step)))


def _counts(reading: Reading, estimates: bool) -> bool:
    return reading.energy_j is not None and (estimates or reading.status is not Status.ESTIMATED)


def _doubt(reading: Reading) -> str:
    return str(reading.status) if reading.status is not Status.MEASURED else ""


def _grams(energy_j: float | None, intensity: CarbonIntensity) -> float | None:
    kilograms = co2_kg(energy_j, intensity)
    return None if kilograms is None else 1e3 * kilograms


def read_budget(amounts: Mapping[str, object]) -> Budget:
    """Read amounts with their units, as in ``energy="2 J", time="50 ms", co2="1 mg"``.

    Raises
    ------
    UserError
        For an unknown name, an amount without its unit, or no amount at all.
    """
    unknown = sorted(set(amounts) - set(UNITS))
    if unknown or not amounts:
        what = f"{unknown[0]!r} is no budget" if unknown else "a budget without an amount"
        raise UserError(what, 'write for example energy="2 J", time="50 ms" or co2="1 mg"')
    values = {name: _amount(name, given) for name, given in amounts.items()}
    return Budget(values.get("energy"), values.get("time"), values.get("co2"))


@dataclass(frozen=True)
class Allowance:
    """The most that a whole run may take of one thing.

    Attributes
    ----------
    text
        As it was written.
    of
        ``energy``, ``time`` or ``money``.
    most
        In joules, seconds, or the currency of `unit`.
    unit
        As it was written.
    price_per_kwh
        Of a kilowatt-hour, for money.
    """

    text: str
    of: str
    most: float
    unit: str
    price_per_kwh: float | None = None

    def taken(self, seconds: float, energy_j: float | None) -> float | None:
        """Return what some work takes of it; None where its energy is not known and must be."""
        if self.of == "time":
            return seconds
        return energy_j if self.price_per_kwh is None else money(energy_j, self.price_per_kwh)

    def write(self, amount: float) -> str:
        """Write an amount of it in words."""
        return {"energy": si(amount, "J"), "time": si(amount, "s")}.get(self.of, f"{amount:.4g} {self.unit}")


def money(energy_j: float | None, price_per_kwh: float | None) -> float | None:
    """Return what some energy costs, in the currency of the price; None where one of the two is not known."""
    return None if energy_j is None or price_per_kwh is None else energy_j / JOULES_PER_KWH * price_per_kwh


def read_allowance(text: str, price_per_kwh: float | None = None) -> Allowance:
    """Read an amount of energy, time or money: ``5 MJ``, ``2h``, ``3 EUR``.

    Raises
    ------
    UserError
        For an unknown unit, or money without a price.
    """
    match = _AMOUNT.fullmatch(text)
    value = float(match[1]) if match else 0.0
    unit = match[2] if match else ""
    for of in ("energy", "time"):
        if unit in UNITS[of] and 0 < value < float("inf"):
            return Allowance(text, of, value * UNITS[of][unit], unit)
    if not (_CURRENCY.fullmatch(unit) and 0 < value < float("inf")):
        raise UserError(
            f"the budget {text!r} is no amount above 0 with one of the units {', '.join(UNITS['energy'])}, "
            f"{', '.join(UNITS['time'])}, or a currency of three capitals such as EUR",
            "write for example 5MJ, 2h or 3EUR",
        )
    if price_per_kwh is None:
        raise UserError(
            f"the budget {text!r} is money, and what a kilowatt-hour costs is not known",
            "give the price of one in the same currency with --green-price, such as 0.30",
        )
    return Allowance(text, "money", value, unit, price_per_kwh)


def read_price(text: str) -> float:
    """Read the price of a kilowatt-hour; `UserError` unless it is a number above 0."""
    try:
        price = float(text)
    except ValueError:
        price = 0.0
    if not 0 < price < float("inf"):
        raise UserError(
            f"the price {text!r} is no number above 0", "give that of a kilowatt-hour, such as 0.30"
        )
    return price


def _amount(name: str, given: object) -> float:
    match = _AMOUNT.fullmatch(given) if isinstance(given, str) else None
    factor = UNITS[name].get(match[2]) if match else None
    value = float(match[1]) * factor if match and factor else 0.0
    if not 0 < value < float("inf"):
        raise UserError(
            f"{name}={given!r} is no amount above 0 with one of the units {', '.join(UNITS[name])}",
            f"write for example {name}={EXAMPLES[name]!r}",
        )
    return value
