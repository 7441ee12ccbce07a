"""Workers of pytest-xdist on a machine with GPUs: each has its own, under the real pynvml and a stub of NVML."""

import json

import pytest

from bench_tests import nvml_stub

COUNTER = ["set 0 tick 0.02", "set 1 tick 0.02"]

TESTS = """
import os
import time
from pathlib import Path

SEEN = Path("seen.txt")

def test_case(green_training):
    with SEEN.open("a") as file:
        file.write(f"{os.environ['PYTEST_XDIST_WORKER']} {os.environ.get('CUDA_VISIBLE_DEVICES')}\\n")
    try:
        os.close(os.open("crashed", os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        end = time.monotonic() + 60
        while "gw2" not in SEEN.read_text() and time.monotonic() < end:
            time.sleep(0.05)
    else:
        time.sleep(0.5)
        os._exit(1)
"""


@pytest.fixture
def on_gpus(run_study, pytester, monkeypatch, tmp_path_factory):
    """Return a function that runs a study on a machine with so many GPUs."""
    if nvml_stub.compiler() is None:
        pytest.skip("no C compiler (gcc or cc) to build the NVML stub with")
    library = nvml_stub.build(tmp_path_factory.mktemp("nvml_stub"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("TMPDIR", str(tmp_path_factory.mktemp("locks")))

    def run(gpus, *arguments):
        scenario = [f"gpus {gpus}", *COUNTER[:gpus]]
        for name, value in nvml_stub.environment(library, scenario, pytester.path).items():
            monkeypatch.setenv(name, value)
        return run_study(*arguments)

    return run


def seen(pytester):
    lines = [line.split() for line in (pytester.path / "seen.txt").read_text().splitlines()]
    return dict(lines)


def test_each_worker_has_its_gpu_and_a_dead_ones_goes_to_its_replacement(on_gpus, pytester):
    (pytester.path / "test_training.py").write_text(TESTS)
    names = "mixup or lookahead or focal or radam or baseline"
    result = on_gpus(2, "-n2", "--green-scale=tiny", "test_training.py", "-k", f"digits and ({names})")
    found = seen(pytester)
    assert set(found) == {"gw0", "gw1", "gw2"}, result.stdout.str()
    assert len({found["gw0"], found["gw1"]}) == 2
    assert found["gw2"] in {found["gw0"], found["gw1"]}


def test_more_workers_than_gpus_are_refused_before_they_start(on_gpus):
    result = on_gpus(2, "-n3", "--green-scale=tiny", "-k", "baseline-digits")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*3 workers need a GPU each, and 2 of 2 visible ones are free; use -n 2*"])


@pytest.mark.parametrize(("gpus", "workers"), [(2, 2), (0, 1)])
def test_auto_is_a_worker_for_each_free_gpu(on_gpus, pytester, gpus, workers):
    (pytester.path / "test_training.py").write_text("def test_case(green_training): pass")
    result = on_gpus(gpus, "-nauto", "--green-scale=tiny", "test_training.py", "-k", "digits and baseline")
    assert f"created: {workers}/{workers} worker" in result.stdout.str()


def test_a_meter_that_workers_would_share_is_refused(on_gpus):
    meter = "--green-meter=command:echo 5 W"
    result = on_gpus(0, "-n2", "--green-scale=tiny", meter, "-k", "baseline-digits")
    text = result.stdout.str() + result.stderr.str()
    assert "2 workers would count each other's energy" in text
    assert "leave -n out, or use --green-meter none" in text


@pytest.mark.slow
def test_records_of_two_cards_are_compared_and_each_has_its_own_energy(on_gpus, pytester):
    names = "mixup or lookahead or focal or baseline"
    result = on_gpus(
        2, "-n2", "--green-scale=tiny", "--green-meter=nvml", "-k", f"digits and ({names})", "-m", "training"
    )
    assert result.ret == 0, result.stdout.str()
    out = pytester.path / "out"
    records = [json.loads(file.read_text()) for file in out.glob("training-*.json")]
    assert len(records) == 4
    assert len({record["result"]["energy"]["uuid"] for record in records}) == 2
