"""What a study would take, and a budget that ends it before the case that would exceed it."""

import json
from dataclasses import replace

import pytest

from bench_tests.harness.execute.small_run import SQUARES
from bench_tests.harness.study.small_session import CATALOG, made, pair_of
from greenbench.cli import main
from greenbench.energy.budget import read_allowance, read_price
from greenbench.errors import NotApplicable, UserError
from greenbench.records.results import Cost
from greenbench.study import settings as settings_module
from greenbench.study.estimate import BudgetSpent, Spending, cost_of, estimates, spent_energy_j

METER = "estimate:50"


@pytest.mark.parametrize(
    ("text", "of", "most"),
    [
        ("5MJ", "energy", 5e6),
        ("0.5 kWh", "energy", 1.8e6),
        ("2h", "time", 7200.0),
        ("90 min", "time", 5400.0),
        ("3EUR", "money", 3.0),
    ],
)
def test_a_budget_is_energy_time_or_money(text, of, most):
    found = read_allowance(text, 0.3)
    assert (found.of, found.most) == (of, pytest.approx(most))


@pytest.mark.parametrize(
    "text", ["5", "MJ", "5 mj", "-1 h", "0 J", "2 days", "3 eur", "3€", "1e999 J", "", "2 h 3"]
)
def test_a_wrong_unit_is_refused_and_those_that_are_allowed_are_named(text):
    with pytest.raises(
        UserError, match=r"is no amount above 0 with one of the units uJ, .*MJ.*, h, or a currency"
    ):
        read_allowance(text, 0.3)


def test_money_needs_a_price():
    with pytest.raises(UserError, match=r"what a kilowatt-hour costs is not known; .*--green-price"):
        read_allowance("3EUR")
    for wrong in ("0", "-1", "nan", "inf", "cheap", ""):
        with pytest.raises(UserError, match="is no number above 0"):
            read_price(wrong)
    assert read_allowance("3EUR", 0.5).taken(10.0, 3.6e6) == pytest.approx(0.5)
    assert read_allowance("3EUR", 0.5).taken(10.0, None) is None


def test_an_estimate_is_the_cost_times_the_runs(study):
    session = study(meter=METER, seeds=3)
    (found,) = estimates(session, [pair_of(session, "longer")])
    cost = cost_of(session, pair_of(session, "longer")[0]).result
    assert isinstance(cost, Cost)
    assert (found.id, found.kind, found.runs) == ("longer-squares", "training", 3)
    assert found.seconds == pytest.approx(3 * cost.whole.seconds)
    assert found.energy_j == pytest.approx(3 * cost.whole.energy_j)
    assert found.reason is None


def test_costs_are_measured_once_and_found_again(study, ran):
    session = study(meter=METER)
    estimates(session, session.pairs("training"))
    assert [kind for _, kind, _ in ran] == ["cost"] * 3
    again = study(meter=METER, resume=True)
    estimates(again, again.pairs("training"))
    assert len(ran) == 3


def test_where_energy_is_not_measured_it_is_not_known_and_says_why(study):
    session = study()
    (found,) = estimates(session, [pair_of(session, "longer")])
    assert found.seconds > 0
    assert (found.energy_j, found.reason) == (None, "no meter was asked for (meter none)")


def test_what_does_not_apply_takes_nothing(study):
    def nothing(recipe):
        raise NotApplicable("nothing to do")

    session = study(replace(CATALOG, techniques={**CATALOG.techniques, "idle": made("idle", nothing)}))
    (found,) = estimates(session, [pair_of(session, "idle")])
    assert (found.seconds, found.energy_j, found.reason) == (0.0, 0.0, "nothing to do")


def test_inference_takes_what_its_scale_states_at_least(study):
    session = study(meter=METER)
    (found,) = estimates(session, session.pairs("inference")[:1])
    assert found.energy_j is None
    assert found.reason.startswith("at least")


def begun(session, text):
    spending = Spending(session, read_allowance(text, 0.3))
    spending.check()
    return spending


@pytest.mark.parametrize("text", ["1e-9 kWh", "1e-9 h", "1e-12 EUR"])
def test_a_study_ends_before_the_case_that_would_exceed_the_budget(study, ran, text):
    session = study(meter=METER)
    begun(session, text)
    with pytest.raises(
        BudgetSpent, match=r"stopped before longer-squares \((training|cost), seed 0\)"
    ) as caught:
        session.records(pair_of(session, "longer"))
    assert f"of the budget of {text}" in str(caught.value)
    assert "are left after" in str(caught.value)
    assert "--green-resume" in str(caught.value)
    assert ("longer", "training", 0) not in ran


def test_within_the_budget_all_runs_and_is_counted(study):
    session = study(meter=METER)
    spending = begun(session, "1 kWh")
    (record,) = session.records(pair_of(session, "longer"))
    costs = cost_of(session, pair_of(session, "longer")[0])
    assert spending.cases == 2
    assert spending.spent == pytest.approx(spent_energy_j(record) + spent_energy_j(costs))


def test_energy_that_is_not_measured_cannot_be_kept_within_a_budget(study):
    with pytest.raises(UserError, match="needs energy, which is not measured here; give a budget of time"):
        begun(study(), "5MJ")
    begun(study(), "2h")


def test_a_budget_is_kept_by_one_process(study):
    with pytest.raises(UserError, match="by one process alone"):
        begun(study(workers=2), "2h")


@pytest.fixture
def estimate(tmp_path, monkeypatch, capsys, lock_folder):
    """Run ``greenbench estimate`` on a catalog of three techniques; exit code, output, and what was said of faults."""
    smoke = replace(SQUARES, settings={"smoke": SQUARES.settings["tiny"]})
    monkeypatch.setattr(settings_module, "usual_executor", lambda: "inline")
    monkeypatch.setattr(
        settings_module, "discover", lambda _files: replace(CATALOG, workloads={"squares": smoke})
    )

    def call(*arguments):
        code = main(["estimate", "--out", str(tmp_path / "out"), *arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def test_the_command_prints_time_joules_co2_and_money(estimate):
    code, out, _ = estimate(
        "--meter", METER, "--price", "0.30", "--technique", "longer", "--carbon", "300 g/kWh"
    )
    assert code == 0
    lines = out.splitlines()
    assert lines[0].split() == ["Case", "Kind", "Runs", "Time", "Energy", "CO2", "EUR"]
    assert any(line.startswith("longer-squares") for line in lines)
    assert any(line.startswith("all") for line in lines)


def test_the_command_prints_json(estimate):
    code, out, _ = estimate(
        "--meter", METER, "--json", "--seeds", "2", "--kind", "training", "--price", "0.5"
    )
    assert code == 0
    found = json.loads(out)
    assert [row["id"] for row in found["rows"]] == [f"{name}-squares" for name in CATALOG.techniques]
    assert found["total"]["runs"] == 6
    assert found["total"]["energy_j"] == pytest.approx(sum(row["energy_j"] for row in found["rows"]))
    assert found["total"]["money"] == pytest.approx(found["total"]["energy_j"] / 3.6e6 * 0.5)
    assert all((row["record"] or "").startswith("cost-") for row in found["rows"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--price", "free"), "the price 'free' is no number above 0"),
        (
            ("--workload", "circles"),
            "workload 'circles' is not part of the scale smoke; choose one of squares",
        ),
        (("--scale", "huge"), "scale 'huge' is unknown"),
    ],
)
def test_bad_input_is_refused_before_anything_is_measured(estimate, arguments, said, ran):
    code, _, err = estimate(*arguments)
    assert code == 2
    assert said in err
    assert not ran
