"""The digest of a file covers the helpers of the same home that it imports, and nothing else."""

from pathlib import Path

import pytest

import greenbench.techniques
from greenbench.spec.source import digest_of_folders, read_source


def write(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def digest(folder, name="own.py", package=None):
    return read_source.__wrapped__(folder / name, name, package).digest


def changes(folder, edited, name="own.py", package=None):
    """Say whether an edit of a file changes the digest of another."""
    before = digest(folder, name, package)
    path = folder / edited
    path.write_text(path.read_text() + "\n# edited\n")
    return digest(folder, name, package) != before


IMPORTS = {
    "at the top": ("import helper", "helper.py"),
    "a name of it": ("from helper import thing", "helper.py"),
    "under another name": ("import helper as h", "helper.py"),
    "inside a function": ("def f():\n    import helper", "helper.py"),
    "inside a branch": ("try:\n    from helper import a\nexcept ImportError:\n    pass", "helper.py"),
    "in a folder": ("import parts.helper", "parts/helper.py"),
    "a module of a folder": ("from parts import helper", "parts/helper.py"),
    "everything": ("from helper import *", "helper.py"),
}


@pytest.mark.parametrize(("statement", "helper"), IMPORTS.values(), ids=IMPORTS)
def test_an_edited_helper_changes_the_digest(tmp_path, statement, helper):
    write(tmp_path, {"own.py": statement, helper: "thing = 1"})
    assert changes(tmp_path, helper)


def test_a_package_s_own_file_counts_as_well(tmp_path):
    write(tmp_path, {"own.py": "import parts.helper", "parts/__init__.py": "", "parts/helper.py": ""})
    assert changes(tmp_path, "parts/__init__.py")


def test_a_helper_s_helper_counts_and_circles_end(tmp_path):
    write(
        tmp_path,
        {
            "own.py": "import first",
            "first.py": "import second, own",
            "second.py": "import first",
            "third.py": "",
        },
    )
    assert changes(tmp_path, "second.py")
    assert changes(tmp_path, "first.py")
    assert not changes(tmp_path, "third.py")


def test_the_file_itself_counts(tmp_path):
    write(tmp_path, {"own.py": "x = 1"})
    assert changes(tmp_path, "own.py")


def test_relative_imports_of_a_package_count(tmp_path):
    write(
        tmp_path,
        {
            "theirs/__init__.py": "",
            "theirs/techniques/__init__.py": "",
            "theirs/techniques/own.py": "from . import near\nfrom ..layers import blur\nfrom .deep.er import x",
            "theirs/techniques/near.py": "",
            "theirs/techniques/deep/er.py": "from ...layers import other",
            "theirs/layers/__init__.py": "",
            "theirs/layers/blur.py": "",
            "theirs/layers/other.py": "",
            "theirs/unrelated.py": "",
            "outside.py": "",
        },
    )
    package = tmp_path / "theirs"
    own = "theirs/techniques/own.py"
    for name in ("techniques/near.py", "layers/blur.py", "techniques/deep/er.py", "layers/other.py"):
        assert changes(tmp_path, f"theirs/{name}", own, package), name
    assert not changes(tmp_path, "theirs/unrelated.py", own, package)


def test_absolute_imports_of_the_own_package_count(tmp_path):
    write(
        tmp_path,
        {
            "theirs/__init__.py": "",
            "theirs/own.py": "from theirs.layers import blur\nimport outside",
            "theirs/layers.py": "",
            "outside.py": "",
        },
    )
    assert changes(tmp_path, "theirs/layers.py", "theirs/own.py", tmp_path / "theirs")
    assert not changes(tmp_path, "outside.py", "theirs/own.py", tmp_path / "theirs"), "another package's file"


def test_installed_modules_and_files_nobody_imports_do_not_count(tmp_path):
    write(
        tmp_path,
        {
            "home/own.py": "import torch, json, dataclasses\nfrom missing import x",
            "home/unrelated.py": "",
            "json.py": "",
        },
    )
    before = digest(tmp_path, "home/own.py")
    assert not changes(tmp_path, "home/unrelated.py", "home/own.py")
    (tmp_path / "home" / "notes.txt").write_text("x")
    assert digest(tmp_path, "home/own.py") == before


def test_the_digest_is_the_same_in_another_place(tmp_path):
    files = {"own.py": "import helper", "helper.py": "x = 1"}
    write(tmp_path / "one", files)
    write(tmp_path / "two", files)
    assert digest(tmp_path / "one") == digest(tmp_path / "two")


def test_the_text_and_the_name_are_kept(tmp_path):
    write(tmp_path, {"own.py": "x = 'é'\n"})
    source = read_source.__wrapped__(tmp_path / "own.py", "as reports call it")
    assert (source.name, source.code) == ("as reports call it", "x = 'é'\n")
    assert len(source.digest) == 64


def test_a_file_in_another_encoding_is_read_as_python_reads_it(tmp_path):
    text = "# -*- coding: latin-1 -*-\nx = 'é'\n"
    (tmp_path / "own.py").write_bytes(text.encode("latin-1"))
    assert read_source.__wrapped__(tmp_path / "own.py", "own.py").code == text


def test_a_helper_that_cannot_be_parsed_still_counts(tmp_path):
    write(tmp_path, {"own.py": "import helper", "helper.py": "def ("})
    assert changes(tmp_path, "helper.py")


def test_every_technique_has_its_own_digest():
    folder = Path(greenbench.techniques.__file__).parent
    files = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
    assert len({read_source(path, path.name, folder).digest for path in files}) == len(files)


def test_a_digest_of_folders_covers_all_python_files_at_any_depth(tmp_path):
    write(tmp_path, {"a/x.py": "", "a/deep/y.py": "", "b/z.py": ""})
    folders = (tmp_path / "a", tmp_path / "b")
    seen = {digest_of_folders(folders)}
    for name in ("a/x.py", "a/deep/y.py", "b/z.py"):
        (tmp_path / name).write_text("edited")
        seen.add(digest_of_folders(folders))
    (tmp_path / "a/x.py").rename(tmp_path / "a/w.py")
    seen.add(digest_of_folders(folders))
    assert len(seen) == 5
