"""A run shown to a person at a terminal: a line for every asset as it is made, and for every check that fails."""

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster import DagsterEventType
from rich.markup import escape

from artpipe.orchestration.metadata import REUSED
from artpipe.progress import clock_text

if TYPE_CHECKING:
    from rich.console import Console


class AssetLines:
    """Turns Dagster's events into lines, and keeps the outcome of checks and the duration of steps."""

    def __init__(self, console: "Console") -> None:
        self.console = console
        self.failed_checks: list[str] = []
        self.warnings = 0
        """How many of the failed checks only warn: nothing is held up by them."""
        self.passed_checks = 0
        self.blocked_by: dg.AssetCheckEvaluation | None = None
        """The blocking check that stopped a run."""
        self.seconds: dict[str, float] = {}
        self._started: dict[str, float] = {}
        self._materialized: dict[str, list[dg.AssetMaterialization]] = {}

    def handle(self, entry: dg.EventLogEntry) -> None:
        """Handle what Dagster records of a run: an event, or a line that a step logged."""
        if entry.dagster_event is not None:
            self._handle_event(entry.dagster_event, entry.timestamp)
        elif int(entry.level) >= logging.INFO:
            self._print(f"    {entry.user_message}", style="dim", markup=False)

    def _handle_event(self, event: dg.DagsterEvent, timestamp: float) -> None:
        if event.step_key is None:
            return
        kind = event.event_type
        if kind is DagsterEventType.STEP_START:
            self._started[event.step_key] = timestamp
            self._materialized[event.step_key] = []
        elif kind is DagsterEventType.ASSET_MATERIALIZATION:
            materialization = event.step_materialization_data.materialization
            self._materialized.setdefault(event.step_key, []).append(materialization)
        elif kind is DagsterEventType.ASSET_CHECK_EVALUATION:
            self._handle_check(event.asset_check_evaluation_data)
        elif kind is DagsterEventType.STEP_SUCCESS:
            started = self._started.get(event.step_key, timestamp)
            self._print_assets(self._materialized.get(event.step_key, []), timestamp - started)

    def _handle_check(self, check: dg.AssetCheckEvaluation) -> None:
        if check.passed:
            self.passed_checks += 1
            return
        self.failed_checks.append(check.check_name)
        self.warnings += check.severity is dg.AssetCheckSeverity.WARN
        if check.blocking and check.severity is dg.AssetCheckSeverity.ERROR:
            self.blocked_by = check
        self._print(f"  {failed_check_line(check)}")

    def _print_assets(self, materialized: list[dg.AssetMaterialization], seconds: float) -> None:
        if not materialized:
            return
        for one in materialized:
            self.seconds[one.asset_key.path[-1]] = seconds
        names = ", ".join(f"[bold]{one.asset_key.path[-1]}[/]{_rows(one)}" for one in materialized)
        reused = materialized[0].metadata.get(REUSED)
        note = " [dim]unchanged[/]" if reused is not None and reused.value else ""
        self._print(f"  [green]✓[/] {names}{note} [dim]{clock_text(seconds)}[/]")

    def _print(self, text: str, **style: Any) -> None:
        # A terminal wraps long lines itself; rich would break the commands in them.
        self.console.print(text, highlight=False, soft_wrap=True, **style)


def failed_check_line(check: dg.AssetCheckEvaluation) -> str:
    """What a check that did not pass found, in rich's markup."""
    kind = "warning" if check.severity is dg.AssetCheckSeverity.WARN else "failed"
    figures = escape(f": {check.description}" if check.description else _figures(check.metadata))
    return f"[yellow]! {kind}[/]: check [bold]{check.check_name}[/] of {check.asset_key.path[-1]}{figures}"


def _figures(metadata: Mapping[str, dg.MetadataValue[Any]]) -> str:
    """What a check measured, as far as it fits into a line: `: share 0.883`."""
    numbers = (dg.FloatMetadataValue, dg.IntMetadataValue)
    found = [
        f"{name} {one.value:g}" for name, one in metadata.items() if isinstance(one, numbers) and one.value is not None
    ]
    return f": {', '.join(found[:4])}" if found else ""


def _rows(materialization: dg.AssetMaterialization) -> str:
    count = materialization.metadata.get("dagster/row_count")
    return f" {count.value:,} rows" if isinstance(count, dg.IntMetadataValue) and count.value is not None else ""
