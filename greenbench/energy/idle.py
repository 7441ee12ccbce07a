"""What a device draws while nothing runs on it, so that gross and net energy can be told apart."""

from __future__ import annotations

from dataclasses import dataclass

from greenbench.energy.reading import Reading, Status


@dataclass(frozen=True)
class Idle:
    """Idle power over a few seconds.

    Attributes
    ----------
    power_w
        Mean power in watts; None with the `reason` where it was not measured.
    uncertainty_w
        Half-width of its 95 % interval, without the card's gain.
    seconds
        How long it was measured.
    """

    power_w: float | None
    uncertainty_w: float | None
    seconds: float
    reason: str | None = None


def idle_from(reading: Reading) -> Idle:
    """Turn the reading of an idle window into idle power."""
    power_w = reading.mean_power_w
    if power_w is None or reading.status is Status.ESTIMATED:
        return Idle(None, None, reading.seconds, reading.reason or "idle power was not measured")
    half_width_j = reading.comparison_uncertainty_j
    spread_w = None if half_width_j is None else half_width_j / reading.seconds
    return Idle(power_w, spread_w, reading.seconds)
