"""What every technique promises, as checks that can be asked of any of them."""

from __future__ import annotations

import io
from dataclasses import fields, replace
from itertools import islice

import torch

from greenbench.execute.trainer import Trainer, finished
from greenbench.spec.composition import compose
from greenbench.spec.mode import PAPER
from greenbench.spec.recipe import scaled_size

EPOCHS = 4
STEPS_PER_EPOCH = 2
BATCH = 4
"""Accumulation makes two parts of it, each of more than one image: norms see no single one."""
STOP = 3
"""Steps before a run is saved: in the middle of an epoch and of a cycle of LookAhead, which ends at 5."""


def small(recipe):
    """Return a recipe of the same kind that trains in a moment: four epochs of two steps."""
    return replace(recipe, epochs=EPOCHS, batch_size=BATCH)


class Finite:
    """A score that only looks whether the logits are numbers."""

    def update(self, logits, targets):
        assert logits.isfinite().all(), "the run diverged"

    def compute(self):
        return {}


class TinyData:
    """Two random batches an epoch (see `greenbench.spec.workload.Data`)."""

    version = "random"

    def __init__(self, recipe):
        self.recipe = recipe

    def normalize(self, images):
        return images.float().sub(128).div(64)

    def size(self, split):
        return STEPS_PER_EPOCH * BATCH

    def steps_per_epoch(self, batch_size):
        return STEPS_PER_EPOCH

    def training_batches(self, batch_size, size_factor, generator):
        for _ in range(STEPS_PER_EPOCH):
            yield self._batch(batch_size, size_factor, generator)

    def evaluation_batches(self, split):
        yield self._batch(BATCH, 1.0, torch.Generator().manual_seed(0))

    def score(self):
        return Finite()

    def _batch(self, batch_size, size_factor, generator):
        recipe = self.recipe
        size = scaled_size(recipe.image_size, size_factor)
        images = torch.randint(256, (batch_size, 3, *size), dtype=torch.uint8, generator=generator)
        shape = (batch_size,) if recipe.task == "classification" else (batch_size, *size)
        return images, torch.randint(recipe.num_classes, shape, generator=generator)


def trainer(recipe, seed=0, mode=PAPER):
    """Return the suite's own loop on random batches."""
    return Trainer(recipe, TinyData(recipe), seed=seed, device=torch.device("cpu"), mode=mode)


def trained(recipe, seed=0, mode=PAPER):
    """Train, with an evaluation after every epoch; return the losses and the state of what is judged at the end."""
    run = trainer(recipe, seed, mode)
    losses = list(run.train_teacher())
    while run.epoch < recipe.epochs:
        losses += run.epoch_steps()
        run.evaluate("validation")
    network = run.recipe.network()
    network.load_state_dict(run.judged_weights())
    return torch.stack(losses), finished(run.recipe, network).state_dict()


def same(a, b):
    """Whether two states are equal bit for bit."""
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def describes_itself(technique):
    """Has a title, a citation, and a card that says where it is from, how it is set and what is unknown."""
    assert technique.title
    assert technique.citation
    assert len(technique.card.partition("\n")[0]) > 10, "the card's first line says what the technique does"
    for part in ("**Source.**", "**Settings.**"):
        assert part in technique.card, f"the card has no {part}"
    honest = ("**Unknown.**", "**Not reproducible.**")
    assert any(part in technique.card for part in honest), f"the card has none of {honest}"


def leaves_its_argument_alone(technique, recipe):
    """Applying a technique changes neither the recipe nor what it trains."""
    before = {field.name: getattr(recipe, field.name) for field in fields(recipe)}
    _, state = trained(recipe)
    technique(recipe)
    after = {field.name: getattr(recipe, field.name) for field in fields(recipe)}
    modified = [name for name in before if after[name] != before[name]]
    assert not modified, f"the technique modified its argument's {', '.join(modified)}"
    assert same(trained(recipe)[1], state), "the baseline trains differently after the technique was applied"


def has_an_effect(technique, recipe, mode=PAPER):
    """Names the fields that it changes, and training with it ends elsewhere."""
    changed = technique(recipe)
    assert recipe.changed_fields(changed)
    assert not same(trained(changed, mode=mode)[1], trained(recipe, mode=mode)[1]), (
        "it trains to the baseline's very weights"
    )


def trains_and_repeats(technique, recipe, mode=PAPER):
    """Trains without diverging, moves the weights, and does the same again under the same seed."""
    changed = technique(recipe)
    losses, state = trained(changed, mode=mode)
    assert losses.isfinite().all(), "the run diverged"
    assert all(value.isfinite().all() for value in state.values())
    start = trainer(changed, mode=mode).network.state_dict()
    weights = [key for key in start if key.endswith("weight")]
    assert not all(torch.equal(start[key], state[key]) for key in weights), "no weight moved"
    assert same(trained(changed, mode=mode)[1], state), "two runs under one seed differ"
    assert not same(trained(changed, seed=1, mode=mode)[1], state), "runs under different seeds are the same"


def saves_and_resumes(technique, recipe, mode=PAPER):
    """A run that is stopped, saved to a file and gone on with elsewhere ends as the one that was not."""
    changed = technique(recipe)
    taught = trainer(changed, mode=mode).teacher_steps
    for stop in sorted({STOP, taught + STOP}):
        first = trainer(changed, mode=mode)
        left = first.remaining_steps()
        assert len(list(islice(left, stop))) == stop
        file = io.BytesIO()
        torch.save(first.state_dict(), file)
        assert list(left), "nothing was left to do"
        file.seek(0)
        resumed = trainer(changed, seed=7, mode=mode)
        resumed.load_state_dict(torch.load(file, weights_only=False))
        assert len(list(resumed.remaining_steps())) == taught + first.steps - stop
        for run in (first, resumed):
            run.evaluate("validation")
        assert same(first.network.state_dict(), resumed.network.state_dict()), (
            "the resumed run ends elsewhere"
        )
        assert same(first.judged_weights(), resumed.judged_weights()), "the resumed run is judged elsewhere"


def composes(technique, other, recipe):
    """Together with another technique it changes what both of them change, and trains."""
    together = compose([technique, other])(recipe)
    alone = {name for part in (technique, other) for name in recipe.changed_fields(part(recipe))}
    undone = alone - set(recipe.changed_fields(together))
    assert not undone, f"together they leave {', '.join(undone)} as it was"
    losses, _ = trained(together)
    assert losses.isfinite().all(), "the run diverged"
