"""The network: one backbone that turns a picture into a vector, and a linear head for each task on top of it."""

import difflib
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.error import URLError

import torch
from torch import Tensor, nn

from artpipe.errors import ArtpipeError
from artpipe.training.config import IMAGENET, NO_WEIGHTS
from artpipe.training.transforms import TransformSpec

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

# Where torchvision's families keep the ImageNet classifier that our heads replace; timm's names are among them.
_CLASSIFIER_NAMES = ("classifier", "fc", "heads", "head")
# These return several outputs in training or pool inside their classifier; timm has its own of most.
_UNSUITABLE = ("inception", "googlenet", "squeezenet")


class UnknownBackboneError(ArtpipeError):
    """Neither torchvision nor timm has a model of this name."""


class BackboneInputError(ArtpipeError):
    """The backbone does not take pictures of this size."""


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
    """A backbone with one linear head for each task.

    Args:
        backbone: maps (N, 3, S, S) to (N, features).
        classes: how many classes each task has.
    """

    def __init__(self, backbone: nn.Module, features: int, classes: Mapping[str, int], dropout: float = 0.0) -> None:
        super().__init__()
        self.backbone = backbone
        self.features = features
        self.dropout = nn.Dropout(dropout)
        self.tasks = tuple(classes)
        # A list and not a ModuleDict, which cannot hold a name that modules have already, such as `type`.
        self.heads = nn.ModuleList(nn.Linear(features, count) for count in classes.values())

    def forward(self, pixels: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Features (N, D), not normalised, and logits (N, classes) by task.

        Args:
            pixels: (N, 3, S, S), as made by `eval_transform`.
        """
        features: Tensor = self.backbone(pixels)
        kept: Tensor = self.dropout(features)
        return features, {task: head(kept) for task, head in zip(self.tasks, self.heads, strict=True)}


def build_model(
    backbone: str, classes: Mapping[str, int], image_px: int, dropout: float = 0.0
) -> tuple[MultiTaskClassifier, TransformSpec]:
    """A classifier with random weights, and how its input is made.

    Raises:
        UnknownBackboneError: no such model; the message suggests close names.
        BackboneInputError: the model takes no pictures of `image_px`.
    """
    body, mean, std = _torchvision_backbone(backbone) or _timm_backbone(backbone)
    try:
        with torch.inference_mode():
            features = body.eval()(torch.zeros(1, 3, image_px, image_px)).shape
    except (AssertionError, RuntimeError, ValueError) as error:
        raise BackboneInputError(
            f"the backbone {backbone!r} does not take pictures of {image_px} x {image_px} px ({error}); "
            "set ARTPIPE_TRAIN_IMAGE_PX to a size that it takes, usually 224."
        ) from error
    return MultiTaskClassifier(body, features[-1], classes, dropout), TransformSpec(image_px, mean, std)


_Colour = tuple[float, float, float]


def _torchvision_backbone(name: str) -> tuple[nn.Module, _Colour, _Colour] | None:
    from torchvision import models

    if name not in models.list_models(module=models) or name.startswith(_UNSUITABLE):
        return None
    body: nn.Module = models.get_model(name, weights=None)
    classifier = next(each for each in _CLASSIFIER_NAMES if hasattr(body, each))
    setattr(body, classifier, nn.Flatten(1))
    return body, IMAGENET_MEAN, IMAGENET_STD


def _timm_backbone(name: str) -> tuple[nn.Module, _Colour, _Colour]:
    import timm

    if name.partition(".")[0] not in timm.list_models():
        raise UnknownBackboneError(
            f"there is no backbone {name!r} in torchvision or timm; {_suggestions(name)}set ARTPIPE_BACKBONE to a name "
            "that `timm.list_models()` or `torchvision.models.list_models()` lists."
        )
    body = timm.create_model(name, pretrained=False, num_classes=0)
    told = cast("dict[str, Any]", getattr(body, "default_cfg", None) or {})
    mean, std = told.get("mean", IMAGENET_MEAN), told.get("std", IMAGENET_STD)
    return body, _colour(mean), _colour(std)


def _colour(values: Any) -> _Colour:
    red, green, blue = (float(value) for value in values)
    return red, green, blue


def _suggestions(name: str) -> str:
    import timm
    from torchvision import models

    known = {*models.list_models(module=models), *timm.list_models()}
    close = difflib.get_close_matches(name, sorted(known), n=3, cutoff=0.6)
    return f"did you mean {' or '.join(close)}? Otherwise " if close else ""


def load_backbone_weights(model: MultiTaskClassifier, backbone: str, weights: str) -> WeightsSource:
    """Give the backbone its first weights; the heads stay random.

    Args:
        model: the classifier that is changed.
        backbone: its backbone's name.
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
    _fill(model.backbone, state, backbone, told)
    return source


def _imagenet_state(backbone: str) -> dict[str, Tensor]:
    try:
        from torchvision import models

        if backbone in models.list_models(module=models) and not backbone.startswith(_UNSUITABLE):
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
    given = {key.removeprefix("backbone."): value for key, value in state.items()}
    given = {key: value for key, value in given.items() if key.partition(".")[0] not in _CLASSIFIER_NAMES}
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
