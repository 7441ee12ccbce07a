"""The one discovery: the package's folders, installed packages, and files of the user's."""

import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest

from greenbench.errors import UserError
from greenbench.spec.technique import BASELINE
from greenbench.study import catalog
from greenbench.study.catalog import discover

OWN = '''
from dataclasses import replace
import greenbench

@greenbench.technique("Optimizer", "Somebody 2020")
def {name}(recipe):
    """What it does."""
    return replace(recipe, epochs=recipe.epochs + 1)
'''
SWEEP = """
from dataclasses import replace
import greenbench
from greenbench.spec.technique import Technique

def at(rate):
    def apply(recipe):
        return replace(recipe, epochs=rate)
    return Technique(f"own_{rate}", "Optimizer", "Somebody 2020", apply)

SWEEP = [at(rate) for rate in (1, 2, 3)]
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Return a function that writes a file; modules and paths that it brings along go away afterwards."""
    monkeypatch.setattr(sys, "path", sys.path[:])
    before = set(sys.modules)

    def write(text, name="own.py"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    yield write
    for name in set(sys.modules) - before:
        del sys.modules[name]


def refused(*files):
    with pytest.raises(UserError) as error:
        discover(files)
    return error.value


def test_the_baseline_comes_first_and_every_file_gives_one():
    found = discover()
    assert next(iter(found.techniques)) == BASELINE
    assert found.baseline.is_baseline
    assert list(found.techniques)[1:] == sorted(list(found.techniques)[1:])
    for technique in found.techniques.values():
        assert "**Source.**" in technique.card, technique.name
        assert technique.source.name == f"{technique.name}.py"
        assert len(technique.source.digest) == 64
        assert technique.source.code
    assert found.given == frozenset()


def test_workloads_come_task_by_task():
    found = discover().workloads
    assert {"digits", "digits20", "scenes4", "scenes6", "cifar100", "cityscapes"} <= found.keys()
    assert list(found) == sorted(found, key=lambda name: (found[name].task, name))
    assert all(workload.source.digest for workload in found.values())


def test_a_file_brings_its_technique(own):
    file = own(OWN.format(name="warm_start"))
    found = discover([file])
    assert found.given == {"warm_start"}
    technique = found.techniques["warm_start"]
    assert technique.source.name == str(file)
    assert technique.source.code == file.read_text()
    assert discover().techniques.keys() == found.techniques.keys() - {"warm_start"}


def test_a_sweep_is_a_loop(own):
    found = discover([own(SWEEP)])
    assert found.given == {"own_1", "own_2", "own_3"}
    assert len({found.techniques[name].source.digest for name in found.given}) == 1


def test_a_file_brings_its_workload(own):
    text = """
from dataclasses import replace
from greenbench.workloads.digits import WORKLOADS
MINE = replace(WORKLOADS[0], name="mine")
"""
    found = discover([own(text)])
    assert found.given == {"mine"}, "what it imports is not its own"
    assert found.workloads["mine"].source.name.endswith("own.py")
    assert found.workloads["digits"].source.name == "digits.py"


def test_a_file_may_build_on_a_technique_of_the_package(own):
    text = "from greenbench.techniques.mixup import mixup\n" + OWN.format(name="mixup_longer")
    found = discover([own(text.replace("replace(recipe,", "replace(mixup(recipe),"))])
    assert found.given == {"mixup_longer"}
    assert found.techniques["mixup"].source.name == "mixup.py"


def test_a_technique_under_two_names_is_one(own):
    assert discover([own(OWN.format(name="once") + "\nalias = once\nALL = [once, alias]")]).given == {"once"}


def test_a_file_finds_the_helpers_beside_it(own):
    own("EPOCHS = 7", "helper_of_own.py")
    text = OWN.format(name="helped").replace("recipe.epochs + 1", "helper_of_own.EPOCHS")
    assert discover([own("import helper_of_own\n" + text)]).given == {"helped"}


def test_a_file_named_like_one_of_the_package_is_another_module(own):
    found = discover([own(OWN.format(name="unlike"), "mixup.py")])
    assert {"mixup", "unlike"} <= found.techniques.keys()


def test_the_same_file_twice_counts_once(own, tmp_path, monkeypatch):
    file = own(OWN.format(name="once"))
    monkeypatch.chdir(tmp_path)
    assert discover([file, file, "own.py", tmp_path / "." / "own.py"]).given == {"once"}


def test_a_file_that_prints_is_read(own, capsys):
    assert discover([own("print('hello')\n" + OWN.format(name="loud"))]).given == {"loud"}
    assert capsys.readouterr().out == "hello\n"


def test_two_of_one_name_are_refused_naming_both_files(own):
    one, two = own(OWN.format(name="twin"), "one.py"), own(OWN.format(name="twin"), "two.py")
    error = refused(one, two)
    assert error.problem == f"two techniques are named 'twin': {one} and {two}"
    assert error.next_step == "rename one of them"
    error = refused(own(OWN.format(name="mixup")))
    assert error.problem.startswith("two techniques are named 'mixup': mixup.py and /")


def test_two_workloads_of_one_name_are_refused(own):
    text = "from dataclasses import replace\nfrom greenbench.workloads.digits import WORKLOADS\n"
    error = refused(own(text + "MINE = replace(WORKLOADS[0], title='Mine')"))
    assert error.problem.startswith("two workloads are named 'digits': digits.py and /")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1\n\n1 / 0\n", "line 3: ZeroDivisionError: division by zero"),
        ("x = 1\ndef (\n", "line 2: SyntaxError: invalid syntax"),
        ("import sys\n\nsys.exit('bye')\n", "line 3: SystemExit: bye"),
        ("import no_such_module\n", "line 1: ModuleNotFoundError: No module named 'no_such_module'"),
        ("def f():\n    raise KeyError('x')\n\nf()\n", "line 2: KeyError: 'x'"),
        ("x = '\0'\n", ": SyntaxError: source code string cannot contain null bytes"),
        (OWN.format(name="Upper"), "UserError: technique 'Upper' has a name that cannot be used"),
        (
            OWN.format(name="odd").replace("Optimizer", "Odd"),
            "UserError: technique 'odd' has the category 'Odd'",
        ),
    ],
)
def test_a_file_that_cannot_be_imported_is_named_with_the_line(own, text, words):
    file = own(text)
    error = refused(file)
    assert error.problem.startswith(f"the file {file} cannot be imported: ")
    assert words in error.problem
    assert error.next_step


def test_a_mistake_in_a_helper_is_not_blamed_on_a_line_of_the_file(own):
    own("x = 1\ny = 2\ndef (\n", "broken_helper_of_own.py")
    error = refused(own("\nimport broken_helper_of_own\n"))
    assert "line 2: SyntaxError: invalid syntax (broken_helper_of_own.py, line 3)" in error.problem


def test_a_user_who_interrupts_is_heard(own):
    with pytest.raises(KeyboardInterrupt):
        discover([own("raise KeyboardInterrupt")])


def test_a_file_that_defines_nothing_is_refused(own):
    error = refused(own("x = 1"))
    assert "defines no technique and no workload" in error.problem
    assert "@greenbench.technique" in error.next_step
    assert "defines no technique" in refused(own("from greenbench.techniques.mixup import mixup")).problem


def test_what_is_no_python_file_is_refused(own, tmp_path):
    assert refused(tmp_path).problem == f"the file {tmp_path} is a folder"
    assert refused(tmp_path / "no.py").problem == f"the file {tmp_path / 'no.py'} does not exist"
    assert refused(own("x = 1", "own.txt")).problem == f"the file {tmp_path / 'own.txt'} is not a Python file"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("mixdown", "technique 'mixdown' is unknown; choose from baseline, blurpool"),
        ("mixup+mixdown", "technique 'mixdown' is unknown"),
        ("mixup+mixup", "'mixup.mixup' names the baseline, or one part twice; compose different"),
        ("baseline+mixup", "names the baseline, or one part twice"),
        ("mixup+", "technique '' is unknown"),
        ("one_branch+cyclic_lr+one_branch", "one part twice"),
    ],
)
def test_a_name_that_makes_no_sense_is_refused(name, words):
    with pytest.raises(UserError, match=words):
        discover().technique(name)


def test_a_name_with_plus_signs_is_composed():
    found = discover()
    assert found.technique("mixup") is found.techniques["mixup"]
    both = found.technique("mixup+lookahead")
    assert (both.name, both.source.name) == ("mixup+lookahead", "mixup.py, lookahead.py")


def installed(monkeypatch, *modules, distribution="their-package"):
    """Let installed packages have these modules as entry points of the techniques' group."""
    dist = SimpleNamespace(name=distribution) if distribution else None
    points = [SimpleNamespace(value=module, module=module, dist=dist) for module in modules]
    monkeypatch.setattr(
        catalog, "entry_points", lambda group: points if group == "greenbench.techniques" else []
    )


def test_an_installed_module_brings_its_techniques(own, tmp_path, monkeypatch):
    own(OWN.format(name="theirs"), "their_module.py")
    monkeypatch.syspath_prepend(tmp_path)
    installed(monkeypatch, "their_module")
    found = discover()
    assert found.techniques["theirs"].source.name == "their_module of package their-package"
    assert found.given == frozenset(), "it is not the user's own file"


def test_an_edited_helper_of_an_installed_package_changes_the_digest(own, tmp_path, monkeypatch):
    for name in ("__init__", "layers"):
        own("", f"their_folder/{name}.py")
    own("from their_folder import layers\n" + OWN.format(name="theirs"), "their_folder/methods.py")
    monkeypatch.syspath_prepend(tmp_path)
    installed(monkeypatch, "their_folder.methods")
    before = discover().techniques["theirs"].source.digest
    own("EDITED = 1", "their_folder/layers.py")
    catalog.read_source.cache_clear()
    assert discover().techniques["theirs"].source.digest != before


def test_a_broken_installed_module_is_named_with_its_package(monkeypatch):
    installed(monkeypatch, "no_such_module_anywhere")
    error = refused()
    assert "no_such_module_anywhere of package their-package cannot be imported" in error.problem
    assert "ModuleNotFoundError" in error.problem


def test_an_installed_module_without_any_is_refused(own, tmp_path, monkeypatch):
    own("x = 1", "their_empty_module.py")
    monkeypatch.syspath_prepend(tmp_path)
    installed(monkeypatch, "their_empty_module", distribution=None)
    assert "their_empty_module of package ? defines no technique" in refused().problem


def test_one_digest_per_version_of_a_file(own):
    file = own(OWN.format(name="edited"))
    first = discover([file]).techniques["edited"]
    own(OWN.format(name="edited").replace("+ 1", "+ 2"))
    catalog.read_source.cache_clear()
    second = discover([file]).techniques["edited"]
    assert first.source.digest != second.source.digest
    assert replace(first, source=second.source, apply=second.apply) == second
