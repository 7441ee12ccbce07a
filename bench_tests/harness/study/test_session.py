"""A study under way: what it runs, what it keeps, and what it runs again."""

import inspect
import subprocess
import sys
import textwrap
import threading
from dataclasses import replace
from pathlib import Path

import pytest

import greenbench
from bench_tests.harness.execute.small_run import SQUARES, network, small_data
from bench_tests.harness.made_records import rewritten
from bench_tests.harness.study.small_session import BASELINE, CATALOG, LONGER, made, pair_of
from greenbench.errors import DataError, NotApplicable, UserError
from greenbench.plugin.summary import explanation
from greenbench.records.folder import RecordFolder, load_records
from greenbench.records.results import Failure
from greenbench.report.notes import on_records
from greenbench.report.sections import split_into_sections
from greenbench.spec.setting import Subset
from greenbench.spec.source import Source
from greenbench.study import session as session_module
from greenbench.study.catalog import Catalog
from greenbench.study.session import Session
from greenbench.verdict.tolerances import Origin, Tolerance


def test_a_baseline_is_run_when_it_is_first_needed_and_once(study, ran):
    session = study()
    for name in ("longer", "halved", "baseline"):
        assert session.misses(pair_of(session, name)) == []
    assert ran == [("longer", "training", 0), ("baseline", "training", 0), ("halved", "training", 0)]
    assert len(load_records(session.settings.out)) == 3


def test_every_seed_has_its_own_baseline(study, ran):
    session = study(seeds=2)
    session.misses(pair_of(session, "longer"))
    assert set(ran) == {(name, "training", seed) for name in ("longer", "baseline") for seed in (0, 1)}


def test_asking_again_gives_the_same_record(study, ran):
    session = study()
    pair = pair_of(session, "longer")
    assert session.records(pair) == session.records(pair)
    assert len(ran) == 1


def test_all_techniques_are_planned_unless_some_are_selected(study):
    def planned(session):
        return [pair[0].technique for pair in session.pairs("training")]

    assert planned(study()) == ["baseline", "longer", "halved"]
    assert planned(study(selected=("halved",))) == ["halved"]
    assert planned(study(selected=("longer+halved",))) == ["longer+halved"]


def test_a_file_s_techniques_run_with_the_baseline_that_they_need(study):
    given = replace(CATALOG, given=frozenset({"halved"}), extra=frozenset({"halved"}))
    assert [pair[0].technique for pair in study(given).pairs("training")] == ["baseline", "halved"]
    assert [pair[0].technique for pair in study(given, selected=("longer",)).pairs("training")] == ["longer"]


def test_an_extra_technique_runs_when_it_is_asked_for(study):
    shelved = replace(CATALOG, extra=frozenset({"halved"}))
    assert [pair[0].technique for pair in study(shelved).pairs("training")] == ["baseline", "longer"]
    assert [pair[0].technique for pair in study(shelved, selected=("halved",)).pairs("training")] == [
        "halved"
    ]


def test_a_file_s_workload_runs_alone_with_its_baseline(study):
    more = {"squares": SQUARES, "mine": replace(SQUARES, name="mine")}
    given = replace(CATALOG, workloads=more, given=frozenset({"mine"}))
    assert [pair[0].id for pair in study(given).pairs("training")] == ["baseline-mine"]
    selected = study(given, selected=("longer",))
    assert [pair[0].id for pair in selected.pairs("training")] == ["longer-mine"]


def test_a_new_session_runs_anew_unless_it_resumes(study, ran):
    for resume, runs in ((False, 1), (False, 2), (True, 2)):
        session = study(resume=resume)
        session.records(pair_of(session, "longer"))
        assert len(ran) == runs
    assert len(session.resumed) == 1
    assert len(load_records(session.settings.out)) == 1


def edited_technique(session):
    edited = replace(LONGER, source=Source(digest="2"))
    catalog = Catalog({"baseline": BASELINE, "longer": edited}, {"squares": SQUARES})
    return Session(replace(session.settings, catalog=catalog))


def other_engine(session):
    (path,) = session.settings.out.glob("*.json")
    rewritten(path, lambda content: content.update(engine="another"))
    return session


def edited_record(session):
    (path,) = session.settings.out.glob("*.json")
    path.write_text(path.read_text().replace('"steps": ', '"steps": 1'))
    return session


def other_meter(session):
    bench = replace(session.settings.bench, meter="estimate:50")
    return Session(replace(session.settings, bench=bench))


def other_setting(session):
    setting = replace(SQUARES.settings["tiny"], evaluate_every=1)
    workload = replace(SQUARES, settings={"tiny": setting})
    catalog = replace(CATALOG, workloads={"squares": workload})
    return Session(replace(session.settings, catalog=catalog))


def other_mode(session):
    return Session(replace(session.settings, mode="fast"))


@pytest.mark.parametrize(
    "change", [edited_technique, other_engine, edited_record, other_meter, other_setting, other_mode]
)
def test_a_stale_record_is_run_again_on_resume(study, ran, change):
    first = study()
    first.records(pair_of(first, "longer"))
    second = change(study(resume=True))
    second.records(pair_of(second, "longer"))
    assert len(ran) == 2
    assert not second.resumed


def test_a_failed_run_is_run_again_on_resume_but_not_within_the_session(study, ran):
    def no_data(root, device):
        raise RuntimeError("no disk")

    broken = replace(CATALOG, workloads={"squares": replace(SQUARES, data=no_data)})
    first = study(broken)
    pair = pair_of(first, "longer")
    for _ in range(2):
        (record,) = first.records(pair)
        assert isinstance(record.result, Failure)
    assert len(ran) == 1
    second = study(resume=True)
    (record,) = second.records(pair_of(second, "longer"))
    assert not record.failed
    assert len(ran) == 2


def test_a_failed_run_is_a_miss_and_is_explained_with_its_record(study):
    def no_data(root, device):
        raise RuntimeError("no disk")

    session = study(replace(CATALOG, workloads={"squares": replace(SQUARES, data=no_data)}))
    pair = pair_of(session, "longer")
    found = session.misses(pair)
    assert [miss.quantity for miss in found] == ["status"]
    text = explanation(session, found, pair)
    assert "longer-squares, seed 0: failed, stage data: RuntimeError: no disk" in text
    assert f"record: {session.settings.out / session.records(pair)[0].file_name}" in text
    assert "Traceback" in text


@pytest.mark.parametrize(("floor", "misses"), [(0.0, 0), (1.1, 1)])
def test_the_baseline_is_held_against_its_floor(study, floor, misses):
    setting = replace(SQUARES.settings["tiny"], floor=floor, floor_source="a test")
    session = study(replace(CATALOG, workloads={"squares": replace(SQUARES, settings={"tiny": setting})}))
    assert len(session.misses(pair_of(session, "baseline"))) == misses
    assert session.misses(pair_of(session, "longer")) == []


def test_inference_runs_where_the_network_differs(study, ran):
    wider = made("wider", lambda recipe: replace(recipe, network=lambda: recipe.network()))
    catalog = Catalog({**CATALOG.techniques, "wider": wider}, CATALOG.workloads)
    session = study(catalog)
    assert [pair[0].technique for pair in session.pairs("inference")] == ["baseline", "wider"]
    session.misses(pair_of(session, "wider", "inference"))
    assert ran == [("wider", "inference", 0), ("baseline", "inference", 0)]


def nothing_to_do(recipe):
    raise NotApplicable("this network has no ReLU", "name another")


def broken(recipe):
    return recipe.nothing


ODD = replace(
    CATALOG,
    techniques={**CATALOG.techniques, "idle": made("idle", nothing_to_do), "odd": made("odd", broken)},
)


def test_a_technique_with_nothing_to_do_is_skipped_with_its_reason_and_kept(study, ran):
    session = study(ODD)
    assert [pair[0].technique for pair in session.pairs("training")] == [*CATALOG.techniques, "idle", "odd"]
    assert [pair[0].technique for pair in session.pairs("inference")] == ["baseline"]
    pair = pair_of(session, "idle")
    assert session.skipped(pair) == "idle-squares: not applicable: this network has no ReLU"
    assert session.misses(pair) == []
    assert session.skipped(pair_of(session, "longer")) is None
    ran.clear()
    again = study(ODD, resume=True)
    assert again.skipped(pair_of(again, "idle")) is not None
    assert ran == []


def test_a_technique_that_breaks_fails_its_own_cases_alone(study):
    session = study(ODD)
    (miss,) = session.misses(pair_of(session, "odd"))
    assert "odd-squares, seed 0: failed, stage recipe: " in miss.message
    assert "AttributeError" in miss.message
    assert session.skipped(pair_of(session, "odd")) is None
    assert session.misses(pair_of(session, "longer")) == []


def test_a_pair_is_skipped_if_all_of_its_seeds_are(study):
    session = study(ODD, seeds=2)
    pair = pair_of(session, "idle")
    _, second = session.records(pair)
    session._known[pair[1].key] = replace(second, result=Failure("recipe", "x", "y"))
    assert session.skipped(pair) is None
    assert [miss.quantity for miss in session.misses(pair)] == ["status"]


def narrow(scale, quantity):
    return Tolerance(scale, quantity, "the package's", allowed_ratio=1.6)


def torchvision_network():
    from torchvision.models import resnet18

    return resnet18(num_classes=3)


def test_a_torchvision_network_passes_with_a_tolerance_of_its_own(study, monkeypatch):
    """The package's row, which is for the study's techniques, need not be edited; nor for the workload's or a file's."""
    monkeypatch.setattr(session_module, "load_tolerances", lambda: (narrow("tiny", "params"),))
    bare = made("resnet", lambda recipe: replace(recipe, network=torchvision_network))
    bound = {"params": 1e6}
    catalog = replace(CATALOG, techniques={**CATALOG.techniques, "resnet": bare})
    session = study(catalog, resume=True)
    assert [miss.quantity for miss in session.misses(pair_of(session, "resnet", "inference"))] == ["params"]
    for changes in (
        {
            "catalog": replace(
                catalog, techniques={**catalog.techniques, "resnet": replace(bare, tolerances=bound)}
            )
        },
        {"catalog": replace(catalog, workloads={"squares": replace(SQUARES, tolerances=bound)})},
        {
            "catalog": catalog,
            "tolerances": (replace(narrow("tiny", "params"), allowed_ratio=1e6, origin=Origin.FILE),),
        },
    ):
        session = study(resume=True, **changes)
        assert session.misses(pair_of(session, "resnet", "inference")) == []
        assert len(session.resumed) == 2, "tolerances are no condition of a record"


def test_missing_data_are_named_for_training_alone(study, tmp_path):
    needy = replace(SQUARES, folder="squares", how_to_get="Draw some.")
    session = study(replace(CATALOG, workloads={"squares": needy}), data_root=tmp_path)
    reason = session.missing_data(pair_of(session, "baseline"))
    assert reason == f"squares: looked for {tmp_path / 'squares'}, which is not there. Draw some."
    assert session.missing_data(pair_of(session, "baseline", "inference")) is None
    assert study().missing_data(pair_of(session, "baseline")) is None


def test_what_cannot_work_is_refused_before_the_first_case(study, tmp_path):
    study().check([])
    assert not (tmp_path / "out").exists()
    with pytest.raises(UserError, match="'nonsense' is unknown"):
        study(meter="nonsense").check([])
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="is a file"):
        study(out=tmp_path / "file").check([])


def test_data_that_are_not_whole_are_refused_unless_asked_for_and_then_named(study, tmp_path):
    (tmp_path / "squares").mkdir()
    part = replace(
        SQUARES,
        folder="squares",
        how_to_get="Draw some.",
        network=lambda *_: network(),
        train_images=100,
        validation_images=9,
    )
    catalog = replace(CATALOG, workloads={"squares": part})
    session = study(catalog, data_root=tmp_path)
    with pytest.raises(UserError, match=r"not whole: 22 of 100 training images; Draw some\. Or go on"):
        session.check(session.pairs("training"))
    session = study(catalog, data_root=tmp_path, partial=True)
    session.check(session.pairs("training"))
    (record,) = session.records(pair_of(session, "baseline")[:1])
    assert record.workload.partial == "22 of 100 training images"
    (section,) = split_into_sections([record])
    (found,) = section.sets
    notes = list(on_records(found, {"baseline": "Baseline"}))
    assert "The data set is not whole: 22 of 100 training images." in notes


def test_of_data_that_are_not_whole_a_subset_uses_all_and_the_record_says_both(study, tmp_path):
    (tmp_path / "squares").mkdir()
    official = {"train": 100, "validation": 9}
    setting = replace(SQUARES.settings["tiny"], subset=Subset(train=30, validation=4))
    part = replace(
        SQUARES,
        settings={"tiny": setting},
        data=lambda _root, _device, asked=None: small_data().at(asked, official),
        folder="squares",
        network=lambda *_: network(),
        train_images=100,
        validation_images=9,
    )
    catalog = replace(CATALOG, workloads={"squares": part})
    with pytest.raises(UserError, match="not whole: 22 of 100 training images"):
        study(catalog, data_root=tmp_path).check(study(catalog).pairs("training"))
    session = study(catalog, data_root=tmp_path, partial=True)
    session.check(session.pairs("training"))
    (record,) = session.records(pair_of(session, "baseline")[:1])
    facts = record.workload
    assert facts.partial == "22 of 100 training images"
    assert facts.subset == (
        "22 of 22 training images (repeated to 30) and 4 of 9 validation images, drawn with seed 0"
    )
    assert (facts.train_images, facts.validation_images) == (30, 4)
    (read,) = load_records(session.settings.out)
    assert (read.workload.subset, read.case.setting["subset"]["train"]) == (facts.subset, 30)


def test_data_that_a_case_found_unusable_are_read_by_no_other(study, ran):
    def broken(_root, _device):
        raise DataError("a.png is empty", "get it again")

    session = study(replace(CATALOG, workloads={"squares": replace(SQUARES, data=broken)}), seeds=2)
    for name in ("longer", "baseline", "halved"):
        with pytest.raises(
            UserError, match=r"^the data of squares cannot be used: a.png is empty; get it again$"
        ):
            session.misses(pair_of(session, name))
    assert ran == [("longer", "training", 0)]
    (record,) = load_records(session.settings.out)
    assert record.result == Failure("data", "a.png is empty", "get it again", "")


def test_a_file_that_is_refused_in_training_is_a_fault_of_the_data(study):
    def data(root, device):
        found = SQUARES.data(root, device)

        def batches(*_):
            raise DataError("a.png is empty", "get it again")

        found.training_batches = batches
        return found

    session = study(replace(CATALOG, workloads={"squares": replace(SQUARES, data=data)}))
    (record,) = session.records(pair_of(session, "baseline"))
    assert record.result == Failure("data", "a.png is empty", "get it again", "")


def test_all_data_sets_that_cannot_be_used_are_named_at_once(study, tmp_path):
    def broken(_root, _device):
        raise DataError("a.png is empty", "get it again")

    workloads = {name: replace(SQUARES, name=name, folder="squares", data=broken) for name in ("one", "two")}
    (tmp_path / "squares").mkdir()
    session = study(replace(CATALOG, workloads=workloads), data_root=tmp_path)
    with pytest.raises(UserError, match=r"^a.png is empty; get it again\na.png is empty; get it again$"):
        session.check(session.pairs("training"))


def test_an_environment_that_replaces_float32_is_refused_before_the_first_case(study, monkeypatch):
    session = study()
    session.check(session.pairs("training"))
    session = study()
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "1")
    with pytest.raises(UserError, match="NVIDIA_TF32_OVERRIDE=1 replaces float32 by less"):
        session.check(session.pairs("training"))


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError("damaged"), "the data of squares below .* cannot be read: OSError: damaged; Draw some."),
        (UserError("the archive is damaged", "unpack it again"), "^the archive is damaged; unpack it again$"),
    ],
)
def test_data_that_cannot_be_read_are_refused_before_the_first_case(study, tmp_path, error, words):
    (tmp_path / "squares").mkdir()
    reads = []

    def damaged(root, device):
        reads.append(root)
        raise error

    needy = replace(SQUARES, folder="squares", how_to_get="Draw some.", data=damaged)
    catalog = replace(CATALOG, workloads={"squares": needy})
    session = study(catalog, data_root=tmp_path)
    session.check(session.pairs("inference"))
    assert reads == [], "inference needs no data"
    own = study(replace(catalog, given=frozenset({"squares"})), data_root=tmp_path)
    own.check(own.pairs("training"))
    assert reads == [], "what a file of the user's does fails its own cases"
    with pytest.raises(UserError, match=words):
        session.check(session.pairs("training"))
    assert reads == [tmp_path]


def test_data_are_read_once_to_check_them_and_only_where_they_are_the_user_s(study, tmp_path):
    reads = []

    def reading(root, device):
        reads.append(root)
        return SQUARES.data(root, device)

    for folder in (None, "missing", "squares"):
        (tmp_path / "squares").mkdir(exist_ok=True)
        workload = replace(SQUARES, folder=folder, data=reading)
        session = study(replace(CATALOG, workloads={"squares": workload}), data_root=tmp_path)
        session.check(session.pairs("training"))
    assert reads == [tmp_path], "once, for all techniques"


def test_it_is_refused_where_python_leaves_assertions_out(study):
    names = dict(vars(session_module))
    source = textwrap.dedent(inspect.getsource(Session.check))
    exec(compile(source, "check", "exec", optimize=1), names)
    with pytest.raises(UserError, match="'nonsense' is unknown"):
        names["check"](study(meter="nonsense"), [])


def test_the_meter_is_named(study):
    assert study().meter == "none"
    assert study(meter="estimate:50").meter == "estimate 50 W"


def test_two_sessions_in_one_folder_keep_out_of_each_other_s_way(study):
    """Each keeps to its own records while both are under way, and the folder stays sound."""
    one, other = study(), study()
    first = one.records(pair_of(one, "longer"))
    second = other.records(pair_of(other, "longer"))
    assert first[0].session != second[0].session
    records, unreadable = RecordFolder(one.settings.out).read()
    assert (records, unreadable) == (second, []), "the later run of the same case takes its place"
    assert one.records(pair_of(one, "halved"))[0].session == first[0].session


def test_two_workers_of_one_session_run_a_case_once(study, ran):
    workers = [study(workers=2, session="shared") for _ in range(2)]
    threads = [
        threading.Thread(target=lambda worker=worker: worker.records(pair_of(worker, "baseline")))
        for worker in workers
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ran == [("baseline", "training", 0)]
    (record,) = load_records(workers[0].settings.out)
    assert record.machine.workers == 2


MEASURING = """
import sys
from pathlib import Path
from greenbench.energy import lock
from greenbench.energy.neighbors import Neighbors
lock.lock_folder = lambda: Path(sys.argv[1])
with Neighbors("another run"):
    print("registered", flush=True)
    sys.stdin.read()
"""


def test_a_run_beside_another_says_so(study, lock_folder):
    session = study()
    (alone,) = session.records(pair_of(session, "baseline"))
    assert alone.disturbed is None
    with subprocess.Popen(
        [sys.executable, "-c", MEASURING, str(lock_folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(greenbench.__file__).parents[1],
    ) as other:
        assert other.stdout.readline() == b"registered\n"
        (disturbed,) = session.records(pair_of(session, "longer"))
        other.stdin.close()
    expected = f"another run measured on this machine at the same time (process {other.pid})"
    assert disturbed.disturbed == expected


@pytest.mark.parametrize(
    ("answers", "expected"), [(["a", None], "a"), ([None, "b"], "b"), ([None, None], None)]
)
def test_who_else_measured_is_asked_before_and_after(study, monkeypatch, answers, expected):
    session, left = study(), iter(answers)
    monkeypatch.setattr(session._runner, "_others", lambda: next(left))
    (record,) = session.records(pair_of(session, "baseline"))
    assert record.disturbed == expected


def test_progress_is_told_case_by_case(study):
    session, told = study(), []
    session.progress = lambda case: lambda progress: told.append((case.id, progress.done))
    session.records(pair_of(session, "baseline"))
    assert told == [("baseline-squares", step) for step in range(1, 7)]


def test_a_composition_that_undoes_itself_is_refused_before_the_first_case(study, ran):
    session = study(selected=("longer+halved",))
    pair = pair_of(session, "longer+halved")
    with pytest.raises(UserError, match="both change the recipe's epochs, and halved does not keep"):
        session.check([pair])
    assert ran == []
    assert not session.settings.out.exists()


def test_one_seed_of_several_is_run_alone_and_judged_with_the_others(study, ran):
    session = study(seeds=2)
    pair = pair_of(session, "longer")
    assert session.misses(pair[:1]) == []
    assert ran == [("longer", "training", 0)], "no baseline is needed yet"
    assert session.judged == []
    session.misses(pair)
    assert set(ran) == {(name, "training", seed) for name in ("longer", "baseline") for seed in (0, 1)}
    assert session.judged == [pair]
