"""The frozen training set and the classifier trained on it."""

from typing import Any

import dagster as dg
import polars as pl

from artpipe.io import read_parquet_if_there, recorded, save_picture
from artpipe.lake import DataLake
from artpipe.lineage import Lineage
from artpipe.resources import progress_of
from artpipe.reuse import CHANGES, REUSED, RunConfig, reused
from artpipe.settings import Settings
from artpipe.splits.assign import split_counts
from artpipe.splits.freeze import freeze

GROUP = "training"


@dg.asset(group_name=GROUP, kinds={"polars", "parquet"}, code_version="1", owners=["team:artpipe"])
def training_set(
    context: dg.AssetExecutionContext,
    config: RunConfig,
    splits: pl.DataFrame,
    lake: dg.ResourceParam[DataLake],
    lineage: dg.ResourceParam[Lineage],
    settings: dg.ResourceParam[Settings],
) -> dg.MaterializeResult[Any]:
    """A frozen copy of the splits: a few new works do not start a training run, more than `retrain_drift` do.

    With `force` it thaws whatever the drift.
    """
    if held := reused(context, lineage, config):
        return held[0]
    before = read_parquet_if_there(lake, "training_set")
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


@dg.asset(group_name=GROUP, kinds={"pytorch"}, code_version="1", io_manager_key="model", owners=["team:artpipe"])
def classifier(
    context: dg.AssetExecutionContext,
    config: RunConfig,
    training_set: pl.DataFrame,
    lake: dg.ResourceParam[DataLake],
    lineage: dg.ResourceParam[Lineage],
    settings: dg.ResourceParam[Settings],
) -> dg.MaterializeResult[Any]:
    """One network with three heads, for style, period and type: fitted on `train`, stopped early by `validation`.

    A killed training goes on from its last epoch, and a model already trained on this very training set with these
    settings is taken as it is.
    """
    if held := reused(context, lineage, config):
        return held[0]
    from artpipe.evaluation.plots import training_curves_picture
    from artpipe.images.store import ImageStore
    from artpipe.training.loop import train_classifier, training_set_version
    from artpipe.training.served import trained_before

    wanted, version = settings.training_config(), training_set_version(training_set)
    card = None if config.force else trained_before(lake, version, wanted)
    is_held = card is not None
    if card is None:
        images = ImageStore(lake).outcomes()
        # An image replaced at the source since the set was frozen is not the one that the set tells of.
        usable = training_set.join(
            images.select("artwork_id", "jpeg_sha256"), on=["artwork_id", "jpeg_sha256"], how="semi"
        )
        card = train_classifier(usable, ImageStore(lake), lake, wanted, progress_of(context), version=version).card
    picture = save_picture(lake, f"training/{card.model_id}.png", training_curves_picture(card.history))
    lineage.stage("classifier", card.model_id)
    return dg.MaterializeResult(
        value=card,
        data_version=dg.DataVersion(card.model_id),
        metadata={
            "model_id": card.model_id,
            "backbone": card.backbone,
            "trained": not is_held,
            REUSED: False,
            "training_set_version": card.training_set_version,
            "epochs": len(card.history),
            "validation": dg.MetadataValue.json(card.metrics),
            "curves": picture,
        },
    )
