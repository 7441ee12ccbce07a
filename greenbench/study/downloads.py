"""What is not there and can be downloaded."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from greenbench.data.fetching import fetch
from greenbench.errors import UserError
from greenbench.execute.progress import Progress, ProgressCallback
from greenbench.spec.download import Download
from greenbench.spec.workload import Workload

MEGABYTE = 1_000_000


def download_missing(
    workloads: Iterable[Workload],
    root: Path,
    progress: Callable[[str], ProgressCallback],
    say: Callable[[str], None],
) -> list[UserError]:
    """Download what some workloads lack below the data root, and return what could not be.

    Data that are there, in part too, are left as they are.
    """
    wanted: list[Download] = []
    for workload in workloads:
        there = workload.missing(root) is None
        wanted += [each for each in workload.downloads if not (there and each.folder)]
    errors = []
    for download in dict.fromkeys(wanted):
        if not download.place(root).exists():
            say(f"downloading {download.url} ...")
        tell = _in_megabytes(progress(download.name))
        try:
            fetch(download, root, tell)
        except UserError as error:
            errors.append(error)
    return errors


def _in_megabytes(tell: ProgressCallback) -> Callable[[int, int], None]:
    def told(done: int, total: int) -> None:
        tell(Progress(done // MEGABYTE, max(1, total // MEGABYTE), "MB"))

    return told
