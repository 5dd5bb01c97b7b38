"""What a refresh would run now, without running it."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import dagster as dg

from artpipe.lake.full_disk import is_of_full_disk
from artpipe.lake.lock import refresh_under_way
from artpipe.lake.paths import DataLake
from artpipe.orchestration.dagster_private import AssetGraph
from artpipe.orchestration.home import dagster_home
from artpipe.orchestration.instance import open_copy, open_instance
from artpipe.orchestration.next_assets import AssetStatus, ancestors, failed_above, for_refresh, in_words
from artpipe.orchestration.runner import selected_assets
from artpipe.orchestration.staleness import asset_statuses
from artpipe.progress import clock_text
from artpipe.settings import Settings

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from rich.table import Table

WouldRun = Literal["yes", "if inputs change", "if checks pass", "no"]
_INTERNAL = ("hold", "observed", "asks_source", "record_id")
"""Fields of a status that only what runs assets has a use for."""

_COLOURS = {"fresh": "green", "stale": "yellow", "missing": "red"}


@dataclass(frozen=True)
class Forecast:
    """One asset in the outlook."""

    state: AssetStatus
    would_run: WouldRun

    @property
    def why(self) -> str:
        """Why it is not fresh, or runs all the same."""
        state = self.state
        # The checks of what has to be made anew did not run on it: that goes without saying.
        unmet = in_words(state.failed_checks, () if state.reasons else state.skipped_checks)
        return "; ".join([*state.reasons, *unmet]) or state.due


@dataclass(frozen=True)
class Outlook:
    """The state of every asset, and what a refresh would run."""

    lake: str
    forecasts: list[Forecast]
    failed_checks: list[dg.AssetCheckEvaluation]
    """The selected assets' checks that did not pass when they last ran."""
    under_way: str = ""
    """What is done to the lake now, by which process and since when; "" where nothing is."""
    missing: str = ""
    """That there is no lake, and which folder may be meant; "" where there is one."""

    @property
    def estimated_s(self) -> float:
        """How long the assets that would run in any case took the last time."""
        return self._seconds("yes")

    @property
    def most_s(self) -> float:
        """What a refresh would take if everything below changed too, by the last times."""
        return self._seconds("yes", "if inputs change")

    def _seconds(self, *answers: WouldRun) -> float:
        steps = {one.state.step: one.state.seconds or 0.0 for one in self.forecasts if one.would_run in answers}
        return sum(steps.values())

    @property
    def is_estimated(self) -> bool:
        """Whether everything that would run has run before, so that its time is known."""
        return all(one.state.seconds is not None for one in self.forecasts if one.would_run == "yes")

    @property
    def summary(self) -> str:
        """The outlook in one line."""
        certain = [one for one in self.forecasts if one.would_run == "yes"]
        if self.under_way:
            return f"{self.under_way[0].upper()}{self.under_way[1:]}; the table shows what it has made so far."
        if self.missing:
            return (
                f"{self.missing[0].upper()}{self.missing[1:]}: `artpipe refresh` would make one, or set ARTPIPE_LAKE."
            )
        if all(one.state.is_root and one.state.status == "fresh" for one in certain):
            lead = "Everything is fresh. `artpipe refresh` would ask the gallery whether that still holds"
        else:
            lead = f"`artpipe refresh` would run {len(certain)} of {len(self.forecasts)} assets"
        if not self.is_estimated:
            return f"{lead}; how long that takes is not known before a first run."
        return f"{lead}: about {clock_text(self.estimated_s)}, at most {clock_text(self.most_s)} by past runs."

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "lake": self.lake,
            "exists": not self.missing,
            "refresh_under_way": self.under_way or None,
            "assets": [
                {name: value for name, value in asdict(one.state).items() if name not in _INTERNAL}
                | {
                    "made_at": one.state.made_at.isoformat(timespec="seconds") if one.state.made_at else None,
                    "is_root": one.state.is_root,
                    "why": one.why,
                    "would_run": one.would_run,
                }
                for one in self.forecasts
            ],
            "failed_checks": [
                {"asset": one.asset_key.path[-1], "check": one.check_name, "description": one.description}
                for one in self.failed_checks
            ],
            "estimated_s": round(self.estimated_s, 2) if self.is_estimated else None,
            "most_s": round(self.most_s, 2) if self.is_estimated else None,
        }


def outlook(
    definitions: dg.Definitions, settings: Settings, select: str | None = None, *, force: bool = False
) -> Outlook:
    """What a refresh of these settings would run now; nothing is run, and no lake is created.

    Args:
        definitions: the assets of these settings.
        settings: which lake, and which Dagster home.
        select: a Dagster asset selection; everything where it is None.
        force: as for a refresh that makes everything selected anew.

    Raises:
        UnknownAssetError: the selection matches nothing.
    """
    graph = definitions.resolve_asset_graph()
    selected = selected_assets(graph, select)

    def read(instance: dg.DagsterInstance) -> tuple[dict[str, AssetStatus], list[dg.AssetCheckEvaluation]]:
        statuses = for_refresh(asset_statuses(graph, instance, settings))
        return statuses, _failed_checks(graph, instance, selected)

    lake = settings.data_lake
    try:
        with _reading(settings, lake) as instance:
            statuses, failed_checks = read(instance)
    except Exception as error:
        if not is_of_full_disk(error, dagster_home(settings)):
            raise
        with open_copy(settings) as instance:
            statuses, failed_checks = read(instance)
    certain = {name for name in selected if force or statuses[name].needs_run}

    def would_run(name: str) -> WouldRun:
        above = {name} | ancestors(statuses, name)
        if name in selected and any(failed_above(statuses, one) for one in above & certain):
            return "if checks pass"
        if name in certain:
            return "yes"
        return "if inputs change" if name in selected and above & certain else "no"

    forecasts = [Forecast(status, would_run(name)) for name, status in statuses.items()]
    return Outlook(str(lake.root), forecasts, failed_checks, refresh_under_way(lake), lake.missing)


def _reading(settings: Settings, lake: DataLake) -> "AbstractContextManager[dg.DagsterInstance]":
    """The instance of a lake; an empty one in memory where there is no lake yet."""
    return dg.DagsterInstance.ephemeral() if lake.missing else open_instance(settings)


def _failed_checks(
    graph: AssetGraph, instance: dg.DagsterInstance, selected: set[str]
) -> list[dg.AssetCheckEvaluation]:
    records = (
        instance.get_latest_asset_check_evaluation_record(key)
        for key in sorted(graph.asset_check_keys, key=str)
        if key.asset_key.path[-1] in selected
    )
    found = (record.event.asset_check_evaluation for record in records if record and record.event)
    return [one for one in found if one is not None and not one.passed]


def outlook_table(found: Outlook) -> "Table":
    """The outlook for people."""
    from rich.markup import escape
    from rich.table import Table

    table = Table("asset", "is", "why", "would run", "last took", "made", title=f"The lake {escape(found.lake)}")
    for one in found.forecasts:
        state = one.state
        table.add_row(
            state.asset,
            f"[{_COLOURS[state.status]}]{state.status}[/]",
            escape(one.why),
            one.would_run,
            "" if state.seconds is None else clock_text(state.seconds),
            "" if state.made_at is None else f"{state.made_at.astimezone():%Y-%m-%d %H:%M}",
        )
    return table
