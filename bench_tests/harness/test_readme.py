"""What the README shows is true: its technique is found and works, its commands and options exist."""

import re
from pathlib import Path

import pytest

import greenbench
from greenbench.study.catalog import discover

README = Path(greenbench.__file__).parents[1] / "README.md"


@pytest.fixture
def text():
    if not README.is_file():
        pytest.skip("the README is not part of an installed package")
    return README.read_text(encoding="utf-8")


def test_its_technique_is_a_whole_file_of_under_25_lines(text, tmp_path):
    code = re.search(r"```python\n(.*?)```", text, re.DOTALL)[1]
    assert code.count("\n") < 25
    file = tmp_path / "smoothed_labels.py"
    file.write_text(code)
    catalog = discover([file])
    recipe = catalog.workloads["digits"].recipe("smoke")
    assert recipe.changed_fields(catalog.technique("smoothed_labels")(recipe)) == ("loss",)


def options_in(page):
    return set(re.findall(r"--green-[a-z-]*[a-z]", page.read_text(encoding="utf-8")))


def test_the_page_of_options_has_all_of_the_plugin_and_no_page_has_others(text, pytestconfig):
    known = {f"--{name.replace('_', '-')}" for name in vars(pytestconfig.option) if name.startswith("green_")}
    assert "--green-file" in known
    assert options_in(README.parent / "docs" / "options.md") == known
    for page in (README, *(README.parent / "docs").glob("*.md")):
        assert options_in(page) <= known, page


def test_it_is_short(text):
    assert text.count("\n") <= 220


def test_links_of_all_pages_lead_somewhere(text):
    for page in (README.parent / "docs").glob("*.md"):
        for target in re.findall(r"\]\((?!http|made/)([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), (page, target)


def test_its_commands_exist(text):
    commands = {path.stem for path in (Path(greenbench.__file__).parent / "cli").glob("[a-z]*.py")}
    assert set(re.findall(r"^greenbench ([a-z]+)", text, re.MULTILINE)) <= commands


def test_its_links_lead_somewhere(text):
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", text):
        assert (README.parent / target).exists(), target
