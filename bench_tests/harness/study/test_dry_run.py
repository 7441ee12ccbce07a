"""Dry runs: what cannot be trained or evaluated is refused before the first long training."""

import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from bench_tests.harness.execute.small_run import SQUARES, TINY, network, small_data
from bench_tests.harness.study.small_session import BASELINE, LONGER, made, pair_of
from bench_tests.harness.study.test_evaluation import CATALOG as MASKS
from bench_tests.harness.study.test_evaluation import FIXED
from greenbench.errors import NotApplicable, UserError
from greenbench.execute.dry_run import MAX_SIZES, _batch_of_each_size
from greenbench.execute.trainer import Trainer
from greenbench.records.folder import load_records
from greenbench.spec.scale import SCALES
from greenbench.study.catalog import Catalog

LONG = replace(TINY, dry_run=True)


def catalog(*techniques, **changes):
    given = {technique.name: technique for technique in (BASELINE, *techniques)}
    return Catalog(given, {"squares": replace(SQUARES, **changes)})


def check(session):
    session.check(session.pairs("training"))


def raising(error):
    def refuse(*_):
        raise error

    return refuse


class OnlyTrains(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = network()

    def forward(self, x):
        if not self.training:
            raise RuntimeError("made for training")
        return self.body(x)


class BadScore:
    def update(self, outputs, targets):
        raise KeyError("pixels")


class DataWithBadScore:
    def __init__(self):
        self._data = small_data()

    def __getattr__(self, name):
        return getattr(self._data, name)

    def score(self):
        return BadScore()


BROKEN = {
    "network": (lambda r: replace(r, network=raising(OSError("no file"))), "stage network, .*OSError: no file"),
    "optimizer": (lambda r: replace(r, optimizer=raising(KeyError("w"))), "stage network, .*KeyError"),
    "loss": (lambda r: replace(r, loss=lambda: raising(ValueError("bad"))), "stage training, .*ValueError: bad"),
    "evaluation": (lambda r: replace(r, network=OnlyTrains), "stage evaluation, .*made for training"),
    "finish": (lambda r: replace(r, finish=raising(TypeError("no copy"))), "stage evaluation, .*no copy"),
    "teacher": (
        lambda r: replace(r, teacher=replace(r, loss=lambda: raising(ValueError("bad")))),
        "stage training, .*bad",
    ),
    "a later size": (
        lambda r: replace(r, size_factor=lambda epoch, _: 1 if epoch == 0 else 0.01),
        "stage training at another size of images, ",
    ),
    "no recipe": (lambda r: r.nothing, "stage recipe, .*AttributeError"),
    "exit": (lambda r: replace(r, network=raising(SystemExit(3))), "stage network, .*SystemExit: 3"),
}  # fmt: skip


@pytest.mark.parametrize("what", BROKEN)
def test_a_failure_names_technique_workload_stage_and_next_step_before_anything_is_trained(study, ran, what):
    change, words = BROKEN[what]
    session = study(catalog(LONGER, made("odd", change)), scale=LONG)
    with pytest.raises(UserError, match=f"^odd-squares: its dry run fails, {words}") as refused:
        check(session)
    assert refused.value.next_step.endswith("or leave odd-squares out")
    assert "\n" not in str(refused.value)
    assert ran == []
    assert not session.settings.out.exists()


class Viewing(nn.Module):
    """Takes for granted how maps lie in memory."""

    def __init__(self):
        super().__init__()
        self.convolution, self.classifier = nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.Linear(64, 3)

    def forward(self, x):
        maps = self.convolution(x)
        return self.classifier(maps.view(len(maps), -1))


def test_what_one_mode_alone_cannot_do_is_refused_in_it(study):
    viewing = catalog(made("viewing", lambda r: replace(r, network=Viewing)))
    check(study(viewing, scale=LONG, mode="paper"))
    with pytest.raises(
        UserError, match=r"viewing-squares: its dry run fails, stage training, .*view.*reshape"
    ):
        check(study(viewing, scale=LONG, mode="fast"))


def test_tiles_and_finished_networks_and_inference_run_in_fast(study):
    session = study(MASKS, scale=LONG, mode="fast")
    check(session)
    for pair in session.pairs("training") + session.pairs("inference"):
        for record in session.records(pair):
            assert record.sound, record.result
            assert record.case.mode == "fast"


def test_a_score_that_fails_is_found(study):
    bad = catalog(data=lambda root, device: DataWithBadScore())
    with pytest.raises(UserError, match=r"baseline-squares: its dry run fails, stage evaluation, .*KeyError"):
        check(study(bad, scale=LONG))


def test_a_network_of_one_size_that_does_not_say_so_is_refused(study):
    silent = replace(FIXED, fixed_input_size=False)
    check(study(MASKS, scale=LONG))
    with pytest.raises(
        UserError, match=r"fixed-masks: its dry run fails, stage evaluation, .*made for \(8, 8\)"
    ):
        check(study(replace(MASKS, techniques={**MASKS.techniques, "fixed": silent}), scale=LONG))


def test_a_baseline_by_tiles_is_tried_too(study):
    """Of labels there are no tiles."""
    fixed = made("fixed", lambda recipe: replace(recipe, epochs=3), fixed_input_size=True)
    wide = catalog(fixed, full_image_evaluation=True, image_size=(4, 4))
    session = study(wide, scale=LONG)
    tried = [
        (case.technique, case.setting["evaluation"]) for case in session._to_train(session.pairs("training"))
    ]
    assert tried == [("baseline", "full images"), ("fixed", "tiles"), ("baseline", "tiles")]
    with pytest.raises(UserError, match=r"fixed-squares: .*evaluation by tiles needs logits of each pixel"):
        check(session)


@pytest.mark.parametrize("stage", ["recipe", "network"])
def test_a_technique_with_nothing_to_do_is_no_failure(study, stage):
    nothing = raising(NotApplicable("no ReLU"))
    idle = made("idle", nothing if stage == "recipe" else lambda r: replace(r, network=nothing))
    session = study(catalog(idle), scale=LONG)
    check(session)
    assert session.skipped(pair_of(session, "idle")) == "idle-squares: not applicable: no ReLU"


def test_it_follows_from_the_scale(study):
    assert [scale.name for scale in SCALES.values() if scale.dry_run] == ["short", "paper"]
    check(study(catalog(made("odd", BROKEN["loss"][0]))))


def numbers(session):
    return [
        (
            record.result.validation,
            [(e.learning_rate, e.train_loss, e.validation) for e in record.result.curve],
        )
        for pair in session.pairs("training")
        for record in session.records(pair)
    ]


class Dropping(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = network()

    def forward(self, x):
        return self.body(nn.functional.dropout(x, 0.3, self.training) * (1 + random.random()))


@pytest.fixture
def _seeded():
    random.seed(1), np.random.seed(1), torch.manual_seed(1)


@pytest.mark.usefixtures("_seeded")
def test_it_leaves_the_numbers_of_the_trainings_as_they_are_bit_for_bit(study):
    drawing = catalog(LONGER, made("dropping", lambda recipe: replace(recipe, network=Dropping)))
    states = []
    results = []
    for dry in (False, True):
        random.seed(1), np.random.seed(1), torch.manual_seed(1)
        session = study(drawing, scale=replace(TINY, dry_run=dry))
        check(session)
        states.append((random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()))
        results.append(numbers(session))
    assert states[0] == states[1]
    assert results[0] == results[1]


def test_it_tells_how_far_it_is_and_runs_one_seed(study, ran):
    session, told = study(catalog(LONGER), seeds=2, scale=LONG), []
    session.progress = lambda case: (
        lambda progress: told.append((case, progress.done, progress.steps, progress.text))
    )
    check(session)
    assert told == [
        ("dry run", 0, 2, "baseline-squares"), ("dry run", 1, 2, "baseline-squares"),
        ("dry run", 1, 2, "longer-squares"), ("dry run", 2, 2, "longer-squares"),
    ]  # fmt: skip
    assert ran == []


def test_what_is_resumed_is_not_tried_again(study):
    for resume, tried in ((False, 2), (True, 0)):
        session, told = study(catalog(LONGER), scale=LONG, resume=resume), []
        session.progress = lambda case, told=told: told.append
        check(session)
        assert len(told) == 2 * tried
        numbers(session)
    assert len(load_records(session.settings.out)) == 2


def test_missing_data_are_left_to_the_reason_for_the_skip(study, tmp_path):
    absent = catalog(folder="squares", data=raising(OSError("none")))
    check(study(absent, scale=LONG, data_root=tmp_path))


class Sizes:
    """Evaluates images of many heights, three times each."""

    def __init__(self, heights):
        self.heights = heights

    def evaluation_batches(self, split):
        for height in [*self.heights, *self.heights]:
            yield torch.zeros(1, 3, height, 4), torch.zeros(1, height, 4)


@pytest.mark.parametrize("count", [1, 2, 5, MAX_SIZES + 20])
def test_each_size_is_evaluated_once_or_a_spread_of_very_many(count):
    heights = [batch[0].shape[2] for batch in _batch_of_each_size(Sizes(range(count, 0, -1)))]
    assert heights == sorted(set(heights))
    assert (len(heights), heights[0], heights[-1]) == (min(count, MAX_SIZES), 1, count)


def test_steps_are_taken_at_the_first_the_smallest_and_the_largest_size(recipe_of_sizes):
    trainer, seen = recipe_of_sizes
    assert len(list(trainer.sample_steps())) == 3
    assert seen == [6, 4, 8]
    assert trainer.epoch == trainer.recipe.epochs


@pytest.fixture
def recipe_of_sizes():
    seen = []

    def noting(inputs, targets, _generator):
        seen.append(inputs.shape[-1])
        return inputs, [(1.0, targets)]

    recipe = replace(
        SQUARES.recipe("tiny"), epochs=4, batch_transform=noting, network=network,
        size_factor=lambda epoch, _: (0.75, 0.5, 0.75, 1.0)[epoch],
    )  # fmt: skip
    return Trainer(recipe, small_data(), seed=0, device=torch.device("cpu")), seen
