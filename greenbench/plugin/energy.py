"""Energy of any test: the fixtures ``green_meter`` and ``green_energy``, and the marker ``green_budget``."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from greenbench.errors import UserError

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

    from greenbench.energy import Meter, Reading, Window
    from greenbench.energy.budget import Budget
    from greenbench.energy.repeat import PerCall

METER: pytest.StashKey[Meter] = pytest.StashKey()
BUDGET: pytest.StashKey[Budget] = pytest.StashKey()
MARKER = "green_budget"
SHOWN = "green_energy"
"""Property of a test that holds one measured stretch as a line."""

MOST_LINES = 40


class TestEnergy:
    """Measures stretches of one test; each is shown at the end of the run and stands in JUnit's file."""

    __test__ = False

    def __init__(self, meter: Meter, item: pytest.Item) -> None:
        self.meter = meter
        self._item = item

    @contextmanager
    def window(self, label: str = "work", *, trace: bool = False) -> Iterator[Window]:
        """Measure the body of a with-statement; ``window.reading`` is there after it."""
        window = None
        try:
            with self.meter.window(label, trace=trace) as window:
                yield window
        finally:
            if window is not None:
                note_window(self._item, label, window.reading)

    def measure(
        self, call: Callable[[], object], *, repeats: int | None = None, warmup: int = 1, label: str = "call"
    ) -> PerCall:
        """Measure what one call takes; see `greenbench.energy.repeat.measure`."""
        from greenbench.energy.repeat import measure

        found = measure(self.meter, call, repeats=repeats, warmup=warmup, label=label)
        values = {name: getattr(found, name) for name in ("energy_j", "uncertainty_j", "seconds", "calls")}
        _note(self._item, label, f"{label}: {found}", found.reading, values)
        return found


@pytest.fixture(scope="session")
def green_meter(pytestconfig: pytest.Config) -> Meter:
    """Return the run's meter, a `greenbench.energy.Meter`: one for all tests, named by ``--green-meter``."""
    try:
        return meter_of(pytestconfig)
    except UserError as error:
        pytest.fail(f"greenbench: {error}", pytrace=False)


@pytest.fixture
def green_energy(green_meter: Meter, request: pytest.FixtureRequest) -> TestEnergy:
    """Measure stretches of this test.

    ``with green_energy.window("encode") as window: ...`` and then ``window.reading``, or
    ``green_energy.measure(function)`` for the joules of one call with their interval.
    """
    return TestEnergy(green_meter, request.node)


def meter_of(config: pytest.Config) -> Meter:
    """Return the run's meter, opened once; `UserError` where a named one cannot measure."""
    if METER not in config.stash:
        from greenbench.energy import open_meter
        from greenbench.energy.synchronize import synchronize_loaded

        option = config.option
        config.stash[METER] = open_meter(
            option.green_meter or "auto", synchronize_loaded, busy=option.green_on_busy or "mark"
        )
    return config.stash[METER]


def note_window(item: pytest.Item, label: str, reading: Reading) -> None:
    """Write a window's reading into the test's properties."""
    from greenbench.energy.measuring import line_of

    values = {name: getattr(reading, name) for name in ("energy_j", "uncertainty_j", "seconds")}
    _note(item, label, line_of(label, reading), reading, values)


def _note(
    item: pytest.Item, label: str, line: str, reading: Reading, values: Mapping[str, float | None]
) -> None:
    """Write a line and its values into a test's properties, as plain strings."""
    item.user_properties.append((SHOWN, line))
    words = {name: getattr(reading, name) for name in ("status", "reason", "boundary")}
    item.user_properties += [
        (f"green_{name}[{label}]", str(value))
        for name, value in {**values, **words}.items()
        if value is not None
    ]


def read_budgets(items: list[pytest.Item]) -> None:
    """Read the budgets of all tests.

    Raises
    ------
    UserError
        Naming the test whose budget makes no sense.
    """
    for item in items:
        marker = item.get_closest_marker(MARKER)
        if marker is None:
            continue
        from greenbench.energy.budget import read_budget

        try:
            if marker.args:
                raise UserError(f"{marker.args[0]!r} has no name", 'write for example energy="2 J"')
            item.stash[BUDGET] = read_budget(marker.kwargs)
        except UserError as error:
            raise UserError(f"{item.nodeid}: {MARKER}: {error.problem}", error.next_step) from error


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Measure a test that has a budget, and fail it in words where it takes more."""
    if BUDGET not in item.stash:
        return (yield)
    from greenbench.energy import CHOSEN, open_meter
    from greenbench.energy.carbon import DEFAULT_REGION, carbon_intensity
    from greenbench.energy.synchronize import synchronize_loaded

    budget = item.stash[BUDGET]
    # An estimate, such as of a GPU shared with other programs, judges a test only where the user named its meter.
    estimates = item.config.option.green_meter not in (None, *CHOSEN)
    try:
        meter = meter_of(item.config) if budget.needs_energy else open_meter("none", synchronize_loaded)
        intensity = carbon_intensity(item.config.option.green_carbon or DEFAULT_REGION)
    except UserError as error:
        pytest.fail(f"greenbench: {error}", pytrace=False)
    with meter.window("test") as window:
        result = yield
    if budget.needs_energy:
        note_window(item, "test", window.reading)
    overruns = budget.overruns(window.reading, intensity, estimates=estimates)
    if overruns:
        pytest.fail("\n".join(overruns), pytrace=False)
    if unknown := budget.unknown(window.reading, estimates=estimates):
        if item.config.option.green_strict:
            pytest.fail(f"the budget could not be judged: {unknown}", pytrace=False)
        # The summary names the test's line, and not this one.
        raise pytest.skip.Exception(f"the budget could not be judged: {unknown}", _use_item_location=True)
    return result


def pytest_unconfigure(config: pytest.Config) -> None:
    """Let go of the meter."""
    if METER in config.stash:
        config.stash[METER].close()


class EnergySummary:
    """Shows what tests measured, at the end of the run. Not used by xdist's workers."""

    def __init__(self) -> None:
        self._lines: list[tuple[str, str]] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep a test's lines, once it is over."""
        if report.when == "teardown":
            self._lines += [
                (report.nodeid, str(line)) for name, line in report.user_properties if name == SHOWN
            ]

    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> None:
        """Show them."""
        if not self._lines:
            return
        terminalreporter.section("greenbench energy")
        encoding = getattr(terminalreporter._tw._file, "encoding", None) or "utf-8"
        last = None
        for test, line in self._lines[:MOST_LINES]:
            if test != last:
                terminalreporter.write_line(test)
                last = test
            terminalreporter.write_line(f"  {line}".encode(encoding, "replace").decode(encoding))
        if len(self._lines) > MOST_LINES:
            terminalreporter.write_line(f"and {len(self._lines) - MOST_LINES} more")
