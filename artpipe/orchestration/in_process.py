"""Executes a run in this process, as one that the Dagster UI can show and execute again."""

import signal
import uuid
from collections.abc import Collection, Generator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import dagster as dg

from artpipe.orchestration.dagster_private import (
    InMemoryJob,
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
    execute_run,
)
from artpipe.orchestration.instance import OF_COMMAND, PROCESS_TAG, databases_kept_open, this_process

if TYPE_CHECKING:
    from artpipe.orchestration.lines import AssetLines

CODE_LOCATION = "artpipe"
"""The name of the code location in `workspace.yaml` and `pyproject.toml`, where the UI looks for a run's job."""

REPOSITORY = "__repository__"
"""The name that Dagster gives the repository of a code location that is a `Definitions`."""

_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def execute_in_this_process(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    assets: Collection[str],
    run_config: Mapping[str, Any],
    *,
    tags: Mapping[str, str] | None = None,
    lines: "AssetLines | None" = None,
) -> str:
    """Materialise assets in one run, and return its id.

    The run config names nothing that only this process knows, and the run has an origin, so that Dagster can execute it
    again in any code location of artpipe.

    Args:
        definitions: with the assets.
        instance: where the run is recorded.
        assets: their names.
        run_config: of the run; the console stays quiet.
        tags: of the run.
        lines: handed each event of the run as it is recorded.

    Raises:
        Exception: what a step raised.
    """
    job = definitions.resolve_implicit_global_asset_job_def()
    location = RegisteredCodeLocationOrigin(CODE_LOCATION)
    run = instance.create_run_for_job(
        job.get_subset(asset_selection={dg.AssetKey(name) for name in assets}),
        run_id=str(uuid.uuid4()),
        run_config={**run_config, **_QUIET},
        tags={**(tags or {}), **OF_COMMAND, PROCESS_TAG: this_process()},
        asset_selection=frozenset(dg.AssetKey(name) for name in assets),
        remote_job_origin=RemoteJobOrigin(RemoteRepositoryOrigin(location, REPOSITORY), job.name),
    )
    if lines is not None:
        instance.add_event_listener(run.run_id, lines.handle)
    with databases_kept_open(instance, f"runs/{run.run_id}.db"), _helpers_spared(instance, run.run_id):
        execute_run(InMemoryJob(job), run, instance, raise_on_error=True)
    return run.run_id


@contextmanager
def _helpers_spared(instance: dg.DagsterInstance, run_id: str) -> Generator[None]:
    """Spare the processes that mirror a run's output from Ctrl-C, which a terminal sends to each process of a command.

    They would print tracebacks. The run ends them itself; it starts them before it says `LOGS_CAPTURED`, and until then
    a Ctrl-C waits, which is what they inherit.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})

    def started(event: dg.EventLogEntry) -> None:
        if event.dagster_event_type in (dg.DagsterEventType.LOGS_CAPTURED, dg.DagsterEventType.STEP_START):
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    instance.add_event_listener(run_id, started)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
