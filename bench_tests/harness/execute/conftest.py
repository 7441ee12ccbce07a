"""The small run, and one thread to compute it on."""

import pytest
import torch

from bench_tests.harness.execute.small_run import small_data, small_recipe


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    """Threads that wait for each other cost more than these small networks do."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def data():
    return small_data()


@pytest.fixture
def recipe():
    return small_recipe()
