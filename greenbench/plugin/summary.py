"""What a run says at its end, and at its start."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from greenbench.errors import UserError
from greenbench.extras import need_study
from greenbench.plugin.options import GATE, SESSION, prepare, session_of, usage_errors
from greenbench.records.results import LOST, Failure
from greenbench.spec.case import KINDS

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

    from greenbench.report import Report
    from greenbench.study.plan import Pair
    from greenbench.study.session import Session
    from greenbench.verdict.misses import Miss

LOOKED = pytest.StashKey[list[str]]()
"""What each look at the verdicts gave."""

SEED = "-seed"
"""Between the name of a pair and the seed that runs alone; the last seed's test has the pair's name."""

BAD_INPUT = pytest.StashKey[bool]()
EMPTY_SHARD = pytest.StashKey[bool]()
"""Whether all selected cases are those of other shards."""

CASE, STATUS, RESUMED, RECORDS = "green_case", "green_status", "green_resumed", "green_records"
"""Properties of a test: they travel from a worker of pytest-xdist to the controller, and into JUnit's file."""


class Summary:
    """Counts what happens to the cases and writes the report when all are done. Not used by xdist's workers."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._measured = self._skipped = 0
        self._resumed: set[str] = set()
        self._records: set[str] = set()
        self._gate: list[str] = []
        self._misses: list[tuple[str, str]] = []
        self._reasons: set[str] = set()
        self._report: Report | None = None
        self._checked = False

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        """Refuse, in a run with pytest-xdist, an output folder, a meter or data that do not work."""
        if self._checked or not any("[" in name for name in ids):
            return
        # The controller knows the tests by their names alone.
        called = {name.rpartition("[")[2].removesuffix("]") for name in ids}
        called |= {name.rpartition(SEED)[0] for name in called}
        try:
            session = session_of(self._config)
            pairs = pairs_named(session, {(kind, name) for kind in KINDS for name in called})
        except UserError:
            return  # the workers say so
        if pairs:
            self._checked = True
            with usage_errors():
                need_study()
                prepare(self._config, session, pairs)
            reporter = self._config.pluginmanager.getplugin("terminalreporter")
            if reporter is not None:
                for line in _opening(session, quiet=self._config.option.verbose < 0):
                    reporter.write_line(line)

    def pytest_report_collectionfinish(self, config: pytest.Config, items: list[pytest.Item]) -> list[str]:
        """Say how cases are measured, in a run that has any, and which files are left out."""
        if not any(item.get_closest_marker("green_case") for item in items):
            return []
        return _opening(session_of(config), quiet=config.option.collectonly or config.option.verbose < 0)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a case as measured or skipped."""
        properties = dict(report.user_properties)
        if CASE not in properties:
            return
        if report.failed and report.when == "call":
            self._misses.append((str(properties[CASE]), str(report.longrepr)))
        if report.skipped:
            self._skipped += 1
            if isinstance(report.longrepr, tuple):
                self._reasons.add(report.longrepr[2].replace("Skipped: ", "skipped: ", 1))
        elif report.when == "teardown" and STATUS in properties:
            self._measured += 1
            self._resumed |= set(str(properties[RESUMED]).split())
            self._records |= set(str(properties[RECORDS]).split())

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the report, before another plugin's hook can fail.

        A run in which all was skipped, or a file was left out, is no success.
        """
        if session.config.stash.get(BAD_INPUT, False):
            session.exitstatus = pytest.ExitCode.USAGE_ERROR
        stopped = False
        if self._measured:
            from greenbench.plugin.github import add_summary
            from greenbench.report import COMMENT, write_report

            settings = session_of(self._config).settings
            try:
                self._report = write_report(settings.out, settings.carbon)
                text = (settings.out / COMMENT).read_text(encoding="utf-8")
                if fault := add_summary(text):
                    self._reasons.add(fault)
            except (UserError, OSError) as error:
                self._reasons.add(f"no report: {error}")
            if gate := session.config.stash.get(GATE, None):
                self._gate, stopped = gate.finish(self._records)
        if session.config.stash.get(EMPTY_SHARD, False):
            shard = session_of(self._config).settings.shard
            self._reasons.add(f"shard {shard} has no case: there are fewer pairs than shards")
            if (
                session.exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED
            ):  # a job of an array that is not needed
                session.exitstatus = pytest.ExitCode.OK
        nothing = self._skipped and not self._measured
        if (nothing or stopped or self._faults()) and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> None:
        """Show the tables in short, what was skipped, and where everything is."""
        lines = []
        if self._measured and self._config.option.green_resume:
            lines.append(f"{len(self._resumed)} finished cases of an earlier run were kept, not run again")
        looked: list[str] = self._config.stash.get(LOOKED, [])
        lines += looked
        if self._report is not None:
            lines += self._report.summary
        elif self._skipped and not self._measured:
            lines.append("nothing was measured: every case was skipped")
        lines += sorted(self._reasons)
        if SESSION in self._config.stash and (self._measured or self._skipped):
            lines += _left_out(self._config.stash[SESSION])
        lines += self._gate
        if self._misses:
            from greenbench.plugin.github import annotated

            lines += annotated(self._misses)
        if lines:
            terminalreporter.section("greenbench")
            encoding = getattr(terminalreporter._tw._file, "encoding", None) or "utf-8"
            for line in lines:
                terminalreporter.write_line(line.encode(encoding, "replace").decode(encoding))

    def _faults(self) -> bool:
        """Whether a file of the user's was left out."""
        return SESSION in self._config.stash and bool(self._config.stash[SESSION].settings.catalog.faults)


def pairs_named(session: Session, names: Collection[tuple[str, str]]) -> list[Pair]:
    """Return the pairs of the matrix whose kind and id are among `names`."""
    return [pair for kind in KINDS for pair in session.pairs(kind) if (kind, pair[0].id) in names]


def explanation(session: Session, found: list[Miss], pair: Pair) -> str:
    """Return misses in words, with the records that they come from."""
    lines = [miss.message for miss in found]
    for record in session.records(pair):
        lines.append(f"record: {session.settings.out / record.file_name}")
        # What a process printed at its end, pytest shows, too.
        if isinstance(record.result, Failure) and record.result.traceback and record.result.stage != LOST:
            lines.append(record.result.traceback)
    return "\n".join(lines)


def _opening(session: Session, *, quiet: bool) -> list[str]:
    lines = [*([] if quiet else _header(session)), *_left_out(session)]
    return [f"greenbench: {line}" for line in lines]


def _left_out(session: Session) -> list[str]:
    """Say what of the files and of installed packages cannot be run."""
    catalog = session.settings.catalog
    return [
        *(f"left out: {' '.join(str(fault).split())}" for fault in catalog.faults),
        *(
            f"left out, though installed: {' '.join(str(fault).split())}"
            for fault in catalog.installed_faults
        ),
    ]


def _header(session: Session) -> list[str]:
    settings = session.settings
    shard = "" if settings.shard is None else f", shard {settings.shard}"
    out = settings.out.relative_to(Path.cwd()) if settings.out.is_relative_to(Path.cwd()) else settings.out
    return [
        f"scale {settings.scale.name}, meter {session.meter}, GPU {session.machine.gpu or 'none'}{shard}",
        f"records in {out}",
    ]
