"""The one loader: who reads, and what reaches the training loop when reading fails."""

import sys
import types

import pytest
import torch
from torch.utils.data import TensorDataset, default_collate

from greenbench.data import loading
from greenbench.data.loading import FAST_EPOCH_S, in_batches, load, steps_per_epoch, workers_for
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
        list(load(refuse, [[(7, 0)]], workers, CPU))
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
    ((inputs, targets),) = load(read, [[(0, 0), (1, 0)]], workers_for(read, SLOW), CPU)
    assert inputs.tolist() == targets.tolist() == [0, 1]
