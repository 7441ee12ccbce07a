"""What the tests of techniques share: the catalog, and the recipes of every workload and scale."""

import pytest

from greenbench.study.catalog import discover


@pytest.fixture(scope="session")
def catalog():
    return discover()


@pytest.fixture(scope="session")
def recipes(catalog):
    """Baseline recipes by (workload, scale)."""
    return {
        (workload.name, scale): workload.recipe(scale)
        for workload in catalog.workloads.values()
        for scale in workload.settings
    }


@pytest.fixture
def _no_compiler(monkeypatch):
    """A compiler would take minutes; that compiled networks train is tested with their technique."""
    import torch

    monkeypatch.setattr(torch.nn.Module, "compile", lambda self, **_: None)


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    """Run on one thread: the arrays here are small, and threads would wait for each other."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
