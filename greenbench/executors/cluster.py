"""Functions on the machines of a Ray cluster: each has a GPU for itself, in a process of its own."""

from __future__ import annotations

import logging
import os
import pickle
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from greenbench.errors import UserError
from greenbench.execute.progress import Progress, ProgressCallback, silent
from greenbench.executors.executor import Lost, Result, SideBySide
from greenbench.executors.messages import Done, Raised
from greenbench.executors.worker import BEAT_S, Mailbox, work
from greenbench.extras import need_ray
from greenbench.units import si

LOOK_EVERY_S = 0.2
CONNECT_S = 5.0

SILENCE_S = 6 * BEAT_S
"""A machine hangs that says nothing for so long. Ray needs a minute to notice, and does not run its tasks again."""

EMPTY_S = 600.0
"""So long a cluster is waited for that has no GPU any more."""

ATTEMPTS = 3

MODEL = "accelerator_type:"
"""What the names of Ray's resources for models of GPUs begin with."""

SHARE = 0.001
"""Of such a resource: it says where a task may run, not how many may."""


@dataclass
class _Task:
    """A function that is to run, and the latest attempt at it: what earlier ones say is not looked at."""

    name: str
    payload: bytes
    attempt: int = 0
    reference: Any = None
    started_s: float | None = None
    heard_s: float | None = None
    told: list[Progress] = field(default_factory=list)
    answer: Done | Raised | None = None


class OnCluster:
    """Runs functions on the GPUs of a Ray cluster, one on each at a time.

    Parameters
    ----------
    address
        HOST:PORT of the cluster; empty for the one that RAY_ADDRESS names, or else a new one on this machine.
    model
        What Ray calls the GPUs to use, such as H100; empty where the cluster has one model.
    prepare
        See `Processes`.

    Raises
    ------
    UserError
        Without ray, a cluster at that address, or such a GPU in it.
    """

    is_elsewhere = True

    def __init__(self, address: str, model: str, prepare: Callable[[], None]) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        need_ray()
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        self._ray: Any = ray  # its types say little of what is remote
        self._prepare = f"{prepare.__module__}:{prepare.__qualname__}"
        self._tasks: dict[str, _Task] = {}
        self._calls = 0
        self._last_gpu_s = time.monotonic()
        _connect(address)
        try:
            self._model = _chosen(model)
            here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
            self._mailbox = self._ray.remote(Mailbox).options(num_cpus=0, scheduling_strategy=here).remote()
        except BaseException:
            self.close()
            raise
        # Without end to its calls: a worker never opens its GPU itself, and its server is used again.
        self._work = self._ray.remote(
            num_gpus=1,
            num_cpus=0,
            max_calls=0,
            max_retries=0,
            resources={f"{MODEL}{self._model}": SHARE} if self._model else {},
        )(work)

    def side_by_side(self) -> SideBySide:
        """Return how many run on one machine at most; any card of the cluster may be a function's."""
        workers = max(int(node["Resources"]["GPU"]) for node in _with_gpus(self._model))
        return SideBySide(workers, (f"a {self._model or 'GPU'} of a Ray cluster",))

    def ahead(self, name: str, function: Callable[..., Any], *arguments: Any) -> None:
        """Begin it when a GPU is free; a `call` of that name waits for it."""
        if name not in self._tasks:
            self._tasks[name] = _Task(name, pickle.dumps((function, arguments)))
            self._begin(self._tasks[name])

    def call(
        self,
        function: Callable[..., Result],
        *arguments: Any,
        name: str = "",
        progress: ProgressCallback = silent,
        deadline_s: float | None = None,
    ) -> Result:
        """Call it on a machine of the cluster; see `greenbench.executors.executor.Executor`."""
        if not name:
            self._calls += 1
            name = f"call {self._calls}"
        self.ahead(name, function, *arguments)
        task = self._tasks[name]
        try:
            while task.answer is None:
                self._ray.wait([task.reference], timeout=LOOK_EVERY_S)
                self._look()
                while task.told:
                    progress(task.told.pop(0))
                running_s = 0.0 if task.started_s is None else time.monotonic() - task.started_s
                if deadline_s is not None and running_s > deadline_s and task.answer is None:
                    raise Lost(
                        f"it did not end within {si(deadline_s, 's')}, and was ended",
                        "give it more time with --green-deadline",
                    )
        finally:
            self._cancel(self._tasks.pop(name))
        if isinstance(task.answer, Done):
            value: Result = task.answer.value
            return value
        assert task.answer.error is not None
        raise task.answer.error

    def close(self) -> None:
        """End what runs, and leave the cluster."""
        for task in self._tasks.values():
            self._cancel(task)
        self._tasks.clear()
        self._ray.shutdown()

    def _begin(self, task: _Task) -> None:
        task.attempt += 1
        task.started_s = task.heard_s = None
        task.reference = self._work.remote(
            task.payload, self._prepare, task.name, task.attempt, self._mailbox
        )

    def _cancel(self, task: _Task) -> None:
        if task.answer is None:
            with suppress(self._ray.exceptions.RayError, ValueError):
                self._ray.cancel(task.reference, force=True)

    def _look(self) -> None:
        """Take messages and answers, and begin again what was lost."""
        ray, now = self._ray, time.monotonic()
        for name, attempt, progress in ray.get(self._mailbox.take.remote()):
            task = self._tasks.get(name)
            if task is not None and task.attempt == attempt:
                task.heard_s = now
                task.started_s = task.started_s or now
                task.told += [] if progress is None else [progress]
        running = {task.reference: task for task in self._tasks.values() if task.answer is None}
        ready, _ = ray.wait([*running], num_returns=len(running), timeout=0) if running else ([], [])
        for reference in ready:
            task = running.pop(reference)
            try:
                task.answer = ray.get(reference)
            except ray.exceptions.RayError as error:
                self._again(task, _why(error))
        for task in running.values():
            if task.heard_s is not None and now - task.heard_s > SILENCE_S:
                self._cancel(task)
                self._again(task, f"its machine said nothing for {si(SILENCE_S, 's')}")
        if _with_gpus(self._model):
            self._last_gpu_s = now
        elif now - self._last_gpu_s > EMPTY_S:
            raise UserError(
                f"the cluster has had no {self._model or 'GPU'} for {si(EMPTY_S, 's')}",
                "start its machines, and go on with --green-resume",
            )

    def _again(self, task: _Task, why: str) -> None:
        if task.attempt < ATTEMPTS:
            self._begin(task)
        else:
            lost = Lost(f"{why}, and so did {ATTEMPTS - 1} attempts before", "look into the logs of Ray")
            task.answer = Raised(lost, str(lost), "")


def _connect(address: str) -> None:
    import ray

    wanted = f"--green-executor ray:{address}"
    if address:
        host, _, port = address.rpartition(":")
        if not host or not port.isdecimal():
            raise UserError(
                wanted, "give HOST:PORT as 'ray start --head' printed it, such as ray:10.0.0.1:6379"
            )
        try:
            socket.create_connection((host, int(port)), CONNECT_S).close()
        except (OSError, OverflowError) as error:  # Ray itself would try for minutes
            raise UserError(
                f"{wanted}: nothing answers there ({error})", "start a cluster with 'ray start --head'"
            ) from error
    where = {"address": address} if address else {"include_dashboard": False}
    try:
        ray.init(**where, log_to_driver=False, logging_level=logging.ERROR, ignore_reinit_error=True)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise UserError(
            f"{wanted}: {str(error).partition(chr(10))[0]}", "run it on a machine of that cluster"
        ) from error


def _chosen(model: str) -> str:
    """Return the model of the GPUs to use, empty where Ray knows none.

    Raises
    ------
    UserError
        Where there is no such GPU, or none was chosen of several.
    """
    nodes = _with_gpus("")
    if not nodes:
        raise UserError(
            "the Ray cluster has no GPU", "add machines that have one, or use --green-executor process"
        )
    models = sorted({name for node in nodes for name in _models(node)})
    if model and model not in models:
        known = f"those of {', '.join(models)}" if models else "GPUs of unknown models"
        raise UserError(
            f"the Ray cluster has no GPU {model!r}; it has {known}", "choose one of them with --green-gpu"
        )
    if not model and len(models) > 1:
        raise UserError(
            f"the Ray cluster has GPUs of several models, {', '.join(models)}, which no table may mix",
            "choose one with --green-gpu",
        )
    return model or (models[0] if models else "")


def _with_gpus(model: str) -> list[dict[str, Any]]:
    """Return the machines of the cluster with GPUs of a model, or of any."""
    import ray

    nodes: Any = ray.nodes
    alive = [node for node in nodes() if node["Alive"] and node["Resources"].get("GPU", 0) >= 1]
    return [node for node in alive if not model or model in _models(node)]


def _models(node: dict[str, Any]) -> list[str]:
    return [name.removeprefix(MODEL) for name in node["Resources"] if name.startswith(MODEL)]


def _why(error: Exception) -> str:
    """Say how a task was lost."""
    words = {
        "OutOfMemoryError": "its process was ended, because memory ran out",
        "WorkerCrashedError": "its process was ended",
        "NodeDiedError": "its machine was lost",
        "ObjectLostError": "its machine was lost",
        "OwnerDiedError": "its machine was lost",
    }
    return words.get(type(error).__name__, f"Ray lost it ({type(error).__name__})")
