"""Energy of anybody's tests: fixtures, budgets, what the terminal and JUnit's file say."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest

from bench_tests import nvml_stub
from greenbench.errors import UserError
from greenbench.plugin.energy import read_budgets

TESTS = """
import time
import pytest

def test_window(green_energy):
    with green_energy.window("encode") as window:
        time.sleep(0.05)
    assert window.reading.seconds >= 0.05

def test_same_meter(green_meter, green_energy):
    assert green_energy.meter is green_meter
    found = green_energy.measure(lambda: time.sleep(0.001), repeats=12, warmup=2)
    assert found.calls == 12
    assert found.seconds >= 0.001

@pytest.mark.green_budget(time="10 s")
def test_quick_enough():
    pass

@pytest.mark.green_budget(time="10 ms")
def test_too_slow():
    time.sleep(0.03)

@pytest.mark.green_budget(energy="1 mJ", co2="1 kg")
def test_too_much():
    time.sleep(0.03)

@pytest.mark.green_budget(energy="1 J")
def test_wrong_all_the_same():
    assert 1 == 2
"""


def run(
    folder: Path, *options: str, tests: str = TESTS, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    (folder / "test_theirs.py").write_text(tests)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", *options, "test_theirs.py"],
        cwd=folder, capture_output=True, text=True, timeout=120, env=environment,
    )  # fmt: skip


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    folder = tmp_path_factory.mktemp("measured")
    return run(folder, "--green-meter", "estimate:65", "--junitxml=j.xml"), folder


def test_a_budget_fails_in_words(measured):
    done, _ = measured
    assert done.returncode == 1
    assert "3 failed, 3 passed" in done.stdout
    assert "is over the budget of 10.0 ms" in done.stdout
    assert "is over the budget of 1.00 mJ (estimated)" in done.stdout
    assert "assert 1 == 2" in done.stdout


def test_the_terminal_shows_what_was_measured(measured):
    done, _ = measured
    section = done.stdout.partition("= greenbench energy =")[2]
    assert "test_theirs.py::test_window" in section
    assert "encode: 3." in section
    assert "J a call (estimated)" in section
    assert "test_quick_enough" not in section.partition("short test summary")[0]


def test_junit_holds_strings(measured):
    _, folder = measured
    found = {
        prop.get("name"): prop.get("value") for prop in ElementTree.parse(folder / "j.xml").iter("property")
    }
    assert float(found["green_energy_j[encode]"]) == pytest.approx(
        65 * float(found["green_seconds[encode]"]), rel=0.01
    )
    assert found["green_status[encode]"] == "estimated"
    assert float(found["green_energy_j[call]"]) == pytest.approx(65 * float(found["green_seconds[call]"]))
    assert found["green_calls[call]"] == "12"
    assert found["green_reason[call]"].startswith("estimated: 65 W")


@pytest.mark.slow
def test_it_is_the_same_in_two_processes(tmp_path):
    done = run(tmp_path, "--green-meter", "estimate:65", "-n", "2")
    assert "3 failed, 3 passed" in done.stdout
    assert "encode: 3." in done.stdout.partition("= greenbench energy =")[2]


ONE = """
import pytest

@pytest.mark.green_budget(energy="1 J")
def test_one():
    pass
"""


def test_what_cannot_be_measured_is_skipped_with_the_reason(tmp_path):
    done = run(tmp_path, "--green-meter", "none", "-rs", tests=ONE)
    assert done.returncode == 0
    assert "1 skipped" in done.stdout
    assert re.search(r"SKIPPED \[1\] test_\w+\.py:\d+: the budget", done.stdout), done.stdout
    assert "the budget could not be judged: energy not-measured: no meter was asked for" in " ".join(
        done.stdout.split()
    )


def test_joules_of_other_programs_fail_no_test(tmp_path):
    if nvml_stub.compiler() is None:
        pytest.skip("no C compiler (gcc or cc) to build the NVML stub with")
    library = nvml_stub.build(tmp_path)
    environment = nvml_stub.environment(library, [f"process 0 {os.getpid()} 0 1e9"], tmp_path)
    environment.pop("CUDA_VISIBLE_DEVICES", None)
    tests = ONE.replace("1 J", "1 mJ").replace("pass", "__import__('time').sleep(0.5)")
    done = run(tmp_path, "-rs", tests=tests, environment={**environment, "TMPDIR": str(tmp_path)})
    assert "1 skipped" in done.stdout
    assert "could not be judged: energy estimated: shared with" in " ".join(done.stdout.split())


@pytest.mark.slow
def test_with_strict_it_fails(tmp_path):
    done = run(tmp_path, "--green-meter", "none", "--green-strict", tests=ONE)
    assert done.returncode == 1
    assert "the budget could not be judged" in done.stdout


def test_a_budget_that_makes_no_sense_is_refused_before_the_run(tmp_path):
    done = run(tmp_path, tests=ONE.replace("1 J", "1"))
    assert done.returncode == 4
    assert "test_theirs.py::test_one: green_budget: energy='1' is no amount" in done.stderr


@pytest.mark.parametrize(
    ("mark", "words"),
    [
        (pytest.mark.green_budget(power="2 W"), "'power' is no budget"),
        (pytest.mark.green_budget("2 J"), "'2 J' has no name"),
        (pytest.mark.green_budget(), "a budget without an amount"),
    ],
)
def test_a_budget_says_what_it_is_of(mark, words):
    item = SimpleNamespace(nodeid="a.py::b", get_closest_marker=lambda _name: mark.mark, stash={})
    with pytest.raises(UserError, match=words):
        read_budgets([item])


def test_a_program_is_measured_outside_pytest():
    code = """
import json, time, greenbench

@greenbench.measured
def work():
    time.sleep(0.02)
    return 42

with greenbench.measuring("block", meter="estimate:50") as window:
    time.sleep(0.02)
readings = []

@greenbench.measured(report=readings.append, meter="estimate:30")
def given():
    return 43

print(json.dumps([work(), window.reading.energy_j, window.reading.seconds, given(), readings[0].status]))

try:
    @greenbench.measured
    def later():
        yield 1
except greenbench.UserError as error:
    print(error.problem)

@greenbench.measured
def fails():
    raise KeyError("theirs")

fails()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    first, second = done.stdout.splitlines()
    result, energy_j, seconds, other, status = json.loads(first)
    assert (result, other, status) == (42, 43, "estimated")
    assert energy_j == pytest.approx(50 * seconds)
    assert "returns before its work is done" in second
    assert done.stderr.startswith("work: ")
    assert "KeyError: 'theirs'" in done.stderr
