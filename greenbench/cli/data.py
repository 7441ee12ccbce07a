"""List the data sets: what is there, whether it is whole, and how to get the rest.

Data are read as cases read them. The exit code is 1 where something that is there cannot be used.
"""

from __future__ import annotations

import argparse
import json
import os
import textwrap
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tabulate import tabulate

from greenbench.cli import FAILED, OK
from greenbench.cli._faults import show_faults
from greenbench.cli._histograms import COLUMNS, histogram
from greenbench.cli._streams import say
from greenbench.errors import UserError
from greenbench.spec.workload import DATA_ENVIRONMENT_VARIABLE, Workload, check_root
from greenbench.study.catalog import discover
from greenbench.study.datasets import DataSet, check, examine, prepare_folder
from greenbench.study.downloads import download_missing
from greenbench.study.progress import ProgressReporter

SHEETS = Path("reports") / "local" / "data"
SHOWN_FAULTS = 10


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "root", nargs="?", metavar="ROOT", help=f"folder of the data sets (${DATA_ENVIRONMENT_VARIABLE})"
    )
    parser.add_argument(
        "--file", action="append", default=[], type=Path, metavar="FILE", help="with workloads of your own"
    )
    parser.add_argument(
        "--download",
        nargs="*",
        metavar="NAME",
        help="get these data sets, or all, and what their networks start from, where a checksum of them is known",
    )
    parser.add_argument(
        "--check", action="store_true", help="decode all that is there, count its labels, and draw some of it"
    )
    parser.add_argument(
        "--sheets",
        type=Path,
        default=SHEETS,
        metavar="DIR",
        help=f"where --check puts a picture of each data set, and a list of its damaged files (default: {SHEETS})",
    )
    parser.add_argument("--json", action="store_true", help="print a list with an object for each data set")


def run(args: argparse.Namespace) -> int:
    """Examine each data set that needs a folder, and print what was found."""
    catalog = discover(args.file)
    workloads = _one_of_each(w for w in catalog.workloads.values() if w.folder is not None or w.needs_root)
    root = _root(args)
    progress = ProgressReporter(nullcontext)
    failed = False
    if root is not None and args.download is not None:
        failed = not _download(workloads, args.download, root, progress)
    if args.check:
        prepare_folder(args.sheets)
    found = []
    for workload in workloads:
        there = workload.missing(root) is None
        if not args.json and there:
            say(f"reading {workload.name} ...")
        data = examine(workload, root)
        if args.check and there and root is not None:
            data = check(workload, root, data, args.sheets, progress)
        found.append(data)
    if args.json:
        print("[" + ",\n ".join(json.dumps(asdict(data)) for data in found) + "]")
    else:
        print(tabulate([_row(data) for data in found], ("Data set", "Status", "Images", "Version")))
        for data in found:
            if data.reason is not None:
                print()
                print(_text(data))
            if data.checked is not None:
                print()
                print("\n".join(_checked(data)))
    faults = show_faults(catalog)
    failed = failed or any(data.status == "damaged" for data in found)
    return FAILED if failed else faults or OK


def _one_of_each(workloads: Iterable[Workload]) -> list[Workload]:
    """Leave out the workloads that use another one's data: the same folder, read by the same function."""
    found: dict[tuple[str | None, Any], Workload] = {}
    for workload in workloads:
        found.setdefault((workload.folder, workload.samples), workload)
    return [*found.values()]


def _root(args: argparse.Namespace) -> Path | None:
    named = args.root or os.environ.get(DATA_ENVIRONMENT_VARIABLE)
    if args.download is not None and not named:
        raise UserError(
            "--download has no folder to put data into",
            f"give ROOT before --download, or set {DATA_ENVIRONMENT_VARIABLE}",
        )
    if not named:
        return None
    root = Path(named).expanduser()
    if args.download is not None:
        try:
            root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                f"the data root {root} cannot be made ({error.strerror})", "choose another folder"
            ) from error
    return check_root(root)


def _download(workloads: list[Workload], names: list[str], root: Path, progress: ProgressReporter) -> bool:
    """Get what is not there, say what cannot be got, and return whether all that was named is there."""
    known = {workload.name: workload for workload in workloads}
    for name in names:
        if name not in known:
            raise UserError(
                f"--download {name}: there is no such data set",
                f"choose of {', '.join(known)}; ROOT stands first",
            )
    chosen = [known[name] for name in dict.fromkeys(names)] or workloads
    errors = download_missing(chosen, root, progress, say)
    for error in errors:
        say(f"greenbench: {error}")
    apart = [w for w in chosen if not w.can_be_downloaded and w.missing(root) is not None]
    for workload in apart:
        say(
            f"greenbench: {workload.name} is not downloaded: it needs an account, or no checksum of it is published. "
            f"{workload.how_to_get}"
        )
    return not errors and not (names and apart)


def _row(data: DataSet) -> tuple[str, ...]:
    images = "" if data.train_images is None else f"{data.train_images:,} + {data.validation_images or 0:,}"
    digest = (data.version or "").rpartition(" ")[2]
    return data.name, data.status, images, digest


def _checked(data: DataSet) -> list[str]:
    """Say what decoding all has found."""
    splits = data.checked or {}
    samples, faults = sum(split.samples for split in splits.values()), data.faults
    lines = [f"{data.name}: {samples:,} samples decoded, faults: {len(faults):,}"]
    lines += [f"  {fault}" for fault in faults[:SHOWN_FAULTS]]
    if len(faults) > SHOWN_FAULTS:
        lines.append(f"  and {len(faults) - SHOWN_FAULTS:,} more")
    lines += histogram([split.labels for split in splits.values()], list(splits))
    for name, split in splits.items():
        if split.ignored:
            share = split.ignored / (split.ignored + sum(split.labels))
            lines.append(f"  {share:.2%} of the pixels in {name} do not count")
    if data.contact_sheet is not None:
        lines.append(f"  contact sheet: {data.contact_sheet}")
    return lines


def _text(data: DataSet) -> str:
    sentences = ". ".join(part.rstrip(".") for part in (data.reason, data.next_step) if part)
    sentences = sentences.removeprefix(f"{data.name}: ")
    return textwrap.fill(
        f"{data.name}: {sentences}.", COLUMNS, break_long_words=False, break_on_hyphens=False
    )
