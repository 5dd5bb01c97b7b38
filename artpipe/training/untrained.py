"""The model of a collection that gives nothing to learn: too few pictures, or no label of any task.

Its embedding is a random projection of the backbone's features, which keeps what is similar close together, and it
predicts nothing. So a collection without labels can be searched, and the first labels start a training run.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import polars as pl

from artpipe.images.pixels import JpegSource, PixelCache
from artpipe.lake.paths import DataLake
from artpipe.models.card import ModelCard
from artpipe.models.checkpoint import save_model
from artpipe.models.labels import Labels
from artpipe.models.learned import learned_rows
from artpipe.models.network import build_model, choose_device
from artpipe.models.weights import load_backbone_weights
from artpipe.progress import Progress
from artpipe.schema import label_columns
from artpipe.training.config import TrainingConfig
from artpipe.training.features import compute_features
from artpipe.training.head import standardise

LEAST_ROWS = 2
"""Training rows that a batch norm needs."""


def why_untrainable(train_rows: pl.DataFrame, labels: Labels) -> str:
    """Why nothing can be learned from these training rows, in words; empty where something can."""
    if train_rows.height < LEAST_ROWS:
        return f"nothing could be trained: there are {train_rows.height} training pictures, and {LEAST_ROWS} are needed"
    if not labels.tasks:
        tasks = ", ".join(label_columns(train_rows)) or "no task is declared"
        return f"nothing could be trained: no training picture has a label ({tasks})"
    return ""


def save_untrained(
    rows: pl.DataFrame,
    images: JpegSource,
    lake: DataLake,
    config: TrainingConfig,
    version: str,
    why: str,
    library_versions: dict[str, str],
    progress: Progress,
) -> ModelCard:
    """Save the backbone with a random projection and without a head.

    Args:
        rows: the pictures of `train` and `validation`, perhaps none; they give the scale of the features.
        images: the stored JPEGs.
        lake: gets the model.
        config: the backbone, its weights, the image size and the seed.
        version: of the training set.
        why: what the card says of it.
        library_versions: for the card.
        progress: advances with each picture.

    Raises:
        UnknownBackboneError, BackboneInputError, WeightsUnavailableError, WeightsMismatchError: as `train_classifier`.
    """
    network, transform = build_model(config.backbone, {}, config.image_px, config.embedding_dim, depths=config.depths)
    source = load_backbone_weights(network.multi_level_backbone, config.backbone, config.weights)
    keys: Sequence[str] = rows["jpeg_sha256"].unique().sort().to_list()
    if keys:
        cache = PixelCache(lake.cache("pixels"), config.image_px)
        cache.ensure(rows["artwork_id"].to_list(), rows["jpeg_sha256"].to_list(), images, progress)
        device = choose_device(config.device)
        standardise(network, compute_features(network.multi_level_backbone, transform, cache, keys, device, progress))
    card = ModelCard(
        classes={},
        transform=transform,
        backbone=config.backbone,
        embedding_dim=config.embedding_dim,
        weights_source=source,
        training_set_version=version,
        seed=config.seed,
        config=config.identity(),
        ended=why,
        library_versions=library_versions,
        rows={split: rows.filter(split=split).height for split in ("train", "validation")},
        trained_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
    )
    return save_model(lake, network.state_dict(), card, learned_rows(rows))[0]
