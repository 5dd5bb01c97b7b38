"""A summary of every saved model for people: what it was trained from, how good it is, why it is or is not served."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from artpipe.lake.paths import DataLake
from artpipe.models.card import ModelCard
from artpipe.models.registry import COMPARISON_FILE, candidate_id, saved_models
from artpipe.models.rights import rights_in_words
from artpipe.models.served import Pointer, Refit, read_pointer, read_refit

State = Literal["served", "measured", "refit", "candidate", "declined", "served before", "kept"]


@dataclass(frozen=True)
class ModelSummary:
    """One saved model.

    Attributes:
        state: `measured` is the chosen model where its refit is served, `refit` one that is not served, `candidate` a
            model that was not compared yet.
        is_candidate: whether it is the model of the present settings, whatever its state.
        trained_at: ISO 8601 in UTC; empty where its card does not record it.
        start: the source of its initial weights.
        training_rows: pictures that it was trained on; None where its card does not record it.
        epochs: epochs trained.
        validation_at_1: accuracy of the best epoch, by task.
        test_at_1: accuracy on the test works of its last comparison, by task; None without one.
        compared_with: the model that was served then.
        why: why it is or is not served.
        rights: of its training pictures when it was trained, in words; empty where no source tells them.
        refit_of: the model that it is the refit of, whose figures it is given; None for one that is measured itself.
        seed: of its training.
        training_set_version: a hash of the pictures, splits and labels.
    """

    model_id: str
    state: State
    is_candidate: bool
    trained_at: str
    backbone: str
    start: str
    training_rows: int | None
    epochs: int
    validation_at_1: Mapping[str, float]
    test_at_1: Mapping[str, float] | None
    compared_with: str | None
    why: str
    refit_of: str | None
    seed: int
    training_set_version: str
    rights: str = ""

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def model_summaries(lake: DataLake) -> list[ModelSummary]:
    """The summaries of all saved models, the last trained first."""
    pointer, candidate, refit = read_pointer(lake), candidate_id(lake), read_refit(lake)
    cards = {card.model_id: card for card in saved_models(lake)}
    return [_summary(lake, card, cards, _state(card, pointer, candidate, refit), candidate) for card in cards.values()]


def _summary(
    lake: DataLake,
    card: ModelCard,
    cards: Mapping[str, ModelCard],
    state_and_why: tuple[State, str],
    candidate: str | None,
) -> ModelSummary:
    state, why = state_and_why
    measured = cards.get(card.measured_id, card)
    comparison = _comparison(lake, measured.model_id)
    return ModelSummary(
        model_id=card.model_id,
        state=state,
        is_candidate=card.model_id == candidate,
        trained_at=card.trained_at,
        backbone=card.backbone,
        start=card.weights_source.description,
        training_rows=card.rows.get("train"),
        epochs=len(card.history),
        validation_at_1=dict(measured.metrics.get("validation_accuracy", {})),
        test_at_1={task["task"]: task["candidate"] for task in comparison["tasks"]} if comparison else None,
        compared_with=comparison["served"] if comparison else None,
        why=why,
        rights=rights_in_words(card.rights),
        refit_of=card.refit_of,
        seed=card.seed,
        training_set_version=card.training_set_version,
    )


def _state(card: ModelCard, pointer: Pointer, candidate: str | None, refit: Refit | None) -> tuple[State, str]:
    model_id = card.model_id
    if card.refit_of is not None:
        why = refit.reason if refit and refit.model_id == model_id else f"the refit of {card.refit_of}"
        figures = f"{why}; its figures are those of {card.refit_of}, which did not see the works that measure it"
        return "served" if refit and refit.model_id == model_id else "refit", figures
    if pointer.now is not None and pointer.now.model_id == model_id:
        since = f"since {pointer.now.since}: " if pointer.now.since else ""
        if refit is None:
            return "served", f"{since}{pointer.now.reason}"
        if refit.model_id == model_id:
            return "served", f"{since}{pointer.now.reason}; {refit.reason}"
        return "measured", f"{since}{pointer.now.reason}; its refit {refit.model_id} embeds and predicts"
    if model_id in pointer.declined:
        return "declined", pointer.declined[model_id].reason
    if model_id == candidate:
        return "candidate", "not compared yet: run `artpipe refresh`"
    earlier = next((entry for entry in pointer.history if entry.model_id == model_id), None)
    if earlier is not None:
        return "served before", f"from {earlier.since}: {earlier.reason}" if earlier.since else earlier.reason
    return "kept", "neither served nor the candidate of the present settings"


def _comparison(lake: DataLake, model_id: str) -> dict[str, Any] | None:
    try:
        return json.loads((lake.model(model_id) / COMPARISON_FILE).read_bytes())
    except (OSError, ValueError):
        return None
