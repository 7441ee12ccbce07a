"""Seeds are added where verdicts are undecided, and nowhere else; by planned looks, each of which takes its part."""

import dataclasses

import numpy as np
import pytest

from bench_tests.harness.made_records import record_of, training_result
from greenbench.errors import UserError
from greenbench.records.folder import RecordFolder
from greenbench.records.machine import this_machine
from greenbench.study import runner
from greenbench.study.session import LOOKS
from greenbench.study.until import seeds_at, until_decided
from greenbench.verdict.verdict import LEVEL, verdicts


@pytest.fixture
def scripted(monkeypatch):
    """Return a function that says what trainings come to: means and scatter of score and seconds, by technique."""

    def script(**runs):
        ran = []

        def run(case, _catalog, bench, _progress):
            mean, scatter, seconds = runs[case.technique]
            rng = np.random.default_rng([case.seed, *case.technique.encode()])
            ran.append((case.technique, case.seed))
            result = training_result(
                round(5000 * (mean + scatter * rng.normal())) / 5000,
                seconds=seconds * np.exp(0.001 * rng.normal()),
            )
            made = record_of(case.technique, result)
            own_epochs = dataclasses.replace(made.technique, changed_fields=("epochs",))
            return dataclasses.replace(
                made,
                case=case,
                key=case.key,
                machine=this_machine(1),
                meter="none",
                session=bench.session,
                technique=own_epochs,
            )

        monkeypatch.setattr(runner, "run", run)
        return ran

    return script


def judged(session):
    for pair in session.pairs("training"):
        session.misses(pair)
    return list(until_decided(session))


def seeds_of(ran, technique):
    return sorted(seed for name, seed in ran if name == technique)


def test_only_the_undecided_and_their_baseline_get_more_seeds(study, scripted):
    ran = scripted(baseline=(0.9, 0.002, 1.0), longer=(0.8, 0.002, 2.0), halved=(0.907, 0.002, 0.5))
    lines = judged(study(seeds=3, until_decided=True))
    assert seeds_of(ran, "longer") == [0, 1, 2], "was decided at once"
    assert len(seeds_of(ran, "halved")) > 3
    assert seeds_of(ran, "halved") == seeds_of(ran, "baseline"), "each seed once, and in pairs"
    assert "halved" in lines[0]
    assert "longer" not in lines[0]
    assert "no verdict is left" in lines[-1]


def test_it_ends_with_the_last_look_and_says_what_is_left(study, scripted):
    ran = scripted(baseline=(0.9, 0.02, 1.0), longer=(0.91, 0.02, 2.0), halved=(0.91, 0.02, 0.5))
    lines = judged(study(seeds=3, until_decided=True))
    assert len(lines) <= LOOKS
    assert max(seed for _, seed in ran) <= seeds_at(LOOKS - 1, 3) - 1
    assert len(set(ran)) == len(ran)


def test_each_look_takes_its_part_of_the_chance(study, scripted):
    scripted(baseline=(0.9, 0.002, 1.0), longer=(0.8, 0.002, 2.0), halved=(0.907, 0.002, 0.5))
    planned = study(seeds=3, until_decided=True)
    judged(planned)
    records, left_out = RecordFolder(planned.settings.out).read()
    assert left_out == []
    assert {record.looks for record in records} == {LOOKS}
    once = [dataclasses.replace(record, looks=1) for record in records]
    pairs = list(zip(verdicts(once), verdicts(records), strict=True))
    assert pairs
    for single, looked in pairs:
        if single.p is not None:
            assert looked.p == pytest.approx(min(1.0, LOOKS * single.p))


def test_the_error_rate_is_kept_by_the_looks():
    """A walk that is looked at five times and stopped at its first claim: simulated, no study is run."""
    rng = np.random.default_rng(0)
    walks = rng.normal(size=(20_000, seeds_at(LOOKS - 1, 3)))
    from scipy.stats import ttest_1samp

    claimed = np.zeros(len(walks), bool)
    for look in range(LOOKS):
        claimed |= ttest_1samp(walks[:, : seeds_at(look, 3)], 0, axis=1).pvalue <= LEVEL / LOOKS
    assert claimed.mean() <= LEVEL
    assert [seeds_at(look, 3) for look in range(LOOKS)] == [3, 5, 8, 12, 18]


def test_what_a_spent_budget_stops_is_kept(study, scripted):
    ran = scripted(baseline=(0.9, 0.002, 1.0), longer=(0.8, 0.002, 2.0), halved=(0.907, 0.002, 0.5))
    session = study(seeds=3, until_decided=True)
    for pair in session.pairs("training"):
        session.misses(pair)

    def refuse(case):
        raise UserError("spent", "give more")

    session.before.append(refuse)
    with pytest.raises(UserError, match="spent"):
        list(until_decided(session))
    records, left_out = RecordFolder(session.settings.out).read()
    assert left_out == []
    assert len(records) == len(ran) == 9
