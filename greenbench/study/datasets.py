"""Which data sets are there, and whether they are whole."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from greenbench.errors import UserError
from greenbench.spec.workload import Workload

Status = Literal["complete", "partial", "damaged", "missing"]


@dataclass(frozen=True)
class DataSet:
    """A workload's data, as they were found.

    Attributes
    ----------
    status
        ``complete``: as many images as the official data set has, or as many as there are where no number is known;
        ``partial``: fewer or more; ``damaged``: there, and cannot be read; ``missing``: not there.
    reason, next_step
        Why they are not complete, and what to do.
    version
        What tells this copy from others; None where it could not be read.
    train_images, validation_images
        How many were found.
    """

    name: str
    title: str
    status: Status
    reason: str | None = None
    next_step: str | None = None
    version: str | None = None
    train_images: int | None = None
    validation_images: int | None = None


def examine(workload: Workload, root: Path | None) -> DataSet:
    """Read a workload's data as its cases do. Of images that are decoded when asked for, some masks are."""
    missing = workload.missing(root)
    if missing is not None:
        reason = missing.removeprefix(f"{workload.name}: ").removesuffix(workload.how_to_get).strip()
        return DataSet(workload.name, workload.title, "missing", reason, workload.how_to_get or None)
    import torch

    try:
        data = workload.data(root, torch.device("cpu"))
        train, validation = data.size("train"), data.size("validation")
    except UserError as error:
        return DataSet(workload.name, workload.title, "damaged", error.problem, error.next_step)
    except Exception as error:  # of a user's own file, too
        reason = f"{type(error).__name__}: {error}"
        return DataSet(workload.name, workload.title, "damaged", reason, workload.how_to_get or None)
    partial = workload.partial(data)
    return DataSet(
        workload.name,
        workload.title,
        "complete" if partial is None else "partial",
        partial,
        None if partial is None else workload.how_to_get,
        data.version,
        train,
        validation,
    )
