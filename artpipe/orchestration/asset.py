"""The one way to make an asset: the body computes its content, this module does everything else.

`@pipeline_asset` makes a plain `dg.asset` of a function; `@pipeline_assets` a `dg.multi_asset` of one that makes
several. Around the body it does nothing where nothing changed (`reuse`), keeps the lineage record, puts the settings
that shape the content into the code version, writes the result with the storage named at the asset, and adds the
metadata that every asset has. `@observed_file` declares a file that people edit. Declarations are found by name with
`declaration_of`; `docs/how_to_add.md` has patterns to copy.
"""

import inspect
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Concatenate, cast

import dagster as dg

from artpipe.lake.paths import DataLake
from artpipe.orchestration.blocking_checks import BlockingChecks
from artpipe.orchestration.lineage import Lineage, Origin, Record
from artpipe.orchestration.metadata import CHANGES, REUSED, WORK
from artpipe.orchestration.shaping import code_version, declared_settings, joined, parts, same_code
from artpipe.orchestration.storage import PARQUET, Storage
from artpipe.progress import Progress, progress_for
from artpipe.settings import Settings

if TYPE_CHECKING:
    from upath import UPath

OWNERS = ("team:artpipe",)
GALLERY_POOL = "gallery"
"""The Dagster pool of every asset that talks to the gallery: one at a time."""

Due = Callable[[DataLake, Settings, datetime], Mapping[str, int]]
"""How much an asset has to ask the outside world now although nothing above it changed, by the reason."""


class RunConfig(dg.Config):
    """Run config of every asset that can be reused: `force` makes it anew although nothing changed."""

    force: bool = False

    @property
    def must_run(self) -> bool:
        """Whether this run makes the asset although nothing changed."""
        return self.force


@dataclass(frozen=True)
class Result:
    """What the body of an asset made.

    Attributes:
        value: what the asset's storage writes; None where the body has written it.
        version: the data version, a hash of the content; where it is empty, the storage takes it of the value.
        metadata: what Dagster shows, beside the row count, columns and preview of a table.
        asset: its name, in a step that makes several.
        check_results: of checks that the asset itself makes.
    """

    value: Any = None
    version: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])
    asset: str = ""
    check_results: Sequence[dg.AssetCheckResult] = ()


@dataclass(frozen=True)
class Declaration:
    """What is declared of an asset where it is defined.

    Attributes:
        asset: its name.
        version: of its code; raised when the same inputs and settings would give other content.
        shaped_by: the settings that shape its content, by name.
        upstream: the assets that it is made from.
        stored: how its result is kept; None for an observed file.
        due: what it has to ask the outside world now; None where it asks nothing.
        observe: the version of an observed file by its content; None for an asset that is made here.
        formerly: its name in older lakes, or "".
        renamed: names in older records, of inputs and of settings, and the input that each is now.
    """

    asset: str
    version: str = ""
    shaped_by: tuple[str, ...] = ()
    upstream: tuple[str, ...] = ()
    stored: Storage | None = None
    due: Due | None = None
    observe: Callable[[Settings], str] | None = None
    formerly: str = ""
    renamed: Mapping[str, str] = field(default_factory=dict[str, str])

    def code_version(self, settings: Settings) -> str:
        """The code version under these settings: `1; image_short_side_px=320`."""
        return code_version(self.version, {name: getattr(settings, name) for name in self.shaped_by})

    def origin(self, lineage: Lineage, settings: Settings) -> Origin:
        """What the asset would be made from now."""
        inputs = lineage.versions(self.upstream)
        for name in self.upstream:
            above = DECLARED.get(name)
            if above is not None and above.observe is not None:
                inputs[name] = above.observed(settings)
        return Origin(self.code_version(settings), inputs)

    def is_made_from(self, record: Record, origin: Origin) -> bool:
        """Whether the record's asset would come out the same from `origin`, records of older code included."""
        code, inputs = parts(record.origin.code_version), dict(record.origin.inputs)
        for old, new in self.renamed.items():
            for found in (code, inputs):
                if old in found:
                    inputs[new] = found.pop(old)
        return inputs == origin.inputs and same_code(joined(code), origin.code_version)

    def is_reusable(self, lineage: Lineage, origin: Origin) -> bool:
        """Whether the lake holds the asset, complete, made from `origin`."""
        record = lineage.read(self.asset)
        return record is not None and self.exists(lineage.lake) and self.is_made_from(record, origin)

    def location(self, lake: DataLake) -> "UPath | None":
        """The file or folder without which it is not in the lake, under its former name where it still has that one."""
        if self.stored is None:
            return None
        found = self.stored.location(lake, self.asset)
        former = self.stored.location(lake, self.formerly) if self.formerly else found
        return former if former.exists() and not found.exists() else found

    def exists(self, lake: DataLake) -> bool:
        """Whether its file or folder is in the lake; always, for what is not kept there."""
        found = self.location(lake)
        return found is None or found.exists()

    def record(self, lineage: Lineage) -> Record | None:
        """Its lineage record, under its former name where it still has that one."""
        return lineage.read(self.asset) or (lineage.read(self.formerly) if self.formerly else None)

    def questions(self, lake: DataLake, settings: Settings, now: datetime) -> Mapping[str, int]:
        """How much it has to ask the outside world now although nothing changed, by the reason."""
        return self.due(lake, self.view(settings), now) if self.due else {}

    def view(self, settings: Settings) -> Settings:
        """The settings that it may read."""
        return declared_settings(settings, self.asset, self.shaped_by)

    def observed(self, settings: Settings) -> str:
        """The version of an observed file by its content now."""
        return self.observe(self.view(settings)) if self.observe else ""


DECLARED: dict[str, Declaration] = {}
"""Every declaration by the name of its asset; filled when the `assets.py` of a stage is imported."""


def declaration_of(asset: str) -> Declaration | None:
    """What was declared of an asset by this name; None for one that is no asset of the pipeline."""
    return DECLARED.get(asset)


def declarations() -> Mapping[str, Declaration]:
    """Every declaration by the name of its asset."""
    return DECLARED


@dataclass(frozen=True)
class AssetStep:
    """What the body of an asset is given beside its inputs.

    Attributes:
        lake: where results are kept.
        settings: those that the asset declares; reading another one raises `UndeclaredSettingError`.
        config: of this run.
        context: Dagster's own, for the log.
    """

    lake: DataLake
    settings: Settings
    config: RunConfig
    context: dg.AssetExecutionContext

    @cached_property
    def progress(self) -> Progress:
        """A bar in a terminal, Dagster log lines elsewhere."""
        return progress_for(self.context.log.info)

    def log(self, message: str) -> None:
        """Write a line into Dagster's log."""
        self.context.log.info(message)


Body = Callable[Concatenate[AssetStep, ...], "Result | Iterator[Result]"]


def pipeline_asset(
    *,
    kinds: set[str],
    code_version: str,
    shaped_by: Sequence[str] = (),
    stored: Storage = PARQUET,
    deps: Sequence[str] = (),
    due: Due | None = None,
    always_runs: bool = False,
    formerly: str = "",
    renamed: Mapping[str, str] | None = None,
    checks_of_reused: Callable[[DataLake], Sequence[dg.AssetCheckResult]] | None = None,
    **options: Any,
) -> Callable[[Body], dg.AssetsDefinition]:
    """Make an asset of a function: `def wanted_images(step: AssetStep, artworks: DataFrame) -> Result`.

    The function's name is the asset's, its docstring the description, its folder the group. A parameter after `step`
    is an upstream asset, read by that asset's storage; or a Dagster resource, by its annotation; or `config`, a
    `RunConfig` of its own.

    Args:
        kinds: as Dagster shows them.
        code_version: raised when the same inputs and settings would give other content.
        shaped_by: the settings that shape the content.
        stored: how the result is kept.
        deps: upstream assets that are not read as inputs.
        due: what has to be asked of the outside world although nothing changed; the asset is not reused then.
        always_runs: whether it is never reused: only the outside world knows whether it changed.
        formerly: the asset's name in older lakes.
        renamed: names in older records, of inputs and settings, and the input that each is now.
        checks_of_reused: results of the asset's own checks when it is reused.
        options: further arguments of `dg.asset`, such as `pool`.
    """

    def declare(body: Body) -> dg.AssetsDefinition:
        asset = body.__name__
        upstream = (*_inputs(body), *deps)
        DECLARED[asset] = Declaration(
            asset, code_version, tuple(shaped_by), upstream, stored, due, None, formerly, renamed or {}
        )
        step = _step_function(body, (asset,), always_runs=always_runs, checks_of_reused=checks_of_reused)
        return dg.asset(
            group_name=_room(body), kinds=kinds, code_version=code_version, deps=deps, owners=OWNERS, **options
        )(step)

    return declare


def pipeline_assets(
    *,
    kinds: set[str],
    code_version: str,
    stored: Mapping[str, Storage],
    descriptions: Mapping[str, str],
    **options: Any,
) -> Callable[[Body], dg.AssetsDefinition]:
    """Make several assets of one function, which yields a `Result` for each, in the order of `stored`.

    Each can be selected alone; the step makes all of them all the same, so that they stay consistent in the lake.

    Args:
        kinds: as Dagster shows them.
        code_version: raised when the same inputs and settings would give other content.
        stored: the assets, and how each is kept.
        descriptions: of each asset.
        options: `shaped_by`, `deps`, and further arguments of `dg.multi_asset`.
    """
    shaped_by, deps = tuple(options.pop("shaped_by", ())), tuple(options.pop("deps", ()))

    def declare(body: Body) -> dg.AssetsDefinition:
        upstream = (*_inputs(body), *deps)
        for asset, storage in stored.items():
            DECLARED[asset] = Declaration(asset, code_version, shaped_by, upstream, storage)
        outs = {
            asset: dg.AssetOut(
                description=descriptions[asset],
                kinds=kinds,
                code_version=code_version,
                owners=OWNERS,
                is_required=False,
            )
            for asset in stored
        }
        step = _step_function(body, tuple(stored))
        return dg.multi_asset(group_name=_room(body), outs=outs, deps=deps, can_subset=True, **options)(step)

    return declare


def observed_file(version: Callable[[Settings], str]) -> dg.AssetsDefinition:
    """Declare a file that people edit as an asset that is only observed: its data version is its content.

    Args:
        version: gives the version; its name is the asset's, its docstring the description, its folder the group.
    """
    asset = version.__name__
    DECLARED[asset] = Declaration(asset, observe=version)

    def observe(settings: Settings) -> dg.ObserveResult:
        return dg.ObserveResult(asset, data_version=dg.DataVersion(DECLARED[asset].observed(settings)))

    observe.__name__ = f"observe_{asset}"
    observe.__annotations__["settings"] = dg.ResourceParam[Settings]
    spec = dg.AssetSpec(asset, group_name=_room(version), description=inspect.getdoc(version), owners=OWNERS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        return dg.multi_observable_source_asset(specs=[spec], name=observe.__name__)(observe)


def observe_files(instance: dg.DagsterInstance, settings: Settings) -> list[str]:
    """Report to Dagster the files whose content differs from what it last observed; their asset names.

    Every route asks this before it asks what is stale, so that an edit is seen without a reload.
    """
    changed: list[str] = []
    for asset, declared in DECLARED.items():
        if declared.observe is None:
            continue
        key, version = dg.AssetKey(asset), declared.observed(settings)
        records = instance.fetch_observations(key, limit=1).records
        last = records[0].asset_observation if records else None
        if last is None or last.data_version != version:
            instance.report_runless_asset_event(
                dg.AssetObservation(key, tags={"dagster/data_version": version}, description="content of the file")
            )
            changed.append(asset)
    return changed


def adopt_renamed(lake: DataLake, instance: dg.DagsterInstance | None = None) -> None:
    """Move what older lakes hold under an asset's former name to its present one: its file, its record, its history.

    Args:
        lake: whose files.
        instance: whose history; it is left alone where it is None.
    """
    lineage = Lineage(lake)
    for asset, declared in DECLARED.items():
        if not declared.formerly or declared.stored is None:
            continue
        place, former = declared.stored.location(lake, asset), declared.stored.location(lake, declared.formerly)
        if former.exists() and not place.exists():
            former.rename(place)
        if (record := lineage.read(declared.formerly)) is not None:
            if lineage.read(asset) is None:
                lineage.write(asset, record)
            lake.lineage(declared.formerly).unlink(missing_ok=True)
        if instance is not None and instance.get_latest_materialization_event(dg.AssetKey(asset)) is None:
            event = instance.get_latest_materialization_event(dg.AssetKey(declared.formerly))
            if event is not None and (made := event.asset_materialization) is not None:
                instance.report_runless_asset_event(
                    dg.AssetMaterialization(asset, metadata=dict(made.metadata), tags=dict(made.tags or {}))
                )


def _step_function(
    body: Body,
    assets: tuple[str, ...],
    *,
    always_runs: bool = False,
    checks_of_reused: Callable[[DataLake], Sequence[dg.AssetCheckResult]] | None = None,
) -> Callable[..., Iterator[dg.MaterializeResult[Any]]]:
    """The function that Dagster calls: reuse, or the body with its results stored and recorded."""
    parameters = dict(inspect.signature(body).parameters)
    del parameters[next(iter(parameters))]
    takes_config = "config" in parameters

    def run_step(
        context: dg.AssetExecutionContext,
        config: RunConfig,
        lineage: Lineage,
        settings: Settings,
        blocking_checks: BlockingChecks,
        **inputs: Any,
    ) -> Iterator[dg.MaterializeResult[Any]]:
        adopt_renamed(lineage.lake, context.instance)
        selected = [key.path[-1] for key in context.selected_asset_keys]
        declared = {asset: DECLARED[asset] for asset in assets}
        blocking_checks.refuse_below_failed(context.instance, declared[assets[0]].upstream)
        origins = {asset: one.origin(lineage, settings) for asset, one in declared.items()}
        now = datetime.now(UTC)
        is_due = any(one.questions(lineage.lake, settings, now) for one in declared.values())
        must_run = always_runs or config.must_run or is_due
        if not must_run and all(declared[asset].is_reusable(lineage, origins[asset]) for asset in selected):
            context.log.info(
                f"nothing changed that {', '.join(selected)} depends on; what the lake holds is used again"
            )
            checks = checks_of_reused(lineage.lake) if checks_of_reused else ()
            for asset in (each for each in assets if each in selected):
                yield _reused(context, lineage, declared[asset], origins[asset], checks)
            return
        for asset in assets:
            lineage.begin(asset, origins[asset])
        step = AssetStep(lineage.lake, declared[assets[0]].view(settings), config, context)
        made = body(step, **({"config": config} if takes_config else {}), **inputs)
        for result in [made] if isinstance(made, Result) else made:
            asset = result.asset or assets[0]
            stored = _keep(declared[asset], lineage, result)
            if asset in selected:
                yield stored

    own = [name for name in parameters.values() if name.name != "config"]
    around = {
        "context": dg.AssetExecutionContext,
        "config": parameters["config"].annotation if takes_config else RunConfig,
        "lineage": dg.ResourceParam[Lineage],
        "settings": dg.ResourceParam[Settings],
        "blocking_checks": dg.ResourceParam[BlockingChecks],
    }
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD  # Dagster takes no keyword-only parameter for an input
    signature = inspect.Signature(
        [inspect.Parameter(name, kind, annotation=annotation) for name, annotation in around.items()]
        + [parameter.replace(kind=kind) for parameter in own]
    )
    run_step.__name__, run_step.__doc__, run_step.__module__ = body.__name__, body.__doc__, body.__module__
    run_step.__annotations__ = {**around, **{each.name: each.annotation for each in own}}
    cast("Any", run_step).__signature__ = signature
    return run_step


def _keep(declared: Declaration, lineage: Lineage, result: Result) -> dg.MaterializeResult[Any]:
    """Write what the body made, complete its record, and tell Dagster."""
    stored, lake = cast("Storage", declared.stored), lineage.lake
    version, metadata = result.version, dict[str, Any]()
    if result.value is not None:
        version = version or (stored.version(result.value) if stored.version else "")
        metadata = stored.metadata(result.value) if stored.metadata else {}
        if stored.write is not None:
            stored.write(lake, declared.asset, result.value)
    if not version:
        raise ValueError(f"`{declared.asset}` came without a data version; give one in its `Result`.")
    lineage.complete(declared.asset, version)
    return dg.MaterializeResult(
        asset_key=declared.asset,
        data_version=dg.DataVersion(version),
        metadata={
            **metadata,
            "path": str(stored.location(lake, declared.asset)),
            REUSED: False,
            **result.metadata,
        },
        check_results=list(result.check_results),
    )


def _reused(
    context: dg.AssetExecutionContext,
    lineage: Lineage,
    declared: Declaration,
    origin: Origin,
    checks: Sequence[dg.AssetCheckResult],
) -> dg.MaterializeResult[Any]:
    """What the lake holds, told to Dagster again; a record of older code is written anew in the words of this one."""
    record = cast("Record", lineage.read(declared.asset))
    if record.origin != origin:
        lineage.write(declared.asset, replace(record, origin=origin))
    return dg.MaterializeResult(
        asset_key=declared.asset,
        data_version=dg.DataVersion(record.data_version),
        metadata=_metadata_again(context.instance, declared, record.data_version),
        check_results=list(checks),
    )


def _metadata_again(instance: dg.DagsterInstance, declared: Declaration, data_version: str) -> Mapping[str, Any]:
    """The metadata of the materialisation that is used again, its counts of work set to 0."""
    for asset in filter(None, (declared.asset, declared.formerly)):
        event = instance.get_latest_materialization_event(dg.AssetKey(asset))
        made = event.asset_materialization if event else None
        if made is not None and (made.tags or {}).get("dagster/data_version") == data_version:
            kept = {name: value for name, value in made.metadata.items() if name not in (CHANGES, *WORK)}
            return {**kept, **{name: 0 for name in WORK if name in made.metadata}, REUSED: True}
    return {REUSED: True}


def _inputs(body: Body) -> list[str]:
    """The upstream assets that a body reads: its parameters but for the step, the config and resources."""
    _, *parameters = inspect.signature(body).parameters.values()
    return [each.name for each in parameters if each.name != "config" and not _is_resource(each.annotation)]


def _is_resource(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, dg.ConfigurableResource)


def _room(function: Callable[..., object]) -> str:
    """The folder that a function is defined in, which is the group of its assets."""
    return function.__module__.rpartition(".")[0].rpartition(".")[2] or function.__module__
