"""What the seed of a training decides: its first weights, the order of its data, and all else that is drawn."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from greenbench.data.loading import Draws
from greenbench.errors import UserError
from greenbench.spec.recipe import Batch
from greenbench.spec.scale import VARY_ALL, Vary

TECHNIQUE_STREAM = 2**31
"""Added to the seed: what a technique draws does not shift the order and augmentation of the data. Torch's generator
takes in 32 bits of a seed."""

TEACHER_STREAM = 2**30
"""Added to the seed for a teacher: its initial weights are not the student's."""

ORDER_STREAM = 2**29
"""Added to the seed of an order that has a generator of its own: it shares no numbers with the augmentation."""

NEXT_EPOCH = 2**12
"""Added to the seed of an order for each epoch; there are fewer seeds."""


@dataclass(frozen=True)
class Seeds:
    """The seed of a run, and which part of it the seed varies; the other parts are as with seed 0.

    Attributes
    ----------
    seed
        Of the run; of a teacher, `TEACHER_STREAM` more.
    vary
        One of `greenbench.spec.scale.VARIES`. With ``all`` one generator draws order and augmentation in turn.
    """

    seed: int
    vary: Vary = VARY_ALL

    def of(self, part: Vary) -> int:
        """Return the seed of one part."""
        return self.seed if self.vary in (VARY_ALL, part) else self.seed - self.seed % TEACHER_STREAM

    def draws(self) -> torch.Generator:
        """Return a new generator of the data's order and augmentation."""
        generator = torch.Generator() if self.vary == VARY_ALL else Draws()
        generator.manual_seed(self.of("augmentation"))
        return generator

    def batches(
        self, read: Callable[[torch.Generator], Iterable[Batch]], generator: torch.Generator, epoch: int
    ) -> Iterator[Batch]:
        """Yield the batches of an epoch (from 0) that data `read` with a generator of `draws`.

        Raises
        ------
        UserError
            If order and augmentation are to be told apart, and the data draw both by one generator.
        """
        if not isinstance(generator, Draws):
            yield from read(generator)
            return
        generator.order = torch.Generator()
        generator.order.manual_seed(self.of("order") + ORDER_STREAM + epoch * NEXT_EPOCH)
        untouched = generator.order.get_state()
        for batch in read(generator):
            if self.vary != "init" and torch.equal(untouched, generator.order.get_state()):
                raise UserError(
                    f"these data do not tell their order from their augmentation: {self.vary} alone cannot vary",
                    "draw the order by greenbench.data.loading.draw_order, or leave --green-vary out",
                )
            yield batch


def random_states() -> dict[str, Any]:
    """Return the state of every generator that a process has from the start, as `torch.load` reads it with weights alone."""
    name, keys, *rest = np.random.get_state(legacy=True)
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "numpy": (name, torch.from_numpy(np.asarray(keys)), *rest),
        "python": random.getstate(),
    }


def set_random_states(states: Mapping[str, Any]) -> None:
    """Go on from where `random_states` was called."""
    torch.set_rng_state(states["torch"])
    if states["cuda"]:
        torch.cuda.set_rng_state_all(states["cuda"])
    name, keys, *rest = states["numpy"]
    np.random.set_state((name, keys.numpy(), *rest))
    random.setstate(states["python"])
