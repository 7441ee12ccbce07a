"""Rules on what is counted: FLOPs and parameters, which are known before anything is measured."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations

from greenbench.audit.entries import Entry, Figure, by_dataset
from greenbench.audit.findings import Finding, Rule, Verdict
from greenbench.paper.setups import as_text

AREA_SLACK = 0.05
"""Multiply-adds of these networks follow the area up to rounded map sizes and the class count."""

SLIP_SLACK = 0.03
"""How near to a power of ten a ratio must be to be called a slip of the decimal point."""


def flops_ratio_against_area(entries: tuple[Entry, ...]) -> list[Finding]:
    """One network on two data sets: its convolutions cost in proportion to the area of the input."""
    found: dict[tuple[str, str], list[tuple[str, tuple[str, str]]]] = {}
    areas: dict[tuple[str, str], str] = {}
    for small, large in _pairs(entries):
        if small.macs is None or large.macs is None or small.task != large.task:
            continue
        area = math.prod(large.input) / math.prod(small.input)
        low, high = large.macs.low / small.macs.high, large.macs.high / small.macs.low
        if low <= area * (1 + AREA_SLACK) and high >= area * (1 - AREA_SLACK):
            continue
        ratio = large.macs.value / small.macs.value
        line = f"{small.technique}: {large.macs.text} / {small.macs.text} = {ratio:.3f}"
        pair = (small.dataset, large.dataset)
        found.setdefault(pair, []).append((line, (small.macs.where, large.macs.where)))
        areas[pair] = f"{area:.4f}, the areas' ratio of {as_text(large.input)} and {as_text(small.input)}"
    return [
        Finding(
            rule="flops_ratio_against_area",
            verdict=Verdict.INCONSISTENT,
            cells=tuple(cell for _, cells in lines for cell in cells),
            arithmetic=tuple(line for line, _ in lines),
            bound=f"{areas[pair]}, within {AREA_SLACK:.0%}",
            conclusion=f"the FLOPs of {pair[0]} and {pair[1]} were not counted at the stated inputs",
        )
        for pair, lines in found.items()
    ]


def flops_of_another_input(entries: tuple[Entry, ...]) -> list[Finding]:
    """FLOPs are those of the stated input, or they belong to another one."""
    findings = []
    for dataset, rows in by_dataset(entries):
        wrong = [e for e in rows if e.macs and e.expected_macs and _off(e.macs, e.expected_macs, AREA_SLACK)]
        if wrong:
            findings.append(
                Finding(
                    rule="flops_of_another_input",
                    verdict=Verdict.INCONSISTENT,
                    cells=tuple(e.macs.where for e in wrong if e.macs),
                    arithmetic=tuple(
                        f"{e.technique}: {e.macs.text} / {e.expected_macs / 1e9:.2f}G counted = "
                        f"{e.macs.value / e.expected_macs:.2f}"
                        for e in wrong
                        if e.macs and e.expected_macs
                    ),
                    bound=f"1 within {AREA_SLACK:.0%}, counted at the stated {as_text(wrong[0].input)}",
                    conclusion=f"{dataset}: the FLOPs belong to another input than the stated one",
                )
            )
    return findings


def params_off_by_ten(entries: tuple[Entry, ...]) -> list[Finding]:
    """Parameters a power of ten away from the network's own are a slip of the decimal point."""
    findings = []
    for dataset, rows in by_dataset(entries):
        slipped = [e for e in rows if e.params and _slip(e) != 0]
        if slipped:
            findings.append(
                Finding(
                    rule="params_off_by_ten",
                    verdict=Verdict.INCONSISTENT,
                    cells=tuple(e.params.where for e in slipped if e.params),
                    arithmetic=tuple(
                        f"{e.technique}: {e.expected_params / 1e6:.2f}M counted / {e.params.text} = "
                        f"{e.expected_params / e.params.value:.2f}"
                        for e in slipped
                        if e.params and e.expected_params
                    ),
                    bound=f"1; a power of ten within {SLIP_SLACK:.0%} is a slip of the decimal point",
                    conclusion=f"{dataset}: the parameters are misprinted by a factor of "
                    f"{10.0 ** abs(_slip(slipped[0])):g}",
                )
            )
    return findings


def params_not_those_of_the_technique(entries: tuple[Entry, ...]) -> list[Finding]:
    """Parameters are known before anything is measured; a printed count fits them or does not."""
    baselines = {e.dataset: e for e in entries if e.technique == "baseline"}
    findings = []
    for entry in entries:
        if entry.params is None or entry.expected_params is None:
            continue
        read = entry.params.times(10.0 ** _slip(entry))
        if read.low <= entry.expected_params <= read.high:
            continue
        baseline = baselines.get(entry.dataset)
        added = (
            f"the technique adds {entry.expected_params - baseline.expected_params:,} to the baseline's "
            f"{baseline.expected_params:,}"
            if baseline and baseline.expected_params
            else "counted on the network"
        )
        off = (read.value - entry.expected_params) / 1e6
        findings.append(
            Finding(
                rule="params_not_those_of_the_technique",
                verdict=Verdict.INCONSISTENT,
                cells=(entry.params.where,),
                arithmetic=(
                    f"{read.value / 1e6:.2f}M - {entry.expected_params / 1e6:.3f}M counted = {off:+.2f}M",
                ),
                bound=f"{read.step / 1e6:g}M, one unit in the last digit; {added}",
                conclusion=f"{entry.name}: the printed parameters are not those of this network",
            )
        )
    return findings


def classes_without_parameters(entries: tuple[Entry, ...]) -> list[Finding]:
    """More classes need more parameters in the classifier."""
    found: dict[tuple[str, str], list[tuple[str, tuple[str, str]]]] = {}
    bounds: dict[tuple[str, str], str] = {}
    for one, other in _pairs(entries):
        few, many = sorted((one, other), key=lambda e: e.classes)
        if few.params is None or many.params is None or few.task != many.task or few.classes == many.classes:
            continue
        growth = many.params.times(10.0 ** _slip(many)).high - few.params.times(10.0 ** _slip(few)).low
        needed = (many.classes - few.classes) * many.params_per_class
        if growth >= needed:
            continue
        pair = (few.dataset, many.dataset)
        line = f"{few.technique}: {many.params.text} - {few.params.text}, at most {growth / 1e6:.3f}M"
        found.setdefault(pair, []).append((line, (few.params.where, many.params.where)))
        classes = f"{many.classes} - {few.classes} classes x {many.params_per_class} parameters"
        bounds[pair] = f"{needed / 1e6:.3f}M: {classes}"
    return [
        Finding(
            rule="classes_without_parameters",
            verdict=Verdict.INCONSISTENT,
            cells=tuple(cell for _, cells in lines for cell in cells),
            arithmetic=tuple(line for line, _ in lines),
            bound=bounds[pair],
            conclusion=f"the parameters printed for {pair[1]} are those of a network for {pair[0]}'s classes",
        )
        for pair, lines in found.items()
    ]


def _slip(entry: Entry) -> int:
    """Return the power of ten by which the parameters are too small, 0 for none."""
    if entry.params is None or entry.expected_params is None or entry.params.value <= 0:
        return 0
    exponent = math.log10(entry.expected_params / entry.params.value)
    nearest = round(exponent)
    return nearest if abs(10 ** (exponent - nearest) - 1) <= SLIP_SLACK else 0


def _off(figure: Figure, expected: float, slack: float) -> bool:
    return figure.high < expected * (1 - slack) or figure.low > expected * (1 + slack)


def _pairs(entries: tuple[Entry, ...]) -> Iterator[tuple[Entry, Entry]]:
    """Go through pairs of entries that differ in the data set alone, in the order of the entries."""
    for one, other in combinations(entries, 2):
        if (one.technique, one.group) == (other.technique, other.group) and one.dataset != other.dataset:
            yield one, other


RULES = (
    Rule(
        "flops_ratio_against_area",
        "Do FLOPs grow with the area of the input?",
        ("macs",),
        flops_ratio_against_area,
    ),
    Rule(
        "flops_of_another_input",
        "Are the FLOPs those of the stated input?",
        ("macs", "expected_macs"),
        flops_of_another_input,
    ),
    Rule(
        "params_off_by_ten",
        "Are the parameters of the right power of ten?",
        ("params", "expected_params"),
        params_off_by_ten,
    ),
    Rule(
        "params_not_those_of_the_technique",
        "Are the parameters those of the technique's network?",
        ("params", "expected_params"),
        params_not_those_of_the_technique,
    ),
    Rule(
        "classes_without_parameters",
        "Do more classes come with more parameters?",
        ("params",),
        classes_without_parameters,
    ),
)
