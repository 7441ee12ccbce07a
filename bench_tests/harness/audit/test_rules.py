"""Every rule of the audit: a clean table passes, and a doctored one trips the rule."""

from dataclasses import replace
from functools import partial

import pytest

from greenbench.audit.boards import Board
from greenbench.audit.entries import Entry, Number
from greenbench.audit.findings import Severity
from greenbench.audit.rules import RULES, audit_entries
from greenbench.spec.workload import ACCURACY

BOARD = Board("Some board", power_limit_w=250.0, peak_flops=13.45e12)
WORK_SHARES = {"steady": 1.0, "halved": 0.5, "shortened": 0.75}


def number(entry, field, value, step=0.0):
    return Number(f"{entry.name}.{field}", value, f"{value:g}", step)


def clean_entry(technique, workload, side, classes):
    """A row in which everything holds: 200 W, CO2 by energy, FLOPs by area, parameters by classes."""
    extra = 1_728 if technique == "larger" else 0
    macs = round(1.3e9 * (side / 32) ** 2 * (1.5 if technique == "slower" else 1))
    params = 23_500_352 + 2_049 * classes + extra
    # Slower for its size where more is launched, so that latency and energy are not proportional.
    latency_s = 0.004 + macs / 1e12
    power_w = 150 + 20 * (technique == "slower") + 10 * (workload == "large")
    work = WORK_SHARES.get(technique, 1.0) * 3 * macs * 100_000 * 50
    entry = Entry(
        workload=workload,
        technique=technique,
        num_classes=classes,
        input=(side, side),
        is_baseline=technique == "baseline",
        network="residual",
        work_share=WORK_SHARES.get(technique),
        metric=ACCURACY,
        best_known={"accuracy": 0.65, "other": 0.86},
        expected_params=params,
        expected_macs=macs,
        params_per_class=2_049,
        train_macs=work,
        board=BOARD,
    )
    energy_j = power_w * latency_s
    return replace(
        entry,
        params=number(entry, "params", params),
        macs=number(entry, "macs", macs),
        latency_s=number(entry, "latency_s", latency_s),
        energy_j=number(entry, "energy_j", energy_j),
        co2_kg_per_week=number(entry, "co2_kg_per_week", 2.4 * energy_j),
        train_energy_j=number(entry, "train_energy_j", 2 * work / 13.45e12 * 250 * 1.3),
        train_seconds=number(entry, "train_seconds", 2 * work / 13.45e12 * 1.5),
        score=number(entry, "score", 0.64),
    )


def clean_table():
    techniques = ("baseline", "slower", "larger", *WORK_SHARES)
    return tuple(
        clean_entry(technique, workload, side, classes)
        for workload, side, classes in (("small", 32, 100), ("large", 64, 200))
        for technique in techniques
    )


def doctored(technique, workload="large", **factors):
    """The clean table with some figures of one row multiplied."""
    return tuple(
        replace(e, **{field: getattr(e, field).times(factor) for field, factor in factors.items()})
        if (e.technique, e.workload) == (technique, workload)
        else e
        for e in clean_table()
    )


def co2_made_from_latency():
    return tuple(
        replace(e, co2_kg_per_week=number(e, "co2_kg_per_week", 4_392.8 * e.latency_s.value))
        for e in clean_table()
    )


def classes_forgotten():
    few = {e.technique: e.params for e in clean_table() if e.workload == "small"}
    return tuple(replace(e, params=few[e.technique]) if e.workload == "large" else e for e in clean_table())


DOCTORS = {
    "power_above_board_limit": partial(doctored, "baseline", energy_j=2.0),
    "faster_than_the_board": partial(doctored, "baseline", latency_s=0.01),
    "co2_follows_latency": co2_made_from_latency,
    "flops_ratio_against_area": partial(doctored, "baseline", macs=0.25),
    "flops_of_another_input": partial(doctored, "slower", macs=2.0),
    "params_off_by_ten": partial(doctored, "baseline", params=0.1),
    "params_not_those_of_the_technique": partial(doctored, "larger", params=1.1),
    "classes_without_parameters": classes_forgotten,
    "energy_below_compute_floor": partial(doctored, "baseline", train_energy_j=0.5),
    "same_work_different_energy": partial(doctored, "steady", train_energy_j=1.18),
    "half_epochs_half_energy": partial(doctored, "halved", train_energy_j=1.2),
    "accuracy_above_reference": partial(doctored, "baseline", score=1.36),
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
        Entry(workload=e.workload, technique=e.technique, num_classes=e.num_classes, input=e.input)
        for e in clean_table()
    )
    assert rule.judge(rule.applicable(bare)) == []


def test_power_just_above_the_limit_is_implausible_and_far_above_it_impossible():
    def severities(factor):
        outcomes = {o.rule: o for o in audit_entries(doctored("baseline", energy_j=factor))}
        return {finding.severity for finding in outcomes["power_above_board_limit"].findings}

    assert severities(250 / 160) == set()  # the limit itself
    assert severities(255 / 160) == {Severity.IMPLAUSIBLE}
    assert severities(300 / 160) == {Severity.IMPOSSIBLE}


def test_each_row_is_held_against_its_own_board():
    strong = replace(BOARD, name="Strong board", power_limit_w=1000.0)
    table = doctored("baseline", energy_j=2.0)
    (finding,) = (f for o in audit_entries(table) if o.rule == "power_above_board_limit" for f in o.findings)
    assert BOARD.name in finding.bound
    on_two_boards = tuple(replace(e, board=strong) if e.is_baseline else e for e in table)
    assert "power_above_board_limit" not in tripped(on_two_boards)


def test_numbers_that_could_be_rounded_from_consistent_ones_are_let_pass():
    rough = tuple(
        replace(e, params=Number(e.params.where, round(e.params.value, -6), "24M", step=1e6))
        for e in clean_table()
    )
    assert not tripped(rough)


def test_any_stated_share_of_the_work_takes_that_share_of_the_energy():
    outcomes = {o.rule: o for o in audit_entries(doctored("shortened", train_energy_j=1.2))}
    (finding,) = outcomes["half_epochs_half_energy"].findings
    assert finding.bound == "0.75 of the baseline's energy within 5%"
    assert finding.conclusion == "large: 0.75 of the work did not take 0.75 of the energy"


def test_repeats_of_the_baseline_do_the_same_work():
    table = clean_table()
    repeat = replace(table[0], train_energy_j=table[0].train_energy_j.times(1.18))
    assert "same_work_different_energy" in tripped((*table, repeat))


@pytest.mark.parametrize("field", ["network", "wider_group"])
def test_workloads_with_other_networks_or_conditions_are_not_compared(field):
    table = doctored("baseline", macs=0.25)
    other = tuple(replace(e, **{field: e.workload}) for e in table)
    unknown = tuple(replace(e, network=None) for e in table)
    assert "flops_ratio_against_area" in tripped(table)
    assert "flops_ratio_against_area" not in tripped(other) | tripped(unknown)


@pytest.mark.parametrize("change", [{"unit": ""}, {"better": "lower"}])
def test_a_score_without_an_upper_limit_is_not_held_against_the_best_known(change):
    table = doctored("baseline", score=1.36)
    other = tuple(replace(e, metric=replace(ACCURACY, **change)) for e in table)
    assert "accuracy_above_reference" not in tripped(other)


def test_rows_of_different_machines_are_not_compared():
    table = doctored("steady", train_energy_j=1.18)
    elsewhere = tuple(replace(e, group=e.technique) for e in table)
    assert "same_work_different_energy" in tripped(table)
    assert "same_work_different_energy" not in tripped(elsewhere)
