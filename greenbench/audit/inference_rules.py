"""Rules on what is measured of inference: power, time and CO2."""

from __future__ import annotations

import math
from collections.abc import Iterator

from greenbench.audit.entries import Entry, Number, grouped
from greenbench.audit.findings import Finding, Rule, Severity

METER_ERROR = 0.13
"""Largest error of a board's own power reading found by Yang et al., SC24 (RTX 2060 Super, +12.8 %)."""

LIMIT_SLACK = 0.01
"""A board regulates around its limit, so that means of one percent more are seen."""

SAME_CONSTANT = 0.001
"""Exact numbers count as proportional if their ratios agree this well."""


def power_above_board_limit(entries: tuple[Entry, ...]) -> list[Finding]:
    """Energy over time is power, and a board has a limit for that."""
    findings = []
    for rows in grouped(entries, lambda entry: (entry.workload, entry.board)):
        board = rows[0].board
        if board is None:
            continue
        worst = board.power_limit_w * (1 + METER_ERROR)
        draws = [(row.technique, *draw) for row in rows for draw in _draws(row)]
        for severity, above, beyond in (
            (Severity.IMPOSSIBLE, 1 + METER_ERROR, math.inf),
            (Severity.IMPLAUSIBLE, 1 + LIMIT_SLACK, 1 + METER_ERROR),
        ):
            over = [
                (technique, energy, seconds)
                for technique, energy, seconds in draws
                if above < energy.low / seconds.high / board.power_limit_w <= beyond
            ]
            if not over:
                continue
            side = "beyond" if severity == Severity.IMPOSSIBLE else "within"
            findings.append(
                Finding(
                    rule="power_above_board_limit",
                    severity=severity,
                    cells=tuple(number.where for _, *draw in over for number in draw),
                    arithmetic=tuple(
                        f"{technique}: {energy.text} / {seconds.text} = {energy.value / seconds.value:.0f} W"
                        for technique, energy, seconds in over
                    ),
                    bound=f"{board.power_limit_w:g} W, the limit of {board.name}; with the worst known error "
                    f"of such readings, {worst:.0f} W",
                    conclusion=f"{rows[0].workload}: the power is above the board's limit, {side} the error of the "
                    "reading; was more than one board in it?",
                )
            )
    return findings


def faster_than_the_board(entries: tuple[Entry, ...]) -> list[Finding]:
    """No forward pass is faster than its operations at the board's peak rate."""
    findings = []
    for entry in entries:
        if entry.macs is None or entry.latency_s is None or entry.board is None:
            continue
        rate = 2 * entry.macs.low / entry.latency_s.high
        if rate <= entry.board.peak_flops:
            continue
        findings.append(
            Finding(
                rule="faster_than_the_board",
                severity=Severity.IMPOSSIBLE,
                cells=(entry.macs.where, entry.latency_s.where),
                arithmetic=(
                    f"2 x {entry.macs.text} / {entry.latency_s.text} = {rate / 1e12:.4g} TFLOP/s at least",
                ),
                bound=f"{entry.board.peak_flops / 1e12:g} TFLOP/s, the peak of {entry.board.name}",
                conclusion=f"{entry.name}: the pass is faster than the board can multiply; was the device "
                "synchronized before the clock was read?",
            )
        )
    return findings


def co2_follows_latency(entries: tuple[Entry, ...]) -> list[Finding]:
    """CO2 comes from energy; a column that is one constant times latency was not made from it."""
    rows = [
        (e.name, e.co2_kg_per_week, e.latency_s, e.energy_j)
        for e in entries
        if e.co2_kg_per_week and e.latency_s and e.energy_j
    ]
    if len(rows) < 3:
        return []
    by_time = [_ratio(co2, latency) for _, co2, latency, _ in rows]
    by_energy = [_ratio(co2, energy) for _, co2, _, energy in rows]
    if not _one_constant(by_time) or _one_constant(by_energy):
        return []
    low, high = max(low for low, _ in by_time) / 1e3, min(high for _, high in by_time) / 1e3
    per_joule = [(co2.value / energy.value, name) for name, co2, _, energy in rows]
    (least, least_name), (most, most_name) = min(per_joule), max(per_joule)
    return [
        Finding(
            rule="co2_follows_latency",
            severity=Severity.INCONSISTENT,
            cells=tuple(co2.where for _, co2, _, _ in rows),
            arithmetic=(
                f"CO2 / latency: {low:.4f} to {high:.4f} kg/wk per ms fits all {len(rows)} rows",
                f"CO2 / energy is not: {least:.1f} ({least_name}) to {most:.1f} kg/wk per J ({most_name})",
            ),
            bound="CO2 = energy x frames x carbon intensity: one constant per joule, whatever the latency",
            conclusion="the CO2 column holds latency times a constant; it says nothing about measured energy",
        )
    ]


def _draws(entry: Entry) -> Iterator[tuple[Number, Number]]:
    """Go through the energies of an entry with the times that they were drawn in."""
    seconds = entry.energy_seconds or entry.latency_s
    if entry.energy_j and seconds:
        yield entry.energy_j, seconds
    if entry.train_energy_j and entry.train_seconds:
        yield entry.train_energy_j, entry.train_seconds


def _ratio(above: Number, below: Number) -> tuple[float, float]:
    """Return the interval of a ratio of rounded numbers; exact ones get a little room."""
    low = (above.value - above.step / 2) / (below.value + below.step / 2)
    high = (above.value + above.step / 2) / (below.value - below.step / 2)
    slack = 0.0 if above.step else SAME_CONSTANT / 2
    return low * (1 - slack), high * (1 + slack)


def _one_constant(intervals: list[tuple[float, float]]) -> bool:
    return max(low for low, _ in intervals) <= min(high for _, high in intervals)


RULES = (
    Rule(
        "power_above_board_limit",
        "Is energy over time a power that the board can draw?",
        ("board",),
        power_above_board_limit,
        about=lambda entry: any(_draws(entry)),
    ),
    Rule(
        "faster_than_the_board",
        "Does a forward pass take as long as its operations need?",
        ("macs", "latency_s", "board"),
        faster_than_the_board,
        about=lambda entry: entry.board is not None and math.isfinite(entry.board.peak_flops),
    ),
    Rule(
        "co2_follows_latency",
        "Is CO2 proportional to energy, and not to latency alone?",
        ("co2_kg_per_week", "latency_s", "energy_j"),
        co2_follows_latency,
    ),
)
