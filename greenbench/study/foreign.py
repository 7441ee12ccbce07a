"""Other people's code: reads files and modules, and says in a sentence what is wrong with them.

A user's file finds the modules beside it, as a script does, and those beside a file in another folder are never taken
for them.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from greenbench.errors import UserError

PACKAGE = Path(__file__).parents[1]

_CURES: tuple[tuple[type[BaseException], str], ...] = (
    (SystemExit, "take out what ends the program, or put it below if __name__ == '__main__'"),
    (ModuleNotFoundError, "install that package, or put the module beside the file"),
)

_modules: dict[Path, dict[str, ModuleType]] = {}
"""The modules that were found in each user's folder, by name."""

_Loaded = TypeVar("_Loaded")


class _Home(str):
    """An entry of ``sys.path`` that stands there for a user's file."""


def load_file(file: Path) -> ModuleType:
    """Run a user's file as a module; `UserError` if that fails."""
    if not file.is_file():
        what = "is a folder" if file.is_dir() else "does not exist"
        raise UserError(f"the file {file} {what}", "give the path of a Python file")
    # A name of its own, so that it meets no other module in sys.modules.
    name = f"greenbench_file_{file.stem}_{hashlib.sha256(str(file).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise UserError(f"the file {file} is not a Python file", "give one whose name ends in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look their module up
    with beside(file.parent):
        _attempt(partial(spec.loader.exec_module, module), str(file), file)
    return module


def load_installed(name: str, origin: str) -> ModuleType:
    """Import an installed module that reports call `origin`; `UserError` if that fails."""
    return _attempt(partial(importlib.import_module, name), origin)


@contextmanager
def beside(*folders: Path) -> Iterator[None]:
    """Let imports find the modules of some folders before all others, and those of no other user's file."""
    if not folders:
        yield
        return
    for folder in _modules.keys() - set(folders):
        for name in _modules[folder]:
            sys.modules.pop(name, None)
    for folder in folders:
        sys.modules.update(_modules.setdefault(folder, {}))
    sys.path[:] = [*map(_Home, folders), *(path for path in sys.path if not isinstance(path, _Home))]
    before = set(sys.modules)
    try:
        yield
    finally:
        # They stay there: code that is called later may import more of them.
        for name in set(sys.modules) - before:
            top = name.partition(".")[0]
            place = _folder(sys.modules.get(top))
            if place in folders and (top not in before or top in _modules[place]):
                _modules[place][name] = sys.modules[name]


@contextmanager
def quietly() -> Iterator[None]:
    """Send what is printed to standard error, out of the way of what we print, and let no warning be an error."""
    with redirect_stdout(sys.stderr), warnings.catch_warnings():
        if any(action == "error" for action, *_ in warnings.filters):
            warnings.simplefilter("default")
        yield


def _attempt(load: Callable[[], _Loaded], origin: str, file: Path | None = None) -> _Loaded:
    """Run somebody else's module; whatever it raises becomes a sentence."""
    try:
        with quietly():
            return load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # also SystemExit, and what pytest.skip raises
        line, elsewhere = _place(error, file)
        where = f"{origin}, line {line}" if line else origin
        if isinstance(error, UserError):
            raise UserError(f"{where}: {error.problem}", error.next_step or "mend that line") from error
        said = error.msg if isinstance(error, SyntaxError) else str(error)
        cure = next((cure for kind, cure in _CURES if isinstance(error, kind)), "mend that line")
        raise UserError(
            f"{where}: cannot be read: {type(error).__name__}: {said}{elsewhere}", cure
        ) from error


def _place(error: BaseException, file: Path | None) -> tuple[int | None, str]:
    """Return the line of `file` where an error came up, and the place beyond it that it came from, in words."""
    places = [
        (Path(frame.filename), frame.lineno)
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith("<frozen") and not _is_ours(Path(frame.filename))
    ]
    if isinstance(error, SyntaxError) and error.filename is not None:
        places.append((Path(error.filename), error.lineno))
    line = next((line for path, line in reversed(places) if path == file), None)
    path, last = places[-1] if places else (file, line)
    return line, "" if path == file else f" ({path}, line {last})"


def _is_ours(path: Path) -> bool:
    """Whether a frame is of this package, or of the import system."""
    return path.is_relative_to(PACKAGE) or path.parent == Path(importlib.__file__).parent


def _folder(module: ModuleType | None) -> Path | None:
    """Return the folder that a module or package of the first level lies in."""
    spec = getattr(module, "__spec__", None)
    if spec is None:
        return None
    place = next(iter(spec.submodule_search_locations or ()), spec.origin)
    return Path(place).parent if place else None
