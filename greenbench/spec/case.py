"""A case: one run of the study, as a row that says everything. Imports no torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from typing import Any, Literal

from greenbench.spec.mode import PAPER
from greenbench.spec.scale import TRAINED, VARY_ALL, Scale
from greenbench.spec.technique import Technique
from greenbench.spec.workload import Workload

Kind = Literal["training", "inference", "cost", "imported"]
KINDS: tuple[Kind, ...] = ("training", "inference", "cost")
"""What greenbench runs itself."""

IMPORTED: Kind = "imported"
"""What it reads from a table that others made."""

KEY_LENGTH = 12
FULL_IMAGES, TILES = "full images", "tiles"
"""How a training is evaluated where images have sizes of their own."""

REAL, RANDOM = "its own data", "random images"
"""What the cost of a training is measured on: a workload's data, or images made up in their place."""


@dataclass(frozen=True)
class Case:
    """What is run, completely: two runs with equal cases do the same work.

    Attributes
    ----------
    kind
        ``training``, ``inference``, ``cost``: what a training would cost, or ``imported``: what a table says of a run.
    workload, technique
        Their names; ``a+b`` for a composition.
    workload_digest, technique_digest
        Of their files, so that an edited one makes another case.
    scale
        Name of the scale.
    setting
        What the workload and the scale set for this kind of case, and nothing that it does not depend on.
    mode
        Name of its numerical mode; see `greenbench.spec.mode`.
    seed
        Seed of the run.
    """

    kind: Kind
    workload: str
    workload_digest: str
    scale: str
    setting: Mapping[str, Any]
    technique: str
    technique_digest: str
    mode: str
    seed: int

    @property
    def id(self) -> str:
        """Technique and workload, as in test ids: ``mixup-digits``."""
        return f"{self.technique}-{self.workload}"

    @cached_property
    def key(self) -> str:
        """Hash of everything above."""
        # Not asdict, whose copies take longer than all else that is done with a record.
        text = json.dumps({field.name: getattr(self, field.name) for field in fields(self)}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:KEY_LENGTH]


def case_of(
    kind: Kind, technique: Technique, workload: Workload, scale: Scale, seed: int, mode: str = PAPER.name
) -> Case:
    """Return the case of a technique on a workload at a scale."""
    return Case(
        kind=kind,
        workload=workload.name,
        workload_digest=workload.source.digest,
        scale=scale.name,
        setting=json.loads(
            json.dumps(_SETTINGS[kind](technique, workload, scale))
        ),  # as a record gives it back
        technique=technique.name,
        technique_digest=technique.source.digest,
        mode=mode,
        seed=seed,
    )


def on_random_images(case: Case) -> Case:
    """Return the case of a cost on random images in the place of the workload's own."""
    return replace(case, setting={**case.setting, "data": RANDOM})


def _training_setting(technique: Technique, workload: Workload, scale: Scale) -> dict[str, Any]:
    setting = workload.setting(scale.name)
    evaluation = TILES if technique.fixed_input_size else FULL_IMAGES
    return {
        **({"evaluation": evaluation} if workload.full_image_evaluation else {}),
        **({"subset": asdict(setting.subset)} if setting.subset is not None else {}),
        **({"image_size": setting.image_size} if setting.image_size is not None else {}),
        "epochs": setting.epochs,
        "batch_size": setting.batch_size,
        "learning_rate": setting.learning_rate,
        "network": setting.network,
        "evaluate_every": setting.evaluate_every,
        "training_energy": scale.training_energy,
        **_vary(scale),
        "idle_s": scale.idle_s,
    }


def _inference_setting(_technique: Technique, workload: Workload, scale: Scale) -> dict[str, Any]:
    setting = workload.setting(scale.name)
    return {
        "network": setting.network,
        "large_batch": setting.large_batch,
        "image_size": workload.inference_size(scale.inference.inputs, scale.name),
        **asdict(scale.inference),
        **(_vary(scale) if scale.inference.weights == TRAINED else {}),
        "idle_s": scale.idle_s,
    }


def _vary(scale: Scale) -> dict[str, Any]:
    return {} if scale.vary == VARY_ALL else {"vary": scale.vary}


def _cost_setting(technique: Technique, workload: Workload, scale: Scale) -> dict[str, Any]:
    setting = _training_setting(technique, workload, scale)
    del setting["training_energy"]
    setting.pop("vary", None)
    return {**setting, "idle_s": 0.0, "data": REAL}  # of which no table of costs has anything


_SETTINGS = {"training": _training_setting, "inference": _inference_setting, "cost": _cost_setting}
