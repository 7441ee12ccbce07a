"""What can be wrong with a technique or a workload before it is applied, in a sentence."""

from __future__ import annotations

import ast
import inspect
from contextlib import suppress

from greenbench.errors import UserError
from greenbench.spec.source import Source
from greenbench.spec.technique import Technique
from greenbench.spec.workload import Workload
from greenbench.verdict.tolerances import own_rows


def check(item: Technique | Workload) -> None:
    """Raise `UserError` for fields of a wrong type, a function that takes no recipe, and bounds of nothing."""
    if isinstance(item, Technique):
        _check_technique(item)
    own_rows("", item)


def line_of(name: str, source: Source) -> int | None:
    """Return the line that names a technique or a workload: its function, or the text of its name."""
    for node in ast.walk(ast.parse(source.code)):
        if (isinstance(node, ast.FunctionDef) and node.name == name) or (
            isinstance(node, ast.Constant) and node.value == name
        ):
            return node.lineno
    return None


def _check_technique(technique: Technique) -> None:
    what = f"technique {technique.name!r}"
    apply, tasks = technique.apply, technique.tasks
    if not callable(apply) or isinstance(apply, type):
        raise UserError(
            f"{what} is made of {apply!r}, which is no function", "decorate a function from recipe to recipe"
        )
    try:
        with suppress(ValueError):  # a builtin has no signature
            inspect.signature(apply).bind(None)
    except TypeError as error:
        raise UserError(
            f"the function of {what} cannot be called with a recipe alone: {error}",
            f"let it begin with def {technique.name}(recipe)",
        ) from error
    if tasks is not None and not (
        isinstance(tasks, tuple | list) and all(isinstance(task, str) for task in tasks)
    ):
        raise UserError(
            f"the tasks of {what} are {tasks!r}, not a tuple of names", f"write tasks=({str(tasks)!r},)"
        )
    for name in ("citation", "title", "card"):
        if not isinstance(getattr(technique, name), str):
            raise UserError(
                f"the {name} of {what} is {getattr(technique, name)!r}, which is no text", "write a text"
            )
