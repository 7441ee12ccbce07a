"""A table becomes one record a run; nothing is dropped, and what is wrong is refused with its place."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench_tests.harness.made_records import record_of, rewritten
from greenbench.errors import UserError
from greenbench.records.conditions import require_comparable, same_conditions
from greenbench.records.folder import RecordFolder, Unreadable, read_record
from greenbench.records.imported import read_results
from greenbench.records.reader import JOULES, ROLES, Reader
from greenbench.spec.technique import BASELINE

TABLE = """\
workload,technique,seed,score,energy,seconds,note
easy,SGD,0,90,1.0,10,a
easy,SGD,1,91,1.1,11,b
easy,Adam,0,92,0.9,9,c
easy,Adam,1,93,,8,d
"""
READER = Reader("SGD", score_unit="percent", better="higher", energy_unit="kWh")


@pytest.fixture
def read(tmp_path):
    """Return a function that reads a text as a table."""

    def reading(text, name="results.csv", **changes):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return read_results(path, Reader(**{**vars(READER), **changes}))

    return reading


def by_run(records):
    return {
        (record.workload.title, record.technique.title, record.case.seed): record.result for record in records
    }


def test_every_run_is_a_record_with_its_values_in_si_units(read):
    records = read(TABLE)
    found = by_run(records)
    assert found.keys() == {("easy", name, seed) for name in ("SGD", "Adam") for seed in (0, 1)}
    first = found["easy", "SGD", 0]
    assert (first.line, first.score, first.energy_j, first.seconds, first.steps) == (
        2,
        0.9,
        3.6e6,
        10.0,
        None,
    )
    assert first.reasons == {"steps": "the table has no column for it"}
    last = found["easy", "Adam", 1]
    assert last.energy_j is None
    assert last.reasons["energy_j"] == "column 'energy' is empty in line 5"
    assert {record.case.technique for record in records} == {BASELINE, "adam"}


def test_a_record_says_which_table_it_is_from_and_how_that_was_read(read):
    origin = read(TABLE)[0].machine
    assert (origin.table, origin.rows, origin.unread) == ("results.csv", 4, ("note",))
    assert origin.columns == {role: (role,) for role in ROLES if role not in ("epoch", "steps")}
    assert (origin.baseline, origin.score_unit, origin.energy_unit) == ("SGD", "percent", "kWh")


def test_a_record_is_kept_whole_in_its_file(read, tmp_path):
    text = "technique,seed,epoch,score\nSGD,0,1,5\nSGD,0,2,nan\nAdam,0,1,6\n"
    records = read(text, energy_unit=None)
    folder = RecordFolder(tmp_path / "out")
    folder.write_all(records)
    kept, left_out = folder.read()
    assert not left_out
    assert sorted(kept, key=lambda record: record.file_name) == sorted(
        records, key=lambda record: record.file_name
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content["result"].update(score=1.2),
        lambda content: content["result"].update(energy_j=-1.0),
        lambda content: content["result"].update(curve=[{"epoch": 1, "score": 0.5}]),
    ],
)
def test_an_impossible_record_is_left_out(read, tmp_path, change):
    path = RecordFolder(tmp_path / "out").write(read(TABLE)[0])
    assert not isinstance(read_record(path), Unreadable)
    rewritten(path, change)
    assert isinstance(read_record(path), Unreadable)


def test_it_is_compared_with_no_other_table_reading_or_measured_record(read):
    ours = read(TABLE)
    assert len(same_conditions(ours)) == 1
    others = [
        read(TABLE.replace("93", "94")),
        read(TABLE, name="other.csv"),
        read(TABLE, better="lower"),
        read(TABLE, energy_unit="Wh"),
        read(TABLE, baseline="Adam"),
        read(TABLE.replace("93", "0.93"), score_unit="points"),
        [record_of()],
    ]
    for other in others:
        assert len(same_conditions([*ours, *other])) == 2
        with pytest.raises(UserError, match="cannot be compared"):
            require_comparable([ours[0], other[0]])
    names = [record.file_name for records in (ours, *others) for record in records]
    assert len(set(names)) == len(names)


def test_columns_may_have_any_name_and_several_make_one(read):
    records = read(
        "data,net,optim,rate,run,top 1\nA,r,SGD,1,0,1\nA,r,SGD,2,0,2\nB,r,SGD,1,0,3\n",
        columns={"workload": "data,net", "technique": "optim, rate", "seed": "run", "score": "top 1"},
        baseline="SGD 1",
        energy_unit=None,
    )
    assert by_run(records).keys() == {("A r", "SGD 1", 0), ("A r", "SGD 2", 0), ("B r", "SGD 1", 0)}
    assert records[0].workload.metric.title == "top 1"


def test_a_table_without_workloads_is_one(read):
    records = read(
        "technique,seed,seconds\nSGD,0,1\nAdam,0,2\n",
        name="mine.csv",
        score_unit=None,
        better=None,
        energy_unit=None,
    )
    assert {record.workload.title for record in records} == {"mine"}


@given(
    st.lists(
        st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1).filter(
            lambda text: text.strip(" \u3000") and text.strip().lower() != "nan"
        ),
        min_size=2,
        max_size=8,
    )
)
def test_any_names_become_names_of_files_and_stay_different(tmp_path_factory, names):
    names = list(dict.fromkeys(name.strip() for name in names if name.strip()))
    if len(names) < 2:
        return
    path = tmp_path_factory.getbasetemp() / "names.csv"
    quoted = [name.replace('"', '""') for name in names]
    path.write_text(
        "technique,seed,seconds\n" + "".join(f'"{name}",0,1\n' for name in quoted), encoding="utf-8"
    )
    records = read_results(path, Reader(names[0]))
    assert [record.technique.title for record in records] == names
    found = [record.case.technique for record in records]
    assert found[0] == BASELINE
    assert len(set(found)) == len(names)
    for name in found:
        assert re.fullmatch("[a-z0-9_+]+", name)
    assert max(len(record.file_name.encode()) for record in records) < 255


def test_a_column_without_a_name_is_named_by_its_place(read):
    records = read(
        ",technique,seed,seconds\n0,SGD,0,1\n1,Adam,0,1\n", score_unit=None, better=None, energy_unit=None
    )
    assert records[0].machine.unread == ("column 1, which has no name",)


def test_names_that_are_alike_and_one_called_baseline_stay_apart(read):
    records = read(
        "technique,seed,seconds\nSGD,0,1\nsgd,0,1\nS-G-D,0,1\nsgd!,0,1\nbaseline,0,1\na+b,0,1\n",
        score_unit=None,
        better=None,
        energy_unit=None,
    )
    assert [record.case.technique for record in records] == [
        "baseline",
        "sgd",
        "s_g_d",
        "sgd_2",
        "baseline_2",
        "a+b",
    ]


EPOCHS = """\
technique,seed,epoch,score,energy,seconds,steps
SGD,0,2,0.7,4,3,20
SGD,0,1,0.6,5,2,10
SGD,0,3,0.8,6,1,30
Adam,0,1,0.5,5,2,10
Adam,0,2,0.6,5,2,20
"""


def test_epochs_add_up_and_the_last_one_is_the_score(read):
    found = by_run(read(EPOCHS, score_unit="fraction", energy_unit="J"))
    run = found["results", "SGD", 0]
    assert (run.line, run.score, run.energy_j, run.seconds, run.steps) == (4, 0.8, 15.0, 6.0, 30.0)
    assert [(p.epoch, p.score, p.energy_j, p.seconds, p.steps) for p in run.curve] == [
        (1, 0.6, 5.0, 2.0, 10.0),
        (2, 0.7, 9.0, 5.0, 20.0),
        (3, 0.8, 15.0, 6.0, 30.0),
    ]
    assert len(found["results", "Adam", 0].curve) == 2, "a run may stop early"


def test_running_totals_are_taken_as_they_are(read):
    text = "technique,seed,epoch,energy\nSGD,0,1,5\nSGD,0,2,9\nAdam,0,1,4\nAdam,0,3,8\n"
    found = by_run(read(text, score_unit=None, better=None, energy_unit="J", cumulative=True))
    assert [point.energy_j for point in found["results", "SGD", 0].curve] == [5.0, 9.0]
    assert found["results", "Adam", 0].energy_j == 8.0, "a gap does not matter to a total"


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=30), st.sampled_from(sorted(JOULES)))
def test_a_sum_is_that_of_its_rows(tmp_path_factory, amounts, unit):
    path = tmp_path_factory.getbasetemp() / "sums.csv"
    rows = "".join(f"SGD,0,{epoch},{amount!r}\nAdam,0,{epoch},1\n" for epoch, amount in enumerate(amounts))
    path.write_text(f"technique,seed,epoch,energy\n{rows}")
    run = by_run(read_results(path, Reader("SGD", energy_unit=unit)))["sums", "SGD", 0]
    assert math.isclose(run.energy_j, math.fsum(amounts) * JOULES[unit], rel_tol=1e-12, abs_tol=1e-300)


@pytest.mark.parametrize(
    ("row", "replacement", "reason"),
    [
        ("SGD,0,2,0.7,4,3,20", "SGD,0,2,0.7,nan,3,20", "column 'energy' says 'nan' in line 2"),
        ("SGD,0,2,0.7,4,3,20\n", "", "epoch 2 has no row before line 3"),
    ],
)
def test_a_sum_ends_where_something_is_missing(read, row, replacement, reason):
    found = by_run(read(EPOCHS.replace(row, replacement), score_unit="fraction", energy_unit="J"))
    run = found["results", "SGD", 0]
    assert run.energy_j is None
    assert run.reasons == {"energy_j": reason} or run.reasons == dict.fromkeys(
        ("energy_j", "seconds"), reason
    )
    assert (run.score, run.steps) == (0.8, 30.0)
    assert run.curve[0].energy_j == 5.0


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("SGD,1,91", "SGD,0,91", "results.csv, lines 2 and 3 are of the same run; take one of them out, or name the column"),
        ("SGD,1,91", "SGD,1.5,91", "line 3, column 'seed' is '1.5'; allowed is a whole number; number the runs"),
        ("SGD,1,91", "SGD,x,91", "line 3, column 'seed' is 'x'"),
        ("SGD,1,91", ",1,91", "line 3, column 'technique' is ''; every row needs one"),
        ("easy,SGD,1", ",SGD,1", "line 3, column 'workload' is ''; every row needs one"),
        ("1.1,11", "-1.1,11", "line 3, column 'energy' is '-1.1'; energy cannot be negative; correct it"),
        ("1.1,11", "1.1,-11", "line 3, column 'seconds' is '-11'; seconds cannot be negative"),
        ("1,91", "1,9100", "line 3, column 'score' is '9100'; allowed is 0 to 100 for a score in the unit 'percent'"),
        ("1,91", "1,good", "line 3, column 'score' is 'good'; allowed is a number"),
        ("SGD", "RMSprop", "no row is of the baseline 'SGD': column 'technique' of results.csv has 'RMSprop', 'Adam'"),
        ("easy,Adam,0", "easy,SGD ,0", "lines 2 and 4 are of the same run"),
        ("seed", "run", "has no column 'seed' for the seed; its columns are 'workload', 'technique', 'run'"),
        ("technique", "method", "has no column 'technique' for the technique"),
        ("score", "accuracy", "there is no column for the score, and --score-unit is percent; name the column with --score"),
        ("note", "seed", "has 2 columns 'seed' for the seed"),
    ],
)  # fmt: skip
def test_a_table_that_cannot_be_right_is_refused_with_its_place(read, old, new, message):
    with pytest.raises(UserError, match=re.escape(message)):
        read(TABLE.replace(old, new))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"score_unit": None},
            "there is a column for the score, and --score-unit is not given; give --score-unit",
        ),
        ({"better": None}, "give --better"),
        ({"energy_unit": None}, "give --energy-unit"),
        ({"energy_unit": "cal"}, "unit of energy 'cal' is unknown; choose one of J, kJ"),
        ({"cumulative": True}, "results.csv has no column for the epoch; name it with --epoch"),
        ({"columns": {"score": "accuracy"}}, "has no column 'accuracy' for the score"),
        ({"columns": {"workload": "workload,net"}}, "has no column 'net' for the workload"),
        ({"score_unit": "fraction"}, "line 2, column 'score' is '90'; allowed is 0 to 1"),
    ],
)
def test_a_reader_that_does_not_fit_is_refused(read, changes, message):
    with pytest.raises(UserError, match=re.escape(message)):
        read(TABLE, **changes)


def test_one_technique_is_nothing_to_compare(read):
    text = "\n".join(line for line in TABLE.splitlines() if "Adam" not in line)
    with pytest.raises(UserError, match="has one technique, 'SGD': there is nothing to compare it with"):
        read(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SGD,0,1,5\nSGD,0,1,6\nAdam,0,1,7\n", "lines 2 and 3 are of the same run and the same epoch, 1"),
        (
            "SGD,0,1,5\nSGD,0,2,4\nAdam,0,1,7\n",
            "line 3, column 'energy' is '4'; less than 5 in an epoch before it",
        ),
        ("SGD,0,1.5,5\nAdam,0,1,7\n", "line 2, column 'epoch' is '1.5'; allowed is a whole number"),
    ],
)
def test_epochs_that_cannot_be_right_are_refused(read, text, message):
    with pytest.raises(UserError, match=re.escape(message)):
        read(
            f"technique,seed,epoch,energy\n{text}",
            score_unit=None,
            better=None,
            energy_unit="J",
            cumulative=True,
        )


def test_a_table_without_results_is_refused(read):
    with pytest.raises(UserError, match="has no column of results: 'score', 'energy', 'seconds', 'steps'"):
        read("technique,seed,loss\nSGD,0,1\nAdam,0,1\n", score_unit=None, better=None, energy_unit=None)
