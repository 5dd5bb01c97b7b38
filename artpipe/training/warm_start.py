"""Warm start: initial weights from the served model, its backbone and of each head the classes that both know."""

from dataclasses import replace

import torch

from artpipe.lake.paths import DataLake
from artpipe.models.card import CorruptModelError, ModelCard, TransformSpec, WeightsSource
from artpipe.models.checkpoint import LoadedModel, load_model
from artpipe.models.ensemble import finetuned_member
from artpipe.models.labels import Labels
from artpipe.models.network import MultiTaskClassifier
from artpipe.models.served import measured_model_id
from artpipe.training.config import TrainingConfig


def model_to_start_from(lake: DataLake) -> LoadedModel | None:
    """The chosen model, since its refit knows the test works; None before any training, or where it is damaged."""
    model_id = measured_model_id(lake)
    if model_id is None:
        return None
    try:
        return load_model(lake.model(model_id))
    except CorruptModelError:
        return None


def can_start_from(card: ModelCard, config: TrainingConfig, transform: TransformSpec) -> bool:
    """Whether a trained model's weights fit: the same backbone, embedding length, input transform, ensemble or not."""
    warm = replace(config, started_from=card.model_id)
    fits = (card.backbone, card.embedding_dim, card.is_ensemble, card.transform) == (
        config.backbone,
        config.embedding_dim,
        warm.is_ensemble,
        transform,
    )
    return fits and card.is_trained and bool(warm.recipe.epochs)


def start_from(model: MultiTaskClassifier, labels: Labels, start: LoadedModel) -> WeightsSource:
    """Copy the weights of a trained network into a fresh one; the rows of new classes keep their random weights.

    Args:
        model: the network, changed in place.
        labels: its classes.
        start: a model for which `can_start_from` holds; of an ensemble, the fine-tuned network is taken.
    """
    trained = finetuned_member(start.model)
    for name in ("backbone", "norm", "projection"):
        model.get_submodule(name).load_state_dict(trained.get_submodule(name).state_dict())
    known = start.card.classes
    trained_heads = dict(zip(trained.tasks, trained.heads, strict=True))
    with torch.no_grad():
        for task, head in zip(model.tasks, model.heads, strict=True):
            shared = [name for name in labels.classes[task] if name in known.get(task, ())]
            if not shared:
                continue
            here = [labels.classes[task].index(name) for name in shared]
            there = [known[task].index(name) for name in shared]
            for name in ("weight", "bias"):
                head.get_parameter(name)[here] = trained_heads[task].get_parameter(name)[there]
    return WeightsSource("model", None, start.card.model_id)
