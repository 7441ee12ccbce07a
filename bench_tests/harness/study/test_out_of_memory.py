"""Out of memory: said in words with the numbers that are known, and the next case runs."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from bench_tests.harness.execute.small_run import BATCH, SQUARES, TINY, network
from bench_tests.harness.execute.test_run import own, raises, run
from bench_tests.harness.study.small_session import BASELINE, CATALOG, made, pair_of
from greenbench.errors import UserError
from greenbench.execute import failures
from greenbench.records.folder import RecordFolder, read_record
from greenbench.records.results import Failure, Training

PEBIBYTE = 2**50
OF_TORCH = (
    "CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total capacity of 79.11 GiB of which 1.02 GiB is free. "
    "Of the allocated memory 70.00 GiB is allocated by PyTorch"
)


class Full(nn.Module):
    """A network that finds no memory left for its outputs."""

    def __init__(self, attempt):
        super().__init__()
        self.layer = nn.Linear(3, 3)
        self.attempt = attempt

    def forward(self, x):
        self.attempt()
        return self.layer(x.mean(dim=(2, 3)))


ATTEMPTS = {
    "torch's own error of a GPU": (raises(torch.OutOfMemoryError(OF_TORCH)), "2.68 GB", "of 84.9 GB"),
    "torch on the CPU, for real": (
        lambda: torch.empty(PEBIBYTE, dtype=torch.uint8),
        "PB|GB",
        " that there are",
    ),
    "numpy, for real": (lambda: np.empty(PEBIBYTE, np.uint8), "PB|GB", " that there are"),
    "Python, for real": (lambda: bytearray(2**62), None, " that there are"),
    "a library of the GPU": (raises(RuntimeError("cuDNN error: CUDA out of memory")), None, ""),
}


@pytest.mark.parametrize(("attempt", "wanted", "capacity"), ATTEMPTS.values(), ids=ATTEMPTS)
@pytest.mark.parametrize("kind", ["training", "inference"])
def test_it_is_said_in_words_with_the_numbers(kind, attempt, wanted, capacity, tmp_path):
    if kind == "inference":  # whose layers are counted first, with a single image
        calls = iter(range(2))
        attempt = (lambda real: lambda: real() if next(calls, None) is None else None)(attempt)
    record = run(kind, workload=replace(SQUARES, network=lambda *_: Full(attempt)))
    failure = record.result
    assert isinstance(failure, Failure)
    assert failure.stage == kind
    batch = BATCH if kind == "training" else SQUARES.settings["tiny"].large_batch
    assert failure.error.startswith(f"out of memory: own-squares with batches of {batch}")
    assert capacity in failure.error
    assert ("asked for another" in failure.error) == (wanted is not None)
    assert wanted is None or any(f"asked for another {n}" in failure.error for n in numbers(wanted))
    assert failure.error.endswith(")")
    assert "line " in failure.error
    assert failure.next_step.startswith(
        "set a smaller batch_size in the workload's file or choose another --green-scale"
    )
    assert not failure.traceback
    assert read_record(RecordFolder(tmp_path).write(record)) == record


def numbers(wanted):
    return ["1130000 GB", "1125900 GB", "1.13e+06 GB"] if "|" in wanted else [wanted]


def test_the_batch_is_the_technique_s_own():
    larger = replace(own, apply=lambda recipe: replace(recipe, batch_size=16))
    failure = run(
        technique=larger, workload=replace(SQUARES, loss=lambda: raises(torch.OutOfMemoryError(OF_TORCH)))
    ).result
    assert "with batches of 16," in failure.error


@pytest.mark.parametrize(("mode", "advised"), [("paper", ["quick"]), ("quick", [])])
def test_a_mode_that_takes_less_is_advised_where_there_is_one(mode, advised, monkeypatch):
    monkeypatch.setattr(failures, "MODES", {"paper": None, "quick": None})
    with pytest.raises(MemoryError) as caught:
        bytearray(2**62)
    failure = failures.failure_of("training", caught.value, failures.Attempt("a-b", mode, 8, ()))
    assert [name for name in ("paper", "quick") if f"--green-mode {name}" in failure.next_step] == advised


def test_another_error_of_the_run_is_none_of_it():
    failure = run(workload=replace(SQUARES, loss=lambda: raises(RuntimeError("memory format")))).result
    assert failure.error == "RuntimeError: memory format"
    assert failure.traceback


def test_the_next_case_runs(study):
    full = made(
        "full", lambda recipe: replace(recipe, network=lambda: Full(raises(torch.OutOfMemoryError(OF_TORCH))))
    )
    catalog = replace(CATALOG, techniques={t.name: t for t in (BASELINE, full, made("plain", same_network))})
    session = study(catalog)
    (broken,) = session.records(pair_of(session, "full"))
    (sound,) = session.records(pair_of(session, "plain"))
    assert isinstance(broken.result, Failure)
    assert isinstance(sound.result, Training)


def same_network(recipe):
    return replace(recipe, network=network)


def test_a_dry_run_that_finds_no_memory_is_refused_in_the_same_words(study):
    full = made(
        "full", lambda recipe: replace(recipe, network=lambda: Full(raises(torch.OutOfMemoryError(OF_TORCH))))
    )
    catalog = replace(CATALOG, techniques={t.name: t for t in (BASELINE, full)})
    session = study(catalog, scale=replace(TINY, dry_run=True))
    with pytest.raises(
        UserError,
        match="full-squares: its dry run fails, stage training, and nothing was trained: out of memory",
    ):
        session.check([pair_of(session, "full")])
