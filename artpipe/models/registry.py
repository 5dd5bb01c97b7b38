"""The saved models of a lake, newest first, read from their cards without loading torch.

The candidate is the model that was trained last for the present settings; which one is served is decided in
`artpipe.serving.choice` and recorded by `served`.
"""

import json
import shutil
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from artpipe.errors import ArtpipeError, asked_for, did_you_mean
from artpipe.lake.paths import DataLake, remove_file, write_whole
from artpipe.models.card import CARD_FILE, LEARNED_FILE, WEIGHTS_FILE, CorruptModelError, ModelCard, load_card

if TYPE_CHECKING:
    from upath import UPath

COMPARISON_FILE = "comparison.json"
"""The last comparison of this model with the model served then, a file of its folder; not part of its identity."""


class UnknownModelError(ArtpipeError):
    """The lake has no model of this id."""


def saved_models(lake: DataLake) -> list[ModelCard]:
    """The card of every model whose card can be read, the last trained first."""
    cards: list[ModelCard] = []
    for folder in lake.models.iterdir() if lake.models.exists() else ():
        if folder.name.startswith(".") or folder.suffix == ".json":
            continue
        try:
            cards.append(load_card(folder))
        except CorruptModelError:
            continue
    return sorted(cards, key=lambda card: (card.trained_at, card.model_id), reverse=True)


def find_model(lake: DataLake, model_id: str) -> ModelCard:
    """The card of the saved model of this id.

    Raises:
        UnknownModelError: there is none; the message names the closest ones, or all.
    """
    cards = {card.model_id: card for card in saved_models(lake)}
    if model_id in cards:
        return cards[model_id]
    same_prefix = [name for name in cards if model_id and name.startswith(model_id)]
    if question := asked_for(same_prefix) or did_you_mean(model_id, cards, most=3):
        advice = f"{question} `artpipe models` lists all."
    elif cards:
        advice = f"choose from {', '.join(cards)}."
    else:
        advice = 'no model was trained yet; materialize "classifier".'
    raise UnknownModelError(f"the lake {lake.root} has no model {model_id!r}; {advice}")


def candidate_id(lake: DataLake) -> str | None:
    """The model that was trained last, or found again, for the present settings; None where it names none."""
    try:
        return str(json.loads(lake.candidate_model.read_bytes())["model_id"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def name_candidate(lake: DataLake, model_id: str) -> None:
    """Make a saved model the candidate for serving."""
    write_whole(lake.candidate_model, json.dumps({"model_id": model_id}).encode())


def model_files(lake: DataLake, model_id: str | None) -> "list[UPath]":
    """The files that a model is, of which older models lack some; none where there is no model."""
    names = (CARD_FILE, WEIGHTS_FILE, LEARNED_FILE)
    return [] if model_id is None else [lake.model(model_id) / name for name in names]


def unneeded_models(newest_first: Sequence[str], needed: Collection[str | None], keep: int) -> list[str]:
    """The models that may be removed: neither needed nor among the `keep` newest."""
    return [model_id for model_id in newest_first[keep:] if model_id not in needed]


def remove_model(lake: DataLake, model_id: str) -> None:
    """Delete a model and its inference cache; the card goes first, so that no half of a model is listed."""
    folder = lake.model(model_id)
    remove_file(folder / CARD_FILE)
    if lake.is_local:
        shutil.rmtree(Path(str(folder)), ignore_errors=True)
    else:
        folder.fs.rm(folder.path, recursive=True)
    shutil.rmtree(lake.inference_cache(model_id), ignore_errors=True)
