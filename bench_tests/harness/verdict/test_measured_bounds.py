"""Tolerances from records: the rule by hand, what chance alone does, and a file that is read as it was written."""

import math
import statistics
from dataclasses import replace

import numpy as np
import pytest

from bench_tests.harness.made_records import inference_result, record_of, training_result
from greenbench.cli import main
from greenbench.errors import UserError
from greenbench.records.folder import RecordFolder
from greenbench.spec.scale import SCALES
from greenbench.verdict.measured_bounds import SIGMAS, measured_bounds
from greenbench.verdict.misses import misses
from greenbench.verdict.tolerances import as_toml, read_tolerances

SEEDS = 6
TESTED = SCALES["smoke"].seeds


def study(means, sd=0.005, seeds=SEEDS, stream=0):
    """Return records of a baseline (mean 0.9) and techniques, whose scores scatter with one deviation."""
    random = np.random.default_rng(stream)
    means = {"baseline": 0.9} | means
    return [
        record_of(name, training_result(float(mean + sd * random.standard_normal())), seed=seed)
        for name, mean in means.items()
        for seed in range(seeds)
    ]


def bounds_of(records, quantity="score"):
    rows = measured_bounds(records, [quantity])
    return {row.technique: row.allowed_drop if quantity == "score" else row.allowed_ratio for row in rows}


def test_the_rule_by_hand_for_two_rows_of_equal_scatter():
    ours, theirs = [0.80, 0.81, 0.79, 0.82], [0.90, 0.90, 0.91, 0.89]
    records = [
        record_of(name, training_result(score), seed=seed)
        for name, scores in (("baseline", theirs), ("mixup", ours))
        for seed, score in enumerate(scores)
    ]
    differences = [a - b for a, b in zip(ours, theirs, strict=True)]
    spread = statistics.stdev(differences) / math.sqrt(2)  # of one run
    chance = SIGMAS * spread * math.sqrt(2 / 4 + 2 / TESTED)
    found = bounds_of(records)
    assert found[None] == pytest.approx(chance, abs=0.005)
    assert found["mixup"] == pytest.approx(0.095 + chance, abs=0.005)
    assert found[None] >= chance
    assert found["mixup"] >= 0.095 + chance


def test_a_technique_that_gains_is_allowed_no_more_than_chance():
    found = bounds_of(study({"better": 0.95, "worse": 0.8}))
    assert set(found) == {None, "worse"}
    assert found["worse"] == pytest.approx(0.1 + found[None], abs=0.012)


def test_one_that_scatters_far_more_has_a_deviation_of_its_own():
    wild = [record_of("wild", training_result(0.5 + 0.1 * (seed % 2)), seed=seed) for seed in range(SEEDS)]
    records = study(dict.fromkeys("abcdef", 0.9))
    assert bounds_of(records)[None] == bounds_of(records + wild)[None]
    assert bounds_of(records + wild)["wild"] > 0.35 + 2 * bounds_of(records)[None]


def test_costs_are_compared_by_ratios_and_counted_ones_have_no_chance_in_them():
    def records(name, latency_ms, macs):
        return [
            record_of(name, replace(inference_result(latency_ms), conv_macs=macs), seed=seed)
            for seed in range(SEEDS)
        ]

    rows = records("baseline", 2.0, 1000) + records("wide", 5.0, 1984) + records("same", 2.0, 1000)
    assert bounds_of(rows, "conv_macs") == {None: 1.99, "same": 1.0}
    assert bounds_of(rows, "latency_ms") == {None: 7.5, "same": 3.0}, "three times, for other machines"


def test_one_seed_is_enough_for_what_is_counted():
    rows = [
        record_of(name, replace(inference_result(2.0), conv_macs=macs))
        for name, macs in (("baseline", 1000), ("wide", 1984))
    ]
    (row,) = measured_bounds(rows, ["conv_macs"])
    assert (row.allowed_ratio, row.source) == (1.99, "1 technique, 1 seed, 2026-01-01")
    with pytest.raises(UserError, match="2 seeds"):
        measured_bounds(rows, ["latency_ms"])


def test_equal_techniques_are_seldom_outside_and_three_points_are_seen():
    """At the deviation of digits: the rows of one study judge another one."""
    names = [*"abcdefghijklm"]
    outside = seen = 0
    for stream in range(20):
        rows = measured_bounds(study(dict.fromkeys(names, 0.9), seeds=TESTED, stream=stream), ["score"])
        new = study(dict.fromkeys(names, 0.9) | {"a": 0.87}, seeds=TESTED, stream=100 + stream)
        baseline = [record for record in new if record.case.technique == "baseline"]
        for name in names:
            found = misses([record for record in new if record.case.technique == name], baseline, rows)
            outside += bool(found) and name != "a"
            seen += bool(found) and name == "a"
    assert outside <= 4, "of 240 comparisons"
    assert seen >= 17, "of 20 techniques that lose three points"


def test_what_does_not_say_how_it_scatters_is_refused():
    with pytest.raises(UserError, match=r"no technique was measured with 2 seeds .* --green-seeds 2 or more"):
        measured_bounds(study({"a": 0.9}, seeds=1), ["score"])
    with pytest.raises(UserError, match="no technique was measured"):
        measured_bounds(study({}), ["score"])


def test_a_file_is_read_as_it_was_written(tmp_path):
    rows = measured_bounds(study({"worse": 0.8, "worst": 0.7}), ["score"])
    file = tmp_path / "mine.toml"
    file.write_text(as_toml(rows))
    assert [replace(row, origin=rows[0].origin) for row in read_tolerances(file)] == rows
    assert file.read_text().count("[[change]]") == 1


def test_the_command_writes_rows_and_keeps_those_of_other_scales(tmp_path, capsys):
    folder, file = tmp_path / "records", tmp_path / "mine.toml"
    for record in study({"worse": 0.8}):
        RecordFolder(folder).write(record)
    file.write_text('[[change]]\nscale = "paper"\nquantity = "params"\nallowed_ratio = 2\n')
    assert main(["tolerances", str(folder), "--into", str(file)]) == 0
    assert {row.scale for row in read_tolerances(file)} == {"smoke", "paper"}
    again = file.read_text()
    assert main(["tolerances", str(folder), "--into", str(file)]) == 0
    assert file.read_text() == again
    assert main(["tolerances", str(folder)]) == 0
    assert "worse = " in capsys.readouterr().out


def test_the_command_refuses_a_folder_without_records(tmp_path, capsys):
    assert main(["tolerances", str(tmp_path)]) == 2
    assert "holds no records" in capsys.readouterr().err
    assert main(["tolerances", str(tmp_path), "--quantity", "beauty"]) == 2
    assert "quantity 'beauty' is unknown" in capsys.readouterr().err
