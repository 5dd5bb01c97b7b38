"""The frozen training set, the backbone's features of it, and the classifier trained on both."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from artpipe.lake.parquet import read_table_if_exists, write_table
from artpipe.lake.paths import DataLake, file_version
from artpipe.orchestration.asset import AssetStep, Result, observed_file, pipeline_asset
from artpipe.orchestration.frames import DataFrame
from artpipe.orchestration.metadata import CHANGES, save_picture
from artpipe.orchestration.storage import PARQUET, Storage, lance_table
from artpipe.schema import label_columns
from artpipe.settings import Settings
from artpipe.tasks import Tasks, read_tasks_file, write_tasks

if TYPE_CHECKING:
    from upath import UPath

    from artpipe.models.card import ModelCard
    from artpipe.training.features import BackboneFeatures


@observed_file
def backbone_weights(settings: Settings) -> str:
    """The weights that training starts from: `imagenet`, `none`, or a file by its content."""
    weights = settings.resolved_backbone_weights
    if weights in ("imagenet", "none"):
        return weights
    return file_version(weights) or f"{Path(weights).name} (missing)"


@pipeline_asset(
    kinds={"polars", "parquet"},
    code_version="1",
    shaped_by=("retrain_drift",),
    stored=PARQUET.with_files(lambda lake: [lake.frozen_tasks]),
)
def training_set(step: AssetStep, splits: DataFrame, tasks: Tasks) -> Result:
    """A frozen copy of the splits: a few new works do not start a training run, more than `retrain_drift` do.

    It thaws at any change of the tasks, too, and with `force` whatever the drift is.
    """
    from artpipe.splits.assign import split_counts
    from artpipe.splits.freeze import freeze

    previous = read_table_if_exists(step.lake, "training_set")
    then = read_tasks_file(step.lake.frozen_tasks)
    changes = "" if then is None else tasks.changes_since(then)  # older lakes did not keep them
    frozen = freeze(splits, previous, step.settings.retrain_drift, step.config.force, changes)
    if frozen.thawed:  # the set before its tasks: killed in between, it thaws again
        write_table(step.lake.table("training_set"), frozen.training_set)
    write_tasks(step.lake.frozen_tasks, tasks)
    step.log(f"{'thawed' if frozen.thawed else 'kept'}: {frozen.reason}")
    return Result(
        frozen.training_set,
        metadata={
            CHANGES: dg.MetadataValue.json(frozen.drift.summary() if frozen.thawed else {}),
            **split_counts(frozen.training_set),
            "thawed": frozen.thawed,
            "reason": frozen.reason,
            "drift": dg.MetadataValue.json(frozen.drift.to_dict()),
        },
    )


def read_backbone_features(lake: DataLake) -> "BackboneFeatures":
    """The table of features, of which each reader reads what it needs."""
    from artpipe.training.features import BackboneFeatures

    return BackboneFeatures(lake)


@pipeline_asset(
    kinds={"pytorch", "lancedb"},
    code_version="1",
    shaped_by=("backbone", "backbone_depths", "resolved_train_image_px"),
    stored=lance_table("backbone_features", read_backbone_features),
    deps=["backbone_weights"],
    formerly="features",
    renamed={"backbone_weights_content": "backbone_weights"},
)
def backbone_features(step: AssetStep, training_set: DataFrame) -> Result:
    """Features of every picture of the training set, by the backbone as it is before training.

    A head is trained on them in seconds. Only pictures without features of this backbone run through it; a backbone
    without trained weights gives none, and the table is empty.
    """
    from artpipe.images.store import ImageStore
    from artpipe.training.config import TrainingConfig, network_image_px
    from artpipe.training.features import update_features

    settings = step.settings
    config = TrainingConfig(
        backbone=settings.backbone,
        weights=settings.resolved_backbone_weights,
        depths=settings.backbone_depths,
        image_px=network_image_px(settings),
        device=settings.device,
    )
    store = ImageStore(step.lake)
    update = update_features(
        store.stored_rows(training_set),
        store,
        step.lake,
        config,
        step.progress,
        engine=step.engine,
        force=step.config.force,
    )
    return Result(
        version=update.version,
        metadata={
            "dagster/row_count": update.rows,
            CHANGES: dg.MetadataValue.json({"computed": update.computed}),
            "images_embedded": update.computed,
            "width": update.width,
        },
    )


def _read_candidate(lake: DataLake) -> "ModelCard":
    from artpipe.models.card import load_card
    from artpipe.models.registry import candidate_id
    from artpipe.models.served import measured_card

    candidate = candidate_id(lake)
    return measured_card(lake) if candidate is None else load_card(lake.model(candidate))


def _name_candidate(lake: DataLake, card: "ModelCard") -> None:
    from artpipe.models.registry import name_candidate

    name_candidate(lake, card.model_id)


def _done_in_words(card: "ModelCard", tasks: Iterable[str]) -> str:
    if not card.is_trained:
        return f"{card.ended}; the model {card.model_id} embeds pictures and predicts nothing"
    left_out = [task for task in tasks if task not in card.classes]
    without = f", without {' and '.join(left_out)}, of which no training picture has a label" if left_out else ""
    return f"trained {card.model_id}{without}; it started from {card.weights_source.description}"


def _candidate_files(lake: DataLake) -> "list[UPath]":
    from artpipe.models.registry import candidate_id, model_files

    candidate = candidate_id(lake)
    return [*model_files(lake, candidate), lake.report(f"training/{candidate}.png")]


TRAINED_BY = (
    "recipe",
    "embedding_dimensions",
    "backbone",
    "backbone_depths",
    "resolved_train_image_px",
    "epochs",
    "batch_size",
    "learning_rate",
    "seed",
    "warm_start",
    "train_workers",
)
"""The settings that shape a trained model."""

CANDIDATE = Storage(
    location=lambda lake, _: lake.candidate_model,
    further_files=_candidate_files,
    read=lambda lake, _: _read_candidate(lake),
    write=lambda lake, _, card: _name_candidate(lake, card),
    version=lambda card: card.model_id,
)
"""The pointer to the model trained last; the model itself is saved while it is trained."""


@pipeline_asset(
    kinds={"pytorch"},
    code_version="3",
    shaped_by=TRAINED_BY,
    stored=CANDIDATE,
    deps=["backbone_weights"],
    renamed={"backbone_weights_content": "backbone_weights", "features": "backbone_features"},
)
def classifier(step: AssetStep, training_set: DataFrame, tasks: Tasks, backbone_features: "BackboneFeatures") -> Result:
    """One network with a head for each task, such as style: fitted on `train`, stopped early by `validation`.

    The result is a candidate; `served_model` decides whether it is served. A killed training run resumes after its last
    epoch, and a model that was already trained on this training set with these settings is reused.
    """
    import polars as pl

    from artpipe.figures.plots import training_curves_picture
    from artpipe.images.store import ImageStore
    from artpipe.models.labels import Labels
    from artpipe.models.learned import restore_learned
    from artpipe.training.config import TrainingConfig
    from artpipe.training.duration import training_line
    from artpipe.training.loop import train_classifier, training_set_version
    from artpipe.training.reuse import find_trained_model
    from artpipe.training.warm_start import model_to_start_from

    lake, config, version = step.lake, TrainingConfig.from_settings(step.settings), training_set_version(training_set)
    labels = Labels.of(training_set, tasks)
    card = None if step.config.force else find_trained_model(lake, version, config, labels)
    is_new = card is None
    if card is not None:
        rows = training_set.filter(pl.col("split").is_in(["train", "validation"])).sort("artwork_id")
        restore_learned(lake, card, rows)
    if card is None:
        store = ImageStore(lake)
        start = model_to_start_from(lake) if step.settings.warm_start else None
        usable = store.stored_rows(training_set)
        step.log(training_line(step.settings, usable.filter(split="train").height))
        card = train_classifier(
            usable,
            store,
            lake,
            tasks,
            config,
            step.progress,
            version=version,
            start=start,
            features=backbone_features,
            # No input: rights are noted as they are now, and no other model is made of them.
            artworks=read_table_if_exists(lake, "artworks"),
        ).card
        step.log(_done_in_words(card, label_columns(training_set)))
    metadata: dict[str, Any] = {
        "model_id": card.model_id,
        "backbone": card.backbone,
        "started_from": card.weights_source.description,
        "trained": is_new and card.is_trained,
        "predicts": ", ".join(card.classes) or f"nothing: {card.ended}",
        "training_set_version": card.training_set_version,
        "epochs": len(card.history),
        "train_workers": card.train_workers,
        "validation": dg.MetadataValue.json(card.metrics),
        "curves": save_picture(
            lake, f"training/{card.model_id}.png", training_curves_picture(card.history, tuple(card.classes))
        ),
    }
    return Result(card, metadata=metadata)
