"""Which model is served: a pointer in the lake to one of its models, and whether a wanted model is there already.

Embedding, evaluation and search read the pointer; nothing here loads weights.
"""

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

from artpipe.errors import ArtpipeError
from artpipe.lake import DataLake, write_whole
from artpipe.training.config import IMAGENET, NO_WEIGHTS

if TYPE_CHECKING:
    from artpipe.training.checkpoint import ModelCard
    from artpipe.training.config import TrainingConfig


class NoModelError(ArtpipeError):
    """Nothing was trained yet."""


def serve_model(lake: DataLake, model_id: str) -> None:
    """Make a saved model the one that embeds and predicts."""
    write_whole(lake.served_model, json.dumps({"model_id": model_id}).encode())


def served_model_id(lake: DataLake) -> str | None:
    """The model that embeds and predicts; None before the first training."""
    try:
        return str(json.loads(lake.served_model.read_bytes())["model_id"])
    except FileNotFoundError:
        return None


def served_card(lake: DataLake) -> "ModelCard":
    """The story of the served model.

    Raises:
        NoModelError: nothing was trained yet.
        CorruptModelError: its card is missing or damaged.
    """
    from artpipe.training.checkpoint import load_card

    model_id = served_model_id(lake)
    if model_id is None:
        raise NoModelError(f'no model was trained in {lake.root} yet; materialize "classifier".')
    return load_card(lake.model(model_id))


def trained_before(lake: DataLake, version: str, config: "TrainingConfig") -> "ModelCard | None":
    """The served model, if it was trained on just this training set with just this config; else None.

    Args:
        lake: where the models are.
        version: the `training_set_version` of the training set.
        config: the config; the weights file that it starts from counts by its content, not its name.
    """
    from artpipe.training.checkpoint import CorruptModelError, load_model

    model_id = served_model_id(lake)
    if model_id is None:
        return None
    try:
        card = load_model(lake.model(model_id)).card
    except CorruptModelError:
        return None
    wanted = json.loads(json.dumps(config.story()))
    is_same = (
        card.training_set_version == version
        and card.config == wanted
        and (config.weights in (IMAGENET, NO_WEIGHTS) or card.weights_source.sha256 == _hash_of(config.weights))
    )
    return card if is_same else None


def _hash_of(weights_file: str) -> str | None:
    try:
        return hashlib.sha256(Path(weights_file).expanduser().read_bytes()).hexdigest()
    except OSError:
        return None
