"""Every rule of the audit: a clean table passes, and a doctored one trips the rule."""

import json
import subprocess
import sys
from dataclasses import replace
from functools import partial

import pytest

from greenbench.cli import main
from greenbench.paper.audit import RULES, audit_entries, audit_tables
from greenbench.paper.cells import published_cells
from greenbench.audit.entries import Entry, Figure, published_entries
from greenbench.audit.findings import Verdict
from greenbench.paper.setups import STUDY_BOARD
from greenbench.paper.claims import CLAIMS, Best, Difference, EveryOtherAbove, Implied


def figure(entry, field, value, step=0.0):
    return Figure(f"{entry.name}.{field}", value, f"{value:g}", step)


def clean_entry(technique, dataset, side, classes):
    """A row in which everything holds: 200 W, CO2 by energy, FLOPs by area, parameters by classes."""
    extra = {"coordconv": 1_728, "blurpool": 0}.get(technique, 0)
    macs = round(1.3e9 * (side / 32) ** 2 * (1.5 if technique == "blurpool" else 1))
    params = 23_500_352 + 2_049 * classes + extra
    # Slower for its size where more is launched, so that latency and energy are not proportional.
    latency_s = 0.004 + macs / 1e12
    power_w = 150 + 20 * (technique == "blurpool") + 10 * (dataset == "tiny_imagenet")
    half = 0.5 if technique == "poly_half_epochs" else 1.0
    work = half * 3 * macs * 100_000 * 50
    entry = Entry(
        dataset=dataset,
        technique=technique,
        task="classification",
        classes=classes,
        input=(side, side),
        expected_params=params,
        expected_macs=macs,
        params_per_class=2_049,
        train_macs=work,
        board=STUDY_BOARD,
    )
    energy_j = power_w * latency_s
    return replace(
        entry,
        params=figure(entry, "params", params),
        macs=figure(entry, "macs", macs),
        latency_s=figure(entry, "latency_s", latency_s),
        energy_j=figure(entry, "energy_j", energy_j),
        co2_kg_per_week=figure(entry, "co2_kg_per_week", 2.4 * energy_j),
        train_energy_j=figure(entry, "train_energy_j", 2 * work / 13.45e12 * 250 * 1.3),
        train_seconds=figure(entry, "train_seconds", 2 * work / 13.45e12 * 1.5),
        heldout=figure(entry, "heldout", 0.64),
    )


def clean_table():
    techniques = ("baseline", "blurpool", "coordconv", "random_gradient", "poly_half_epochs")
    return tuple(
        clean_entry(technique, dataset, side, classes)
        for dataset, side, classes in (("cifar100", 32, 100), ("tiny_imagenet", 64, 200))
        for technique in techniques
    )


def doctored(technique, dataset="tiny_imagenet", **factors):
    """The clean table with some figures of one row multiplied."""
    return tuple(
        replace(e, **{field: getattr(e, field).times(factor) for field, factor in factors.items()})
        if (e.technique, e.dataset) == (technique, dataset)
        else e
        for e in clean_table()
    )


def co2_made_from_latency():
    return tuple(
        replace(e, co2_kg_per_week=figure(e, "co2_kg_per_week", 4_392.8 * e.latency_s.value))
        for e in clean_table()
    )


def classes_forgotten():
    few = {e.technique: e.params for e in clean_table() if e.dataset == "cifar100"}
    return tuple(
        replace(e, params=few[e.technique]) if e.dataset == "tiny_imagenet" else e for e in clean_table()
    )


DOCTORS = {
    "power_above_board_limit": partial(doctored, "baseline", energy_j=2.0),
    "faster_than_the_board": partial(doctored, "baseline", latency_s=0.01),
    "co2_follows_latency": co2_made_from_latency,
    "flops_ratio_against_area": partial(doctored, "baseline", macs=0.25),
    "flops_of_another_input": partial(doctored, "blurpool", macs=2.0),
    "params_off_by_ten": partial(doctored, "baseline", params=0.1),
    "params_not_those_of_the_technique": partial(doctored, "coordconv", params=1.1),
    "classes_without_parameters": classes_forgotten,
    "energy_below_compute_floor": partial(doctored, "baseline", train_energy_j=0.5),
    "same_work_different_energy": partial(doctored, "random_gradient", train_energy_j=1.18),
    "half_epochs_half_energy": partial(doctored, "poly_half_epochs", train_energy_j=1.2),
    "accuracy_above_reference": partial(doctored, "baseline", heldout=1.36),
    "zero_is_no_measurement": partial(doctored, "baseline", energy_j=0.0),
}


def tripped(entries):
    return {rule.rule for rule in audit_entries(entries) if rule.findings}


def test_every_rule_has_a_doctored_table():
    assert {rule.name for rule in RULES} == set(DOCTORS)


def test_a_clean_table_trips_nothing_and_every_rule_has_judged_it():
    outcomes = audit_entries(clean_table())
    assert [rule.findings for rule in outcomes] == [()] * len(RULES)
    assert all(rule.checked for rule in outcomes)


@pytest.mark.parametrize("rule", DOCTORS)
def test_a_doctored_table_trips_its_rule(rule):
    outcomes = {outcome.rule: outcome for outcome in audit_entries(DOCTORS[rule]())}
    findings = outcomes[rule].findings
    assert findings
    for finding in findings:
        assert finding.rule == rule
        assert finding.cells
        assert finding.arithmetic
        assert finding.bound
        assert finding.conclusion


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_says_nothing_about_rows_without_what_it_needs(rule):
    bare = tuple(
        Entry(dataset=e.dataset, technique=e.technique, task=e.task, classes=e.classes, input=e.input)
        for e in clean_table()
    )
    assert rule.judge(rule.applicable(bare)) == []


def test_power_just_above_the_limit_is_implausible_and_far_above_it_impossible():
    def verdicts(factor):
        outcomes = {o.rule: o for o in audit_entries(doctored("baseline", energy_j=factor))}
        return {finding.verdict for finding in outcomes["power_above_board_limit"].findings}

    assert verdicts(250 / 160) == set()  # the limit itself
    assert verdicts(255 / 160) == {Verdict.IMPLAUSIBLE}
    assert verdicts(300 / 160) == {Verdict.IMPOSSIBLE}


def test_figures_that_could_be_rounded_from_consistent_ones_are_let_pass():
    rough = tuple(
        replace(e, params=Figure(e.params.where, round(e.params.value, -6), "24M", step=1e6))
        for e in clean_table()
    )
    assert not tripped(rough)


def test_rows_of_different_machines_are_not_compared():
    table = doctored("random_gradient", train_energy_j=1.18)
    elsewhere = tuple(replace(e, group=e.technique) for e in table)
    assert "same_work_different_energy" in tripped(table)
    assert "same_work_different_energy" not in tripped(elsewhere)


# The published tables, by what the project knows of them.


def published(rule):
    return next(outcome for outcome in audit_tables() if outcome.rule == rule)


def test_published_power_is_impossible_on_coco_stuff_in_all_eight_rows():
    impossible = [f for f in published("power_above_board_limit").findings if f.verdict == Verdict.IMPOSSIBLE]
    (finding,) = impossible
    assert finding.conclusion.startswith("coco_stuff")
    assert len(finding.cells) == 16
    assert "one_branch: 3.8 J / 6.52 ms = 583 W" in finding.arithmetic


def test_published_co2_is_one_constant_times_latency_in_all_30_rows():
    (finding,) = published("co2_follows_latency").findings
    assert len(finding.cells) == 30
    assert finding.arithmetic[0].startswith("CO2 / latency: 4.3926 to 4.3929 kg/wk per ms")
    assert "7.5 (" in finding.arithmetic[1]
    assert "45.8 kg/wk per J" in finding.arithmetic[1]


def test_published_flops_grow_by_1_4_where_the_area_grows_by_1_56():
    finding = published("flops_ratio_against_area").findings[0]
    assert finding.arithmetic[0] == "baseline: 36.3G / 25.93G = 1.400"
    assert finding.bound.startswith("1.5625")


def test_published_parameters_of_table_4_are_ten_times_too_small_in_all_14_rows():
    findings = published("params_off_by_ten").findings
    assert sum(len(finding.cells) for finding in findings) == 14


def test_the_three_figures_that_no_count_reproduces_are_explained():
    findings = published("params_not_those_of_the_technique").findings
    assert [finding.cells for finding in findings] == [
        ("Table 3 coco_stuff/ge_theta/params",),
        ("Table 4 cifar100/coordconv/params",),
        ("Table 4 tiny_imagenet/coordconv/params",),
    ]
    assert "adds 1,728 to the baseline's 23,705,252" in findings[1].bound


def test_published_classes_of_coco_stuff_are_those_of_cityscapes():
    (finding,) = published("classes_without_parameters").findings
    assert "171 - 19 classes" in finding.bound


def test_published_tiny_imagenet_energy_is_below_11_6_megajoules():
    (finding,) = published("energy_below_compute_floor").findings
    assert finding.arithmetic[0].startswith("baseline: 6.89 MJ")
    assert finding.arithmetic[0].endswith("11.6 MJ")


def test_published_energy_of_equal_work_differs_by_18_29_and_38_percent():
    lines = published("same_work_different_energy").findings[-1].arithmetic
    assert [line.rpartition(" ")[0].rpartition(" ")[2] for line in lines] == ["+18", "+29", "+38"]


def test_published_half_epochs_on_coco_stuff_take_8_percent_more_than_half():
    finding = published("half_epochs_half_energy").findings[0]
    assert finding.arithmetic == ("poly_half_epochs: 35.6 MJ / (0.5 x 65.8 MJ) = 1.082, +8 %",)


def test_published_tiny_imagenet_accuracy_reads_like_top_5():
    (finding,) = published("accuracy_above_reference").findings
    assert len(finding.cells) == 14
    assert "top-5" in finding.conclusion


def test_the_text_disagrees_with_the_tables_in_known_places():
    found = {(f.verdict, f.cells[0]) for f in published("text_against_tables").findings}
    assert found == {
        (Verdict.ROUNDING, "Table 1 coco_stuff/radam/val_miou"),
        (Verdict.ROUNDING, "Table 1 coco_stuff/soft_dice/train_miou"),
        (Verdict.INCONSISTENT, "Table 1 cityscapes/random_gradient/train_miou"),
        (Verdict.INCONSISTENT, "Table 3 cityscapes/coordconv/flops"),
    }


HOLDING = {
    Difference: Difference("4.4", "cityscapes", "radam", "val_miou", "-1.5"),
    Best: Best("4.6", "coco_stuff", "focal", "val_miou"),
    EveryOtherAbove: EveryOtherAbove("4.6", "cifar100", "time"),
    Implied: Implied("4.6", "cityscapes", "coordconv", "flops", 27.1643, "one layer"),
}
BROKEN = {
    Difference: ("cityscapes", "radam", "val_miou", "66.8"),
    Best: ("coco_stuff", "focal", "val_miou", "20.0"),
    EveryOtherAbove: ("cifar100", "coordconv", "time", "6.59"),
    Implied: ("cityscapes", "coordconv", "flops", "28.40"),
}


def with_cell(dataset, technique, metric, printed):
    return tuple(
        replace(cell, printed=printed)
        if (cell.dataset, cell.technique, cell.metric) == (dataset, technique, metric)
        else cell
        for cell in published_cells()
    )


def test_every_kind_of_claim_is_tested():
    assert {type(claim) for claim in CLAIMS} == set(HOLDING) == set(BROKEN)


@pytest.mark.parametrize("kind", HOLDING, ids=lambda kind: kind.__name__)
def test_a_claim_holds_or_is_broken_by_a_doctored_cell(kind):
    assert HOLDING[kind].judge(published_cells()) is None
    finding = HOLDING[kind].judge(with_cell(*BROKEN[kind]))
    assert finding is not None
    assert finding.verdict == Verdict.INCONSISTENT
    assert finding.cells


def test_every_claim_is_about_cells_that_exist():
    names = {(cell.dataset, cell.metric) for cell in published_cells()}
    assert all((claim.dataset, claim.metric) in names for claim in CLAIMS)


def test_published_rows_join_training_and_inference():
    entries = {entry.name: entry for entry in published_entries()}
    assert len(entries) == 64
    assert entries["cityscapes/blurpool"].energy_j.text == "2.892 J"
    assert entries["cityscapes/blurpool"].train_energy_j.value == pytest.approx(26.2e6)
    assert entries["cityscapes/mixup"].energy_j is None


def test_the_command_prints_the_tables_findings_as_json(capsys):
    assert main(["audit", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert {"rule", "verdict", "cells", "arithmetic", "bound", "conclusion"} == set(content["findings"][0])
    assert len(content["rules"]) == len(RULES) + 1
    assert sum(rule["findings"] for rule in content["rules"]) == len(content["findings"])


def test_the_command_prints_arithmetic_and_bound(capsys):
    assert main(["audit"]) == 0
    out = capsys.readouterr().out
    assert "baseline: 4.41 J / 7.81 ms = 565 W" in out
    assert "bound: 250 W, the limit of NVIDIA GeForce RTX 2080 Ti" in out


def test_auditing_the_tables_imports_no_torch():
    code = "import sys; from greenbench.cli import main; main(['audit']); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
