"""What a gain and a lag can be; anything else is refused in words."""

from __future__ import annotations

from greenbench.errors import UserError

GAINS = (0.7, 1.4)
"""No card that is read at all errs by more (-8 to +13 % over six models); what does is another device's trace."""

MAX_OFFSET_SHARE = 0.15
"""An offset above this share of the highest power is the power of something else, such as the rest of the machine."""

DELAYS_S, ALIGNED_S = (-0.3, 1.0), (-0.15, 0.8)
"""Delays that are tried, and those that a device can have. A reading before its power has another clock."""

RECORD = (
    "record at least 30 s of a load that goes up and down every few seconds, with the times of one clock, and the "
    "external meter on the card's own supply"
)


def check_lag(averaging_s: float, delay_s: float, longest_s: float) -> None:
    """Refuse a lag that a device cannot have; `longest_s` is the longest averaging time that was tried."""
    if not ALIGNED_S[0] <= delay_s <= ALIGNED_S[1]:
        raise UserError(
            f"the readings fit the external meter best when shifted by {delay_s:.2f} s or more, which must be from "
            f"{ALIGNED_S[0]:g} to {ALIGNED_S[1]:g} s: the clocks of the two are apart, or the traces are of two devices",
            "write the times of both by one clock",
        )
    if averaging_s > 0.97 * longest_s:
        raise UserError(
            f"the readings look like means over {longest_s:.2g} s or longer, which is the most that was tried",
            RECORD,
        )


def check_line(gain: float, offset_w: float, highest_w: float) -> None:
    """Refuse a gain or an offset that a device beside its own meter cannot have."""
    elsewhere = "the external meter measures something else than this device, or more"
    if not GAINS[0] <= gain <= GAINS[1]:
        raise UserError(
            f"the gain would be {gain:.3g}, which must be from {GAINS[0]:g} to {GAINS[1]:g}: {elsewhere}",
            RECORD,
        )
    if abs(offset_w) > MAX_OFFSET_SHARE * highest_w:
        raise UserError(
            f"the device would read {offset_w:+.3g} W at no power, which may be at most "
            f"{MAX_OFFSET_SHARE:.0%} of {highest_w:.0f} W: {elsewhere}",
            RECORD,
        )
