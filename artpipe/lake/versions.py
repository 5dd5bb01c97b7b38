"""The versions of a Lance table: which can still be opened, and which are dropped.

Every commit is a version. A harvest commits dozens of times in a row, and nobody opens any but the last; so of commits
that follow each other within an hour only the last stays, for as long as the retention setting requests, counted from
the moment at which it was replaced. The state at any moment of that time can be opened.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, cast

from artpipe.lake.lance_tables import NoSuchVersionError, committed, open_lance
from artpipe.lake.lease import ensure_held

if TYPE_CHECKING:
    import lance

MIN_CURRENT = timedelta(hours=1)
"""How long a version must have been current to be kept, and how long a reader of a replaced one may go on."""
SMALL_FRAGMENT_SHARE = 1 / 8
MAX_SMALL_FRAGMENTS = 8
"""Small fragments a table may have before they are compacted. Compaction rewrites rows, and the files that it replaces
stay on the disk as long as the versions that need them, so large fragments are left alone."""
MAX_DELETED_SHARE = 0.1
"""As in Lance's own compaction."""
ROWS_PER_BATCH = 256
"""Rows that are compacted at a time: a row with a JPEG or with local features has 30 to 40 kB."""


@dataclass(frozen=True)
class TableVersion:
    """One version of a table: its number, when it was committed (UTC), and its rows."""

    number: int
    date: datetime
    rows: int


def table_versions(uri: str) -> list[TableVersion]:
    """Every version of the table that can be opened, oldest first; none where there is no table."""
    dataset = open_lance(uri)
    if dataset is None:
        return []
    return [
        TableVersion(
            int(version["version"]),
            cast("datetime", version["timestamp"]).astimezone(UTC),  # Lance returns local time without a zone
            int(version["metadata"].get("total_rows", 0)),
        )
        for version in sorted(dataset.versions(), key=lambda version: version["version"])
    ]


def version_as_of(versions: Sequence[TableVersion], as_of: "int | str | date | datetime") -> TableVersion:
    """The version of this number, or the last one that is not later than a date.

    Args:
        versions: what can be opened, oldest first.
        as_of: a version number; a moment, UTC where it has no zone; or a day, meaning its end. Text is parsed as one
            of these.

    Raises:
        NoSuchVersionError: there is no such version; the message names the oldest one.
    """
    target = _parsed(as_of)
    if isinstance(target, int):
        found = [version for version in versions if version.number == target]
    else:
        found = [version for version in versions if version.date <= target]
    if found:
        return found[-1]
    if not versions:
        raise NoSuchVersionError('no version is kept; materialize "embeddings".')
    oldest, newest = versions[0], versions[-1]
    requested = f"version {target}" if isinstance(target, int) else f"the version of {as_of}"
    raise NoSuchVersionError(
        f"{requested} is not kept: the oldest version is {oldest.number} of {oldest.date:%Y-%m-%d %H:%M} UTC, the "
        f"newest {newest.number}; name one of them (ARTPIPE_KEEP_VERSIONS_DAYS sets how long versions are kept)."
    )


def _parsed(as_of: "int | str | date | datetime") -> int | datetime:
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


def expired_versions(
    versions: Sequence[TableVersion], keep_for: timedelta, now: datetime, min_current: timedelta = MIN_CURRENT
) -> list[int]:
    """The versions to drop: replaced too long ago, or soon after they were committed.

    Args:
        versions: oldest first; the newest is always kept.
        keep_for: how long a version stays after it was replaced.
        now: the present.
        min_current: a version that was current for less than this is dropped, and none is dropped earlier than this
            after it was replaced.
    """
    expired: list[int] = []
    for version, following in itertools.pairwise(versions):
        replaced_for = now - following.date
        is_passing = following.date - version.date < min_current
        if replaced_for >= min_current and (is_passing or replaced_for > keep_for):
            expired.append(version.number)
    return expired


def drop_old_versions(
    uri: str, keep_for: timedelta, now: datetime | None = None, min_current: timedelta = MIN_CURRENT
) -> int:
    """Delete the expired versions of a table and the files that only they need; returns how many were deleted."""
    expired = expired_versions(table_versions(uri), keep_for, now or datetime.now(UTC), min_current)
    dataset = open_lance(uri) if expired else None
    if dataset is not None:
        ensure_held(uri)
        dataset.cleanup_old_versions(versions=expired, error_if_tagged_old_versions=False)
    return len(expired)


def compact_when_fragmented(dataset: "lance.LanceDataset", rows_per_fragment: int) -> bool:
    """Compact small fragments once there are many, and large ones once many of their rows are deleted.

    Args:
        dataset: the newest version of a table.
        rows_per_fragment: of a full fragment; one that is filled to an eighth counts as large and is left alone.

    Returns:
        Whether anything was written.
    """
    has_many_deletions: dict[int, bool] = {}
    small = 0
    for fragment in dataset.get_fragments():
        if fragment.physical_rows < rows_per_fragment * SMALL_FRAGMENT_SHARE:
            small += 1
        else:
            has_many_deletions[fragment.fragment_id] = (
                fragment.num_deletions > MAX_DELETED_SHARE * fragment.physical_rows
            )
    if small <= MAX_SMALL_FRAGMENTS and not any(has_many_deletions.values()):
        return False
    intact = [number for number, is_holed in has_many_deletions.items() if not is_holed]
    dataset.optimize.compact_files(
        target_rows_per_fragment=rows_per_fragment, batch_size=ROWS_PER_BATCH, excluded_fragment_ids=intact
    )
    return True


def maintain_table(
    uri: str, rows_per_fragment: int, keep_versions_for: timedelta = timedelta(0), min_current: timedelta = MIN_CURRENT
) -> None:
    """Compact a table where it is fragmented and drop its expired versions; nothing where there is no table.

    Args:
        uri: as given by `DataLake.lance_table`.
        rows_per_fragment: of a full fragment.
        keep_versions_for: how long a version can be opened after it was replaced.
        min_current: a version that was current for less than this is not kept.
    """

    def compact() -> bool:
        dataset = open_lance(uri)
        return dataset is not None and (compact_when_fragmented(dataset, rows_per_fragment) or True)

    if committed(uri, compact):
        drop_old_versions(uri, keep_versions_for, min_current=min_current)
