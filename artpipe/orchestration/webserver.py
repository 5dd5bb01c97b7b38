"""Runs assets for a refresh through a running Dagster webserver, so that its queue and its limits apply."""

import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import dagster as dg

from artpipe.errors import ArtpipeError
from artpipe.settings import without_login

if TYPE_CHECKING:
    from artpipe.orchestration.lines import AssetLines

POLL_S = 0.5
_JOB = "__ASSET_JOB"
_ENDED = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)


class WebserverError(ArtpipeError):
    """The webserver did not take or finish a run."""


def run_through(
    address: str,
    assets: list[str],
    run_config: dict[str, Any],
    tags: dict[str, str],
    instance: dg.DagsterInstance,
    lines: "AssetLines",
) -> str:
    """Submit a run, wait for its end and print a line for each event as it comes.

    Args:
        address: of the webserver, such as `http://127.0.0.1:3000`.
        assets: names of the assets to materialise.
        run_config: of the run.
        tags: of the run.
        instance: the instance that the webserver uses too.
        lines: handed each event.

    Returns:
        The run's id.

    Raises:
        WebserverError: the webserver is not there, does not know the assets, uses another instance, or the run failed.
    """
    import requests
    from dagster_graphql import DagsterGraphQLClient, DagsterGraphQLClientError

    address = without_login(address)
    try:
        parts = urlsplit(address)
        scheme, host, port = parts.scheme, parts.hostname, parts.port
    except ValueError:  # no such port, or no address
        scheme = host = port = None
    if not host or scheme not in ("http", "https") or "@" in address:
        shown = "this" if "@" in address else repr(address)  # the rest of a login, or it may be one
        raise WebserverError(f"{shown} is not the address of a webserver; give one like http://127.0.0.1:3000.")
    try:
        client = DagsterGraphQLClient(host, port, use_https=scheme == "https")
        run_id = client.submit_job_execution(_JOB, run_config=run_config, tags=tags, asset_selection=assets)
    except (DagsterGraphQLClientError, requests.RequestException) as error:
        raise WebserverError(
            f"the webserver at {address} did not take the run ({error}); is `dagster dev` running there, on this "
            "project?"
        ) from error
    cursor: str | None = None
    while True:
        run = instance.get_run_by_id(run_id)
        if run is None:
            raise WebserverError(
                f"the webserver at {address} keeps its runs elsewhere; set DAGSTER_HOME to the folder that it uses."
            )
        found = instance.get_records_for_run(run_id, cursor=cursor)
        cursor = found.cursor
        for record in found.records:
            lines.handle(record.event_log_entry)
        if run.status in _ENDED and not found.records:
            break
        time.sleep(POLL_S)
    if run.status is not dg.DagsterRunStatus.SUCCESS:
        raise WebserverError(f"run {run_id} ended as {run.status.value}; see {address}/runs/{run_id}.")
    return run_id
