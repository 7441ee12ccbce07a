"""Techniques whose networks work at one size: their baseline is evaluated in the same way."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from bench_tests.harness.execute.small_run import SQUARES
from bench_tests.harness.execute.test_tiles import mask_data
from bench_tests.harness.study.small_session import BASELINE, made, pair_of
from greenbench.errors import UserError
from greenbench.records.conditions import require_comparable
from greenbench.records.folder import load_records
from greenbench.report.notes import on_records
from greenbench.report.sections import split_into_sections
from greenbench.spec.workload import MIOU
from greenbench.study.catalog import Catalog

CROP = (8, 8)


class OneSize(nn.Conv2d):
    def forward(self, x):
        assert x.shape[-2:] == CROP, f"made for {CROP}"
        return super().forward(x)


MASKS = replace(
    SQUARES,
    name="masks",
    task="segmentation",
    metric=MIOU,
    num_classes=4,
    ignore_index=255,
    full_image_evaluation=True,
    data=lambda root, device: mask_data(CROP, (12, 20)),
    network=lambda *_: nn.Conv2d(3, 4, 1),
    loss=lambda: nn.CrossEntropyLoss(ignore_index=255),
    best_known={"miou": 1.0},
)
FIXED = made("fixed", lambda recipe: replace(recipe, network=lambda: OneSize(3, 4, 1)), fixed_input_size=True)
SLOW = made("slow", lambda recipe: replace(recipe, learning_rate=recipe.learning_rate / 2))
CATALOG = Catalog({t.name: t for t in (BASELINE, FIXED, SLOW)}, {"masks": MASKS})


def test_its_baseline_is_evaluated_by_tiles_too_and_stands_in_a_table_of_their_own(study, ran):
    session = study(CATALOG)
    for name in ("baseline", "fixed", "slow"):
        assert session.misses(pair_of(session, name)) == []
    assert sorted(ran) == [(name, "training", 0) for name in ("baseline", "baseline", "fixed", "slow")]
    records = load_records(session.settings.out)
    evaluations = [(record.case.technique, record.case.setting["evaluation"]) for record in records]
    assert sorted(evaluations) == [
        ("baseline", "full images"), ("baseline", "tiles"), ("fixed", "tiles"), ("slow", "full images")
    ]  # fmt: skip
    (section,) = split_into_sections(records)
    found = {one.caption: one for one in section.sets}
    names = {text: {record.case.technique for record in one.records} for text, one in found.items()}
    assert names == {
        "evaluation tiles": {"baseline", "fixed"},
        "evaluation full images": {"baseline", "slow"},
    }
    notes = {
        text: " ".join(on_records(one, dict.fromkeys(CATALOG.techniques, ""))) for text, one in found.items()
    }
    assert "Images were evaluated by tiles of the training size" in notes["evaluation tiles"]
    assert "tiles" not in notes["evaluation full images"]


def test_scores_of_tiles_and_of_full_images_are_not_compared(study):
    session = study(CATALOG)
    (fixed,), (baseline,) = (session.records(pair_of(session, name)) for name in ("fixed", "baseline"))
    with pytest.raises(
        UserError, match=r"setting\.evaluation is 'tiles' in one and 'full images' in the other"
    ):
        require_comparable([fixed, baseline])


def test_both_baselines_are_the_same_training(study):
    session = study(CATALOG)
    pair = pair_of(session, "fixed")
    session.misses(pair)
    (tiles,) = session.records((session._baseline(pair[0]),))
    (full,) = session.records(pair_of(session, "baseline"))
    losses = [[epoch.train_loss for epoch in record.result.curve] for record in (tiles, full)]
    assert losses[0] == losses[1]
    assert tiles.result.validation == pytest.approx(full.result.validation), "it sees one pixel at a time"
    assert torch.isfinite(torch.tensor(losses)).all()
