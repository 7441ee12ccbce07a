"""What a record says of its technique, its workload and its data, as they are when a case runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from greenbench.records.record import TechniqueFacts, WorkloadFacts
from greenbench.spec.setting import Drawn
from greenbench.spec.technique import Technique
from greenbench.spec.workload import Data, Workload


def technique_facts(technique: Technique, changed_fields: tuple[str, ...]) -> TechniqueFacts:
    """Return the facts of a technique that changes these fields of the recipe."""
    return TechniqueFacts(
        title=technique.title,
        category=technique.category,
        citation=technique.citation,
        file=technique.source.name,
        card=technique.card,
        code=technique.source.code,
        changed_fields=changed_fields,
        work_share=technique.work_share,
        settings_tried=technique.settings_tried,
    )


def workload_facts(workload: Workload, read: Workload, scale: str, data: Mapping[str, Any]) -> WorkloadFacts:
    """Return the facts of a workload at a scale.

    `read` is the workload with what only the data tell, and `data` those of `data_facts`, empty where none were read.
    """
    return WorkloadFacts(
        title=workload.title,
        task=workload.task,
        metric=workload.metric,
        num_classes=read.num_classes,
        image_size=workload.size_at(scale) or read.image_size,
        card=workload.card,
        best_known=dict(workload.best_known),
        targets=workload.setting(scale).stated_targets,
        **data,
    )


def data_facts(workload: Workload, scale: str, data: Data, root: Path | None) -> dict[str, Any]:
    """Return the facts of data that were read."""
    drawn: Drawn | None = getattr(data, "drawn", None)
    weights = workload.weights(workload.setting(scale), root)
    return {
        "train_images": data.size("train"),
        "validation_images": data.size("validation"),
        "partial": workload.partial(data),
        "subset": None if drawn is None else str(drawn),
        "version": data.version,
        "weights": None if weights is None else weights.name,
    }
