"""greenbench: what a deep-learning training technique gains, and what it costs.

A **Technique** changes a **Recipe**. A **Workload** brings data, network, baseline recipe and metric. Both together, at a
**Scale**, make a **Case**. Each case that is run leaves a **Record**. Energy in it is a **Reading**: joules with their
status, or the reason why there are none. What is compared is a **Quantity**, and what the records say of it a **Verdict**.

Write a technique as one function in a file of your own::

    from dataclasses import replace

    import torch

    import greenbench


    @greenbench.technique("Loss Function", "Szegedy et al. 2015, arXiv:1512.00567", tasks=("classification",))
    def smoothed_labels(recipe):
        '''Label smoothing: targets leave a tenth to all classes.'''
        return replace(recipe, loss=lambda: torch.nn.CrossEntropyLoss(label_smoothing=0.1))

and run it beside the baseline with ``pytest bench_tests/study --green-file smoothed_labels.py``, or, where greenbench is
installed without its checkout, ``pytest --pyargs greenbench.cases --green-file smoothed_labels.py``. Data and network of
your own are a function, too (`greenbench.workload`)::

    @greenbench.workload(metric="accuracy", epochs=10, batch_size=64)
    def flowers(root):
        train, validation = greenbench.image_folders(root / "flowers", size=64)
        return train, validation, lambda: torchvision.models.resnet18(num_classes=17)

Records and report.md are then in ``reports/local``::

    records = greenbench.load_records("reports/local")
    for verdict in greenbench.verdicts(records):
        print(verdict.technique, verdict.workload, verdict.quantity, verdict.word)

Energy alone, of any work (`@greenbench.measured` does the same for every call of a function)::

    with greenbench.measuring("work") as window:
        ...
    print(window.reading.energy_j, window.reading.status, window.reading.reason)

On the command line, ``greenbench --help`` lists the rest. Importing this module imports nothing else of the package.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from greenbench import version

if TYPE_CHECKING:
    from greenbench.data.augmentation import Augmentation as Augmentation
    from greenbench.data.decorator import workload as workload
    from greenbench.data.folders import image_folders as image_folders
    from greenbench.data.normalization import Normalization as Normalization
    from greenbench.energy import Meter as Meter
    from greenbench.energy import Reading as Reading
    from greenbench.energy import Status as Status
    from greenbench.energy import open_meter as open_meter
    from greenbench.energy.measuring import measured as measured
    from greenbench.energy.measuring import measuring as measuring
    from greenbench.errors import NotApplicable as NotApplicable
    from greenbench.errors import UserError as UserError
    from greenbench.records.folder import load_records as load_records
    from greenbench.records.record import Record as Record
    from greenbench.spec.case import Case as Case
    from greenbench.spec.recipe import Recipe as Recipe
    from greenbench.spec.scale import Scale as Scale
    from greenbench.spec.setting import Subset as Subset
    from greenbench.spec.technique import Technique as Technique
    from greenbench.spec.technique import technique as technique
    from greenbench.spec.workload import Metric as Metric
    from greenbench.spec.workload import Setting as Setting
    from greenbench.spec.workload import Workload as Workload
    from greenbench.study.catalog import discover as discover
    from greenbench.verdict.quantities import Quantity as Quantity
    from greenbench.verdict.verdict import Verdict as Verdict
    from greenbench.verdict.verdict import verdicts as verdicts

__version__ = version.VERSION

_HOME = {
    "Recipe": "spec.recipe",
    "Technique": "spec.technique",
    "technique": "spec.technique",
    "Workload": "spec.workload",
    "workload": "data.decorator",
    "image_folders": "data.folders",
    "Augmentation": "data.augmentation",
    "Normalization": "data.normalization",
    "Setting": "spec.workload",
    "Subset": "spec.setting",
    "Metric": "spec.workload",
    "Scale": "spec.scale",
    "Case": "spec.case",
    "discover": "study.catalog",
    "Record": "records.record",
    "load_records": "records.folder",
    "Quantity": "verdict.quantities",
    "Verdict": "verdict.verdict",
    "verdicts": "verdict.verdict",
    "Meter": "energy",
    "Reading": "energy",
    "Status": "energy",
    "open_meter": "energy",
    "measuring": "energy.measuring",
    "measured": "energy.measuring",
    "UserError": "errors",
    "NotApplicable": "errors",
}

__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'greenbench' has no attribute {name!r}")
    try:
        return getattr(importlib.import_module(f"greenbench.{_HOME[name]}"), name)
    except ModuleNotFoundError as error:
        from greenbench.extras import STUDY, missing_study

        if error.name not in STUDY:
            raise
        raise missing_study(error.name) from error


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
