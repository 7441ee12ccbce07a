"""The one rule of what may be compared."""

from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import greenbench
from bench_tests.harness.made_records import (
    MACHINE,
    SETTING,
    failure_result,
    inference_result,
    record_of,
)
from greenbench.errors import UserError
from greenbench.records import conditions
from greenbench.records.conditions import (
    CODE,
    ENGINE,
    FREE,
    conditions_but_code,
    differences,
    engine_digest,
    first_difference,
    newest,
    require_comparable,
    same_conditions,
    still_valid,
    version_of_code,
)
from greenbench.records.machine import Machine
from greenbench.spec.case import KINDS, Case, case_of
from greenbench.spec.scale import SCALES
from greenbench.study.catalog import discover

DIFFERENCES = [
    ({"machine": replace(MACHINE, driver="570")}, "machine.driver", None, "570"),
    ({"machine": replace(MACHINE, gpu="H200")}, "machine.gpu", None, "H200"),
    ({"machine": replace(MACHINE, workers=2)}, "machine.workers", 1, 2),
    ({"machine": replace(MACHINE, torch="2.1")}, "machine.torch", "2.0", "2.1"),
    ({"engine": "f" * 64}, "engine", "e" * 64, "f" * 64),
    ({"engine": None}, "engine", "e" * 64, None),
    ({"meter": "rapl"}, "meter", "test", "rapl"),
    ({"setting": {**SETTING, "epochs": 5}}, "setting.epochs", 1, 5),
    ({"setting": {**SETTING, "network": {"width": 0.5}}}, "setting.network", {"width": 0.25}, {"width": 0.5}),
    ({"setting": {**SETTING, "more": 1}}, "setting.more", None, 1),
    ({"version": "v2"}, "data.version", "v1", "v2"),
    ({"weights": "resnet18.pth"}, "data.weights", None, "resnet18.pth"),
    ({"workload_digest": "x"}, "workload_digest", "w" * 64, "x"),
    ({"workload": "digits20"}, "workload", "digits", "digits20"),
    ({"mode": "fast"}, "mode", "paper", "fast"),
    ({"disturbed": "process 7"}, "undisturbed", True, False),
    ({"scale": "short"}, "scale", "smoke", "short"),
    ({"kind": "inference"}, "kind", "training", "inference"),
]


@pytest.mark.parametrize(("changes", "name", "ours", "theirs"), DIFFERENCES, ids=[d[1] for d in DIFFERENCES])
def test_unlike_conditions_are_refused_naming_key_and_values(changes, name, ours, theirs):
    one, other = record_of(), record_of("mixup", **changes)
    with pytest.raises(UserError) as refused:
        require_comparable([one, other])
    assert f": {name} is {ours!r} in one and {theirs!r} in the other" in refused.value.problem
    assert one.case.id in refused.value.problem
    assert other.case.id in refused.value.problem
    assert refused.value.next_step
    assert same_conditions([one, other]) == [[one], [other]]


def in_case(name):
    return replace(
        record_of(), case=replace(record_of().case, **{name: {"more": 1} if name == "setting" else "x"})
    )


def on_machine(name):
    return replace(record_of(), machine=replace(MACHINE, **{name: "x"}))


EACH_FIELD = {
    **{f"case.{f.name}": in_case(f.name) for f in fields(Case) if f.name not in FREE},
    **{f"machine.{f.name}": on_machine(f.name) for f in fields(Machine)},
}


@pytest.mark.parametrize("name", EACH_FIELD)
def test_each_field_of_a_case_and_a_machine_is_a_condition(name):
    one, other = record_of(), EACH_FIELD[name]
    with pytest.raises(UserError, match=name.removeprefix("case.")):
        require_comparable([one, other])
    assert same_conditions([one, other]) == [[one], [other]]
    planned = (one.case, one.machine, one.meter)
    assert still_valid(replace(one, engine=engine_digest()), *planned)
    assert not still_valid(replace(other, engine=engine_digest()), *planned)


DIGITS = discover().workloads["digits"]
CASES = {kind: case_of(kind, discover().technique("baseline"), DIGITS, SCALES["smoke"], 0) for kind in KINDS}


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in KINDS for name in CASES[kind].setting])
def test_each_part_of_a_setting_is_a_condition(kind, name):
    one = replace(record_of(), case=CASES[kind])
    other = replace(
        one, case=replace(CASES[kind], setting={**CASES[kind].setting, name: "x"}), session="another"
    )
    with pytest.raises(UserError, match=rf"setting\.{name}"):
        require_comparable([one, other])


def test_technique_and_seed_alone_are_free():
    assert FREE == ("technique", "technique_digest", "seed")


@pytest.mark.parametrize(
    "changes",
    [
        {"technique": "mixup", "technique_digest": "f" * 64},
        {"seed": 3},
        {"session": "another"},
        {"started_at": "2027-01-01T00:00:00+00:00"},
        {"work_share": 1.0},
    ],
)
def test_what_may_differ_is_compared(changes):
    one, other = record_of(), record_of(**changes)
    require_comparable([one, other])
    assert same_conditions([one, other]) == [[one, other]]


MADE = [record_of(seed=seed, **changes) for changes, *_ in DIFFERENCES for seed in (0, 1)] + [record_of()]


@given(st.lists(st.sampled_from(MADE), max_size=12))
def test_it_is_a_partition(records):
    parts = same_conditions(records)
    assert sorted(map(id, records)) == sorted(id(record) for part in parts for record in part)
    for part in parts:
        require_comparable(part)
    firsts = [part[0] for part in parts]
    assert firsts == sorted(firsts, key=records.index), "in the order of their first members"
    for index, first in enumerate(firsts):
        for another in firsts[index + 1 :]:
            with pytest.raises(UserError):
                require_comparable([first, another])


def test_of_several_versions_and_runs_the_newest_count():
    days = ("2026-01-01T00:00:00+00:00", "2026-01-02T00:00:00+00:00", "2026-01-03T00:00:00+00:00")
    old = [record_of("own", seed=seed, technique_digest="1", started_at=days[0]) for seed in (0, 1)]
    first = [record_of("own", seed=seed, technique_digest="2", started_at=days[1]) for seed in (0, 1)]
    again = record_of("own", seed=0, technique_digest="2", started_at=days[2])
    other = record_of("another", technique_digest="1", started_at=days[0])
    for records in ([*old, *first, again, other], [other, again, *first, *old]):
        counting, older = newest(records)
        assert {id(record) for record in counting} == {id(again), id(first[1]), id(other)}
        assert {id(record) for record in older} == {id(record) for record in old}


def valid(record, case=None, machine=MACHINE, meter="test"):
    return still_valid(record, record.case if case is None else case, machine, meter)


@pytest.mark.parametrize("changes", [{}, {"result": inference_result(1.0)}, {"disturbed": "process 7"}])
def test_a_record_of_this_code_on_this_machine_is_still_valid(changes):
    assert valid(record_of(engine=engine_digest(), **changes))


@pytest.mark.parametrize(
    "record",
    [
        record_of(),
        record_of(engine=None),
        record_of(engine=engine_digest(), meter="rapl"),
        record_of(engine=engine_digest(), machine=replace(MACHINE, driver="570")),
        record_of(engine=engine_digest(), result=failure_result()),
    ],
    ids=["another engine", "no engine", "another meter", "another machine", "a failure"],
)
def test_another_record_is_not(record):
    assert not valid(record)


@pytest.mark.parametrize("edited", ["technique_digest", "workload_digest"])
def test_nor_is_one_of_a_file_that_was_edited_since(edited):
    record = record_of(engine=engine_digest())
    assert not valid(record, replace(record.case, **{edited: "another"}))


def test_the_engine_is_the_code_that_computes(monkeypatch, tmp_path):
    home = Path(greenbench.__file__).parent
    assert all((home / name).is_dir() for name in ENGINE)
    for name in ENGINE:
        (tmp_path / name).mkdir()
    (tmp_path / "records").mkdir()
    monkeypatch.setattr(conditions, "__file__", str(tmp_path / "records" / "conditions.py"))
    digest = engine_digest.__wrapped__
    empty = digest()
    (tmp_path / "records" / "x.py").write_text("")
    (tmp_path / "nn" / "notes.txt").write_text("")
    assert digest() == empty, "other code and other files do not count"
    seen = {empty}
    (tmp_path / "nn" / "deep").mkdir()
    for file in ("nn/deep/x.py", "execute/x.py", "data/x.py", "networks/x.py"):
        (tmp_path / file).write_text("")
        seen.add(digest())
    assert len(seen) == 5


def test_what_says_which_code_ran_is_a_condition_and_the_rest_is_all_others():
    known = conditions.conditions(record_of())
    assert set(CODE) <= known.keys()
    assert conditions_but_code(record_of()).keys() == known.keys() - set(CODE)
    versions = [version_of_code(record_of(**{name: "f" * 64})) for name in ("engine", "technique_digest")]
    assert len({str(version) for version in (version_of_code(record_of()), *versions)}) == 3


def test_all_differences_are_named_and_the_first_comes_first():
    one, other = {"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 0, "d": 4}
    assert list(differences(one, other)) == [("b", 2, 0), ("c", 3, None), ("d", None, 4)]
    assert first_difference(one, other, ("b",)) == ("c", 3, None)
    assert first_difference(one, one) is None
