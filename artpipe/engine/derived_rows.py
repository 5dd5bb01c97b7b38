"""Brings a keyed table up to date: new and changed rows are made in shards by an engine, and those that are gone go."""

from collections.abc import Mapping

from artpipe.engine.shards import Engine, LocalEngine, Work, planned
from artpipe.lake.keyed_table import KeyedTable
from artpipe.progress import Progress, SilentProgress


def update_rows(
    table: KeyedTable,
    keys: Mapping[str, str],
    work: Work | None,
    what: str,
    progress: Progress | None = None,
    engine: Engine | None = None,
    *,
    force: bool = False,
) -> tuple[int, int]:
    """Make the rows that a table lacks or has by another key, and drop the others; a killed run resumes.

    Args:
        table: which commits the rows of each shard as they come.
        keys: the key of every artwork, such as `sift-2:JPEG_SHA256`; the shards have what stands behind its last colon.
        work: gives the further columns of a shard's rows; None where there are no keys.
        what: is made, for the progress.
        progress: advances with each picture.
        engine: what computes; this machine by default.
        force: make all of them again.

    Returns:
        The numbers of rows made and dropped.
    """
    stored = table.keys()
    missing = [name for name, key in keys.items() if force or stored.get(name) != key]
    gone = sorted(stored.keys() - keys.keys())
    if work is not None:
        shards = planned(missing, [keys[name].rpartition(":")[2] for name in missing])
        with (progress or SilentProgress()).track(what, len(missing), "images") as step:
            made = (engine or LocalEngine()).map(work, shards)
            table.upsert_each((({name: keys[name] for name in shard.ids}, rows) for shard, rows in made), step.advance)
    table.remove(gone)
    if missing or gone:
        table.maintain()
    return len(missing), len(gone)
