"""Reports of records that are made up."""

from dataclasses import replace

import pytest

from bench_tests.harness.made_records import (
    MACHINE,
    failure_result,
    inference_result,
    record_of,
    training_result,
)
from greenbench.energy.carbon import carbon_intensity
from greenbench.records.folder import RecordFolder
from greenbench.report import write_report
from greenbench.report.sections import split_into_sections
from greenbench.report.table import section_tables

WORLD = carbon_intensity("world")


@pytest.fixture
def report_of(tmp_path):
    """Return a function that writes records and returns the report's text and its summary."""

    def write(*records, carbon="world"):
        folder = RecordFolder(tmp_path)
        for record in records:
            folder.write(record)
        report = write_report(tmp_path, carbon_intensity(carbon))
        return report.path.read_text(encoding="utf-8"), report.summary

    return write


@pytest.fixture
def tables_of():
    """Return a function that builds the tables of records, all sections in a row."""

    def build(*records, carbon="world"):
        intensity = carbon_intensity(carbon)
        return [
            table for section in split_into_sections(records) for table in section_tables(section, intensity)
        ]

    return build


@pytest.fixture
def seeds_of():
    """Return a function that makes one record for each score, with seeds 0, 1, ..."""

    def make(technique, scores, **facts):
        return [
            record_of(technique, training_result(score, **facts), seed=seed)
            for seed, score in enumerate(scores)
        ]

    return make


@pytest.fixture
def varied():
    """Return records of everything that a report can hold."""
    return [
        *(
            record_of(result=training_result(score, energy_j=90), seed=seed)
            for seed, score in enumerate((0.9, 0.91, 0.92))
        ),
        *(
            record_of("mixup", training_result(score, energy_j=80), seed=seed)
            for seed, score in enumerate((0.94, 0.95, 0.97))
        ),
        record_of("radam", training_result(0.5)),
        record_of("lookahead", failure_result("ValueError: <script>alert(1)</script> | no"), seed=1),
        record_of(result=inference_result(2.0, energy_j=0.1)),
        record_of("blurpool", inference_result(3.0, params=900)),
        record_of(workload="scenes", machine=replace(MACHINE, gpu="GPU X")),
        record_of("focal", engine="f" * 64),
    ]


@pytest.fixture
def ugly():
    """Return records that are hard to show: 40 techniques, long titles, outliers, failures, gaps, three machines."""
    long = "Deeply Supervised Progressive Multi-Scale Attention With Learned Temperature And Restarts"
    evil = "<script>alert('x')</script> & |*_`$~"
    records = []
    for number, gpu in enumerate((None, "NVIDIA H100 80GB HBM3", f"GPU {long}")):
        machine = replace(MACHINE, gpu=gpu, gpu_uuid=gpu and f"GPU-{number}")
        for workload, title in (("digits", "Digits"), ("scenes", f"Scenes, {long}")):
            for seed in range(3):
                facts = {"machine": machine, "workload": workload, "workload_title": title, "seed": seed}
                of_seed = seed / 1000
                joules = 1e6 if gpu else None
                records.append(record_of("baseline", training_result(0.8 + of_seed, joules), **facts))
                for k in range(40 if number == 0 else 4):
                    score = 0.05 if k == 7 else 0.7 + (k % 13) / 100 + of_seed
                    result = training_result(score, joules and joules * (1 + k / 9), seconds=10.0 ** (k % 6))
                    if k == 5:
                        result = failure_result(f"RuntimeError: {evil} {long} " + "x" * 300)
                    name = f"technique_number_{k}"
                    records.append(
                        record_of(
                            name,
                            result,
                            title=f"{long} {k}" if k % 9 == 0 else f"T{k} {evil}"[: 8 + k],
                            **facts,
                        )
                    )
                inference = inference_result(2.0 + of_seed, params=10**9, energy_j=gpu and 0.1)
                records.append(record_of("baseline", inference, **facts))
    return records
