"""The tables of stacks."""

from bench_tests.harness.made_records import record_of, training_result
from greenbench.report.sections import split_into_sections
from greenbench.report.stacks import stack_tables
from greenbench.spec.workload import Metric

LOSS = Metric("accuracy", "Loss", unit="nats", better="lower")


def study(seeds=3, **facts):
    values = {"baseline": (0.5, 10.0), "mixup": (0.6, 20.0), "radam": (0.55, 5.0), "mixup+radam": (0.7, 10.0)}
    digests = {"mixup": "m", "radam": "r", "mixup+radam": "m+r"}
    return [
        record_of(
            name,
            training_result(score + (seed / 100 if "+" in name else 0.0), seconds=seconds),
            seed=seed,
            technique_digest=digests.get(name, "0"),
            **facts,
        )
        for name, (score, seconds) in values.items()
        for seed in range(seeds)
    ]


def tables_of(records):
    return [table for section in split_into_sections(records) for table in stack_tables(section)]


def test_a_stack_stands_beside_the_sum_of_its_parts():
    (table,) = tables_of(study())
    assert table.title == "Digits: stacks"
    assert table.columns == (
        "Accuracy, points",
        "Parts, added",
        "Interaction",
        "Time, ×",
        "Parts, multiplied",
        "Interaction, ×",
    )
    (row,) = table.rows
    assert (row.label, row.n) == ("Mixup+radam", 3)
    assert [cell.text() for cell in row.cells] == [
        "+21.0 (+18.5 to +23.5)",
        "+15.0 (+15.0 to +15.0)",
        "+6.0 (+3.5 to +8.5)",
        "1.00 (1.00 to 1.00)",
        "1.00 (1.00 to 1.00)",
        "1.00 (1.00 to 1.00)",
    ]


def test_one_seed_has_no_interval_and_other_metrics_their_unit():
    (table,) = tables_of(study(seeds=1, metric=LOSS))
    assert table.columns[0] == "Loss, nats"
    assert [cell.text() for cell in table.rows[0].cells][:3] == ["+0.2", "+0.2", "+0.0"]


def test_seeds_that_a_part_lacks_are_told():
    records = [one for one in study() if (one.case.technique, one.case.seed) != ("radam", 2)]
    (table,) = tables_of(records)
    assert table.footnotes[1:] == (
        "Mixup+radam: of 3 seeds, 2 are those of its parts and the baseline, too.",
    )
    assert len(tables_of(study())[0].footnotes) == 1


def test_without_a_stack_there_is_no_table(report_of):
    assert tables_of([record for record in study() if "+" not in record.case.technique]) == []
    text, _ = report_of(*study())
    assert "### Digits: stacks" in text
