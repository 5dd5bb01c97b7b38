"""Runs the asset graph in this process and tells a person how it goes, a line for every asset.

The run is recorded in a persistent Dagster instance inside the lake, so that the Dagster UI shows the very same run.
"""

import logging
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster import DagsterEventType

from artpipe.errors import ArtpipeError
from artpipe.lake import DataLake, write_whole
from artpipe.progress import clock_text
from artpipe.settings import Settings

if TYPE_CHECKING:
    from dagster import DagsterEvent
    from rich.console import Console

DAGSTER_YAML = resources.files("artpipe") / "dagster.yaml"


class UnknownAssetError(ArtpipeError):
    """A selection names no asset of the graph."""


@dataclass(frozen=True)
class AssetRun:
    """What became of one asset in a run."""

    name: str
    row_count: int | None
    data_version: str | None


@dataclass
class GraphRun:
    """What a run of the graph did."""

    run_id: str = ""
    assets: list[AssetRun] = field(default_factory=list[AssetRun])
    seconds: dict[str, float] = field(default_factory=dict[str, float])
    failed_checks: list[str] = field(default_factory=list[str])
    passed_checks: int = 0


def refresh(settings: Settings, select: str | None, console: "Console") -> GraphRun:
    """Materialise a selection of the graph here.

    Args:
        settings: what to run on and how.
        select: a Dagster asset selection, such as `key:"images"+`; everything where it is None.
        console: where the lines go; stderr, as a rule.

    Raises:
        ArtpipeError: a step failed in a way that has a next step; what earlier steps committed is kept.
        UnknownAssetError: the selection matches nothing.
    """
    from artpipe.definitions import build_definitions

    lake = DataLake(settings.lake_root)
    lake.ensure_writable()
    lines = _AssetLines(console)
    definitions = build_definitions(settings, loggers={"lines": _logger_of(lines)})
    job = definitions.resolve_implicit_global_asset_job_def()
    if select is not None:
        graph = definitions.resolve_asset_graph()
        keys = dg.AssetSelection.from_string(select).resolve(graph, allow_missing=True)
        if not keys:
            names = ", ".join(sorted(key.to_user_string() for key in graph.get_all_asset_keys()))
            raise UnknownAssetError(f"the selection {select!r} matches no asset; choose from {names}.")
        job = job.get_subset(asset_selection=keys)
    with dg.DagsterInstance.from_config(str(dagster_home(lake))) as instance:
        result = job.execute_in_process(instance=instance, run_config={"loggers": {"lines": {}}})
    lines.run.run_id = result.run_id
    return lines.run


def dagster_home(lake: DataLake) -> Path:
    """The folder of the lake's Dagster instance, made and configured if needed; runs and their logs lie there."""
    home = lake.local_folder("dagster").absolute()
    if not (home / "dagster.yaml").exists():
        from upath import UPath

        write_whole(UPath(home / "dagster.yaml"), DAGSTER_YAML.read_bytes())
    return home


def ui_command(settings: Settings) -> str:
    """The one line that opens the Dagster UI on the runs of this lake."""
    lake = DataLake(settings.lake_root)
    workspace = Path(__file__).resolve().parents[1] / "workspace.yaml"
    dagster = Path(sys.executable).with_name("dagster")
    where = ["-w", str(workspace)] if workspace.exists() else ["-m", "artpipe.definitions"]
    variables = [f"DAGSTER_HOME={shlex.quote(str(dagster_home(lake)))}"]
    if settings.lake is not None:
        variables.append(f"ARTPIPE_LAKE={shlex.quote(settings.lake)}")
    if not settings.is_sample:
        variables.append(f"ARTPIPE_GALLERY={shlex.quote(settings.gallery)}")
    return " ".join([*variables, shlex.join([str(dagster), "dev", *where])])


class _AssetLines(logging.Handler):
    """Turns Dagster's events into a line for every asset and keeps what they said."""

    def __init__(self, console: "Console") -> None:
        super().__init__(logging.DEBUG)
        self.console = console
        self.run = GraphRun()
        self._started: dict[str, float] = {}
        self._materialized: list[AssetRun] = []

    def emit(self, record: logging.LogRecord) -> None:
        told: Mapping[str, Any] = getattr(record, "dagster_meta", {})
        event: DagsterEvent | None = told.get("dagster_event")
        if event is None and record.levelno >= logging.INFO:
            self.console.print(f"    {told.get('orig_message', '')}", style="dim", markup=False, highlight=False)
        if event is None or event.step_key is None:
            return
        kind = event.event_type
        if kind is DagsterEventType.STEP_START:
            self._started[event.step_key] = record.created
            self._materialized = []
        elif kind is DagsterEventType.ASSET_MATERIALIZATION:
            made = event.step_materialization_data.materialization
            count = made.metadata.get("dagster/row_count")
            version = (made.tags or {}).get("dagster/data_version")
            rows = count.value if isinstance(count, dg.IntMetadataValue) else None
            self._materialized.append(AssetRun(made.asset_key.to_user_string(), rows, version))
        elif kind is DagsterEventType.ASSET_CHECK_EVALUATION:
            check = event.asset_check_evaluation_data
            if check.passed:
                self.run.passed_checks += 1
            else:
                self.run.failed_checks.append(check.check_name)
                self.console.print(f"  [yellow]![/] check [bold]{check.check_name}[/] did not pass")
        elif kind is DagsterEventType.STEP_SUCCESS:
            self._tell(record.created - self._started[event.step_key])

    def _tell(self, seconds: float) -> None:
        for made in self._materialized:
            self.run.assets.append(made)
            self.run.seconds[made.name] = seconds
        if self._materialized:
            rows = ", ".join(
                f"[bold]{made.name}[/]" + (f" {made.row_count:,} rows" if made.row_count is not None else "")
                for made in self._materialized
            )
            self.console.print(f"  [green]✓[/] {rows} [dim]{clock_text(seconds)}[/]", highlight=False)


def _logger_of(handler: logging.Handler) -> dg.LoggerDefinition:
    def start(_: dg.InitLoggerContext) -> logging.Logger:
        logger = logging.Logger("artpipe", logging.DEBUG)
        logger.addHandler(handler)
        return logger

    return dg.LoggerDefinition(logger_fn=start, description="A line for every asset, for people at a terminal.")
