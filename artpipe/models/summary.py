"""A summary of every saved model for people: what it was trained from, how good it is, why it is or is not served."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from artpipe.lake.paths import DataLake
from artpipe.models.card import ModelCard
from artpipe.models.registry import COMPARISON_FILE, candidate_id, saved_models
from artpipe.models.rights import rights_in_words
from artpipe.models.served import Pointer, read_pointer

State = Literal["served", "candidate", "declined", "served before", "kept"]


@dataclass(frozen=True)
class ModelSummary:
    """One saved model.

    Attributes:
        state: `candidate` is a model that was not compared yet.
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
    rights: str = ""

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def model_summaries(lake: DataLake) -> list[ModelSummary]:
    """The summaries of all saved models, the last trained first."""
    pointer, candidate = read_pointer(lake), candidate_id(lake)
    return [_summary(lake, card, pointer, candidate) for card in saved_models(lake)]


def _summary(lake: DataLake, card: ModelCard, pointer: Pointer, candidate: str | None) -> ModelSummary:
    state, why = _state(card.model_id, pointer, candidate)
    comparison = _comparison(lake, card.model_id)
    return ModelSummary(
        model_id=card.model_id,
        state=state,
        is_candidate=card.model_id == candidate,
        trained_at=card.trained_at,
        backbone=card.backbone,
        start=card.weights_source.description,
        training_rows=card.rows.get("train"),
        epochs=len(card.history),
        validation_at_1=dict(card.metrics.get("validation_accuracy", {})),
        test_at_1={task["task"]: task["candidate"] for task in comparison["tasks"]} if comparison else None,
        compared_with=comparison["served"] if comparison else None,
        why=why,
        rights=rights_in_words(card.rights),
    )


def _state(model_id: str, pointer: Pointer, candidate: str | None) -> tuple[State, str]:
    if pointer.now is not None and pointer.now.model_id == model_id:
        since = f"since {pointer.now.since}: " if pointer.now.since else ""
        return "served", f"{since}{pointer.now.reason}"
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
