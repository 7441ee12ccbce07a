"""A report for other programs: rows, JSON by its schema, LaTeX, BibTeX, benchmark services, comments."""

import csv
import io
import json
import math
import re
from dataclasses import replace
from importlib import resources

import jsonschema
import pytest

from bench_tests.harness.made_records import (
    MACHINE,
    failure_result,
    inference_result,
    record_of,
    training_result,
)
from greenbench.energy.carbon import carbon_intensity
from greenbench.report.content import collect
from greenbench.report.outputs import benchmarks, bibliography, comment, emissions, latex, results, rows
from greenbench.spec.workload import Metric

EVIL = '=HYPERLINK("http://x") & 50% _of_ <b>$1</b> \\cmd{y} ~^ #\n"quoted", \ud800'


def content_of(*records):
    return collect(records, [], carbon_intensity("world"))


def rows_of(*records):
    return list(csv.DictReader(io.StringIO(rows.render(content_of(*records)))))


def test_every_value_of_every_run_is_a_row(varied):
    found = rows_of(*varied)
    scores = {
        (row["technique"], int(row["seed"])): float(row["value"])
        for row in found
        if row["quantity"] == "score" and row["value"] and row["workload"] == "digits"
    }
    assert scores["mixup", 2] == 0.97
    energy = next(row for row in found if row["quantity"] == "train_energy_j" and row["technique"] == "mixup")
    assert (energy["value"], energy["unit"], energy["status"], energy["better"]) == (
        "80",
        "J",
        "measured",
        "lower",
    )
    assert len({tuple(row.items()) for row in found}) == len(found)
    assert {row["record"] for row in found} == {record.file_name for record in varied}


def test_what_was_not_measured_is_empty_with_its_reason_and_no_zero():
    found = {row["quantity"]: row for row in rows_of(record_of())}
    energy = found["train_energy_j"]
    assert (energy["value"], energy["status"]) == ("", "not-measured")
    assert "no meter on this machine" in energy["reason"]
    (failed,) = (
        row for row in rows_of(record_of(result=failure_result("boom"))) if row["quantity"] == "score"
    )
    assert (failed["value"], failed["status"], failed["reason"]) == ("", "failed", "training: boom")


def test_no_cell_is_a_formula():
    evil = record_of(EVIL, title=EVIL, workload="@sum", machine=replace(MACHINE, gpu=EVIL))
    for row in rows_of(record_of(workload="@sum"), evil):
        assert not any(str(cell).startswith(("=", "+", "@", "\t")) for cell in row.values())


def test_the_json_says_what_tables_say_and_keeps_to_its_schema(varied):
    text = resources.files(results.__package__).joinpath("results.schema.json").read_text()
    schema = json.loads(text)
    jsonschema.Draft202012Validator.check_schema(schema)
    found = json.loads(results.render(content_of(*varied, record_of(EVIL, title=EVIL))))
    jsonschema.validate(found, schema)
    mixup = next(
        one
        for section in found["sections"]
        for one in section["results"]
        if one["technique"] == "mixup" and one["kind"] == "training"
    )
    assert (mixup["n"], len(mixup["records"])) == (3, 3)
    (score,) = (one for one in mixup["quantities"] if one["quantity"] == "score")
    assert score["mean"] == pytest.approx((0.94 + 0.95 + 0.97) / 3)
    assert score["verdict"]["word"] in ("better", "undecided")
    broken = {**found, "sections": [{**found["sections"][0], "mode": 3}]}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken, schema)


def test_a_mean_that_is_not_there_has_a_reason():
    found = json.loads(results.render(content_of(record_of(), record_of("mixup"))))
    for section in found["sections"]:
        for result in section["results"]:
            assert result["quantities"]
            assert all((one["mean"] is None) == (one["reason"] is not None) for one in result["quantities"])


def test_latex_has_all_tables_and_no_special_characters_left(seeds_of):
    text = latex.render(
        content_of(
            *seeds_of("baseline", (0.80, 0.801, 0.802)),
            *seeds_of("mixup", (0.90, 0.901, 0.902), energy_j=5),
            record_of("evil", failure_result(EVIL), title=EVIL),
            record_of(result=inference_result(2.0)),
        )
    )
    tables = text.split(r"\begin{table}")[1:]
    assert len(tables) >= 4
    for table in tables:
        (columns,) = re.findall(r"\\begin\{tabular\}\{(\w+)\}", table)
        body = table[table.index(r"\toprule") : table.index(r"\bottomrule")]
        for line in body.splitlines():
            if line.endswith(r"\\") and "multicolumn" not in line:
                assert len(re.findall(r"(?<!\\)&", line)) == len(columns) - 1
    assert r"\textbf{90.1 $\pm$ 0.2\%} $\star$" in text
    assert r"\textbackslash{}cmd\{y\}" in text
    body = re.sub(r"(?m)^%.*$|\\label\{.*?\}", "", text)
    assert not re.search(r"(?<!\\)[%#~]|(?<![\\$])_", body)


def cited(name, citation):
    record = record_of(name)
    return replace(record, technique=replace(record.technique, citation=citation))


def test_an_entry_for_each_technique_with_authors_year_and_number():
    text = bibliography.render(
        content_of(
            record_of(),
            cited("mixup", "Zhang et al. 2017, arXiv:1710.09412"),
            cited("own", "Peter & Paul 2020, a_book"),
            cited("mine", ""),
        )
    )
    assert "@misc{mixup,\n  author = {Zhang and others},\n  year = {2017},\n  eprint = {1710.09412}," in text
    assert r"author = {Peter \& Paul}" in text
    assert r"a\_book" in text
    assert "@misc{mine" not in text
    assert text.count("{") == text.count("}")


def test_services_get_means_with_intervals_that_are_better_where_smaller(seeds_of):
    content = content_of(
        *seeds_of("baseline", (0.8, 0.9)),
        *seeds_of("mixup", (0.9, 0.9), energy_j=7),
        record_of(result=inference_result(2.0)),
    )
    entries = {entry["name"]: entry for entry in json.loads(benchmarks.github_action(content))}
    assert entries["training baseline-digits: score, missed"]["value"] == pytest.approx(0.15)
    assert entries["training mixup-digits: train_energy_j"]["value"] == 7
    assert entries["training mixup-digits: train_energy_j"]["unit"] == "J"
    assert entries["inference baseline-digits: latency_ms"]["value"] == 2.0
    measures = json.loads(benchmarks.bencher(content))
    score = measures["training baseline-digits (smoke, mode paper, on Test CPU)"]["score"]
    assert score["value"] == pytest.approx(0.85)
    assert score["lower_value"] < score["value"] < score["upper_value"]
    assert not any(math.isnan(one["value"]) for benchmark in measures.values() for one in benchmark.values())


def test_a_score_without_a_best_value_is_not_turned_around():
    metric = Metric("r2", "R²", unit="")
    record = record_of(result=replace(training_result(0.5), validation={"r2": 0.5}))
    record = replace(record, workload=replace(record.workload, metric=metric))
    names = [entry["name"] for entry in json.loads(benchmarks.github_action(content_of(record)))]
    assert not any("score" in name for name in names)
    assert any("train_time_s" in name for name in names)


def test_the_comment_is_short_and_has_no_links_to_files(varied):
    text = comment.render(
        content_of(*varied, *(record_of(f"t{k}", failure_result(f"E{k}")) for k in range(30)))
    )
    assert "Which techniques pay, on Digits" in text
    assert ".json" not in text
    assert "<script" not in text
    assert "and 11 more, in report.md" in text


def test_emissions_are_grams_of_a_training_and_valid_yaml():
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    machine = replace(MACHINE, gpu=EVIL)
    records = [
        record_of(name, training_result(0.9, energy_j=3.6e6), machine=machine)
        for name in ("baseline", "mixup")
    ]
    text = emissions.render(collect(records, [], carbon_intensity("300 g/kWh")))
    found = list(yaml.safe_load_all(text))
    assert [one["co2_eq_emissions"]["emissions"] for one in found] == [300.0, 300.0]
    assert "300 g/kWh" in found[0]["co2_eq_emissions"]["source"]
    assert found[0]["co2_eq_emissions"]["hardware_used"].startswith("=HYPERLINK")


def test_without_energy_no_emissions_are_stated():
    text = emissions.render(content_of(record_of()))
    assert text.startswith("# No energy was measured")
    assert "emissions:" not in text
