"""The techniques: this folder, the entry-point group of the same name, and files given by the user.

A technique is one Python file that defines ``TECHNIQUE``; its docstring is the method card. Nothing
lists the files: putting one here is all there is to adding one.
"""

from __future__ import annotations

import importlib.util
import inspect
import pkgutil
from collections.abc import Iterable, Mapping
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

from greenbench.errors import UserError
from greenbench.recipe import Technique, compose

ENTRY_POINT_GROUP = "greenbench.techniques"
BASELINE = "baseline"

Techniques = Mapping[str, Technique]


def discover(files: Iterable[Path] = ()) -> dict[str, Technique]:
    """Return all techniques by name, the baseline first.

    Parameters
    ----------
    files
        Python files of the user's, each with a ``TECHNIQUE``.

    Raises
    ------
    UserError
        For a file that cannot be imported, one without a technique, or two techniques of one name; it
        names the file and the cause.
    """
    found: dict[str, Technique] = {}
    for technique in (*_built_in(), *_installed(), *(_from_file(file) for file in files)):
        if technique.name in found:
            raise UserError(
                f"two techniques are named {technique.name!r}: {found[technique.name].source} and "
                f"{technique.source}; rename one of them"
            )
        found[technique.name] = technique
    return dict(sorted(found.items(), key=lambda item: (item[0] != BASELINE, item[0])))


def find(techniques: Techniques, name: str) -> Technique:
    """Return the technique of that name; ``a+b`` is composed of its parts.

    Raises
    ------
    UserError
        For an unknown name, with all the known ones.
    """
    parts = name.split("+")
    for part in parts:
        if part not in techniques:
            raise UserError(f"technique {part!r} is unknown; there are {', '.join(techniques)}")
    if len(parts) == 1:
        return techniques[name]
    if BASELINE in parts or len(set(parts)) < len(parts):
        raise UserError(f"technique {name!r}: compose different techniques, without the baseline")
    return compose([techniques[part] for part in parts])


def _built_in() -> Iterable[Technique]:
    for module in pkgutil.iter_modules(__path__):
        yield _technique_of(importlib.import_module(f"{__name__}.{module.name}"), f"{module.name}.py")


def _installed() -> Iterable[Technique]:
    for point in entry_points(group=ENTRY_POINT_GROUP):
        origin = f"{point.value} of package {point.dist.name if point.dist else '?'}"
        try:
            module = importlib.import_module(point.module)
        except Exception as error:
            raise UserError(f"the technique {origin} cannot be imported: {_cause(error)}") from error
        yield _technique_of(module, origin)


def _from_file(file: Path) -> Technique:
    if not file.is_file():
        raise UserError(f"the technique file {file} does not exist; give the path of a Python file")
    # A name of its own, so that a user's mixup.py and this package's do not meet in sys.modules.
    spec = importlib.util.spec_from_file_location(f"greenbench_technique_{file.stem}", file)
    if spec is None or spec.loader is None:
        raise UserError(f"the technique file {file} is not a Python file; its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise UserError(f"the technique file {file} cannot be imported: {_cause(error)}") from error
    return _technique_of(module, str(file))


def _technique_of(module: ModuleType, origin: str) -> Technique:
    technique = getattr(module, "TECHNIQUE", None)
    if not isinstance(technique, Technique):
        what = (
            "defines no TECHNIQUE"
            if technique is None
            else f"defines TECHNIQUE as {type(technique).__name__}"
        )
        raise UserError(f"the technique file {origin} {what}; it needs TECHNIQUE = Technique(...)")
    return replace(
        technique,
        card=inspect.cleandoc(module.__doc__ or ""),
        source=origin,
        code=Path(module.__file__ or "").read_text(encoding="utf-8"),
    )


def _cause(error: Exception) -> str:
    if isinstance(error, SyntaxError):
        return f"line {error.lineno}: {type(error).__name__}: {error.msg}"
    return f"{type(error).__name__}: {error}"
