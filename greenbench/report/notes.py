"""What a reader must know about the values of a table, as plain text; each remark once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean

from greenbench.energy.reading import Reading
from greenbench.records.record import Record
from greenbench.records.results import Cost, Failure, Inference, Skipped, Training
from greenbench.report.sections import ComparableSet
from greenbench.report.values import MARKS, readings, shown, written
from greenbench.spec.case import RANDOM, TILES
from greenbench.spec.scale import TRAINED
from greenbench.spec.technique import BASELINE
from greenbench.units import si
from greenbench.verdict.margins import load_margins
from greenbench.verdict.quantities import SCORE, Quantity
from greenbench.verdict.statistics import Estimate

REASONS_SHOWN = 3
_PARTS = {
    "order": "the order of the data",
    "init": "the first weights",
    "augmentation": "augmentation and what techniques draw",
}


def why_no_verdict(records: Sequence[Record]) -> str:
    """Return why there are no verdicts on some records with a result."""
    names = {record.case.technique for record in records}
    if BASELINE not in names:
        return "no baseline was measured under these conditions"
    return (
        "only the baseline was measured"
        if len(names) == 1
        else "no technique has a score and a seed in common with the baseline"
    )


def without_values(columns: Sequence[Quantity], records: Sequence[Record]) -> Iterator[str]:
    """Say of columns that nothing fills that they are left out, and why."""
    other = []
    for column in columns:
        if reasons := _joined(_reasons(column, records)):
            what = "Energy, and what follows from it," if column.reading else column.title
            yield f"{what} is left out where no run has it: {reasons}."
        else:
            other.append(column.title)
    if other:
        yield f"{_listed(other)} {'is' if len(other) == 1 else 'are'} left out: no run gave a value."


def on_columns(columns: Sequence[Quantity], records: Sequence[Record]) -> Iterator[str]:
    """Return the remarks on the columns that are shown."""
    for column in columns:
        if column.note:
            yield column.note
    energies = [column for column in columns if column.reading]
    if reasons := _joined(sorted({reason for one in energies for reason in _reasons(one, records)})):
        yield f"–: energy was not measured: {reasons}."
    for column in columns:
        if column not in energies and (reasons := _joined(_reasons(column, records))):
            yield f"–: {column.title} is not known: {reasons}."
    found = [
        (record, reading)
        for quantity in columns
        for record in records
        for reading in readings(quantity, [record])
    ]
    for status, (sign, meaning) in MARKS.items():
        for record, reading in [pair for pair in found if pair[1].status == status][:1]:
            yield f"{sign.strip()}: {meaning}; {record.case.id}, for one: {reading.reason or reading.method}."
    for record in records:
        if isinstance(record.result, Cost) and not record.result.known:
            yield f"{record.case.id}: not known to {100 * record.result.target:g} %: the time for measuring it ran out."
    whole = [pair for pair in found if isinstance(pair[0].result, Training) and pair[1].scaled_by != 1]
    for record, reading in whole[:1]:
        why = f"; {record.case.id}, for one: {reading.reason}" if reading.reason else ""
        yield f"The energy of training was measured over a part of the run and scaled to the whole{why}."
    gains = [share for _, reading in found if (share := _gain_share(reading))]
    if gains:
        yield (
            "Intervals of energy are for comparisons on this machine. As absolute values they carry another "
            f"{200 * max(gains):.0f}% (95 %) for the calibration of the sensor."
        )


def on_records(found: ComparableSet, titles: Mapping[str, str]) -> Iterator[str]:
    """Return the remarks on runs: where they started, how they went, and which were left out."""
    yield from _set_up(found.records)
    for text in dict.fromkeys(record.workload.partial for record in found.records if record.workload.partial):
        yield f"The data set is not whole: {text}."
    for text in dict.fromkeys(record.workload.subset for record in found.records if record.workload.subset):
        yield f"A part of the data set was used: {text}."
    for record in found.records:
        result = record.result
        if isinstance(result, Training) and result.status == "diverged":
            step = result.diverged_at_step
            yield f"{_run(record, titles)} diverged at step {step}: the loss or the network's outputs were not finite."
    for record in found.records:
        if isinstance(record.result, Training) and record.result.resumed:
            times = _count(record.result.resumed, "time")
            said = "".join(f"; {remark}" for remark in record.result.remarks)
            yield f"{_run(record, titles)} was interrupted {times} and went on from a checkpoint{said}."
    yield from _optimism(found.records, titles)
    if better := list(_better_epochs(found.records, titles)):
        yield f"Better in an earlier epoch by more than the margin: {'; '.join(better)}."
    yield from _once(found.records, titles)
    for text in dict.fromkeys(record.disturbed for record in found.records if record.disturbed):
        yield f"Disturbed: {text}."
    yield from _few_pairs(found, titles)
    for name in dict.fromkeys(record.case.technique for record in found.versions):
        older = [record for record in found.versions if record.case.technique == name]
        yield (
            f"{titles[name]} was changed since: {_count(len(older), 'record')} of an older version of its file "
            f"{'is' if len(older) == 1 else 'are'} left out."
        )
    if found.older:
        verb = "is" if found.older == 1 else "are"
        yield f"{_count(found.older, 'older record')} of cases that were measured again {verb} left out."


def failure_lines(records: Sequence[Record]) -> Iterator[str]:
    """Say which cases failed, how, and what to do; once for all that failed on a workload alike."""
    alike: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        failure = record.result
        if isinstance(failure, Failure):
            said = (
                f"{failure.stage}: {failure.error.rstrip('.')}. Next step: {failure.next_step.rstrip('.')}."
            )
            alike.setdefault((record.workload.title, said), []).append(record)
    for (workload, said), (first, *others) in alike.items():
        more = f", and {_count(len(others), 'other case')}" if others else ""
        case = first.case
        yield f"{first.technique.title} on {workload}, {case.kind}, seed {case.seed}{more}: {said}"


def skip_lines(records: Sequence[Record]) -> Iterator[str]:
    """Say which techniques had nothing to do, and why; once for all seeds and both kinds of case."""
    yield from dict.fromkeys(
        f"{record.technique.title} on {record.workload.title}: {record.result.reason.rstrip('.')}."
        for record in records
        if isinstance(record.result, Skipped)
    )


def _reasons(quantity: Quantity, records: Sequence[Record]) -> list[str]:
    return sorted({reason for record in records if (reason := quantity.why_missing(record))})


def _joined(reasons: Sequence[str]) -> str:
    rest = len(reasons) - REASONS_SHOWN
    return "; ".join(
        [*reasons[:REASONS_SHOWN], *([f"and {_count(rest, 'other reason')}"] if rest > 0 else [])]
    )


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _run(record: Record, titles: Mapping[str, str]) -> str:
    return f"{titles[record.case.technique]}, seed {record.case.seed},"


def _gain_share(reading: Reading) -> float:
    return reading.uncertainty.gain_j / reading.energy_j if reading.uncertainty and reading.energy_j else 0.0


def _set_up(records: Sequence[Record]) -> Iterator[str]:
    for name, weights in sorted(
        {(r.workload.title, r.workload.weights) for r in records if r.workload.weights}
    ):
        yield f"The networks on {name} started from the weights {weights}."
    sizes = {(r.workload.title, r.result.input_size) for r in records if isinstance(r.result, Inference)}
    for name, size in sorted(sizes):
        what = f"images of {size[0]} x {size[1]} pixels" if len(size) == 2 else f"inputs of shape {size}"
        yield f"Inference on {name} was measured on {what}."
    if any(r.case.setting.get("data") == RANDOM for r in records):
        yield "Random images are neither decoded nor augmented: what that would cost is not in these values."
    if any(r.case.setting.get("weights") == TRAINED for r in records):
        yield "Networks were measured with the weights that the same case trained."
    for part in sorted({r.case.setting["vary"] for r in records if "vary" in r.case.setting}):
        yield f"Seeds vary {_PARTS.get(part, part)} alone; all else that is drawn is as with seed 0."
    if any(r.case.setting.get("evaluation") == TILES for r in records):
        yield (
            "Images were evaluated by tiles of the training size, logits averaged where tiles overlap: a technique here "
            "works at that size alone. Scores of full images are another table's."
        )


def _once(records: Sequence[Record], titles: Mapping[str, str]) -> Iterator[str]:
    """Say what was spent once, before the first epoch: once for each technique."""
    told = set()
    for record in records:
        result, title = record.result, titles[record.case.technique]
        if not isinstance(result, Training) or title in told:
            continue
        told.add(title)
        if result.warm_up is not None:
            yield f"{title}: warming up took {_spent(result.warm_up)}, apart from the time and energy of its training."
        if result.teacher is not None:
            yield f"{title}: the time and energy of its training hold {_spent(result.teacher)} of its teacher's."


def _spent(reading: Reading) -> str:
    energy = "" if reading.energy_j is None else f" and {si(reading.energy_j, 'J')}"
    return f"{si(reading.seconds, 's')}{energy}"


def _better_epochs(records: Sequence[Record], titles: Mapping[str, str]) -> Iterator[str]:
    for record in records:
        result, last = record.result, SCORE.take(record)
        if not isinstance(result, Training) or result.best is None or last is None:
            continue
        score = SCORE.of(record.workload.metric)
        gain = result.best - last if score.better == "higher" else last - result.best
        if gain > load_margins().of(score, last):
            best = shown(written(score, Estimate(result.best, 1, None)))
            yield f"{_run(record, titles)} {best} in epoch {result.best_epoch}"


def _optimism(records: Sequence[Record], titles: Mapping[str, str]) -> Iterator[str]:
    """Say by how much the best epoch flatters: it is picked by the images that it is judged on."""
    gains: dict[str, list[float]] = {}
    for record in records:
        result, last = record.result, SCORE.take(record)
        if isinstance(result, Training) and result.best is not None and last is not None:
            gains.setdefault(record.case.technique, []).append(abs(result.best - last))
    means = {name: fmean(values) for name, values in gains.items()}
    if not means or not max(means.values()):
        return
    score = SCORE.of(records[0].workload.metric)
    factor, unit = (100, " points") if score.unit == "%" else (1, f" {score.unit}" if score.unit else "")
    mean, most = fmean(means.values()), max(means, key=lambda name: means[name])
    yield (
        "Tables and verdicts take the last epoch. The best one, picked by the validation images that it is judged on, is "
        f"{factor * mean:.2g}{unit} better in the mean of techniques, and {factor * means[most]:.2g}{unit} for "
        f"{titles[most]}."
    )


def _few_pairs(found: ComparableSet, titles: Mapping[str, str]) -> Iterator[str]:
    """Name the techniques that have fewer pairs with the baseline than runs with a score."""
    pairs = {verdict.technique: verdict.n for verdict in found.verdicts if verdict.quantity == SCORE.name}
    scored = Counter(record.case.technique for record in found.records if SCORE.take(record) is not None)
    baseline = scored.pop(BASELINE, 0)
    for name, runs in scored.items() if baseline else ():
        if pairs.get(name, 0) < runs:
            yield (
                f"{titles[name]} has {_count(pairs.get(name, 0), 'seed')} in common with the baseline, of {runs}: its "
                "verdicts rest on these alone."
            )
