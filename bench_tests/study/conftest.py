"""Short names for the marks of the study's cases, inside this folder alone."""

import pytest

from greenbench.plugin.options import usual_workers


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marks."""
    for mark in (
        "training: trains a technique on a workload",
        "inference: measures a technique's network",
        "cost: tells what a training would cost; runs where -m or the file asks for it",
        "technique(name): the technique of a case",
        "workload(name): the workload of a case",
        "dataset(name): the same",
    ):
        config.addinivalue_line("markers", mark)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return what -n auto means: a worker for each free GPU."""
    return usual_workers()


def pytest_collection_modifyitems(config, items):
    """Leave cost cases out of a run that does not ask for them: what they tell, the trainings tell, too."""
    if "cost" in (config.option.markexpr or "") or any("test_cost" in str(name) for name in config.args):
        return
    left_out = [item for item in items if item.get_closest_marker("cost")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def pytest_itemcollected(item: pytest.Item) -> None:
    """Set the marks."""
    case = item.get_closest_marker("green_case")
    if case is not None:
        item.add_marker(case.kwargs["kind"])
        item.add_marker(pytest.mark.technique(name=case.kwargs["technique"]))
        item.add_marker(pytest.mark.workload(name=case.kwargs["workload"]))
        item.add_marker(pytest.mark.dataset(name=case.kwargs["workload"]))
