"""A study that is ended by a signal, and gone on with: real processes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from greenbench.executors.process import supported
from greenbench.records.folder import load_records
from greenbench.study.settings import CHECKPOINTS_FOLDER

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not supported(), reason="this system has no file descriptors of processes"),
]
STUDY = Path(__file__).parents[2] / "study"
FEW_SECONDS = 0.02
"""Minutes between checkpoints: some in each training of these tests."""


def study(out, executor, *options):
    command = [
        *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", STUDY),
        *("-k", "training and digits and baseline"),
        *("--green-seeds", "1", "--green-meter", "none", "--green-out", out, "--green-executor", executor),
        *options,
    ]
    environment = {**os.environ, "PYTHONPATH": str(STUDY.parents[1])}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    )


def outcome(record):
    curve = [(epoch.train_loss, epoch.validation) for epoch in record.result.curve]
    return record.result.status, curve, record.result.train


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    out = tmp_path_factory.mktemp("whole") / "out"
    process = study(out, "process", "--green-checkpoint", "0")
    print(process.communicate()[0])
    (record,) = load_records(out)
    return record


def wait_for(found, process):
    while not found():
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.02)


@pytest.mark.parametrize("executor", ["process", "inline"])
def test_sigterm_ends_it_cleanly_and_it_goes_on_bit_for_bit(tmp_path, whole, executor):
    out = tmp_path / "out"
    process = study(out, executor, "--green-checkpoint", f"{FEW_SECONDS}")
    wait_for(lambda: list(out.glob(f"{CHECKPOINTS_FOLDER}/*/*.ckpt")), process)
    process.send_signal(signal.SIGUSR1)
    process.send_signal(signal.SIGTERM)
    said = process.communicate()[0]
    assert process.returncode == pytest.ExitCode.INTERRUPTED, said
    assert "ended by SIGTERM; go on with --green-resume" in said
    assert not load_records(out)
    assert list(out.glob(f"{CHECKPOINTS_FOLDER}/baseline-digits-seed0-*/*.ckpt"))

    said = study(out, executor, "--green-resume").communicate()[0]
    (record,) = load_records(out)
    assert outcome(record) == outcome(whole), said
    assert (record.result.resumed, record.result.remarks) == (1, ())
    assert record.seconds > record.result.train_seconds
    assert not (out / CHECKPOINTS_FOLDER).exists()


def test_a_killed_training_goes_on_from_its_last_checkpoint(tmp_path, whole):
    out = tmp_path / "out"
    process = study(out, "inline", "--green-checkpoint", f"{FEW_SECONDS}")
    wait_for(lambda: list(out.glob(f"{CHECKPOINTS_FOLDER}/*/*.ckpt")), process)
    process.kill()
    process.communicate()
    said = study(out, "process", "--green-resume").communicate()[0]
    (record,) = load_records(out)
    assert outcome(record) == outcome(whole), said
    assert record.result.resumed == 1
