"""Rules on what is claimed of training: energy against operations, against stated work, and the score."""

from __future__ import annotations

from collections.abc import Iterator

from greenbench.audit.entries import Entry, Number, grouped
from greenbench.audit.findings import Finding, Rule, Severity
from greenbench.units import percent, si

WORK_SLACK = 0.05
"""Repeats on one board spread by 0.1 to 1.4 % (Yang et al., SC24); five percent leave room for more."""

REFERENCE_SLACK = 0.05
"""How far above the best known score a better recipe may be."""


def energy_below_compute_floor(entries: tuple[Entry, ...]) -> list[Finding]:
    """Operations alone take some energy, on a board at its peak rate and full power."""
    findings = []
    for rows in grouped(entries, lambda entry: (entry.workload, entry.group, entry.board)):
        board = rows[0].board
        if board is None:
            continue
        below = [
            (e.technique, e.train_energy_j, 2 * e.train_macs, floor)
            for e in rows
            if e.train_energy_j and e.train_macs and (floor := _floor_j(e)) and e.train_energy_j.high < floor
        ]
        if not below:
            continue
        findings.append(
            Finding(
                rule="energy_below_compute_floor",
                severity=Severity.INCONSISTENT,
                cells=tuple(energy.where for _, energy, _, _ in below),
                arithmetic=tuple(
                    f"{technique}: {energy.text}; {operations:.3g} FLOP / "
                    f"{board.peak_flops / 1e12:g} TFLOP/s x {board.power_limit_w:g} W = {si(floor, 'J')}"
                    for technique, energy, operations, floor in below
                ),
                bound=f"the energy of these operations at the peak rate and full power of {board.name}",
                conclusion=f"{rows[0].workload}: the energy is too small for the stated images, epochs and "
                "precision; less was computed, or not all of it was measured",
            )
        )
    return findings


def same_work_different_energy(entries: tuple[Entry, ...]) -> list[Finding]:
    """Equal work on one board takes equal energy."""
    findings = []
    for reference, rows in _beside_baseline(entries):
        others = [e for e in rows if _does_same_work(e)] + [e for e in rows if e.is_baseline]
        off = [line for e in others if (line := _off_share(e, reference, 1.0))]
        if off:
            findings.append(
                Finding(
                    rule="same_work_different_energy",
                    severity=Severity.IMPLAUSIBLE,
                    cells=(reference.where, *(cell for cell, _ in off)),
                    arithmetic=tuple(line for _, line in off),
                    bound=f"{WORK_SLACK:.0%}: same network, images and steps; repeats spread by 0.1 to 1.4 %",
                    conclusion=f"{rows[0].workload}: energies differ by more than the technique can cause, so "
                    "smaller differences in this column say nothing",
                )
            )
    return findings


def half_epochs_half_energy(entries: tuple[Entry, ...]) -> list[Finding]:
    """Half of the epochs take half of the energy, and any other share of the work that share."""
    findings = []
    for reference, rows in _beside_baseline(entries):
        for share in dict.fromkeys(share for e in rows if (share := _other_share(e))):
            part = "half" if share == 0.5 else f"{share:g}"
            what = "epochs" if share == 0.5 else "work"
            off = [
                line for e in rows if _other_share(e) == share and (line := _off_share(e, reference, share))
            ]
            if off:
                findings.append(
                    Finding(
                        rule="half_epochs_half_energy",
                        severity=Severity.IMPLAUSIBLE,
                        cells=(reference.where, *(cell for cell, _ in off)),
                        arithmetic=tuple(line for _, line in off),
                        bound=f"{part} of the baseline's energy within {WORK_SLACK:.0%}",
                        conclusion=f"{rows[0].workload}: {part} of the {what} did not take {part} of the energy",
                    )
                )
    return findings


def accuracy_above_reference(entries: tuple[Entry, ...]) -> list[Finding]:
    """Scores far above what the network is known to reach are of another metric, or an error."""
    findings = []
    for rows in grouped(entries, lambda entry: (entry.workload, entry.group)):
        metric, known = rows[0].metric, rows[0].best_known
        if metric is None or not _has_reference(rows[0]):
            continue
        reference = known[metric.name]
        above = [
            (e.technique, e.score) for e in rows if e.score and e.score.low > reference + REFERENCE_SLACK
        ]
        if not above:
            continue
        others = {name: value for name, value in known.items() if name != metric.name}
        findings.append(
            Finding(
                rule="accuracy_above_reference",
                severity=Severity.IMPLAUSIBLE,
                cells=tuple(score.where for _, score in above),
                arithmetic=tuple(
                    f"{technique}: {score.text} - {percent(reference)} = "
                    f"{100 * (score.value - reference):+.1f} points"
                    for technique, score in above
                ),
                bound=f"{100 * REFERENCE_SLACK:.0f} points above {percent(reference)}, the best public "
                f"{metric.name} of this network from scratch"
                + "".join(
                    f"; {name} of the same networks is {percent(value)}" for name, value in others.items()
                ),
                conclusion=f"{rows[0].workload}: this is not {metric.title} of this network"
                + (f", it reads like {' or '.join(others)}" if others else ""),
            )
        )
    return findings


def _floor_j(entry: Entry) -> float | None:
    if entry.train_macs is None or entry.board is None:
        return None
    return 2 * entry.train_macs / entry.board.peak_flops * entry.board.power_limit_w


def _does_same_work(entry: Entry) -> bool:
    return entry.work_share == 1 and not entry.is_baseline


def _other_share(entry: Entry) -> float | None:
    return None if entry.is_baseline or entry.work_share == 1 else entry.work_share


def _has_reference(entry: Entry) -> bool:
    """Whether the score is a percentage that is known to have a limit above."""
    metric = entry.metric
    return (
        metric is not None
        and (metric.unit, metric.better) == ("%", "higher")
        and metric.name in entry.best_known
    )


def _beside_baseline(entries: tuple[Entry, ...]) -> Iterator[tuple[Number, list[Entry]]]:
    """Go through the groups that have a baseline: its energy, and all others of the group."""
    for rows in grouped(entries, lambda entry: (entry.workload, entry.group)):
        first = next((e for e in rows if e.is_baseline), None)
        if first is not None and first.train_energy_j is not None:
            yield first.train_energy_j, [e for e in rows if e is not first]


def _off_share(entry: Entry, reference: Number, share: float) -> tuple[str, str] | None:
    """Return cell and calculation of an energy that is not this share of the reference, however both were rounded."""
    energy = entry.train_energy_j
    if energy is None:
        return None
    low, high = energy.low / reference.high, energy.high / reference.low
    if low <= share * (1 + WORK_SLACK) and high >= share * (1 - WORK_SLACK):
        return None
    expected = reference.text if share == 1 else f"({share:g} x {reference.text})"
    ratio = energy.value / (share * reference.value)
    line = f"{entry.technique}: {energy.text} / {expected} = {ratio:.3f}, {100 * (ratio - 1):+.0f} %"
    return energy.where, line


RULES = (
    Rule(
        "energy_below_compute_floor",
        "Is the energy enough for the operations of the stated training?",
        ("train_energy_j", "train_macs", "board"),
        energy_below_compute_floor,
        about=lambda entry: bool(_floor_j(entry)),
    ),
    Rule(
        "same_work_different_energy",
        "Do trainings that do the same work take the same energy?",
        ("train_energy_j",),
        same_work_different_energy,
        about=_does_same_work,
    ),
    Rule(
        "half_epochs_half_energy",
        "Do half of the epochs take half of the energy?",
        ("train_energy_j",),
        half_epochs_half_energy,
        about=lambda entry: _other_share(entry) is not None,
    ),
    Rule(
        "accuracy_above_reference",
        "Is the accuracy within what the network is known to reach?",
        ("score",),
        accuracy_above_reference,
        about=_has_reference,
    ),
)
