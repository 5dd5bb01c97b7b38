"""The past of a Lance table: which states of it can still be opened, and which are dropped.

Every commit is a version. A harvest makes dozens of them in a row, and none but the last was ever looked at; so of
commits that follow each other within an hour only the last stays, for as long as the retention setting says, counted
from the moment at which it was replaced. What was current at any moment of that time can be opened.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, cast

from artpipe.errors import ArtpipeError

if TYPE_CHECKING:
    import lance

BETWEEN = timedelta(hours=1)
"""How long a version must have been current to be kept, and how long whoever is reading a replaced one may go on."""
PIECE = 1 / 8
MOST_PIECES = 8
"""Pieces a table may have before they are joined. Joining writes rows anew, and what it replaces stays on the disk as
long as the versions that need it, so that large fragments had better be left alone."""
MOST_DELETED = 0.1
"""As in Lance's own compaction."""


class NoSuchVersionError(ArtpipeError):
    """The state of the table that is asked for was never there, or is not kept any more."""


@dataclass(frozen=True)
class TableVersion:
    """One state of a table: its number, when it was committed (UTC), and its rows."""

    number: int
    date: datetime
    rows: int


def table_versions(uri: str) -> list[TableVersion]:
    """Every version of the table that can be opened, oldest first; none where there is no table."""
    import lance

    try:
        dataset = lance.dataset(uri)
    except ValueError as error:
        if "not found" in str(error).lower():
            return []
        raise
    return [
        TableVersion(
            int(version["version"]),
            cast("datetime", version["timestamp"]).astimezone(UTC),  # Lance gives local time without saying so
            int(version["metadata"].get("total_rows", 0)),
        )
        for version in sorted(dataset.versions(), key=lambda version: version["version"])
    ]


def version_as_of(versions: Sequence[TableVersion], as_of: "int | str | date | datetime") -> TableVersion:
    """The version of this number, or the last one that is not later than a date.

    Args:
        versions: what can be opened, oldest first.
        as_of: a version number; a moment, UTC where it names no zone; or a day, which is taken to its end. Text is
            read as one of these.

    Raises:
        NoSuchVersionError: there is no such version; the oldest one is named.
    """
    wanted = _read(as_of)
    if isinstance(wanted, int):
        found = [version for version in versions if version.number == wanted]
    else:
        found = [version for version in versions if version.date <= wanted]
    if found:
        return found[-1]
    if not versions:
        raise NoSuchVersionError('no version is kept; materialize "embeddings".')
    oldest, newest = versions[0], versions[-1]
    told = f"version {wanted}" if isinstance(wanted, int) else f"what was there on {as_of}"
    raise NoSuchVersionError(
        f"{told} is not kept: the oldest version is {oldest.number} of {oldest.date:%Y-%m-%d %H:%M} UTC, the newest "
        f"{newest.number}; ask for one of them (ARTPIPE_KEEP_VERSIONS_DAYS says how long versions are kept)."
    )


def _read(as_of: "int | str | date | datetime") -> int | datetime:
    if isinstance(as_of, str):
        text = as_of.strip()
        if text.isdecimal() and len(text) < len("20260101"):
            return int(text)
        try:
            as_of = date.fromisoformat(text) if "T" not in text and ":" not in text else datetime.fromisoformat(text)
        except ValueError as error:
            raise NoSuchVersionError(
                f"{as_of!r} is neither a version nor a date; write 12, 2026-11-01 or 2026-11-01T18:30."
            ) from error
    if isinstance(as_of, datetime):
        return as_of.astimezone(UTC) if as_of.tzinfo else as_of.replace(tzinfo=UTC)
    if isinstance(as_of, date):
        return datetime.combine(as_of, time.max, UTC)
    return as_of


def dispensable(
    versions: Sequence[TableVersion], keep_for: timedelta, now: datetime, between: timedelta = BETWEEN
) -> list[int]:
    """The versions that nobody will open: replaced too long ago, or soon after they were made.

    Args:
        versions: oldest first; the newest is always kept.
        keep_for: how long a version stays after it was replaced.
        now: the present.
        between: a version that was current for less than this goes, and none goes earlier after it was replaced.
    """
    dropped: list[int] = []
    for version, following in itertools.pairwise(versions):
        replaced_for = now - following.date
        is_passing = following.date - version.date < between
        if replaced_for >= between and (is_passing or replaced_for > keep_for):
            dropped.append(version.number)
    return dropped


def drop_old_versions(uri: str, keep_for: timedelta, now: datetime | None = None, between: timedelta = BETWEEN) -> int:
    """Delete the dispensable versions of a table, and the files that only they need.

    Returns:
        How many versions were deleted.
    """
    import lance

    dropped = dispensable(table_versions(uri), keep_for, now or datetime.now(UTC), between)
    if dropped:
        lance.dataset(uri).cleanup_old_versions(versions=dropped, error_if_tagged_old_versions=False)
    return len(dropped)


def compact_when_scattered(dataset: "lance.LanceDataset", rows_per_fragment: int) -> bool:
    """Join small pieces once there are many of them, and write large ones anew once many of their rows are deleted.

    Args:
        dataset: the newest version of a table.
        rows_per_fragment: of a full fragment; one that is filled to an eighth is no piece any more and left alone.

    Returns:
        Whether anything was written.
    """
    large: dict[int, bool] = {}
    pieces = 0
    for fragment in dataset.get_fragments():
        if fragment.physical_rows < rows_per_fragment * PIECE:
            pieces += 1
        else:
            large[fragment.fragment_id] = fragment.num_deletions > MOST_DELETED * fragment.physical_rows
    if pieces <= MOST_PIECES and not any(large.values()):
        return False
    whole = [number for number, is_holed in large.items() if not is_holed]
    dataset.optimize.compact_files(target_rows_per_fragment=rows_per_fragment, excluded_fragment_ids=whole)
    return True
