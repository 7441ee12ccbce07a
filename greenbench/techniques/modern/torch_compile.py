"""Compilation."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from greenbench.networks.modified import modify_network
from greenbench.spec.recipe import Recipe
from greenbench.spec.technique import technique

if TYPE_CHECKING:
    from torch import nn


@technique(
    "Training Procedure",
    "Ansel et al. 2024, doi:10.1145/3620665.3640366",
    title="torch.compile",
    work_share=None,
)
def torch_compile(recipe: Recipe) -> Recipe:
    """Compile: the network's operations are fused into kernels that are made for it before the first step.

    ``f = compile(f)``: the same function, up to rounding.

    **Source.** Ansel et al. 2024, PyTorch 2: Faster Machine Learning Through Dynamic Python Bytecode Transformation and
    Graph Compilation, ASPLOS, doi:10.1145/3620665.3640366.

    **Settings.** `torch.nn.Module.compile` as it comes. Loss, optimizer and data are not compiled. What is compiled
    before the first step is timed apart.

    **Deviations.** None known. Batches of another size, as the last of an epoch, and the evaluation are compiled when
    they first come, within the run.

    **Not reproducible.** Weights, bit for bit: fused kernels round differently, and differ between devices.
    """
    return replace(modify_network(recipe, torch_compile.name, compile_itself), warm_up=True)


def compile_itself(network: nn.Module) -> None:
    """Let the network compile itself on its first use."""
    network.compile()
