"""Counts the networks of Tables 3 and 4 again and holds the counts against the printed numbers.

Counting imports torch, inside functions. The counts of the default counter are kept in ``counted.csv``, so that
auditing needs none.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from greenbench.audit.entries import size_text
from greenbench.errors import UserError
from greenbench.paper.cells import find_cell, published_cells, verdict_against
from greenbench.paper.setups import ARCHITECTURES, SETUPS, catalog
from greenbench.spec.recipe import Size
from greenbench.spec.scale import INPUTS, Inputs

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Row:
    """One network of Tables 3 and 4: what we count beside what is printed.

    Attributes
    ----------
    dataset, technique, classes
        Which network.
    basis
        Where `input` and `flops_input` come from.
    input, flops_input
        Height x width for which the network is built, and for which multiply-adds are counted.
    params, conv_macs, full_macs
        See `greenbench.execute.counts.Counts`.
    printed_params, printed_flops
        The digits in the table.
    params_scale
        Parameters that one printed unit stands for: 1e6, and 1e7 in Table 4 with its slip undone.
    params_verdict, flops_verdict
        ``rounds``, ``truncates`` or ``differs``.
    """

    dataset: str
    technique: str
    basis: Inputs
    classes: int | None
    input: str
    flops_input: str
    params: int
    conv_macs: int
    full_macs: int
    printed_params: str
    printed_flops: str
    params_scale: float
    params_verdict: str
    flops_verdict: str


def recount(basis: Inputs = "fitted", counter: str = "torch") -> Iterator[Row]:
    """Count all 30 networks of Tables 3 and 4, in the order of the tables.

    Raises
    ------
    UserError
        If basis or counter is unknown.
    """
    if basis not in INPUTS:
        raise UserError(f"inputs {basis!r} are unknown", f"choose one of {', '.join(INPUTS)}")
    for dataset in SETUPS:
        for technique in ARCHITECTURES:
            row = _printed_row(dataset, technique, basis)
            if row is not None:
                yield _judged(_count(row, counter))


@cache
def counted(basis: Inputs = "fitted") -> dict[tuple[str, str], Row]:
    """Return the shipped counts by (dataset, technique), without counting."""
    text = resources.files(__package__).joinpath("counted.csv").read_text(encoding="utf-8")
    found = {}
    for line in csv.DictReader(text.splitlines()):
        row = _printed_row(line["dataset"], line["technique"], basis)
        if line["basis"] == basis and row is not None:
            row = replace(
                row,
                params=int(line["params"]),
                conv_macs=int(line["conv_macs"]),
                full_macs=int(line["full_macs"]),
            )
            found[row.dataset, row.technique] = _judged(row)
    return found


def _printed_row(dataset: str, technique: str, basis: Inputs) -> Row | None:
    """Return the row with nothing counted yet, or None where the tables have none."""
    params = find_cell(published_cells(), dataset, technique, "params")
    flops = find_cell(published_cells(), dataset, technique, "flops")
    if params is None or flops is None:
        return None
    setup, workload = SETUPS[dataset], catalog().workloads[dataset]
    flops_input = workload.inference_size(basis) or ()
    fitted = basis == "fitted"
    return Row(
        dataset=dataset,
        technique=technique,
        basis=basis,
        classes=setup.params_classes if fitted and setup.params_classes else workload.num_classes,
        input=size_text(setup.params_input if fitted and setup.params_input else flops_input),
        flops_input=size_text(flops_input),
        params=0,
        conv_macs=0,
        full_macs=0,
        printed_params=params.printed,
        printed_flops=flops.printed,
        params_scale=setup.params_scale,
        params_verdict="",
        flops_verdict="",
    )


def _count(row: Row, counter: str) -> Row:
    from greenbench.execute.counts import count

    size, flops_size = _as_size(row.input), _as_size(row.flops_input)
    network = _network(row, size)
    params = sum(parameter.numel() for parameter in network.parameters())
    if flops_size != size:
        network = _network(row, flops_size)
    counts = count(network, (1, 3, *flops_size), counter)
    return replace(row, params=params, conv_macs=counts.conv_macs, full_macs=counts.full_macs)


def _judged(row: Row) -> Row:
    return replace(
        row,
        params_verdict=verdict_against(row.printed_params, row.params / row.params_scale),
        flops_verdict=verdict_against(row.printed_flops, row.conv_macs / 1e9),
    )


def _as_size(text: str) -> Size:
    height, _, width = text.partition("x")
    return int(height), int(width)


def _network(row: Row, size: Size) -> nn.Module:
    """Build the row's network on the meta device, where it takes neither time nor memory."""
    import torch

    workload = replace(catalog().workloads[row.dataset], num_classes=row.classes, image_size=size)
    recipe = catalog().techniques[row.technique](workload.recipe("paper"))
    with torch.device("meta"):
        return recipe.network()
