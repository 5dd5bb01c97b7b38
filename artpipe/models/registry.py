"""The models that a lake holds, newest first, read from their cards without loading torch.

The candidate is the model that was trained last for the present settings; which one is served is decided in `choice`
and kept by `served`.
"""

import difflib
import hashlib
import json
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from artpipe.errors import ArtpipeError
from artpipe.lake.paths import DataLake, write_whole
from artpipe.training.config import IMAGENET, NO_WEIGHTS

if TYPE_CHECKING:
    from artpipe.models.checkpoint import ModelCard
    from artpipe.training.config import TrainingConfig

CARD_FILE = "model.json"
COMPARISON_FILE = "comparison.json"
"""What came of comparing this model with the one that was served then; written beside the model, not part of it."""


class UnknownModelError(ArtpipeError):
    """The lake holds no model of this name."""


@dataclass(frozen=True)
class SavedModel:
    """A finished model as its card tells of it; `told` is the whole card."""

    model_id: str
    trained_at: str
    """ISO 8601 in UTC; empty where the card does not say."""
    told: Mapping[str, Any]

    @property
    def start(self) -> str:
        """What its weights started from: `imagenet`, `none`, a file's name, or `model` and a model's id."""
        source: Mapping[str, Any] = self.told["weights_source"]
        return f"model {source['model_id']}" if source.get("model_id") else str(source["name"])


def saved_models(lake: DataLake) -> list[SavedModel]:
    """Every model whose card can be read, the last trained first."""
    found: list[SavedModel] = []
    for folder in lake.models.iterdir() if lake.models.exists() else ():
        if folder.name.startswith(".") or folder.suffix == ".json":
            continue
        try:
            told: dict[str, Any] = json.loads((folder / CARD_FILE).read_bytes())
            found.append(SavedModel(str(told["model_id"]), str(told.get("trained_at") or ""), told))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return sorted(found, key=lambda model: (model.trained_at, model.model_id), reverse=True)


def find_model(lake: DataLake, model_id: str) -> SavedModel:
    """The saved model of this name.

    Raises:
        UnknownModelError: there is none; the message names the closest ones, or all.
    """
    models = saved_models(lake)
    for model in models:
        if model.model_id == model_id:
            return model
    names = [model.model_id for model in models]
    begun = [name for name in names if model_id and name.startswith(model_id)]
    close = begun or difflib.get_close_matches(model_id, names, n=3, cutoff=0.5)
    if close:
        advice = f"did you mean {' or '.join(close)}? `artpipe models` lists all."
    elif names:
        advice = f"choose from {', '.join(names)}."
    else:
        advice = 'no model was trained yet; materialize "classifier".'
    raise UnknownModelError(f"the lake {lake.root} holds no model {model_id!r}; {advice}")


def candidate_id(lake: DataLake) -> str | None:
    """The model that was trained last, or found again, for the present settings; None before the first training."""
    try:
        return str(json.loads(lake.candidate_model.read_bytes())["model_id"])
    except FileNotFoundError:
        return None


def name_candidate(lake: DataLake, model_id: str) -> None:
    """Make a saved model the one that may be served next."""
    write_whole(lake.candidate_model, json.dumps({"model_id": model_id}).encode())


def trained_before(lake: DataLake, version: str, config: "TrainingConfig") -> "ModelCard | None":
    """The newest saved model that was trained on just this training set with just this config; None without one.

    A model that started from another model counts whichever that was: the served one moves on as soon as the new one
    takes its place, and training would never come to rest.

    Args:
        lake: where the models are.
        version: the `training_set_version` of the training set.
        config: the config; the weights file that it starts from counts by its content, not its name.
    """
    from artpipe.models.checkpoint import CorruptModelError, load_model

    for model in saved_models(lake):
        if model.told.get("training_set_version") != version or not _is_made_with(model.told, config):
            continue
        try:
            return load_model(lake.model(model.model_id)).card
        except CorruptModelError:
            continue
    return None


def _is_made_with(told: Mapping[str, Any], config: "TrainingConfig") -> bool:
    source: Mapping[str, Any] = told["weights_source"]
    started_from = source.get("model_id")
    wanted = replace(config, started_from=started_from).story()
    if told["config"] != json.loads(json.dumps(wanted)):
        return False
    is_by_name = config.weights in (IMAGENET, NO_WEIGHTS)
    return bool(started_from) or is_by_name or source["sha256"] == _hash_of(config.weights)


def _hash_of(weights_file: str) -> str | None:
    try:
        return hashlib.sha256(Path(weights_file).expanduser().read_bytes()).hexdigest()
    except OSError:
        return None


def unneeded_models(newest_first: Sequence[str], needed: Collection[str | None], keep: int) -> list[str]:
    """The models that may go: neither needed nor among the `keep` newest."""
    return [model_id for model_id in newest_first[keep:] if model_id not in needed]


def remove_model(lake: DataLake, model_id: str) -> None:
    """Delete a model and what the cache knows of it; the card goes first, so that no half of a model is listed."""
    folder = lake.model(model_id)
    (folder / CARD_FILE).unlink(missing_ok=True)
    if lake.is_local:
        shutil.rmtree(Path(str(folder)), ignore_errors=True)
    else:
        folder.fs.rm(folder.path, recursive=True)
    shutil.rmtree(lake.inference_cache(model_id), ignore_errors=True)
