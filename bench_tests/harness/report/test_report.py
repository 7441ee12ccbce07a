"""The report as written: Markdown, verdicts, summary, and the same bytes every time."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import greenbench
from bench_tests.harness.made_records import (
    MACHINE,
    NOT_MEASURED,
    failure_result,
    inference_result,
    reading_of,
    record_of,
    training_result,
)
from greenbench.cli import main
from greenbench.energy import Reading, Status
from greenbench.energy.carbon import carbon_intensity
from greenbench.errors import UserError
from greenbench.records.folder import RecordFolder
from greenbench.records.results import Skipped
from greenbench.report import OUTPUTS, write_report

ROOT = str(Path(greenbench.__file__).parents[1])
EVIL = "<script>alert(1)</script> | `x` [y](javascript:z)\n## **Boo**"


def row_of(text, title):
    """Return the cells of the first row of a technique, below the table of what pays."""
    text = text.partition("### Which techniques pay")[2].partition("### ")[2] or text
    row = next(line for line in text.splitlines() if line.startswith(f"| {title} "))
    return [cell.strip() for cell in row.strip("|").split("|")]


def test_a_row_says_its_runs_and_links_to_its_records(report_of, tmp_path):
    records = [record_of("mixup", training_result(0.9 + seed / 100), seed=seed) for seed in (1, 3)]
    text, _ = report_of(record_of(), *records)
    cells = row_of(text, "Mixup")
    assert cells[1] == "2"
    assert cells[-1] == " ".join(f"[{record.case.seed}]({record.file_name})" for record in records)
    assert all((tmp_path / record.file_name).is_file() for record in records)


def test_bold_and_star_follow_the_verdicts(report_of, seeds_of):
    text, _ = report_of(
        *seeds_of("baseline", (0.80, 0.801, 0.802)),
        *seeds_of("mixup", (0.90, 0.901, 0.902)),
        *seeds_of("radam", (0.70, 0.701, 0.702)),
    )
    assert row_of(text, "Mixup")[3:5] == ["**90.1 ± 0.2%** ★", "better +10.0 ± 0.0"]
    assert row_of(text, "Radam")[3:5] == ["70.1 ± 0.2%", "worse -10.0 ± 0.0"]
    assert row_of(text, "Baseline")[3:5] == ["80.1 ± 0.2%", ""]


def test_a_technique_with_nothing_to_do_is_a_line_and_stands_in_no_table(report_of):
    skipped = [
        record_of("blurpool", Skipped("there is no stride."), kind=kind, seed=seed)
        for kind in ("training", "inference")
        for seed in (0, 1)
    ]
    text, summary = report_of(record_of(), *skipped)
    assert text.count("Blurpool") == 1
    assert "## Not applicable\n\n- Blurpool on Digits: there is no stride.\n\n## Audit" in text
    assert "not applicable: Blurpool on Digits: there is no stride." in summary


def test_a_report_of_skipped_cases_alone_says_so(report_of):
    text, _ = report_of(record_of("blurpool", Skipped("there is no stride"), kind="training"))
    assert "- Blurpool on Digits: there is no stride." in text
    assert "| Method" not in text


@pytest.mark.parametrize("skipped_first", [True, False])
def test_the_newest_version_says_whether_a_technique_applies(report_of, skipped_first):
    """A technique that was taught the network runs, and one that refuses it now has no row of before."""
    results = [Skipped("there is no stride"), training_result(0.9)]
    records = [
        record_of(
            "blurpool",
            result,
            kind="training",
            technique_digest=f"{month}" * 64,
            started_at=f"2026-0{month}-01T00:00:00+00:00",
        )
        for month, result in enumerate(results if skipped_first else results[::-1], start=1)
    ]
    text, _ = report_of(record_of(), *records)
    assert ("## Not applicable" in text) != skipped_first
    assert ("| Blurpool " in text) == skipped_first


def test_the_verdicts_lie_beside_the_records(report_of, tmp_path):
    report_of(record_of(), record_of("mixup"))
    found = json.loads((tmp_path / "verdicts.json").read_text())
    assert {(verdict["technique"], verdict["word"]) for verdict in found} == {("mixup", "undecided")}


def test_older_versions_have_no_verdict(report_of, tmp_path):
    report_of(
        record_of(),
        record_of("mixup", technique_digest="1" * 64, started_at="2025-01-01T00:00:00+00:00"),
        record_of("mixup", training_result(0.8), technique_digest="2" * 64),
    )
    found = json.loads((tmp_path / "verdicts.json").read_text())
    assert {verdict["n"] for verdict in found} == {1}
    (difference,) = [verdict["difference"] for verdict in found if verdict["quantity"] == "score"]
    assert difference == pytest.approx(-0.1)


def test_a_remark_on_several_tables_stands_once(report_of):
    text, _ = report_of(record_of(), record_of(workload="scenes"), record_of(result=inference_result(2.0)))
    assert text.count(NOT_MEASURED.reason) == 1


def test_failed_cases_are_listed_with_error_and_next_step(report_of):
    text, summary = report_of(record_of(), record_of("mixup", failure_result()))
    listed = text[text.index("## Failed cases") :]
    assert "Mixup on Digits, training, seed 0: training: ZeroDivisionError: division by zero." in listed
    assert "Next step: look at own.py, line 3." in listed
    assert row_of(text, "Mixup")[2] == "failed: training: ZeroDivisionError: division by zero"
    assert any("ZeroDivisionError" in line for line in summary)


def test_cases_that_failed_alike_are_one_line(report_of):
    alike = [record_of(name, failure_result(), seed=seed) for name in ("mixup", "radam") for seed in (0, 1)]
    text, _ = report_of(record_of(), *alike, record_of("other", failure_result("KeyError: 3")))
    listed = text[text.index("## Failed cases") :].partition("\n##")[0]
    assert "Mixup on Digits, training, seed 0, and 3 other cases: training: ZeroDivisionError" in listed
    assert listed.count("ZeroDivisionError") == 1
    assert "Other on Digits, training, seed 0: training: KeyError: 3." in listed


def test_without_failures_there_is_no_such_heading(report_of):
    assert "Failed" not in report_of(record_of())[0]


def test_all_records_failed_is_a_report_too(report_of):
    text, _ = report_of(record_of(result=failure_result()), record_of("mixup", failure_result()))
    assert "## Failed cases" in text


def test_headings_say_how_tables_differ(report_of):
    text, _ = report_of(
        record_of(), record_of("mixup", meter="nvml"), record_of(machine=replace(MACHINE, gpu="X"))
    )
    assert "## smoke, mode paper, on X" in text
    assert "### Digits: training (energy source nvml)" in text


def test_two_modes_are_never_in_one_table_or_one_comparison(report_of):
    seeds = range(3)
    text, summary = report_of(
        *(record_of(result=training_result(0.5), seed=seed) for seed in seeds),
        *(record_of("mixup", training_result(0.9), seed=seed, mode="fast") for seed in seeds),
    )
    paper, fast = (text.split(f"## smoke, mode {mode}, on Test CPU")[1] for mode in ("paper", "fast"))
    fast = fast.partition("## smoke, mode paper")[0]
    assert "numerical mode: fast" in fast
    assert "numerical mode: paper" in paper
    assert "Mixup" in fast.partition("## Method cards")[0]
    assert "Baseline |" not in fast
    assert "Mixup |" not in paper
    assert "better" not in fast.replace("is better", "").partition("## Audit")[0]
    assert any(line.startswith("smoke, mode fast") for line in summary)


def test_texts_of_records_are_texts(report_of):
    text, summary = report_of(
        record_of(),
        record_of("mixup", title=EVIL, card=f"Good *card*.\n```\n</details>{EVIL}"),
        record_of("radam", failure_result(error=EVIL)),
        record_of(workload="scenes", workload_title=EVIL, weights=EVIL, disturbed=EVIL),
        record_of(machine=replace(MACHINE, gpu=EVIL, gpu_uuid=EVIL)),
    )
    assert "<script" not in text
    assert text.count("<details>") == text.count("</details>")
    assert "](javascript" not in text.replace("\\](javascript", "")
    assert not any(line.startswith("## **Boo") for line in text.splitlines())
    assert "Good *card*." in text
    assert max(map(len, summary[:-1])) <= 80


def test_tables_have_as_many_cells_as_headings(report_of, varied):
    text, _ = report_of(*varied)
    tables = [block.splitlines() for block in text.split("\n\n") if block.startswith("| ")]
    assert len(tables) == 7
    for lines in tables:
        assert len({line.replace("\\|", "").count("|") for line in lines}) == 1
        assert lines[0].count("|") <= 10


def test_cards_of_methods_and_workloads_are_folded_at_the_end(report_of):
    text, _ = report_of(record_of(), record_of("mixup"))
    cards = text[text.index("## Method cards") :]
    assert "<details><summary>Mixup</summary>" in cards
    assert "> What mixup does." in cards
    assert "> What digits is." in cards
    assert "Training at scale smoke: epochs 1, network width 0.25." in cards


def test_versions_of_a_technique_have_their_own_cards(report_of):
    text, _ = report_of(
        record_of("mixup", technique_digest="1" * 64),
        record_of("mixup", technique_digest="2" * 64, scale="short"),
    )
    assert "<summary>Mixup (version 111111111111)</summary>" in text
    assert "<summary>Mixup (version 222222222222)</summary>" in text


def test_the_report_command_makes_the_same_bytes_again(report_of, varied, tmp_path, capsys):
    report_of(*varied)
    figures = [str(path.relative_to(tmp_path)) for path in tmp_path.glob("figures/*.svg")]
    assert figures
    files = [*OUTPUTS, "verdicts.json", *figures]
    before = {name: (tmp_path / name).read_bytes() for name in files}
    for name in before:
        (tmp_path / name).unlink()
    # Another process has other hash seeds.
    command = [sys.executable, "-m", "greenbench.cli", "report", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "PYTHONPATH": ROOT})
    for name, content in before.items():
        assert (tmp_path / name).read_bytes().decode().splitlines() == content.decode().splitlines()
        assert (tmp_path / name).read_bytes() == content
    assert main(["report", str(tmp_path)]) == 0
    assert "Mixup" in capsys.readouterr().out


def test_the_command_opens_the_page_and_says_where_there_is_no_browser(
    report_of, tmp_path, capsys, monkeypatch
):
    report_of(record_of())
    opened = []
    monkeypatch.setattr("webbrowser.open", lambda address: opened.append(address) or len(opened) < 2)
    assert main(["report", str(tmp_path), "--open"]) == 0
    assert opened == [(tmp_path / "report.html").as_uri()]
    assert main(["report", str(tmp_path), "--open"]) == 2
    assert "no browser can be started here" in capsys.readouterr().err


def test_figures_are_written_as_png_where_that_is_asked_for(report_of, tmp_path, capsys):
    report_of(record_of(), record_of("mixup"))
    assert not list(tmp_path.glob("figures/*.png"))
    assert main(["report", str(tmp_path), "--png"]) == 0
    svg, png = ({path.stem for path in tmp_path.glob(f"figures/*.{kind}")} for kind in ("svg", "png"))
    assert svg == png != set()
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in tmp_path.glob("figures/*.png"))
    assert main(["report", str(tmp_path)]) == 0
    assert not list(tmp_path.glob("figures/*.png")), "a picture of earlier figures stayed"


def test_the_report_command_imports_no_torch(report_of, tmp_path):
    report_of(record_of())
    code = f"from greenbench.cli import main; import sys; main(['report', {str(tmp_path)!r}]); assert 'torch' not in sys.modules"
    subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, env={**os.environ, "PYTHONPATH": ROOT}
    )


def test_a_folder_without_records_is_refused_in_words(tmp_path, capsys):
    with pytest.raises(UserError, match="holds no records") as refused:
        write_report(tmp_path, carbon_intensity())
    assert refused.value.next_step.startswith("give the folder of a study")
    assert main(["report", str(tmp_path)]) == 2
    assert "holds no records" in capsys.readouterr().err


def test_a_report_that_cannot_be_written_is_told_in_words(report_of, tmp_path):
    (tmp_path / "report.md").mkdir()
    with pytest.raises(UserError, match="cannot be written"):
        report_of(record_of())


def test_the_audit_of_the_records_is_in_the_report(report_of):
    text, summary = report_of(record_of())
    assert "The audit found no impossible values." in text
    assert not any(line.startswith("audit") for line in summary)
    zero, hot = (
        Reading(energy_j, Status.MEASURED, "test", 9.0, device="NVIDIA H100 80GB HBM3")
        for energy_j in (1e-9, 1e6)
    )
    text, summary = report_of(
        record_of(result=training_result(0.9, energy=hot)),
        record_of("mixup", training_result(0.9, energy=zero)),
    )
    assert "(impossible)" in text
    assert any(line.startswith("audit: ") for line in summary)


def test_an_impossible_record_is_named_and_in_no_table(report_of, tmp_path):
    forged = record_of("mixup", training_result(0.9, best_epoch=3), title="Forged")
    RecordFolder(tmp_path).write(forged)
    text, _ = report_of(record_of())
    assert "(impossible): this record is left out of tables and verdicts" in text
    assert "its best epoch is 3" in text
    assert "Forged" not in text[: text.index("## Audit")]
    assert not [v for v in json.loads((tmp_path / "verdicts.json").read_text()) if v["technique"] == "mixup"]


def test_left_out_files_are_named_with_their_reasons(report_of, tmp_path):
    (tmp_path / "torn.json").write_text('{"schema": 1, ')
    text, summary = report_of(record_of())
    assert "- torn.json: not readable as JSON" in text
    assert any(line.startswith("left out: torn.json: not readable") for line in summary)


def test_the_summary_is_lines_and_ends_with_the_path(report_of, tmp_path, varied):
    _, summary = report_of(*varied)
    assert not any("\n" in line for line in summary)
    assert summary[-1] == f"report: {tmp_path / 'report.md'}, report.html"


def test_what_was_spent_once_is_told(report_of):
    compiled = training_result(0.9, 7.0, warm_up=reading_of(12.0, 40.0))
    taught = training_result(0.9, 9.0, train_seconds=5.0, teacher=reading_of(3.0, 3.0))
    text, _ = report_of(
        record_of("baseline", training_result(0.9, 7.0)),
        record_of("compiled", compiled),
        record_of("compiled", compiled, seed=1),
        record_of("taught", taught),
    )
    told = "Compiled: warming up took 40.0 s and 12.0 J, apart from the time and energy of its training."
    assert text.count(told) == 1
    assert "Taught: the time and energy of its training hold 3.00 s and 3.00 J of its teacher's." in text
    assert "Baseline: warming" not in text


def test_networks_that_were_trained_are_told_from_those_that_were_built(report_of):
    told = "measured with the weights that the same case trained"
    assert told not in report_of(record_of("baseline", inference_result(3.0)))[0]
    trained = record_of("baseline", inference_result(3.0), setting={"weights": "trained"})
    assert told in report_of(trained)[0]


def test_a_table_and_a_card_name_the_part_of_the_data_that_was_used(report_of):
    record = record_of("baseline", training_result(0.5))
    part = "10 of 40 training images and 4 of 20 validation images, drawn with seed 3"
    facts = replace(record.workload, version="1", train_images=10, validation_images=4, subset=part)
    text, _ = report_of(replace(record, workload=facts))
    assert f"A part of the data set was used: {part}." in text
    assert f"10 training images, 4 validation images (subset: {part})." in text
    assert "A part of the data set" not in report_of(record)[0]


def test_what_earlier_runs_measured_is_named_in_report_and_terminal(report_of):
    new = {"session": "new", "started_at": "2026-11-28T00:00:00+00:00"}
    text, summary = report_of(record_of(), record_of("mixup", **new), record_of("radam", **new))
    said = "Of earlier runs: 1 of 3 records, until "
    assert f"- {said}" in text
    assert any(line.startswith(said) and line.endswith(": Baseline") for line in summary)
    text, summary = report_of(*(record_of(name, **new) for name in ("baseline", "mixup", "radam")))
    assert "Of earlier runs" not in text + " ".join(summary)
