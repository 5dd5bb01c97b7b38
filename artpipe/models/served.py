"""Which model is served, since when and why, which ones were before it, and which candidates were turned down.

One JSON file of the lake holds it all. Embedding, evaluation and search read the pointer; nothing here loads weights.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from artpipe.errors import ArtpipeError
from artpipe.lake.paths import DataLake, write_whole

if TYPE_CHECKING:
    from artpipe.models.checkpoint import ModelCard

DecidedBy = Literal["first", "check", "person"]


class NoModelError(ArtpipeError):
    """Nothing was trained yet."""


class NothingBeforeError(ArtpipeError):
    """There is no earlier model to go back to."""


@dataclass(frozen=True)
class Serving:
    """A model's time of service."""

    model_id: str
    since: str = ""
    """ISO 8601 in UTC; empty where nobody noted it."""
    decided_by: DecidedBy = "first"
    reason: str = ""


@dataclass(frozen=True)
class Declined:
    """Why a model is not to be served by itself; only a person, or a wider tolerance after a check, can change that."""

    by: Literal["check", "person"]
    reason: str
    tolerance: float | None = None
    """The tolerance under which a check turned it down."""


@dataclass(frozen=True)
class Pointer:
    """The served model and how it came to that."""

    now: Serving | None = None
    history: tuple[Serving, ...] = ()
    """The models served before it, the last one first; going back takes the first one off."""
    declined: Mapping[str, Declined] = field(default_factory=dict[str, Declined])

    @property
    def model_id(self) -> str | None:
        """The served model."""
        return self.now.model_id if self.now else None

    @property
    def previous(self) -> str | None:
        """The model that a rollback serves."""
        return self.history[0].model_id if self.history else None

    def served_by(self, entry: Serving) -> "Pointer":
        """This pointer once another model takes over. A person's return to the previous model is a rollback."""
        if entry.model_id == self.model_id:
            return self
        declined = {model_id: why for model_id, why in self.declined.items() if model_id != entry.model_id}
        is_rollback = entry.decided_by == "person" and entry.model_id == self.previous
        before = (self.now, *self.history) if self.now else self.history
        history = self.history[1:] if is_rollback else before
        return Pointer(entry, history, declined)

    def without(self, model_id: str, why: Declined) -> "Pointer":
        """This pointer with a model turned down."""
        return replace(self, declined={**self.declined, model_id: why})

    def only_of(self, saved: Collection[str]) -> "Pointer":
        """This pointer without the refusals of models that are gone."""
        return replace(self, declined={name: why for name, why in self.declined.items() if name in saved})


def read_pointer(lake: DataLake) -> Pointer:
    """The pointer; an empty one before the first training."""
    try:
        told: dict[str, Any] = json.loads(lake.served_model.read_bytes())
    except FileNotFoundError:
        return Pointer()
    history = tuple(Serving(**entry) for entry in told.get("history", ()))
    declined = {model_id: Declined(**why) for model_id, why in told.get("declined", {}).items()}
    names = ("model_id", "since", "decided_by", "reason")
    return Pointer(Serving(**{name: told[name] for name in names if name in told}), history, declined)


def write_pointer(lake: DataLake, pointer: Pointer) -> None:
    """Replace the pointer whole.

    Raises:
        ValueError: it names no model.
    """
    if pointer.now is None:
        raise ValueError("a pointer without a model is not written")
    told = asdict(pointer)
    write_whole(lake.served_model, json.dumps(told.pop("now") | told, indent=1).encode())


def serve_model(
    lake: DataLake, model_id: str, decided_by: DecidedBy = "person", reason: str = "", now: datetime | None = None
) -> None:
    """Make a saved model the one that embeds and predicts, and remember the one before it."""
    since = (now or datetime.now(UTC)).isoformat(timespec="seconds")
    pointer = read_pointer(lake).served_by(Serving(model_id, since, decided_by, reason))
    write_pointer(lake, pointer)


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
    from artpipe.models.checkpoint import load_card

    model_id = served_model_id(lake)
    if model_id is None:
        raise NoModelError(f'no model was trained in {lake.root} yet; materialize "classifier" and "served_model".')
    return load_card(lake.model(model_id))


def model_before(lake: DataLake) -> str:
    """The model that was served before the present one.

    Raises:
        NoModelError: nothing was trained yet.
        NothingBeforeError: there is none, or it was removed.
    """
    pointer = read_pointer(lake)
    if pointer.now is None:
        raise NoModelError(f'no model was trained in {lake.root} yet; materialize "classifier" and "served_model".')
    if pointer.previous is None:
        raise NothingBeforeError(
            f"no model was served before {pointer.now.model_id}; serve another one with `artpipe models promote`."
        )
    if not (lake.model(pointer.previous) / "model.json").exists():
        raise NothingBeforeError(
            f"the model served before, {pointer.previous}, was removed since; serve another one with `artpipe models "
            "promote`, and set ARTPIPE_KEEP_MODELS higher to keep more of them."
        )
    return pointer.previous
