"""Rules on what is claimed of inference: power, CO2, FLOPs and parameters."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations

from greenbench.paper.entries import Entry, Figure
from greenbench.paper.findings import Finding, Rule, Verdict
from greenbench.paper.setups import as_text

METER_ERROR = 0.13
"""Largest error of a board's own power reading found by Yang et al., SC24 (RTX 2060 Super, +12.8 %)."""

LIMIT_SLACK = 0.01
"""A board regulates around its limit, so that means of one percent more are seen."""

AREA_SLACK = 0.05
"""Multiply-adds of these networks follow the area up to rounded map sizes and the class count."""

SLIP_SLACK = 0.03
"""How near to a power of ten a ratio must be to be called a slip of the decimal point."""

SAME_CONSTANT = 0.001
"""Exact figures count as proportional if their ratios agree this well."""


def power_above_board_limit(entries: tuple[Entry, ...]) -> list[Finding]:
    """Energy over time is power, and a board has a limit for that."""
    findings = []
    for dataset, rows in _by_dataset(entries):
        draws = [(row.technique, *draw, row.board) for row in rows if row.board for draw in _draws(row)]
        for verdict, above, beyond in (
            (Verdict.IMPOSSIBLE, 1 + METER_ERROR, math.inf),
            (Verdict.IMPLAUSIBLE, 1 + LIMIT_SLACK, 1 + METER_ERROR),
        ):
            over = [
                (technique, energy, seconds, board)
                for technique, energy, seconds, board in draws
                if above < energy.low / seconds.high / board.power_limit_w <= beyond
            ]
            if not over:
                continue
            board = over[0][3]
            worst = board.power_limit_w * (1 + METER_ERROR)
            side = "beyond" if verdict == Verdict.IMPOSSIBLE else "within"
            findings.append(
                Finding(
                    rule="power_above_board_limit",
                    verdict=verdict,
                    cells=tuple(f.where for _, *figures, _ in over for f in figures),
                    arithmetic=tuple(
                        f"{technique}: {energy.text} / {seconds.text} = {energy.value / seconds.value:.0f} W"
                        for technique, energy, seconds, _ in over
                    ),
                    bound=f"{board.power_limit_w:g} W, the limit of {board.name}; with the worst known error "
                    f"of such readings, {worst:.0f} W",
                    conclusion=f"{dataset}: the power is above the board's limit, {side} the error of the "
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
                verdict=Verdict.IMPOSSIBLE,
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
    rows = [e for e in entries if e.co2_kg_per_week and e.latency_s and e.energy_j]
    if len(rows) < 3:
        return []
    by_time = [_ratio(e.co2_kg_per_week, e.latency_s) for e in rows]
    by_energy = [_ratio(e.co2_kg_per_week, e.energy_j) for e in rows]
    if not _one_constant(by_time) or _one_constant(by_energy):
        return []
    low, high = max(low for low, _ in by_time) / 1e3, min(high for _, high in by_time) / 1e3
    least, most = (extreme(rows, key=_co2_per_joule) for extreme in (min, max))
    return [
        Finding(
            rule="co2_follows_latency",
            verdict=Verdict.INCONSISTENT,
            cells=tuple(e.co2_kg_per_week.where for e in rows if e.co2_kg_per_week),
            arithmetic=(
                f"CO2 / latency: {low:.4f} to {high:.4f} kg/wk per ms fits all {len(rows)} rows",
                f"CO2 / energy is not: {_co2_per_joule(least):.1f} ({least.name}) to "
                f"{_co2_per_joule(most):.1f} kg/wk per J ({most.name})",
            ),
            bound="CO2 = energy x frames x carbon intensity: one constant per joule, whatever the latency",
            conclusion="the CO2 column holds latency times a constant; it says nothing about measured energy",
        )
    ]


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
    for dataset, rows in _by_dataset(entries):
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
    for dataset, rows in _by_dataset(entries):
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


def _draws(entry: Entry) -> Iterator[tuple[Figure, Figure]]:
    """Go through the energies of an entry with the times that they were drawn in."""
    seconds = entry.energy_seconds or entry.latency_s
    if entry.energy_j and seconds:
        yield entry.energy_j, seconds
    if entry.train_energy_j and entry.train_seconds:
        yield entry.train_energy_j, entry.train_seconds


def _ratio(above: Figure | None, below: Figure | None) -> tuple[float, float]:
    """Return the interval of a ratio of rounded figures; exact ones get a little room."""
    assert above is not None
    assert below is not None
    low = (above.value - above.step / 2) / (below.value + below.step / 2)
    high = (above.value + above.step / 2) / (below.value - below.step / 2)
    slack = 0.0 if above.step else SAME_CONSTANT / 2
    return low * (1 - slack), high * (1 + slack)


def _one_constant(intervals: list[tuple[float, float]]) -> bool:
    return max(low for low, _ in intervals) <= min(high for _, high in intervals)


def _co2_per_joule(entry: Entry) -> float:
    co2, energy = entry.co2_kg_per_week, entry.energy_j
    assert co2 is not None
    assert energy is not None
    return co2.value / energy.value


def _slip(entry: Entry) -> int:
    """Return the power of ten by which the parameters are too small, 0 for none."""
    if entry.params is None or entry.expected_params is None or entry.params.value <= 0:
        return 0
    exponent = math.log10(entry.expected_params / entry.params.value)
    nearest = round(exponent)
    return nearest if abs(10 ** (exponent - nearest) - 1) <= SLIP_SLACK else 0


def _off(figure: Figure, expected: float, slack: float) -> bool:
    return figure.high < expected * (1 - slack) or figure.low > expected * (1 + slack)


def _by_dataset(entries: tuple[Entry, ...]) -> Iterator[tuple[str, list[Entry]]]:
    for dataset in dict.fromkeys(e.dataset for e in entries):
        yield dataset, [e for e in entries if e.dataset == dataset]


def _pairs(entries: tuple[Entry, ...]) -> Iterator[tuple[Entry, Entry]]:
    """Go through pairs of entries that differ in the data set alone, in the order of the entries."""
    for one, other in combinations(entries, 2):
        if (one.technique, one.group) == (other.technique, other.group) and one.dataset != other.dataset:
            yield one, other


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
