"""Beginning where another model ended: the same backbone, and of each head the classes that both know."""

from dataclasses import replace

import torch

from artpipe.lake.paths import DataLake
from artpipe.models.checkpoint import CorruptModelError, LoadedModel, ModelCard, load_model
from artpipe.models.ensemble import later_one
from artpipe.models.labels import Labels
from artpipe.models.network import MultiTaskClassifier, WeightsSource
from artpipe.models.served import served_model_id
from artpipe.models.transforms import TransformSpec
from artpipe.training.config import TrainingConfig


def model_to_start_from(lake: DataLake) -> LoadedModel | None:
    """The served model; None before the first training, or where it is damaged."""
    model_id = served_model_id(lake)
    if model_id is None:
        return None
    try:
        return load_model(lake.model(model_id))
    except CorruptModelError:
        return None


def can_start_from(card: ModelCard, config: TrainingConfig, transform: TransformSpec) -> bool:
    """Whether a model's weights mean the same here: same backbone, same length of a vector, same look at pictures."""
    warm = replace(config, started_from=card.model_id)
    return bool(warm.recipe.epochs) and (card.backbone, card.features, card.is_twofold, card.transform) == (
        config.backbone,
        config.dimensions,
        warm.is_twofold,
        transform,
    )


def start_from(model: MultiTaskClassifier, labels: Labels, start: LoadedModel) -> WeightsSource:
    """Give a fresh network the weights of a trained one; a class that is new keeps its random weights.

    Args:
        model: the network that is changed.
        labels: its classes.
        start: a model for which `can_start_from` holds.
    """
    learned = later_one(start.model)
    for name in ("backbone", "norm", "projection"):
        model.get_submodule(name).load_state_dict(learned.get_submodule(name).state_dict())
    known = start.card.classes
    trained = dict(zip(learned.tasks, learned.heads, strict=True))
    with torch.no_grad():
        for task, head in zip(model.tasks, model.heads, strict=True):
            shared = [name for name in labels.classes[task] if name in known.get(task, ())]
            if not shared:
                continue
            here = [labels.classes[task].index(name) for name in shared]
            there = [known[task].index(name) for name in shared]
            for name in ("weight", "bias"):
                head.get_parameter(name)[here] = trained[task].get_parameter(name)[there]
    return WeightsSource("model", None, start.card.model_id)
