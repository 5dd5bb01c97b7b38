"""Every saved model with its story, for people: what it was made of, how good it is, and why it is or is not served."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from artpipe.lake.paths import DataLake
from artpipe.models.registry import COMPARISON_FILE, SavedModel, candidate_id, saved_models
from artpipe.models.served import Pointer, read_pointer

State = Literal["served", "candidate", "declined", "served before", "kept"]


@dataclass(frozen=True)
class ModelStory:
    """One saved model.

    Attributes:
        state: `candidate` is a model that nobody has decided about yet.
        is_candidate: whether it is the model of the present settings, whatever its state.
        trained_at: ISO 8601 in UTC; empty where its card does not say.
        start: what its weights started from.
        training_rows: pictures that it learned from; None where its card does not say.
        epochs: epochs trained.
        validation_at_1: of the kept epoch, by task.
        test_at_1: on the works on which it was last compared, by task; None where it never was.
        compared_with: the model that was served then.
        why: why it is or is not served.
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

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def model_stories(lake: DataLake) -> list[ModelStory]:
    """The stories of all saved models, the last trained first."""
    pointer, candidate = read_pointer(lake), candidate_id(lake)
    return [_story(lake, model, pointer, candidate) for model in saved_models(lake)]


def _story(lake: DataLake, model: SavedModel, pointer: Pointer, candidate: str | None) -> ModelStory:
    told, name = model.told, model.model_id
    state, why = _state(name, pointer, candidate)
    comparison = _comparison(lake, name)
    return ModelStory(
        model_id=name,
        state=state,
        is_candidate=name == candidate,
        trained_at=model.trained_at,
        backbone=str(told["backbone"]),
        start=model.start,
        training_rows=told.get("rows", {}).get("train"),
        epochs=len(told.get("history", ())),
        validation_at_1=dict(told.get("metrics", {}).get("validation_accuracy", {})),
        test_at_1={task["task"]: task["candidate"] for task in comparison["tasks"]} if comparison else None,
        compared_with=comparison["served"] if comparison else None,
        why=why,
    )


def _state(name: str, pointer: Pointer, candidate: str | None) -> tuple[State, str]:
    if pointer.now is not None and pointer.now.model_id == name:
        since = f"since {pointer.now.since}: " if pointer.now.since else ""
        return "served", f"{since}{pointer.now.reason}"
    if name in pointer.declined:
        return "declined", pointer.declined[name].reason
    if name == candidate:
        return "candidate", "not compared yet: run `artpipe refresh`"
    then = next((entry for entry in pointer.history if entry.model_id == name), None)
    if then is not None:
        return "served before", f"from {then.since}: {then.reason}" if then.since else then.reason
    return "kept", "neither served nor the candidate of the present settings"


def _comparison(lake: DataLake, model_id: str) -> dict[str, Any] | None:
    try:
        return json.loads((lake.model(model_id) / COMPARISON_FILE).read_bytes())
    except (OSError, ValueError):
        return None
