"""What runs when Dagster makes an asset: reuse, or the body around which everything else is done.

A step holds a lock, reads the lineage records of its inputs, and only then the inputs themselves. So of two processes
that make the same asset one waits and finds it made, and an input that changes in between is newer than its record:
the asset counts as stale and is made again, never as fresh.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Concatenate, cast

import dagster as dg

from artpipe.engine.chosen import engine_of
from artpipe.engine.shards import Engine
from artpipe.lake.damage import set_aside_damaged
from artpipe.lake.lock import under_way, write_lock
from artpipe.lake.mass_loss import LossGuard, MassLossError, settle_refusal, write_refusal
from artpipe.lake.paths import DataLake
from artpipe.orchestration.blocking_checks import BlockingChecks
from artpipe.orchestration.declaration import DECLARED, Declaration, adopt_older, read_input
from artpipe.orchestration.event_size import limited, limited_result
from artpipe.orchestration.instance import PROCESS_TAG, WAITED_TAG, this_process
from artpipe.orchestration.lineage import Lineage, Origin, Record
from artpipe.orchestration.metadata import CHANGES, DATA_VERSION_TAG, REUSED, WORK
from artpipe.orchestration.storage import Storage
from artpipe.progress import Progress, progress_for
from artpipe.settings import Settings


class RunConfig(dg.Config):
    """Run config of every asset that can be reused: `force` makes it anew although nothing changed."""

    force: bool = False

    @property
    def must_run(self) -> bool:
        """Whether this run makes the asset although nothing changed."""
        return self.force


class SourceConfig(RunConfig):
    """Run config of an asset that refuses to lose too much at once: `accept_loss` accepts what was refused before."""

    accept_loss: bool = False


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
        has_new_inputs: whether what the lake holds was made of other inputs, or is not known to be of these.
        held_version: the data version of what the lake held of its first asset; None where that is not known.
    """

    lake: DataLake
    settings: Settings
    config: RunConfig
    context: dg.AssetExecutionContext
    has_new_inputs: bool = True
    held_version: str | None = None

    @cached_property
    def progress(self) -> Progress:
        """A bar in a terminal, Dagster log lines elsewhere."""
        return progress_for(self.context.log.info)

    @cached_property
    def engine(self) -> Engine:
        """What runs the heavy work: this machine, or the Ray cluster of the settings."""
        return engine_of(self.settings, self.context.log.info)

    def loss_guard(self, asset: str, config: SourceConfig) -> LossGuard:
        """What decides whether an asset of this step may lose so much at once.

        Of the same inputs, newer code or another setting may make less: that is no loss of the source.
        """
        is_of_source = self.has_new_inputs or DECLARED[asset].due is not None
        return LossGuard(self.lake, asset, self.settings.max_loss if is_of_source else 1.0, config.accept_loss)

    def log(self, message: str) -> None:
        """Write a line into Dagster's log."""
        self.context.log.info(message)


Body = Callable[Concatenate[AssetStep, ...], "Result | Iterator[Result]"]


def step_function(
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
    inputs = input_names(body)

    def run_step(
        context: dg.AssetExecutionContext,
        config: RunConfig,
        lineage: Lineage,
        settings: Settings,
        blocking_checks: BlockingChecks,
        **resources: Any,
    ) -> Iterator[dg.MaterializeResult[Any]]:
        if context.run.tags.get(PROCESS_TAG) != this_process():  # executed again, it has its parent's
            context.instance.add_run_tags(context.run.run_id, {PROCESS_TAG: this_process()})
        with write_lock(
            lineage.lake,
            f"a run of {', '.join(assets)}",
            lambda other: context.log.info(f"{under_way(other)}; waiting for it to end"),
        ):
            yield from run_alone(context, config, lineage, settings, blocking_checks, resources)

    def run_alone(
        context: dg.AssetExecutionContext,
        config: RunConfig,
        lineage: Lineage,
        settings: Settings,
        blocking_checks: BlockingChecks,
        resources: Mapping[str, Any],
    ) -> Iterator[dg.MaterializeResult[Any]]:
        selected = [key.path[-1] for key in context.selected_asset_keys]
        declared = {asset: DECLARED[asset] for asset in assets}
        upstream = declared[assets[0]].upstream  # the same for every asset of a step
        with lineage.lake.listed():
            adopt_older(lineage.lake, context.instance)
            lineage.lake.mark_format()
            blocking_checks.refuse_below_unmet(context.instance, lineage, upstream)
            versions, now = lineage.versions(upstream), datetime.now(UTC)
            origins = {asset: one.origin(versions, settings) for asset, one in declared.items()}
            damaged = _damage(lineage, declared.values())
            is_again = context.run.parent_run_id is not None  # with the tags of the run that is executed again
            waited_since = None if is_again else context.run.tags.get(WAITED_TAG)
            must_run = (
                (always_runs and not _made_since(waited_since, map(lineage.read, assets)))
                or config.must_run
                or bool(damaged)
                or any(one.questions(lineage.lake, settings, now) for one in declared.values())
            )
            is_made = not must_run and all(declared[asset].is_reusable(lineage, origins[asset]) for asset in selected)
        if is_made:
            context.log.info(
                f"nothing changed that {', '.join(selected)} depends on; what the lake holds is used again"
            )
            checks = checks_of_reused(lineage.lake) if checks_of_reused else ()
            for asset in (each for each in assets if each in selected):
                yield _reused(context, lineage, declared[asset], origins[asset], checks)
            return
        _set_aside(lineage.lake, damaged, context)
        arguments = {**resources, **{asset: read_input(lineage.lake, asset) for asset in inputs}}
        if "config" in parameters:
            arguments["config"] = config
        held = {asset: lineage.read(asset) for asset in assets}
        has_new_inputs = any(
            record is None or record.origin.inputs != origins[asset].inputs for asset, record in held.items()
        )
        for asset in assets:
            lineage.begin(asset, origins[asset])
        first = held[assets[0]]
        step = AssetStep(
            lineage.lake,
            declared[assets[0]].view(settings),
            config,
            context,
            has_new_inputs,
            first.data_version if first else None,
        )
        try:
            made = body(step, **arguments)
            for result in [made] if isinstance(made, Result) else made:
                asset = result.asset or assets[0]
                stored = _keep(declared[asset], lineage, result)
                if asset in selected:
                    yield stored
        except MassLossError as refused:
            write_refusal(lineage.lake, refused)
            for asset in assets:
                lineage.abandon(asset, refused.version)
            raise

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


def _made_since(moment: str | None, records: Iterable[Record | None]) -> bool:
    """Whether all of these were made since a moment, ISO 8601 in UTC; not where there is none."""
    return moment is not None and all(record is not None and record.made_at >= moment for record in records)


def _damage(lineage: Lineage, declared: Iterable[Declaration]) -> dict[str, str]:
    """What is wrong with the files of the assets of a step, in words, by their paths in the lake."""
    found: dict[str, str] = {}
    for one in declared:
        found |= one.damage(lineage.lake, lineage.read(one.asset))
    return found


def _set_aside(lake: DataLake, damaged: Mapping[str, str], context: dg.AssetExecutionContext) -> None:
    """Set aside what is damaged, so that the body finds it absent, and say so."""
    for file, what in damaged.items():
        context.log.info(f"{file} {what}; it is made anew")
    set_aside_damaged(lake, damaged)


def _keep(declared: Declaration, lineage: Lineage, result: Result) -> dg.MaterializeResult[Any]:
    """Write what the body made, complete its record, and tell Dagster."""
    stored, lake = cast("Storage", declared.stored), lineage.lake
    version, metadata = result.version, dict[str, Any]()
    if result.value is not None:
        version = version or (stored.version(result.value) if stored.version else "")
        metadata = stored.metadata(result.value, declared.asset) if stored.metadata else {}
        if stored.write is not None:
            stored.write(lake, declared.asset, result.value)
    if not version:
        raise ValueError(f"`{declared.asset}` came without a data version; give one in its `Result`.")
    with lake.listed():
        files = declared.files(lake)
    lineage.complete(declared.asset, version, files=files)
    settle_refusal(lake, declared.asset)
    return dg.MaterializeResult(
        asset_key=declared.asset,
        data_version=dg.DataVersion(version),
        metadata=limited(
            {
                **metadata,
                "path": dg.MetadataValue.path(str(stored.location(lake, declared.asset))),
                REUSED: False,
                **result.metadata,
            }
        ),
        check_results=[limited_result(check) for check in result.check_results],
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
    if record.origin != origin or not record.files:
        files = record.files or declared.files(lineage.lake)
        lineage.write(declared.asset, replace(record, origin=origin, files=files))
    settle_refusal(lineage.lake, declared.asset)
    return dg.MaterializeResult(
        asset_key=declared.asset,
        data_version=dg.DataVersion(record.data_version),
        metadata=_metadata_again(context.instance, declared, record.data_version),
        check_results=[limited_result(check) for check in checks],
    )


def _metadata_again(instance: dg.DagsterInstance, declared: Declaration, data_version: str) -> Mapping[str, Any]:
    """The metadata of the materialisation that is used again, its counts of work set to 0."""
    for asset in filter(None, (declared.asset, declared.formerly)):
        event = instance.get_latest_materialization_event(dg.AssetKey(asset))
        made = event.asset_materialization if event else None
        if made is not None and (made.tags or {}).get(DATA_VERSION_TAG) == data_version:
            kept = {name: value for name, value in made.metadata.items() if name not in (CHANGES, *WORK)}
            return limited({**kept, **{name: 0 for name in WORK if name in made.metadata}, REUSED: True})
    return {REUSED: True}


def input_names(body: Body) -> list[str]:
    """The upstream assets that a body reads: its parameters but for the step, the config and resources."""
    _, *parameters = inspect.signature(body).parameters.values()
    return [each.name for each in parameters if each.name != "config" and not _is_resource(each.annotation)]


def _is_resource(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, dg.ConfigurableResource)
