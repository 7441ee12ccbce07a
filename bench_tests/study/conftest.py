"""Short names for the marks of the study's cases, inside this folder alone."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marks."""
    for mark in (
        "training: trains a technique on a workload",
        "inference: measures a technique's network",
        "technique(name): the technique of a case",
        "workload(name): the workload of a case",
        "dataset(name): the same",
    ):
        config.addinivalue_line("markers", mark)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Set the marks."""
    case = item.get_closest_marker("green_case")
    if case is not None:
        item.add_marker(case.kwargs["kind"])
        item.add_marker(pytest.mark.technique(name=case.kwargs["technique"]))
        item.add_marker(pytest.mark.workload(name=case.kwargs["workload"]))
        item.add_marker(pytest.mark.dataset(name=case.kwargs["workload"]))
