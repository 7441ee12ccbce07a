"""Rules on what is claimed of training: energy against compute, equal work, epochs, accuracy."""

from __future__ import annotations

from collections.abc import Iterator

from greenbench.audit.entries import Entry, Figure
from greenbench.audit.findings import Finding, Rule, Verdict
from greenbench.units import percent, si

SAME_WORK = ("random_gradient", "cyclic_lr", "lookahead")
"""Techniques that leave network, data, loss and number of steps alone; lookahead adds one pass over the
weights in five steps."""

WORK_SLACK = 0.05
"""Repeats on one board spread by 0.1 to 1.4 % (Yang et al., SC24); five percent leave room for more."""

REFERENCE_TOP1 = {"cifar100": 0.799, "tiny_imagenet": 0.650}
"""Best public top-1 of ResNet-50 from scratch with this stem, at 32x32 and 64x64."""

REFERENCE_TOP5 = {"tiny_imagenet": 0.860}

REFERENCE_SLACK = 0.05
"""How far above the reference a better recipe may be."""


def energy_below_compute_floor(entries: tuple[Entry, ...]) -> list[Finding]:
    """Operations alone take some energy, on a board at its peak rate and full power."""
    findings = []
    for group in _groups(entries):
        below = [(e, floor) for e in group if (floor := _floor_j(e)) and _training_energy(e).high < floor]
        if not below:
            continue
        first, board = below[0][0], below[0][0].board
        assert board is not None
        findings.append(
            Finding(
                rule="energy_below_compute_floor",
                verdict=Verdict.INCONSISTENT,
                cells=tuple(_training_energy(e).where for e, _ in below),
                arithmetic=tuple(
                    f"{e.technique}: {_training_energy(e).text}; {2 * (e.train_macs or 0):.3g} FLOP / "
                    f"{board.peak_flops / 1e12:g} TFLOP/s x {board.power_limit_w:g} W = {si(floor, 'J')}"
                    for e, floor in below
                ),
                bound=f"the energy of these operations at the peak rate and full power of {board.name}",
                conclusion=f"{first.dataset}: the energy is too small for the stated images, epochs and "
                "precision; less was computed, or not all of it was measured",
            )
        )
    return findings


def same_work_different_energy(entries: tuple[Entry, ...]) -> list[Finding]:
    """Equal work on one board takes equal energy."""
    findings = []
    for group in _groups(entries):
        baselines = [_training_energy(e) for e in group if e.technique == "baseline"]
        if not baselines:
            continue
        reference = baselines[0]
        others = [e for e in group if e.technique in SAME_WORK]
        others += [e for e in group if e.technique == "baseline"][1:]
        off = [e for e in others if _differs(_training_energy(e), reference, 1.0)]
        if off:
            findings.append(
                Finding(
                    rule="same_work_different_energy",
                    verdict=Verdict.IMPLAUSIBLE,
                    cells=(reference.where, *(_training_energy(e).where for e in off)),
                    arithmetic=tuple(_share_line(e, reference, 1.0) for e in off),
                    bound=f"{WORK_SLACK:.0%}: same network, images and steps; repeats spread by 0.1 to 1.4 %",
                    conclusion=f"{off[0].dataset}: energies differ by more than the technique can cause, so "
                    "smaller differences in this column say nothing",
                )
            )
    return findings


def half_epochs_half_energy(entries: tuple[Entry, ...]) -> list[Finding]:
    """Half of the epochs take half of the energy."""
    findings = []
    for group in _groups(entries):
        baselines = [_training_energy(e) for e in group if e.technique == "baseline"]
        halves = [e for e in group if e.technique == "poly_half_epochs"]
        off = [e for e in halves if baselines and _differs(_training_energy(e), baselines[0], 0.5)]
        if off:
            findings.append(
                Finding(
                    rule="half_epochs_half_energy",
                    verdict=Verdict.IMPLAUSIBLE,
                    cells=(baselines[0].where, *(_training_energy(e).where for e in off)),
                    arithmetic=tuple(_share_line(e, baselines[0], 0.5) for e in off),
                    bound=f"half of the baseline's energy within {WORK_SLACK:.0%}",
                    conclusion=f"{off[0].dataset}: half of the epochs did not take half of the energy",
                )
            )
    return findings


def accuracy_above_reference(entries: tuple[Entry, ...]) -> list[Finding]:
    """Accuracy far above what the network is known to reach is another metric, or an error."""
    findings = []
    for group in _groups(entries):
        reference = REFERENCE_TOP1.get(group[0].dataset)
        above = [e for e in group if reference and e.heldout and e.heldout.low > reference + REFERENCE_SLACK]
        if not above or reference is None:
            continue
        dataset = group[0].dataset
        top5 = REFERENCE_TOP5.get(dataset)
        reading = f"; top-5 of the same networks is {percent(top5)}" if top5 else ""
        findings.append(
            Finding(
                rule="accuracy_above_reference",
                verdict=Verdict.IMPLAUSIBLE,
                cells=tuple(e.heldout.where for e in above if e.heldout),
                arithmetic=tuple(
                    f"{e.technique}: {e.heldout.text} - {percent(reference)} = "
                    f"{100 * (e.heldout.value - reference):+.1f} points"
                    for e in above
                    if e.heldout
                ),
                bound=f"{100 * REFERENCE_SLACK:.0f} points above {percent(reference)}, the best public top-1 "
                f"of this network from scratch{reading}",
                conclusion=f"{dataset}: this is not top-1 accuracy of this network"
                + (", it reads like top-5" if top5 else ""),
            )
        )
    return findings


def _training_energy(entry: Entry) -> Figure:
    assert entry.train_energy_j is not None
    return entry.train_energy_j


def _floor_j(entry: Entry) -> float | None:
    if entry.train_macs is None or entry.board is None or entry.train_energy_j is None:
        return None
    return 2 * entry.train_macs / entry.board.peak_flops * entry.board.power_limit_w


def _differs(figure: Figure, reference: Figure, share: float) -> bool:
    """Whether a figure is off `share` of the reference by more than the slack, however both were rounded."""
    low, high = figure.low / reference.high, figure.high / reference.low
    return low > share * (1 + WORK_SLACK) or high < share * (1 - WORK_SLACK)


def _share_line(entry: Entry, reference: Figure, share: float) -> str:
    energy = _training_energy(entry)
    expected = reference.text if share == 1 else f"({share:g} x {reference.text})"
    ratio = energy.value / (share * reference.value)
    return f"{entry.technique}: {energy.text} / {expected} = {ratio:.3f}, {100 * (ratio - 1):+.0f} %"


def _groups(entries: tuple[Entry, ...]) -> Iterator[list[Entry]]:
    """Go through the entries of one data set and group at a time."""
    for key in dict.fromkeys((e.dataset, e.group) for e in entries):
        yield [e for e in entries if (e.dataset, e.group) == key]


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
        about=lambda entry: entry.technique in SAME_WORK,
    ),
    Rule(
        "half_epochs_half_energy",
        "Do half of the epochs take half of the energy?",
        ("train_energy_j",),
        half_epochs_half_energy,
        about=lambda entry: entry.technique == "poly_half_epochs",
    ),
    Rule(
        "accuracy_above_reference",
        "Is the accuracy within what the network is known to reach?",
        ("heldout",),
        accuracy_above_reference,
        about=lambda entry: entry.dataset in REFERENCE_TOP1,
    ),
)
