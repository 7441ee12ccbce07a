"""The pytest plugin: parametrization, fixtures, reports. Thin: what is measured and judged lies elsewhere.

It is silent in a run without cases, and collecting cases imports no torch. A test is a case if it uses the fixture
``green_training``, ``green_inference`` or ``green_cost``.
"""

from __future__ import annotations

import io
import uuid
from collections.abc import Generator
from contextlib import nullcontext, redirect_stderr
from typing import TYPE_CHECKING

import pytest

from greenbench.errors import UserError
from greenbench.execute.requests import Requests
from greenbench.extras import need_study
from greenbench.plugin import energy, hooks
from greenbench.plugin.options import (
    GATE,
    GATED,
    OF_ENERGY,
    SESSION,
    SESSION_ID,
    add_options,
    prepare,
    session_of,
    share_gpus,
    usage_errors,
    will_be_downloaded,
)
from greenbench.plugin.summary import (
    BAD_INPUT,
    CASE,
    EMPTY_SHARD,
    LOOKED,
    RESUMED,
    SEED,
    Summary,
    explanation,
    pairs_named,
)
from greenbench.spec.case import KINDS
from greenbench.study.plan import rounds
from greenbench.study.shards import in_shard

if TYPE_CHECKING:
    from _pytest.mark import ParameterSet

    from greenbench.records.record import Record
    from greenbench.spec.case import Kind
    from greenbench.study.plan import Pair
    from greenbench.study.session import Session


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options, all of them named --green-*."""
    add_options(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Let a conftest.py look at records."""
    pluginmanager.add_hookspecs(hooks)


def pytest_configure(config: pytest.Config) -> None:
    """Refuse bad options before anything runs."""
    config.addinivalue_line(
        "markers", "green_case(kind, technique, workload): a case of greenbench; set by the plugin"
    )
    config.addinivalue_line(
        "markers", 'green_budget(energy="2 J", time="50 ms", co2="1 mg"): the most that the test may take'
    )
    config.pluginmanager.register(energy, "greenbench-energy")
    workerinput: dict[str, str] | None = getattr(config, "workerinput", None)
    config.stash[SESSION_ID] = workerinput["green_session"] if workerinput else uuid.uuid4().hex
    if workerinput is None:
        config.pluginmanager.register(Summary(config), "greenbench-summary")
        config.pluginmanager.register(energy.EnergySummary(), "greenbench-energy-summary")
    given = {name: value for name, value in vars(config.option).items() if name.startswith("green_")}
    asked = {name for name, value in given.items() if value or value == ""}
    if asked:
        # Of the processes of pytest-xdist, which all read the user's files, one shows what they print.
        with usage_errors(), redirect_stderr(io.StringIO()) if workerinput else nullcontext():
            if workerinput is None and asked - OF_ENERGY:
                share_gpus(config)
            session = session_of(config)
            for kind in KINDS:
                session.pairs(kind)
            if workerinput is None and GATED.intersection(asked):
                from greenbench.plugin.gate import Gate

                config.stash[GATE] = Gate(config, session)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a test that asks for ``green_training``, ``green_inference`` or ``green_cost`` the pairs of the matrix."""
    for kind in KINDS:
        fixture = f"green_{kind}"
        if fixture in metafunc.fixturenames:
            try:
                if hasattr(metafunc.config, "workerinput"):
                    share_gpus(metafunc.config)
                session = session_of(metafunc.config)
                order = rounds(session.pairs(kind))
                parameters = [_parameter(metafunc.config, session, pair, seed) for pair, seed in order]
            except UserError as error:
                metafunc.config.stash[BAD_INPUT] = True
                raise pytest.Collector.CollectError(f"greenbench: {error}") from error
            metafunc.parametrize(fixture, parameters, indirect=True)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark a case, so that its reports are known as such."""
    if marker := item.get_closest_marker("green_case"):
        item.user_properties.append((CASE, "{kind} {technique}-{workload}".format(**marker.kwargs)))


@pytest.hookimpl(trylast=True)  # of what -k and -m leave
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Read the tests' budgets. Drop the cases of other shards, and what pytest makes of a matrix without cases."""
    with usage_errors():
        energy.read_budgets(items)
    fixtures = {f"green_{kind}" for kind in KINDS}
    empty = [
        item
        for item in items
        if fixtures & set(getattr(item, "fixturenames", ())) and not item.get_closest_marker("green_case")
    ]
    left_out = {*empty, *_of_other_shards(config, items)}
    if left_out:
        config.hook.pytest_deselected(items=[*left_out])
        items[:] = [item for item in items if item not in left_out]


def _of_other_shards(config: pytest.Config, items: list[pytest.Item]) -> list[pytest.Item]:
    """Return the cases that `--green-shard` leaves to others."""
    if config.option.green_shard is None:
        return []
    cases = [(item, marker.kwargs) for item in items if (marker := item.get_closest_marker("green_case"))]
    named: dict[tuple[str, str], list[pytest.Item]] = {}
    for item, case in cases:
        named.setdefault((case["kind"], f"{case['technique']}-{case['workload']}"), []).append(item)
    session = session_of(config)
    settings = session.settings
    assert settings.shard is not None
    ours = in_shard(pairs_named(session, named), settings.catalog.workloads, settings.shard)
    if named and not ours:
        config.stash[EMPTY_SHARD] = True
    keys = {(pair[0].kind, pair[0].id) for pair in ours}
    return [item for name, members in named.items() if name not in keys for item in members]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Refuse, before the first case, an output folder, a meter or data that do not work."""
    config = session.config
    cases = [marker.kwargs for item in session.items if (marker := item.get_closest_marker("green_case"))]
    runs = not (config.option.collectonly or config.option.setupplan)
    if cases and runs and not hasattr(config, "workerinput"):
        names = {(case["kind"], f"{case['technique']}-{case['workload']}") for case in cases}
        with usage_errors():
            need_study()
            prepare(config, session_of(config), pairs_named(session_of(config), names))


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    """Let SIGTERM end a run with cases as Ctrl-C does. Add seeds behind the last test, where that is asked for."""
    config = session.config
    cases = any(item.get_closest_marker("green_case") for item in session.items)
    with Requests().listening() if cases else nullcontext():
        result = yield
        if (
            config.option.green_until
            and SESSION in config.stash
            and not (session.shouldstop or session.shouldfail)
        ):
            from greenbench.study.until import until_decided

            try:
                for line in until_decided(session_of(config)):
                    config.stash.setdefault(LOOKED, []).append(line)
            except UserError as error:  # such as a budget that is spent: what was measured stays
                config.stash.setdefault(LOOKED, []).append(str(error))
    return result


@pytest.fixture
def green_training(request: pytest.FixtureRequest) -> Pair:
    """Cases of one technique trained on one workload, one for each seed. A test with it runs for the whole matrix."""
    return _pair("training", request)


@pytest.fixture
def green_inference(request: pytest.FixtureRequest) -> Pair:
    """Cases of one technique's network at inference, one for each seed. A test with it runs for the whole matrix."""
    return _pair("inference", request)


@pytest.fixture
def green_cost(request: pytest.FixtureRequest) -> Pair:
    """Cases of what one technique's training on one workload would cost. A test with it runs for the whole matrix."""
    return _pair("cost", request)


@pytest.fixture
def green_study(request: pytest.FixtureRequest, pytestconfig: pytest.Config) -> Checker:
    """Run and judge cases: ``green_study.check(green_training)`` fails the test on what is out of tolerance."""
    return Checker(session_of(pytestconfig), request.node)


class Checker:
    """Runs a test's cases and tells pytest what came of them."""

    def __init__(self, session: Session, item: pytest.Item) -> None:
        self._session = session
        self._item = item

    def check(self, pair: Pair) -> None:
        """Run a pair, and its baseline where needed; fail the test in words if it is outside its tolerance.

        One seed of several is run alone, and only a failure or divergence of it fails the test. The test of a technique that has nothing to do is skipped.
        """
        before = set(self._session.resumed)
        try:
            reason = self._session.skipped(pair)
            misses = [] if reason else self._session.misses(pair)
        except UserError as error:
            from greenbench.study.estimate import BudgetSpent

            if isinstance(error, BudgetSpent):
                self._item.session.shouldstop = f"greenbench: {error}"
                pytest.skip(str(error))
            pytest.fail(str(error), pytrace=False)
        if reason:
            pytest.skip(reason)
        records = self._session.records(pair)
        resumed = sorted(self._session.resumed - before)
        self._item.user_properties += [*_properties(records), (RESUMED, " ".join(resumed))]
        if misses:
            pytest.fail(explanation(self._session, misses, pair), pytrace=False)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: object) -> None:
    """Tell a worker of pytest-xdist which run it belongs to."""
    config: pytest.Config = node.config  # type: ignore[attr-defined]
    workerinput: dict[str, object] = node.workerinput  # type: ignore[attr-defined]
    workerinput["green_session"] = config.stash[SESSION_ID]


def _parameter(config: pytest.Config, session: Session, pair: Pair, seed: int | None) -> ParameterSet:
    case = pair[0]
    mark = pytest.mark.green_case(kind=case.kind, technique=case.technique, workload=case.workload)
    marks: list[pytest.MarkDecorator] = [mark]
    reason = session.missing_data(pair)
    if reason and not will_be_downloaded(config, session, case.workload):
        marks.append(pytest.mark.skip(reason=reason))
    name = case.id if seed is None else f"{case.id}{SEED}{seed}"
    return pytest.param(name, id=name, marks=marks)


def _pair(kind: Kind, request: pytest.FixtureRequest) -> Pair:
    session = session_of(request.config)
    whole = pairs_named(session, {(kind, request.param)})
    if whole:
        return whole[0]
    name, _, seed = request.param.rpartition(SEED)
    (pair,) = pairs_named(session, {(kind, name)})
    return (pair[int(seed)],)


def _properties(records: list[Record]) -> list[tuple[str, str]]:
    """Return what JUnit's file says of a test's records, as plain strings; means over seeds."""
    from greenbench.verdict.headline import headline

    return [(f"green_{name}", text) for name, text in headline(records).items()]
