"""A technique: a published way of training, as one change of a recipe. Imports no torch."""

from __future__ import annotations

import inspect
import re
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from greenbench.errors import UserError
from greenbench.spec.fields import check_fields
from greenbench.spec.recipe import Recipe
from greenbench.spec.source import Source

Category = Literal[
    "Baseline",
    "Architecture Modification",
    "Learning Rate Scheduler",
    "Data Augmentation",
    "Optimizer",
    "Loss Function",
    "Custom Nodes and Layer",
    "Training Procedure",
]
"""The paper's six categories (section 3.2), the baseline that all are compared with, and one for what is none of them."""

CATEGORIES: tuple[str, ...] = get_args(Category)
BASELINE = "baseline"
"""The technique that changes nothing: what all others are compared with."""

NAME = re.compile(r"[a-z][a-z0-9_]*")
"""Names stand in test ids, file names and options, joined by ``-`` and ``+``."""


def check_name(name: str, what: str) -> None:
    """Raise `UserError` unless `name` can stand in test ids and file names."""
    if not NAME.fullmatch(name):
        raise UserError(
            f"{what} {name!r} has a name that cannot be used", "name it in lower case letters, digits and _"
        )


@dataclass(frozen=True)
class Technique:
    """A published way of training.

    Attributes
    ----------
    name
        As in test ids and the published tables: ``poly_half_epochs``.
    category
        One of `CATEGORIES`.
    citation
        Authors, year, arXiv id.
    apply
        The change. It returns a new recipe and leaves its argument alone.
    title
        As the tables print it.
    tasks
        Where it applies; None for every task.
    work_share
        Training energy as a share of the baseline's, where the definition fixes it: 1 for a technique that leaves
        network, data, loss and number of steps alone. The audit holds measurements against it. None elsewhere.
    fixed_input_size
        Whether its network works at the size of training alone: where a workload evaluates full images, this technique
        and the baseline beside it are evaluated by tiles of that size.
    tolerances
        Its own tolerances by quantity, at every scale: for the score the largest drop that is allowed, for a cost the
        largest ratio to the baseline's.
    settings_tried
        How many settings (values of its numbers, variants) were tried until these were chosen, these among them; None
        where nobody counted. The report shows it.
    card
        Its method card in Markdown.
    source
        Its file; discovery fills it in.
    collection
        Which collection it belongs to; discovery fills it in.
    """

    name: str
    category: str
    citation: str
    apply: Callable[[Recipe], Recipe]
    title: str = ""
    tasks: tuple[str, ...] | None = None
    work_share: float | None = None
    fixed_input_size: bool = False
    tolerances: Mapping[str, float] = field(default_factory=dict)
    settings_tried: int | None = None
    card: str = ""
    source: Source = field(default_factory=Source)
    collection: str = ""

    def __post_init__(self) -> None:
        for part in self.name.split("+"):
            check_name(part, "technique")
        if self.category not in CATEGORIES:
            raise UserError(
                f"technique {self.name!r} has the category {self.category!r}",
                f"choose one of {', '.join(CATEGORIES[1:])}",
            )
        tried = self.settings_tried
        if tried is not None and (not isinstance(tried, int) or isinstance(tried, bool) or tried < 1):
            raise UserError(
                f"technique {self.name!r} has settings_tried={tried!r}",
                "give a whole number from 1 on, or None",
            )

    @property
    def is_baseline(self) -> bool:
        """Whether this is what all others are compared with."""
        return self.name == BASELINE

    def applies_to(self, task: str) -> bool:
        """Whether the technique is meant for that task."""
        return self.tasks is None or task in self.tasks

    def __call__(self, recipe: Recipe) -> Recipe:
        """Return `recipe` with the technique applied.

        Raises
        ------
        UserError
            If the technique does not apply to the recipe's task, fails, does not return a recipe, or returns one that
            no run could work with or that differs in nothing.
        """
        if not self.applies_to(recipe.task):
            raise UserError(
                f"technique {self.name!r} applies to {' and '.join(self.tasks or ())}, not to {recipe.task}"
            )
        try:
            changed = self.apply(recipe)
        except UserError:
            raise
        except (Exception, SystemExit) as error:
            raise UserError(
                f"technique {self.name!r} ({self._place(error)}) fails on the recipe for {recipe.task}: "
                f"{type(error).__name__}: {error}",
                "mend its function",
            ) from error
        if not isinstance(changed, Recipe):
            raise UserError(
                f"technique {self.name!r} ({self._place()}) returned {type(changed).__name__}, not a Recipe",
                "end its function with dataclasses.replace(recipe, ...)",
            )
        try:
            check_fields(changed, recipe.changed_fields(changed))
        except UserError as error:
            raise UserError(
                f"technique {self.name!r} ({self._place()}): {error.problem}", error.next_step
            ) from error
        if not self.is_baseline and not recipe.changed_fields(changed):
            raise UserError(
                f"technique {self.name!r} ({self._place()}) leaves the recipe for {recipe.task} unchanged, so that "
                "the baseline would be compared with itself",
                "change a field of the recipe, or leave that task out of its tasks",
            )
        return changed

    def _place(self, error: BaseException | None = None) -> str:
        """Return the file, and the line where an error came up in it or else where the function begins."""
        code = getattr(self.apply, "__code__", None)
        if code is None:
            return self.source.name
        frames = traceback.extract_tb(error.__traceback__ if error else None)
        lines = [frame.lineno for frame in frames if frame.filename == code.co_filename]
        return f"{self.source.name}, line {lines[-1] if lines else code.co_firstlineno}"


def technique(
    category: Category,
    citation: str = "",
    *,
    title: str | None = None,
    tasks: tuple[str, ...] | None = None,
    work_share: float | None = None,
    fixed_input_size: bool = False,
    tolerances: Mapping[str, float] | None = None,
    settings_tried: int | None = None,
) -> Callable[[Callable[[Recipe], Recipe]], Technique]:
    """Make a technique of a function from recipe to recipe: its name is the technique's, its docstring the card.

    ::

        @greenbench.technique("Optimizer", "Zhang et al. 2019, arXiv:1907.08610")
        def lookahead(recipe):
            '''LookAhead: slow weights follow fast ones. ...'''
            return replace(recipe, optimizer=lambda *built: Lookahead(recipe.optimizer(*built)))

    See `Technique` for the arguments. A docstring of one sentence is a card too.
    """
    if not citation:
        raise UserError(
            "@greenbench.technique was used without category or citation",
            'write @greenbench.technique("Optimizer", "authors, year, source"), with one of the categories '
            f"{', '.join(CATEGORIES[1:])}",
        )

    def decorate(apply: Callable[[Recipe], Recipe]) -> Technique:
        if not inspect.isfunction(apply):
            raise UserError(
                f"technique(...) decorates {apply!r}, which is no function",
                "decorate a function from recipe to recipe",
            )
        name = apply.__name__
        return Technique(
            name=name,
            category=category,
            citation=citation,
            apply=apply,
            title=title or name.replace("_", " ").capitalize(),
            tasks=tasks,
            work_share=work_share,
            fixed_input_size=fixed_input_size,
            tolerances=dict(tolerances or {}),
            settings_tried=settings_tried,
            card=inspect.cleandoc(apply.__doc__ or ""),
        )

    return decorate
