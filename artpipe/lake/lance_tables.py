"""Opening the Lance tables of a lake, and finding the row of an artwork in one."""

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from artpipe.errors import ArtpipeError
from artpipe.lake.paths import DamagedLakeError

if TYPE_CHECKING:
    import lance


_INVERTED_DIGITS = 20
_MAGIC = b"LANC"
_NOT_DAMAGED = ("upgrade", "not supported", "permission denied")
"""In errors about a table that is whole, and that this process may not or cannot read."""


class NoSuchVersionError(ArtpipeError):
    """The requested version of a table never existed, or is not kept any more."""


def open_lance(uri: str, version: int | None = None) -> "lance.LanceDataset | None":
    """Open a Lance table for reading; nothing is created.

    Lance alone loads in a third of LanceDB's time, and reading needs no more.

    Args:
        uri: as given by `DataLake.lance_table`.
        version: the newest where None.

    Returns:
        The table, or None where there is none.

    Raises:
        NoSuchVersionError: this version is not kept.
        DamagedLakeError: it is there and cannot be opened.
    """
    import lance

    # Lance panics at some torn manifests, and writes a stack trace to the terminal.
    for newest in manifests(Path(uri))[:1] if "://" not in uri else ():
        if is_torn(newest):
            raise DamagedLakeError(f"the table {uri}", f"{newest.name} is torn")
    try:
        return lance.dataset(uri, version=version)
    except (ValueError, OSError) as error:
        message = str(error).lower()
        if "not found" not in message:
            if "://" in uri or any(words in message for words in _NOT_DAMAGED):
                raise  # a store that does not answer is no damage either
            raise DamagedLakeError(f"the table {uri}", str(error).partition(", /")[0]) from error
        if version is None:
            return None
        raise NoSuchVersionError(
            f"version {version} of {uri} is not kept; open the newest one, or raise ARTPIPE_KEEP_VERSIONS_DAYS."
        ) from error


def manifests(folder: Path) -> list[Path]:
    """The manifests of a local Lance table, one for each version, the newest first; none where there is no table.

    Lance names a manifest after its version, or after 2^64 - 1 less that, with 20 digits.
    """

    def version(manifest: Path) -> int:
        number = int(manifest.stem)
        return 2**64 - 1 - number if len(manifest.stem) == _INVERTED_DIGITS else number

    found = [file for file in (folder / "_versions").glob("*.manifest") if file.stem.isdecimal()]
    return sorted(found, key=version, reverse=True)


def is_torn(manifest: Path) -> bool:
    """Whether a manifest lacks what Lance ends its files with; not where it was dropped since it was listed."""
    try:
        with manifest.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - len(_MAGIC)))
            return file.read() != _MAGIC
    except FileNotFoundError:
        return False


class RowOffsets:
    """The row of each `artwork_id` in a table, read once per version: finding a row costs more than reading it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: tuple[int, dict[str, int]] | None = None

    def of(self, dataset: "lance.LanceDataset") -> dict[str, int]:
        """Offsets for `dataset.take`, valid in this version of the table alone."""
        version = int(dataset.version)
        with self._lock:
            if self._known is None or self._known[0] != version:
                ids = dataset.to_table(columns=["artwork_id"])["artwork_id"].to_pylist()
                self._known = version, {artwork_id: row for row, artwork_id in enumerate(ids)}
            return self._known[1]
