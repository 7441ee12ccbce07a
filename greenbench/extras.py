"""What the package needs beyond its own requirements, and how to get it."""

from __future__ import annotations

from importlib.util import find_spec

from greenbench.errors import UserError

STUDY = ("torch", "torchvision", "fvcore")
"""What training and counting need; meters, fixtures and reports do not."""


def need_study() -> None:
    """Return if cases can be run.

    Raises
    ------
    UserError
        With the command that installs what is missing.
    """
    missing = [name for name in STUDY if not _is_there(name)]
    if missing:
        raise missing_study(missing[0])


def need_ray() -> None:
    """Return if a Ray cluster can be used; `UserError` otherwise."""
    if not _is_there("ray"):
        raise UserError("a Ray cluster needs ray, which is not installed", "pip install 'greenbench[ray]'")


def missing_study(name: str) -> UserError:
    """Return what to say of a module that is not there."""
    return UserError(
        f"running the study needs {name}, which is not installed", "pip install 'greenbench[study]'"
    )


def _is_there(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except (ImportError, ValueError):
        return False
