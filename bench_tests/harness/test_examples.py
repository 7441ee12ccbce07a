"""Every example of the documentation runs, and does what it says."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import greenbench

DOCS = Path(greenbench.__file__).parents[1] / "docs"
EXAMPLES = DOCS / "examples"
OWN_TASKS = ("own_dataset", "regression", "tokens", "detection")
TECHNIQUES = ("smoothed_labels", "gradient_noise", "sweep", "stack")

pytestmark = pytest.mark.skipif(not DOCS.is_dir(), reason="the docs are not part of an installed package")


def records_in(folder):
    return [json.loads(file.read_text()) for file in sorted(folder.glob("*seed*.json"))]


def given(names):
    return [f"--green-file={EXAMPLES / name}.py" for name in names]


@pytest.fixture(scope="module")
def page():
    return (DOCS / "README.md").read_text(encoding="utf-8")


def test_the_page_names_every_example_and_its_links_lead_somewhere(page):
    links = re.findall(r"\]\((?!http)([^)#]+)\)", page)
    assert {Path(link).name for link in links if link.startswith("examples/")} == {
        file.name for file in EXAMPLES.iterdir() if file.suffix in (".py", ".toml")
    } - {"draw_shapes.py"}
    for link in links:
        assert (DOCS / link).exists(), link


def test_the_page_names_the_fields_of_a_recipe(page):
    from greenbench.spec.recipe import Recipe

    table = page.partition("## What a technique can change")[2].partition("\n\nWhat a technique keeps")[0]
    named = set(re.findall(r"`([a-z_]+)`", table)) - {"dataclasses"}
    of_the_task = {"task", "num_classes", "image_size", "ignore_index"}
    assert set(Recipe.__dataclass_fields__) - of_the_task <= named


def test_an_own_image_folder_and_network_take_25_lines_and_stand_in_the_readme():
    code = (EXAMPLES / "shapes.py").read_text()
    assert code.count("\n") <= 25
    readme = (DOCS.parent / "README.md").read_text(encoding="utf-8")
    shown = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    assert code.partition("\n\n")[2] in shown
    assert (EXAMPLES / "smoothed_labels.py").read_text().partition("\n\n")[2] in shown


@pytest.mark.slow
def test_the_examples_of_techniques_train(run_study, pytester):
    result = run_study(
        *given(TECHNIQUES),
        f"--green-tolerances={EXAMPLES / 'tolerances.toml'}",
        *("--green-scale=tiny", "-m", "training", "-k", "digits and not digits20"),
    )
    result.assert_outcomes(passed=7, deselected=result.parseoutcomes()["deselected"])
    found = {record["case"]["technique"]: record for record in records_in(pytester.path / "out")}
    assert set(found) == {
        "baseline", "smoothed_labels", "gradient_noise", "mixup_clipped_and_averaged",
        "smoothing_5", "smoothing_10", "smoothing_20",
    }  # fmt: skip
    assert found["gradient_noise"]["technique"]["changed_fields"] == ["gradients"]
    assert set(found["mixup_clipped_and_averaged"]["technique"]["changed_fields"]) == {
        "batch_transform", "gradients", "average",
    }  # fmt: skip
    scores = [record["result"]["validation"]["accuracy"] for record in found.values()]
    assert len(set(scores)) > 3, "each trains in its own way"


def test_the_examples_of_own_tasks_learn_and_skip_what_does_not_apply(run_study, pytester):
    result = run_study(
        *given(OWN_TASKS), "-m", "training", "--green-technique=baseline", "--green-technique=mixup", "-rs"
    )
    result.assert_outcomes(passed=6, skipped=2, deselected=result.parseoutcomes()["deselected"])
    found = {
        (record["case"]["technique"], record["case"]["workload"]): record["result"]
        for record in records_in(pytester.path / "out")
    }
    learned = {
        workload: next(iter(result["validation"].values()))
        for (technique, workload), result in found.items()
        if technique == "baseline"
    }
    assert learned["stripes"] > 0.8
    assert learned["waves"] < 0.7, "the values' own mean deviation is 0.8"
    assert learned["rises"] > 0.75, "always answering the more frequent label gives 0.6"
    assert learned["boxes"] > 0.4
    for workload in ("rises", "boxes"):
        assert found["mixup", workload]["type"] == "skipped"
        assert "mixup mixes samples" in found["mixup", workload]["reason"]
    report = (pytester.path / "out" / "report.md").read_text(encoding="utf-8")
    assert "Token accuracy" in report
    assert "Not applicable" in report
    assert "mixup mixes samples" in report


@pytest.mark.slow
def test_the_image_folder_example_trains_on_drawn_images(run_study, pytester):
    draw = (
        (EXAMPLES / "draw_shapes.py")
        .read_text()
        .replace('{"train": 60, "val": 20}', '{"train": 8, "val": 4}')
    )
    (pytester.path / "draw.py").write_text(draw)
    subprocess.run([sys.executable, "draw.py", "data"], check=True, cwd=pytester.path)
    result = run_study(
        *given(["shapes"]), "--green-data=data", "--green-technique=blurpool", "--green-technique=baseline"
    )
    result.assert_outcomes(passed=4)
    found = {(r["case"]["kind"], r["case"]["technique"]): r for r in records_in(pytester.path / "out")}
    facts = found["training", "baseline"]["workload"]
    assert (facts["train_images"], facts["validation_images"]) == (32, 16)
    assert (facts["num_classes"], facts["image_size"]) == (4, [32, 32])
    plain, blurred = (found["inference", name]["result"] for name in ("baseline", "blurpool"))
    assert plain["params"] == blurred["params"] == 11_178_564
    assert plain["conv_macs"] <= blurred["full_macs"]


def test_without_a_data_root_the_image_folder_example_is_skipped_and_says_why(run_study):
    result = run_study(*given(["shapes"]), "--green-technique=mixup", "-m", "training", "-rs")
    result.assert_outcomes(skipped=1, deselected=2)
    result.stdout.fnmatch_lines(["*shapes: no data root was given (--green-data or GREENBENCH_DATA)*"])


def test_the_energy_of_tests_is_shown(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--green-meter=estimate:65",
         f"--rootdir={tmp_path}", EXAMPLES / "energy_of_tests.py"],
        capture_output=True, text=True, timeout=120, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "3 passed" in done.stdout
    shown = done.stdout.partition("= greenbench energy =")[2]
    assert re.search(r"hash: .* J in .*, estimated", shown)
    assert "1200 calls" in shown
