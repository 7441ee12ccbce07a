"""Audit the published tables, or a folder of records, for impossible and inconsistent values.

Each finding names the cells, the arithmetic and the bound that it was held against. Without RECORDS, the study's own
four tables and its text are audited. With RECORDS, the exit code is 1 if anything was found.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from tabulate import tabulate

from greenbench.audit.findings import Finding
from greenbench.audit.rules import Checked
from greenbench.errors import UserError
from greenbench.paper.audit import audit_records, audit_tables
from greenbench.records.folder import RecordFolder
from greenbench.units import MISSING

CELLS_SHOWN = 4
_GIVE = "give the folder that a study wrote with --green-out"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``greenbench audit``."""
    parser.add_argument(
        "records", nargs="?", type=Path, metavar="RECORDS", help="folder of records (default: the tables)"
    )
    parser.add_argument("--json", action="store_true", help="print findings and rules as JSON")


def run(args: argparse.Namespace) -> int:
    """Print what does not fit."""
    checked = audit_tables() if args.records is None else _audit_folder(args.records)
    subject = "the published tables" if args.records is None else str(args.records)
    print(_as_json(subject, checked) if args.json else _as_text(subject, checked))
    found = any(rule.findings for rule in checked)
    return 1 if found and args.records is not None else 0


def _audit_folder(path: Path) -> tuple[Checked, ...]:
    if not path.is_dir():
        raise UserError(f"{path} is not a folder", _GIVE)
    records, unreadable = RecordFolder(path).read()
    for file in unreadable:
        print(f"greenbench: left out {file.path}: {file.reason}", file=sys.stderr)
    if not records and not any(file.impossible for file in unreadable):
        raise UserError(f"{path} holds no records", _GIVE)
    return audit_records(records, unreadable)


def _as_json(subject: str, checked: Sequence[Checked]) -> str:
    content = {
        "subject": subject,
        "findings": [asdict(finding) for rule in checked for finding in rule.findings],
        "rules": [
            {
                "rule": rule.rule,
                "question": rule.question,
                "checked": rule.checked,
                "findings": len(rule.findings),
            }
            for rule in checked
        ],
    }
    return json.dumps(content, indent=1, ensure_ascii=False)


def _as_text(subject: str, checked: Sequence[Checked]) -> str:
    findings = [finding for rule in checked for finding in rule.findings]
    outcomes = [
        [rule.rule, len(rule.findings) if rule.checked else MISSING, rule.checked, rule.question]
        for rule in checked
    ]
    lines = [
        f"Audit of {subject}: {len(findings)} findings by {len(checked)} rules.",
        "",
        tabulate(outcomes, headers=("Rule", "Findings", "Checked", "Question"), disable_numparse=True),
    ]
    for finding in findings:
        lines += ["", *_finding_lines(finding)]
    return "\n".join(lines)


def _finding_lines(finding: Finding) -> list[str]:
    left = len(finding.cells) - CELLS_SHOWN
    more = f" and {left} more (--json lists all)" if left > 0 else ""
    return [
        f"[{finding.severity}] {finding.rule}: {finding.conclusion}",
        *(f"    {line}" for line in finding.arithmetic),
        f"    bound: {finding.bound}",
        f"    cells: {', '.join(finding.cells[:CELLS_SHOWN])}{more}",
    ]
