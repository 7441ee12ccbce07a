"""Long work in windows, of which a few have no energy: a fault of a minute must not cost hours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from greenbench.energy.reading import Reading, Uncertainty
from greenbench.energy.sums import total

MOST_VOID = 0.02
"""The largest share of the time that may be without energy."""


def mended(windows: Sequence[Reading]) -> list[Reading]:
    """Return consecutive windows, those without energy with the mean power of their neighbours, if they are few.

    A window in which a part of the machine was not measured that is in the others counts as one without energy. If more than
    `MOST_VOID` of the time is void, the windows are returned as they are. Those that are mended say so in their notes.
    """
    seconds_of: dict[str | None, float] = {}
    for window in windows:
        if window.energy_j is not None:
            seconds_of[window.boundary] = seconds_of.get(window.boundary, 0.0) + window.seconds
    usual = max(seconds_of, key=lambda boundary: seconds_of[boundary], default=None)
    sound = [window.energy_j is not None and window.boundary == usual for window in windows]
    void = [window for window, is_sound in zip(windows, sound, strict=True) if not is_sound]
    seconds = sum(window.seconds for window in windows)
    share = sum(window.seconds for window in void) / seconds if seconds else 1.0
    if not void or share > MOST_VOID:
        return list(windows)
    reason = void[0].reason if void[0].energy_j is None else f"of {void[0].boundary or 'unknown parts'} alone"
    note = (
        f"{len(void)} of {len(windows)} windows, {share:.2%} of the time, had no energy ({reason}); "
        "they count with the mean power of their neighbours"
    )
    return [
        window if sound[place] else _like_neighbours(window, _neighbours(windows, sound, place), note)
        for place, window in enumerate(windows)
    ]


def _neighbours(windows: Sequence[Reading], sound: Sequence[bool], place: int) -> list[Reading]:
    """Return the nearest sound window on each side, where there is one."""
    sides = (reversed(range(place)), range(place + 1, len(windows)))
    found = (next((near for near in side if sound[near]), None) for side in sides)
    return [windows[near] for near in found if near is not None]


def _like_neighbours(void: Reading, neighbours: Sequence[Reading], note: str) -> Reading:
    powers_w = [reading.mean_power_w or 0.0 for reading in neighbours]
    whole = total(neighbours)
    factor = void.seconds / whole.seconds
    # Where the power changed from one neighbour to the other is not known.
    between = Uncertainty(noise_j=(max(powers_w) - min(powers_w)) / 2 * void.seconds)
    return replace(
        whole.scaled(factor),
        energy_j=sum(powers_w) / len(powers_w) * void.seconds,
        seconds=void.seconds,
        ticks=void.ticks or 0,
        uncertainty=None if whole.uncertainty is None else whole.uncertainty.scaled(factor) + between,
        start=void.start,
        end=void.end,
        notes=(*void.notes, note),
        scaled_by=1.0,
    )
