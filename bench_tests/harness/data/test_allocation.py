"""Freed memory is kept for the next step."""

import ctypes
import subprocess
import sys
from types import SimpleNamespace

import pytest

from greenbench.data import allocation

HAS_MALLOPT = hasattr(ctypes.CDLL(None), "mallopt")
needs_mallopt = pytest.mark.skipif(not HAS_MALLOPT, reason="this C library is not GNU's")

STEPS = """
import resource
import torch
from greenbench.data.allocation import keep_freed_memory
keep_freed_memory()
def step():
    return [torch.ones(2**20, dtype=torch.uint8) for _ in range(100)]
for _ in range(3):
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@needs_mallopt
def test_a_step_asks_the_system_for_no_memory_that_the_one_before_had():
    told = subprocess.run([sys.executable, "-c", STEPS], capture_output=True, text=True, check=True)
    assert int(told.stdout) < 1000  # pages, of 256,000


@needs_mallopt
def test_the_library_takes_every_setting(monkeypatch):
    taken, library = [], ctypes.CDLL(None)
    asked = SimpleNamespace(mallopt=lambda name, value: taken.append(library.mallopt(name, value)))
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: asked)
    allocation.keep_freed_memory()
    assert taken == [1, 1]


def test_other_libraries_are_left_alone(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: object())
    allocation.keep_freed_memory()
