"""The one discovery: the package's folders, installed packages, and files of the user's."""

import importlib
import re
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest

from greenbench.errors import UserError
from greenbench.spec.technique import BASELINE
from greenbench.study import catalog
from greenbench.study.catalog import discover
from greenbench.study.foreign import beside

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


def fault(*files):
    """Return the one thing that is wrong with some files; what else there is stays."""
    found = discover(files)
    assert found.techniques.keys() >= discover().techniques.keys()
    (error,) = (*found.faults, *found.installed_faults)
    assert "\n" not in str(error)
    assert error.next_step
    return error


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
    assert {"digits", "scenes4", "cifar100", "cityscapes"} <= found.keys()
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
from greenbench.workloads.digits import digits
MINE = replace(digits, name="mine")
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


COUNTED = """
from dataclasses import replace
import greenbench
import helper_of_both

@greenbench.technique("Optimizer", "Somebody 2020")
def {name}(recipe):
    import late_helper_of_both
    return replace(recipe, epochs=helper_of_both.EPOCHS + late_helper_of_both.EPOCHS)
"""


def test_files_of_two_folders_do_not_share_the_helpers_beside_them(own):
    for folder, epochs in (("one", 10), ("two", 20)):
        for helper in ("helper_of_both", "late_helper_of_both"):
            own(f"EPOCHS = {epochs}", f"{folder}/{helper}.py")
    files = [own(COUNTED.format(name=name), f"{name}/own.py") for name in ("one", "two")]
    found = discover(files)
    recipe = found.workloads["digits"].recipe("smoke")
    for name, epochs in (("two", 40), ("one", 20), ("two", 40)):
        with beside(*found.folders(name, "digits")):
            assert found.techniques[name](recipe).epochs == epochs


def test_a_package_that_was_imported_before_stays_what_it_is(own, monkeypatch):
    """A file in the root of a project does not take the project's modules away from others."""
    own("", "project_of_own/__init__.py")
    own("", "project_of_own/part.py")
    file = own("from project_of_own import part\n" + OWN.format(name="rooted"))
    monkeypatch.syspath_prepend(file.parent)
    project = importlib.import_module("project_of_own")
    discover([file, own(OWN.format(name="elsewhere"), "elsewhere/own.py")])
    assert sys.modules["project_of_own"] is project
    assert sys.modules["project_of_own.part"] is project.part


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


def test_what_a_file_prints_goes_to_standard_error(own, capsys):
    assert discover([own("print('hello')\n" + OWN.format(name="loud"))]).given == {"loud"}
    assert capsys.readouterr() == ("", "hello\n")


def test_a_warning_is_no_error(own, recwarn):
    """Warnings are errors in these tests, as for those who run Python with -W error."""
    text = "import warnings\nwarnings.warn('theirs', stacklevel=1)\n" + OWN.format(name="warned")
    assert discover([own(text)]).given == {"warned"}
    assert [str(warning.message) for warning in recwarn] == ["theirs"]


def test_a_name_that_is_taken_is_named_with_both_files_and_the_line(own):
    one, two = own(OWN.format(name="twin"), "one.py"), own(OWN.format(name="twin"), "two.py")
    error = fault(one, two)
    assert error.problem == f"{two}, line 6: the technique 'twin' has the name of one in {one}"
    assert error.next_step == "rename it"
    assert discover([one, two]).given == {"twin"}
    error = fault(own(OWN.format(name="mixup")))
    assert error.problem.endswith("own.py, line 6: the technique 'mixup' has the name of one in mixup.py")


def test_a_name_of_a_collection_that_never_runs_by_itself_is_free(own):
    text = OWN.format(name="sam")
    found = discover([own(text)])
    assert found.faults == ()
    assert found.techniques["sam"].source.code == text
    assert "sam" not in found.extra
    assert found.default == (BASELINE, "sam")
    assert {"sam", "ema"} <= discover().extra
    one, two = own(text, "one.py"), own(text, "two.py")
    assert "'sam' has the name of one in" in fault(one, two).problem


def test_a_workload_s_name_that_is_taken_is_named(own):
    text = "from dataclasses import replace\nfrom greenbench.workloads.digits import digits\n"
    error = fault(own(text + "MINE = replace(digits, title='Mine')"))
    assert error.problem.endswith("own.py: the workload 'digits' has the name of one in digits.py")


def test_what_is_sound_in_a_file_runs_beside_what_is_not(own):
    text = OWN.format(name="mixup") + OWN.format(name="sound")
    assert fault(own(text))
    assert discover([own(text)]).given == {"sound"}


WRONG = OWN.format(name="wrong")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (WRONG.replace("(recipe):", "():"), "cannot be called with a recipe alone: too many positional"),
        (WRONG.replace("(recipe):", "(recipe, more):"), "missing a required argument: 'more'"),
        (
            WRONG.replace("2020", "2020', tasks='speech").replace('"', "'"),
            "the tasks of technique 'wrong' are 'speech', not a tuple of names; write tasks=('speech',)",
        ),
        (WRONG.replace('"Somebody 2020"', "2020"), "the citation of technique 'wrong' is 2020"),
        (
            WRONG.replace('2020"', '2020", tolerances={"speed": 1.1}'),
            "quantity 'speed' is unknown; choose one of train_score, score",
        ),
        (
            WRONG.replace('2020"', '2020", tolerances={"params": "a lot"}'),
            "the tolerance of params has the allowed_ratio 'a lot'; give a number",
        ),
        (
            'from greenbench.spec.technique import Technique\n\nX = Technique("wrong", "Optimizer", "x", 7)',
            "line 3: technique 'wrong' is made of 7, which is no function; decorate a function",
        ),
        (
            "from greenbench.spec.technique import Technique\n\nclass C: pass\n\n"
            'X = Technique("wrong", "Optimizer", "x", C)',
            "line 5: technique 'wrong' is made of <class",
        ),
    ],
)
def test_a_wrong_type_is_named_with_the_line_and_the_cure(own, text, words):
    file = own(text)
    error = fault(file)
    assert re.match(f"{re.escape(str(file))}, line [356]: ", str(error))
    assert words in str(error)


def test_whatever_is_wrong_with_a_file_the_others_run(own, tmp_path):
    broken = [own("1 / 0", "a.py"), own("x = 1", "b.py"), tmp_path / "no.py", tmp_path]
    found = discover([*broken, own(OWN.format(name="sound"))])
    assert found.given == {"sound"}
    assert len(found.faults) == 4
    assert all(str(file) in str(error) for file, error in zip(broken, sorted_by(broken, found), strict=True))


def sorted_by(files, found):
    return [
        next(f for f in found.faults if re.search(rf"{re.escape(str(file))}\b[^/]", str(f))) for file in files
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1\n\n1 / 0\n", ", line 3: cannot be read: ZeroDivisionError: division by zero; mend that line"),
        ("x = 1\ndef (\n", ", line 2: cannot be read: SyntaxError: invalid syntax; mend that line"),
        ("import sys\n\nsys.exit('bye')\n", ", line 3: cannot be read: SystemExit: bye; take out what ends"),
        ("import pytest\npytest.skip('x', allow_module_level=True)", ", line 2: cannot be read: Skipped: x"),
        (
            "import no_such_module\n",
            ", line 1: cannot be read: ModuleNotFoundError: No module named 'no_such_module'; install that",
        ),
        ("def f():\n    raise KeyError('x')\n\nf()\n", ", line 2: cannot be read: KeyError: 'x'"),
        ("x = '\0'\n", ": cannot be read: SyntaxError: source code string cannot contain null bytes"),
        (OWN.format(name="Upper"), ", line 5: technique 'Upper' has a name that cannot be used; name it in"),
        (
            OWN.format(name="odd").replace("Optimizer", "Odd"),
            ", line 5: technique 'odd' has the category 'Odd'; choose one of",
        ),
        (
            "import greenbench\n\n@greenbench.technique('Optimizer', 'x')\nclass f: pass\n",
            ", line 3: technique(...) decorates <class 'greenbench_file_own",
        ),
        (
            "import greenbench\n\n@greenbench.technique\ndef f(recipe): pass\n",
            ", line 3: @greenbench.technique was used without category or citation",
        ),
    ],
)
def test_a_file_that_cannot_be_imported_is_named_with_the_line_and_the_cure(own, text, words):
    file = own(text)
    assert str(fault(file)).startswith(f"{file}{words}")


def test_a_file_in_another_encoding_is_named_with_the_line(own, tmp_path):
    file = tmp_path / "latin.py"
    file.write_bytes(b"x = 1\ny = 'caf\xe9'\n")
    assert str(fault(file)).startswith(f"{file}, line 2: cannot be read: SyntaxError: (unicode error)")
    file.write_bytes(b"# -*- coding: latin-1 -*-\ny = 'caf\xe9'\n" + OWN.format(name="latin").encode())
    assert discover([file]).given == {"latin"}


def test_a_mistake_in_a_helper_is_not_blamed_on_a_line_of_the_file(own):
    helper = own("x = 1\ny = 2\ndef (\n", "broken_helper_of_own.py")
    error = fault(own("\nimport broken_helper_of_own\n"))
    assert f"line 2: cannot be read: SyntaxError: invalid syntax ({helper}, line 3)" in error.problem
    helper = own("x = 1\n1 / 0\n", "failing_helper_of_own.py")
    error = fault(own("\nimport failing_helper_of_own\n", "other.py"))
    assert error.problem.endswith(
        f"other.py, line 2: cannot be read: ZeroDivisionError: division by zero ({helper}, line 2)"
    )


def test_a_user_who_interrupts_is_heard(own):
    with pytest.raises(KeyboardInterrupt):
        discover([own("raise KeyboardInterrupt")])


def test_a_file_that_defines_nothing_is_fault(own):
    error = fault(own("x = 1"))
    assert "defines no technique and no workload" in error.problem
    assert "@greenbench.technique" in error.next_step
    assert "defines no technique" in fault(own("from greenbench.techniques.mixup import mixup")).problem


def test_what_is_no_python_file_is_refused(own, tmp_path):
    assert fault(tmp_path).problem == f"the file {tmp_path} is a folder"
    assert fault(tmp_path / "no.py").problem == f"the file {tmp_path / 'no.py'} does not exist"
    assert fault(own("x = 1", "own.txt")).problem == f"the file {tmp_path / 'own.txt'} is not a Python file"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("mixdown", "technique 'mixdown' is unknown; choose from baseline, .*blurpool"),
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
    error = fault()
    assert error.problem == (
        "no_such_module_anywhere of package their-package: cannot be read: ModuleNotFoundError: No module named "
        "'no_such_module_anywhere'"
    )


def test_an_installed_module_without_any_is_refused(own, tmp_path, monkeypatch):
    own("x = 1", "their_empty_module.py")
    monkeypatch.syspath_prepend(tmp_path)
    installed(monkeypatch, "their_empty_module", distribution=None)
    assert "their_empty_module of package ? defines no technique" in fault().problem


def test_a_technique_of_another_entry_point_is_not_defined_again(own, tmp_path, monkeypatch):
    own(OWN.format(name="theirs"), "their_module_b.py")
    text = "from their_module_b import theirs\n" + OWN.format(name="ours")
    own(text, "their_module_a.py")
    monkeypatch.syspath_prepend(tmp_path)
    installed(monkeypatch, "their_module_a", "their_module_b")
    found = discover()
    assert found.installed_faults == ()
    assert found.techniques["theirs"].source.name == "their_module_b of package their-package"


def test_a_technique_of_another_given_file_is_not_defined_again(own):
    one = own(OWN.format(name="first"), "one_of_two.py")
    two = own("from one_of_two import first\n" + OWN.format(name="second"), "two_of_two.py")
    for files in ([one, two], [two, one]):
        found = discover(files)
        assert (found.faults, found.given) == ((), {"first", "second"})
        assert found.techniques["first"].source.name == str(one)


def test_a_broken_package_leaves_the_user_s_files_alone(own, monkeypatch):
    installed(monkeypatch, "no_such_module_anywhere")
    found = discover([own(OWN.format(name="sound"))])
    assert (found.given, found.faults, len(found.installed_faults)) == ({"sound"}, (), 1)
    with pytest.raises(
        UserError, match=r"'mixdown' is unknown \(left out: no_such_module_anywhere of package"
    ):
        found.technique("mixdown")


def test_collections(own, tmp_path, monkeypatch):
    own(OWN.format(name="theirs"), "their_module.py")
    monkeypatch.syspath_prepend(tmp_path)
    installed(monkeypatch, "their_module")
    found = discover([own(OWN.format(name="mine"))])
    of = {name: technique.collection for name, technique in found.techniques.items()}
    assert (of["mixup"], of["theirs"], of["mine"]) == ("paper", "their-package", "")
    shelved = {name for name, collection in of.items() if collection == "modern"}
    assert found.extra == shelved
    assert found.default == (BASELINE, "mine")
    assert set(discover().default) == of.keys() - shelved - {"mine"}
    assert len(found.collection("paper")) == 18
    assert found.collection("their-package") == (BASELINE, "theirs")
    with pytest.raises(
        UserError, match=r"collection 'ancient' is unknown; choose from .*paper, their-package"
    ):
        found.collection("ancient")


def test_a_sub_package_is_a_collection_that_runs_on_request_alone(own, tmp_path, monkeypatch):
    own("", "shelf_of_own/__init__.py")
    own("", "shelf_of_own/rare/__init__.py")
    own(OWN.format(name="rarely"), "shelf_of_own/rare/rarely.py")
    own(OWN.format(name=BASELINE), "shelf_of_own/baseline.py")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(catalog.greenbench, "techniques", importlib.import_module("shelf_of_own"))
    found = discover()
    assert found.techniques["rarely"].collection == "rare"
    assert (found.extra, found.default) == ({"rarely"}, (BASELINE,))
    assert found.collection("rare") == (BASELINE, "rarely")
    assert found.technique("rarely").name == "rarely"


def test_one_digest_per_version_of_a_file(own):
    file = own(OWN.format(name="edited"))
    first = discover([file]).techniques["edited"]
    own(OWN.format(name="edited").replace("+ 1", "+ 2"))
    catalog.read_source.cache_clear()
    second = discover([file]).techniques["edited"]
    assert first.source.digest != second.source.digest
    assert replace(first, source=second.source, apply=second.apply) == second
