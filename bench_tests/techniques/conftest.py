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


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    """Run on one thread: the arrays here are small, and threads would wait for each other."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
