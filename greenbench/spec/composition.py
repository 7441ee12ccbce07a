"""Compositions of techniques, and the rule that no part undoes another. Imports no torch."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from greenbench.errors import UserError
from greenbench.spec.recipe import Recipe
from greenbench.spec.source import Source
from greenbench.spec.technique import Technique


class Undone(UserError):
    """A composition in which one part would undo another."""


def compose(techniques: Sequence[Technique]) -> Technique:
    """Return ``a+b``: the techniques applied from left to right, where all of them apply.

    Applying it raises `Undone` where a part replaces what an earlier one changed and does not keep it.
    """
    name = "+".join(part.name for part in techniques)
    stated = [set(part.tasks) for part in techniques if part.tasks is not None]
    tasks = tuple(sorted(set.intersection(*stated))) if stated else None
    if tasks == ():
        raise UserError(f"technique {name!r}: its parts have no task in common", "compose others")
    share: float | None = 1.0
    for part in techniques:
        share = None if share is None or part.work_share is None else share * part.work_share
    return Technique(
        name=name,
        category=techniques[0].category,
        citation="; ".join(part.citation for part in techniques),
        apply=partial(_apply_all, techniques),
        title=" + ".join(part.title for part in techniques),
        tasks=tasks,
        work_share=share,
        fixed_input_size=any(part.fixed_input_size for part in techniques),
        card="\n\n".join(part.card for part in techniques),
        source=Source(
            name=", ".join(part.source.name for part in techniques),
            code="\n\n".join(part.source.code for part in techniques),
            digest="+".join(part.source.digest for part in techniques),
        ),
    )


def _apply_all(techniques: Sequence[Technique], recipe: Recipe) -> Recipe:
    start, changed_by = recipe, dict[str, Technique]()
    for part in techniques:
        earlier = _Noting(recipe.optimizer)
        if "optimizer" in changed_by:
            recipe = replace(recipe, optimizer=earlier)
        changed = part(recipe)
        for name in recipe.changed_fields(changed):
            first = changed_by.get(name)
            if first is not None and not _keeps(part, name, recipe, changed):
                raise _undone(first, part, name, start)
            if first is not None and name == "optimizer":
                refusal = partial(_undone, first, part, name, start)
                changed = replace(changed, optimizer=_Keeping(changed.optimizer, earlier, refusal))
            changed_by[name] = part
        recipe = changed
    return recipe


class _Noting:
    """An optimizer factory that remembers what it built last."""

    def __init__(self, factory: Callable[..., Any]) -> None:
        self.factory = factory
        self.built: Any = None

    def __call__(self, *args: Any) -> Any:
        self.built = self.factory(*args)
        return self.built


class _Keeping:
    """An optimizer factory that refuses to drop the optimizer of an earlier one after a look at its parameters."""

    def __init__(self, factory: Callable[..., Any], inner: _Noting, refusal: Callable[[], Undone]) -> None:
        self.factory, self._inner, self._refusal = factory, inner, refusal

    def __call__(self, *args: Any) -> Any:
        built = self.factory(*args)
        if all(item is not self._inner.built for item in _reachable(built)):
            raise self._refusal()
        return built


def _undone(first: Technique, second: Technique, field: str, recipe: Recipe) -> Undone:
    works = _goes_before(second, first, recipe)
    return Undone(
        f"technique '{first.name}+{second.name}': both change the recipe's {field}, and {second.name} does not keep "
        f"what {first.name} made of it",
        f"compose {second.name}+{first.name}, or others" if works else "compose others",
    )


def _goes_before(first: Technique, second: Technique, recipe: Recipe) -> bool:
    """Whether a second technique keeps all that a first one changes, as far as it shows before they are built."""
    try:
        once = first(recipe)
        twice = second(once)
    except Exception:
        return False
    both = set(recipe.changed_fields(once)) & set(once.changed_fields(twice))
    return all(_keeps(second, name, once, twice) for name in both)


def _keeps(technique: Technique, field: str, before: Recipe, after: Recipe) -> bool:
    """Whether what a technique put into a field still makes use of what was there.

    A function does if it can reach the earlier value: it holds it, or it holds the earlier recipe and its code names
    the field. Any other value does if it would be another one, had the field been.
    """
    old, new = getattr(before, field), getattr(after, field)
    if not callable(new):
        try:
            return bool(getattr(technique.apply(replace(before, **{field: _varied(old)})), field) != new)
        except Exception:
            return False
    return any(
        item is old or (item is before and field in _names(holder))
        for item, holder in _walk(new, stop=before)
    )


def _varied(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, tuple):
        return tuple(2 * item for item in value)
    return 2 * value if isinstance(value, int | float) else None


def _reachable(value: Any) -> Iterable[Any]:
    return (item for item, _ in _walk(value))


def _walk(value: Any, stop: Any = None) -> Iterable[tuple[Any, Any]]:
    """Go through what a value holds, at any depth, with what holds it; not into `stop`, modules and classes."""
    left, seen = [(value, None)], set[int]()
    while left:
        item, holder = left.pop()
        yield item, holder
        if id(item) not in seen and item is not stop:
            seen.add(id(item))
            left += [(part, item) for part in _parts(item)]


def _parts(item: Any) -> Iterable[Any]:
    if isinstance(item, types.ModuleType | type):
        return ()
    if isinstance(item, types.FunctionType):
        held = [*(item.__defaults__ or ()), *(item.__kwdefaults__ or {}).values()]
        for cell in item.__closure__ or ():
            with suppress(ValueError):  # a name that is not bound yet
                held.append(cell.cell_contents)
        return held
    if isinstance(item, types.MethodType):
        return (item.__self__, item.__func__)
    if isinstance(item, partial):
        return (item.func, *item.args, *item.keywords.values())
    if isinstance(item, dict):
        return item.values()
    if isinstance(item, list | tuple | set):
        return item
    return getattr(item, "__dict__", {}).values()


def _names(holder: Any) -> set[str]:
    """Return the attributes that a function's code names, or the code of an object's methods."""
    functions = [holder] if isinstance(holder, types.FunctionType) else vars(type(holder)).values()
    codes = [function.__code__ for function in functions if isinstance(function, types.FunctionType)]
    names: set[str] = set()
    while codes:
        code = codes.pop()
        names.update(code.co_names)
        codes += [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
    return names
