"""A study in a process of its own, at a scale small enough to train within a second."""

import os
from pathlib import Path

import pytest

import greenbench

TINY_SCALE = """
from dataclasses import replace
from greenbench import protocol

smoke = protocol.PROTOCOLS["smoke"]
protocol.PROTOCOLS["tiny"] = replace(
    smoke,
    name="tiny",
    datasets=("digits", "scenes4"),
    epochs={"digits": 2, "scenes4": 2},
    evaluate_every={"digits": 1, "scenes4": 1},
    width=0.0625,
    inference=replace(smoke.inference, passes=3, repeats=2, warmup_s=0.01),
)
"""

STUDY_FILE = """
import pytest

@pytest.mark.training
def test_training(training_pair, study):
    findings = study.check(training_pair)
    assert not findings, study.explain(findings, training_pair)

@pytest.mark.inference
def test_inference(inference_pair, study):
    findings = study.check(inference_pair)
    assert not findings, study.explain(findings, inference_pair)
"""


@pytest.fixture
def run_study(pytester, monkeypatch):
    """Return a function that runs a study in a process of its own, at scale ``tiny`` if asked for."""
    monkeypatch.delenv("GREENBENCH_DATA", raising=False)
    for name in ("PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT"):
        monkeypatch.delenv(name, raising=False)
    # The processes of the study import this greenbench, installed or not, and the plugins written here.
    package_root = Path(greenbench.__file__).parents[1]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(pytester.path), str(package_root)]))
    pytester.makepyfile(tiny_scale=TINY_SCALE, test_study=STUDY_FILE)
    pytester.makeconftest('pytest_plugins = ["greenbench.plugin"]')

    def run(*arguments):
        return pytester.runpytest_subprocess(
            "-p", "tiny_scale", "--green-out=out", "--green-meter=none", *arguments
        )

    return run
