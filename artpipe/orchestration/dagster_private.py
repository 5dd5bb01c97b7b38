"""Every private name of Dagster that artpipe uses; no other module imports one.

A release of Dagster may move a private name without notice: this is the place to look when one breaks artpipe.

`AssetGraph` is the type of what the public `Definitions.resolve_asset_graph` and `RepositoryDefinition.asset_graph`
return: the assets in the order of their inputs, with their code versions, steps and checks.

`AssetCheckEvaluationTargetMaterializationData` is what the evaluation of a check says of the
materialisation that it looked at; tests record such an evaluation.

`execute_run` is what Dagster's own run workers call: it executes a run that was created before. The public
`execute_in_process` creates its run itself, without the origin that the Dagster UI needs to execute it again.

`InMemoryJob` is the form in which `execute_run` takes the job of this process.

`RemoteJobOrigin` is that origin: the job, its repository and the code location. `RemoteRepositoryOrigin` is a part of
it, and `RegisteredCodeLocationOrigin` is a code location by nothing but its name.

`serialize_value` is how Dagster writes an event, and each value of its metadata, as text.

`delete_check_executions` is what `DagsterInstance.delete_run` leaves out: the rows of a run in the table of checks.

`sqlite_folder` is the folder of the databases of an instance that keeps its runs in SQLite, as Dagster does where
`dagster.yaml` names no other storage: `history/runs.db`, `history/runs/index.db`, one `history/runs/RUN_ID.db` for each
run, and `schedules/schedules.db`.

`NO_COMPUTE_LOGS` is the module of a compute log manager for `dagster.yaml` that keeps nothing; it makes tests faster.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationTargetMaterializationData
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._serdes import serialize_value

if TYPE_CHECKING:
    from dagster import DagsterInstance

__all__ = [
    "NO_COMPUTE_LOGS",
    "AssetCheckEvaluationTargetMaterializationData",
    "AssetGraph",
    "InMemoryJob",
    "RegisteredCodeLocationOrigin",
    "RemoteJobOrigin",
    "RemoteRepositoryOrigin",
    "delete_check_executions",
    "execute_run",
    "serialize_value",
    "sqlite_folder",
]

NO_COMPUTE_LOGS = "dagster._core.storage.noop_compute_log_manager"


def delete_check_executions(instance: "DagsterInstance", run_id: str) -> None:
    """Delete what a deleted run evaluated from the history of checks."""
    storage = instance.event_log_storage
    if isinstance(storage, SqlEventLogStorage):
        with storage.index_connection() as connection:
            connection.execute(AssetCheckExecutionsTable.delete().where(AssetCheckExecutionsTable.c.run_id == run_id))


def sqlite_folder(instance: "DagsterInstance") -> Path | None:
    """The folder of an instance's SQLite databases; None where it has other ones, or none."""
    storage = instance.event_log_storage
    return Path(storage.path_for_shard("index")).parents[2] if isinstance(storage, SqliteEventLogStorage) else None
