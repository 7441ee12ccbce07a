"""The one discovery of techniques and workloads: folders, entry points, and files of the user's.

Any module-level `Technique` or `Workload` counts, also in a tuple or list. Putting a file into ``greenbench/techniques``
or ``greenbench/workloads`` is all there is to adding one to the package.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import TypeVar

import greenbench.techniques
import greenbench.workloads
from greenbench.errors import UserError
from greenbench.spec.source import Source, read_source
from greenbench.spec.technique import BASELINE, Technique, compose
from greenbench.spec.workload import Workload

ENTRY_POINT_GROUPS = ("greenbench.techniques", "greenbench.workloads")

_Found = TypeVar("_Found", Technique, Workload)
_Loaded = TypeVar("_Loaded")


@dataclass(frozen=True)
class Catalog:
    """What can be run.

    Attributes
    ----------
    techniques
        By name, the baseline first.
    workloads
        By name, task by task.
    given
        Names of those that the user's files define.
    """

    techniques: Mapping[str, Technique]
    workloads: Mapping[str, Workload]
    given: frozenset[str] = frozenset()

    @property
    def baseline(self) -> Technique:
        """What all techniques are compared with."""
        return self.techniques[BASELINE]

    def technique(self, name: str) -> Technique:
        """Return the technique of that name; ``a+b`` is composed of its parts.

        Raises
        ------
        UserError
            For an unknown name, with all the known ones.
        """
        parts = name.split("+")
        for part in parts:
            if part not in self.techniques:
                raise UserError(f"technique {part!r} is unknown", f"choose from {', '.join(self.techniques)}")
        if len(parts) == 1:
            return self.techniques[name]
        if BASELINE in parts or len(set(parts)) < len(parts):
            raise UserError(
                f"technique {name!r} names the baseline, or one part twice", "compose different techniques"
            )
        return compose([self.techniques[part] for part in parts])


def discover(files: Iterable[Path] = ()) -> Catalog:
    """Return all techniques and workloads.

    Parameters
    ----------
    files
        Python files of the user's.

    Raises
    ------
    UserError
        For a file that cannot be imported, one that defines nothing, or two things of one name.
    """
    paths = dict.fromkeys(Path(file).resolve() for file in files)
    # Ids of what was found so far: a file that imports a technique of another does not define it.
    seen: set[int] = set()
    shipped = [
        *_of_folder(greenbench.techniques, seen),
        *_of_folder(greenbench.workloads, seen),
        *_installed(seen),
    ]
    given = [item for path in paths for item in _of_file(path, seen)]
    found = shipped + given
    techniques = _by_name(item for item in found if isinstance(item, Technique))
    workloads = _by_name(item for item in found if isinstance(item, Workload))
    return Catalog(
        dict(sorted(techniques.items(), key=lambda item: (item[0] != BASELINE, item[0]))),
        dict(sorted(workloads.items(), key=lambda item: (item[1].task, item[0]))),
        frozenset(item.name for item in given),
    )


def _by_name(items: Iterable[_Found]) -> dict[str, _Found]:
    found: dict[str, _Found] = {}
    for item in items:
        if item.name in found:
            raise UserError(
                f"two {type(item).__name__.lower()}s are named {item.name!r}: {found[item.name].source.name} and "
                f"{item.source.name}",
                "rename one of them",
            )
        found[item.name] = item
    return found


def _of_folder(package: ModuleType, seen: set[int]) -> Iterator[Technique | Workload]:
    for info in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"{package.__name__}.{info.name}")
        file = Path(module.__file__ or "")
        yield from _defined_in(module, read_source(file, file.name, file.parent), seen)


def _installed(seen: set[int]) -> Iterator[Technique | Workload]:
    points = {point.value: point for group in ENTRY_POINT_GROUPS for point in entry_points(group=group)}
    for _, point in sorted(points.items()):
        origin = f"{point.value} of package {point.dist.name if point.dist else '?'}"
        module = _attempt(partial(importlib.import_module, point.module), origin)
        package = sys.modules[point.module.partition(".")[0]]
        folder = Path(package.__file__).parent if hasattr(package, "__path__") and package.__file__ else None
        yield from _required(module, read_source(Path(module.__file__ or ""), origin, folder), seen)


def _of_file(file: Path, seen: set[int]) -> Iterator[Technique | Workload]:
    if not file.is_file():
        what = "is a folder" if file.is_dir() else "does not exist"
        raise UserError(f"the file {file} {what}", "give the path of a Python file")
    # A name of its own, so that a user's mixup.py and this package's do not meet in sys.modules.
    name = f"greenbench_file_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise UserError(f"the file {file} is not a Python file", "give one whose name ends in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look their module up
    if str(file.parent) not in sys.path:
        sys.path.append(str(file.parent))  # helpers beside it, as for a script
    _attempt(partial(spec.loader.exec_module, module), str(file))
    yield from _required(module, read_source(file, str(file)), seen)


def _attempt(load: Callable[[], _Loaded], origin: str) -> _Loaded:
    """Run somebody else's module; whatever it raises becomes a sentence."""
    try:
        return load()
    except (Exception, SystemExit) as error:
        raise UserError(
            f"the file {origin} cannot be imported: {_cause(error, origin)}", "mend it"
        ) from error


def _required(module: ModuleType, source: Source, seen: set[int]) -> list[Technique | Workload]:
    found = list(_defined_in(module, source, seen))
    if not found:
        raise UserError(
            f"the file {source.name} defines no technique and no workload",
            "decorate a function with @greenbench.technique(category, citation)",
        )
    return found


def _defined_in(module: ModuleType, source: Source, seen: set[int]) -> Iterator[Technique | Workload]:
    for value in vars(module).values():
        for item in value if isinstance(value, tuple | list) else (value,):
            if isinstance(item, Technique | Workload) and not item.source.digest and id(item) not in seen:
                seen.add(id(item))
                yield replace(item, source=source)


def _cause(error: BaseException, origin: str) -> str:
    if isinstance(error, SyntaxError) and error.filename == origin:
        return f"line {error.lineno}: {type(error).__name__}: {error.msg}"
    lines = []
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == origin:
            lines.append(trace.tb_lineno)
        trace = trace.tb_next
    where = f"line {lines[-1]}: " if lines else ""
    return f"{where}{type(error).__name__}: {error}"
