"""What the cases of a study would take, from cost cases, and a budget that ends a study before it is exceeded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from greenbench.energy.budget import Allowance
from greenbench.errors import UserError
from greenbench.records.record import Record
from greenbench.records.results import Batch, Cost, Failure, Inference, Skipped, Training
from greenbench.spec.case import Case
from greenbench.study.plan import Pair
from greenbench.study.session import Session

NO_METER = "none"


class BudgetSpent(UserError):
    """The next case would exceed the budget."""


@dataclass(frozen=True)
class Estimate:
    """What all runs of a pair would take.

    Attributes
    ----------
    seconds, energy_j
        None where they are not known.
    half_width_s
        Half of the 95 % interval of the time, as far as it comes from the steps.
    reason
        Why something is not known.
    record
        Name of the cost record that they come from.
    """

    id: str
    kind: str
    runs: int
    seconds: float | None
    energy_j: float | None
    half_width_s: float | None = None
    reason: str | None = None
    record: str | None = None


def estimates(session: Session, pairs: Sequence[Pair]) -> list[Estimate]:
    """Return what some pairs would take; costs that are not known yet are measured.

    Inference takes at least the time that its scale states; its energy is not known before it.
    """
    return [
        _of_training(session, pair) if pair[0].kind == "training" else _of_inference(session, pair)
        for pair in pairs
        if pair[0].kind != "cost"
    ]


def _of_training(session: Session, pair: Pair) -> Estimate:
    first, runs = pair[0], len(pair)
    record = cost_of(session, first)
    if not isinstance(record.result, Cost):
        reason = (
            record.result.error if isinstance(record.result, Failure)
            else record.result.reason if isinstance(record.result, Skipped)
            else "it has no cost"
        )  # fmt: skip
        skipped = isinstance(record.result, Skipped)
        nothing = 0.0 if skipped else None
        return Estimate(first.id, first.kind, runs, nothing, nothing, reason=reason, record=record.file_name)
    whole = record.result.whole
    return Estimate(
        first.id,
        first.kind,
        runs,
        whole.seconds * runs,
        None if whole.energy_j is None else whole.energy_j * runs,
        record.result.train_half_width_s * runs,
        whole.reason if whole.energy_j is None else None,
        record.file_name,
    )


def _of_inference(session: Session, pair: Pair) -> Estimate:
    plan = session.settings.scale.inference
    seconds = 2 * plan.repeats * (plan.warmup_s + plan.min_seconds) + 2 * session.settings.scale.idle_s
    return Estimate(
        pair[0].id,
        pair[0].kind,
        len(pair),
        seconds * len(pair),
        None,
        reason="at least; the energy of inference is known after it",
    )


def cost_of(session: Session, case: Case) -> Record:
    """Return the cost record of a training, measured now where it is not there."""
    (pair,) = (found[:1] for found in session.pairs("cost") if found[0].id == case.id)
    return session.records(pair)[0]


class Spending:
    """Keeps a session within a budget: what was measured counts as it was, what comes next as its cost says.

    Parameters
    ----------
    session
        Its cases are held against the budget from now on.
    allowance
        The budget.
    """

    def __init__(self, session: Session, allowance: Allowance) -> None:
        self._session = session
        self.allowance = allowance
        self.spent = 0.0
        self.cases = 0
        session.before.append(self._before)
        session.after.append(self._after)

    def check(self) -> None:
        """Refuse a budget that cannot be kept.

        Raises
        ------
        UserError
            Where energy decides and is not measured, or cases run side by side.
        """
        if self.allowance.of != "time" and self._session.meter == NO_METER:
            raise UserError(
                f"the budget {self.allowance.text!r} needs energy, which is not measured here",
                "give a budget of time such as 2h, or a meter with --green-meter",
            )
        if self._session.settings.bench.workers > 1:
            raise UserError("a budget is kept by one process alone", "leave -n out")

    def _before(self, case: Case) -> None:
        allowance, needed = self.allowance, self._expected(case)
        left = allowance.most - self.spent  # after the cost was told, which may have taken some
        if needed > left or left <= 0:
            raise BudgetSpent(
                f"stopped before {case.id} ({case.kind}, seed {case.seed}), which would take "
                f"{allowance.write(needed)}: of the budget of {allowance.text} {allowance.write(max(0.0, left))} are "
                f"left after {self.cases} cases",
                "give more and go on with --green-resume",
            )

    def _expected(self, case: Case) -> float:
        if case.kind != "training":
            return 0.0
        result = cost_of(self._session, case).result
        if not isinstance(result, Cost):
            return 0.0  # what fails or does not apply ends soon
        return self.allowance.taken(result.whole.seconds, result.whole.energy_j) or 0.0

    def _after(self, record: Record) -> None:
        self.cases += 1
        self.spent += self.allowance.taken(record.seconds or 0.0, spent_energy_j(record)) or 0.0


def spent_energy_j(record: Record) -> float | None:
    """Return the joules that a case took, as far as its record tells; None where nothing was measured."""
    result = record.result
    if isinstance(result, Training):
        return _sum(reading.energy_j for reading in (result.energy, result.evaluation_energy))
    if isinstance(result, Inference):
        return _sum(map(_energy_j, (result.single, result.large)))
    if isinstance(result, Cost):
        power_w = result.energy.mean_power_w
        return None if power_w is None or record.seconds is None else power_w * record.seconds
    return None


def _energy_j(batch: Batch) -> float | None:
    energy_j = batch.energy_per_image.energy_j
    return None if energy_j is None else energy_j * batch.batch_size * batch.passes


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
