"""Deletes old runs from the Dagster home, so that a collection that is refreshed for years does not fill the disk.

Dagster itself forgets its ticks alone (`retention` in `dagster.yaml`). Deleting a run deletes its events, and those are
what `staleness.py` and `blocking_checks.py` ask; so the runs of the last materialisations and check evaluations stay,
however old they are.
"""

from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg

from artpipe.orchestration.dagster_private import AssetGraph, delete_check_executions, sqlite_folder
from artpipe.orchestration.instance import PROCESS_TAG, RESCRAPE_TAGS, UNFINISHED

_ENDED = [status for status in dg.DagsterRunStatus if status not in UNFINISHED]
RUNS_DELETED_AT_ONCE = 500
_FREE_SHARE, _FREE_BYTES = 0.25, 4_000_000
"""Free space in a database beyond which it is written anew, without."""


def delete_old_runs(
    instance: dg.DagsterInstance,
    graph: AssetGraph,
    keep: timedelta,
    *,
    now: datetime | None = None,
    at_most: int = RUNS_DELETED_AT_ONCE,
) -> list[str]:
    """Delete runs with their events, logs and files, but for those that hold what is known of an asset or a check.

    Args:
        instance: whose.
        graph: whose runs; a Dagster home may serve other projects too.
        keep: how long a run stays after it was created.
        now: the present, in UTC.
        at_most: delete no more than so many, the oldest.

    Returns:
        The ids of the deleted runs.
    """
    before = (now or datetime.now(UTC)) - keep
    old = instance.get_run_records(dg.RunsFilter(statuses=_ENDED, created_before=before), ascending=True)
    ours = [record.dagster_run for record in old if _is_of(graph, record.dagster_run)]
    needed = _needed_runs(instance, graph) if ours else set[str]()
    deleted = [run.run_id for run in ours if run.run_id not in needed][:at_most]
    databases = sqlite_folder(instance)
    for run_id in deleted:
        instance.delete_run(run_id)
        delete_check_executions(instance, run_id)
        instance.compute_log_manager.delete_logs(prefix=[run_id])
        for path in databases.glob(f"history/runs/{run_id}.db*") if databases else ():
            path.unlink(missing_ok=True)  # emptied, but no smaller
    if deleted and databases:
        _shrink(databases)
    return deleted


def _is_of(graph: AssetGraph, run: dg.DagsterRun) -> bool:
    """Whether a run made or checked assets of this graph; what a step of it began carries the tag of its process."""
    if PROCESS_TAG in run.tags:
        return True
    assets, checks = run.asset_selection or set(), run.asset_check_selection or set()
    return bool(assets or checks) and graph.materializable_asset_keys >= assets and graph.asset_check_keys >= checks


def _needed_runs(instance: dg.DagsterInstance, graph: AssetGraph) -> set[str]:
    """The runs of the last materialisation of each asset, of the last evaluation of each check, of the last re-scrape.

    A check counts for the materialisation that it evaluated, so the run of that one is needed too.
    """
    materializations = [record.asset_entry.last_materialization_record for record in instance.get_asset_records()]
    needed = {event.run_id for event in materializations if event is not None}
    for key in graph.asset_check_keys:
        record = instance.get_latest_asset_check_evaluation_record(key)
        if record is None:
            continue
        needed.add(record.run_id)
        evaluation = record.event.asset_check_evaluation if record.event else None
        if evaluation is not None and evaluation.target_materialization_data is not None:
            needed.add(evaluation.target_materialization_data.run_id)
    rescraped = dg.RunsFilter(tags=RESCRAPE_TAGS, statuses=[dg.DagsterRunStatus.SUCCESS])
    return needed | {run.run_id for run in instance.get_runs(rescraped, limit=1)}


def _shrink(folder: Path) -> None:
    """Give free space in SQLite databases back to the disk; a database in use is left for the next time."""
    import sqlite3

    for path in (*folder.glob("history/*.db"), *folder.glob("history/runs/index.db"), *folder.glob("schedules/*.db")):
        with suppress(sqlite3.OperationalError), closing(sqlite3.connect(path)) as database:
            free, pages, page_bytes = (
                int(database.execute(f"PRAGMA {what}").fetchone()[0])
                for what in ("freelist_count", "page_count", "page_size")
            )
            if free * page_bytes > _FREE_BYTES and free > _FREE_SHARE * pages:
                database.execute("VACUUM")
                database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
