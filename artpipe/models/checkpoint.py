"""A model is its weights and its story: safetensors beside JSON, named by a hash over both.

`save_model` and `load_model` are for finished models, which everything downstream uses; a run's own checkpoints hold
the optimizer too and live only until the run is done.
"""

import hashlib
import io
import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import polars as pl
import torch
from safetensors import SafetensorError
from safetensors.torch import load as tensors_from_bytes
from safetensors.torch import save as tensors_to_bytes
from torch import Tensor
from upath import UPath

from artpipe.errors import ArtpipeError
from artpipe.lake.paths import DataLake, write_whole
from artpipe.models.labels import Labels
from artpipe.models.network import MultiTaskClassifier, WeightsSource, build_model
from artpipe.models.transforms import TransformSpec

WEIGHTS_FILE = "model.safetensors"
CARD_FILE = "model.json"
LEARNED_FILE = "learned.parquet"
LEARNED_COLUMNS = ("artwork_id", "work_id", "split", "jpeg_sha256")


class CorruptModelError(ArtpipeError):
    """A model's files are missing, damaged, or not the ones its card tells of."""


@dataclass(frozen=True)
class ModelCard:
    """A model's story. What decides predictions is in `model_id`; how the training went is told beside it."""

    classes: Mapping[str, tuple[str, ...]]
    transform: TransformSpec
    backbone: str
    features: int
    """Length of a vector."""
    weights_source: WeightsSource
    training_set_version: str
    seed: int
    config: Mapping[str, Any]
    temperatures: Mapping[str, float] = field(default_factory=dict[str, float])
    """What each task's logits are divided by before they become probabilities; 1 for a task that is not named."""
    history: Sequence[Mapping[str, Any]] = ()
    """One entry an epoch."""
    metrics: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """The kept epoch's validation metrics."""
    best_epoch: int | None = None
    ended: str = ""
    """Why training ended."""
    library_versions: Mapping[str, str] = field(default_factory=dict[str, str])
    rows: Mapping[str, int] = field(default_factory=dict[str, int])
    """How many pictures of each split it learned from."""
    trained_at: str = ""
    """When training ended, ISO 8601 in UTC."""
    model_id: str = ""

    @property
    def labels(self) -> Labels:
        """The vocabularies of the heads."""
        return Labels(self.classes)

    @property
    def views(self) -> int:
        """How many views of a picture are looked at: 2 where its mirror image is one."""
        return int(self.config.get("views", 1))

    @property
    def is_head_alone(self) -> bool:
        """Whether the backbone is as it began, so that kept features of it serve this model too."""
        return bool(self.config.get("head_epochs")) and self.best_epoch == 1 and not self.config.get("warm_start")

    @property
    def is_twofold(self) -> bool:
        """Whether it is two networks side by side."""
        return bool(self.config.get("keeps_start"))

    def story(self) -> dict[str, Any]:
        """The part of the card that the model's identity depends on: nothing of speed, dates or library versions."""
        names = (
            "classes",
            "transform",
            "backbone",
            "features",
            "weights_source",
            "training_set_version",
            "seed",
            "config",
        )
        told = asdict(self) | {"weights_source": self.weights_source.story()}
        # A model without temperatures keeps the name that it had before there were any.
        tempered = {"temperatures": told["temperatures"]} if self.temperatures else {}
        return {name: told[name] for name in names} | tempered

    def identified(self, weights: bytes) -> "ModelCard":
        """This card with the `model_id` that belongs to it and the weights."""
        return replace(self, model_id=model_id_of(weights, self))

    def to_json(self) -> str:
        """The card as indented JSON."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "ModelCard":
        """Read a card.

        Raises:
            ValueError, KeyError, TypeError: it is not one.
        """
        told: dict[str, Any] = json.loads(text)
        transform = told["transform"]
        told["transform"] = TransformSpec(transform["size"], tuple(transform["mean"]), tuple(transform["std"]))
        told["weights_source"] = WeightsSource(**told["weights_source"])
        told["history"] = tuple(told["history"])
        told["classes"] = {task: tuple(names) for task, names in told["classes"].items()}
        return cls(**told)


@dataclass(frozen=True)
class LoadedModel:
    """A model ready to predict, on the CPU and in evaluation mode."""

    model: MultiTaskClassifier
    card: ModelCard


def model_id_of(weights: bytes, card: ModelCard) -> str:
    """16 hex characters that name these weights with this story."""
    digest = hashlib.sha256(weights)
    digest.update(json.dumps(card.story(), sort_keys=True).encode())
    return digest.hexdigest()[:16]


def weights_bytes(state: Mapping[str, Tensor]) -> bytes:
    """A state dict as safetensors; the same values give the same bytes."""
    return tensors_to_bytes({key: value.detach().cpu().contiguous().clone() for key, value in state.items()})


def save_model(
    lake: DataLake, state: Mapping[str, Tensor], card: ModelCard, learned: pl.DataFrame | None = None
) -> tuple[ModelCard, UPath]:
    """Write a model's folder whole, under the name that its content gives it.

    Args:
        lake: where it is kept.
        state: the weights.
        card: the story.
        learned: the training and validation rows, of which `LEARNED_COLUMNS` are kept.

    Returns:
        The card with its `model_id`, and the folder.
    """
    weights = weights_bytes(state)
    card = card.identified(weights)
    folder = lake.model(card.model_id)
    files = {WEIGHTS_FILE: weights}
    if learned is not None:
        table = io.BytesIO()
        learned.select(LEARNED_COLUMNS).write_parquet(table)
        files[LEARNED_FILE] = table.getvalue()
    files[CARD_FILE] = card.to_json().encode()  # last: a folder without a card is not a model
    if not lake.is_local:
        for name, content in files.items():
            write_whole(folder / name, content)
        return card, folder
    target = Path(str(folder))
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{card.model_id}-"))
    try:
        for name, content in files.items():
            write_whole(UPath(aside / name), content)
        aside.chmod(0o755)
        if target.exists():  # the same content by its name, unless something damaged it since
            shutil.rmtree(target)
        os.replace(aside, target)  # noqa: PTH105
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    return card, folder


def load_card(folder: UPath | Path) -> ModelCard:
    """The card of a saved model, without its weights.

    Raises:
        CorruptModelError: there is none, or it cannot be read.
    """
    try:
        return ModelCard.from_json((folder / CARD_FILE).read_text("utf-8"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CorruptModelError(
            f'the model card in {folder} is missing or damaged ({error}); materialize "classifier" to train it again.'
        ) from error


def load_learned(folder: UPath | Path) -> pl.DataFrame | None:
    """Which pictures a model learned from, columns `LEARNED_COLUMNS`; None where that was not recorded."""
    try:
        return pl.read_parquet(io.BytesIO((folder / LEARNED_FILE).read_bytes()))
    except (OSError, pl.exceptions.PolarsError):
        return None


def load_model(folder: UPath | Path) -> LoadedModel:
    """A saved model, checked against the hash that names it.

    Raises:
        CorruptModelError: a file is missing, damaged or not the one that the card tells of.
    """
    card = load_card(folder)
    try:
        weights = (folder / WEIGHTS_FILE).read_bytes()
        found = model_id_of(weights, card)
        if found != card.model_id:
            raise CorruptModelError(
                f"the model in {folder} is not what its card says: it should be {card.model_id} and is {found}; "
                'materialize "classifier" to train it again.'
            )
        counts = {task: len(names) for task, names in card.classes.items()}
        with torch.random.fork_rng(devices=[]):
            model, _ = build_model(
                card.backbone, counts, card.transform.size, card.features, is_twofold=card.is_twofold
            )
        model.load_state_dict(tensors_from_bytes(weights))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise CorruptModelError(
            f'the weights in {folder} are missing or damaged ({error}); materialize "classifier" to train it again.'
        ) from error
    return LoadedModel(model.eval(), card)


class RunCheckpoint:
    """The last finished epoch of one training run, so that a killed run goes on where it was.

    Args:
        fingerprint: a hash of the training set and the config; another one is another run.
    """

    def __init__(self, lake: DataLake, fingerprint: str) -> None:
        self.path = lake.checkpoints / f"{fingerprint}.pt"

    def save(self, state: Mapping[str, Any]) -> None:
        """Replace the checkpoint whole."""
        written = io.BytesIO()
        torch.save(dict(state), written)
        write_whole(self.path, written.getvalue())

    def load(self) -> dict[str, Any] | None:
        """The checkpoint, or None where there is none that can be read."""
        import pickle

        try:
            held = torch.load(io.BytesIO(self.path.read_bytes()), map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, EOFError, pickle.UnpicklingError):
            return None
        return cast("dict[str, Any]", held)

    def remove(self) -> None:
        """Forget the run."""
        self.path.unlink(missing_ok=True)
