"""Recipes and techniques: pure functions, found by folder, composable, and checked."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from greenbench import techniques
from greenbench.case import pairs
from greenbench.datasets import discover as datasets
from greenbench.errors import UserError
from greenbench.protocol import MEASURED_EPOCHS, PROTOCOLS, find_protocol
from greenbench.recipe import Technique, compose
from greenbench.tasks import baseline_recipe

SMOKE = PROTOCOLS["smoke"]


def technique(name="own", **changes):
    fields = {
        "title": name,
        "category": "Optimizer",
        "citation": "Somebody 2020",
        "apply": lambda recipe: replace(recipe, epochs=recipe.epochs + 1),
    }
    return Technique(name=name, **{**fields, **changes})


@pytest.fixture
def recipe():
    return baseline_recipe(datasets()["digits"], SMOKE)


def test_the_baseline_comes_first_and_every_card_says_its_source():
    found = techniques.discover()
    assert next(iter(found)) == "baseline"
    for one in found.values():
        assert one.card, one.name
        assert "**Source.**" in one.card, one.name
        assert one.source == f"{one.name}.py"
        assert len(one.source_sha256) == 64


def test_applying_a_technique_leaves_the_recipe_alone(recipe):
    before = replace(recipe)
    for one in techniques.discover().values():
        if recipe.task in one.tasks:
            one(recipe)
    assert recipe == before


def test_composition_applies_from_left_to_right(recipe):
    double = technique("double", apply=lambda r: replace(r, epochs=r.epochs * 2))
    assert compose([technique("add"), double])(recipe).epochs == (recipe.epochs + 1) * 2
    assert compose([double, technique("add")])(recipe).epochs == recipe.epochs * 2 + 1
    assert compose([double, technique("add")]).name == "double+add"


def test_parts_without_a_task_in_common_do_not_compose():
    with pytest.raises(UserError, match="no task in common"):
        compose([technique("a", tasks=("segmentation",)), technique("b", tasks=("classification",))])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("mixdown", "unknown; there are baseline"),
        ("mixup+mixup", "different"),
        ("baseline+mixup", "without the baseline"),
    ],
)
def test_a_name_that_makes_no_sense_is_refused(name, words):
    with pytest.raises(UserError, match=words):
        techniques.find(techniques.discover(), name)


def test_a_technique_on_a_task_it_does_not_claim_is_refused(recipe):
    with pytest.raises(UserError, match="applies to segmentation, not to classification"):
        technique(tasks=("segmentation",))(recipe)


def test_a_technique_that_changes_nothing_is_refused_naming_its_file(recipe):
    idle = technique(apply=lambda r: replace(r), source="idle.py")
    with pytest.raises(UserError, match=r"'own' \(idle.py\) leaves the recipe for classification unchanged"):
        idle(recipe)


def fake_entry_point(module, monkeypatch):
    point = SimpleNamespace(value=module, module=module, dist=SimpleNamespace(name="their-package"))
    monkeypatch.setattr(techniques, "entry_points", lambda group: [point] if "greenbench" in group else [])


def test_an_installed_package_brings_its_techniques(tmp_path, monkeypatch):
    (tmp_path / "theirs.py").write_text(
        '"""A card."""\nfrom dataclasses import replace\nfrom greenbench.recipe import Technique\n'
        'TECHNIQUE = Technique("theirs", "Theirs", "Optimizer", "They 2024", lambda r: replace(r, epochs=1))\n'
    )
    monkeypatch.syspath_prepend(tmp_path)
    fake_entry_point("theirs", monkeypatch)
    assert techniques.discover()["theirs"].source == "theirs of package their-package"


def test_a_broken_installed_technique_is_named_with_its_package(monkeypatch):
    fake_entry_point("no_such_module_anywhere", monkeypatch)
    with pytest.raises(UserError, match=r"their-package.*ModuleNotFoundError"):
        techniques.discover()


def test_the_matrix_is_the_papers(recipe):
    """64 trainings: 14 techniques on either classification set, 18 on either segmentation set."""
    found = techniques.discover()
    sets = [datasets()[name] for name in SMOKE.datasets]
    matrix = pairs("training", found.values(), sets, SMOKE, seeds=2)
    counts = {name: sum(pair.dataset.name == name for pair in matrix) for name in SMOKE.datasets}
    assert counts == {"digits": 14, "digits20": 14, "scenes4": 18, "scenes6": 18}
    assert all([case.seed for case in pair.cases] == [0, 1] for pair in matrix)
    keys = {case.key for pair in matrix for case in pair.cases}
    assert len(keys) == 2 * len(matrix)


def test_the_paper_scale_holds_the_papers_four_data_sets():
    paper = find_protocol("paper")
    assert paper.datasets == ("cifar100", "tiny_imagenet", "cityscapes", "coco_stuff")
    assert paper.training_energy == "epochs"
    assert MEASURED_EPOCHS == 10
    assert (paper.inference.passes, paper.inference.repeats) == (10_000, 3)
    assert all(min(paper.inference.passes_by_batch_size(name)) == 1 for name in paper.datasets)
    recipes = {name: baseline_recipe(datasets()[name], paper) for name in paper.datasets}
    assert {n: (r.epochs, r.batch_size, r.image_size) for n, r in recipes.items()} == {
        "cifar100": (200, 128, (32, 32)),
        "tiny_imagenet": (200, 128, (64, 64)),
        "cityscapes": (1000, 16, (512, 512)),
        "coco_stuff": (60, 12, (640, 640)),
    }
