"""What every technique promises, as checks that can be asked of any of them."""

from __future__ import annotations

import contextlib
import math
import time
from dataclasses import fields, replace
from functools import cached_property
from itertools import count, islice
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from greenbench.energy.sources.none import NoMeter
from greenbench.errors import Interrupted
from greenbench.execute.checkpoint import CheckpointPlan, Checkpoints
from greenbench.execute.progress import silent
from greenbench.execute.requests import Requests
from greenbench.execute.train import train
from greenbench.execute.trainer import Trainer, finished
from greenbench.spec.composition import compose
from greenbench.spec.mode import PAPER
from greenbench.spec.recipe import scaled_size
from greenbench.spec.workload import ACCURACY

METER = NoMeter("not measured in this test")

EPOCHS = 4
STEPS_PER_EPOCH = 2
BATCH = 4
"""Accumulation makes two parts of it, each of more than one image: norms see no single one."""
STOP = 3
"""Steps before a run is saved: in the middle of an epoch and of a cycle of LookAhead, which ends at 5."""


WIDTHS = {"classification": 0.125, "segmentation": 0.375}
"""Of the networks, by task: a clause holds at any width, and kernels are started as often at all of them. Where they are
narrower, no gradient of a segmentation is long enough to be clipped."""


TOLERANCES = {None: (0.0, 0.0), "bfloat16": (2**-6, 2**-3)}
"""By what networks compute in: how far the losses of the first two steps may be from those in float32, as a share of the
loss or of 1. Before the first step only activations are rounded, to 8 bits; the second has felt a rounded gradient."""


def small(workload):
    """Return a workload's baseline recipe for a narrow network that trains in a moment: four epochs of two steps."""
    setting = workload.settings["smoke"]
    narrow = replace(setting, network={**setting.network, "width": WIDTHS[workload.task]})
    recipe = replace(workload, settings={"smoke": narrow}).recipe("smoke")
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


class Candidate:
    """A technique on a recipe of its own, with the two trainings that several clauses look at, each run once.

    Attributes
    ----------
    technique, recipe
        What is looked at. The recipe is a copy: no technique can spoil that of the next.
    mode
        What both are trained in.
    before
        The recipe's fields before the technique was ever applied.
    """

    def __init__(self, technique, recipe, baseline=None, mode=PAPER):
        self.technique, self.recipe, self.mode = technique, replace(recipe), mode
        self.before = {field.name: getattr(recipe, field.name) for field in fields(recipe)}
        self._baseline = baseline

    @property
    def baseline(self):
        """The baseline's losses and state."""
        if self._baseline is None:
            self._baseline = trained(self.recipe, mode=self.mode)
        return self._baseline

    @cached_property
    def changed(self):
        """The recipe with the technique."""
        return self.technique(self.recipe)

    @cached_property
    def trained(self):
        """Losses and state of a training with the technique."""
        return trained(self.changed, mode=self.mode)

    def trainer(self, seed=0):
        """Return the loop that trains with the technique, before its first step."""
        return trainer(self.changed, seed, self.mode)


def describes_itself(technique):
    """Has a title, a citation, and a card that says where it is from, how it is set and what is unknown."""
    assert technique.title
    assert technique.citation
    assert len(technique.card.partition("\n")[0]) > 10, "the card's first line says what the technique does"
    for part in ("**Source.**", "**Settings.**"):
        assert part in technique.card, f"the card has no {part}"
    honest = ("**Unknown.**", "**Not reproducible.**")
    assert any(part in technique.card for part in honest), f"the card has none of {honest}"


def leaves_its_argument_alone(candidate):
    """Applying a technique changes neither the recipe nor what it trains."""
    recipe, (_, state) = candidate.recipe, candidate.baseline
    candidate.technique(recipe)
    modified = [name for name, value in candidate.before.items() if getattr(recipe, name) != value]
    assert not modified, f"the technique modified its argument's {', '.join(modified)}"
    assert same(trained(recipe, mode=candidate.mode)[1], state), (
        "the baseline trains differently after the technique was applied"
    )


def has_an_effect(candidate):
    """Names the fields that it changes, and training with it ends elsewhere."""
    assert candidate.recipe.changed_fields(candidate.changed)
    assert not same(candidate.trained[1], candidate.baseline[1]), "it trains to the baseline's very weights"


def trains_and_repeats(candidate):
    """Trains without diverging, moves the weights, and does the same again under the same seed alone."""
    losses, state = candidate.trained
    assert losses.isfinite().all(), "the run diverged"
    assert all(value.isfinite().all() for value in state.values())
    start = candidate.trainer().network.state_dict()
    weights = [key for key in start if key.endswith("weight")]
    assert not all(torch.equal(start[key], state[key]) for key in weights), "no weight moved"
    assert same(trained(candidate.changed, mode=candidate.mode)[1], state), "two runs under one seed differ"
    other = next(candidate.trainer(seed=1).remaining_steps())
    assert other != losses[0], "runs under different seeds are the same"


def agrees_with_float32(candidate):
    """Its first losses are those of the study's mode, within what the mode's type rounds."""
    # One after the other: a network that draws at random does so from torch's generator, which a trainer seeds.
    mine, theirs = (
        torch.stack(list(islice(trainer(candidate.changed, mode=mode).remaining_steps(), 2)))
        for mode in (candidate.mode, PAPER)
    )
    away = ((mine - theirs).abs() / theirs.abs().clamp_min(1)).tolist()
    allowed = TOLERANCES[candidate.mode.autocast]
    assert all(a <= b for a, b in zip(away, allowed, strict=True)), f"the losses are {away} off"


def saves_and_resumes(candidate):
    """A run that is ended, saved to a file and gone on with elsewhere ends as the one that was not: through the real loop."""
    whole = candidate.trainer()
    expected = _course(train(whole, METER, ACCURACY))
    for stop in sorted({STOP, whole.teacher_steps + STOP}):
        with TemporaryDirectory() as folder:
            plan = CheckpointPlan(Path(folder), minutes=math.inf, resume=True)

            def sitting(seed, requests, asking, plan=plan):
                run = candidate.trainer(seed)
                checkpoints = Checkpoints(plan, {}, requests, time.monotonic())
                return run, train(run, METER, ACCURACY, checkpoints=checkpoints, progress=asking)

            _end_after(stop, sitting)
            resumed, result = sitting(7, Requests(), silent)
        assert (result.resumed, result.remarks) == (1, ()), result.remarks
        assert same(whole.network.state_dict(), resumed.network.state_dict()), (
            "the resumed run ends elsewhere"
        )
        assert same(whole.judged_weights(), resumed.judged_weights()), "the resumed run is judged elsewhere"
        assert _course(result) == expected, "the resumed run went another way"


def _end_after(stop, sitting):
    requests, steps = Requests(), count(1)

    def ask(_progress):
        if next(steps) == stop:
            requests.save = requests.end = True

    with contextlib.suppress(Interrupted):
        sitting(0, requests, ask)
        raise AssertionError("nothing was left to do")


def _course(result):
    """Return all of a training but its times and energies."""
    return result.status, [(e.learning_rate, e.train_loss, e.validation) for e in result.curve], result.train


def composes(candidate, other):
    """Together with another technique it changes what both of them change, and trains."""
    recipe = candidate.recipe
    together = compose([candidate.technique, other])(recipe)
    changed = {*recipe.changed_fields(candidate.changed), *recipe.changed_fields(other(recipe))}
    undone = changed - set(recipe.changed_fields(together))
    assert not undone, f"together they leave {', '.join(undone)} as it was"
    losses, _ = trained(together, mode=candidate.mode)
    assert losses.isfinite().all(), "the run diverged"
