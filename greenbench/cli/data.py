"""List the data sets: what is there, whether it is whole, and how to get the rest.

Data are read as cases read them. The exit code is 1 where something that is there cannot be used.
"""

from __future__ import annotations

import argparse
import json
import os
import textwrap
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path

from tabulate import tabulate

from greenbench.cli import FAILED, OK
from greenbench.cli._faults import show_faults
from greenbench.cli._histograms import COLUMNS, histogram
from greenbench.cli._streams import say
from greenbench.spec.workload import DATA_ENVIRONMENT_VARIABLE, check_root
from greenbench.study.catalog import discover
from greenbench.study.datasets import DataSet, check, examine, prepare_folder
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
    named = args.root or os.environ.get(DATA_ENVIRONMENT_VARIABLE)
    root = check_root(Path(named).expanduser()) if named else None
    catalog = discover(args.file)
    workloads = [w for w in catalog.workloads.values() if w.folder is not None or w.needs_root]
    if args.check:
        prepare_folder(args.sheets)
    progress = ProgressReporter(nullcontext)
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
    return FAILED if any(data.status == "damaged" for data in found) else faults or OK


def _row(data: DataSet) -> tuple[str, ...]:
    images = "" if data.train_images is None else f"{data.train_images:,} + {data.validation_images or 0:,}"
    return data.name, data.status, images, data.version or ""


def _checked(data: DataSet) -> list[str]:
    """Say what decoding all has found."""
    splits = data.checked or {}
    samples, faults = sum(split.samples for split in splits.values()), data.faults
    lines = [f"{data.name}: {samples:,} samples decoded, {len(faults):,} faults"]
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
