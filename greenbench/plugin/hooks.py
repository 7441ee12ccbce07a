"""Hooks that a conftest.py can implement."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from greenbench.records.record import Record


def pytest_green_record(record: Record) -> None:
    """Look at a case that was just run, such as to send it to MLflow or Weights & Biases.

    Called once for each case, in the process that asked for it, after its record was written. Not for cases of an earlier
    run. What it raises fails that case's test, and the record stays.
    """
