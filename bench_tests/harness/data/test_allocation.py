"""Freed memory is kept for the next step."""

import ctypes
import subprocess
import sys

import pytest

HAS_MALLOPT = hasattr(ctypes.CDLL(None), "mallopt")

STEPS = """
import resource
import torch
from greenbench.data.allocation import keep_freed_memory
if {keeps}:
    keep_freed_memory()
def step():
    return [torch.ones(2**20, dtype=torch.uint8) for _ in range(20)]
for _ in range(5):
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(*, keeps):
    """Return how often ten steps had the system give them a page."""
    told = subprocess.run(
        [sys.executable, "-c", STEPS.format(keeps=keeps)], capture_output=True, text=True, check=True
    )
    return int(told.stdout)


@pytest.mark.skipif(not HAS_MALLOPT, reason="this C library is not GNU's")
def test_steps_ask_the_system_for_memory_once():
    kept, by_itself = page_faults(keeps=True), page_faults(keeps=False)
    assert kept < by_itself / 5, "the C library keeps it by itself: take keep_freed_memory away"


def test_other_libraries_are_left_alone(monkeypatch):
    from greenbench.data import allocation

    monkeypatch.setattr(ctypes, "CDLL", lambda _name: object())
    allocation.keep_freed_memory()
