"""Meters, fixtures, reports and most commands do without torch; what needs it says so in one sentence."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

WITHOUT = """
import importlib.abc, sys

class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "torchvision", "fvcore", "pytorch_optimizer"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
"""
REPOSITORY = Path(__file__).parents[2]


def run(code: str, *arguments: str, folder: Path = REPOSITORY) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WITHOUT + code, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=folder,
    )


CLI = "from greenbench.cli import main\nsys.exit(main(sys.argv[1:]))"
PYTEST = "import pytest\nsys.exit(pytest.main(['-p', 'no:cacheprovider', '-q', *sys.argv[1:]]))"


@pytest.mark.parametrize(
    "arguments",
    [("list",), ("show", "mixup"), ("audit",), ("watch", "--meter", "estimate:5", "--", "true")],
    ids=lambda arguments: arguments[0],
)
def test_a_command_runs(arguments):
    done = run(CLI, *arguments)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


def test_what_needs_torch_says_so_in_a_sentence():
    done = run(CLI, "counts")
    assert done.returncode == 2
    assert "needs torch, which is not installed; pip install 'greenbench[study]'" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_name_of_the_public_face_says_so_too():
    done = run(
        "import greenbench\ntry:\n    greenbench.image_folders\nexcept greenbench.UserError as error:\n    print(error)"
    )
    assert "pip install 'greenbench[study]'" in done.stdout


def test_a_study_is_refused_before_its_first_case(tmp_path):
    done = run(PYTEST, "bench_tests/study", "-k", "baseline-digits", "--green-out", str(tmp_path / "out"))
    assert done.returncode == 4
    assert "running the study needs torch, which is not installed" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_test_is_measured(tmp_path):
    (tmp_path / "test_theirs.py").write_text(
        "def test_it(green_energy):\n    with green_energy.window('x') as w:\n        pass\n    assert w.reading.seconds < 1\n"
    )
    done = run(PYTEST, "--green-meter", "estimate:5", "test_theirs.py", folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_importing_the_meter_loads_little():
    heavy = [
        "numpy",
        "scipy",
        "vl_convert",
        "jinja2",
        "cattrs",
        "pytest",
        "pynvml",
        "tabulate",
        "json",
        "subprocess",
    ]
    done = run(f"import greenbench.energy\nprint([name for name in {heavy} if name in sys.modules])")
    assert done.stdout == "[]\n"
