"""Initial weights of a backbone: the published ones, a file's, or none; checked to fit before they are loaded."""

import hashlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast
from urllib.error import URLError

import torch
from torch import Tensor, nn

from artpipe.errors import ArtpipeError
from artpipe.lake.paths import is_file
from artpipe.models.backbones import CLASSIFIER_NAMES, MultiLevelBackbone, is_torchvision
from artpipe.models.card import IMAGENET, NO_WEIGHTS, WeightsSource
from artpipe.models.hub import asked_once

_ARTPIPE_PREFIXES = ("backbone.body.", "backbone.after.body.")
"""Where a model that artpipe trained keeps its trained backbone: alone, or as the fine-tuned half of an ensemble."""


class WeightsUnavailableError(ArtpipeError):
    """The weights cannot be had: no connection, or no such file."""


class WeightsMismatchError(ArtpipeError):
    """The weights file belongs to another architecture, or is not a weights file."""


def load_backbone_weights(backbone: MultiLevelBackbone, name: str, weights: str) -> WeightsSource:
    """Load the initial weights of a backbone.

    Args:
        backbone: it is changed in place.
        name: its name in torchvision or timm.
        weights: `imagenet`, `none`, or the path of a `.pth` or `.safetensors` file, with timm's or torchvision's names,
            or those of the original that timm converts, such as OpenAI's, OpenCLIP's, DINOv2's or DINOv3's. Position
            embeddings of another image size are resampled.

    Raises:
        WeightsUnavailableError: the download failed, or there is no such file.
        WeightsMismatchError: the weights belong to another architecture.
    """
    if weights == NO_WEIGHTS:
        return WeightsSource(NO_WEIGHTS, None)
    if weights == IMAGENET:
        state, described_as = _published_state(name), f"the published weights of {name}"
        source = WeightsSource(IMAGENET, _state_hash(state))
    else:
        path = Path(weights).expanduser()
        state, described_as = _file_state(path), f"the weights file {path}"
        source = WeightsSource(path.name, hashlib.sha256(path.read_bytes()).hexdigest())
    _load_state(backbone.body, state, name, described_as)
    return source


def _published_state(name: str) -> dict[str, Tensor]:
    try:
        if is_torchvision(name):
            from torchvision import models

            chosen: Any = models.get_model_weights(name)
            return chosen.DEFAULT.get_state_dict(progress=False, check_hash=True)
        import timm

        with asked_once():
            return timm.create_model(name, pretrained=True, num_classes=0).state_dict()
    except Exception as error:  # each downloader has failures of its own, and changes them
        reason = str(error.reason if isinstance(error, URLError) else error).partition("\n")[0]
        raise WeightsUnavailableError(
            f"the weights of {name!r} could not be downloaded ({reason}); set ARTPIPE_BACKBONE_WEIGHTS=none to train "
            f"from scratch, or ARTPIPE_BACKBONE_WEIGHTS=<file> to a .pth or .safetensors file of them{_address(name)}."
        ) from error


def _address(name: str) -> str:
    """Where the weights of a backbone of timm can be had by other means; empty where it does not say."""
    if is_torchvision(name):
        return ""
    import timm

    found = timm.get_pretrained_cfg(name)
    if found is None or not found.has_weights:
        return "" if found is None else "; nobody publishes weights of it"
    if found.hf_hub_id:
        return f", such as https://huggingface.co/{found.hf_hub_id}/resolve/main/model.safetensors"
    return f", such as {found.url}" if found.url else ""


def _file_state(path: Path) -> dict[str, Tensor]:
    import pickle

    if not is_file(path):
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
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError) as error:
        raise _not_weights(path, error) from error
    for nested in ("state_dict", "model"):
        if isinstance(content, dict) and isinstance(content.get(nested), dict):
            content = content[nested]
    if not isinstance(content, dict):
        raise _not_weights(path, TypeError(f"it holds a {type(content).__name__}"))
    tensors = cast("dict[str, Any]", content)
    return {key.removeprefix("module."): value for key, value in tensors.items() if isinstance(value, Tensor)}


def _not_weights(path: Path, error: Exception) -> WeightsMismatchError:
    reason = str(error).partition("\n")[0]
    return WeightsMismatchError(
        f"{path} cannot be read as weights ({reason}); give a state dict saved as .pth, or a .safetensors file."
    )


def _load_state(body: nn.Module, state: dict[str, Tensor], name: str, described_as: str) -> None:
    expected = body.state_dict()
    # The weights of a model that artpipe trained are welcome too.
    from_artpipe = {
        key.removeprefix(prefix): value
        for prefix in _ARTPIPE_PREFIXES
        for key, value in state.items()
        if key.startswith(prefix)
    }
    given = from_artpipe or _without_classifier(state)
    if any(key not in given or given[key].shape != value.shape for key, value in expected.items()):
        given = _converted(body, given if from_artpipe else state)
    missing = sorted(key for key in expected if key not in given and not key.endswith("num_batches_tracked"))
    foreign = sorted(given.keys() - expected.keys())
    misfits = sorted(key for key in expected.keys() & given.keys() if expected[key].shape != given[key].shape)
    for problem, keys in (("lacks", missing), ("also holds", foreign), ("has another shape for", misfits)):
        if keys:
            raise WeightsMismatchError(
                f"{described_as} is not for the backbone {name!r}: it {problem} {len(keys)} tensors, such as "
                f"{keys[0]!r}; set ARTPIPE_BACKBONE to the model that the weights were trained for, or give others."
            )
    if broken := sorted(key for key, value in given.items() if not torch.isfinite(value).all()):
        raise WeightsMismatchError(
            f"{described_as} holds values that are not finite in {len(broken)} tensors, such as {broken[0]!r}: the "
            "training that made them diverged; give others."
        )
    body.load_state_dict(given, strict=False)


def _without_classifier(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key: value for key, value in state.items() if key.partition(".")[0] not in CLASSIFIER_NAMES}


def _converted(body: nn.Module, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same weights with timm's names and for this image size, where timm can convert them; else as they are."""
    convert = getattr(sys.modules[type(body).__module__], "checkpoint_filter_fn", None)
    if convert is None or not type(body).__module__.startswith("timm."):
        return _without_classifier(state)
    try:
        return _without_classifier(convert(dict(state), body))
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError):
        return _without_classifier(state)  # of another architecture: what is wrong with it is said by the caller


def _state_hash(state: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for key in sorted(state):
        digest.update(key.encode())
        digest.update(state[key].detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
