"""Opening the Lance tables of a lake, and finding the row of an artwork in one."""

import threading
from typing import TYPE_CHECKING

from artpipe.errors import ArtpipeError

if TYPE_CHECKING:
    import lance


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
    """
    import lance

    try:
        return lance.dataset(uri, version=version)
    except ValueError as error:
        if "not found" not in str(error).lower():
            raise
        if version is None:
            return None
        raise NoSuchVersionError(
            f"version {version} of {uri} is not kept; open the newest one, or raise ARTPIPE_KEEP_VERSIONS_DAYS."
        ) from error


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
