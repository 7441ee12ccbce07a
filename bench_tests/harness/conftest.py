"""Records made up for tests, and a scale small enough to train within a second."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

import greenbench
from bench_tests.harness.made_up import MACHINE, training_result
from greenbench.case import Case
from greenbench.protocol import PROTOCOLS
from greenbench.record import SCHEMA, DataFacts, Record, TechniqueFacts
from greenbench.results import TrainingResult


@pytest.fixture
def make_record():
    """Return a function that makes a record of technique and result, as if measured."""

    def make(
        technique="baseline",
        result=None,
        *,
        seed=0,
        dataset="digits",
        machine=MACHINE,
        started_at=None,
        **facts,
    ):
        result = training_result(0.9) if result is None else result
        training = result if isinstance(result, TrainingResult) else None
        kind = "training" if training else "inference"
        protocol = replace(PROTOCOLS["smoke"], **facts.pop("protocol", {}))
        case = Case(kind, technique, "0" * 64, dataset, protocol, seed)
        return Record(
            schema=SCHEMA,
            key=case.key,
            case=case,
            machine=machine,
            session=facts.pop("session", "s"),
            suite_commit=None,
            started_at=started_at or "2026-01-01T00:00:00+00:00",
            seconds=3.0,
            technique=TechniqueFacts(
                title=technique.capitalize(),
                category="Baseline" if technique == "baseline" else "Optimizer",
                citation="Somebody 2020",
                file=f"{technique}.py",
                card=f"What {technique} does.",
                code="",
                changed_fields=(),
            ),
            data=DataFacts("Digits", "classification", 10, 5, facts.pop("version", "v1")),
            training=training,
            inference=None if training else result,
        )

    return make


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
