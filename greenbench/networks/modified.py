"""A network factory that builds another one's network and then changes it. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from greenbench.errors import UserError
from greenbench.spec.recipe import NetworkFactory, Recipe

if TYPE_CHECKING:
    from torch import nn

Change = Callable[["nn.Module"], None]
"""Changes a network in place."""


@dataclass(frozen=True)
class ModifiedNetwork:
    """Builds `base`'s network and applies `change` to it."""

    base: NetworkFactory
    technique: str
    change: Change

    def __call__(self) -> nn.Module:
        """Return a new network."""
        network = self.base()
        self.change(network)
        return network


def modify_network(recipe: Recipe, technique: str, change: Change) -> Recipe:
    """Return `recipe` with its network changed.

    Raises
    ------
    UserError
        If the same technique has changed it before.
    """
    factory: NetworkFactory = recipe.network
    while isinstance(factory, ModifiedNetwork):
        if factory.technique == technique:
            raise UserError(
                f"technique {technique!r} has been applied to this recipe before", "apply it once"
            )
        factory = factory.base
    return replace(recipe, network=ModifiedNetwork(recipe.network, technique, change))
