"""What every technique promises, as checks that can be asked of any of them."""

from __future__ import annotations

import copy
from dataclasses import fields, replace

import torch

from greenbench.energy.sources.none import NoMeter
from greenbench.recipe import compose
from greenbench.train import train

EPOCHS = 4
STEPS_PER_EPOCH = 2
BATCH = 3


def small(recipe):
    """Return a recipe of the same kind that trains in a moment: four epochs of two steps."""
    return replace(recipe, epochs=EPOCHS, batch_size=BATCH)


def batch(recipe, epoch, index):
    """Return images and targets of one step, the same ones every time."""
    generator = torch.Generator().manual_seed(1000 * epoch + index)
    factor = recipe.size_factor(epoch, recipe.epochs)
    size = tuple(round(side * factor) for side in recipe.image_size)
    images = torch.randn(recipe.batch_size, 3, *size, generator=generator)
    labels = recipe.batch_size if recipe.task == "classification" else (recipe.batch_size, *size)
    shape = (labels,) if isinstance(labels, int) else labels
    return images, torch.randint(recipe.classes, shape, generator=generator)


class Loss:
    """A score for a run in which nothing is scored."""

    def update(self, logits, targets):
        assert logits.isfinite().all()

    def compute(self):
        return {"none": 0.0}


class TinyData:
    """Two random batches an epoch (see `greenbench.tasks.TaskData`)."""

    version, metric = "random", "none"

    def __init__(self, recipe):
        self.recipe = recipe

    def size(self, split):
        return STEPS_PER_EPOCH * BATCH

    def steps_per_epoch(self, batch_size):
        return STEPS_PER_EPOCH

    def training_batches(self, batch_size, size_factor, generator):
        epochs = range(self.recipe.epochs)
        epoch = next(e for e in epochs if self.recipe.size_factor(e, self.recipe.epochs) == size_factor)
        return iter([batch(self.recipe, epoch, index) for index in range(STEPS_PER_EPOCH)])

    def evaluation_batches(self, split):
        return iter([batch(self.recipe, self.recipe.epochs - 1, 0)])

    def score(self):
        return Loss()


def trained(recipe, seed=0):
    """Train with the suite's own loop; return the result and the network's final state."""
    networks = []

    def remember():
        networks.append(recipe.network())
        return networks[-1]

    result = train(
        replace(recipe, network=remember),
        TinyData(recipe),
        NoMeter("a test"),
        seed=seed,
        device=torch.device("cpu"),
    )
    return result, networks[0].state_dict()


def same(a, b):
    """Whether two states are equal bit for bit."""
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def describes_itself(technique):
    """Has a title, a citation, and a card that says where it is from, how it is set and what is unknown."""
    assert technique.title
    assert technique.citation
    assert len(technique.card.splitlines()[0]) > 10, "the card's first line says what the technique does"
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


def has_an_effect(technique, recipe):
    """Names the fields that it changes, and training with it ends elsewhere."""
    changed = technique(recipe)
    assert recipe.changed_fields(changed)
    assert not same(trained(changed)[1], trained(recipe)[1]), "it trains to the baseline's very weights"


def trains_and_repeats(technique, recipe):
    """Trains without diverging, moves the weights, and does the same again under the same seed."""
    changed = technique(recipe)
    result, state = trained(changed)
    assert result.status == "finished", "the run diverged"
    assert all(value.isfinite().all() for value in state.values())
    torch.manual_seed(0)
    start = changed.network().state_dict()
    weights = [key for key in start if key.endswith("weight")]
    assert not all(torch.equal(start[key], state[key]) for key in weights), "no weight moved"
    assert same(trained(changed)[1], state), "two runs under one seed differ"
    assert not same(trained(changed, seed=1)[1], state), "runs under different seeds are the same"


class Session:
    """A run that can be saved in its middle."""

    def __init__(self, recipe, seed=0):
        torch.manual_seed(seed)
        self.recipe = recipe
        self.generator = torch.Generator().manual_seed(seed)
        self.network = recipe.network().train()
        self.optimizer = recipe.optimizer(self.network)
        self.schedule = recipe.schedule(self.optimizer, STEPS_PER_EPOCH, recipe.epochs)
        self.loss = recipe.loss()

    def run(self, steps):
        for step in steps:
            images, targets = batch(self.recipe, *divmod(step, STEPS_PER_EPOCH))
            images, weighted = self.recipe.batch_transform(images, targets, self.generator)
            self.optimizer.zero_grad()
            logits = self.network(images)
            sum(weight * self.loss(logits, target) for weight, target in weighted).backward()
            self.optimizer.step()
            self.schedule.step()
        return self

    def saved(self):
        parts = (self.network, self.optimizer, self.schedule)
        states = [part.state_dict() for part in parts]
        return copy.deepcopy((*states, self.generator.get_state(), torch.get_rng_state()))

    def load(self, saved):
        for part, state in zip((self.network, self.optimizer, self.schedule), saved, strict=False):
            part.load_state_dict(state)
        self.generator.set_state(saved[3])
        torch.set_rng_state(saved[4])
        return self


def saves_and_resumes(technique, recipe):
    """A run that is stopped, saved and gone on with ends as the one that was not."""
    changed = technique(recipe)
    steps = range(changed.epochs * STEPS_PER_EPOCH)
    # Not at the end of a cycle of LookAhead, and with images of another size still to come.
    stop = len(steps) - 1
    first = Session(changed).run(steps[:stop])
    saved = first.saved()
    first.run(steps[stop:])
    resumed = Session(changed, seed=7).load(saved).run(steps[stop:])
    assert same(first.network.state_dict(), resumed.network.state_dict()), "the resumed run ends elsewhere"


def composes(technique, other, recipe):
    """Together with another technique it changes what both of them change, and trains."""
    together = compose([technique, other])(recipe)
    alone = {name for part in (technique, other) for name in recipe.changed_fields(part(recipe))}
    undone = alone - set(recipe.changed_fields(together))
    assert not undone, f"together they leave {', '.join(undone)} as it was"
    result, _ = trained(together)
    assert result.status == "finished", "the run diverged"
