"""`greenbench verdicts`: what a person and a program read."""

import json
import math

import pytest

from bench_tests.harness.made_records import record_of, training_result
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
    assert "digits, score, in points (smoke)" in text
    assert "digits, train_energy_j, in percent of the baseline's (smoke)" in text
    assert "+5.00" in text
    assert "-50.0" in text
    assert max(map(len, text.splitlines())) <= 80


def test_the_undecided_say_how_many_more_runs_would_decide(study, capsys):
    noisy = [(0.900 + shift, 100.0) for shift in (0.03, -0.01, 0.02, 0.00)]
    folder = study(baseline=BASELINE, mixup=noisy)
    (row,) = rows_of(capsys, folder, "--quantity", "score")
    assert row["verdict"] == "undecided"
    assert row["more_runs"] > 0
    main(["verdicts", str(folder)])
    assert f"about {row['more_runs']} more seeds would decide" in capsys.readouterr().out


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
