"""A toy graph made with the decorator, and what runs it: refreshes, runs, ticks of the automation."""

import io
from pathlib import Path

import dagster as dg
from rich.console import Console

from artpipe.lake.mass_loss import Loss
from artpipe.lake.paths import DataLake
from artpipe.orchestration.asset import (
    GALLERY_POOL,
    AssetStep,
    Result,
    SourceConfig,
    observed_file,
    pipeline_asset,
)
from artpipe.orchestration.automation import automation_sensors, promising_age
from artpipe.orchestration.blocking_checks import BlockingChecks
from artpipe.orchestration.lineage import Lineage
from artpipe.orchestration.next_assets import AssetStatus
from artpipe.orchestration.runner import RefreshOptions, RefreshReport, refresh
from artpipe.orchestration.staleness import asset_statuses
from artpipe.orchestration.storage import written_by_body
from artpipe.settings import Settings


class Graph:
    """`catalog` and `list` are roots; `works` is made from both, `pictures` from `works`, `groups` from those two and a
    file that a person edits, `index` from `works` and `groups`.

    `holds` gives what an asset comes out as; by default it copies what it is made from. A name in `broken` fails, and
    one in `losing` is refused, for it would lose nine of ten rows.
    Another `code` takes effect where it is loaded: by `load`, which gives a code server's definitions, and by each run.
    """

    def __init__(self, instance: dg.DagsterInstance, folder: Path) -> None:
        self.instance = instance
        self.settings = Settings(lake=str(folder / "lake"), rescrape_cron="0 3 * * *")
        self.lake = DataLake(self.settings.lake_root)
        self.edited = folder / "edited.csv"
        self.holds = {"catalog": "1", "list": "1"}
        self.code: dict[str, str] = {}
        self.broken: set[str] = set()
        self.losing: set[str] = set()
        self.failed_checks: set[str] = set()
        self.cursor: str | None = None
        self.server = self.load()

    def load(self) -> dg.Definitions:
        """The definitions as a process has them that loads the code now."""
        assets = [
            self._asset("catalog", always_runs=True, pool=GALLERY_POOL),
            self._asset("list", always_runs=True, pool=GALLERY_POOL),
            self._asset("works", "catalog", "list"),
            self._asset("pictures", "works", due=self._due, pool=GALLERY_POOL),
            self._asset("groups", "works", "pictures", "edits"),
            self._asset("index", "works", "groups"),
        ]

        def edits(_: Settings) -> str:
            return self.content_of_edited()

        @dg.asset_check(asset="groups", blocking=True)
        def groups_are_sound() -> dg.AssetCheckResult:
            return dg.AssetCheckResult(passed="groups" not in self.failed_checks)

        return dg.Definitions(
            assets=[*(promising_age(asset, self.settings) for asset in assets), observed_file(edits)],
            asset_checks=[groups_are_sound],
            resources={
                "lineage": Lineage(self.lake),
                "settings": self.settings,
                "blocking_checks": BlockingChecks.among(groups_are_sound.check_specs),
            },
            sensors=automation_sensors(self.settings),
            executor=dg.in_process_executor,
        )

    def _due(self, *_: object) -> dict[str, int]:
        return {"old": 1} if "pictures" in self.losing else {}

    def _asset(self, name: str, *deps: str, **options: object) -> dg.AssetsDefinition:
        def body(step: AssetStep, config: SourceConfig) -> Result:
            step.loss_guard(name, config).check([Loss("rows", 10, 9 if name in self.losing else 0)], "the source")
            if name in self.broken:
                raise RuntimeError(f"{name} is broken")
            path = step.lake.raw(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self.holds.get(name) or self.version(*deps))
            return Result(version=path.read_text())

        body.__name__ = name
        stored = written_by_body(lambda lake: lake.raw(name))
        version = self.code.get(name, "1")
        return pipeline_asset(kinds=set(), code_version=version, deps=deps, stored=stored, **options)(body)

    def version(self, *names: str) -> str:
        found = Lineage(self.lake).versions(names) | {"edits": self.content_of_edited()}
        return "+".join(found[name] for name in names)

    def content_of_edited(self) -> str:
        return self.edited.read_text() if self.edited.exists() else "none"

    def statuses(self) -> dict[str, AssetStatus]:
        return asset_statuses(self.server.resolve_asset_graph(), self.instance, self.settings)

    def restart(self) -> None:
        """Restart the code server, which loads the code as it is now."""
        self.server = self.load()

    def run(self, *names: str, checks: bool = True, tags: dict[str, str] | None = None) -> bool:
        """Materialise assets in a run, which loads the code as it is now."""
        job = self.load().resolve_implicit_global_asset_job_def()
        keys = {dg.AssetKey(name) for name in names}
        subset = job.get_subset(asset_selection=keys, asset_check_selection=None if checks else set())
        return subset.execute_in_process(instance=self.instance, tags=tags, raise_on_error=False).success

    def refresh(self, select: str | None = None) -> RefreshReport:
        """Refresh the lake; only where the instance is the lake's own."""
        return refresh(self.load(), self.settings, RefreshOptions(select), Console(file=io.StringIO()))

    def begin(self, *names: str, tags: dict[str, str] | None = None, again: str | None = None) -> dg.DagsterRun:
        """A run that is under way until it is reported as failed; `again` is the run that it executes again."""
        job = self.server.resolve_implicit_global_asset_job_def()
        subset = job.get_subset(asset_selection={dg.AssetKey(name) for name in names})
        return self.instance.create_run_for_job(
            subset,
            status=dg.DagsterRunStatus.STARTED,
            tags=tags,
            asset_selection=subset.asset_selection,
            parent_run_id=again,
            root_run_id=again,
        )

    def tick(self) -> set[str]:
        """What a tick of the automation requests."""
        sensor = self.server.resolve_sensor_def("follow_changes")
        with dg.build_sensor_context(self.instance, cursor=self.cursor, definitions=self.server) as context:
            result = sensor.evaluate_tick(context)
        self.cursor = result.cursor
        return {key.to_user_string() for request in result.run_requests or () for key in request.asset_selection or ()}

    def settle(self) -> list[set[str]]:
        """Tick and run what is requested until nothing is; what each tick requested."""
        waves: list[set[str]] = []
        while wave := self.tick():
            waves.append(wave)
            self.run(*wave)
            assert len(waves) < 20, waves
        return waves
