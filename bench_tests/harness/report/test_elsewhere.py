"""The report of a table that others made: where it comes from, what it lacks, and nothing beside measured results."""

import pytest

from bench_tests.harness.made_records import record_of, training_result
from greenbench.records.folder import RecordFolder
from greenbench.records.imported import read_results
from greenbench.records.reader import Reader
from greenbench.report.elsewhere import remarks

READER = Reader("SGD", score_unit="percent", better="higher", energy_unit="J")
HEADER = "workload,technique,seed,score,energy,seconds,by\n"
ROWS = [
    f"{workload},{technique},{seed},{score + seed / 10},{energy + seed},{2 * energy},me\n"
    for workload in ("easy", "hard")
    for technique, score, energy in (("SGD", 80, 100), ("Adam", 85, 150), ("a|b*", 70, 100))
    for seed in range(3)
]


@pytest.fixture
def read(tmp_path):
    """Return a function that reads rows as a table."""

    def reading(rows, header=HEADER, **changes):
        path = tmp_path / "results.csv"
        path.write_text(header + "".join(rows))
        return read_results(path, Reader(**{**vars(READER), **changes}))

    return reading


def said(records):
    return list(remarks(records[0].machine, records))


def test_the_report_has_a_section_for_the_table_with_verdicts_and_its_source(read, report_of, tmp_path):
    text, summary = report_of(*read(ROWS))
    assert "## imported from results.csv" in text
    assert "Source: results.csv, 18 rows, sha256 " in text
    assert "score is score (percent, higher is better); energy is energy (J)" in text
    assert "Not read: by" in text
    assert "Baseline: SGD; 3 seeds, from 0 to 2" in text
    for workload in ("easy", "hard"):
        assert f"### {workload}: imported" in text
        assert f"{workload}: imported" in summary
    _, adam, *_ = (line for line in text.splitlines() if line.startswith("| Adam"))
    assert [cell.strip() for cell in adam.split("|")][2:7] == [
        "3",
        "**85.1 ± 0.2%** ★",
        "better +5.0 ± 0.0",
        "151 J ± 2%",
        "300 s ± 0%",
    ]
    assert r"| a\|b\* " in text
    assert (tmp_path / "figures" / "1-gain-and-cost.svg").is_file()
    assert "cards" not in text, "a table describes no method"
    assert "Steps is left out where no run has it: the table has no column for it" in text


def test_measured_results_stand_in_a_section_of_their_own(read, report_of):
    measured = [record_of("adam", training_result(0.5 + seed), seed=seed) for seed in range(2)]
    text, _ = report_of(*read(ROWS), *measured)
    assert text.count("\n## imported from") == 1
    assert "## smoke, mode paper, on Test CPU" in text
    assert "Verdict is left out: no baseline was measured under these conditions" in text


def test_two_readings_of_a_table_are_told_apart(read, report_of):
    text, _ = report_of(*read(ROWS), *read(ROWS, baseline="Adam"))
    assert "## imported from results.csv (baseline SGD)" in text
    assert "## imported from results.csv (baseline Adam)" in text


@pytest.mark.parametrize(
    ("columns", "options", "panels"),
    [
        ("score", {"energy_unit": None}, 1),
        ("energy", {"score_unit": None, "better": None}, 1),
        ("steps", {"score_unit": None, "better": None, "energy_unit": None}, 0),
    ],
)
def test_the_figure_shows_what_a_table_has(read, report_of, tmp_path, columns, options, panels):
    rows = [f"{name},{seed},{50 + seed}\n" for name in ("SGD", "Adam") for seed in range(2)]
    report_of(*read(rows, f"technique,seed,{columns}\n", **options))
    assert len(list(tmp_path.glob("figures/*gain-and-cost.svg"))) == panels


@pytest.mark.parametrize(("step", "drawn"), [(0, 1), (1, 0)])
def test_a_curve_is_drawn_over_the_epochs_that_all_runs_have(read, report_of, tmp_path, step, drawn):
    rows = [
        f"{name},{seed},{epoch + step * 5 * seed},{40 + epoch},7\n"
        for name in ("SGD", "Adam")
        for seed in range(2)
        for epoch in range(1, 4)
    ]
    text, _ = report_of(*read(rows, "technique,seed,epoch,score,energy\n", cumulative=True))
    assert "results: cost to reach the baseline's 43.0%" in text
    assert len(list(tmp_path.glob("figures/*-courses.svg"))) == drawn


def test_a_whole_table_has_no_remarks(read):
    assert not said(read(ROWS))


@pytest.mark.parametrize(
    ("old", "new", "remark"),
    [
        ("easy,SGD,1,80.1", "easy,SGD,1,nan", "No score in 1 of 18 runs: column 'score' says 'nan' in line 3. A technique has a mean"),
        (",100,", ",,", "No energy in 4 of 18 runs: column 'energy' is empty in line 2; column 'energy' is empty in "),
        (",100,", ",0,", "The energy is 0 in 4 of 18 runs (line 2; line 8; line 11; and 1 more), which is what a failed"),
        ("easy,Adam,2,", "easy,Adam,3,", "Verdicts rest on the seeds that both sides have: Adam on easy and the baseline do not share seed 2; seed 3"),
        ("easy,SGD,", "odd,SGD,", "easy has no row of the baseline"),
        ("hard,Adam,", "odd,Adam,", "hard has no row of Adam; odd has no row of the baseline"),
        ("a|b*", "sgd", "Taken as different techniques: SGD, sgd"),
        ("hard", "Ea-sy", "Taken as different workloads: Ea-sy, easy"),
    ],
)  # fmt: skip
def test_what_is_missing_or_looks_wrong_is_said_and_kept(read, old, new, remark):
    rows = [row.replace(old, new) for row in ROWS]
    assert rows != ROWS
    records = read(rows)
    assert len(records) == len(ROWS)
    assert any(remark in line for line in said(records)), said(records)


@pytest.mark.parametrize(("cumulative", "doubted"), [(False, True), (True, False)])
def test_running_totals_are_doubted_where_they_are_added_up(read, cumulative, doubted):
    rows = [
        f"{technique},0,{epoch},{10 * epoch + spread}\n"
        for technique, spread in (("SGD", 1), ("Adam", 2))
        for epoch in range(1, 5)
    ]
    records = read(rows, "technique,seed,epoch,energy\n", score_unit=None, better=None, cumulative=cumulative)
    assert any("energy grows from epoch to epoch in every run" in line for line in said(records)) == doubted


def test_the_report_is_the_same_from_the_files(read, report_of, tmp_path):
    records = read(ROWS)
    text, _ = report_of(*records)
    again, _ = report_of(*reversed(RecordFolder(tmp_path).read()[0]))
    assert again == text
