"""The one place that makes loaders: batches read here or by worker processes, with seeds that travel with the indices."""

from __future__ import annotations

import io
import multiprocessing
import os
import pickle
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from multiprocessing.context import BaseContext
from typing import Any, TypeVar

import torch
from torch.utils.data import DataLoader

from greenbench.data.allocation import keep_freed_memory
from greenbench.errors import DataError, UserError

MAX_WORKERS = 8
FAST_EPOCH_S = 5.0
"""Data that this process reads within that many seconds need no workers, which take about as long to start."""

KEPT = 2
"""Ways of reading whose workers are kept: training and evaluation."""

Key = tuple[int, int]
"""Index of a sample, and the seed of its random transforms: so that workers and resuming change nothing."""

Read = Callable[[Sequence[Key]], Any]
"""Reads the samples of one batch."""

_Batch = TypeVar("_Batch")


class Draws(torch.Generator):
    """Draws all of a training's data but their order, which `order` draws."""

    order: torch.Generator


def draw_order(count: int, generator: torch.Generator) -> torch.Tensor:
    """Return `count` indices in a random order, drawn by `generator`, or by the one that it has for orders (`Draws`)."""
    if isinstance(generator, Draws):
        torch.randint(2, (), generator=generator)  # what it draws in the next epoch is something else
        return torch.randperm(count, generator=generator.order)
    return torch.randperm(count, generator=generator)


def shuffled_keys(count: int, generator: torch.Generator) -> list[Key]:
    """Return the keys of one epoch in a random order, each with a new seed."""
    order = draw_order(count, generator).tolist()
    seeds = torch.randint(2**62, (count,), generator=generator).tolist()
    return list(zip(order, seeds, strict=True))


def ordered_keys(count: int, generator: torch.Generator) -> list[Key]:
    """As `shuffled_keys`, with seeds that are not drawn from `generator`: it goes on as after the order alone."""
    order = draw_order(count, generator).tolist()
    seeds = torch.Generator()
    seeds.set_state(generator.get_state())
    seeds.manual_seed(int(torch.randint(2**62, (), generator=seeds)))
    return list(zip(order, torch.randint(2**62, (count,), generator=seeds).tolist(), strict=True))


def in_batches(keys: Sequence[Key], batch_size: int) -> list[Sequence[Key]]:
    """Return keys in their order, `batch_size` at a time; the last batch may be smaller."""
    return [keys[start : start + batch_size] for start in range(0, len(keys), batch_size)]


def steps_per_epoch(count: int, batch_size: int) -> int:
    """Return the number of batches in one epoch, where a last one of a single sample is left out.

    Norms have no variance to divide by there.
    """
    full, rest = divmod(count, batch_size)
    return max(1, full + (rest > 1))


class Loaders:
    """Reads batches, here or by worker processes that live from epoch to epoch.

    Parameters
    ----------
    workers
        Processes for each of the last `KEPT` ways of reading; 0 reads in this process.
    device
        Where batches go: for a GPU they are put into memory that can be copied beside other work.
    """

    def __init__(self, workers: int, device: torch.device) -> None:
        self._workers = workers
        self._device = device
        self._kept: dict[Read, _Loader] = {}

    def load(
        self, read: Callable[[Sequence[Key]], _Batch], batches: Sequence[Sequence[Key]]
    ) -> Iterator[_Batch]:
        """Yield ``read(keys)`` for the keys of every batch.

        Raises
        ------
        UserError
            Whatever `read` raises, from worker processes too.
        """
        loader = self._kept.pop(read, None)
        if loader is None:
            loader = _Loader(read, self._workers, self._device)
        # While it is away, another epoch of the same reads gets workers of its own.
        try:
            for batch in loader.epoch(batches):
                if isinstance(batch, _Problem):
                    raise (DataError if batch.of_data else UserError)(batch.problem, batch.next_step)
                yield batch
        except (UserError, GeneratorExit):
            self._keep(read, loader)
            raise
        self._keep(read, loader)

    def _keep(self, read: Read, loader: _Loader) -> None:
        if self._workers:
            self._kept[read] = loader
            while len(self._kept) > KEPT:
                self._kept.pop(next(iter(self._kept)))


class _Loader:
    """A loader of torch's whose batches are told anew each epoch."""

    def __init__(self, read: Read, workers: int, device: torch.device) -> None:
        self._batches: list[Sequence[Key]] = []
        # A loader without a generator of its own draws from torch's, as techniques do. A run that reads its epoch
        # again, to resume in the middle of it, would then go on with other draws.
        self._loader: DataLoader[Any] = DataLoader(
            _Batches(read),  # type: ignore[arg-type]  # a map from keys, which torch supports but does not type
            batch_size=None,
            sampler=self._batches,
            collate_fn=_as_it_is,
            num_workers=workers,
            pin_memory=device.type == "cuda",
            multiprocessing_context=_worker_context(read) if workers else None,
            persistent_workers=workers > 0,
            worker_init_fn=_begin if workers else None,
            generator=torch.Generator(),
        )

    def epoch(self, batches: Sequence[Sequence[Key]]) -> Iterator[Any]:
        """Yield all batches; whoever stops before the last may begin another epoch."""
        self._batches[:] = batches
        return iter(self._loader)


def workers_for(read: Read, epoch_s: float) -> int:
    """Return how many worker processes read an epoch that takes this process `epoch_s`.

    None where that is a few seconds, or where another process cannot be given the data: objects without a name that
    can be imported, such as lambdas and the classes of a user's own file.
    """
    if epoch_s < FAST_EPOCH_S or not _can_be_sent(read):
        return 0
    return usable_workers()


def usable_workers() -> int:
    """Return how many worker processes this one may have: as many as CPUs, which in a container are fewer."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(MAX_WORKERS, cpus)


@dataclass(frozen=True)
class _Problem:
    """A `UserError` on its way from a worker, which would arrive as a traceback."""

    problem: str
    next_step: str
    of_data: bool


class _Batches:
    """Whole batches by their keys."""

    def __init__(self, read: Read) -> None:
        self._read = read

    def __getitem__(self, keys: Sequence[Key]) -> Any:
        try:
            return self._read(keys)
        except UserError as error:
            return _Problem(error.problem, error.next_step, isinstance(error, DataError))


def _begin(_worker: int) -> None:
    keep_freed_memory()


def _as_it_is(batch: _Batch) -> _Batch:
    return batch


def _worker_context(read: Read) -> BaseContext | None:
    """Return how to start the processes that decode files; None for the platform's own way.

    A fork of this process would copy the locks of its threads (the energy meter's, CUDA's) in whatever state
    they are, and Python 3.12 warns of it. A server without threads is forked instead. It imports once what every
    worker needs.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return None
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch", *sorted(_modules_of(read))])
    return context


def _modules_of(value: object) -> set[str]:
    """Return the modules that another process imports when it is given the value."""
    pickler = _Pickler(_Nowhere())
    pickler.dump(value)
    return pickler.modules - {"__main__", "builtins"}


def _can_be_sent(value: object) -> bool:
    try:
        _Pickler(_Nowhere()).dump(value)
    except Exception:  # whatever the classes of a user's file raise
        return False
    return True


class _Nowhere(io.RawIOBase):
    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        return len(content)


class _Pickler(pickle.Pickler):
    """Refuses what another process could not import: the module of a user's file is known to this one alone."""

    def __init__(self, file: io.RawIOBase) -> None:
        super().__init__(file)
        self.modules: set[str] = set()

    def reducer_override(self, value: Any) -> Any:
        module = getattr(value if callable(value) else type(value), "__module__", None)
        if isinstance(module, str):
            if not _can_be_imported(module):
                raise pickle.PicklingError(f"{value} is of the module {module}, which has no place")
            self.modules.add(module)
        return NotImplemented


@cache
def _can_be_imported(module: str) -> bool:
    name = module.partition(".")[0]
    return any(finder.find_spec(name, None) is not None for finder in sys.meta_path)
