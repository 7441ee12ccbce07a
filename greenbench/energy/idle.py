"""What a device draws while nothing runs on it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Idle:
    """Idle power over a few seconds.

    Attributes
    ----------
    power_w
        Mean power in watts; None with the `reason` where it was not measured.
    uncertainty_w
        Half-width of its 95 % interval, without the gain.
    seconds
        How long it was measured.
    """

    power_w: float | None
    uncertainty_w: float | None
    seconds: float
    reason: str | None = None
