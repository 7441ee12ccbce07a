"""The plan of the house: what may import what, and what the rooms must not know."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import greenbench
from greenbench.study.catalog import discover

HOME = Path(greenbench.__file__).parent
ROWS = (
    ("errors", "units", "version", "atomic"),
    ("extras",),
    ("nn",),
    ("spec",),
    ("energy",),
    ("data",),
    ("networks",),
    ("records",),
    ("techniques", "workloads"),
    ("execute",),
    ("executors",),
    ("audit",),
    ("verdict",),
    ("study",),
    ("paper",),
    ("report",),
    ("plugin", "cli"),
    ("__init__",),
)
"""From the ground up: a file imports from its own room and from rows below."""

ROW_OF = {room: number for number, row in enumerate(ROWS) for room in row}
FILES = sorted(HOME.rglob("*.py"))


def module_of(file):
    parts = file.relative_to(HOME).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


MODULES = {module_of(file): file for file in FILES}


def room_of(module):
    return module.partition(".")[0]


def imports_of(source):
    """Return the modules of the package that a text imports, wherever in it and however."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are written in full"
            found += [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            found += [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
    ours = [name.removeprefix("greenbench.") for name in found if name.split(".")[0] == "greenbench"]
    return ["__init__" if name == "greenbench" else _longest_module(name) for name in ours]


def _longest_module(name):
    while name and name not in MODULES:
        name = name.rpartition(".")[0]
    return name or "__init__"


def violations(module, source):
    own = room_of(module)
    return [
        f"{module} imports {target}"
        for target in imports_of(source)
        if room_of(target) != own and ROW_OF[room_of(target)] >= ROW_OF[own]
    ]


def test_every_room_has_its_row():
    assert {room_of(module) for module in MODULES} == set(ROW_OF)


def test_no_file_imports_upwards():
    found = [line for module, file in MODULES.items() for line in violations(module, file.read_text())]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "source",
    [
        "from greenbench.plugin import x",
        "import greenbench.report",
        "def f():\n    from greenbench.study.session import Session",
        "import importlib\nimportlib.import_module('greenbench.cli.watch')",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from greenbench.report import Report",
        "import greenbench",
    ],
)
def test_an_import_upwards_is_found(source):
    assert violations("records.record", source)


def test_no_circle_of_imports():
    graph = {
        module: {target for target in imports_of(file.read_text()) if target != module}
        for module, file in MODULES.items()
        if module != "__init__"
    }
    tuple(TopologicalSorter(graph).static_order())


def docstrings(tree):
    nodes = [n for n in ast.walk(tree) if isinstance(n, ast.Module | ast.ClassDef | ast.FunctionDef)]
    return {id(n.body[0].value) for n in nodes if n.body and isinstance(n.body[0], ast.Expr)}


def constants(source):
    tree = ast.parse(source)
    skipped = docstrings(tree)
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skipped
    }


def test_the_engine_the_report_the_audit_and_the_plugin_know_no_task_no_metric_and_no_name():
    catalog = discover()
    words = {*catalog.techniques, *catalog.workloads} - {"baseline"}
    words |= {w.task for w in catalog.workloads.values()} | {
        w.metric.name for w in catalog.workloads.values()
    }
    for room in ("execute", "report", "audit", "plugin", "study", "verdict", "records", "energy"):
        for module, file in MODULES.items():
            if room_of(module) == room and module != "records.schema1":
                known = constants(file.read_text()) & words
                assert not known, f"{module} knows {', '.join(sorted(known))}"


def test_files_stay_small():
    long = [
        (module, n) for module, file in MODULES.items() if (n := len(file.read_text().splitlines())) > 350
    ]
    assert not long, f"files above 350 lines: {long}"


def test_nothing_torch_is_imported_by_what_plans():
    """Collection and the command line must not wait for torch."""
    for room in (
        "spec",
        "study",
        "records",
        "verdict",
        "audit",
        "report",
        "paper",
        "plugin",
        "techniques",
        "workloads",
    ):
        for module, file in MODULES.items():
            if room_of(module) != room:
                continue
            top = ast.parse(file.read_text()).body
            names = [a.name for n in top if isinstance(n, ast.Import) for a in n.names]
            names += [n.module or "" for n in top if isinstance(n, ast.ImportFrom)]
            assert not [name for name in names if name.split(".")[0] == "torch"], module


UNDER_WAY = {"Notes", "Pending", "_Observation", "_Pair", "_Series", "_Task"}
"""Dataclasses that are filled bit by bit, within one function."""


def test_what_goes_from_one_stage_to_the_next_cannot_be_changed():
    loose = {
        node.name
        for file in FILES
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ClassDef)
        for mark in node.decorator_list
        if "dataclass" in ast.unparse(mark) and "frozen=True" not in ast.unparse(mark)
    }
    assert loose == UNDER_WAY
