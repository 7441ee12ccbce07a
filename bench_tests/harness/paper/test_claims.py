"""What the study's text says in numbers, held against its tables."""

from dataclasses import replace

import pytest

from greenbench.audit.findings import Severity
from greenbench.paper.cells import published_cells
from greenbench.paper.claims import CLAIMS, Best, Difference, EveryOtherAbove, Implied, text_against_tables


def test_the_text_disagrees_with_the_tables_in_known_places():
    found = {(f.severity, f.cells[0]) for f in text_against_tables()}
    assert found == {
        (Severity.ROUNDING, "Table 1 coco_stuff/radam/val_miou"),
        (Severity.ROUNDING, "Table 1 coco_stuff/soft_dice/train_miou"),
        (Severity.INCONSISTENT, "Table 1 cityscapes/random_gradient/train_miou"),
        (Severity.INCONSISTENT, "Table 3 cityscapes/coordconv/flops"),
    }


HOLDING = {
    Difference: Difference("4.4", "cityscapes", "radam", "val_miou", "-1.5"),
    Best: Best("4.6", "coco_stuff", "focal", "val_miou"),
    EveryOtherAbove: EveryOtherAbove("4.6", "cifar100", "time"),
    Implied: Implied("4.6", "cityscapes", "coordconv", "flops", 27.1643, "one layer"),
}
BROKEN = {
    Difference: ("cityscapes", "radam", "val_miou", "66.8"),
    Best: ("coco_stuff", "focal", "val_miou", "20.0"),
    EveryOtherAbove: ("cifar100", "coordconv", "time", "6.59"),
    Implied: ("cityscapes", "coordconv", "flops", "28.40"),
}


def with_cell(dataset, technique, metric, printed):
    return tuple(
        replace(cell, printed=printed)
        if (cell.dataset, cell.technique, cell.metric) == (dataset, technique, metric)
        else cell
        for cell in published_cells()
    )


def test_every_kind_of_claim_is_tested():
    assert {type(claim) for claim in CLAIMS} == set(HOLDING) == set(BROKEN)


@pytest.mark.parametrize("kind", HOLDING, ids=lambda kind: kind.__name__)
def test_a_claim_holds_or_is_broken_by_a_doctored_cell(kind):
    assert HOLDING[kind].judge(published_cells()) is None
    finding = HOLDING[kind].judge(with_cell(*BROKEN[kind]))
    assert finding is not None
    assert finding.severity == Severity.INCONSISTENT
    assert finding.cells


def test_every_claim_is_about_cells_that_exist():
    names = {(cell.dataset, cell.metric) for cell in published_cells()}
    assert all((claim.dataset, claim.metric) in names for claim in CLAIMS)
