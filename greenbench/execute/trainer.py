"""One training under way: its step, its evaluation, and its state."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn

from greenbench.data.structures import tensors_in
from greenbench.errors import UserError
from greenbench.execute.in_mode import copy_out_of_mode, in_full_precision, network_in_mode, optimizer_in_mode
from greenbench.execute.seeds import (
    TEACHER_STREAM,
    TECHNIQUE_STREAM,
    Seeds,
    random_states,
    set_random_states,
)
from greenbench.execute.tiles import tiled
from greenbench.spec.mode import PAPER, Mode
from greenbench.spec.recipe import Batch, Inputs, Recipe, Size, as_trained, returned
from greenbench.spec.scale import VARY_ALL, Vary
from greenbench.spec.workload import Data, Score, Split


class Trainer:
    """One training under way, which can be saved between any two steps and gone on with elsewhere.

    Techniques see it as `greenbench.spec.recipe.Trainer`.

    Parameters
    ----------
    recipe
        What to train, and how.
    data
        The workload's batches.
    seed
        Of the initial weights, of the order and augmentation of the data, and of what techniques draw.
    vary
        Which of these it decides, the others being those of seed 0: one of `greenbench.spec.scale.VARIES`.
    device
        Where to train.
    tile
        Height and width of the tiles by which images are evaluated; None for whole images.
    mode
        What its networks compute in, and how its optimizer steps.
    """

    def __init__(
        self,
        recipe: Recipe,
        data: Data,
        *,
        seed: int,
        device: torch.device,
        vary: Vary = VARY_ALL,
        tile: Size | None = None,
        mode: Mode = PAPER,
    ) -> None:
        self._teaching = (
            Trainer(recipe.teacher, data, seed=seed + TEACHER_STREAM, device=device, vary=vary, mode=mode)
            if recipe.teacher is not None
            else None
        )
        self.teacher: nn.Module | None = None
        self._seeds = Seeds(seed, vary)
        torch.manual_seed(self._seeds.of("init"))
        self.recipe = recipe
        self.data = data
        self.tile = tile
        self.mode = mode
        self.device = device
        self.epoch = 0
        """Epochs that are over."""
        self.network = network_in_mode(_module(recipe.network()).to(device), mode)
        self.network.train()
        self.steps_per_epoch = data.steps_per_epoch(recipe.batch_size)
        self.optimizer = optimizer_in_mode(recipe.optimizer(self.network, recipe.learning_rate), mode)
        self.schedule = recipe.schedule(self.optimizer, self.steps_per_epoch, recipe.epochs)
        loss = recipe.loss()
        self._loss_module = loss.to(device) if isinstance(loss, nn.Module) else None
        self.loss = in_full_precision(loss)
        self.average = (
            recipe.average(self.network, self.steps_per_epoch, recipe.epochs) if recipe.average else None
        )
        self.generator = torch.Generator().manual_seed(self._seeds.of("augmentation") + TECHNIQUE_STREAM)
        self._data_generator = self._seeds.draws()
        self._epoch_start = self._data_generator.get_state()
        self._step = 0
        if vary != VARY_ALL:  # what building the network drew must not shift what training draws
            torch.manual_seed(self._seeds.of("augmentation"))

    @property
    def step(self) -> int:
        """Optimizer steps that were taken, the teacher's apart."""
        return self.epoch * self.steps_per_epoch + self._step

    @property
    def steps(self) -> int:
        """Optimizer steps of the whole run, the teacher's apart."""
        return self.recipe.epochs * self.steps_per_epoch

    @property
    def teacher_steps(self) -> int:
        """Steps of the teacher's whole training; 0 without one."""
        return self._teaching.steps + self._teaching.teacher_steps if self._teaching else 0

    @property
    def teacher_steps_left(self) -> int:
        """Steps that are left of it."""
        teaching = self._teaching
        return 0 if teaching is None else teaching.steps - teaching.step + teaching.teacher_steps_left

    @property
    def size_factor(self) -> float:
        """Side of this epoch's images as a fraction of the recipe's."""
        return self.recipe.size_factor(self.epoch, self.recipe.epochs)

    def train_teacher(self) -> Iterator[Tensor]:
        """Take the steps that are left of the teacher's training; yield each one's loss."""
        if self._teaching is not None:
            yield from self._teaching.remaining_steps()
            self.adopt_teacher()

    @property
    def teaching(self) -> Trainer | None:
        """The training of the teacher; None without one."""
        return self._teaching

    def adopt_teacher(self) -> None:
        """Take the teacher as far as it is trained."""
        if self._teaching is not None:
            self.teacher = self._teaching._switch_to_judged().requires_grad_(False)

    def epoch_steps(self) -> Iterator[Tensor]:
        """Take the steps that are left of this epoch; yield each one's loss, still on the device."""
        self._data_generator.set_state(self._epoch_start)
        for batch in islice(self._batches_left(), self.steps_per_epoch - self._step):
            loss = self._take_step(batch)
            self._step += 1
            yield loss
        if self._step < self.steps_per_epoch:
            raise UserError(
                f"epoch_batches gave {self._step} batches of an epoch of {self.steps_per_epoch}",
                "let it yield at least as many batches as it reads",
            )
        self.epoch += 1
        self._step = 0
        self._epoch_start = self._data_generator.get_state()

    def remaining_steps(self) -> Iterator[Tensor]:
        """Take all steps that are left of the run, the teacher's first; yield each one's loss."""
        yield from self.train_teacher()
        while self.epoch < self.recipe.epochs:
            yield from self.epoch_steps()

    def warm_up(self) -> None:
        """Take one step and undo it: what compiles itself on its first use has then done so."""
        before = copy.deepcopy(self.state_dict())
        next(self.epoch_steps())
        self.load_state_dict(before)
        self.network.zero_grad(set_to_none=True)

    def sample_steps(self) -> Iterator[Tensor]:
        """Take one step with the first, the smallest and the largest images; yield each one's loss.

        A dry run's: afterwards the trainer is at the end of its run, which was not trained.
        """
        if self._teaching is not None:
            for _ in self._teaching.sample_steps():
                pass
            self.adopt_teacher()
        factors = [self.recipe.size_factor(epoch, self.recipe.epochs) for epoch in range(self.recipe.epochs)]
        for epoch in dict.fromkeys((0, factors.index(min(factors)), factors.index(max(factors)))):
            self.epoch = epoch
            yield next(self.epoch_steps())
            self._step = 0
        self.epoch = self.recipe.epochs

    def steps_like(self, epoch: int) -> Iterator[Tensor]:
        """Take the steps of one epoch (from 0) over and over, as many as are asked for; yield each one's loss."""
        while True:
            self.epoch, self._step = epoch, 0
            yield from self.epoch_steps()

    def evaluate(self, split: Split) -> dict[str, float] | None:
        """Return the metrics on a split, with the weights that are to be judged; None if the network diverged.

        It did if a weight or an output is NaN, or if the score says so: `greenbench.data.metrics` do where the
        largest output is infinite.

        Raises
        ------
        UserError
            For a metric that is not finite though the network's outputs are numbers.
        """
        score = self.data.score()
        if not self.add_to(score, self.data.evaluation_batches(split)):
            return None
        metrics = score.compute()
        for name, value in metrics.items():
            if not math.isfinite(value):
                raise UserError(
                    f"{name} of the {split} images is {value}", "check that any target of these images counts"
                )
        return metrics

    def add_to(self, score: Score, batches: Iterable[Batch]) -> bool:
        """Add what the network that is judged makes of some batches to a score; return False if it diverged."""
        with self._judged() as judged:
            # Before inference mode, whose tensors a network that is changed could not use.
            network = finished(self.recipe, judged, self.mode) if self.epoch >= self.recipe.epochs else judged
            # What a network does with NaN may look like numbers: comparisons, or the class that comes first.
            if _any_nan([weights.isnan().any() for weights in judged.parameters()]):
                return False
            found: list[Tensor] = []
            with torch.inference_mode():
                for inputs, targets in batches:
                    outputs = self._outputs(network, inputs)
                    # The largest of NaNs is a class too, and would get a score. One look at the end: a look at each
                    # batch would make a GPU wait.
                    found += [values.isnan().any() for values in tensors_in(outputs)]
                    try:
                        score.update(outputs, targets)
                    except Exception:
                        if _any_nan(found):  # which a score may refuse in its own way
                            return False
                        raise
                return not _any_nan(found) and not getattr(score, "diverged", False)

    def judged_weights(self) -> dict[str, Any]:
        """Return a copy of the weights that are judged, on the CPU, under the names of the recipe's network."""
        with self._judged() as network:
            return {name: value.detach().cpu().clone() for name, value in network.state_dict().items()}

    def state_dict(self) -> dict[str, Any]:
        """Return all that a new trainer of the same recipe and data needs to go on, bit for bit on a CPU."""
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "loss": self._loss_module.state_dict() if self._loss_module is not None else None,
            "average": self.average.state_dict() if self.average is not None else None,
            "teacher": self._teaching.state_dict() if self._teaching is not None else None,
            "epoch": self.epoch,
            "step": self._step,
            "epoch_start": self._epoch_start,
            "technique_generator": self.generator.get_state(),
            "random": random_states(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from where `state` was taken."""
        if self._teaching is not None:
            self._teaching.load_state_dict(state["teacher"])
        self.network.load_state_dict(state["network"])
        # torch would keep the tensors that are given and change them at the next step.
        self.optimizer.load_state_dict(copy.deepcopy(state["optimizer"]))
        self.schedule.load_state_dict(state["schedule"])
        if self._loss_module is not None:
            self._loss_module.load_state_dict(state["loss"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.epoch, self._step = state["epoch"], state["step"]
        self._epoch_start = state["epoch_start"]
        self.generator.set_state(state["technique_generator"])
        set_random_states(state["random"])

    def _outputs(self, network: nn.Module, inputs: Inputs) -> Any:
        def predict(inputs: Inputs) -> Any:
            return network(self.data.normalize(inputs))

        return predict(inputs) if self.tile is None else tiled(predict, inputs, self.tile)

    def _batches_left(self) -> Iterator[Batch]:
        """Return the batches of the steps that are left; reading those before them again draws nothing anew."""
        batches, drawn = self._batches(), random_states()
        next(islice(batches, self._step, self._step), None)
        if self._step:
            set_random_states(drawn)
        return batches

    def _batches(self) -> Iterator[Batch]:
        read = partial(self.data.training_batches, self.recipe.batch_size, self.size_factor)
        batches = self._seeds.batches(read, self._data_generator, self.epoch)
        return iter(self.recipe.epoch_batches(batches))

    def _take_step(self, batch: Batch) -> Tensor:
        recipe = self.recipe
        inputs, targets = recipe.augment(*batch, self.generator)
        inputs, weighted = recipe.batch_transform(self.data.normalize(inputs), targets, self.generator)
        loss = returned("gradients", recipe.gradients(self, inputs, weighted))
        self.optimizer.step()
        self.schedule.step()
        if self.average is not None:
            self.average.update_parameters(self.network)
        return loss.detach()

    @contextmanager
    def _judged(self) -> Iterator[nn.Module]:
        """Give the network that is judged, and go back to training after it."""
        try:
            yield self._switch_to_judged()
        finally:
            self.network.train()
            if hasattr(self.optimizer, "train"):
                self.optimizer.train()

    def _switch_to_judged(self) -> nn.Module:
        """Return the network that is judged: norms use running averages, and the optimizer its final weights.

        An optimizer that keeps a second set of weights has methods ``eval()`` and ``train()``, the convention of
        schedule-free optimizers. They switch to the weights that are to be judged, and back.
        """
        self.network.eval()
        if hasattr(self.optimizer, "eval"):
            self.optimizer.eval()
        return self.network if self.average is None else self.average.module.eval()


def finished(recipe: Recipe, network: nn.Module, mode: Mode = PAPER) -> nn.Module:
    """Return what is judged at the end and used at inference: the network, or what the recipe makes of a copy of it."""
    if recipe.finish is as_trained:
        return network
    return network_in_mode(_module(recipe.finish(copy_out_of_mode(network, mode))), mode)


def _any_nan(found: list[Tensor]) -> bool:
    """Whether any of some looks for NaN found one; those on one device are asked at once."""
    places = {look.device for look in found}
    return any(bool(torch.stack([look for look in found if look.device == place]).any()) for place in places)


def _module(network: Any) -> nn.Module:
    if not isinstance(network, nn.Module):
        raise UserError(
            f"the recipe's network is of type {type(network).__name__}, not a torch.nn.Module",
            "let the network's factory return one",
        )
    return network
