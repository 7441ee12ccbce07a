"""``greenbench list`` and ``greenbench show``."""

import subprocess
import sys

import pytest

from greenbench.cli import main
from greenbench.techniques import discover

OWN = '''"""Warm start: the first epoch is repeated."""

from dataclasses import replace

from greenbench.recipe import Technique

TECHNIQUE = Technique(
    name="warm_start",
    title="Warm Start",
    category="Optimizer",
    citation="nobody 2024",
    apply=lambda recipe: replace(recipe, epochs=recipe.epochs + 1),
    tasks=("classification",),
)
'''


@pytest.fixture
def own_file(tmp_path):
    file = tmp_path / "warm_start.py"
    file.write_text(OWN)
    return file


def test_list_prints_every_technique_with_category_source_and_tasks(capsys):
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for technique in discover().values():
        (line,) = [line for line in lines if line.split()[0] == technique.name]
        for part in (technique.title, technique.category, technique.citation, ", ".join(technique.tasks)):
            assert part in line


def test_list_includes_a_file_of_one_s_own(capsys, own_file):
    assert main(["list", str(own_file)]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "warm_start" in line]
    assert line.split()[-3:] == ["nobody", "2024", "classification"]


def test_show_prints_the_card(capsys):
    assert main(["show", "focal"]) == 0
    out = capsys.readouterr().out
    technique = discover()["focal"]
    assert out.startswith("Focal Loss (focal)\nLoss Function; Lin et al. 2017, arXiv:1708.02002; ")
    assert technique.card in out


def test_show_prints_the_card_of_a_file_of_one_s_own(capsys, own_file):
    assert main(["show", "warm_start", str(own_file)]) == 0
    assert "Warm start: the first epoch is repeated." in capsys.readouterr().out


def test_show_of_an_unknown_technique_names_the_known_ones(capsys):
    assert main(["show", "mixup2"]) == 2
    error = capsys.readouterr().err
    assert "'mixup2' is unknown" in error
    assert "mixup, one_branch" in error


def test_show_of_a_missing_file_says_so(capsys):
    assert main(["show", "warm_start", "no/such.py"]) == 2
    assert "no/such.py does not exist" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["list"], ["show", "switchnorm"]])
def test_neither_imports_torch(arguments):
    code = (
        "import sys; from greenbench.cli import main; "
        f"assert main({arguments!r}) == 0; sys.exit('torch' in sys.modules)"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=False).returncode == 0
    )
