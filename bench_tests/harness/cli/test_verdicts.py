"""`greenbench verdicts`: what a person and a program read."""

import json
import math
from dataclasses import replace

import pytest

from bench_tests.harness.made_records import MACHINE, followed, inference_result, record_of, training_result
from greenbench.cli import main
from greenbench.records.folder import RecordFolder


@pytest.fixture
def study(tmp_path):
    def write(**scores):
        RecordFolder(tmp_path).write_all(
            record_of(name, training_result(score, energy, seconds=energy / 50), seed=seed)
            for name, values in scores.items()
            for seed, (score, energy) in enumerate(values)
        )
        return tmp_path

    return write


BASELINE = [(0.900, 100.0), (0.901, 101.0), (0.902, 99.0), (0.899, 100.5)]
BETTER = [(score + 0.05, 0.5 * energy) for score, energy in BASELINE]


def rows_of(capsys, *arguments):
    assert main(["verdicts", *map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_row_has_what_the_verdict_rests_on(study, capsys):
    folder = study(baseline=BASELINE, mixup=BETTER)
    rows = {row["quantity"]: row for row in rows_of(capsys, folder)}
    score, energy = rows["score"], rows["train_energy_j"]
    assert (score["workload"], score["technique"], score["verdict"], score["n"]) == (
        "digits",
        "mixup",
        "better",
        4,
    )
    assert score["difference"] == pytest.approx(0.05)
    assert score["interval"][0] <= 0.05 <= score["interval"][1]
    assert score["p"] < 0.05 < score["p_same"]
    assert score["superiority"] > 0.99
    assert score["difference_is"] == "difference"
    assert energy["verdict"] == "better"
    assert energy["difference"] == pytest.approx(math.log(0.5))
    assert energy["difference_is"] == "log ratio"


def test_a_person_reads_points_and_percent_within_80_columns(study, capsys):
    assert main(["verdicts", str(study(baseline=BASELINE, mixup=BETTER))]) == 0
    text = capsys.readouterr().out
    assert text.startswith("smoke, mode paper, on Test CPU\n")
    assert "digits, score, in points\n" in text
    assert "digits, train_energy_j, in percent of the baseline's\n" in text
    assert "+5.00" in text
    assert "-50.0" in text
    assert max(map(len, text.splitlines())) <= 80


def test_what_is_counted_is_in_percent_too(tmp_path, capsys):
    folder = RecordFolder(tmp_path)
    folder.write(record_of("baseline", inference_result(2.0, params=20_000)))
    folder.write(record_of("coordconv", inference_result(2.0, params=20_200)))
    main(["verdicts", str(tmp_path), "--quantity", "params"])
    (row,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("coordconv"))
    assert row.split() == ["coordconv", "worse", "1", "+1.0", "–", "–", "–"]
    (row,) = rows_of(capsys, tmp_path, "--quantity", "params")
    assert row["difference"] == pytest.approx(math.log(1.01))


def test_machines_and_modes_stand_apart(study, capsys):
    folder = study(baseline=BASELINE, mixup=BETTER)
    for name, values in (("baseline", BASELINE), ("mixup", BASELINE)):
        for seed, (score, energy) in enumerate(values):
            RecordFolder(folder).write(
                record_of(
                    name, training_result(score, energy), seed=seed, machine=replace(MACHINE, cpu="Other")
                )
            )
    words = {row["machine"]: row["verdict"] for row in rows_of(capsys, folder, "--quantity", "score")}
    assert words == {"smoke, mode paper, on Test CPU": "better", "smoke, mode paper, on Other": "same"}
    main(["verdicts", str(folder), "--quantity", "score"])
    assert capsys.readouterr().out.count("smoke, mode paper, on") == 2


def test_long_names_and_wide_intervals_keep_to_80_columns(study, capsys):
    noisy = [
        (score, energy * factor)
        for (score, energy), factor in zip(BASELINE, (9.0, 0.1, 5.0, 0.2), strict=True)
    ]
    folder = study(baseline=BASELINE, a_technique_with_quite_a_long_name=noisy)
    main(["verdicts", str(folder)])
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert sum(line.startswith("a_technique_") for line in lines) >= 3


def test_the_undecided_say_how_many_more_runs_would_decide(study, capsys):
    noisy = [(0.900 + shift, 100.0) for shift in (0.03, -0.01, 0.02, 0.00)]
    folder = study(baseline=BASELINE, mixup=noisy)
    (row,) = rows_of(capsys, folder, "--quantity", "score")
    assert row["verdict"] == "undecided"
    assert row["more_runs"] > 0
    main(["verdicts", str(folder)])
    assert f"about {row['more_runs']} more seeds would decide" in capsys.readouterr().out


@pytest.fixture
def followed_study(tmp_path):
    """Write four runs of a baseline, of one that is as good in half the time, and of one that is never as good."""
    RecordFolder(tmp_path).write_all(
        followed(name, scores, seed=seed, seconds=seconds * (1 + seed / 100), power_w=10.0, targets=(0.45,))
        for name, scores, seconds in (
            ("baseline", [0.4, 0.6], 2.0),
            ("quick", [0.4, 0.6], 1.0),
            ("poor", [0.4, 0.5], 3.0),
        )
        for seed in range(4)
    )
    return tmp_path


def test_the_cost_to_reach_a_score_has_rows_of_its_own(followed_study, capsys):
    rows = {row["technique"]: row for row in rows_of(capsys, followed_study) if row["target"] == 0.6}
    assert set(rows) == {"quick", "poor"}
    quick, poor = rows["quick"], rows["poor"]
    assert (quick["quantity"], quick["verdict"], quick["reached"], quick["n"]) == (
        "train_energy_j",
        "better",
        4,
        4,
    )
    assert quick["difference"] == pytest.approx(math.log(0.5))
    assert quick["interval"] == pytest.approx([math.log(0.5)] * 2)
    assert (poor["verdict"], poor["reached"], poor["interval"]) == ("worse", 0, None)


def test_a_person_reads_the_cost_to_reach_a_score(followed_study, capsys):
    main(["verdicts", str(followed_study), "--quantity", "train_energy_j"])
    text = capsys.readouterr().out
    own, stated = text.split("to reach ")[1:]
    assert own.startswith("the baseline's 60.0 %")
    assert stated.startswith("45.0 %")
    quick, poor = (
        next(line for line in own.splitlines() if line.startswith(name)) for name in ("quick", "poor")
    )
    assert quick.split() == ["quick", "better", "4", "of", "4", "-50.0", "-50.0", "to", "-50.0", "<0.0001"]
    assert poor.split()[:6] == ["poor", "worse", "0", "of", "4", "–"]
    assert max(map(len, text.splitlines())) <= 80


def test_one_run_is_no_verdict(study, capsys):
    folder = study(baseline=BASELINE[:1], mixup=BETTER[:1])
    assert {row["verdict"] for row in rows_of(capsys, folder)} == {"undecided"}
    main(["verdicts", str(folder)])
    assert "one run, no verdict" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("scores", "reason"),
    [({"baseline": BASELINE}, "only the baseline"), ({"mixup": BETTER}, "no baseline was measured")],
)
def test_a_folder_without_verdicts_says_why(study, capsys, scores, reason):
    assert main(["verdicts", str(study(**scores))]) == 0
    assert reason in capsys.readouterr().out


def test_bad_input_is_refused_in_a_sentence(study, tmp_path, capsys):
    assert main(["verdicts", str(tmp_path / "nowhere")]) == 2
    assert "holds no records" in capsys.readouterr().err
    assert main(["verdicts", str(study(baseline=BASELINE)), "--quantity", "beauty"]) == 2
    assert "quantity 'beauty' is unknown; choose one of" in capsys.readouterr().err


def test_files_left_out_are_named(study, capsys):
    folder = study(baseline=BASELINE, mixup=BETTER)
    (folder / "broken.json").write_text("{")
    assert main(["verdicts", str(folder)]) == 0
    assert "left out: broken.json" in capsys.readouterr().err
