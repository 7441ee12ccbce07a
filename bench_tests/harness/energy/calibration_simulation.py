"""A card with a known gain and lag beside an external meter, simulated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

STEP_S = 0.001


@dataclass(frozen=True)
class Card:
    """Reads ``offset_w + gain * (mean power over averaging_s, that ended delay_s ago)``, every tick anew."""

    gain: float = 1.034
    offset_w: float = 0.0
    averaging_s: float = 0.1
    delay_s: float = 0.0
    tick_s: float = 0.1
    noise_w: float = 0.5


@dataclass(frozen=True)
class Recorded:
    """The four arrays that `calibrate` takes."""

    times_s: np.ndarray
    watts: np.ndarray
    reference_s: np.ndarray
    reference_w: np.ndarray

    def __iter__(self):
        return iter((self.times_s, self.watts, self.reference_s, self.reference_w))


def load_w(seconds: float, period_s: float, low_w: float, high_w: float, generator) -> np.ndarray:
    """A square wave whose halves differ in length, and a slow drift of 2 %."""
    at = np.arange(0.0, seconds, STEP_S)
    edges = np.cumsum(generator.uniform(0.3, 0.7, size=4 + int(2.5 * seconds / period_s)) * period_s)
    drift = 1 + 0.02 * np.sin(at / seconds * generator.uniform(2, 9) + generator.uniform(0, 6))
    return np.where(np.searchsorted(edges, at) % 2 == 0, low_w, high_w) * drift


def recorded(
    card: Card,
    seed: int,
    *,
    seconds: float = 30.0,
    period_s: float = 2.5,
    low_w: float = 60.0,
    high_w: float = 300.0,
    poll_s: float = 0.01,
    meter_noise_w: float = 2.0,
    clock_s: float = 0.0,
) -> Recorded:
    """Poll the card and the meter; the card's clock is ahead by `clock_s`."""
    generator = np.random.default_rng(seed)
    power = load_w(seconds, period_s, low_w, high_w, generator)
    at = np.arange(len(power)) * STEP_S
    energy = np.concatenate([[0.0], np.cumsum(power)[:-1] * STEP_S])
    ticks = np.arange(generator.uniform(0, card.tick_s), seconds, card.tick_s)
    ends = ticks - card.delay_s
    mean_w = (np.interp(ends, at, energy) - np.interp(ends - card.averaging_s, at, energy)) / card.averaging_s
    shown = card.offset_w + card.gain * mean_w + generator.normal(0, card.noise_w, len(ticks))
    polls = np.arange(card.averaging_s + card.tick_s + max(card.delay_s, 0), seconds, poll_s)
    polls = polls + generator.uniform(0, poll_s / 3, len(polls))
    watts = shown[np.searchsorted(ticks, polls) - 1]
    reference = power[::2] + generator.normal(0, meter_noise_w, len(power[::2]))
    return Recorded(polls + clock_s, np.maximum(watts, 0.0), at[::2], np.maximum(reference, 0.0))


def counted(trace: Recorded, tick_s: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    """Return polls of a counter that counts what the reference says, every tick anew."""
    steps = trace.reference_w[1:] * np.diff(trace.reference_s)
    energy = np.concatenate([[0.0], np.cumsum(steps)])
    ticks = np.floor(trace.times_s / tick_s) * tick_s
    return trace.times_s, np.interp(ticks, trace.reference_s, energy)
