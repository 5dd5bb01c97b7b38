"""Which model is chosen by its figures, since when and why, the ones before it, and the candidates declined.

The chosen model was measured on works that it never saw. What embeds and predicts is its refit, which learned from all
works, or the chosen model itself where there is none. Two JSON files of the lake; nothing here loads weights.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from artpipe.errors import ArtpipeError
from artpipe.lake.paths import DamagedLakeError, DataLake, write_whole
from artpipe.models.card import CARD_FILE, ModelCard, load_card

DecidedBy = Literal["first", "check", "person"]


class NoModelError(ArtpipeError):
    """Nothing was trained yet."""


class NoPreviousModelError(ArtpipeError):
    """There is no previously served model to roll back to."""


@dataclass(frozen=True)
class Serving:
    """A period in which one model was served."""

    model_id: str
    since: str = ""
    """ISO 8601 in UTC; empty where not recorded."""
    decided_by: DecidedBy = "first"
    reason: str = ""


@dataclass(frozen=True)
class Declined:
    """Why a model is not served automatically; only a person, or a wider tolerance after a check, can change that."""

    by: Literal["check", "person"]
    reason: str
    tolerance: float | None = None
    """The tolerance of the check that declined it."""


@dataclass(frozen=True)
class Pointer:
    """The served model, its predecessors and the models declined."""

    now: Serving | None = None
    history: tuple[Serving, ...] = ()
    """The models served before it, the last one first; a rollback removes the first."""
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
        """This pointer with another model served. A person's return to the previous model is a rollback."""
        if entry.model_id == self.model_id:
            return self
        declined = {model_id: why for model_id, why in self.declined.items() if model_id != entry.model_id}
        is_rollback = entry.decided_by == "person" and entry.model_id == self.previous
        extended = (self.now, *self.history) if self.now else self.history
        history = self.history[1:] if is_rollback else extended
        return Pointer(entry, history, declined)

    def without(self, model_id: str, why: Declined) -> "Pointer":
        """This pointer with a model declined."""
        return replace(self, declined={**self.declined, model_id: why})

    def only_of(self, saved: Collection[str]) -> "Pointer":
        """This pointer without the refusals of models that were removed."""
        return replace(self, declined={name: why for name, why in self.declined.items() if name in saved})


def read_pointer(lake: DataLake) -> Pointer:
    """The pointer; an empty one before the first training.

    Raises:
        DamagedLakeError: it cannot be read.
    """
    try:
        pointer: dict[str, Any] = json.loads(lake.served_model.read_bytes())
        history = tuple(Serving(**entry) for entry in pointer.get("history", ()))
        declined = {model_id: Declined(**why) for model_id, why in pointer.get("declined", {}).items()}
        names = ("model_id", "since", "decided_by", "reason")
        return Pointer(Serving(**{name: pointer[name] for name in names if name in pointer}), history, declined)
    except FileNotFoundError:
        return Pointer()
    except (ValueError, TypeError, AttributeError) as error:
        raise DamagedLakeError(lake.served_model, error) from error


def write_pointer(lake: DataLake, pointer: Pointer) -> None:
    """Replace the pointer whole.

    Raises:
        ValueError: it names no model.
    """
    if pointer.now is None:
        raise ValueError("a pointer without a model is not written")
    content = asdict(pointer)
    write_whole(lake.served_model, json.dumps(content.pop("now") | content, indent=1).encode())


@dataclass(frozen=True)
class Refit:
    """What embeds and predicts in place of the chosen model."""

    refit_of: str
    """The chosen model."""
    model_id: str
    """Its refit; the chosen model itself where there is none."""
    reason: str = ""
    """Why there is a refit, or none."""


def read_refit(lake: DataLake) -> Refit | None:
    """The refit of the chosen model, if that was decided on; None where it was not, or cannot be read."""
    try:
        refit = Refit(**json.loads(lake.refitted_model.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
    return refit if refit.refit_of == measured_model_id(lake) else None


def write_refit(lake: DataLake, refit: Refit) -> None:
    """Replace the pointer to the refit whole."""
    write_whole(lake.refitted_model, json.dumps(asdict(refit), indent=1).encode())


def measured_model_id(lake: DataLake) -> str | None:
    """The chosen model, which the evaluation measures; None before the first training.

    Raises:
        DamagedLakeError: the pointer cannot be read.
    """
    return read_pointer(lake).model_id


def served_model_id(lake: DataLake) -> str | None:
    """The model that embeds and predicts: the refit of the chosen one, where there is one; raises as above."""
    refit = read_refit(lake)
    return refit.model_id if refit else measured_model_id(lake)


def is_refit_served(lake: DataLake) -> bool:
    """Whether a refit, which learned from all works, predicts, while the figures are those of the chosen model."""
    refit = read_refit(lake)
    return refit is not None and refit.model_id != refit.refit_of


def measured_card(lake: DataLake) -> ModelCard:
    """The card of the chosen model; raises what `served_card` raises."""
    return _card_of(lake, measured_model_id(lake))


def served_card(lake: DataLake) -> ModelCard:
    """The card of the model that embeds and predicts.

    Raises:
        NoModelError: nothing was trained yet.
        CorruptModelError: its card is missing or damaged.
    """
    return _card_of(lake, served_model_id(lake))


def _card_of(lake: DataLake, model_id: str | None) -> ModelCard:
    if model_id is None:
        raise NoModelError(f'no model was trained in {lake.root} yet; materialize "classifier" and "served_model".')
    return load_card(lake.model(model_id))


def previous_model_id(lake: DataLake) -> str:
    """The model that a rollback serves: the one before the served one.

    Raises:
        NoModelError: nothing was trained yet.
        NoPreviousModelError: there is none, or it was removed.
    """
    pointer = read_pointer(lake)
    if pointer.now is None:
        raise NoModelError(f'no model was trained in {lake.root} yet; materialize "classifier" and "served_model".')
    if pointer.previous is None:
        raise NoPreviousModelError(
            f"no model was served before {pointer.now.model_id}; serve another one with `artpipe models promote`."
        )
    if not (lake.model(pointer.previous) / CARD_FILE).exists():
        raise NoPreviousModelError(
            f"the previously served model {pointer.previous} was removed; serve another one with `artpipe models "
            "promote`, and set ARTPIPE_KEEP_MODELS higher to keep more of them."
        )
    return pointer.previous
