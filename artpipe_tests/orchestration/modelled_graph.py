"""A toy graph with an asset of every kind, in a world that changes; and what each asset must hold, as pure functions.

`catalog` and `artists` are roots. One step makes `works` and `quarantine` of them. `pictures` asks the source itself,
`groups` reads two files that people edit, `frozen` keeps what it holds while little changed, `model` reads a file of
weights, one step makes `table` and `vectors`, and `index` is made from `vectors`.
"""

import hashlib
import inspect
import io
import json
import os
import shutil
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import dagster as dg
from rich.console import Console

from artpipe.errors import ArtpipeError
from artpipe.lake.parquet import MissingTableError
from artpipe.lake.paths import DataLake, file_version, write_whole
from artpipe.orchestration.asset import (
    GALLERY_POOL,
    AssetStep,
    Result,
    observed_file,
    pipeline_asset,
    pipeline_assets,
)
from artpipe.orchestration.automation import RESCRAPE, automation_sensors
from artpipe.orchestration.blocking_checks import BlockingChecks, data_version_of
from artpipe.orchestration.declaration import DECLARED, Declaration
from artpipe.orchestration.instance import PROCESS_TAG
from artpipe.orchestration.lineage import Lineage, Origin
from artpipe.orchestration.next_assets import AssetStatus
from artpipe.orchestration.runner import RefreshOptions, RefreshReport, refresh
from artpipe.orchestration.staleness import asset_statuses
from artpipe.orchestration.storage import Storage
from artpipe.settings import Settings
from artpipe_tests.orchestration.toy_graph import Graph

Content = dict[str, Any]

UPSTREAM = {
    "catalog": (),
    "artists": (),
    "works": ("catalog", "artists"),
    "quarantine": ("catalog", "artists"),
    "pictures": ("works",),
    "groups": ("works", "pictures", "labels", "pairs"),
    "frozen": ("groups",),
    "model": ("frozen", "weights"),
    "table": ("works", "groups", "model"),
    "vectors": ("works", "groups", "model"),
    "index": ("vectors",),
}
"""What each asset is made from."""

ASSETS = tuple(UPSTREAM)
ROOTS = ("catalog", "artists")
FILES = ("labels", "pairs", "weights")
STEPS = {"cleaning": ("works", "quarantine"), "embedding": ("table", "vectors")}
SHAPED_BY = {
    "works": ("max_artworks",),
    "quarantine": ("max_artworks",),
    "pictures": ("image_short_side_px",),
    "groups": ("split_salt",),
    "frozen": ("retrain_drift",),
    "model": ("learning_rate",),
    "index": ("search_recall",),
}
BLOCKING = {name: f"{name}_are_sound" for name in ("works", "pictures", "groups", "vectors")}
CHECKS = {**BLOCKING, "index": "index_is_good"}
SEAMS = ("body", "before begin", "after begin", "before write", "before record", "after record", "check")
"""Where a process may die: a record is written after the content, and Dagster is told after that."""


class Death(BaseException):
    """The process ends here."""


@dataclass
class World:
    """What is outside the Dagster homes: the source, the edited files, the code, the lake, and what goes wrong.

    Attributes:
        folder: for the lake and a file of weights.
        titles: the source's catalogue: title and artist of each work.
        styles: the source's list of artists.
        images: the source's images; one that is missing is answered with 404.
        code: the versions of the code by asset, where they are not 0.
        broken: assets whose bodies raise.
        failing: checks that fail.
        death: the seam and the asset at which the process dies.
        asked: the source's images whenever they were asked for.
    """

    folder: Path
    titles: dict[str, list[str]] = field(default_factory=lambda: {f"w{n}": [f"T{n}", "ab"[n % 2]] for n in range(4)})
    styles: dict[str, str] = field(default_factory=lambda: {"a": "baroque", "b": "rococo"})
    images: dict[str, str] = field(default_factory=lambda: {f"w{n}": f"p{n}" for n in range(4)})
    code: dict[str, int] = field(default_factory=dict[str, int])
    broken: set[str] = field(default_factory=set[str])
    failing: set[str] = field(default_factory=set[str])
    death: tuple[str, str] | None = None
    asked: list[dict[str, str]] = field(default_factory=list[dict[str, str]])

    @property
    def lake(self) -> DataLake:
        return DataLake(self.folder / "lake")

    def file(self, name: str) -> Path:
        """A file that people edit; those of the lake are restored with it."""
        return self.folder / "weights.bin" if name == "weights" else Path(self.lake.overrides(name))

    def edit(self, name: str, text: str | None) -> None:
        path = self.file(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True) if text is None else path.write_text(text)

    def said(self, name: str) -> str:
        """What an edited file says."""
        return self.file(name).read_text() if self.file(name).exists() else ""

    def held(self, asset: str) -> Content | None:
        """What the lake holds of an asset."""
        path = self.lake.raw(asset)
        return json.loads(path.read_bytes()) if path.exists() else None

    def copy_lake(self) -> None:
        shutil.rmtree(self.folder / "copy", ignore_errors=True)
        shutil.copytree(self.folder / "lake", self.folder / "copy")

    def restore_lake(self) -> None:
        shutil.rmtree(self.folder / "lake")
        shutil.copytree(self.folder / "copy", self.folder / "lake")

    def code_of(self, asset: str) -> int:
        """The version of an asset's code; a step has one."""
        return self.code.get(next((step[0] for step in STEPS.values() if asset in step), asset), 0)

    def expected(self, asset: str, settings: Settings) -> Content:
        """What an asset that is fresh must hold, made from what the lake holds above it.

        For what asks the source: as it was when it was asked last.
        """
        if asset in ROOTS:
            return self.held(asset) or {}
        above = {name: self.held(name) or {} for name in UPSTREAM[asset] if name not in FILES}
        source = self.asked[int(self.lake.raw("asked").read_text())] if asset == "pictures" else {}
        return self.recipe(asset, above, settings, source)

    def recipe(self, asset: str, above: Mapping[str, Content], settings: Settings, source: dict[str, str]) -> Content:
        """What an asset comes out as; the code of a version and the next may come out the same."""
        return RECIPES[asset](self, settings, source=source, **above) | {"code": self.code_of(asset) // 2}


def digest(content: Content) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


def _catalog(world: World, _: Settings, **__: Any) -> Content:
    return dict(world.titles)


def _artists(world: World, _: Settings, **__: Any) -> Content:
    return dict(world.styles)


def _works(_: World, settings: Settings, *, catalog: Content, artists: Content, **__: Any) -> Content:
    rows = {work: [*row, artists[row[1]]] for work, row in _rows(catalog).items() if row[1] in artists}
    return {work: rows[work] for work in sorted(rows)[: settings.max_artworks]}


def _quarantine(_: World, settings: Settings, *, catalog: Content, artists: Content, **__: Any) -> Content:
    rows = sorted(work for work, row in _rows(catalog).items() if row[1] not in artists)
    return {"unknown artist": rows[: settings.max_artworks]}


def _pictures(_: World, settings: Settings, *, works: Content, source: dict[str, str], **__: Any) -> Content:
    px = settings.image_short_side_px
    return {work: f"{source[work]}@{px}" if work in source else "gone" for work in _rows(works)}


def _groups(world: World, settings: Settings, *, works: Content, pictures: Content, **__: Any) -> Content:
    stored = [work for work in _rows(works) if pictures[work] != "gone"]
    joined = dict(pair.split("=") for pair in world.said("pairs").split())
    labels = dict(label.split("=") for label in world.said("labels").split())
    return {
        work: [joined.get(work, work) + settings.split_salt, labels.get(work, works[work][2]), pictures[work]]
        for work in stored
    }


def _frozen(world: World, settings: Settings, *, groups: Content, **__: Any) -> Content:
    held = world.held("frozen")
    return _rows(groups if held is None or drift(held, groups) > settings.retrain_drift else held)


def drift(frozen: Content, groups: Content) -> float:
    then, now = _rows(frozen), _rows(groups)
    differing = [work for work in then.keys() | now.keys() if then.get(work) != now.get(work)]
    return len(differing) / max(len(now), 1)


def _model(world: World, settings: Settings, *, frozen: Content, **__: Any) -> Content:
    return {"learnt": digest(_rows(frozen)), "from": world.said("weights"), "at": settings.learning_rate}


def _table(_: World, __: Settings, *, works: Content, groups: Content, model: Content, **___: Any) -> Content:
    return {work: [*works[work], *groups[work], digest(model)] for work in _rows(groups)}


def _vectors(_: World, __: Settings, *, groups: Content, model: Content, **___: Any) -> Content:
    return {work: [group[2], digest(model)] for work, group in _rows(groups).items()}


def _index(_: World, settings: Settings, *, vectors: Content, **__: Any) -> Content:
    return {"of": _rows(vectors), "recall": settings.search_recall}


def _rows(content: Content) -> Content:
    return {name: row for name, row in content.items() if name != "code"}


RECIPES: dict[str, Callable[..., Content]] = {
    "catalog": _catalog,
    "artists": _artists,
    "works": _works,
    "quarantine": _quarantine,
    "pictures": _pictures,
    "groups": _groups,
    "frozen": _frozen,
    "model": _model,
    "table": _table,
    "vectors": _vectors,
    "index": _index,
}


class MortalLineage(Lineage):
    """Records of a process that may die before or after each of them."""

    def __init__(self, home: "Home") -> None:
        super().__init__(home.lake)
        self._home = home

    def begin(self, asset: str, origin: Origin) -> None:
        self._home.pass_seam("before begin", asset)
        super().begin(asset, origin)
        self._home.pass_seam("after begin", asset)

    def complete(self, asset: str, data_version: str, *now: Any, **files: Any) -> None:
        self._home.pass_seam("before record", asset)
        super().complete(asset, data_version, *now, **files)
        self._home.pass_seam("after record", asset)


class Home(Graph):
    """A Dagster home over the world's lake, with settings of its own, and every route by which assets are made."""

    def __init__(self, instance: dg.DagsterInstance, world: World) -> None:
        self.world, self.instance, self.lake = world, instance, world.lake
        self.changed: dict[str, Any] = {}
        self.evaluated: dict[tuple[str, str], bool] = {}
        self.requested: set[tuple[str, ...]] = set()
        """What the automation requested, and for what, since somebody else did anything."""
        self.cursor, self.is_dying = None, False
        self._processes: dict[str, tuple[dg.Definitions, dict[str, Declaration]]] = {}
        self.restart()

    def restart(self) -> None:
        """Restart the code server, which loads the code and the settings as they are now."""
        self.server = self.load()
        self.loaded = (dict(self.world.code), dict(self.changed))

    @property
    def is_current(self) -> bool:
        """Whether the code server has the code and the settings as they are now."""
        return self.loaded == (self.world.code, self.changed)

    @property
    def settings_now(self) -> Settings:
        usual = {"lake": str(self.world.folder / "lake"), "backbone_weights": str(self.world.file("weights"))}
        return Settings(**{**usual, "retrain_drift": 0.3, **self.changed})

    def load(self) -> dg.Definitions:
        """The definitions as a process has them that loads the code and the settings now."""
        self.settings = self.settings_now
        key = repr((sorted(self.world.code.items()), sorted(self.changed.items())))
        if key not in self._processes:
            self._processes[key] = self._definitions(self.settings), dict(DECLARED)
        definitions, declared = self._processes[key]
        DECLARED.update(declared)
        return definitions

    def _definitions(self, settings: Settings) -> dg.Definitions:
        assets = [
            self._single("catalog", always_runs=True, pool=GALLERY_POOL),
            self._single("artists", always_runs=True, pool=GALLERY_POOL),
            self._several("cleaning"),
            self._single("pictures", due=_due, pool=GALLERY_POOL),
            self._single("groups"),
            self._single("frozen"),
            self._single("model"),
            self._several("embedding"),
            self._single("index"),
        ]
        checks = [self._check(asset, name) for asset, name in CHECKS.items()]
        return dg.Definitions(
            assets=[
                *(asset.map_asset_specs(lambda spec: _with_code_version(spec, settings)) for asset in assets),
                *(self._file(name) for name in FILES),
            ],
            asset_checks=checks,
            resources={
                "lineage": MortalLineage(self),
                "settings": settings,
                "blocking_checks": BlockingChecks.among(spec for check in checks for spec in check.check_specs),
            },
            sensors=automation_sensors(settings),
            executor=dg.in_process_executor,
        )

    def _file(self, name: str) -> dg.AssetsDefinition:
        def version(_: Settings) -> str:
            return file_version(str(self.world.file(name))) or "none"

        version.__name__ = name
        return observed_file(version)

    def _single(self, name: str, **options: Any) -> dg.AssetsDefinition:
        def body(step: AssetStep, **above: Content) -> Result:
            return Result(self._make(name, step, above))

        return pipeline_asset(stored=self._stored(), **self._declared(body, name, name), **options)(body)

    def _several(self, name: str) -> dg.AssetsDefinition:
        def body(step: AssetStep, **above: Content) -> Iterator[Result]:
            for asset in STEPS[name]:
                yield Result(self._make(asset, step, above), asset=asset)

        descriptions = dict.fromkeys(STEPS[name], "Made with another.")
        stored = {asset: self._stored() for asset in STEPS[name]}
        first = STEPS[name][0]
        return pipeline_assets(stored=stored, descriptions=descriptions, **self._declared(body, name, first))(body)

    def _declared(self, body: Any, name: str, asset: str) -> dict[str, Any]:
        """What the body is declared with; it takes what it is made from as inputs, but for files."""
        body.__name__ = name
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        inputs = [above for above in UPSTREAM[asset] if above not in FILES]
        body.__signature__ = inspect.Signature([inspect.Parameter(one, kind) for one in ("step", *inputs)])
        return {
            "kinds": set[str](),
            "code_version": str(self.world.code_of(asset)),
            "shaped_by": SHAPED_BY.get(asset, ()),
            "deps": [above for above in UPSTREAM[asset] if above in FILES],
        }

    def _stored(self) -> Storage:
        def write(lake: DataLake, asset: str, content: Content) -> None:
            self.pass_seam("before write", asset)
            write_whole(lake.raw(asset), json.dumps(content).encode())

        def read(lake: DataLake, asset: str) -> Content:
            try:
                return json.loads(lake.raw(asset).read_bytes())
            except FileNotFoundError as error:
                raise MissingTableError(f"`{asset}` was never made; materialize it first.") from error

        return Storage(lambda lake, asset: lake.raw(asset), read, write, digest)

    def _make(self, asset: str, step: AssetStep, above: Mapping[str, Content]) -> Content:
        for name in UPSTREAM[asset]:
            version = self.version_held(name) if name in BLOCKING else ""
            assert name not in BLOCKING or self.evaluated.get((BLOCKING[name], version)), f"{asset} passed by {name}"
        if asset in self.world.broken:
            raise RuntimeError(f"{asset} is broken")
        if asset != "pictures":
            self.pass_seam("body", asset)
            return self.world.recipe(asset, above, step.settings, {})
        self.world.asked.append(dict(self.world.images))
        content = self.world.recipe(asset, above, step.settings, self.world.images)
        write_whole(step.lake.raw("asked"), str(len(self.world.asked) - 1).encode())
        half = dict(list(content.items())[::2])
        write_whole(step.lake.raw(asset), json.dumps(half).encode())
        self.pass_seam("body", asset)
        return content

    def _check(self, asset: str, name: str) -> dg.AssetChecksDefinition:
        @dg.asset_check(name=name, asset=asset, blocking=asset in BLOCKING)
        def evaluate() -> dg.AssetCheckResult:
            self.pass_seam("check", asset)
            passed = name not in self.world.failing
            self.evaluated[name, self.version_held(asset)] = passed
            return dg.AssetCheckResult(passed=passed)

        return evaluate

    def version_held(self, asset: str) -> str:
        """The data version of what the lake holds, by its content."""
        content = self.world.held(asset)
        return "" if content is None else digest(content)

    def versions_recorded(self) -> dict[str, str | None]:
        """The data version of each asset that this home was told last."""
        entries = [
            record.asset_entry for record in self.instance.get_asset_records([dg.AssetKey(one) for one in ASSETS])
        ]
        events = {entry.asset_key.path[-1]: entry.last_materialization_record for entry in entries}
        return {name: data_version_of(event) for name, event in events.items() if event}

    def statuses(self) -> dict[str, AssetStatus]:
        """What `artpipe status` says: a process that loads the code now."""
        graph = self.load().resolve_asset_graph()
        return asset_statuses(graph, self.instance, self.settings)

    def refresh(self, select: str | None = None, *, force: bool = False, **changed: object) -> RefreshReport:
        """`artpipe refresh`, with settings that are changed for this time."""
        usual = dict(self.changed)
        self.changed |= changed
        try:
            definitions, options = self.load(), RefreshOptions(select, force)
            opened = nullcontext(self.instance)
            with mock.patch("artpipe.orchestration.runner.open_instance", return_value=opened):
                return refresh(definitions, self.settings, options, Console(file=io.StringIO()))
        finally:
            self.changed = usual

    def run(self, *names: str, checks: bool = True, tags: dict[str, str] | None = None) -> bool:
        """A run that Dagster's CLI, its UI or its daemon launches: a process that loads the code now."""
        job = self.load().resolve_implicit_global_asset_job_def()
        keys = {dg.AssetKey(name) for name in names}
        subset = job.get_subset(asset_selection=keys, asset_check_selection=None if checks else set())
        quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        # A process that dies runs no other step, and one of which a step fails does.
        raises = self.world.death is not None
        try:
            return subset.execute_in_process(quiet, self.instance, tags=tags, raise_on_error=raises).success
        except (dg.DagsterError, ArtpipeError, RuntimeError):
            return False

    def rescrape(self) -> bool:
        """What the schedule starts."""
        return self.run(*ROOTS, tags={"dagster/schedule_name": RESCRAPE})

    def settle(self) -> list[set[str]]:
        """Tick and run what is requested until nothing is; no asset is requested twice for the same inputs.

        Once more where the roots were asked since: a run that makes the roots too, and fails below, is followed by one.
        """
        waves: list[set[str]] = []
        while wave := self.tick():
            records = self.instance.get_asset_records([dg.AssetKey(name) for name in ROOTS])
            asked = sorted(str(one.asset_entry.last_materialization_storage_id) for one in records)
            for name in wave:
                declared = DECLARED[name]
                versions = declared.origin(Lineage(self.lake).versions(UPSTREAM[name]), self.settings).inputs
                code = self.server.resolve_asset_graph().get(dg.AssetKey(name)).code_version or ""
                request = (name, code, *(versions[above] for above in UPSTREAM[name]), *(asked if versions else ()))
                assert request not in self.requested, f"{request} was requested before; {waves}"
                self.requested.add(request)
            waves.append(wave)
            self.run(*wave)
        return waves

    def pass_seam(self, seam: str, asset: str) -> None:
        """Die here, where that is so: from now on the process writes nothing, not into Dagster's log either."""
        if self.is_dying or self.world.death == (seam, asset):
            if not self.is_dying:
                self.instance.handle_new_event = lambda *_, **__: None  # pyright: ignore[reportAttributeAccessIssue]
            self.is_dying = True
            raise Death

    def kill(self, seam: str, asset: str, route: Callable[[], object]) -> bool:
        """Take a route on which the process dies at a seam; whether it got there."""
        self.world.death = (seam, asset)
        try:
            route()
        except Death:
            pass
        finally:
            was_killed, self.is_dying, self.world.death = self.is_dying, False, None
            vars(self.instance).pop("handle_new_event", None)
        if was_killed:
            gone = f"{socket.gethostname()}:{os.getpid()}:1"  # a process with this number lives, and is a later one
            for run in self.instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])):
                self.instance.add_run_tags(run.run_id, {PROCESS_TAG: gone})
        return was_killed


def _due(_: DataLake, settings: Settings, __: object) -> Mapping[str, int]:
    return {"old answers": 1} if settings.revalidate_after_days == 0 else {}


def _with_code_version(spec: dg.AssetSpec, settings: Settings) -> dg.AssetSpec:
    return spec.replace_attributes(code_version=DECLARED[spec.key.path[-1]].code_version(settings))
