"""SI inside, people's units at the edge: how a number is written with its unit."""

import math

JOULES_PER_KWH = 3.6e6

_PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"))

_LONG_S = 1000.0

MISSING = "–"
"""What stands in a table for a value that was not measured."""


def si(value: float | None, unit: str, digits: int = 3) -> str:
    """Write a value with an SI prefix: ``si(19.6e6, "J")`` is ``19.6 MJ``. Long times are in minutes or hours.

    ``None`` (not measured) becomes a dash, never a zero.
    """
    if value is None:
        return MISSING
    if value == 0 or not math.isfinite(value):
        return f"{value:g} {unit}"
    if unit == "s" and abs(value) >= _LONG_S:
        scale, unit = (3600.0, "h") if abs(value) >= 7200.0 else (60.0, "min")
        return f"{_significant(value / scale, digits)} {unit}".replace(".0 ", " ")
    for scale, prefix in _PREFIXES:
        # 999.96 with three digits rounds up to the next prefix, so compare what would be printed.
        if float(f"{abs(value):.{digits}g}") >= scale:
            return f"{_significant(value / scale, digits)} {prefix}{unit}"
    return f"{value:.{digits}g} {unit}"


def si_scale(largest: float, unit: str) -> tuple[float, str]:
    """Return by what values up to `largest` are divided, and the unit that they are then in: ``(1e6, "MJ")``."""
    scale, prefix = next((pair for pair in _PREFIXES if largest >= pair[0]), (1.0, ""))
    return scale, f"{prefix}{unit}"


def percent(fraction: float | None, decimals: int = 1) -> str:
    """Write a fraction (0..1) as a percentage; ``None`` becomes a dash."""
    return MISSING if fraction is None else f"{100 * fraction:.{decimals}f}%"


def _significant(value: float, digits: int) -> str:
    rounded = float(f"{value:.{digits}g}")
    whole = len(str(int(abs(rounded))))
    return f"{rounded:.{max(digits - whole, 0)}f}"
