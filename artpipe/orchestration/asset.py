"""The one way to make an asset: the body computes its content, this module does everything else.

`@pipeline_asset` makes a plain `dg.asset` of a function; `@pipeline_assets` a `dg.multi_asset` of one that makes
several. The step around the body does nothing where nothing changed (reuse); else it reads the inputs, keeps the
lineage record, writes the result with the storage named at the asset, and adds the metadata that every asset has.
`@observed_file` declares a file that people edit. What is declared goes to `declaration.py`; `docs/how_to_add.md` has
patterns to copy.

A step holds a lock, reads the lineage records of its inputs, and only then the inputs themselves. So of two processes
that make the same asset one waits and finds it made, and an input that changes in between is newer than its record:
the asset counts as stale and is made again, never as fresh.
"""

import inspect
import warnings
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Concatenate, cast

import dagster as dg

from artpipe.lake.paths import DataLake
from artpipe.orchestration.blocking_checks import BlockingChecks
from artpipe.orchestration.declaration import DECLARED, Declaration, Due, adopt_renamed, read_input
from artpipe.orchestration.instance import PROCESS_TAG, this_process
from artpipe.orchestration.lineage import Lineage, Origin, Record
from artpipe.orchestration.metadata import CHANGES, REUSED, WORK
from artpipe.orchestration.storage import PARQUET, Storage
from artpipe.progress import Progress, progress_for
from artpipe.settings import Settings

OWNERS = ("team:artpipe",)
GALLERY_POOL = "gallery"
"""The Dagster pool of every asset that talks to the gallery: one at a time."""


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
            asset=asset,
            version=code_version,
            shaped_by=tuple(shaped_by),
            upstream=upstream,
            stored=stored,
            due=due,
            formerly=formerly,
            renamed=renamed or {},
        )
        step = _step_function(body, (asset,), always_runs=always_runs, checks_of_reused=checks_of_reused)
        return dg.asset(
            group_name=_room(body), kinds=kinds, code_version=code_version, deps=upstream, owners=OWNERS, **options
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
        return dg.multi_asset(group_name=_room(body), outs=outs, deps=upstream, can_subset=True, **options)(step)

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
    config_type = parameters["config"].annotation if "config" in parameters else RunConfig
    resource_types = {name: each.annotation for name, each in parameters.items() if _is_resource(each.annotation)}
    inputs = _inputs(body)

    def run_step(
        context: dg.AssetExecutionContext,
        config: RunConfig,
        lineage: Lineage,
        settings: Settings,
        blocking_checks: BlockingChecks,
        **resources: Any,
    ) -> Iterator[dg.MaterializeResult[Any]]:
        if PROCESS_TAG not in context.run.tags:
            context.instance.add_run_tags(context.run.run_id, {PROCESS_TAG: this_process()})
        with _step_lock(lineage.lake, body.__name__, context):
            yield from run_alone(context, config, lineage, settings, blocking_checks, resources)

    def run_alone(
        context: dg.AssetExecutionContext,
        config: RunConfig,
        lineage: Lineage,
        settings: Settings,
        blocking_checks: BlockingChecks,
        resources: Mapping[str, Any],
    ) -> Iterator[dg.MaterializeResult[Any]]:
        adopt_renamed(lineage.lake, context.instance)
        selected = [key.path[-1] for key in context.selected_asset_keys]
        declared = {asset: DECLARED[asset] for asset in assets}
        blocking_checks.refuse_below_unmet(context.instance, lineage, declared[assets[0]].upstream)
        origins = {asset: one.origin(lineage.versions(one.upstream), settings) for asset, one in declared.items()}
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
        arguments = {**resources, **{asset: read_input(lineage.lake, asset) for asset in inputs}}
        if "config" in parameters:
            arguments["config"] = config
        for asset in assets:
            lineage.begin(asset, origins[asset])
        made = body(AssetStep(lineage.lake, declared[assets[0]].view(settings), config, context), **arguments)
        for result in [made] if isinstance(made, Result) else made:
            asset = result.asset or assets[0]
            stored = _keep(declared[asset], lineage, result)
            if asset in selected:
                yield stored

    annotations = {
        "context": dg.AssetExecutionContext,
        "config": config_type,
        "lineage": dg.ResourceParam[Lineage],
        "settings": dg.ResourceParam[Settings],
        "blocking_checks": dg.ResourceParam[BlockingChecks],
        **resource_types,
    }
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    signature = inspect.Signature(
        [inspect.Parameter(name, kind, annotation=annotation) for name, annotation in annotations.items()]
    )
    run_step.__name__, run_step.__doc__, run_step.__module__ = body.__name__, body.__doc__, body.__module__
    run_step.__annotations__ = annotations
    cast("Any", run_step).__signature__ = signature
    return run_step


@contextmanager
def _step_lock(lake: DataLake, step: str, context: dg.AssetExecutionContext) -> Generator[None]:
    """Hold the lock of a step until Dagster has recorded its last asset; processes of this machine share it."""
    from filelock import FileLock, Timeout

    lock = FileLock(lake.lock_file(f"step_{step}"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        context.log.info(f"another process makes {step}; waiting for it to end")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


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
