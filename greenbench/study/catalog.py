"""The one discovery of techniques and workloads: folders, entry points, and files of the user's.

Any module-level `Technique` or `Workload` counts, also in a tuple or list. Putting a file into ``greenbench/techniques``
or ``greenbench/workloads`` is all there is to adding one to the package. What is wrong with a file of somebody else's
does not keep the others from being read. A name of a technique that runs only when it is asked for is not taken: a file
that defines its own ``sam`` has its way.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType

import greenbench.techniques
import greenbench.workloads
from greenbench.errors import UserError
from greenbench.spec.composition import compose
from greenbench.spec.source import Source, read_source
from greenbench.spec.technique import BASELINE, Technique
from greenbench.spec.workload import Workload
from greenbench.study.checks import check, line_of
from greenbench.study.foreign import load_file, load_installed

ENTRY_POINT_GROUPS = ("greenbench.techniques", "greenbench.workloads")
PAPER = "paper"
"""The collection that lies in the package's folder itself; each sub-package is another one."""

_Item = Technique | Workload


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
    extra
        Names of the techniques that run only when they are asked for, by name or by collection.
    faults
        What is wrong with the user's files, one sentence each.
    installed_faults
        What is wrong with installed packages, likewise.
    files
        The user's files. Where a catalog is pickled they are read anew: functions cannot be.
    """

    techniques: Mapping[str, Technique]
    workloads: Mapping[str, Workload]
    given: frozenset[str] = frozenset()
    extra: frozenset[str] = frozenset()
    faults: tuple[UserError, ...] = ()
    installed_faults: tuple[UserError, ...] = ()
    files: tuple[Path, ...] = ()

    def __reduce__(self) -> tuple[Callable[..., Catalog], tuple[tuple[Path, ...]]]:
        return discover, (self.files,)

    @property
    def baseline(self) -> Technique:
        """What all techniques are compared with."""
        return self.techniques[BASELINE]

    @property
    def default(self) -> tuple[str, ...]:
        """Names of the techniques that run where none is asked for: the files' own, or else all but the extra ones."""
        names = self.given or self.techniques.keys() - self.extra
        return tuple(name for name in self.techniques if name in names or name == BASELINE)

    def technique(self, name: str) -> Technique:
        """Return the technique of that name; ``a+b`` is composed of its parts.

        Raises
        ------
        UserError
            For an unknown name, with all the known ones.
        """
        parts = self.parts(name)
        if len(parts) == 1:
            return self.techniques[name]
        names = [part.name for part in parts]
        if BASELINE in names or len(set(names)) < len(names):
            raise UserError(
                f"technique {name!r} names the baseline, or one part twice", "compose different techniques"
            )
        return compose(parts)

    def parts(self, name: str) -> list[Technique]:
        """Return the techniques that ``a+b`` is composed of; `UserError` for an unknown one."""
        parts = name.split("+")
        for part in parts:
            if part not in self.techniques:
                raise UserError(
                    f"technique {part!r} is unknown{self._left_out()}",
                    f"choose from {', '.join(self.techniques)}",
                )
        return [self.techniques[part] for part in parts]

    def _left_out(self) -> str:
        faults = (*self.faults, *self.installed_faults)
        return f" (left out: {'; '.join(map(str, faults))})" if faults else ""

    def collection(self, name: str) -> tuple[str, ...]:
        """Return the names of the baseline and of a collection's techniques; `UserError` for an unknown one."""
        known = sorted({technique.collection for technique in self.techniques.values()} - {""})
        if name not in known:
            raise UserError(
                f"collection {name!r} is unknown{self._left_out()}", f"choose from {', '.join(known)}"
            )
        return tuple(n for n, t in self.techniques.items() if t.collection == name or t.is_baseline)

    def folders(self, technique: str, workload: str) -> tuple[Path, ...]:
        """Return the folders of the user's files that define a technique, or its parts, and a workload."""
        items: list[_Item] = [*self.parts(technique), self.workloads[workload]]
        return tuple(dict.fromkeys(Path(i.source.name).parent for i in items if i.name in self.given))


def discover(files: Iterable[Path] = ()) -> Catalog:
    """Return all techniques and workloads.

    Parameters
    ----------
    files
        Python files of the user's. One that cannot be read, defines nothing, or takes a name that is taken is among the
        faults of the catalog.
    """
    paths = dict.fromkeys(Path(file).resolve() for file in files)
    shelf = _Shelf()
    for module in _shipped():
        for fault in shelf.put(module):
            raise fault
    shelf.extra = {t.name for t in shelf if isinstance(t, Technique) and t.collection != PAPER}
    installed_faults = _read(shelf, [partial(_installed, point) for point in _entry_points()])
    shipped = {id(item): item for item in shelf}  # held: an id is given anew once its object is gone
    faults = _read(shelf, [partial(_given, path) for path in paths])
    given = [item for item in shelf if id(item) not in shipped]
    techniques = [item for item in shelf if isinstance(item, Technique)]
    workloads = [item for item in shelf if isinstance(item, Workload)]
    return Catalog(
        {t.name: t for t in sorted(techniques, key=lambda t: (not t.is_baseline, t.name))},
        {w.name: w for w in sorted(workloads, key=lambda w: (w.task, w.name))},
        frozenset(item.name for item in given),
        frozenset(shelf.extra),
        faults,
        installed_faults,
        tuple(paths),
    )


def read_shipped() -> None:
    """Read the package's own techniques and workloads once; they are then at hand."""
    for _ in _shipped():
        pass


@dataclass(frozen=True)
class _Module:
    """A module that was read, and what is the same for all that it defines."""

    module: ModuleType
    source: Source
    collection: str

    @property
    def file(self) -> str | None:
        return self.module.__file__

    def items(self) -> Iterator[_Item]:
        """Go through the techniques and workloads in its namespace."""
        for value in vars(self.module).values():
            for item in value if isinstance(value, tuple | list) else (value,):
                if isinstance(item, _Item):
                    yield item


class _Shelf:
    """What was found so far, one of each kind and name."""

    def __init__(self) -> None:
        self._items: dict[tuple[str, str], _Item] = {}
        # Ids of what was found so far: a file that imports a technique of another does not define it.
        self._seen: set[int] = set()
        self.extra: set[str] = set()
        """Names of the shipped techniques that run only when they are asked for: others may take them."""

    def __iter__(self) -> Iterator[_Item]:
        return iter(self._items.values())

    def defined_by(self, module: _Module, files: Collection[str | None]) -> list[_Item]:
        """Return what a module defines, and not another one of some files that are read."""
        return [
            item
            for item in {id(item): item for item in module.items()}.values()
            if id(item) not in self._seen
            and not item.source.digest
            and _file_of(item) not in {*files} - {module.file}
        ]

    def put(self, module: _Module, files: Collection[str | None] = ()) -> Iterator[UserError]:
        """Add what a module defines, and return what is wrong with it."""
        for item in self.defined_by(module, files):
            self._seen.add(id(item))
            try:
                check(item)
                self._add(item, module)
            except UserError as error:
                line = line_of(item.name, module.source)
                place = f"{module.source.name}, line {line}" if line else module.source.name
                yield UserError(f"{place}: {error.problem}", error.next_step)

    def _add(self, item: _Item, module: _Module) -> None:
        kind = "technique" if isinstance(item, Technique) else "workload"
        if isinstance(item, Technique) and item.name in self.extra:
            self.extra.remove(item.name)
            del self._items[kind, item.name]
        other = self._items.get((kind, item.name))
        if other is not None:
            raise UserError(
                f"the {kind} {item.name!r} has the name of one in {other.source.name}", "rename it"
            )
        if isinstance(item, Technique):
            item = replace(item, collection=module.collection)
        self._items[kind, item.name] = replace(item, source=module.source)


def _read(shelf: _Shelf, loads: Iterable[Callable[[], _Module]]) -> tuple[UserError, ...]:
    """Put what other people's modules define on the shelf, and return what is wrong with them."""
    faults, modules = [], []
    for load in loads:
        try:
            modules.append(load())
        except UserError as error:
            faults.append(error)
    files = {module.file for module in modules}
    for module in modules:
        if not shelf.defined_by(module, files):
            faults.append(
                UserError(
                    f"the file {module.source.name} defines no technique and no workload",
                    "decorate a function with @greenbench.technique(category, citation)",
                )
            )
        faults += shelf.put(module, files)
    return tuple(faults)


def _shipped() -> Iterator[_Module]:
    """Go through the package's own modules; a sub-package is a collection of its own."""
    packages = [(greenbench.techniques, PAPER), (greenbench.workloads, "")]
    for package, collection in packages:
        for info in pkgutil.iter_modules(package.__path__):
            module = importlib.import_module(f"{package.__name__}.{info.name}")
            if info.ispkg:
                packages.append((module, info.name))
                continue
            file = Path(module.__file__ or "")
            yield _Module(module, read_source(file, file.name, file.parent), collection)


def _entry_points() -> list[EntryPoint]:
    points = {point.value: point for group in ENTRY_POINT_GROUPS for point in entry_points(group=group)}
    return [points[value] for value in sorted(points)]


def _installed(point: EntryPoint) -> _Module:
    distribution = point.dist.name if point.dist else "?"
    origin = f"{point.value} of package {distribution}"
    module = load_installed(point.module, origin)
    package = sys.modules[point.module.partition(".")[0]]
    folder = Path(package.__file__).parent if hasattr(package, "__path__") and package.__file__ else None
    return _Module(module, read_source(Path(module.__file__ or ""), origin, folder), distribution)


def _given(file: Path) -> _Module:
    return _Module(load_file(file), read_source(file, str(file)), "")


def _file_of(item: _Item) -> str | None:
    """Return the file of a technique's function."""
    code = getattr(item.apply, "__code__", None) if isinstance(item, Technique) else None
    return code.co_filename if code is not None else None
