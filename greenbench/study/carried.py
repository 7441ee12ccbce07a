"""A catalog that takes the user's files along to another machine."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from greenbench.errors import UserError
from greenbench.records.conditions import engine_digest
from greenbench.spec.source import files_of
from greenbench.study.catalog import Catalog, discover

Contents = tuple[tuple[str, str, bytes], ...]
"""Of files: the user's file that each belongs to, its place relative to that file's folder, and what is in it."""


class Carried:
    """Becomes a `Catalog` where it is unpickled, with copies of the user's files and of the modules beside them."""

    def __init__(self, catalog: Catalog) -> None:
        self._contents: Contents = tuple(
            (str(file), str(path.relative_to(file.parent)), path.read_bytes())
            for file in catalog.files
            for path in sorted(files_of(file))
        )

    def __reduce__(self) -> tuple[Callable[..., Catalog], tuple[Contents, str]]:
        return unpacked, (self._contents, engine_digest())


def unpacked(contents: Contents, engine: str) -> Catalog:
    """Write the files below the folder for temporary ones, once, and return the catalog of them.

    Raises
    ------
    UserError
        If greenbench's code here is another than where they come from.
    """
    if engine != engine_digest():
        raise UserError(
            f"{os.uname().nodename} has another version of greenbench's code",
            "install the same one on all machines",
        )
    digest = sha256(repr(contents).encode()).hexdigest()[:24]
    home = Path(tempfile.gettempdir()) / f"greenbench-carried-{os.getuid()}" / digest
    places = {
        name: home / str(number) for number, name in enumerate(dict.fromkeys(n for n, _, _ in contents))
    }
    if not home.exists():
        home.parent.mkdir(mode=0o700, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=home.parent))
        for name, path, content in contents:
            file = draft / places[name].name / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        try:
            draft.rename(home)
        except OSError:  # another process was faster
            shutil.rmtree(draft)
    return discover([folder / Path(name).name for name, folder in places.items()])
