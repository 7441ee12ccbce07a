"""One case of the study: technique x data set x protocol x seed. Imports no torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Literal

from greenbench.datasets import Dataset
from greenbench.protocol import Protocol
from greenbench.recipe import Technique
from greenbench.tasks import baseline_recipe

Kind = Literal["training", "inference"]

KEY_LENGTH = 12


@dataclass(frozen=True)
class Case:
    """What is run, completely: two runs with equal cases do the same work.

    Attributes
    ----------
    kind
        ``training`` or ``inference``.
    technique
        Its name; ``a+b`` for a composition.
    technique_sha256
        Digest of its source file, so that an edited technique is another case.
    dataset
        Its name.
    protocol
        The whole protocol.
    seed
        Seed of the run.
    """

    kind: Kind
    technique: str
    technique_sha256: str
    dataset: str
    protocol: Protocol
    seed: int

    @property
    def id(self) -> str:
        """The pair's name, as in test ids: ``mixup-digits``."""
        return f"{self.technique}-{self.dataset}"

    @property
    def key(self) -> str:
        """Hash of everything above."""
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:KEY_LENGTH]


@dataclass(frozen=True)
class Pair:
    """A technique on a data set, with one case for each seed."""

    technique: Technique
    dataset: Dataset
    cases: tuple[Case, ...]

    @property
    def id(self) -> str:
        """As in test ids: ``mixup-digits``."""
        return self.cases[0].id


def pairs(
    kind: Kind, techniques: Iterable[Technique], datasets: Iterable[Dataset], protocol: Protocol, seeds: int
) -> list[Pair]:
    """Return the study's matrix, data set by data set.

    Training has every technique that applies to the data set's task. Inference has those that change the
    network; for the others it would measure the baseline again.

    Raises
    ------
    UserError
        If a technique leaves a recipe unchanged that it claims to change.
    """
    chosen = list(techniques)
    matrix = []
    for dataset in datasets:
        baseline = baseline_recipe(dataset, protocol)
        for technique in chosen:
            if dataset.task not in technique.tasks:
                continue
            changed = baseline.changed_fields(technique(baseline))
            if kind == "inference" and not technique.is_baseline and "network" not in changed:
                continue
            cases = tuple(
                Case(kind, technique.name, technique.source_sha256, dataset.name, protocol, seed)
                for seed in range(seeds)
            )
            matrix.append(Pair(technique, dataset, cases))
    return matrix
