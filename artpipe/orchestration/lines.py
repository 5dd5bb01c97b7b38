"""A run told to a person at a terminal: a line for every asset as it is made."""

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster import DagsterEventType

from artpipe.orchestration.metadata import REUSED
from artpipe.progress import clock_text

if TYPE_CHECKING:
    from dagster import DagsterEvent
    from rich.console import Console


class AssetLines(logging.Handler):
    """Turns Dagster's events into a line for every asset, and keeps what the checks said and how long steps took."""

    def __init__(self, console: "Console") -> None:
        super().__init__(logging.DEBUG)
        self.console = console
        self.failed_checks: list[str] = []
        self.passed_checks = 0
        self.seconds: dict[str, float] = {}
        self._started: dict[str, float] = {}
        self._made: dict[str, list[dg.AssetMaterialization]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Take in what Dagster logs of a run in this process."""
        told: Mapping[str, Any] = getattr(record, "dagster_meta", {})
        event: DagsterEvent | None = told.get("dagster_event")
        if event is not None:
            self.tell(event, record.created)
        elif record.levelno >= logging.INFO:
            self.console.print(f"    {told.get('orig_message', '')}", style="dim", markup=False, highlight=False)

    def tell(self, event: "DagsterEvent", timestamp: float) -> None:
        """Take in one event of a run; `timestamp` is in seconds."""
        if event.step_key is None:
            return
        kind = event.event_type
        if kind is DagsterEventType.STEP_START:
            self._started[event.step_key] = timestamp
            self._made[event.step_key] = []
        elif kind is DagsterEventType.ASSET_MATERIALIZATION:
            made = event.step_materialization_data.materialization
            self._made.setdefault(event.step_key, []).append(made)
        elif kind is DagsterEventType.ASSET_CHECK_EVALUATION:
            check = event.asset_check_evaluation_data
            if check.passed:
                self.passed_checks += 1
            else:
                self.failed_checks.append(check.check_name)
                self.console.print(f"  [yellow]![/] check [bold]{check.check_name}[/] did not pass")
        elif kind is DagsterEventType.STEP_SUCCESS:
            started = self._started.get(event.step_key, timestamp)
            self._tell_assets(self._made.get(event.step_key, []), timestamp - started)

    def _tell_assets(self, made: list[dg.AssetMaterialization], seconds: float) -> None:
        if not made:
            return
        for one in made:
            self.seconds[one.asset_key.path[-1]] = seconds
        names = ", ".join(f"[bold]{one.asset_key.path[-1]}[/]{_rows(one)}" for one in made)
        reused = made[0].metadata.get(REUSED)
        note = " [dim]as it was[/]" if reused is not None and reused.value else ""
        self.console.print(f"  [green]✓[/] {names}{note} [dim]{clock_text(seconds)}[/]", highlight=False)


def _rows(made: dg.AssetMaterialization) -> str:
    count = made.metadata.get("dagster/row_count")
    return f" {count.value:,} rows" if isinstance(count, dg.IntMetadataValue) and count.value is not None else ""


def logger_of(handler: logging.Handler) -> dg.LoggerDefinition:
    """A Dagster logger that hands everything to a handler."""

    def start(_: dg.InitLoggerContext) -> logging.Logger:
        logger = logging.Logger("artpipe", logging.DEBUG)
        logger.addHandler(handler)
        return logger

    return dg.LoggerDefinition(logger_fn=start, description="A line for every asset, for people at a terminal.")
