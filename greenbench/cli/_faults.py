"""What the commands say of files that cannot be read."""

from __future__ import annotations

import sys

from greenbench.cli import OK, USAGE_ERROR
from greenbench.study.catalog import Catalog


def show_faults(catalog: Catalog) -> int:
    """Name on standard error what was left out, and return the exit code: files of the user's must be sound."""
    for fault in (*catalog.faults, *catalog.installed_faults):
        print(f"greenbench: left out: {' '.join(str(fault).split())}", file=sys.stderr)
    return USAGE_ERROR if catalog.faults else OK
