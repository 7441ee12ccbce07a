"""Comparing with the baseline: what is outside its tolerance, what is inside, and what is refused."""

import re
from dataclasses import replace

import pytest

from bench_tests.harness.made_records import (
    MACHINE,
    SETTING,
    diverged_result,
    failure_result,
    inference_result,
    record_of,
    training_result,
)
from greenbench.errors import UserError
from greenbench.records.results import Skipped
from greenbench.spec.scale import SCALES
from greenbench.spec.technique import BASELINE, Technique
from greenbench.spec.workload import Metric, Setting
from greenbench.study.catalog import discover
from greenbench.verdict.misses import Miss, below_floor, misses
from greenbench.verdict.quantities import QUANTITIES
from greenbench.verdict.tolerances import Origin, Tolerance, load_tolerances, own_rows, read_tolerances

DROP = Tolerance("smoke", "score", "test", allowed_drop=0.05)
RATIO = Tolerance("smoke", "latency_ms", "test", allowed_ratio=2.0)
PERPLEXITY = Metric("accuracy", "Perplexity", unit="", better="lower")
BASELINE_RECORD = record_of(result=training_result(0.9))


def missed(result, tolerances, technique="mixup", baseline=BASELINE_RECORD, **facts):
    return misses([record_of(technique, result, **facts)], [baseline], tolerances)


@pytest.mark.parametrize(("score", "count"), [(0.95, 0), (0.85, 0), (0.84, 1)])
def test_a_drop_beyond_the_tolerance_is_a_miss(score, count):
    found = missed(training_result(score), [DROP])
    assert len(found) == count
    for miss in found:
        assert (miss.id, miss.quantity) == ("mixup-digits", "score")
        assert (miss.value, miss.baseline) == (pytest.approx(0.84), pytest.approx(0.9))
        assert miss.message == (
            "mixup-digits: Accuracy is 0.84, the baseline's 0.9; allowed is 0.85, 0.05 below the baseline (test)"
        )


@pytest.mark.parametrize(("score", "count"), [(1.0, 0), (2.05, 0), (2.06, 1)])
def test_where_less_is_better_a_rise_is_the_miss(score, count):
    baseline = record_of(result=training_result(2.0), metric=PERPLEXITY)
    found = missed(training_result(score), [DROP], baseline=baseline, metric=PERPLEXITY)
    assert len(found) == count
    assert all(
        "Perplexity is 2.06" in miss.message and "above the baseline" in miss.message for miss in found
    )


@pytest.mark.parametrize(("latency_ms", "count"), [(1.0, 0), (4.0, 0), (4.1, 1)])
def test_a_cost_beyond_its_ratio_is_a_miss(latency_ms, count):
    baseline = record_of(result=inference_result(2.0))
    found = missed(inference_result(latency_ms), [RATIO], "blurpool", baseline)
    assert len(found) == count
    assert all("2 times the baseline" in miss.message for miss in found)


@pytest.mark.parametrize(("energy_j", "count"), [(2.5, 1), (1.5, 0), (None, 0)])
def test_energy_is_compared_where_both_were_measured(energy_j, count):
    row = Tolerance("smoke", "train_energy_j", "test", allowed_ratio=2.0)
    baseline = record_of(result=training_result(0.9, energy_j=1.0))
    assert len(missed(training_result(0.9, energy_j), [row], baseline=baseline)) == count


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (diverged_result(step=7), "mixup-digits, seed 0: diverged at step 7"),
        (
            failure_result("KeyError: 'x'"),
            "seed 0: failed, stage training: KeyError: 'x'. Next step: look at own.py",
        ),
    ],
)
def test_a_run_without_a_result_is_a_miss_of_its_own(result, words):
    (miss,) = missed(result, [DROP], kind="training")
    assert (miss.quantity, miss.value, miss.baseline) == ("status", None, None)
    assert words in miss.message


def test_a_failed_seed_does_not_hide_the_others():
    records = [
        record_of("mixup", failure_result(), kind="training"),
        record_of("mixup", training_result(0.5), seed=1),
    ]
    baseline = [record_of(result=training_result(0.9), seed=seed) for seed in (0, 1)]
    assert [miss.quantity for miss in misses(records, baseline, [DROP])] == ["status", "score"]


def test_without_a_sound_baseline_nothing_is_compared():
    assert (
        missed(training_result(0.1), [DROP], baseline=record_of(result=failure_result(), kind="training"))
        == []
    )


def test_the_baseline_is_never_behind_itself():
    assert misses([record_of(result=training_result(0.1))], [BASELINE_RECORD], [DROP]) == []


def test_the_most_specific_row_counts():
    own = Tolerance("smoke", "score", "its own", technique="mixup", allowed_drop=0.5)
    other = Tolerance("smoke", "score", "another's", technique="radam", allowed_drop=0.0)
    of_workload = Tolerance("smoke", "score", "the workload's", workload="digits", allowed_drop=0.3)
    both = Tolerance("smoke", "score", "both", technique="mixup", workload="digits", allowed_drop=0.0)
    weak = training_result(0.5)
    assert not missed(weak, [DROP, of_workload, other, own])
    assert "the workload's" in missed(weak, [DROP, of_workload, other])[0].message
    assert "both" in missed(weak, [both, own, DROP])[0].message


def test_rows_of_other_scales_workloads_and_quantities_do_not_apply():
    rows = [
        replace(DROP, scale="short"),
        replace(DROP, workload="scenes4"),
        Tolerance("smoke", "train_score", "test", technique="radam", allowed_drop=0.0),
    ]
    assert missed(training_result(0.1), rows) == []


def of_parts(name, technique, **bound):
    return Tolerance("smoke", name, f"{technique}'s", technique=technique, **bound)


@pytest.mark.parametrize(("latency_ms", "count"), [(12.0, 0), (12.1, 1)])
def test_a_composition_may_cost_what_its_parts_may_cost_together(latency_ms, count):
    rows = [
        of_parts("latency_ms", "blurpool", allowed_ratio=3.0),
        of_parts("latency_ms", "coordconv", allowed_ratio=2.0),
        RATIO,
    ]
    baseline = record_of(result=inference_result(2.0))
    found = missed(inference_result(latency_ms), rows, "blurpool+coordconv", baseline)
    assert len(found) == count
    assert all("blurpool: blurpool's; coordconv: coordconv's" in miss.message for miss in found)


@pytest.mark.parametrize(("score", "count"), [(0.601, 0), (0.599, 1)])
def test_a_composition_may_lose_what_its_parts_may_lose_together(score, count):
    """`mixup` has a row of its own, `blurpool` the one for all."""
    rows = [of_parts("score", "mixup", allowed_drop=0.25), DROP]
    assert len(missed(training_result(score), rows, "blurpool+mixup")) == count


def test_a_composition_with_a_part_without_a_bound_has_none():
    assert (
        missed(training_result(0.1), [of_parts("score", "mixup", allowed_drop=0.25)], "blurpool+mixup") == []
    )


def test_the_shipped_bounds_of_blurpool_hold_for_blurpool_with_mixup():
    baseline = record_of(result=inference_result(2.0))
    doubled = inference_result(2.0)
    doubled = replace(doubled, conv_macs=round(doubled.conv_macs * 1.9))
    for name in ("blurpool", "blurpool+mixup"):
        assert missed(doubled, load_tolerances(), name, baseline) == []
    assert missed(doubled, load_tolerances(), "coordconv", baseline)


def test_seeds_are_compared_pairwise():
    baseline = [record_of(result=training_result(a), seed=s) for s, a in enumerate((0.9, 0.5))]
    # Only seed 1 is shared: it is 0.02 below its partner, though 0.22 below the baseline's mean.
    assert not misses([record_of("mixup", training_result(0.48), seed=1)], baseline, [DROP])


def test_a_seed_without_a_partner_does_not_hide_a_miss():
    ours = [record_of("blurpool", inference_result(ms), seed=seed) for seed, ms in enumerate((10.0, 2.5))]
    (miss,) = misses(ours, [record_of(result=inference_result(1.0), seed=1)], [RATIO])
    assert (miss.value, miss.baseline) == (2.5, 1.0)


def test_records_under_unlike_conditions_are_refused():
    other = record_of("mixup", machine=replace(MACHINE, driver="570"))
    with pytest.raises(UserError, match=r"machine.driver is '570' in one and None in the other"):
        misses([other], [BASELINE_RECORD], [DROP])
    with pytest.raises(UserError, match=r"setting.epochs"):
        misses([record_of("mixup", setting={**SETTING, "epochs": 5})], [BASELINE_RECORD], [DROP])
    with pytest.raises(UserError, match=r"mode is 'fast' in one and 'paper' in the other"):
        misses([record_of("mixup", mode="fast")], [BASELINE_RECORD], [DROP])


FLOOR = Setting(epochs=1, batch_size=1, learning_rate=1.0, floor=0.95, floor_source="five seeds")


@pytest.mark.parametrize(("score", "count"), [(0.95, 0), (0.94, 1)])
def test_a_baseline_is_held_against_its_workload_s_floor(score, count):
    found = below_floor([record_of(result=training_result(score))], FLOOR)
    expected = "baseline-digits: Accuracy is 0.94, short of the floor of 0.95 (five seeds)"
    assert found == [Miss("baseline-digits", "score", 0.94, None, expected)] * count


@pytest.mark.parametrize(("score", "count"), [(0.95, 0), (0.96, 1)])
def test_where_less_is_better_the_floor_is_a_ceiling(score, count):
    record = record_of(result=training_result(score), metric=PERPLEXITY)
    assert len(below_floor([record], FLOOR)) == count


def test_no_floor_and_no_score_are_no_miss():
    assert below_floor([record_of(result=training_result(0.1))], replace(FLOOR, floor=None)) == []
    assert below_floor([record_of(result=diverged_result())], FLOOR) == []
    assert below_floor([record_of(result=inference_result(1.0))], FLOOR) == []


@pytest.mark.parametrize(
    ("quantity", "bounds", "words"),
    [
        ("score", {}, "states no bound; state allowed_drop"),
        (
            "score",
            {"allowed_drop": 1.0, "allowed_ratio": 1.0},
            "states allowed_ratio; state allowed_drop alone",
        ),
        ("score", {"allowed_ratio": 1.0}, "states allowed_ratio; state allowed_drop alone"),
        ("params", {"allowed_drop": 1.0}, "states allowed_drop; state allowed_ratio alone"),
        ("params", {"allowed_ratio": -1.0}, "the allowed_ratio -1.0; give a number"),
        ("params", {"allowed_ratio": float("nan")}, "the allowed_ratio nan; give a number"),
        ("params", {"allowed_ratio": float("inf")}, "the allowed_ratio inf; give a number"),
        ("params", {"allowed_ratio": "1"}, "the allowed_ratio '1'; give a number"),
        ("params", {"allowed_ratio": True}, "the allowed_ratio True; give a number"),
    ],
)
def test_a_row_states_the_one_bound_that_its_quantity_has(quantity, bounds, words):
    with pytest.raises(UserError, match=f"the tolerance of {quantity} at scale smoke .*{words}"):
        Tolerance("smoke", quantity, "test", **bounds)


def test_a_row_about_an_unknown_quantity_is_refused():
    with pytest.raises(UserError, match="quantity 'speed' is unknown"):
        Tolerance("smoke", "speed", "test", allowed_drop=0.1)


ROW = """
[[change]]
scale = "smoke"
quantity = "score"
allowed_drop = 0.5
"""


@pytest.fixture
def written(tmp_path):
    """Return a function that writes a file of tolerances."""

    def write(text):
        file = tmp_path / "mine.toml"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return file

    return write


def test_rows_of_a_user_s_file(written):
    file = written(ROW + ROW + 'technique = "mixup"\nworkload = "digits"\nsource = "a guess"\n')
    first, second = read_tolerances(file)
    assert first == Tolerance("smoke", "score", str(file), allowed_drop=0.5, origin=Origin.FILE)
    assert (second.technique, second.workload, second.source) == ("mixup", "digits", "a guess")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            ROW + ROW.replace("score", "scor"),
            ", row 2: quantity 'scor' is unknown; choose one of train_score",
        ),
        (ROW + "allowed_dorp = 1\n", ", row 1: the key 'allowed_dorp' is unknown; choose from scale"),
        (ROW + "origin = 3\n", ", row 1: the key 'origin' is unknown"),
        (ROW.replace("allowed_drop = 0.5", ""), ", row 1: the tolerance of score .* states no bound; state"),
        (ROW + "allowed_ratio = 2\n", ", row 1: .* states allowed_ratio; state"),
        (ROW.replace("0.5", "'much'"), ", row 1: .* has the allowed_drop 'much'; give a number"),
        (ROW.replace("0.5", "-0.5"), ", row 1: .* has the allowed_drop -0.5; give a number"),
        (ROW.replace("0.5", "nan"), ", row 1: .* has the allowed_drop nan; give a number"),
        (ROW.replace("smoke", "smog"), ", row 1: the scale 'smog' is unknown; choose one of smoke"),
        (ROW.replace('scale = "smoke"', ""), ", row 1: scale is None, not a text; state scale"),
        (ROW + "technique = 3\n", ", row 1: technique is 3, not a text"),
        (ROW.replace("= 0.5", "0.5"), " is not TOML: .*line 5.*; mend that line"),
        ("", r" has no rows where \[\[change\]\] is expected; write each"),
        ("[params]\nallowed_ratio = 2\n", r" has params where \[\[change\]\] is expected"),
        ("change = 5\n", r" has no rows where \[\[change\]\] is expected"),
        (b"\xe9", " is not encoded as UTF-8; save it"),
    ],
)
def test_a_user_s_file_that_is_wrong_is_named_with_row_and_cure(written, text, words):
    file = written(text)
    with pytest.raises(UserError, match=f"^{re.escape(str(file))}{words}"):
        read_tolerances(file)


def test_a_user_s_file_that_is_not_there_is_named(tmp_path):
    for file in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(UserError, match=f"the tolerances {file} cannot be read .*; give the path"):
            read_tolerances(file)


def stating(name, **tolerances):
    return Technique(name, "Optimizer", "x", lambda recipe: recipe, tolerances=tolerances)


DIGITS = discover().workloads["digits"]


def of_workload(**tolerances):
    return replace(DIGITS, tolerances=tolerances)


def test_what_techniques_and_workloads_state_holds_at_every_scale():
    of_technique, of_its_workload = own_rows("paper", stating("mixup", score=0.2), of_workload(params=3))
    assert of_technique == Tolerance(
        "paper", "score", "stated by mixup", "mixup", allowed_drop=0.2, origin=Origin.TECHNIQUE
    )
    assert of_its_workload == Tolerance(
        "paper", "params", "stated by digits", None, "digits", allowed_ratio=3, origin=Origin.WORKLOAD
    )
    with pytest.raises(UserError, match="quantity 'scor' is unknown"):
        own_rows("paper", stating("mixup", scor=0.2))
    with pytest.raises(UserError, match="tolerances is 5; give a bound by quantity"):
        own_rows("paper", replace(stating("mixup"), tolerances=5))


def test_a_file_counts_before_a_technique_a_workload_and_the_package():
    """Whatever is more specific: the file's row is for every technique, the package's for this one on this workload."""
    package = replace(DROP, technique="mixup", workload="digits", source="package")
    workload = own_rows("smoke", of_workload(score=0.04))
    technique = own_rows("smoke", stating("mixup", score=0.03))
    file = replace(DROP, allowed_drop=0.02, source="file", origin=Origin.FILE)
    rows = []
    for more, source in (
        ([package], "package"),
        (workload, "stated by digits"),
        (technique, "stated by mixup"),
        ([file], "file"),
    ):
        rows = [*more, *rows]
        for order in (rows, rows[::-1]):
            (miss,) = missed(training_result(0.5), order)
            assert miss.message.endswith(f"({source})")


def test_the_most_specific_row_of_a_file_counts():
    general = replace(DROP, origin=Origin.FILE)
    own = replace(general, technique="mixup", allowed_drop=0.5)
    assert missed(training_result(0.5), [own, general]) == []


@pytest.mark.parametrize(("score", "count"), [(0.551, 0), (0.549, 1)])
def test_a_composition_takes_each_part_s_bound_from_where_it_is_stated(score, count):
    """`mixup` states its own, `blurpool` has the package's row."""
    rows = [*own_rows("smoke", stating("mixup", score=0.3), stating("blurpool")), DROP]
    found = missed(training_result(score), rows, "blurpool+mixup")
    assert len(found) == count
    assert all("any: test; mixup: stated by mixup" in miss.message for miss in found)


def test_a_file_may_state_the_bound_of_a_composition_itself():
    own = replace(DROP, technique="blurpool+mixup", allowed_drop=0.2, origin=Origin.FILE)
    assert missed(training_result(0.71), [own], "blurpool+mixup") == []
    assert len(missed(training_result(0.69), [own, DROP], "blurpool+mixup")) == 1


def test_a_technique_that_has_nothing_to_do_is_held_against_nothing():
    assert missed(Skipped("no ReLU"), [DROP], kind="training") == []


CATALOG = discover()


@pytest.mark.parametrize(
    "row", load_tolerances(), ids=lambda row: f"{row.scale}-{row.quantity}-{row.technique}-{row.workload}"
)
def test_every_shipped_row_is_sound(row):
    assert row.scale in SCALES
    assert row.quantity in QUANTITIES
    assert row.source
    if row.technique is not None:
        assert row.technique in CATALOG.techniques
        assert row.technique != BASELINE
    if row.workload is not None:
        assert row.scale in CATALOG.workloads[row.workload].settings
    if row.technique and row.workload:
        assert CATALOG.techniques[row.technique].applies_to(CATALOG.workloads[row.workload].task)
    assert (row.allowed_ratio or 1) >= 1


def test_no_two_shipped_rows_say_the_same():
    places = [(row.scale, row.quantity, row.technique, row.workload) for row in load_tolerances()]
    assert len(set(places)) == len(places)


def test_floors_have_a_source():
    for workload in CATALOG.workloads.values():
        for setting in workload.settings.values():
            assert (setting.floor is None) == (not setting.floor_source)


def test_a_run_beside_another_is_compared_in_what_that_does_not_change():
    disturbed = {"disturbed": "another run measured on this machine"}
    slow = Tolerance("smoke", "train_time_s", "test", allowed_ratio=2.0)
    baseline = [record_of(result=training_result(0.9))]
    ours = [record_of("mixup", training_result(0.5, seconds=9.0), **disturbed)]
    assert [miss.quantity for miss in misses(ours, baseline, [DROP, slow])] == ["score"]
    both = [record_of(result=training_result(0.9), **disturbed)]
    assert [miss.quantity for miss in misses(ours, both, [DROP, slow])] == ["score", "train_time_s"]
