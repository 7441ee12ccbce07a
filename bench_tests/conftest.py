"""Warnings are errors in the suite's own tests, and nowhere else: the study must survive other people's."""

from pathlib import Path

import pytest

OWN = [Path(__file__).parent / name for name in ("techniques", "harness")]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: takes more than a few seconds; runs in CI")


def pytest_itemcollected(item: pytest.Item) -> None:
    if any(item.path.is_relative_to(folder) for folder in OWN):
        item.add_marker(pytest.mark.filterwarnings("error"), append=False)
