"""What the tests of techniques share: recipes of every data set and scale."""

import pytest

from greenbench import datasets
from greenbench.protocol import PROTOCOLS
from greenbench.tasks import baseline_recipe


@pytest.fixture(scope="session")
def recipes():
    """Baseline recipes by (data set, scale)."""
    known = datasets.discover()
    return {
        (name, scale.name): baseline_recipe(known[name], scale)
        for scale in PROTOCOLS.values()
        for name in scale.datasets
    }
