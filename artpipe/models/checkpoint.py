"""Saving and loading: a model is its weights (safetensors) and its card (JSON), named by a hash over both.

`save_model` and `load_model` are for finished models, which everything downstream uses. `RunCheckpoint` is for a
training run that may be killed: it holds the optimiser too and goes when the run is done.
"""

import hashlib
import io
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import polars as pl
import torch
from safetensors import SafetensorError
from safetensors.torch import load as tensors_from_bytes
from safetensors.torch import save as tensors_to_bytes
from torch import Tensor
from upath import UPath

from artpipe.lake.paths import DataLake, remove_file, write_whole
from artpipe.models.card import CARD_FILE, LEARNED_FILE, WEIGHTS_FILE, CorruptModelError, ModelCard, load_card
from artpipe.models.ensemble import build_ensemble
from artpipe.models.learned import as_parquet
from artpipe.models.network import MultiTaskClassifier, build_model


@dataclass(frozen=True)
class LoadedModel:
    """A model ready to predict, on the CPU and in evaluation mode."""

    model: MultiTaskClassifier
    card: ModelCard


def model_id_of(weights: bytes, card: ModelCard) -> str:
    """16 hex characters: a hash of the weights and of the card's identity."""
    digest = hashlib.sha256(weights)
    digest.update(json.dumps(card.identity(), sort_keys=True).encode())
    return digest.hexdigest()[:16]


def save_model(
    lake: DataLake, state: Mapping[str, Tensor], card: ModelCard, learned: pl.DataFrame | None = None
) -> tuple[ModelCard, UPath]:
    """Write a model's folder whole, under the name that its content gives it.

    Args:
        lake: gets the model.
        state: the weights.
        card: its card, without a `model_id`.
        learned: what it saw, table `LEARNED`.

    Returns:
        The card with its `model_id`, and the folder.
    """
    weights = tensors_to_bytes({key: value.detach().cpu().contiguous().clone() for key, value in state.items()})
    card = replace(card, model_id=model_id_of(weights, card))
    folder = lake.model(card.model_id)
    files = {WEIGHTS_FILE: weights}
    if learned is not None:
        files[LEARNED_FILE] = as_parquet(learned)
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


def load_model(folder: UPath | Path) -> LoadedModel:
    """A saved model, checked against the hash that names it.

    Raises:
        CorruptModelError: a file is missing, damaged, or does not belong to the card.
    """
    card = load_card(folder)
    try:
        weights = (folder / WEIGHTS_FILE).read_bytes()
        found = model_id_of(weights, card)
        if found != card.model_id:
            raise CorruptModelError(
                f"the model in {folder} does not match its card: its hash is {found}, the card has {card.model_id}; "
                'materialize "classifier" to train it again.'
            )
        counts = {task: len(names) for task, names in card.classes.items()}
        build = build_ensemble if card.is_ensemble else build_model
        with torch.random.fork_rng(devices=[]):
            model, _ = build(card.backbone, counts, card.transform.size, card.embedding_dim, depths=card.depths)
        model.load_state_dict(tensors_from_bytes(weights))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise CorruptModelError(
            f'the weights in {folder} are missing or damaged ({error}); materialize "classifier" to train it again.'
        ) from error
    return LoadedModel(model.eval(), card)


class RunCheckpoint:
    """The last finished epoch of one training run, from which a killed run resumes.

    Args:
        fingerprint: a hash of the training set and the config; another hash is another run.
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
            state = torch.load(io.BytesIO(self.path.read_bytes()), map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, EOFError, pickle.UnpicklingError):
            return None
        return cast("dict[str, Any]", state)

    def remove(self) -> None:
        """Delete the checkpoint."""
        remove_file(self.path)
