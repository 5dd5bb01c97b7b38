"""Every private name of Dagster that artpipe uses; no other module imports one.

A release of Dagster may move a private name without notice: this is the place to look when one breaks artpipe.

`AssetGraph` is the type of what the public `Definitions.resolve_asset_graph` and `RepositoryDefinition.asset_graph`
return: the assets in the order of their inputs, with their code versions, steps and checks.

`serialize_value` is how Dagster writes an event, and each value of its metadata, as text.

`NO_COMPUTE_LOGS` is the module of a compute log manager for `dagster.yaml` that keeps nothing; it makes tests faster.
"""

from dagster._core.definitions.assets.graph.asset_graph import AssetGraph
from dagster._serdes import serialize_value

__all__ = ["NO_COMPUTE_LOGS", "AssetGraph", "serialize_value"]

NO_COMPUTE_LOGS = "dagster._core.storage.noop_compute_log_manager"
