"""Which data sets are there, and whether they are whole."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from greenbench.atomic import whole_file
from greenbench.errors import UserError
from greenbench.execute.progress import Progress, ProgressCallback
from greenbench.spec.setting import SPLITS, Split
from greenbench.spec.workload import Workload

if TYPE_CHECKING:
    from greenbench.data.checking import CheckedSplit

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
    checked
        What decoding every sample of a split has found; None where that was not done.
    contact_sheet
        The picture of some of them.
    """

    name: str
    title: str
    status: Status
    reason: str | None = None
    next_step: str | None = None
    version: str | None = None
    train_images: int | None = None
    validation_images: int | None = None
    checked: dict[Split, CheckedSplit] | None = None
    contact_sheet: str | None = None

    @property
    def faults(self) -> list[str]:
        """Why some samples cannot be used, in a sentence each."""
        return list(dict.fromkeys(fault for split in (self.checked or {}).values() for fault in split.faults))


def examine(workload: Workload, root: Path | None, scale: str | None = None) -> DataSet:
    """Read a workload's data as its cases do, at a scale or whole. Of masks that are decoded when asked for, some are."""
    missing = workload.missing(root)
    if missing is not None:
        reason = missing.removeprefix(f"{workload.name}: ").removesuffix(workload.how_to_get).strip()
        how = workload.how_to_get
        if workload.can_be_downloaded:
            how += f" Or run greenbench data ROOT --download {workload.name}."
        return DataSet(workload.name, workload.title, "missing", reason, how or None)
    import torch

    try:
        device = torch.device("cpu")
        data = workload.data(root, device) if scale is None else workload.data_at(scale, root, device)
        train, validation = data.size("train"), data.size("validation")
    except UserError as error:
        return DataSet(workload.name, workload.title, "damaged", error.problem, error.next_step)
    except Exception as error:  # of a user's own file, too
        reason = _cannot_read(workload, root, error)
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


def check(
    workload: Workload,
    root: Path,
    found: DataSet,
    folder: Path,
    progress: Callable[[str], ProgressCallback],
) -> DataSet:
    """Decode every sample of a workload, count its labels, and draw some.

    Parameters
    ----------
    found
        What `examine` returned.
    folder
        Where the contact sheet is written, and a list of what is damaged.
    progress
        Takes what is under way and returns what is told how far it is.

    Raises
    ------
    UserError
        If the folder cannot be written.
    """
    from greenbench.data.checking import CheckedSplit, check_split
    from greenbench.data.sheets import contact_sheet

    splits: dict[Split, Any] = {}
    checked: dict[Split, CheckedSplit] = {}
    with suppress(UserError):  # of a sample that is read for it, which is met again
        workload = workload.read(root)
    for split in SPLITS:
        try:
            samples = workload.samples(root, split)
            if samples is None:
                return found
            splits[split] = samples
            tick = _ticker(progress(f"{workload.name} {split}"), len(samples))
            checked[split] = check_split(samples, split, workload, tick)
        except UserError as error:
            checked[split] = CheckedSplit(0, (error.problem,), error.next_step)
        except Exception as error:  # such as a folder that may not be listed
            checked[split] = CheckedSplit(0, (_cannot_read(workload, root, error),), workload.how_to_get)
    found = replace(found, checked=checked)
    listed = folder / f"{workload.name}-damaged.txt"
    sheet = contact_sheet(splits, _heading(found), workload.ignore_index) if splits else None
    try:
        if sheet is not None:
            file = folder / f"{workload.name}.png"
            with whole_file(file) as opened:
                sheet.save(opened, "PNG")
            found = replace(found, contact_sheet=str(file))
        listed.unlink(missing_ok=True)
        if found.faults:
            listed.write_text("\n".join(found.faults) + "\n", encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise _unwritable(folder, error) from error
    if not found.faults:
        return found
    first = next(split for split in checked.values() if split.faults)
    more = f", and {len(found.faults) - 1} more: {listed} lists all" if len(found.faults) > 1 else ""
    return replace(
        found, status="damaged", reason=f"{found.faults[0]}{more}", next_step=first.next_step or None
    )


def _cannot_read(workload: Workload, root: Path | None, error: Exception) -> str:
    return f"the data of {workload.name} below {root} cannot be read: {type(error).__name__}: {error}"


def prepare_folder(folder: Path) -> None:
    """Make the folder that `check` writes to; `UserError` where that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise _unwritable(folder, error) from error


def _unwritable(folder: Path, error: OSError) -> UserError:
    return UserError(f"{folder} cannot be written ({error.strerror})", "give another folder with --sheets")


def _heading(found: DataSet) -> str:
    counts = ", ".join(f"{split.samples:,} {name}" for name, split in (found.checked or {}).items())
    return (
        f"{found.title}: {counts}; version {found.version or 'unknown'}. Below each image: split, number, label. "
        "Dark pixels of a mask do not count."
    )


def _ticker(tell: ProgressCallback, total: int) -> Callable[[int], None]:
    return lambda done: tell(Progress(done, total, "decoded"))


def require_whole(workload: Workload, root: Path | None, scale: str, *, partial: bool) -> None:
    """Refuse the data of a workload, where they are in the user's folder, if they are damaged, or not whole.

    Parameters
    ----------
    workload, root, scale
        As for `examine`.
    partial
        Whether data that are not whole will do.

    Raises
    ------
    UserError
        Saying what is wrong.
    """
    if workload.folder is None:
        return
    found = examine(workload, root, scale)
    if found.status == "damaged":
        raise UserError(found.reason or "", found.next_step or "")
    if found.status == "partial" and not partial:
        raise UserError(
            f"the data of {workload.name} below {root} are not whole: {found.reason}",
            f"{workload.how_to_get} Or go on with --green-partial, and every table says so",
        )
