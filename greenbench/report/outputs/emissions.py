"""The CO2 of each technique's training as the metadata of a model card on the Hugging Face Hub (`co2_eq_emissions`).

One YAML document for each technique on each workload; a card takes the lines of one. Emissions are in grams of CO2-equivalent, as the
Hub asks for them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from greenbench.energy.carbon import co2_kg
from greenbench.records.elsewhere import Elsewhere
from greenbench.records.record import by_technique
from greenbench.report.content import Content
from greenbench.report.escape import one_line
from greenbench.report.sections import Section
from greenbench.report.values import measured, readings
from greenbench.spec.case import IMPORTED
from greenbench.verdict.quantities import TRAIN_ENERGY
from greenbench.version import VERSION

NONE = "# No energy was measured, so there are no emissions to state.\n"


def render(content: Content) -> str:
    """Return the file; a comment alone where nothing was measured."""
    documents = [document for section in content.sections for document in _documents(section, content)]
    return "---\n".join(documents) or NONE


def _documents(section: Section, content: Content) -> Iterator[str]:
    machine = section.machine
    hardware = machine.table if isinstance(machine, Elsewhere) else machine.gpu or machine.cpu
    for found in section.sets:
        for name, records in by_technique(found.records).items():
            case = records[0].case
            mean = measured(TRAIN_ENERGY, records) if case.kind in ("training", IMPORTED) else None
            grams = co2_kg(None if mean is None else mean.mean, content.intensity)
            if mean is None or grams is None:
                continue
            methods = sorted({reading.method for reading in readings(TRAIN_ENERGY, records)})
            how = f"{', '.join(methods) or 'imported'}; training work alone, mean of {mean.runs} runs"
            fields = {
                "emissions": float(f"{1000 * grams:.4g}"),
                "source": f"greenbench {VERSION} ({how}; {content.intensity})",
                "training_type": "fine-tuning" if records[0].workload.weights else "pre-training",
                "hardware_used": hardware,
            }
            lines = [f"  {field}: {_yaml(value)}" for field, value in fields.items()]
            yield "\n".join(
                [f"# {one_line(name)} on {one_line(case.workload)}", "co2_eq_emissions:", *lines, ""]
            )


def _yaml(value: object) -> str:
    """Write a value in YAML, of which JSON is a part."""
    return json.dumps(value if isinstance(value, float) else one_line(str(value)), ensure_ascii=False)
