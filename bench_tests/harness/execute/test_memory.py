"""The most memory of a case: what it took itself, whatever ran before it; where that is not known, the record says why."""

import ctypes
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from bench_tests.harness.execute.small_run import SQUARES
from bench_tests.harness.execute.test_run import run
from greenbench.execute import memory
from greenbench.records.folder import RecordFolder, read_record
from greenbench.records.memory import GPU, PROCESS
from greenbench.records.results import Failure
from greenbench.spec.technique import technique

MEBIBYTE = 2**20
SLACK = 4
"""Mebibytes: Linux counts a process's pages in batches, and may drop pages of files meanwhile."""
CLEARS = memory.CLEAR.exists()
needs_clearing = pytest.mark.skipif(not CLEARS, reason="this system has no /proc/self/clear_refs")


def greedy(mebibytes, then=F.cross_entropy):
    @technique("Loss Function", "Somebody 2020")
    def takes_much(recipe):
        """Fills memory in each step, and gives it back."""

        def loss(logits, targets):
            torch.ones(mebibytes * MEBIBYTE, dtype=torch.uint8)
            return then(logits, targets)

        return replace(recipe, loss=lambda: loss)

    return takes_much


@needs_clearing
def test_a_case_s_peak_is_its_own_whatever_ran_before_it():
    def taken(record):
        assert record.memory.of == PROCESS
        return (record.memory.peak_bytes - record.memory.before_bytes) / MEBIBYTE

    run(technique=greedy(8))  # what torch keeps once is there
    large, small = run(technique=greedy(256)), run(technique=greedy(8))
    assert 256 - SLACK <= taken(large) < 320
    assert taken(small) < 72


@needs_clearing
def test_a_case_that_fails_has_its_peak_too():
    def breaks(_logits, _targets):
        raise KeyError("x")

    record = run(technique=greedy(128, breaks))
    assert isinstance(record.result, Failure)
    assert record.memory.peak_bytes - record.memory.before_bytes >= (128 - SLACK) * MEBIBYTE


@pytest.mark.parametrize("kind", ["training", "inference"])
def test_where_the_peak_cannot_start_anew_it_is_not_known_and_the_record_says_why(
    kind, monkeypatch, tmp_path
):
    monkeypatch.setattr(memory, "CLEAR", tmp_path / "no" / "clear_refs")
    record = run(kind)
    assert record.memory.peak_bytes is None
    assert record.memory.reason == (
        "this system does not let the peak of a process start anew "
        f"({tmp_path / 'no' / 'clear_refs'}: No such file or directory)"
    )
    assert read_record(RecordFolder(tmp_path).write(record)) == record


@pytest.mark.parametrize("text", ["", "VmHWM:\t many kB\n", "VmRSS:\t 12 kB\n"])
def test_a_status_that_says_nothing_of_it_is_no_zero(text, monkeypatch, tmp_path):
    for name in ("STATUS", "CLEAR"):
        (tmp_path / name).write_text(text)
        monkeypatch.setattr(memory, name, tmp_path / name)
    (tmp_path / "CLEAR").touch()
    found = memory.watch_memory(torch.device("cpu"))()
    assert found.peak_bytes is None
    assert "no line Vm" in found.reason


def test_a_gpu_s_peak_is_what_torch_allocated_since_the_case_began(monkeypatch):
    """On a stand-in of torch.cuda, which counts from the last reset as the real one does."""
    state = SimpleNamespace(allocated=100, peak=900, cached=True)

    def reset(_device):
        state.peak = state.allocated

    for name, value in {
        "empty_cache": lambda: setattr(state, "cached", False),
        "reset_peak_memory_stats": reset,
        "memory_allocated": lambda _device: state.allocated,
        "max_memory_allocated": lambda _device: state.peak,
        "max_memory_reserved": lambda _device: 2 * state.peak,
    }.items():
        monkeypatch.setattr(torch.cuda, name, value)
    monkeypatch.setattr(torch, "empty", lambda *_size, device: None)
    peak = memory.watch_memory(torch.device("cuda", 0))
    state.peak = 500
    found = peak()
    assert (found.peak_bytes, found.reserved_bytes, found.before_bytes) == (500, 1000, 100)
    assert (found.of, found.reason, state.cached) == (GPU, None, False)


def test_data_of_a_case_are_part_of_its_peak():
    kept = []

    def reading(root, device):
        kept.append(torch.ones(96 * MEBIBYTE, dtype=torch.uint8))
        return SQUARES.data(root, device)

    record = run(workload=replace(SQUARES, data=reading))
    assert not CLEARS or record.memory.peak_bytes - record.memory.before_bytes >= (96 - SLACK) * MEBIBYTE


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="the C library has no malloc_trim")
@needs_clearing
def test_memory_that_the_library_kept_is_none_of_the_case():
    pieces = [np.ones(1500) for _ in range(8000)]  # 12 kB each: too small to be given back one by one
    held = pieces[::100]
    del pieces
    before = memory._resident_bytes("VmRSS")
    found = memory.watch_memory(torch.device("cpu"))()
    assert found.before_bytes < before - 40 * MEBIBYTE
    assert held
