"""The one loader: who reads, and what reaches the training loop when reading fails."""

import os
import sys
import types
from dataclasses import dataclass

import pytest
import torch
from torch.utils.data import TensorDataset, default_collate

from greenbench.data import loading
from greenbench.data.loading import FAST_EPOCH_S, KEPT, Loaders, in_batches, steps_per_epoch, workers_for
from greenbench.data.samples import Reader
from greenbench.errors import UserError

SLOW = 2 * FAST_EPOCH_S
CPU = torch.device("cpu")
TENSORS = TensorDataset(torch.arange(6).float()[:, None], torch.arange(6))


def reader(samples, collate=default_collate):
    return Reader(samples, "train", collate)


def refuse(keys):
    raise UserError(f"image {keys[0][0]} is broken", "remove it")


@pytest.fixture
def samples_of_a_file():
    """Return a data set whose class lies in a module that this process alone knows."""
    module = types.ModuleType("greenbench_file_known_here")
    sys.modules[module.__name__] = module
    exec("class Own(list):\n    pass\n", vars(module))
    yield module.Own([(0, 0), (1, 1)])
    del sys.modules[module.__name__]


@pytest.mark.parametrize("workers", [0, 1])
def test_a_user_error_arrives_as_it_was_raised(workers):
    with pytest.raises(UserError, match=r"^image 7 is broken; remove it$") as error:
        list(Loaders(workers, CPU).load(refuse, [[(7, 0)]]))
    assert (error.value.problem, error.value.next_step) == ("image 7 is broken", "remove it")


@pytest.mark.parametrize(
    ("count", "batch_size", "steps"),
    [(7, 3, 2), (8, 3, 3), (9, 3, 3), (1, 3, 1), (2, 3, 1), (7, 1, 7), (3, 3, 1)],
)
def test_an_epoch_has_no_batch_of_a_single_sample_unless_all_are(count, batch_size, steps):
    assert steps_per_epoch(count, batch_size) == steps
    batches = in_batches([(index, 0) for index in range(count)], batch_size)[:steps]
    assert [key for batch in batches for key in batch] == [
        (index, 0) for index in range(min(count, steps * batch_size))
    ]


def test_slow_data_get_as_many_workers_as_there_are_cpus_and_fast_ones_none(monkeypatch):
    monkeypatch.setattr(loading.os, "sched_getaffinity", lambda _: {0, 5, 6}, raising=False)
    assert workers_for(reader(TENSORS), SLOW) == 3
    assert workers_for(reader(TENSORS), FAST_EPOCH_S / 2) == 0


def test_what_another_process_cannot_be_given_is_read_here(samples_of_a_file):
    assert workers_for(reader(samples_of_a_file), SLOW) == 0
    assert workers_for(reader(TENSORS, collate=lambda pairs: pairs), SLOW) == 0


def test_such_data_are_read_here_without_a_word(samples_of_a_file):
    read = reader(samples_of_a_file)
    ((inputs, targets),) = Loaders(workers_for(read, SLOW), CPU).load(read, [[(0, 0), (1, 0)]])
    assert inputs.tolist() == targets.tolist() == [0, 1]


@dataclass(frozen=True)
class Pids:
    """Reads the worker's process id beside the indices; ends the process at an index below 0."""

    name: str

    def __call__(self, keys):
        if keys[0][0] < 0:
            os._exit(3)
        return [index for index, _ in keys], os.getpid()


def epoch_of(loaders, read, start):
    batches = in_batches([(index, 0) for index in range(start, start + 6)], 2)
    found = list(loaders.load(read, batches))
    assert [indices for indices, _ in found] == [[index for index, _ in batch] for batch in batches]
    return {pid for _, pid in found}


def test_workers_live_from_epoch_to_epoch_and_an_epoch_may_be_left():
    loaders = Loaders(1, CPU)
    first = epoch_of(loaders, Pids("a"), 0)
    left = loaders.load(Pids("a"), [[(k, 0)] for k in range(90, 96)])
    assert next(left)[0] == [90]
    left.close()
    assert epoch_of(loaders, Pids("a"), 10) == first
    assert epoch_of(loaders, Pids("b"), 20) != first
    assert epoch_of(loaders, Pids("a"), 30) == first
    assert os.getpid() not in first


def test_two_epochs_of_the_same_reads_at_once_do_not_meet():
    loaders = Loaders(1, CPU)
    outer = loaders.load(Pids("a"), [[(k, 0)] for k in range(4)])
    assert next(outer)[0] == [0]
    epoch_of(loaders, Pids("a"), 10)
    assert [indices for indices, _ in outer] == [[1], [2], [3]]
    epoch_of(loaders, Pids("a"), 20)


def test_workers_of_more_reads_than_are_kept_end():
    loaders = Loaders(1, CPU)
    first = epoch_of(loaders, Pids("0"), 0)
    for name in ("1", "2"):
        epoch_of(loaders, Pids(name), 0)
    assert len(loaders._kept) == KEPT
    assert epoch_of(loaders, Pids("0"), 0) != first


def test_after_a_worker_that_died_the_next_epoch_has_another():
    loaders = Loaders(1, CPU)
    first = epoch_of(loaders, Pids("a"), 0)
    with pytest.raises(RuntimeError, match="exited unexpectedly"):
        list(loaders.load(Pids("a"), [[(-1, 0)]]))
    assert epoch_of(loaders, Pids("a"), 0) != first


def test_what_a_worker_needs_is_imported_once_for_all():
    assert {"greenbench.data.samples", "torch.utils.data.dataset"} <= loading._modules_of(reader(TENSORS))
