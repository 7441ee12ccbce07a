"""Records of several folders in one, such as those of the jobs that shared a study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from greenbench.errors import UserError
from greenbench.records.folder import RecordFolder, Unreadable
from greenbench.records.record import Record


@dataclass(frozen=True)
class Merged:
    """What came of it.

    Attributes
    ----------
    records
        How many are in the folder now.
    repeated
        Names of the records that were there more than once with unlike content, such as baselines that several jobs ran on
        machines that are alike.
    left_out
        Files that are no sound records.
    """

    records: int
    repeated: tuple[str, ...]
    left_out: tuple[Unreadable, ...]


def merge(folders: Sequence[Path], out: Path) -> Merged:
    """Write the records of some folders into one, which may hold records already.

    Of records of one case on one machine the first that is sound is kept, whatever the order of the folders. No folder but
    `out` is changed, and nothing is written before all of them have been read.

    Raises
    ------
    UserError
        If a folder holds no records, or is `out`, or that cannot be written.
    """
    for folder in folders:
        if folder.resolve() == out.resolve():
            raise UserError(f"{folder} is the folder that the records go to", "name the others alone")
    target = RecordFolder(out)
    target.check()
    there, left_out = target.read()
    kept = {record.file_name: record for record in there}
    known = dict(kept)
    repeated: set[str] = set()
    for folder in folders:
        records, unreadable = RecordFolder(folder).read_some()
        left_out += unreadable
        for record in records:
            other = kept.setdefault(record.file_name, record)
            if other != record:
                repeated.add(record.file_name)
                kept[record.file_name] = min(other, record, key=_rank)
    for name, record in kept.items():
        if known.get(name) != record:
            target.write(record)
    return Merged(len(kept), tuple(sorted(repeated)), tuple(left_out))


def _rank(record: Record) -> tuple[bool, str, str]:
    return not record.sound, record.started_at, record.session
