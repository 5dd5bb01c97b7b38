"""Reuse of a saved model that was trained on the same training set with the same config."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

from artpipe.lake.paths import DataLake
from artpipe.models.card import IMAGENET, NO_WEIGHTS, CorruptModelError, ModelCard
from artpipe.models.labels import Labels
from artpipe.models.registry import saved_models
from artpipe.training.config import TrainingConfig


def find_trained_model(lake: DataLake, version: str, config: TrainingConfig, labels: Labels) -> ModelCard | None:
    """The newest undamaged model that was trained on this training set with this config; None without one.

    A warm start counts whichever model it started from: the served model changes as soon as the new one replaces it,
    and each training run would start another one.

    Args:
        lake: where the models are.
        version: the `training_set_version` of the training set.
        config: the config; a weights file counts by its content, not its name.
        labels: the classes that it would learn, in their order, and their years.
    """
    from artpipe.models.checkpoint import load_model

    for card in saved_models(lake):
        if card.refit_of or card.training_set_version != version or not is_trained_with(card, config, labels):
            continue
        try:
            return load_model(lake.model(card.model_id)).card
        except CorruptModelError:
            continue
    return None


def is_trained_with(card: ModelCard, config: TrainingConfig, labels: Labels) -> bool:
    """Whether a model was trained with this config on these classes, wherever a warm start began."""
    if not _predicts(card, labels):
        return False
    source = card.weights_source
    requested = replace(config, started_from=source.model_id).identity()
    if card.config != json.loads(json.dumps(requested)):
        return False
    is_by_name = config.weights in (IMAGENET, NO_WEIGHTS)
    return bool(source.model_id) or is_by_name or source.sha256 == _sha256(config.weights)


def _sha256(weights_file: str) -> str | None:
    try:
        return hashlib.sha256(Path(weights_file).expanduser().read_bytes()).hexdigest()
    except OSError:
        return None


def _predicts(card: ModelCard, labels: Labels) -> bool:
    """Whether a model was trained on these classes; older cards do not say their years, and an untrained one none."""
    same_years = card.middle_years is None or card.middle_years == labels.middle_years
    return not card.is_trained or (card.classes == labels.classes and same_years)
