"""A case from its row to its record: under which conditions it runs, and what is written down."""

from dataclasses import replace

import pytest
import torch
from torch import nn

import greenbench
from bench_tests.harness.execute.small_run import (
    SQUARES,
    TINY,
    TRAIN_IMAGES,
    VALIDATION_IMAGES,
    network,
)
from greenbench.errors import UserError
from greenbench.execute.run import Bench, open_case_meter, run_case
from greenbench.records.conditions import engine_digest
from greenbench.records.folder import RecordFolder, read_record
from greenbench.records.machine import this_machine
from greenbench.records.results import Failure
from greenbench.spec.case import case_of
from greenbench.spec.scale import VARIES, VARY_ALL
from greenbench.spec.source import Source
from greenbench.spec.technique import technique
from greenbench.spec.workload import ACCURACY

BENCH = Bench(meter="none", session="test")


@technique("Optimizer", "Somebody 2020", work_share=1.0)
def own(recipe):
    """Own: trains for one epoch more."""
    return replace(recipe, epochs=recipe.epochs + 1)


own = replace(own, source=Source("own.py", "the code", "d" * 64))


def run(kind="training", technique=own, workload=SQUARES, bench=BENCH, scale=TINY, **changes):
    case = replace(case_of(kind, technique, workload, scale, 0), **changes)
    return run_case(case, technique, workload, bench)


def test_a_training_record_says_what_was_run_on_what():
    record = run()
    assert record.case == case_of("training", own, SQUARES, TINY, 0)
    assert record.machine == this_machine()
    assert (record.engine, record.meter, record.session) == (engine_digest(), "none", "test")
    assert record.started_at.endswith("+00:00")
    assert record.seconds > record.result.train_seconds
    facts = record.technique
    assert (facts.title, facts.category, facts.citation) == ("Own", "Optimizer", "Somebody 2020")
    assert (facts.file, facts.code, facts.card) == ("own.py", "the code", "Own: trains for one epoch more.")
    assert (facts.changed_fields, facts.work_share) == (("epochs",), 1.0)
    data = record.workload
    assert (data.title, data.task, data.metric, data.card) == (
        "Squares",
        "classification",
        ACCURACY,
        "What they are.",
    )
    assert (data.num_classes, data.image_size, data.best_known) == (3, (8, 8), {"accuracy": 1.0})
    assert (data.train_images, data.validation_images, data.version) == (TRAIN_IMAGES, VALIDATION_IMAGES, "v")
    assert data.weights is None


def test_a_training_follows_the_case_s_own_setting():
    record = run()
    assert [epoch.validation is not None for epoch in record.result.curve] == [False, True, True]
    assert record.result.energy.reason == "no meter was asked for (meter none)"


def test_the_weights_that_a_network_starts_from_are_named(tmp_path):
    workload = replace(SQUARES, weights=lambda setting, root: tmp_path / "resnet18.pth")
    assert run(workload=workload).workload.weights == "resnet18.pth"


def test_an_inference_record_reads_no_data():
    def no_data(root, device):
        raise AssertionError("inference needs no data")

    record = run("inference", workload=replace(SQUARES, data=no_data))
    assert [record.result.single.batch_size, record.result.large.batch_size] == [1, 4]
    assert [record.result.single.passes, record.result.large.passes] == [2, 2]
    assert record.result.params == sum(p.numel() for p in network().parameters())
    assert (record.workload.version, record.workload.train_images) == (None, None)


@pytest.mark.parametrize(("inputs", "size"), [("stated", (8, 8)), ("fitted", (16, 24))])
def test_inference_runs_on_the_inputs_that_were_chosen(inputs, size):
    scale = replace(TINY, inference=replace(TINY.inference, inputs=inputs))
    seen = []

    @technique("Optimizer", "Somebody 2020")
    def watching(recipe):
        seen.append(recipe.image_size)
        return replace(recipe, epochs=9)

    record = run("inference", watching, replace(SQUARES, fitted_size=(16, 24)), scale=scale)
    assert record.result.input_size == size
    assert seen == [size], "the technique sees the size that is measured"


@pytest.mark.parametrize("kind", ["training", "inference"])
def test_every_record_is_written_and_read_back_equal(kind, tmp_path):
    record = run(kind)
    assert read_record(RecordFolder(tmp_path).write(record)) == record


@pytest.mark.parametrize("kind", ["training", "inference"])
def test_it_runs_in_the_case_s_numerical_mode(kind):
    seen = []

    class Watched(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 3)

        def forward(self, x):
            seen.append((torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32))
            return self.layer(x.mean(dim=(2, 3)))

    default = torch.backends.cudnn.allow_tf32
    run(kind, workload=replace(SQUARES, network=lambda *_: Watched()))
    assert len(seen) > 2
    assert set(seen) == {(False, False)}
    assert torch.backends.cudnn.allow_tf32 == default, "the process is left as it was"


@pytest.mark.parametrize("kind", ["training", "inference"])
@pytest.mark.parametrize(("mode", "dtype"), [("paper", torch.float32), ("fast", torch.bfloat16)])
def test_networks_compute_in_the_case_s_mode(kind, mode, dtype):
    seen = []

    class Watched(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 3)

        def forward(self, x):
            y = self.layer(x.mean(dim=(2, 3)))
            seen.append((y.dtype, x.is_contiguous(memory_format=torch.channels_last)))
            return y

    record = run(kind, workload=replace(SQUARES, network=lambda *_: Watched()), mode=mode)
    assert record.sound, record.result
    assert record.case.mode == mode
    counted = [(torch.float32, False)] if kind == "inference" else []  # operations are counted before
    assert set(seen[len(counted) :]) == {(dtype, mode == "fast")}
    assert not torch.is_autocast_enabled("cpu")


def test_the_meter_is_named_and_its_readings_are_kept():
    record = run(bench=replace(BENCH, meter="estimate:50"))
    assert record.meter == "estimate 50 W"
    assert record.result.energy.energy_j == pytest.approx(50 * record.result.energy.seconds)
    assert all(epoch.energy.energy_j > 0 for epoch in record.result.curve)
    inference = run("inference", bench=replace(BENCH, meter="estimate:50")).result
    assert inference.single.energy_per_image.energy_j > 0


def test_idle_power_is_measured_where_the_scale_asks_for_it(monkeypatch):
    slept = []
    monkeypatch.setattr(
        "greenbench.energy.clock.SystemClock.sleep", lambda self, seconds: slept.append(seconds)
    )
    run(bench=replace(BENCH, meter="estimate:50"), scale=replace(TINY, idle_s=0.25))
    assert slept == [0.25, 0.25], "before and after the work"
    run(bench=replace(BENCH, meter="estimate:50"))
    assert len(slept) == 2


def raises(error):
    def broken(*_arguments):
        raise error

    return broken


@technique("Optimizer", "Somebody 2020")
def broken(recipe):
    return recipe.no_such_field


OUT_OF_ORDER = RuntimeError("one line\n  and another")
FAILURES = {
    "technique": (
        broken,
        SQUARES,
        "recipe",
        "AttributeError: 'Recipe' object has no attribute 'no_such_field'",
    ),
    "data": (own, replace(SQUARES, data=raises(OUT_OF_ORDER)), "data", "RuntimeError: one line and another"),
    "network": (own, replace(SQUARES, network=raises(KeyError("x"))), "training", "KeyError: 'x'"),
    "training": (
        own,
        replace(SQUARES, loss=lambda: raises(ValueError())),
        "training",
        "ValueError: no message",
    ),
    "exit": (own, replace(SQUARES, network=raises(SystemExit(3))), "training", "SystemExit: 3"),
}


@pytest.mark.parametrize(("technique", "workload", "stage", "error"), FAILURES.values(), ids=FAILURES)
def test_what_fails_leaves_a_record(technique, workload, stage, error, tmp_path):
    record = run(technique=technique, workload=workload)
    failure = record.result
    assert isinstance(failure, Failure)
    assert record.failed
    assert failure.stage == stage
    assert error in failure.error
    assert "\n" not in failure.error
    assert failure.next_step
    assert "Traceback" in failure.traceback
    assert "test_run.py" in failure.traceback
    assert read_record(RecordFolder(tmp_path).write(record)) == record


def test_a_failure_says_where_to_look():
    failure = run(technique=own, workload=replace(SQUARES, data=raises(OUT_OF_ORDER))).result
    assert failure.next_step.startswith("look at test_run.py, line ")


def test_what_the_user_can_mend_comes_as_it_is_worded_without_a_traceback():
    missing = UserError("the file a.png\nis no image", "unpack it again")
    failure = run(workload=replace(SQUARES, data=raises(missing))).result
    assert failure == Failure("data", "the file a.png is no image", "unpack it again")


def test_a_failure_in_inference_has_its_stage():
    assert (
        run("inference", workload=replace(SQUARES, network=raises(KeyError("x")))).result.stage == "inference"
    )


def test_a_meter_that_cannot_measure_is_the_stage():
    failure = run(bench=replace(BENCH, meter="nonsense")).result
    assert failure.stage == "meter"
    assert "'nonsense' is unknown" in failure.error
    with pytest.raises(UserError, match="'nonsense' is unknown"):
        open_case_meter(Bench(meter="nonsense"))


def test_an_unknown_mode_is_named():
    failure = run(mode="quick").result
    assert failure.error == "mode 'quick' is unknown"
    assert failure.next_step == "choose one of paper, fast"


def test_a_user_who_interrupts_is_heard():
    with pytest.raises(KeyboardInterrupt):
        run(workload=replace(SQUARES, data=raises(KeyboardInterrupt())))


def test_a_record_of_several_workers_says_so():
    assert run(bench=replace(BENCH, workers=2)).machine.workers == 2


def test_a_network_that_is_measured_starts_from_the_case_s_seed():
    weights = []

    def remembered(*arguments):
        weights.append(network())
        return weights[-1]

    for seed in (0, 0, 1):
        run("inference", workload=replace(SQUARES, network=remembered), seed=seed)
        torch.rand(1)
    first, again, other = (built[0].weight for built in weights)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_same_case_gives_the_same_numbers_again():
    assert run().result.curve[-1].validation == run().result.curve[-1].validation
    assert greenbench.__version__ == run().machine.greenbench


def test_seeds_vary_what_the_scale_says():
    def losses(part, seed):
        scale = replace(TINY, vary=part)
        case = case_of("training", own, SQUARES, scale, seed)
        return [epoch.train_loss for epoch in run_case(case, own, SQUARES, BENCH).result.curve]

    parts = [part for part in VARIES if part != VARY_ALL]
    first = losses(parts[0], 0)
    assert all(losses(part, 0) == first for part in parts)
    others = [losses(part, 1) for part in parts]
    assert len({tuple(values) for values in (first, *others, losses(VARY_ALL, 1))}) == len(parts) + 2


def test_a_record_holds_what_was_tried_and_what_is_to_be_reached():
    settings = {name: replace(one, targets=(0.5, 0.75)) for name, one in SQUARES.settings.items()}
    record = run(technique=replace(own, settings_tried=3), workload=replace(SQUARES, settings=settings))
    assert record.technique.settings_tried == 3
    assert record.workload.targets == (0.5, 0.75)
    assert (run().technique.settings_tried, run().workload.targets) == (None, ())


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"floor": 0.6}, (0.6,)),
        ({"floor": 0.6, "targets": (0.7,)}, (0.7,)),
        ({"floor": 0.6, "targets": ()}, ()),
    ],
)
def test_without_targets_the_floor_is_one(changes, expected):
    settings = {name: replace(one, **changes) for name, one in SQUARES.settings.items()}
    assert run(workload=replace(SQUARES, settings=settings)).workload.targets == expected
