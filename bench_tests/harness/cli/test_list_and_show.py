"""``greenbench list`` and ``greenbench show``."""

import subprocess
import sys
from types import SimpleNamespace

import pytest

from bench_tests.harness.made_records import failure_result, inference_result, record_of, training_result
from greenbench.cli import main
from greenbench.records.folder import RecordFolder
from greenbench.records.memory import PROCESS, PeakMemory
from greenbench.spec.mode import MODES
from greenbench.study import catalog as catalog_module
from greenbench.study.catalog import discover

OWN = '''
from dataclasses import replace
import greenbench
from greenbench.workloads.digits import digits

@greenbench.technique("Optimizer", "nobody 2024", tasks=("classification",))
def warm_start(recipe):
    """Warm start: the first epoch is repeated."""
    return replace(recipe, epochs=recipe.epochs + 1)

MINE = replace(digits, name="my_digits", title="My digits", card="Digits of my own.")
'''


@pytest.fixture
def own_file(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", sys.path[:])
    file = tmp_path / "warm_start.py"
    file.write_text(OWN)
    yield file
    own = [
        name
        for name, one in sys.modules.items()
        if str(getattr(one, "__file__", "")).startswith(str(tmp_path))
    ]
    for name in own:
        del sys.modules[name]


def line_of(text, name):
    (line,) = (line for line in text.splitlines() if line.split()[:1] == [name])
    return line


def test_list_prints_every_technique_with_category_source_and_tasks(capsys):
    assert main(["list"]) == 0
    text = capsys.readouterr().out
    for technique in discover().techniques.values():
        line = line_of(text, technique.name)
        for part in (technique.category, technique.citation, ", ".join(technique.tasks or ("all tasks",))):
            assert part in line


def test_list_prints_every_workload_with_task_metric_and_scales(capsys):
    main(["list"])
    text = capsys.readouterr().out
    for workload in discover().workloads.values():
        line = line_of(text, workload.name)
        for part in (workload.title, workload.task, workload.metric.title, ", ".join(workload.settings)):
            assert part in line


def test_list_prints_every_numerical_mode(capsys):
    main(["list"])
    text = capsys.readouterr().out
    for mode in MODES.values():
        assert line_of(text, mode.name).endswith(mode.summary)


def test_list_includes_files_of_one_s_own(capsys, own_file):
    assert main(["list", str(own_file)]) == 0
    text = capsys.readouterr().out
    assert line_of(text, "warm_start").split()[-3:] == ["nobody", "2024", "classification"]
    assert "My digits" in line_of(text, "my_digits")


def test_list_shows_collections_apart_and_which_run_by_default(capsys, own_file):
    main(["list", str(own_file)])
    text = capsys.readouterr().out
    headings = [line for line in text.splitlines() if line.startswith(("Collection", "Your own"))]
    assert headings == [
        "Collection paper: runs where nothing else is asked for",
        "Collection modern: runs by name, or with --green-collection modern",
        "Your own: these run, beside the baseline, when their files are given",
    ]
    paper, modern, own = (text.split(f"{heading}\n")[1].split("\n\n")[0] for heading in headings)
    catalog = discover()
    for name, technique in catalog.techniques.items():
        place = modern if technique.collection == "modern" else paper
        assert line_of(place, name)
        assert (name in catalog.default) == (place is paper)
    assert line_of(own, "warm_start")


@pytest.mark.parametrize(
    "command", [["list"], ["show", "focal"], ["show", "warm_start"], ["show", "nothing"]]
)
def test_a_file_that_cannot_be_read_is_named_and_the_others_are_shown(capsys, own_file, command):
    broken = own_file.with_name("broken.py")
    broken.write_text("print('hello')\n1 / 0\n")
    assert main([*command, str(broken), str(own_file)]) == 2
    out, err = capsys.readouterr()
    assert "hello" not in out
    assert f"greenbench: left out: {broken}, line 2: cannot be read: ZeroDivisionError" in err
    assert ("warm_start" in out) == (command[-1] in ("list", "warm_start"))


def test_a_broken_package_is_named_and_no_fault_of_the_user_s(capsys, monkeypatch):
    point = SimpleNamespace(
        value="no_such_module", module="no_such_module", dist=SimpleNamespace(name="theirs")
    )
    monkeypatch.setattr(catalog_module, "entry_points", lambda group: [point])
    assert main(["list"]) == 0
    assert "left out: no_such_module of package theirs: cannot be read" in capsys.readouterr().err


def test_show_prints_the_card_of_a_technique(capsys):
    assert main(["show", "focal"]) == 0
    technique = discover().techniques["focal"]
    first, facts, _, card = capsys.readouterr().out.split("\n", 3)
    assert first == f"{technique.title} (focal)"
    assert facts == "Loss Function; Lin et al. 2017, arXiv:1708.02002; all tasks; collection paper; focal.py"
    assert card == technique.card + "\n"


def test_show_prints_the_card_of_a_workload(capsys):
    assert main(["show", "digits"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("Digits (digits)\nclassification; Accuracy; smoke; digits.py\n\n")
    assert discover().workloads["digits"].card in out


def test_show_prints_the_cards_of_a_composition(capsys):
    assert main(["show", "mixup+lookahead"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("Mixup + ")
    techniques = discover().techniques
    assert techniques["mixup"].card in out
    assert techniques["lookahead"].card in out


@pytest.mark.parametrize(
    ("name", "words"),
    [("warm_start", "Warm start: the first epoch is repeated."), ("my_digits", "Digits of my own.")],
)
def test_show_prints_the_cards_of_a_file_of_one_s_own(capsys, own_file, name, words):
    assert main(["show", name, str(own_file)]) == 0
    out = capsys.readouterr().out
    assert words in out
    assert str(own_file) in out


RECORD = record_of(
    "mixup",
    training_result(0.9, energy_j=50.0, seconds=2.5),
    memory=PeakMemory(512_000_000, PROCESS),
)


@pytest.mark.parametrize(
    ("record", "first", "parts"),
    [
        (
            RECORD,
            "Mixup on Digits: training, seed 0, finished",
            [("train_memory_bytes", "512 MB"), ("train_energy_j", "50.0 J"), ("(score)", "90.0%")],
        ),
        (
            record_of(result=inference_result(4.0), memory=PeakMemory(None, PROCESS, reason="no /proc")),
            "Baseline on Digits: inference, seed 0, finished",
            [
                ("inference_memory_bytes", "– no /proc"),
                ("image_energy_j", "– no meter on this machine (test)"),
            ],
        ),
        (
            record_of(result=failure_result(), kind="training"),
            "Baseline on Digits: training, seed 0, failed, stage training: ZeroDivisionError: division by zero. "
            "Next step: look at own.py, line 3",
            [],
        ),
    ],
)
def test_show_says_what_a_record_holds(capsys, tmp_path, record, first, parts):
    assert main(["show", str(RecordFolder(tmp_path).write(record))]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0] == first
    for name, value in parts:
        (line,) = (line for line in out.splitlines() if name in line)
        assert value in " ".join(line.split())


def test_show_of_a_file_that_is_no_record_says_so(capsys, tmp_path):
    (tmp_path / "a.json").write_text("{}")
    assert main(["show", str(tmp_path / "a.json")]) == 2
    assert "a.json: not a greenbench record; give a record that a study wrote" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["mixup2", "mixup+mixup2", ""])
def test_show_of_an_unknown_name_names_the_known_ones(capsys, name):
    assert main(["show", name]) == 2
    error = capsys.readouterr().err
    assert (
        f"greenbench: error: {name!r} is neither a technique nor a workload; choose one of baseline" in error
    )
    assert "mixup, " in error
    assert "scenes4" in error


def test_show_of_a_composition_of_one_with_itself_is_refused(capsys):
    assert main(["show", "mixup+mixup"]) == 2
    assert "one part twice" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["list"], ["show", "warm_start"]])
def test_a_missing_file_is_named(capsys, command):
    assert main([*command, "no/such.py"]) == 2
    assert "no/such.py does not exist" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["list"], ["show", "switchnorm"], ["show", "cityscapes"]])
def test_neither_imports_torch(arguments):
    code = (
        "import sys; from greenbench.cli import main; "
        f"assert main({arguments!r}) == 0; sys.exit('torch' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=False)
    assert run.returncode == 0


@pytest.mark.parametrize(
    ("options", "there", "absent"),
    [
        (["--only", "modes"], ["fast", "paper"], ["mixup", "digits"]),
        (["--only", "workloads", "--task", "segmentation"], ["scenes4", "cityscapes"], ["digits", "mixup"]),
        (["--collection", "modern"], ["sam", "adamw"], ["lookahead", "digits"]),
        (["--category", "optimizer"], ["radam", "adamw", "lookahead"], ["mixup", "digits"]),
        (["--task", "classification"], ["mixup", "digits"], ["soft_dice", "scenes4", "bfloat16"]),
        (["--collection", "paper", "--category", "Optimizer"], ["radam"], ["adamw"]),
    ],
)
def test_filters_leave_what_they_name(options, there, absent, capsys):
    assert main(["list", *options]) == 0
    first = {line.split()[0] for line in capsys.readouterr().out.splitlines() if line.strip()}
    assert set(there) <= first
    assert not set(absent) & first


@pytest.mark.parametrize("options", [["--collection", "old"], ["--category", "Magic"], ["--task", "poetry"]])
def test_a_filter_that_nothing_has_is_refused_with_what_there_is(options, capsys):
    assert main(["list", *options]) == 2
    assert "choose one of" in capsys.readouterr().err
