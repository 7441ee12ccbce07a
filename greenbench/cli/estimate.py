"""Tell what a study would take, before it runs: time, joules, CO2 and money of the selected matrix.

Options that select are those of the pytest plugin, without their prefix. Costs of trainings come from the cost records in
the output folder that are still valid; those that are missing are measured, in seconds each, and kept there.
"""

from __future__ import annotations

import argparse
import json
import uuid
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

from tabulate import tabulate

from greenbench.energy.budget import money, read_price
from greenbench.energy.carbon import CarbonIntensity, co2_kg
from greenbench.errors import UserError
from greenbench.extras import need_study
from greenbench.spec.mode import PAPER
from greenbench.spec.scale import DEFAULT_OUT, SMALLEST_SCALE
from greenbench.study.estimate import Estimate, estimates
from greenbench.study.plan import Pair
from greenbench.study.session import Session
from greenbench.study.settings import Options, settings_of
from greenbench.units import MISSING, si


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""

    def add(name: str, text: str, **options: str) -> None:
        parser.add_argument(f"--{name}", dest=f"green_{name}", help=text, **options)  # type: ignore[arg-type]

    add("scale", f"as --green-scale (default: {SMALLEST_SCALE})", metavar="NAME")
    add("technique", "as --green-technique; may be repeated", metavar="NAME", action="append")
    add("collection", "as --green-collection; may be repeated", metavar="NAME", action="append")
    add("file", "as --green-file; may be repeated", metavar="FILE", action="append")
    add("data", "as --green-data", metavar="DIR")
    add("seeds", "as --green-seeds", metavar="N")
    add("meter", "as --green-meter", metavar="NAME")
    add("mode", "as --green-mode", metavar="NAME", default=PAPER.name)
    add("out", f"folder of the cost records (default: {DEFAULT_OUT})", metavar="DIR")
    add("carbon", "as --green-carbon", metavar="REGION")
    parser.add_argument(
        "--workload", action="append", metavar="NAME", help="these alone; may be repeated (default: all)"
    )
    parser.add_argument(
        "--kind", choices=("training", "inference"), help="cases of this kind alone (default: both)"
    )
    parser.add_argument("--price", metavar="P", help="of a kilowatt-hour, such as 0.30")
    parser.add_argument("--currency", default="EUR", metavar="C", help="of the price (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print rows and totals as JSON")


def run(args: argparse.Namespace) -> int:
    """Print one row for each pair, and the total."""
    price = None if args.price is None else read_price(args.price)
    session = Session(
        settings_of(
            Options(**vars(args), green_partial=True, green_resume=True), Path.cwd(), uuid.uuid4().hex
        )
    )
    pairs = _chosen(session, args.workload, args.kind)
    need_study()
    with closing(session):
        session.check([])
        found = estimates(session, pairs)
        meter = session.meter
    rows = [_row(one, session.settings.carbon, price) for one in found]
    total = _total(found, session.settings.carbon, price)
    if args.json:
        content = {
            "scale": session.settings.scale.name,
            "meter": meter,
            "carbon": str(session.settings.carbon),
            "currency": None if price is None else args.currency,
            "rows": [{**asdict(one), **row} for one, row in zip(found, rows, strict=True)],
            "total": total,
        }
        print(json.dumps(content, indent=1, ensure_ascii=False))
    else:
        print(_text(found, rows, total, args.currency if price is not None else None))
    return 0


def _chosen(session: Session, workloads: Sequence[str] | None, kind: str | None) -> list[Pair]:
    pairs = [pair for one in ("training", "inference") for pair in session.pairs(one) if kind in (None, one)]
    known = list(dict.fromkeys(pair[0].workload for pair in pairs))
    for name in workloads or ():
        if name not in known:
            raise UserError(
                f"workload {name!r} is not part of the scale {session.settings.scale.name}",
                f"choose one of {', '.join(known)}",
            )
    return [pair for pair in pairs if not workloads or pair[0].workload in workloads]


def _row(one: Estimate, carbon: CarbonIntensity, price: float | None) -> dict[str, float | None]:
    return {"co2_kg": co2_kg(one.energy_j, carbon), "money": money(one.energy_j, price)}


def _total(
    found: Sequence[Estimate], carbon: CarbonIntensity, price: float | None
) -> dict[str, float | None]:
    def known(take: Callable[[Estimate], float | None]) -> float | None:
        values = [value for one in found if (value := take(one)) is not None]
        return sum(values) if values else None

    energy_j = known(lambda one: one.energy_j)
    return {
        "runs": sum(one.runs for one in found),
        "seconds": known(lambda one: one.seconds),
        "energy_j": energy_j,
        "co2_kg": co2_kg(energy_j, carbon),
        "money": money(energy_j, price),
    }


def _text(
    found: Sequence[Estimate],
    rows: Sequence[dict[str, float | None]],
    total: dict[str, float | None],
    currency: str | None,
) -> str:
    lines = [
        [one.id, one.kind, one.runs, _time(one.seconds), *_amounts(one.energy_j, row, currency)]
        for one, row in zip(found, rows, strict=True)
    ]
    lines.append(
        ["all", "", total["runs"], _time(total["seconds"]), *_amounts(total["energy_j"], total, currency)]
    )
    headings = ["Case", "Kind", "Runs", "Time", "Energy", "CO2", *([currency] if currency else [])]
    table = tabulate(
        lines,
        headers=headings,
        disable_numparse=True,
        colalign=("left", "left", *["right"] * (len(headings) - 2)),
    )
    reasons = dict.fromkeys(f"{one.kind}: {one.reason}" for one in found if one.reason)
    return "\n".join([table, "", *(f"{MISSING} {reason}" for reason in reasons)])


def _amounts(energy_j: float | None, row: dict[str, float | None], currency: str | None) -> list[str]:
    co2, price = row["co2_kg"], row["money"]
    shown = [si(energy_j, "J"), MISSING if co2 is None else si(1e3 * co2, "g")]
    return [*shown, *([] if not currency else [MISSING if price is None else f"{price:.3g}"])]


def _time(seconds: float | None) -> str:
    if seconds is None:
        return MISSING
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
