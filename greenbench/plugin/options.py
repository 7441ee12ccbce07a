"""The options, and the session that they describe."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from greenbench.energy import BUSY_POLICIES, leases
from greenbench.errors import UserError
from greenbench.execute.checkpoint import USUAL_MINUTES
from greenbench.executors.executor import INLINE, PROCESS, RAY
from greenbench.spec.mode import MODES, PAPER
from greenbench.spec.scale import (
    BASELINES,
    DEFAULT_OUT,
    INPUTS,
    SCALES,
    SMALLEST_SCALE,
    STUDY,
    TRAINED,
    TRAINING_ENERGIES,
    VARIES,
    VARY_ALL,
    WEIGHTS,
)

if TYPE_CHECKING:
    from greenbench.plugin.gate import Gate
    from greenbench.study.estimate import Spending
    from greenbench.study.plan import Pair
    from greenbench.study.session import Session

LIMITS = "energy:5% latency:15% score:1pp"

SESSION = pytest.StashKey["Session"]()
SESSION_ID = pytest.StashKey[str]()
GATE: pytest.StashKey[Gate] = pytest.StashKey()
GATED = {"green_save", "green_compare", "green_fail"}
"""The options that ask for it."""

OF_ENERGY = {"green_meter", "green_on_busy", "green_carbon", "green_strict"}
"""Options of the fixtures for any project: who gives them need not have cases."""

SPENDING: pytest.StashKey[Spending] = pytest.StashKey()


def add_options(parser: pytest.Parser) -> None:
    """Add the options, all of them named --green-*."""
    add = parser.getgroup("greenbench", "greenbench: what a training technique gains and costs").addoption
    add("--green-scale", metavar="NAME", help=f"{', '.join(SCALES)} (default: {SMALLEST_SCALE})")
    add(
        "--green-mode",
        metavar="NAME",
        default=PAPER.name,
        help=f"what networks compute in: {', '.join(MODES)} (default: {PAPER.name})",
    )
    add("--green-data", metavar="DIR", help="folder of the data sets (default: $GREENBENCH_DATA)")
    add("--green-out", metavar="DIR", help=f"folder for records and report (default: {DEFAULT_OUT})")
    add("--green-seeds", metavar="N", help="runs of each case, seeds 0 to N-1 (default: the scale's own)")
    add(
        "--green-vary",
        metavar="WHAT",
        help=f"what the seeds of trainings vary, {', '.join(VARIES)} (default: {VARY_ALL}); the rest is as with seed 0",
    )
    add(
        "--green-until",
        metavar="decided",
        choices=("decided",),
        help="add seeds where the verdict on score or cost is undecided, in planned looks that keep the error rate",
    )
    add(
        "--green-meter",
        metavar="NAME",
        help="source of energy, such as nvml, rapl, estimate:65 or none (default: auto)",
    )
    add(
        "--green-on-busy",
        choices=BUSY_POLICIES,
        help="when other programs are on the measured GPU (default: fail; mark for green_energy and green_budget)",
    )
    add(
        "--green-training-energy",
        metavar="METHOD",
        help=f"{', '.join(TRAINING_ENERGIES)} (default: the scale's own)",
    )
    add(
        "--green-carbon",
        metavar="REGION",
        help="region or amount for CO2, such as deu or '300 g/kWh' (default: world)",
    )
    add(
        "--green-inputs",
        metavar="NAME",
        help=f"image sizes at inference, {' or '.join(INPUTS)} by the study (default: {INPUTS[0]})",
    )
    add(
        "--green-weights",
        metavar="NAME",
        help=f"weights of the networks at inference, {' or '.join(WEIGHTS)} (default: {WEIGHTS[0]})",
    )
    add(
        "--green-strict",
        action="store_true",
        help="fail where a green_budget, or a limit of --green-fail, cannot be judged",
    )
    add("--green-partial", action="store_true", help="use data sets that are not whole; every table says so")
    add(
        "--green-download",
        action="store_true",
        help="get the data sets that are not there, where a checksum of them is known, before the first case",
    )
    add("--green-resume", action="store_true", help="keep the records of finished cases, run the others")
    add(
        "--green-technique",
        metavar="NAME",
        action="append",
        help="run these alone; a+b composes two; may be repeated (default: those of the study)",
    )
    add(
        "--green-collection",
        metavar="NAME",
        action="append",
        help="run the baseline and the techniques of this collection; may be repeated",
    )
    add(
        "--green-file",
        "--green-technique-file",
        metavar="FILE",
        dest="green_file",
        action="append",
        help="run what this Python file defines, and the baselines it needs; may be repeated",
    )
    add(
        "--green-executor",
        metavar="NAME",
        help=f"where a case runs: {PROCESS}, each in one of its own; {INLINE}, in pytest's process; or {RAY}[:HOST:PORT], on the "
        f"GPUs of a Ray cluster (default: {PROCESS}, where the system can, and {INLINE} with --pdb)",
    )
    add("--green-gpu", metavar="MODEL", help="of a Ray cluster with several, such as H100")
    add(
        "--green-deadline",
        metavar="TIME",
        help=f"with {PROCESS}, end a case that takes longer, such as 30min; it has then failed (default: 20 times the "
        "longest case of its workload, at least 10min; none: no deadline)",
    )
    add(
        "--green-checkpoint",
        metavar="MINUTES",
        help=f"save a training so often, and on SIGTERM and SIGUSR1; --green-resume goes on (default: {USUAL_MINUTES:g}; 0: never)",
    )
    add(
        "--green-shard",
        metavar="I/N",
        help="run part I of N of the selected cases, such as 2/4: whole pairs, dealt out by what they would take; "
        "greenbench merge puts the records of all parts into one folder",
    )
    add(
        "--green-budget",
        metavar="AMOUNT",
        help="stop before the case that would exceed it: 5MJ, 2h, or 3EUR with --green-price",
    )
    add("--green-price", metavar="P", help="of a kilowatt-hour, in the currency of the budget")
    add(
        "--green-save",
        metavar="NAME",
        help=f"keep the records of this run as a baseline of that name, in {BASELINES}",
    )
    add(
        "--green-compare",
        metavar="NAME",
        help=f"compare this run with a baseline of that name, a folder of records, or with the study's effects: {STUDY}",
    )
    add(
        "--green-fail",
        metavar="LIMITS",
        help=f"fail where something got worse than in --green-compare by more, such as '{LIMITS}'".replace(
            "%", "%%"
        ),
    )
    add(
        "--green-tolerances",
        metavar="FILE",
        help="TOML file of tolerances that count before all others",
    )


@contextmanager
def usage_errors() -> Iterator[None]:
    """Let bad input end in a sentence and exit code 4."""
    try:
        yield
    except UserError as error:
        raise pytest.UsageError(f"greenbench: {error}") from error


def session_of(config: pytest.Config) -> Session:
    """Return the session that the options describe, made once.

    Raises
    ------
    UserError
        For an option that makes no sense.
    """
    if SESSION not in config.stash:
        from greenbench.study.progress import ProgressReporter
        from greenbench.study.session import Session
        from greenbench.study.settings import settings_of

        parallel = getattr(config.option, "numprocesses", None)  # of pytest-xdist
        if parallel and config.option.green_until:
            raise UserError("--green-until is kept by one process alone", "leave -n out")
        if config.option.green_executor is None and (config.option.usepdb or config.option.trace):
            config.option.green_executor = INLINE  # a debugger needs the terminal
        here, run = config.invocation_params.dir, config.stash[SESSION_ID]
        _refuse_on_cluster(config)
        workers = workers_of(config)
        cards = leases.cards() if workers > 1 else ()
        session = Session(settings_of(config.option, here, run, workers, cards))
        config.add_cleanup(session.close)
        if config.option.green_budget is not None:
            from greenbench.energy.budget import read_allowance, read_price
            from greenbench.study.estimate import Spending

            if parallel:
                raise UserError("a budget is kept by one process alone", "leave -n out")
            price = config.option.green_price
            allowance = read_allowance(
                config.option.green_budget, None if price is None else read_price(price)
            )
            config.stash[SPENDING] = Spending(session, allowance)
        config.stash[SESSION] = session
        session.after.append(lambda record: config.hook.pytest_green_record(record=record))
        quiet = getattr(config.option, "verbose", 0) < 0
        if not (quiet or hasattr(config, "workerinput")):  # a worker of pytest-xdist has no terminal
            reporter = ProgressReporter(lambda: _uncaptured(config))
            session.progress = reporter
            session.after.append(reporter.ended)
            session.expect = reporter.expect
    return config.stash[SESSION]


def _refuse_on_cluster(config: pytest.Config) -> None:
    """Refuse what cases that run on other machines, several at a time, cannot do."""
    option = config.option
    if not (option.green_executor or "").startswith(RAY):
        return
    refused = {
        "-n": getattr(option, "numprocesses", None) or hasattr(config, "workerinput"),
        "--green-budget": option.green_budget,
        "--green-weights trained": option.green_weights == TRAINED,
    }
    for name, given in refused.items():
        if given:
            raise UserError(f"{name} does not go with --green-executor {RAY}", f"leave {name} out")


def workers_of(config: pytest.Config) -> int:
    """Return how many processes run cases side by side."""
    workerinput = getattr(config, "workerinput", None)
    return (
        int(workerinput["workercount"]) if workerinput else getattr(config.option, "numprocesses", None) or 1
    )


def share_gpus(config: pytest.Config) -> None:
    """In a run with pytest-xdist that has cases, give a worker a GPU of its own, and refuse more workers than GPUs.

    Raises
    ------
    UserError
        If there are too few.
    """
    run = config.stash[SESSION_ID]
    if hasattr(config, "workerinput"):
        leases.lease(run)
    elif getattr(config.option, "numprocesses", None):
        leases.require_gpus(workers_of(config), run)


def usual_workers() -> int:
    """Return how many workers ``-n auto`` means for cases: one for each free GPU, and one where all share the CPU."""
    with usage_errors():
        found = leases.leases()
        if found:
            leases.require_gpus(1, "")
        return sum(not one.holder for one in found) or 1


def will_be_downloaded(config: pytest.Config, session: Session, workload: str) -> bool:
    """Whether data that are not there will be, before the first case."""
    return config.option.green_download and session.settings.catalog.workloads[workload].can_be_downloaded


def prepare(config: pytest.Config, session: Session, pairs: Sequence[Pair]) -> None:
    """Download what some pairs lack, where that is asked for, and refuse what can be known before the first of them.

    Raises
    ------
    UserError
        Naming it.
    """
    root = session.settings.bench.data_root
    if config.option.green_download and root is not None:
        from greenbench.study.downloads import download_missing

        workloads = [
            session.settings.catalog.workloads[name]
            for name in dict.fromkeys(pair[0].workload for pair in pairs if session.needs_data(pair))
        ]
        wanted = [w for w in workloads if w.can_be_downloaded or w.missing(root) is None]
        errors = download_missing(wanted, root, session.progress, lambda text: print(text, file=sys.stderr))
        if errors:
            raise UserError("\n".join(map(str, errors)))
    share_gpus(config)
    if SPENDING in config.stash:
        config.stash[SPENDING].check()
    session.check(pairs)
    session.begin(pairs)


@contextmanager
def _uncaptured(config: pytest.Config) -> Iterator[None]:
    """Let output reach the user while a test runs."""
    manager = config.pluginmanager.getplugin("capturemanager")
    if manager is None:
        yield
        return
    with manager.global_and_fixture_disabled():
        yield
