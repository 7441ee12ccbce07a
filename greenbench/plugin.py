"""The pytest plugin: options, parametrization, fixtures, summary. Thin: what is measured and judged lies elsewhere.

Importing it, and collecting the study, imports no torch.
"""

from __future__ import annotations

import os
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from greenbench.energy import BUSY_POLICIES, SOURCES
from greenbench.errors import UserError
from greenbench.protocol import PROTOCOLS, TRAINING_ENERGIES

if TYPE_CHECKING:
    from _pytest.mark import ParameterSet
    from _pytest.terminal import TerminalReporter

    from greenbench.case import Kind, Pair
    from greenbench.report import Report
    from greenbench.study import Settings, Study

SMALLEST_SCALE = "smoke"
KINDS: tuple[Kind, ...] = ("training", "inference")
STUDY = pytest.StashKey["Study"]()
SESSION = pytest.StashKey[str]()
BAD_INPUT = pytest.StashKey[bool]()
DEFAULT_OUT = "reports/local"
RESUMED = "greenbench_resumed"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options, all of them named --green-*."""
    group = parser.getgroup("greenbench", "greenbench: what a training technique gains and costs")
    add = group.addoption
    add("--green-scale", metavar="NAME", help=f"{', '.join(PROTOCOLS)} (default: {SMALLEST_SCALE})")
    add("--green-data", metavar="DIR", help="folder of the data sets (default: $GREENBENCH_DATA)")
    add("--green-out", metavar="DIR", help="folder for records and report.md (default: reports/local)")
    add("--green-seeds", metavar="N", help="runs of each case, seeds 0 to N-1 (default: the scale's own)")
    add(
        "--green-meter",
        metavar="NAME",
        help=f"source of energy figures: {', '.join(SOURCES)} (default: auto)",
    )
    add(
        "--green-on-busy",
        choices=BUSY_POLICIES,
        help="when other programs are on the measured GPU (default: fail)",
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
        help="image sizes at inference: stated by the study, or fitted by its FLOPs (default: stated)",
    )
    add("--green-resume", action="store_true", help="keep the records of finished cases, run the others")
    add(
        "--green-technique",
        metavar="NAME",
        action="append",
        help="run these alone; a+b composes two; may be repeated (default: all)",
    )
    add(
        "--green-technique-file",
        metavar="FILE",
        action="append",
        help="a Python file with a technique of your own; may be repeated",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Declare the markers, and refuse bad options before anything runs."""
    for marker in (
        "training: trains a technique on a data set",
        "inference: profiles a technique's network",
        "technique(name): the technique of a case",
        "dataset(name): the data set of a case",
        "slow: takes more than a few seconds; runs in CI",
    ):
        config.addinivalue_line("markers", marker)
    workerinput: dict[str, str] | None = getattr(config, "workerinput", None)
    config.stash[SESSION] = workerinput["green_session"] if workerinput else uuid.uuid4().hex
    if workerinput is None:
        config.pluginmanager.register(Summary(config), "greenbench-summary")
    if any(value for name, value in vars(config.option).items() if name.startswith("green_")):
        try:
            study = _study(config)
            for kind in KINDS:
                study.pairs(kind)
        except UserError as error:
            raise pytest.UsageError(str(error)) from error


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a test that asks for ``training_pair`` or ``inference_pair`` the pairs of the matrix."""
    for kind in KINDS:
        name = f"{kind}_pair"
        if name in metafunc.fixturenames:
            try:
                study = _study(metafunc.config)
                pairs = study.pairs(kind)
            except UserError as error:
                metafunc.config.stash[BAD_INPUT] = True
                raise pytest.Collector.CollectError(f"greenbench: {error}") from error
            metafunc.parametrize(name, [_parameter(study, pair) for pair in pairs])


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tell bad input, such as two installed techniques of one name, from a broken test file."""
    if session.config.stash.get(BAD_INPUT, False):
        session.exitstatus = pytest.ExitCode.USAGE_ERROR


@pytest.fixture
def study(pytestconfig: pytest.Config, record_property: Callable[[str, object], None]) -> Iterator[Study]:
    """Give the study under way; ``study.check(pair)`` runs a pair and judges it."""
    study = _study(pytestconfig)
    before = len(study.resumed)
    yield study
    # A property of the test travels from a worker to the controller, which a worker's memory does not.
    record_property(RESUMED, len(study.resumed) - before)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: object) -> None:
    """Tell a worker of pytest-xdist which run it belongs to."""
    config: pytest.Config = node.config  # type: ignore[attr-defined]
    workerinput: dict[str, object] = node.workerinput  # type: ignore[attr-defined]
    workerinput["green_session"] = config.stash[SESSION]


class Summary:
    """Counts what happens to the cases and writes the report when all are done. Not used by xdist's workers.

    It stays silent in a run without cases: the plugin is there in every pytest run of its environment.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._outcomes: Counter[str] = Counter()
        self._reasons: set[str] = set()
        self._report: Report | None = None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a case as measured or skipped."""
        if any(kind in report.keywords for kind in KINDS):
            if report.skipped:
                self._outcomes["skipped"] += 1
                if isinstance(report.longrepr, tuple):
                    self._reasons.add(report.longrepr[2].replace("Skipped: ", "skipped: ", 1))
            elif report.when == "call":
                self._outcomes["measured"] += 1
            elif report.when == "teardown":
                self._outcomes["kept"] += sum(
                    int(str(n)) for name, n in report.user_properties if name == RESUMED
                )

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the report; a run in which every case was skipped is no success."""
        if self._outcomes["measured"]:
            from greenbench.report import write_report

            settings = _study(self._config).settings
            try:
                self._report = write_report(settings.out, settings.carbon)
            except UserError as error:
                self._reasons.add(f"no report: {error}")
        elif self._outcomes["skipped"] and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> None:
        """Show the tables in short, what was skipped, and where everything is."""
        lines = []
        if self._outcomes["measured"] and self._config.option.green_resume:
            lines.append(
                f"{self._outcomes['kept']} finished cases of an earlier run were kept, not run again"
            )
        if self._report is not None:
            lines += self._report.summary
        elif self._outcomes["skipped"]:
            lines.append("nothing was measured: every case was skipped")
        lines += sorted(self._reasons)
        if lines:
            terminalreporter.section("greenbench")
            terminalreporter.write_line("\n".join(lines))


def _study(config: pytest.Config) -> Study:
    """Return the study that the options describe, made once.

    Raises
    ------
    UserError
        For an option that makes no sense.
    """
    if STUDY not in config.stash:
        from greenbench.study.progress import ProgressReporter
        from greenbench.study import Study

        study = Study(_settings(config))
        config.stash[STUDY] = study
        if not hasattr(config, "workerinput"):  # a worker of pytest-xdist has no terminal
            study.progress = ProgressReporter(lambda: _uncaptured(config))
    return config.stash[STUDY]


def _settings(config: pytest.Config) -> Settings:
    from greenbench.energy.carbon import DEFAULT_REGION, carbon_intensity
    from greenbench.datasets import DATA_ENVIRONMENT_VARIABLE, check_root
    from greenbench.energy import check_source
    from greenbench.protocol import find_protocol, with_inputs
    from greenbench.study import Settings
    from greenbench.techniques import discover, find

    option = config.option
    protocol = find_protocol(option.green_scale or SMALLEST_SCALE, option.green_training_energy)
    protocol = with_inputs(protocol, option.green_inputs)
    root = option.green_data or os.environ.get(DATA_ENVIRONMENT_VARIABLE)
    techniques = discover(Path(file) for file in option.green_technique_file or ())
    selected = tuple(option.green_technique or ())
    for name in selected:
        find(techniques, name)
    return Settings(
        protocol=protocol,
        techniques=techniques,
        selected=selected,
        data_root=check_root(Path(root)) if root else None,
        out=Path(option.green_out or config.rootpath / DEFAULT_OUT),
        seeds=_seeds(option.green_seeds, protocol.seeds),
        carbon=carbon_intensity(option.green_carbon or DEFAULT_REGION),
        meter=check_source(option.green_meter or "auto"),
        busy=option.green_on_busy or "fail",
        resume=option.green_resume,
        session=config.stash[SESSION],
        workers=int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")),
    )


def _seeds(text: str | None, default: int) -> int:
    if text is None:
        return default
    if not text.isdecimal() or int(text) < 1:
        raise UserError(f"--green-seeds is {text!r}; give the number of runs of each case, 1 or more")
    return int(text)


def _parameter(study: Study, pair: Pair) -> ParameterSet:
    kind = pair.cases[0].kind
    marks = [
        getattr(pytest.mark, kind),
        pytest.mark.technique(name=pair.technique.name),
        pytest.mark.dataset(name=pair.dataset.name),
    ]
    if reason := study.missing_data(pair):
        marks.append(pytest.mark.skip(reason=reason))
    return pytest.param(pair, id=pair.id, marks=marks)


@contextmanager
def _uncaptured(config: pytest.Config) -> Iterator[None]:
    """Let output reach the user while a test runs."""
    manager = config.pluginmanager.getplugin("capturemanager")
    if manager is None:
        yield
        return
    with manager.global_and_fixture_disabled():
        yield
