"""An image-text model of open_clip, such as CLIP or SigLIP: pictures and descriptions as vectors of one space.

It stands beside the model that artpipe trains, and knows the words of millions of captions instead of the catalogue's.
Light to import: open_clip and torch are loaded with the model.
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from artpipe.embedding.predictions import Predictions
from artpipe.errors import ArtpipeError, did_you_mean
from artpipe.lake.paths import file_version

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray
    from PIL.Image import Image

CONFIG_FILE = "open_clip_config.json"
_FROM_HUB = "hf-hub:"
_TEMPLATES = ("{}", "a painting of {}")
"""A description is the mean of these. Source: Radford et al., arXiv:2103.00020, section 3.1.4."""
_BATCH = 32


class ImageTextModelError(ArtpipeError):
    """The image-text model cannot be loaded."""


class ImageTextModel:
    """A `PictureEncoder` that also embeds descriptions; its pictures have no labels.

    Args:
        network: an open_clip model.
        preprocess: makes its input of a PIL image.
        tokenise: makes its input of texts.
        model_id: see `image_text_version`.
        device: where it runs.
    """

    def __init__(
        self,
        network: Any,
        preprocess: "Callable[[Image], torch.Tensor]",
        tokenise: Callable[[list[str]], Any],
        model_id: str,
        device: "torch.device",
    ) -> None:
        self._network = network.to(device).eval()
        self._preprocess, self._tokenise, self._device = preprocess, tokenise, device
        self.model_id = model_id

    @property
    def labels(self) -> dict[str, list[str]]:
        """None: it was not trained on the tasks of the collection."""
        return {}

    def encode(self, pictures: "Sequence[Image]") -> Predictions:
        """Embed RGB pictures, at least one."""
        import torch

        vectors: list[NDArray[np.float32]] = []
        with torch.inference_mode():
            for first in range(0, len(pictures), _BATCH):
                pixels = torch.stack([self._preprocess(each) for each in pictures[first : first + _BATCH]])
                found = self._network.encode_image(pixels.to(self._device), normalize=True)
                vectors.append(found.float().cpu().numpy())
        return Predictions(np.concatenate(vectors), {})

    def encode_texts(self, texts: Sequence[str]) -> "NDArray[np.float32]":
        """Descriptions as vectors of length 1, float32 (N, D)."""
        import torch

        written = [template.format(text) for text in texts for template in _TEMPLATES]
        with torch.inference_mode():
            found = self._network.encode_text(self._tokenise(written).to(self._device), normalize=True)
            means = found.float().view(len(texts), len(_TEMPLATES), -1).mean(1)
            return torch.nn.functional.normalize(means).cpu().numpy()


def absolute_name(name: str) -> str:
    """The name from whichever folder a process is started in."""
    folder = _folder(name)
    return name if folder is None else str(folder.resolve())


def image_text_version(name: str) -> str:
    """What model a name stands for: a folder by the content of its files, published weights by their name."""
    folder = _folder(name)
    if folder is None:
        return name
    files = sorted(each for each in folder.iterdir() if each.is_file() and not each.name.startswith("."))
    return "; ".join(version for each in files if (version := file_version(str(each))))


def load_image_text_model(name: str, device: str = "auto") -> ImageTextModel:
    """Load a model by name, with the usual download, or from a folder.

    Args:
        name: `ARCHITECTURE/WEIGHTS` of open_clip, `hf-hub:OWNER/NAME`, or a folder with `open_clip_config.json`,
            weights and, where the model has one of its own, the tokeniser.
        device: `auto`, `cpu`, `cuda` or `mps`.

    Raises:
        ImageTextModelError: open_clip is not installed, it knows no such model, or the weights cannot be had.
    """
    from artpipe.models.hub import asked_once
    from artpipe.models.network import choose_device

    try:
        open_clip: Any = import_module("open_clip")
    except ImportError as error:
        raise ImageTextModelError(
            f"ARTPIPE_IMAGE_TEXT_MODEL={name} needs open_clip ({error}); install it by `pip install "
            "'artpipe[image-text]'`, or unset the setting."
        ) from error
    architecture, weights = _parts(name, open_clip)
    try:
        with nullcontext() if _folder(name) else asked_once():
            network, preprocess = open_clip.create_model_from_pretrained(architecture, weights, device="cpu")
            tokenise = open_clip.get_tokenizer(architecture)
    except Exception as error:  # its downloaders and parsers have failures of their own
        reason = str(error).partition("\n")[0]
        raise ImageTextModelError(
            f"the image-text model {name} cannot be loaded ({reason}); without a connection, download {CONFIG_FILE}, "
            "open_clip_model.safetensors and the tokeniser's files from its page on huggingface.co into a folder, and "
            "set ARTPIPE_IMAGE_TEXT_MODEL to that folder."
        ) from error
    return ImageTextModel(network, preprocess, tokenise, image_text_version(name), choose_device(device))


def _folder(name: str) -> Path | None:
    """The folder that a name is; None where it names published weights."""
    path = Path(name).expanduser()
    return path if not name.startswith(_FROM_HUB) and path.is_dir() else None


def _parts(name: str, open_clip: Any) -> tuple[str, str | None]:
    """The architecture and the weights, as open_clip takes them."""
    folder = _folder(name)
    if folder is not None:
        return f"local-dir:{folder}", None
    if name.startswith(_FROM_HUB):
        return name, None
    architecture, _, weights = name.rpartition("/")
    architecture, weights = (architecture, weights) if architecture else (weights, "")
    if architecture not in open_clip.list_models():
        question = did_you_mean(architecture, open_clip.list_models(), most=3)
        raise ImageTextModelError(
            f"{name} is no folder, and open_clip has no model {architecture!r}; {question or ''} set "
            "ARTPIPE_IMAGE_TEXT_MODEL to a folder or to a pair that `open_clip.list_pretrained()` lists, such as "
            "ViT-B-16/datacomp_xl_s13b_b90k."
        )
    published: list[str] = open_clip.list_pretrained_tags_by_model(architecture)
    if weights not in published:
        raise ImageTextModelError(
            f"{name} names no weights; set ARTPIPE_IMAGE_TEXT_MODEL to {architecture}/ and one of "
            f"{', '.join(published) or 'none, since nobody publishes any'}."
        )
    return architecture, weights
