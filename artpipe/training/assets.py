"""The frozen training set, the classifier trained on it, and which classifier is served."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import dagster as dg

from artpipe.lake.parquet import read_table, read_table_if_exists
from artpipe.lake.paths import DataLake
from artpipe.orchestration.frames import DataFrame
from artpipe.orchestration.io import recorded, save_picture
from artpipe.orchestration.lineage import Lineage
from artpipe.orchestration.resources import progress_of
from artpipe.orchestration.reuse import CHANGES, REUSED, RunConfig, begin, reused
from artpipe.settings import Settings

if TYPE_CHECKING:
    from artpipe.models.checkpoint import ModelCard
    from artpipe.serving.choice import Choice
else:
    ModelCard = Any  # the card's own module loads torch, and Dagster looks at annotations

GROUP = "training"
NO_WORSE = "candidate_is_no_worse"


@dg.asset(group_name=GROUP, kinds={"polars", "parquet"}, code_version="1", owners=["team:artpipe"])
def training_set(
    context: dg.AssetExecutionContext,
    config: RunConfig,
    splits: DataFrame,
    lake: dg.ResourceParam[DataLake],
    lineage: dg.ResourceParam[Lineage],
    settings: dg.ResourceParam[Settings],
) -> dg.MaterializeResult[Any]:
    """A frozen copy of the splits: a few new works do not start a training run, more than `retrain_drift` do.

    With `force` it thaws whatever the drift.
    """
    from artpipe.splits.assign import split_counts
    from artpipe.splits.freeze import freeze

    if held := reused(context, lineage, config):
        return held[0]
    before = read_table_if_exists(lake, "training_set")
    frozen = freeze(splits, before, settings.retrain_drift, config.force)
    context.log.info(f"{'thawed' if frozen.thawed else 'kept'}: {frozen.reason}")
    return recorded(
        "training_set",
        frozen.training_set,
        lineage,
        metadata={
            CHANGES: dg.MetadataValue.json(frozen.drift.told() if frozen.thawed else {}),
            **split_counts(frozen.training_set),
            "thawed": frozen.thawed,
            "reason": frozen.reason,
            "drift": dg.MetadataValue.json(frozen.drift.to_dict()),
        },
    )


@dg.asset(group_name=GROUP, kinds={"pytorch", "parquet"}, code_version="1", owners=["team:artpipe"])
def features(
    context: dg.AssetExecutionContext,
    config: RunConfig,
    training_set: DataFrame,
    lake: dg.ResourceParam[DataLake],
    lineage: dg.ResourceParam[Lineage],
    settings: dg.ResourceParam[Settings],
) -> dg.MaterializeResult[Any]:
    """What the backbone sees in each picture of the training set before it learns anything here.

    A head is trained on it in seconds. Only pictures that this backbone has not looked at yet run through it; one
    without trained weights has nothing to say, and its table is empty.
    """
    if held := reused(context, lineage, config):
        return held[0]
    from artpipe.images.store import ImageStore
    from artpipe.training.features import update_features

    before = None if config.force else read_table_if_exists(lake, "features")
    store = ImageStore(lake)
    update = update_features(
        store.stored_rows(training_set), before, store, lake, settings.training_config(), progress_of(context)
    )
    lineage.stage("features", update.version)
    return dg.MaterializeResult(
        value=update.table,
        data_version=dg.DataVersion(update.version),
        metadata={
            "dagster/row_count": update.table.height,
            CHANGES: dg.MetadataValue.json({"looked at": update.computed}),
            "images_embedded": update.computed,
            "width": update.width,
            REUSED: False,
        },
    )


@dg.asset(group_name=GROUP, kinds={"pytorch"}, code_version="3", io_manager_key="model", owners=["team:artpipe"])
def classifier(
    context: dg.AssetExecutionContext,
    config: RunConfig,
    training_set: DataFrame,
    features: DataFrame,
    lake: dg.ResourceParam[DataLake],
    lineage: dg.ResourceParam[Lineage],
    settings: dg.ResourceParam[Settings],
) -> dg.MaterializeResult[Any]:
    """One network with three heads, for style, period and type: fitted on `train`, stopped early by `validation`.

    What is made here is a candidate; `served_model` decides whether it embeds and predicts. A killed training goes on
    from its last epoch, and a model already trained on this very training set with these settings is taken as it is.
    """
    if held := reused(context, lineage, config):
        return held[0]
    from artpipe.figures.plots import training_curves_picture
    from artpipe.images.store import ImageStore
    from artpipe.models.registry import trained_before
    from artpipe.training.loop import train_classifier, training_set_version
    from artpipe.training.warm_start import model_to_start_from

    wanted, version = settings.training_config(), training_set_version(training_set)
    card = None if config.force else trained_before(lake, version, wanted)
    is_held = card is not None
    if card is None:
        store = ImageStore(lake)
        start = model_to_start_from(lake) if settings.warm_start else None
        usable = store.stored_rows(training_set)
        card = train_classifier(
            usable, store, lake, wanted, progress_of(context), version=version, start=start, features=features
        ).card
        context.log.info(f"trained {card.model_id}, started from {card.weights_source.told}")
    picture = save_picture(lake, f"training/{card.model_id}.png", training_curves_picture(card.history))
    lineage.stage("classifier", card.model_id)
    return dg.MaterializeResult(
        value=card,
        data_version=dg.DataVersion(card.model_id),
        metadata={
            "model_id": card.model_id,
            "backbone": card.backbone,
            "started_from": card.weights_source.told,
            "trained": not is_held,
            REUSED: False,
            "training_set_version": card.training_set_version,
            "epochs": len(card.history),
            "validation": dg.MetadataValue.json(card.metrics),
            "curves": picture,
        },
    )


class ServedModelConfig(RunConfig):
    """Run config of `served_model`: `promote` serves this model whatever the comparison says.

    `force` compares a candidate again that was turned down before.
    """

    promote: str | None = None


@dg.asset(
    group_name=GROUP,
    kinds={"pytorch"},
    code_version="1",
    io_manager_key="model",
    owners=["team:artpipe"],
    deps=["classifier"],
    check_specs=[
        dg.AssetCheckSpec(
            NO_WORSE,
            asset="served_model",
            description="The new model's mean accuracy on test works that neither model learned from is no lower than "
            "the served one's, but for the tolerance. Where it is, the served model stays.",
        )
    ],
)
def served_model(
    context: dg.AssetExecutionContext,
    config: ServedModelConfig,
    lake: dg.ResourceParam[DataLake],
    lineage: dg.ResourceParam[Lineage],
    settings: dg.ResourceParam[Settings],
) -> Iterator[dg.MaterializeResult[Any]]:
    """The model that embeds and predicts: the candidate, if it is no worse on the same test works.

    `classifier` names the candidate. A person's choice goes before every comparison.
    """
    if config.promote is not None:
        begin(context, lineage)
    elif held := reused(context, lineage, config):
        yield dg.MaterializeResult(
            data_version=held[0].data_version, metadata=held[0].metadata, check_results=[_last_decision(lake)]
        )
        return
    from artpipe.evaluation.comparison import Comparison, compare_on_test_works
    from artpipe.images.store import ImageStore
    from artpipe.serving.choice import choose_served, remove_old_models

    def compare(challenger: ModelCard, served: ModelCard) -> Comparison:
        store = ImageStore(lake)
        rows = store.stored_rows(read_table(lake, "training_set"))
        return compare_on_test_works(
            lake, challenger, served, rows, store, settings.device, settings.seed, progress_of(context)
        )

    choice = choose_served(
        lake, compare, tolerance=settings.model_tolerance, promote=config.promote, force=config.force
    )
    removed = remove_old_models(lake, settings.keep_models)
    context.log.info(f"{choice.now} is served; {choice.challenger}: {choice.reason}")
    lineage.complete("served_model", choice.now)
    yield dg.MaterializeResult(
        data_version=dg.DataVersion(choice.now),
        metadata={**_choice_told(choice), "models_removed": dg.MetadataValue.json(removed), REUSED: False},
        check_results=[_no_worse(choice.challenger, choice.reason, _choice_told(choice), passed=choice.is_no_worse)],
    )


def _last_decision(lake: DataLake) -> dg.AssetCheckResult:
    """The check as it came out when the candidate was last decided on."""
    from artpipe.models.registry import candidate_id
    from artpipe.models.served import read_pointer

    pointer, candidate = read_pointer(lake), candidate_id(lake) or "the candidate"
    declined = pointer.declined.get(candidate)
    reason = declined.reason if declined else "nothing changed since it was decided on"
    return _no_worse(candidate, reason, {"served_now": pointer.model_id or "none"}, passed=declined is None)


def _no_worse(model_id: str, reason: str, metadata: dict[str, Any], *, passed: bool) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=passed,
        check_name=NO_WORSE,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{model_id}: {reason}",
        metadata=metadata,
    )


def _choice_told(choice: "Choice") -> dict[str, Any]:
    told: dict[str, Any] = {
        "candidate": choice.challenger,
        "served_before": choice.before or "none",
        "served_now": choice.now,
        "reason": choice.reason,
    }
    if choice.comparison is None:
        return told
    rows = [
        f"| {task.task} | {task.n:,} | {task.candidate:.1%} | {task.served:.1%} |" for task in choice.comparison.tasks
    ]
    table = "\n".join(["| task | n | candidate @1 | served @1 |", "|---|--:|--:|--:|", *rows])
    return told | {
        "scores": dg.MetadataValue.md(table),
        "comparison": dg.MetadataValue.json(choice.comparison.to_dict()),
        "images_embedded": choice.comparison.images_embedded,
    }
