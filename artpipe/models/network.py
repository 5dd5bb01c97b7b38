"""The network: a backbone that looks, a projection that turns what it sees into a vector, and a head for each task."""

import copy
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.error import URLError

import torch
from torch import Tensor, nn
from torch.nn import functional

from artpipe.errors import ArtpipeError
from artpipe.models.backbones import (
    CLASSIFIER_NAMES,
    BackboneInputError,
    MultiLevelBackbone,
    TwoBackbones,
    find_levels,
    is_torchvision,
    named_body,
)
from artpipe.models.transforms import TransformSpec
from artpipe.training.config import DIMENSIONS, IMAGENET, NO_WEIGHTS

HEAD_DEVIATION = 0.01
"""Spread of a head's first weights: small, so that every class is as likely as any other at the start."""

_BACKBONES = ("backbone.body.", "backbone.after.body.")
"""Where a model of ours keeps the network that learned."""


class WeightsUnavailableError(ArtpipeError):
    """The weights cannot be had: no connection, no such file, or none were ever trained."""


class WeightsMismatchError(ArtpipeError):
    """The weights file belongs to another architecture, or is not a weights file."""


@dataclass(frozen=True)
class WeightsSource:
    """Where the first weights came from: `imagenet`, `none`, `model` or a file's name, and what exactly that was."""

    name: str
    sha256: str | None
    """A hash of ImageNet weights or of a file's content."""
    model_id: str | None = None
    """The saved model that was started from, where `name` is `model`."""

    @property
    def told(self) -> str:
        """In words."""
        return f"model {self.model_id}" if self.model_id else self.name

    def story(self) -> dict[str, str | None]:
        """The part of a model's story that this is; what does not apply is left out."""
        told = {"name": self.name, "sha256": self.sha256}
        return told if self.model_id is None else told | {"model_id": self.model_id}


class MultiTaskClassifier(nn.Module):
    """A backbone, a projection to the vector that search compares, and one linear head for each task upon it.

    Args:
        backbone: maps (N, 3, S, S) to (N, pooled).
        pooled: how many features the backbone gives.
        classes: how many classes each task has.
        dimensions: length of a vector.
        dropout: share of features and of the vector that training leaves out.
    """

    def __init__(
        self, backbone: nn.Module, pooled: int, classes: Mapping[str, int], dimensions: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.features = dimensions
        # Levels differ a hundredfold in scale, and none should be heard for being loud.
        self.norm = nn.BatchNorm1d(pooled, affine=False)
        self.projection = nn.Linear(pooled, dimensions)
        self.dropout = nn.Dropout(dropout)
        self.tasks = tuple(classes)
        # A list and not a ModuleDict, which cannot hold a name that modules have already, such as `type`.
        self.heads = nn.ModuleList(nn.Linear(dimensions, count) for count in classes.values())
        for head in self.heads:
            nn.init.normal_(head.get_parameter("weight"), std=HEAD_DEVIATION)
            nn.init.zeros_(head.get_parameter("bias"))

    def forward(self, pixels: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Vectors (N, dimensions), not normalised, and logits (N, classes) by task.

        Args:
            pixels: (N, 3, S, S), as made by `eval_transform`.
        """
        return self.judge(self.backbone(pixels))

    def judge(self, features: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """What `forward` gives, from the backbone's features (N, pooled), which may have been kept."""
        # What the heads hear is what search compares: neighbours share more labels than before the GELU.
        vectors = functional.gelu(self.projection(self.dropout(self.norm(features))))
        heard: Tensor = self.dropout(vectors)
        return vectors, {task: head(heard) for task, head in zip(self.tasks, self.heads, strict=True)}

    def without_backbone(self) -> "MultiTaskClassifier":
        """A copy that can `judge` but not look."""
        held, self.backbone = self.backbone, nn.Identity()
        try:
            return copy.deepcopy(self)
        finally:
            self.backbone = held

    @property
    def class_counts(self) -> dict[str, int]:
        """How many classes each task has."""
        return {task: len(head.get_parameter("bias")) for task, head in zip(self.tasks, self.heads, strict=True)}

    @property
    def top(self) -> nn.ModuleList:
        """Everything above the backbone that learns."""
        return nn.ModuleList([self.projection, *self.heads])


def build_model(
    backbone: str,
    classes: Mapping[str, int],
    image_px: int,
    dimensions: int = DIMENSIONS,
    dropout: float = 0.0,
    *,
    is_twofold: bool = False,
) -> tuple[MultiTaskClassifier, TransformSpec]:
    """A classifier with random weights, and how its input is made.

    Args:
        backbone: its name.
        classes: how many classes each task has.
        image_px: side of the square that it sees.
        dimensions: length of a vector.
        dropout: as for `MultiTaskClassifier`.
        is_twofold: whether it looks with two networks of that name, as `side_by_side` joins them.

    Raises:
        UnknownBackboneError: no such model; the message suggests close names.
        BackboneInputError: the model takes no pictures of `image_px`.
    """
    looking, transform = build_backbone(backbone, image_px)
    with torch.inference_mode():
        pooled = looking(torch.zeros(1, 3, image_px, image_px)).shape[-1]
    if is_twofold:
        both = TwoBackbones(looking, copy.deepcopy(looking))
        return MultiTaskClassifier(both, 2 * pooled, classes, dimensions, dropout), transform
    return MultiTaskClassifier(looking, pooled, classes, dimensions, dropout), transform


def build_backbone(backbone: str, image_px: int) -> tuple[MultiLevelBackbone, TransformSpec]:
    """A backbone with random weights, in evaluation mode, and how its input is made. Raises as `build_model` does."""
    body, mean, std = named_body(backbone)
    try:
        levels = find_levels(body, image_px)
    except (AssertionError, RuntimeError, ValueError) as error:
        raise BackboneInputError(
            f"the backbone {backbone!r} does not take pictures of {image_px} x {image_px} px ({error}); "
            "set ARTPIPE_TRAIN_IMAGE_PX to a size that it takes, usually 224."
        ) from error
    return MultiLevelBackbone(body, levels).eval(), TransformSpec(image_px, mean, std)


def looking_part(model: MultiTaskClassifier) -> MultiLevelBackbone:
    """The backbone of a model that `build_model` made."""
    return cast("MultiLevelBackbone", model.backbone)


def load_backbone_weights(looking: MultiLevelBackbone, backbone: str, weights: str) -> WeightsSource:
    """Give a backbone its first weights.

    Args:
        looking: the backbone that is changed.
        backbone: its name.
        weights: `imagenet`, `none`, or the path of a `.pth` or `.safetensors` file with timm's or torchvision's names.

    Raises:
        WeightsUnavailableError: the download failed, or there is no such file.
        WeightsMismatchError: the weights belong to another architecture.
    """
    if weights == NO_WEIGHTS:
        return WeightsSource(NO_WEIGHTS, None)
    if weights == IMAGENET:
        state, told = _imagenet_state(backbone), f"the ImageNet weights of {backbone}"
        source = WeightsSource(IMAGENET, _state_hash(state))
    else:
        path = Path(weights).expanduser()
        state, told = _file_state(path), f"the weights file {path}"
        source = WeightsSource(path.name, hashlib.sha256(path.read_bytes()).hexdigest())
    _fill(looking.body, state, backbone, told)
    return source


def _imagenet_state(backbone: str) -> dict[str, Tensor]:
    try:
        if is_torchvision(backbone):
            from torchvision import models

            chosen: Any = models.get_model_weights(backbone)
            return chosen.DEFAULT.get_state_dict(progress=False, check_hash=True)
        import timm

        return timm.create_model(backbone, pretrained=True, num_classes=0).state_dict()
    except Exception as error:  # each downloader has failures of its own, and changes them
        reason = error.reason if isinstance(error, URLError) else error
        raise WeightsUnavailableError(
            f"the ImageNet weights of {backbone!r} could not be downloaded ({reason}); set "
            "ARTPIPE_BACKBONE_WEIGHTS=none to train from scratch, or ARTPIPE_BACKBONE_WEIGHTS=<file> to a .pth or "
            ".safetensors file of them."
        ) from error


def _file_state(path: Path) -> dict[str, Tensor]:
    import pickle

    if not path.is_file():
        raise WeightsUnavailableError(
            f"there is no weights file {path}; set ARTPIPE_BACKBONE_WEIGHTS to one that exists, `imagenet` or `none`."
        )
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(path)
        except SafetensorError as error:
            raise _not_weights(path, error) from error
    try:
        held: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError) as error:
        raise _not_weights(path, error) from error
    for nested in ("state_dict", "model"):
        if isinstance(held, dict) and isinstance(held.get(nested), dict):
            held = held[nested]
    if not isinstance(held, dict):
        raise _not_weights(path, TypeError(f"it holds a {type(held).__name__}"))
    tensors = cast("dict[str, Any]", held)
    return {key.removeprefix("module."): value for key, value in tensors.items() if isinstance(value, Tensor)}


def _not_weights(path: Path, error: Exception) -> WeightsMismatchError:
    reason = str(error).partition("\n")[0]
    return WeightsMismatchError(
        f"{path} cannot be read as weights ({reason}); give a state dict saved as .pth, or a .safetensors file."
    )


def _fill(body: nn.Module, state: dict[str, Tensor], backbone: str, told: str) -> None:
    wanted = body.state_dict()
    # A model that artpipe trained is a fine start too: its backbone is named so.
    ours = {
        key.removeprefix(prefix): value
        for prefix in _BACKBONES
        for key, value in state.items()
        if key.startswith(prefix)
    }
    given = ours or {key: value for key, value in state.items() if key.partition(".")[0] not in CLASSIFIER_NAMES}
    missing = sorted(key for key in wanted if key not in given and not key.endswith("num_batches_tracked"))
    foreign = sorted(given.keys() - wanted.keys())
    misfits = sorted(key for key in wanted.keys() & given.keys() if wanted[key].shape != given[key].shape)
    for problem, keys in (("lacks", missing), ("also holds", foreign), ("has another shape for", misfits)):
        if keys:
            raise WeightsMismatchError(
                f"{told} is not for the backbone {backbone!r}: it {problem} {len(keys)} tensors, such as {keys[0]!r}; "
                "set ARTPIPE_BACKBONE to the model that the weights were trained for, or take other weights."
            )
    body.load_state_dict(given, strict=False)


def _state_hash(state: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for key in sorted(state):
        digest.update(key.encode())
        digest.update(state[key].detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def choose_device(device: str) -> torch.device:
    """`auto` is CUDA where there is one, then Apple's GPU, then the CPU."""
    if device != "auto":
        return torch.device(device)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
