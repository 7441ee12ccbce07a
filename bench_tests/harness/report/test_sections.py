"""Which records stand together, and what is said where they do not."""

from dataclasses import replace

import pytest

from bench_tests.harness.made_records import MACHINE, SETTING, failure_result, record_of, training_result
from greenbench.records.conditions import require_comparable
from greenbench.report.sections import split_into_sections

OLD, NEW = "2026-01-01T00:00:00+00:00", "2026-02-01T00:00:00+00:00"


def test_machines_scales_and_modes_have_their_own_sections():
    sections = split_into_sections(
        [
            record_of(),
            record_of("mixup", machine=replace(MACHINE, gpu="GPU X")),
            record_of("radam", scale="short"),
            record_of("mixup", mode="fast"),
        ]
    )
    assert sorted(section.heading for section in sections) == [
        "short, mode paper, on Test CPU",
        "smoke, mode fast, on Test CPU",
        "smoke, mode paper, on GPU X",
        "smoke, mode paper, on Test CPU",
    ]


def test_machines_of_one_name_are_told_apart_in_words():
    sections = split_into_sections([record_of(), record_of(machine=replace(MACHINE, torch="2.1"))])
    assert sorted(section.heading for section in sections) == [
        "smoke, mode paper, on Test CPU (torch 2.0)",
        "smoke, mode paper, on Test CPU (torch 2.1)",
    ]


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"engine": "f" * 64}, "code version ffffffffffff"),
        ({"meter": "nvml"}, "energy source nvml"),
        ({"version": "v2"}, "data version v2"),
        ({"weights": "w.pth"}, "first weights w.pth"),
        ({"setting": {**SETTING, "epochs": 9}}, "epochs 9"),
        ({"disturbed": "pid 7"}, "undisturbed no"),
        ({"workload_digest": "x" * 64}, "version of the workload's file xxxxxxxxxxxx"),
    ],
)
def test_other_conditions_make_other_tables_and_the_caption_says_which(facts, words):
    (section,) = split_into_sections([record_of(), record_of("mixup", **facts)])
    assert len(section.sets) == 2
    assert sum(words in found.caption for found in section.sets) == 1


def test_a_set_that_is_alone_needs_no_caption():
    (section,) = split_into_sections([record_of(), record_of("mixup"), record_of(workload="scenes")])
    assert [found.caption for found in section.sets] == ["", ""]


def test_all_records_of_a_set_may_be_compared(varied):
    for section in split_into_sections(varied):
        for found in section.sets:
            if found.records:
                require_comparable(found.records)


def test_versions_of_a_technique_are_not_averaged_the_newest_counts(tables_of):
    records = [
        record_of(),
        record_of("mixup", training_result(0.5), technique_digest="1" * 64, started_at=OLD),
        record_of("mixup", training_result(0.4), technique_digest="1" * 64, started_at=OLD, seed=1),
        record_of("mixup", training_result(0.6), technique_digest="2" * 64, started_at=NEW),
    ]
    (table,) = tables_of(*records)
    row = table.rows[1]
    assert row.n == 1
    assert row.cells[1].text() == "60.0%"
    assert any("Mixup was changed since: 2 records of an older version" in note for note in table.footnotes)


def test_of_one_case_the_newest_record_counts(tables_of):
    records = [
        record_of(),
        record_of("mixup", training_result(0.5), started_at=OLD),
        record_of("mixup", training_result(0.6), started_at=NEW),
    ]
    for order in (records, records[::-1]):
        (table,) = tables_of(*order)
        assert table.rows[1].cells[1].text() == "60.0%"
        assert any(note.startswith("1 older record of cases") for note in table.footnotes)


def test_a_failed_run_stands_beside_the_results_of_its_workload():
    sound, failed = record_of(), record_of("mixup", failure_result(stage="data"))
    assert failed.workload.version is None
    (section,) = split_into_sections([failed, sound])
    (found,) = section.sets
    assert (found.records, found.failed) == ((sound,), (failed,))


def test_a_failure_under_other_conditions_stands_alone():
    (section,) = split_into_sections([record_of(), record_of("mixup", failure_result(), meter="nvml")])
    assert [(len(found.records), len(found.failed)) for found in section.sets] == [(1, 0), (0, 1)]
    assert "energy source nvml" in section.sets[1].caption


def test_a_case_that_failed_and_then_ran_has_not_failed():
    records = [record_of(result=failure_result(), started_at=OLD), record_of(started_at=NEW)]
    (section,) = split_into_sections(records)
    (found,) = section.sets
    assert (len(found.records), len(found.failed), found.older) == (1, 0, 1)


def test_sections_do_not_depend_on_the_order_of_records(varied):
    assert split_into_sections(varied) == split_into_sections(varied[::-1])
