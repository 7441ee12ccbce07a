"""Functions on a real Ray cluster of this machine, whose GPUs are not there: lost, hung, late and missing machines."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench_tests.harness.executors import functions
from greenbench.errors import UserError
from greenbench.executors import cluster as module
from greenbench.executors.executor import Lost, SideBySide

pytest.importorskip("ray", reason="the extra ray is not installed")
pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
WAIT_S = 60.0


def of(model):
    return {f"{module.MODEL}{model}": 1}


@pytest.fixture(scope="module")
def machines():
    """Return a function that starts a cluster of one machine."""
    from ray._private.accelerators.nvidia_gpu import NvidiaGPUAcceleratorManager
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("PYTHONPATH", str(ROOT))
        # Other tests of this process may have loaded a stub of NVML, in which Ray would find GPUs.
        patch.setattr(NvidiaGPUAcceleratorManager, "get_current_node_accelerator_type", lambda: None)
        started = []

        def start(**facts):
            head = {"num_cpus": 1, "include_dashboard": False, **facts}
            started.append(Cluster(initialize_head=True, head_node_args=head))
            return started[-1]

        yield start
        for cluster in started:
            cluster.shutdown()


@pytest.fixture(scope="module")
def cluster(machines):
    return machines(num_gpus=1, resources=of("H100"))


@pytest.fixture
def ray(cluster):
    opened = module.OnCluster(cluster.address, "", functions.prepare)
    yield opened
    opened.close()


@pytest.fixture
def added(cluster):
    """Return a function that adds a machine to the cluster."""
    nodes = []

    def add():
        nodes.append(cluster.add_node(num_cpus=1, num_gpus=1, resources=of("H100")))
        return nodes[-1]

    yield add
    for node in nodes:
        if node in cluster.worker_nodes:
            cluster.remove_node(node, allow_graceful=False)


class Waiting:
    """Functions that run until they are let go."""

    def __init__(self, ray, folder, *names):
        self.ray, self.folder, self.names = ray, folder, names
        for name in names:
            ray.ahead(name, functions.wait_for, str(folder / "go"), str(folder / f"{name}.worker"))

    def running(self, count):
        """Return the workers of those that run, by name, once they are so many."""
        end = time.monotonic() + WAIT_S
        while True:
            self.ray._look()
            found = {file.stem: int(file.read_text() or 0) for file in self.folder.glob("*.worker")}
            if len(found) == count and all(found.values()):
                return found
            assert time.monotonic() < end, f"{len(found)} of {count} run"
            time.sleep(0.1)

    def results(self):
        """Let them go, and return the workers on which they ended, by name."""
        (self.folder / "go").touch()
        return {name: self.ray.call(functions.wait_for, name=name) for name in self.names}


def raylet(node):
    return node.all_processes["raylet"][0].process.pid


def parent(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_results_progress_and_errors_come_back(ray):
    told = []
    assert ray.call(functions.add, 2, 3, progress=told.append) == 5
    assert [one.text for one in told] == ["added"]
    with pytest.raises(UserError, match="the value is 7; give 8"):
        ray.call(functions.refuse)
    with pytest.raises(Lost, match="ended by SIGSEGV") as lost:
        ray.call(functions.crash)
    assert "before the crash" in lost.value.output
    assert ray.side_by_side() == SideBySide(1, ("a H100 of a Ray cluster",))


def test_each_function_has_a_process_of_its_own_that_sees_its_gpu(ray):
    (first, one_gpu), (second, same_gpu) = (ray.call(functions.own_gpu) for _ in range(2))
    assert first != second
    assert one_gpu == same_gpu == "0"


def test_one_that_hangs_is_ended_at_its_deadline_with_what_it_holds(ray):
    with pytest.raises(Lost, match=r"did not end within 1\.00 s.*--green-deadline"):
        ray.call(functions.sleep, deadline_s=1.0)
    assert ray.call(functions.add, 1, 1) == 2


def test_a_machine_that_comes_late_is_used(ray, added, tmp_path):
    waiting = Waiting(ray, tmp_path, "one", "two")
    waiting.running(1)
    added()
    first = waiting.running(2)
    assert waiting.results() == first


def test_a_killed_worker_is_replaced(ray, tmp_path):
    waiting = Waiting(ray, tmp_path, "one")
    killed = waiting.running(1)["one"]
    os.kill(killed, signal.SIGKILL)
    assert waiting.results()["one"] != killed


def test_one_that_loses_its_worker_each_time_is_given_up(ray, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "ATTEMPTS", 1)
    waiting = Waiting(ray, tmp_path, "one")
    os.kill(waiting.running(1)["one"], signal.SIGKILL)
    with pytest.raises(Lost, match="its process was ended"):
        waiting.results()


def test_what_ran_on_a_machine_that_is_lost_runs_on_another(ray, cluster, added, tmp_path):
    node = added()
    waiting = Waiting(ray, tmp_path, "one", "two")
    first = waiting.running(2)
    (lost,) = (name for name, worker in first.items() if parent(worker) == raylet(node))
    os.kill(first[lost], signal.SIGKILL)
    cluster.remove_node(node, allow_graceful=False)
    last = waiting.results()
    assert last[lost] != first[lost]
    assert all(last[name] == first[name] for name in first if name != lost)


def test_a_machine_that_hangs_is_not_waited_for(ray, added, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SILENCE_S", 12.0)
    node = added()
    waiting = Waiting(ray, tmp_path, "one", "two")
    first = waiting.running(2)
    (hung,) = (name for name, worker in first.items() if parent(worker) == raylet(node))
    stopped = (raylet(node), first[hung])
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        last = waiting.results()
        assert last[hung] != first[hung]
        assert time.monotonic() - began < 40, "Ray itself needs 65 s"
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)


def test_models_are_not_mixed(machines):
    cluster = machines(num_gpus=1, resources=of("H100"))
    cluster.add_node(num_cpus=1, num_gpus=1, resources=of("A100"))
    with pytest.raises(UserError, match=r"several models, A100, H100.*--green-gpu"):
        module.OnCluster(cluster.address, "", functions.prepare)
    with pytest.raises(UserError, match=r"no GPU 'B200'; it has those of A100, H100"):
        module.OnCluster(cluster.address, "B200", functions.prepare)
    chosen = module.OnCluster(cluster.address, "A100", functions.prepare)
    assert chosen.call(functions.add, 1, 2) == 3
    assert chosen.side_by_side().cards == ("a A100 of a Ray cluster",)
    chosen.close()


def test_a_cluster_without_gpus_is_refused_at_once(machines):
    with pytest.raises(UserError, match="the Ray cluster has no GPU; add machines"):
        module.OnCluster(machines(num_gpus=0).address, "", functions.prepare)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("127.0.0.1:1", "nothing answers there .*; start a cluster with 'ray start --head'"),
        ("nonsense", "give HOST:PORT as 'ray start --head' printed it"),
        ("host:port", "give HOST:PORT"),
        ("127.0.0.1:99999", "nothing answers there"),
    ],
)
def test_a_wrong_address_is_refused_at_once(address, words):
    with pytest.raises(UserError, match=words):
        module.OnCluster(address, "", functions.prepare)


OWN = '''
from dataclasses import replace
from functools import partial

import greenbench
from helper import SMOOTHING


@greenbench.technique("Loss Function", "this test", tasks=("classification",))
def own(recipe):
    """Own: smoother labels."""

    def loss():
        from torch.nn.functional import cross_entropy

        return partial(cross_entropy, label_smoothing=SMOOTHING)

    return replace(recipe, loss=loss)
'''


@pytest.fixture
def study(cluster, tmp_path):
    """Return a function that starts a study of a user's file on the cluster."""
    (tmp_path / "own.py").write_text(OWN)
    (tmp_path / "helper.py").write_text("SMOOTHING = 0.1\n")

    def start(*arguments):
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(ROOT / "bench_tests/study")]
        command += [
            "--green-file=own.py",
            "--green-meter=none",
            "--green-out=out",
            "-k",
            "digits",
            *arguments,
        ]
        command += [f"--green-executor=ray:{cluster.address}"]
        return subprocess.Popen(
            command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    return start


def test_a_study_takes_its_files_along_and_goes_on_after_its_driver_was_killed(study, added, tmp_path):
    added()
    killed = study("-m", "training", "--green-seeds=2")
    end = time.monotonic() + WAIT_S
    while not list((tmp_path / "out").glob("training-*.json")) and time.monotonic() < end:
        time.sleep(0.1)
    killed.kill()
    text, _ = killed.communicate()
    known = {file.name for file in (tmp_path / "out").glob("training-*.json")}
    assert known, text
    resumed = study("-m", "training", "--green-seeds=2", "--green-resume")
    text, _ = resumed.communicate(timeout=120)
    records = [json.loads(file.read_text()) for file in (tmp_path / "out").glob("training-*.json")]
    assert len(records) == 4, text
    assert {record["case"]["technique"] for record in records} == {"baseline", "own"}
    assert all(record["result"]["type"] == "training" for record in records), text
    assert f"{len(known)} finished case" in text
    assert "no verdict" not in text


@pytest.mark.parametrize("option", ["-n2", "--green-budget=1h", "--green-weights=trained"])
def test_what_does_not_go_with_a_cluster_is_refused(study, option):
    run = study(option)
    text, _ = run.communicate(timeout=60)
    assert run.returncode == pytest.ExitCode.USAGE_ERROR, text
    assert f"does not go with --green-executor ray; leave {option.partition('=')[0][:2]}" in text
