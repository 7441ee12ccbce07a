"""Dry runs: what cannot be trained or evaluated is found before the first long training, and nothing of it is kept."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import torch
from torch import Tensor

from greenbench.data.structures import map_tensors, tensors_in
from greenbench.errors import NotApplicable, UserError
from greenbench.execute.failures import Attempt, failure_of
from greenbench.execute.modes import numerical_mode
from greenbench.execute.run import trainer_of, training_device
from greenbench.execute.seeds import random_states, set_random_states
from greenbench.spec.case import Case
from greenbench.spec.recipe import Batch
from greenbench.spec.technique import Technique
from greenbench.spec.workload import Data, Split, Workload

MAX_SIZES = 32
"""Sizes of images that are evaluated, where a data set has more: evenly spaced from the smallest to the largest."""

SPLITS: tuple[Split, ...] = ("validation", "train")


class DryRuns:
    """Dry runs on one workload, whose data are read once.

    Parameters
    ----------
    workload
        What is trained on.
    root
        Folder of the data, or None.
    """

    def __init__(self, workload: Workload, root: Path | None) -> None:
        self._workload, self._root = workload, root
        self._device = training_device()
        self._read: tuple[Workload, Data, list[Batch]] | None = None

    def __call__(self, case: Case, technique: Technique) -> None:
        """Take a step of a training, and evaluate one batch of each size of images as at its end.

        The network is the dry run's own, and all streams of random numbers are put back. Networks that compile
        themselves are not compiled: their training would find that done. What does not apply is left to the training,
        which is skipped.

        Raises
        ------
        UserError
            Naming technique, workload and stage of what fails.
        """
        stage = "data"
        try:
            with _random_numbers_kept(), numerical_mode(case.mode):
                workload, data, batches = self._data(case.scale)
                stage = "recipe"
                recipe = technique(workload.recipe(case.scale, self._root))
                with torch.compiler.set_stance("force_eager") if recipe.warm_up else nullcontext():
                    stage = "network"
                    trainer = trainer_of(case, recipe, data, self._device)
                    stage = "training"
                    for _ in trainer.sample_steps():
                        stage = "training at another size of images"
                    stage = "evaluation"
                    trainer.add_to(data.score(), self._on_device(batches))
        except (Exception, SystemExit) as error:
            if isinstance(error, NotApplicable) and stage in ("recipe", "network", "training"):
                return
            files = technique.source.name, self._workload.source.name
            attempt = Attempt(case.id, case.mode, case.setting["batch_size"], files)
            found = failure_of(stage, error, attempt)
            raise UserError(
                f"{case.id}: its dry run fails, stage {stage}, and nothing was trained: {found.error}",
                f"{found.next_step or 'change it'}, or leave {case.id} out",
            ) from error
        finally:
            gc.collect()
            if self._device.type == "cuda":
                torch.cuda.empty_cache()

    def _data(self, scale: str) -> tuple[Workload, Data, list[Batch]]:
        if self._read is None:
            data = self._workload.data_at(scale, self._root, self._device)
            self._read = self._workload.read(self._root), data, _batch_of_each_size(data)
        return self._read

    def _on_device(self, batches: list[Batch]) -> Iterator[Batch]:
        for inputs, targets in batches:
            yield map_tensors(inputs, self._moved), map_tensors(targets, self._moved)

    def _moved(self, values: Tensor) -> Tensor:
        return values.to(self._device)


def _batch_of_each_size(data: Data) -> list[Batch]:
    """Return evaluation batches of unlike sizes, on the CPU, from the smallest to the largest."""
    found: dict[tuple[torch.Size, ...], Batch] = {}
    for split in SPLITS:
        for inputs, targets in data.evaluation_batches(split):
            shapes = tuple(values.shape for values in tensors_in(inputs))
            if shapes not in found:
                found[shapes] = map_tensors(inputs, Tensor.cpu), map_tensors(targets, Tensor.cpu)
    ordered = sorted(found, key=lambda shapes: sum(shape.numel() for shape in shapes))
    count = min(MAX_SIZES, len(ordered))
    return [found[ordered[index * (len(ordered) - 1) // max(1, count - 1)]] for index in range(count)]


@contextmanager
def _random_numbers_kept() -> Iterator[None]:
    states = random_states()
    try:
        yield
    finally:
        set_random_states(states)
