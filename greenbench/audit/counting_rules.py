"""Rules on what is counted: FLOPs and parameters, which are known before anything is measured."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations

from greenbench.audit.entries import Entry, Number, grouped, size_text
from greenbench.audit.findings import Finding, Rule, Severity

AREA_SLACK = 0.05
"""Multiply-adds of convolutional networks follow the area up to rounded map sizes and the class count."""

SLIP_SLACK = 0.03
"""How near to a power of ten a ratio must be to be called a slip of the decimal point."""


def flops_ratio_against_area(entries: tuple[Entry, ...]) -> list[Finding]:
    """One network on two workloads: its convolutions cost in proportion to the area of the input."""
    found: dict[tuple[str, str], list[tuple[str, Number, Number]]] = {}
    bounds: dict[tuple[str, str], str] = {}
    for small, large in _pairs(entries):
        if small.macs is None or large.macs is None:
            continue
        area = math.prod(large.input) / math.prod(small.input)
        low, high = large.macs.low / small.macs.high, large.macs.high / small.macs.low
        if low <= area * (1 + AREA_SLACK) and high >= area * (1 - AREA_SLACK):
            continue
        pair = (small.workload, large.workload)
        found.setdefault(pair, []).append((small.technique, small.macs, large.macs))
        bounds[pair] = (
            f"{area:.4f}, the areas' ratio of {size_text(large.input)} and {size_text(small.input)}"
        )
    return [
        Finding(
            rule="flops_ratio_against_area",
            severity=Severity.INCONSISTENT,
            cells=tuple(number.where for _, *numbers in off for number in numbers),
            arithmetic=tuple(
                f"{technique}: {more.text} / {less.text} = {more.value / less.value:.3f}"
                for technique, less, more in off
            ),
            bound=f"{bounds[pair]}, within {AREA_SLACK:.0%}",
            conclusion=f"the FLOPs of {pair[0]} and {pair[1]} were not counted at the stated inputs",
        )
        for pair, off in found.items()
    ]


def flops_of_another_input(entries: tuple[Entry, ...]) -> list[Finding]:
    """FLOPs are those of the stated input, or they belong to another one."""
    findings = []
    for rows in grouped(entries, lambda entry: entry.workload):
        wrong = [
            (e, e.macs, e.expected_macs)
            for e in rows
            if e.macs and e.expected_macs and _off(e.macs, e.expected_macs)
        ]
        if wrong:
            stated = size_text(wrong[0][0].input)
            findings.append(
                Finding(
                    rule="flops_of_another_input",
                    severity=Severity.INCONSISTENT,
                    cells=tuple(macs.where for _, macs, _ in wrong),
                    arithmetic=tuple(
                        f"{e.technique}: {macs.text} / {counted / 1e9:.2f}G counted = {macs.value / counted:.2f}"
                        for e, macs, counted in wrong
                    ),
                    bound=f"1 within {AREA_SLACK:.0%}, counted at the stated {stated}",
                    conclusion=f"{rows[0].workload}: the FLOPs belong to another input than the stated one",
                )
            )
    return findings


def params_off_by_ten(entries: tuple[Entry, ...]) -> list[Finding]:
    """Parameters a power of ten away from the network's own are a slip of the decimal point."""
    findings = []
    for rows in grouped(entries, lambda entry: entry.workload):
        slipped = [
            (e, e.params, e.expected_params) for e in rows if e.params and e.expected_params and _slip(e)
        ]
        if slipped:
            findings.append(
                Finding(
                    rule="params_off_by_ten",
                    severity=Severity.INCONSISTENT,
                    cells=tuple(params.where for _, params, _ in slipped),
                    arithmetic=tuple(
                        f"{e.technique}: {counted / 1e6:.2f}M counted / {params.text} = "
                        f"{counted / params.value:.2f}"
                        for e, params, counted in slipped
                    ),
                    bound=f"1; a power of ten within {SLIP_SLACK:.0%} is a slip of the decimal point",
                    conclusion=f"{rows[0].workload}: the parameters are misprinted by a factor of "
                    f"{10.0 ** abs(_slip(slipped[0][0])):g}",
                )
            )
    return findings


def params_not_those_of_the_technique(entries: tuple[Entry, ...]) -> list[Finding]:
    """Parameters are known before anything is measured; a printed count fits them or does not."""
    baselines = {entry.workload: entry for entry in entries if entry.is_baseline}
    findings = []
    for entry in entries:
        if entry.params is None or entry.expected_params is None:
            continue
        read = entry.params.times(10.0 ** _slip(entry))
        if read.low <= entry.expected_params <= read.high:
            continue
        baseline = baselines.get(entry.workload)
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
                severity=Severity.INCONSISTENT,
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
        few, many = sorted((one, other), key=lambda entry: entry.num_classes or 0)
        if few.params is None or many.params is None or not few.num_classes or not many.num_classes:
            continue
        if few.num_classes == many.num_classes:
            continue
        growth = many.params.times(10.0 ** _slip(many)).high - few.params.times(10.0 ** _slip(few)).low
        needed = (many.num_classes - few.num_classes) * many.params_per_class
        if growth >= needed:
            continue
        pair = (few.workload, many.workload)
        line = f"{few.technique}: {many.params.text} - {few.params.text}, at most {growth / 1e6:.3f}M"
        found.setdefault(pair, []).append((line, (few.params.where, many.params.where)))
        classes = f"{many.num_classes} - {few.num_classes} classes x {many.params_per_class} parameters"
        bounds[pair] = f"{needed / 1e6:.3f}M: {classes}"
    return [
        Finding(
            rule="classes_without_parameters",
            severity=Severity.INCONSISTENT,
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


def _off(number: Number, expected: float) -> bool:
    return number.high < expected * (1 - AREA_SLACK) or number.low > expected * (1 + AREA_SLACK)


def _pairs(entries: tuple[Entry, ...]) -> Iterator[tuple[Entry, Entry]]:
    """Go through pairs of entries that differ in the workload alone, in the order of the entries."""
    known = [entry for entry in entries if entry.network is not None]
    for one, other in combinations(known, 2):
        if one.workload != other.workload and _beside_workload(one) == _beside_workload(other):
            yield one, other


def _beside_workload(entry: Entry) -> tuple[str, str, str | None]:
    return entry.technique, entry.wider_group, entry.network


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
