"""Trainings that are interrupted and gone on with, through the real loop; and what can be wrong with checkpoints."""

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest
import torch
from torch import nn

from bench_tests.harness.execute.small_run import (
    CPU,
    NO_METER,
    STEPS_PER_EPOCH,
    Joules,
    small_data,
    small_recipe,
)
from greenbench.errors import Interrupted
from greenbench.execute.checkpoint import KEPT, CheckpointPlan, Checkpoints
from greenbench.execute.requests import Requests
from greenbench.execute.train import train
from greenbench.execute.trainer import Trainer
from greenbench.spec.recipe import plain_objective
from greenbench.spec.workload import ACCURACY

IDENTITY = {"torch": "2.11", "case": "one"}


@pytest.fixture
def plan(tmp_path):
    return CheckpointPlan(tmp_path / "checkpoints" / "case", minutes=1000, resume=True)


def checkpoints_of(plan, identity=None):
    return Checkpoints(plan, IDENTITY if identity is None else identity, Requests(), time.monotonic())


class Run:
    """A training; `asking` is told every step and may ask its requests for something."""

    def __init__(
        self, recipe, checkpoints=None, *, meter=NO_METER, data=None, asking=lambda *_: None, **options
    ):
        self.trainer = Trainer(recipe, data or small_data(), seed=0, device=CPU)
        self.steps = 0
        self.checkpoints = checkpoints
        self.asking = asking
        self.arguments = (self.trainer, meter, ACCURACY)
        self.options = {"checkpoints": checkpoints, "progress": self._progress, **options}

    def _progress(self, _progress):
        self.steps += 1
        if self.checkpoints is not None:
            self.asking(self.checkpoints.requests, self.steps)

    def result(self):
        return train(*self.arguments, **self.options)


def ends_at(step):
    def ask(requests, steps):
        requests.save = requests.end = requests.end or steps == step

    return ask


def saves_at(*wanted):
    def ask(requests, steps):
        requests.save = requests.save or steps in wanted

    return ask


def outcome(run, result):
    """Return what must not differ: everything but times and energies."""
    curve = [(e.epoch, e.image_size, e.learning_rate, e.train_loss, e.validation) for e in result.curve]
    weights = {name: value.tolist() for name, value in run.trainer.judged_weights().items()}
    return result.status, curve, result.train, result.validation, result.best, result.best_epoch, weights


def interrupted(run):
    with pytest.raises(Interrupted) as ended:
        run.result()
    return str(ended.value)


def imitate(trainer, inputs, targets):
    taught = plain_objective(trainer, inputs, targets)
    return taught + nn.functional.mse_loss(trainer.network(inputs), trainer.teacher(inputs))


RECIPES = {
    "plain": small_recipe,
    "teacher": lambda: replace(small_recipe(), teacher=replace(small_recipe(), epochs=2), objective=imitate),
    "warm-up": lambda: replace(small_recipe(), warm_up=True),
}


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("energy", ["all", "steady"])
def test_a_run_that_is_ended_after_any_step_goes_on_bit_for_bit(plan, name, energy):
    recipe = RECIPES[name]()
    options = {"evaluate_every": 2, "training_energy": energy}
    whole = Run(recipe, **options)
    expected = outcome(whole, whole.result())
    for stop in range(1, whole.steps + 1):
        first = Run(recipe, checkpoints_of(plan), asking=ends_at(stop), **options)
        assert interrupted(first) == "ended by SIGTERM; go on with --green-resume"
        assert first.steps == stop
        again = Run(recipe, checkpoints_of(plan), **options)
        result = again.result()
        assert again.steps == whole.steps - stop
        assert outcome(again, result) == expected
        assert (result.resumed, result.remarks) == (1, ())
        plan.remove()


class DrawingData:
    """Draws by the process's own generator while it is read, as a user's transforms may."""

    def __init__(self):
        self._data = small_data()

    def __getattr__(self, name):
        return getattr(self._data, name)

    def training_batches(self, *arguments):
        for inputs, targets in self._data.training_batches(*arguments):
            yield inputs + torch.rand(()), targets


def test_what_was_read_before_draws_nothing_when_it_is_read_again(plan):
    whole = Run(small_recipe(), data=DrawingData())
    expected = outcome(whole, whole.result())
    for stop in range(1, whole.steps + 1):
        interrupted(Run(small_recipe(), checkpoints_of(plan), data=DrawingData(), asking=ends_at(stop)))
        again = Run(small_recipe(), checkpoints_of(plan), data=DrawingData())
        assert outcome(again, again.result()) == expected
        plan.remove()


def test_it_can_be_interrupted_again_and_again(plan):
    whole = Run(small_recipe())
    expected = outcome(whole, whole.result())
    for _ in range(whole.steps):
        assert "go on" in interrupted(Run(small_recipe(), checkpoints_of(plan), asking=ends_at(1)))
    run = Run(small_recipe(), checkpoints_of(plan))
    result = run.result()
    assert (run.steps, result.resumed) == (0, whole.steps)
    assert outcome(run, result) == expected


def test_a_checkpoint_changes_nothing_and_the_run_goes_on(plan):
    whole = Run(small_recipe())
    expected = outcome(whole, whole.result())
    run = Run(small_recipe(), checkpoints_of(plan), asking=saves_at(1, 2, 4, 5))
    assert outcome(run, run.result()) == expected
    assert sorted(path.name for path in plan.folder.iterdir()) == ["000003.ckpt", "000004.ckpt"]


def test_time_is_another_reason_for_one(plan):
    run = Run(small_recipe(), checkpoints_of(replace(plan, minutes=1e-9)))
    run.result()
    assert len(list(plan.folder.iterdir())) == KEPT


class InterruptingData:
    """Ends the run in its evaluation number `at`."""

    def __init__(self, requests, at):
        self._data, self._requests, self._left = small_data(), requests, at

    def __getattr__(self, name):
        return getattr(self._data, name)

    def evaluation_batches(self, split):
        for batch in self._data.evaluation_batches(split):
            torch.rand(3)
            self._left -= 1
            if self._left == 0:
                self._requests._take(signal.SIGTERM, None)
            yield batch


@pytest.mark.parametrize("at", [1, 2, 5])
def test_an_evaluation_is_ended_at_once_and_done_again(plan, at):
    whole = Run(small_recipe(), data=InterruptingData(None, -1))
    expected = outcome(whole, whole.result())
    checkpoints = checkpoints_of(plan)
    meter = Joules()
    first = Run(small_recipe(), checkpoints, data=InterruptingData(checkpoints.requests, at), meter=meter)
    assert "go on" in interrupted(first)
    again = Run(small_recipe(), checkpoints_of(plan), data=InterruptingData(None, -1))
    result = again.result()
    assert first.steps + again.steps == whole.steps
    assert outcome(again, result) == expected


def test_what_all_sittings_spent_is_counted_once(plan):
    """Windows read their own numbers: 1 and 2 J for two parts of an epoch."""
    meter = Joules()
    recipe = replace(small_recipe(), epochs=2)
    interrupted(Run(recipe, checkpoints_of(plan), asking=ends_at(2), meter=meter))
    time.sleep(0.05)
    checkpoints = checkpoints_of(plan)
    result = Run(recipe, checkpoints, meter=meter).result()
    first, second = result.curve
    assert meter.labels == [*["training at 8x8 px"] * 2, "evaluation 1", "training at 8x8 px", "evaluation 2"]
    assert (first.energy.energy_j, second.energy.energy_j) == (1.0 + 2.0, 4.0)
    assert result.energy.energy_j == 7.0
    assert result.evaluation_energy.energy_j == 3.0 + 5.0
    assert first.seconds == pytest.approx(first.energy.seconds, abs=0.05)
    assert checkpoints.earlier_s > 0


def test_without_the_wish_to_resume_an_old_one_is_removed(plan):
    interrupted(Run(small_recipe(), checkpoints_of(plan), asking=ends_at(2)))
    run = Run(small_recipe(), checkpoints_of(replace(plan, resume=False)))
    result = run.result()
    assert (run.steps, result.resumed) == (STEPS_PER_EPOCH * 4, 0)
    assert not plan.folder.exists()


def two_saved(plan):
    Run(small_recipe(), checkpoints_of(plan), asking=saves_at(2, 5)).result()
    return sorted(plan.folder.iterdir())


def truncate(path):
    path.write_bytes(path.read_bytes()[:-100])


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def empty(path):
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [truncate, flip, empty])
def test_of_a_damaged_one_the_one_before_serves_and_then_the_beginning(plan, damage):
    whole = Run(small_recipe())
    expected = outcome(whole, whole.result())
    older, newer = two_saved(plan)
    damage(newer)
    run = Run(small_recipe(), checkpoints_of(plan))
    result = run.result()
    assert run.steps == whole.steps - 2
    assert outcome(run, result) == expected
    (remark,) = result.remarks
    assert str(newer) in remark
    assert "damaged" in remark
    damage(older)
    run = Run(small_recipe(), checkpoints_of(plan))
    result = run.result()
    assert (run.steps, result.resumed) == (whole.steps, 0)
    assert outcome(run, result) == expected
    assert result.remarks[-1] == "no checkpoint could be used: the training started from its beginning"


@pytest.mark.parametrize("name", IDENTITY)
def test_one_of_something_else_is_refused_in_words(plan, name):
    two_saved(plan)
    checkpoints = checkpoints_of(plan, {**IDENTITY, name: "other"})
    run = Run(small_recipe(), checkpoints)
    result = run.result()
    assert run.steps == STEPS_PER_EPOCH * 4
    assert f"it is of another {name}: {IDENTITY[name]}, and this run's is other" in result.remarks[0]
    assert "started from its beginning" in result.remarks[-1]


class Planted:
    def __reduce__(self):
        return os.mkdir, ("planted",)


def test_code_that_a_file_brings_along_is_not_run(plan, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    checkpoints_of(plan)._write({"trainer": Planted()})
    checkpoints = checkpoints_of(plan)
    assert checkpoints.load() is None
    assert "holds more than tensors" in checkpoints.remarks[0]
    assert not (tmp_path / "planted").exists()


def test_a_state_that_cannot_be_read_again_is_said_at_the_first_checkpoint(plan):
    checkpoints = checkpoints_of(plan)
    checkpoints.write({"state": Planted})
    assert "checkpoints of this training cannot be used" in checkpoints.remarks[0]
    checkpoints.requests.end = True
    with pytest.raises(Interrupted):
        checkpoints.write({"state": Planted})


KILLED = """
import os, signal, sys, torch
from pathlib import Path
from bench_tests.harness.execute import test_checkpoint as tests
from greenbench.execute import checkpoint

plan = checkpoint.CheckpointPlan(Path(sys.argv[1]), 1000, True)
torch.set_num_threads(1)
write = checkpoint._Hashing.write

def killing(self, data):
    count = write(self, data)
    if plan.folder.joinpath("000001.ckpt").exists() and self._file.tell() > 2000:
        self._file.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    return count

checkpoint._Hashing.write = killing
tests.Run(tests.small_recipe(), tests.checkpoints_of(plan), asking=tests.saves_at(2, 5)).result()
"""


def test_of_one_that_was_killed_while_writing_the_one_before_serves(plan):
    killed = subprocess.run([sys.executable, "-c", KILLED, plan.folder], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(list(plan.folder.glob(".*.new"))) == 1
    whole = Run(small_recipe())
    run = Run(small_recipe(), checkpoints_of(plan))
    result = run.result()
    assert outcome(run, result) == outcome(whole, whole.result())
    assert run.steps == whole.steps - 2
    assert (result.resumed, result.remarks) == (1, ())
    assert not list(plan.folder.glob(".*.new"))


FULL = """
import sys
from pathlib import Path
from bench_tests.harness.execute import test_checkpoint as tests
from greenbench.execute.checkpoint import CheckpointPlan

disk = Path(sys.argv[1])
plan = CheckpointPlan(disk / "checkpoints", 1000, True)
def ask(requests, steps):
    if steps == 3:
        try:
            (disk / "filling").write_bytes(b"x" * 2 ** 20)
        except OSError:
            pass
    requests.save = steps in (2, 5)
result = tests.Run(tests.small_recipe(), tests.checkpoints_of(plan), asking=ask).result()
print(result.status, result.validation, result.remarks)
print(sorted(path.name for path in plan.folder.iterdir()))
run = tests.Run(tests.small_recipe(), tests.checkpoints_of(plan))
print(run.result().resumed, run.steps)
"""


def test_a_full_disk_is_said_and_the_training_goes_on(tmp_path):
    """A real one: a small file system in memory, in a mount namespace of its own."""
    disk, script = tmp_path / "disk", tmp_path / "full.py"
    disk.mkdir()
    script.write_text(FULL)
    mount = f"mount -t tmpfs -o size=128k none {disk} && exec {sys.executable} {script} {disk}"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    try:
        run = subprocess.run(
            ["unshare", "-m", "sh", "-c", mount], capture_output=True, text=True, check=False, env=environment
        )
    except FileNotFoundError:
        pytest.skip("needs unshare (util-linux)")
    if "ermission denied" in run.stderr or "not permitted" in run.stderr:
        pytest.skip("needs the right to mount a small file system")
    assert run.stdout.startswith("finished {'accuracy'"), run.stdout + run.stderr
    assert "a checkpoint could not be written" in run.stdout
    assert "['000001.ckpt']" in run.stdout
    assert run.stdout.endswith(f"1 {STEPS_PER_EPOCH * 4 - 2}\n")


def test_signals_are_taken_between_two_steps(plan):
    """Real ones: the run is saved after SIGUSR1 and goes on; SIGTERM ends it."""
    checkpoints = checkpoints_of(plan)

    def ask(_requests, steps):
        if steps == 2:
            os.kill(os.getpid(), signal.SIGUSR1)
        if steps == 5:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Interrupted, match="go on"), checkpoints.requests.listening():
        Run(small_recipe(), checkpoints, asking=ask).result()
    assert len(list(plan.folder.iterdir())) == 2
    run = Run(small_recipe(), checkpoints_of(plan))
    run.result()
    assert run.steps == STEPS_PER_EPOCH * 4 - 5


def test_outside_of_steps_sigterm_ends_at_once_and_handlers_are_put_back():
    before = [signal.getsignal(number) for number in (signal.SIGUSR1, signal.SIGTERM)]
    with pytest.raises(Interrupted, match="ended by SIGTERM"), Requests().listening():
        os.kill(os.getpid(), signal.SIGTERM)
    assert before == [signal.getsignal(number) for number in (signal.SIGUSR1, signal.SIGTERM)]


def test_a_request_that_nobody_answered_is_passed_on():
    outer, inner = Requests(), Requests()
    with outer.listening(), outer.waiting():
        with inner.listening(), inner.waiting():
            os.kill(os.getpid(), signal.SIGTERM)
        assert inner.end
        assert outer.end
        outer.end = False


def test_a_process_that_a_case_started_ends_by_sigterm_as_ever():
    ready, begun = os.pipe()
    with Requests().listening():
        pid = os.fork()
        if not pid:
            os.write(begun, b"!")  # Python forgets signals that come before this
            time.sleep(60)
            os._exit(0)
        os.read(ready, 1)
        os.kill(pid, signal.SIGUSR1)
        os.kill(pid, signal.SIGTERM)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGTERM


def test_in_another_thread_no_signal_is_taken():
    def listen():
        with Requests().listening():
            found.append(signal.getsignal(signal.SIGTERM))

    found = []
    thread = threading.Thread(target=listen)
    thread.start()
    thread.join()
    assert found == [signal.getsignal(signal.SIGTERM)]
