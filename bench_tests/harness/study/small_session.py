"""Techniques and a catalog for sessions that take a moment."""

from dataclasses import replace

from bench_tests.harness.execute.small_run import SQUARES
from greenbench.spec.source import Source
from greenbench.spec.technique import Technique
from greenbench.study.catalog import Catalog


def made(name, apply, version="1", **changes):
    return Technique(
        name, "Optimizer", "x", apply, source=Source(f"{name}.py", "", name + version), **changes
    )


BASELINE = made("baseline", lambda recipe: recipe)
LONGER = made("longer", lambda recipe: replace(recipe, epochs=3))
HALVED = made("halved", lambda recipe: replace(recipe, epochs=1))
CATALOG = Catalog({t.name: t for t in (BASELINE, LONGER, HALVED)}, {"squares": SQUARES})


def pair_of(session, technique, kind="training"):
    (pair,) = (pair for pair in session.pairs(kind) if pair[0].technique == technique)
    return pair
