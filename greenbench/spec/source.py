"""The code of a technique or a workload: its text, and a digest of it and of the helpers that it imports."""

from __future__ import annotations

import ast
import hashlib
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class Source:
    """Where something is defined.

    Attributes
    ----------
    name
        How reports call the file.
    code
        Its text; kept with every record.
    digest
        SHA-256 of the text and of the helpers below the same folder that it imports, in whichever function.
    """

    name: str = ""
    code: str = ""
    digest: str = ""


@cache
def read_source(file: Path, name: str, package: Path | None = None) -> Source:
    """Read a Python file and the files of the same home that it imports, directly or through others.

    Parameters
    ----------
    file
        What to read.
    name
        How reports call it.
    package
        Folder of the package that the file belongs to. Without one, the file's own folder is its home.
    """
    file = file.resolve()
    home = (package or file.parent).resolve()
    start = home.parent if package else home
    digest = hashlib.sha256()
    for path in sorted(_with_imports(file, home, start)):
        digest.update(str(path.relative_to(home)).encode() + b"\0" + path.read_bytes())
    with tokenize.open(file) as text:  # in the encoding that the file declares
        return Source(name, text.read(), digest.hexdigest())


def digest_of_folders(folders: tuple[Path, ...]) -> str:
    """Return one digest of all Python files in some folders, at any depth."""
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted(folder.rglob("*.py")):
            digest.update(str(path.relative_to(folder.parent)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def files_of(file: Path) -> set[Path]:
    """Return a user's file and what it imports from its own folder, directly or through others."""
    file = file.resolve()
    return _with_imports(file, file.parent, file.parent)


def _with_imports(file: Path, home: Path, start: Path) -> set[Path]:
    found: set[Path] = set()
    left = [file]
    while left:
        path = left.pop()
        if path not in found:
            found.add(path)
            left += (path for path in _imported(path, start) if path.is_relative_to(home))
    return found


def _imported(file: Path, root: Path) -> Iterator[Path]:
    """Go through the files below `root`, or beside the file, that it names in its import statements."""
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _files(root, alias.name)
        elif isinstance(node, ast.ImportFrom):
            start = file.parents[node.level - 1] if node.level else root
            module = node.module or ""
            yield from _files(start, module)
            for alias in node.names:
                yield from _files(start, f"{module}.{alias.name}".strip("."))


def _files(start: Path, module: str) -> Iterator[Path]:
    """Go through the files that a dotted name stands for below a folder: packages on the way, and the module."""
    place = start
    for part in filter(None, module.split(".")):
        place = place / part
        files = [path for path in (place.with_suffix(".py"), place / "__init__.py") if path.is_file()]
        yield from (path.resolve() for path in files)
        if not files and not place.is_dir():
            return
