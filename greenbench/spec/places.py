"""Where a data set lies that is not where it should be."""

from __future__ import annotations

from pathlib import Path

ARCHIVES = (".zip", ".tar", ".gz", ".tgz")
MOST_FOLDERS = 200
"""That are looked into."""


def found_instead(root: Path, folder: str, how_to_get: str) -> str | None:
    """Return, in a sentence, what was found in the place of ``root/folder`` and what to do; None for nothing.

    A data root one level too deep or too high, a folder named in other letters, and an archive that is not unpacked.
    """
    above = next((place for place in (root, *root.parents) if place.name == folder), None)
    if above is not None:
        return f"{root} is inside of that folder: give {above.parent} as the data root."
    try:
        entries = sorted(root.iterdir())[:MOST_FOLDERS]
    except OSError:
        return None
    for entry in entries:
        if entry.is_dir() and (entry / folder).is_dir():
            return f"{entry / folder} is there: give {entry} as the data root."
    for entry in entries:
        if entry.is_dir() and entry.name.lower() == folder.lower():
            return f"{entry} is there: name it {folder}."
    for entry in entries:
        is_archive = entry.name.lower().endswith(ARCHIVES) and entry.is_file()
        if is_archive and (entry.name in how_to_get or entry.name.startswith(folder)):
            return f"{entry} is there and not unpacked."
    return None
