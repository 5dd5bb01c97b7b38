"""Every private name of Dagster that artpipe uses; no other module imports one.

A release of Dagster may move a private name without notice: this is the place to look when one breaks artpipe.

`AssetGraph` is the type of what the public `Definitions.resolve_asset_graph` and `RepositoryDefinition.asset_graph`
return: the assets in the order of their inputs, with their code versions, steps and checks.

`execute_run` is what Dagster's own run workers call: it executes a run that was created before. The public
`execute_in_process` creates its run itself, without the origin that the Dagster UI needs to execute it again.

`InMemoryJob` is the form in which `execute_run` takes the job of this process.

`RemoteJobOrigin` is that origin: the job, its repository and the code location. `RemoteRepositoryOrigin` is a part of
it, and `RegisteredCodeLocationOrigin` is a code location by nothing but its name.

`NO_COMPUTE_LOGS` is the module of a compute log manager for `dagster.yaml` that keeps nothing; it makes tests faster.
"""

from dagster._core.definitions.assets.graph.asset_graph import AssetGraph
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin

__all__ = [
    "NO_COMPUTE_LOGS",
    "AssetGraph",
    "InMemoryJob",
    "RegisteredCodeLocationOrigin",
    "RemoteJobOrigin",
    "RemoteRepositoryOrigin",
    "execute_run",
]

NO_COMPUTE_LOGS = "dagster._core.storage.noop_compute_log_manager"
