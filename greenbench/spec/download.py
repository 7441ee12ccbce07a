"""What can be downloaded: a public address, and the checksum that its owner or its users publish."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from greenbench.errors import UserError

KINDS = ("md5", "sha256")


@dataclass(frozen=True)
class Download:
    """A file below the data root, or an archive that is unpacked there.

    Attributes
    ----------
    url
        Its public address.
    checksum
        ``md5:`` or ``sha256:`` and the digest, or how it begins (at least eight digits).
    folder
        The folder in the archive that is put below the data root; None for a file that stays as it is.
    """

    url: str
    checksum: str
    folder: str | None = None

    def __post_init__(self) -> None:
        kind, _, digest = self.checksum.partition(":")
        if kind not in KINDS or len(digest) < 8 or set(digest) - set("0123456789abcdef"):
            raise UserError(
                f"the checksum of {self.url} is {self.checksum!r}",
                f"write one of {', '.join(KINDS)}, a colon, and hexadecimal digits",
            )

    @property
    def name(self) -> str:
        """The file's name."""
        return PurePosixPath(urlsplit(self.url).path).name

    def place(self, root: Path) -> Path:
        """Return where it lies below the data root."""
        return root / (self.folder or self.name)
