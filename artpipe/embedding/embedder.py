"""Pictures to unit vectors and class probabilities, as fast as the machine's forward pass allows.

A copy of the trained network is prepared for inference: batch norms folded into their convolutions, channels last,
and bfloat16 where the processor multiplies in it. Vectors and probabilities are float32 always.
"""

import copy
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from artpipe.progress import Progress, SilentProgress
from artpipe.training.checkpoint import LoadedModel, ModelCard
from artpipe.training.model import MultiTaskClassifier, choose_device
from artpipe.training.pixels import Pixels, decode_square, decoding_threads
from artpipe.training.transforms import Normalise

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

    from artpipe.training.pixels import PixelCache

Precision = Literal["auto", "float32", "bfloat16"]

BATCH_SIZE = 64


@dataclass(frozen=True)
class Predictions:
    """What the network says about N pictures."""

    vectors: NDArray[np.float32]
    """(N, D); each row has length 1, so that a dot product is a cosine similarity."""
    probabilities: dict[str, NDArray[np.float32]]
    """(N, classes) by task, in the order of the card's classes; each row sums to 1."""

    def __len__(self) -> int:
        return len(self.vectors)

    @classmethod
    def joined(cls, parts: Iterable["Predictions"]) -> "Predictions":
        """All parts as one; at least one is needed."""
        held = list(parts)
        probabilities = {task: np.concatenate([part.probabilities[task] for part in held]) for task in _tasks(held)}
        return cls(np.concatenate([part.vectors for part in held]), probabilities)


def _tasks(parts: Sequence[Predictions]) -> list[str]:
    return list(parts[0].probabilities)


class Embedder:
    """A trained network, ready to look at pictures.

    Args:
        model: the classifier; it is copied and left as it is.
        device: `auto`, `cpu`, `cuda` or `mps`.
        precision: `auto` is bfloat16 on CUDA and on processors that multiply in it, else float32.
    """

    def __init__(
        self, model: MultiTaskClassifier, card: ModelCard, device: str = "auto", precision: Precision = "auto"
    ) -> None:
        self.card = card
        self.device = choose_device(device)
        self.dtype = _dtype(self.device, precision)
        self.backbone = inference_backbone(model, card.transform.size).to(
            self.device, self.dtype, memory_format=torch.channels_last
        )  # pyright: ignore[reportCallIssue]
        self.tasks = model.tasks
        self.heads = copy.deepcopy(model.heads).to(self.device, torch.float32).eval()
        self._normalise = Normalise(card.transform, self.device, self.dtype)

    @classmethod
    def of(cls, loaded: LoadedModel, device: str = "auto", precision: Precision = "auto") -> "Embedder":
        """An embedder for a model as `load_model` gives it."""
        return cls(loaded.model, loaded.card, device, precision)

    @property
    def precision(self) -> str:
        """What the forward pass computes in: `float32` or `bfloat16`."""
        return str(self.dtype).removeprefix("torch.")

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        return self.card.features

    @property
    def image_px(self) -> int:
        """Side of the squares that it looks at."""
        return self.card.transform.size

    def embed_pixels(self, squares: "Pixels | Tensor | Sequence[Tensor]") -> Predictions:
        """Embed one batch.

        Args:
            squares: uint8 (N, image_px, image_px, 3), as made by `decode_square` or read from a `PixelCache`, or N
                tensors of one square.

        Raises:
            ValueError: a vector is zero and has no direction, or is not finite.
        """
        batch = torch.from_numpy(squares) if isinstance(squares, np.ndarray) else squares
        with torch.inference_mode():
            features = self.backbone(self._normalise(batch)).float()
            lengths = torch.linalg.vector_norm(features, dim=1, keepdim=True)
            bad = (~((lengths > 0) & lengths.isfinite())).flatten().nonzero().flatten().tolist()
            if bad:
                raise ValueError(
                    f"picture {bad[0]} of this batch gave a vector of length {float(lengths[bad[0]])}, "
                    "which has no direction"
                )
            vectors = features / lengths
            chances = {
                task: (head(features) / self.card.temperatures.get(task, 1.0)).softmax(dim=1)
                for task, head in zip(self.tasks, self.heads, strict=True)
            }
        return Predictions(vectors.cpu().numpy(), {task: one.cpu().numpy() for task, one in chances.items()})

    def embed_cached(
        self,
        cache: "PixelCache",
        keys: Sequence[str],
        batch_size: int = BATCH_SIZE,
        progress: Progress | None = None,
    ) -> Iterator[Predictions]:
        """Embed pictures of a pixel cache, a batch at a time and in the order of `keys`; call `cache.ensure` first."""
        rows = cache.rows(keys)
        mapped = cache.pixels
        with (progress or SilentProgress()).track("embed", len(rows), "images") as step:
            for first in range(0, len(rows), batch_size):
                chunk = rows[first : first + batch_size]
                yield self.embed_pixels([torch.from_numpy(mapped[row]) for row in chunk])
                step.advance(len(chunk))

    def embed_jpegs(
        self,
        jpegs: Iterable[bytes],
        batch_size: int = BATCH_SIZE,
        progress: Progress | None = None,
        total: int | None = None,
    ) -> Iterator[Predictions]:
        """Embed JPEGs a batch at a time, in order; threads decode the next batch while the network looks at this one.

        Args:
            jpegs: files as the images table stores them.
            batch_size: how many the network looks at together.
            progress: told of each picture embedded.
            total: how many there are, for the progress; by default asked of `jpegs`.

        Raises:
            ValueError: one of them is not a readable image.
        """
        count = total if total is not None else len(jpegs) if isinstance(jpegs, Sequence) else 0
        with (
            (progress or SilentProgress()).track("embed", count, "images") as step,
            decoding_threads() as pool,
        ):
            for squares in self._decoded(jpegs, batch_size, pool):
                yield self.embed_pixels(squares)
                step.advance(len(squares))

    def _decoded(self, jpegs: Iterable[bytes], batch_size: int, pool: "ThreadPoolExecutor") -> Generator[Pixels]:
        waiting = iter(jpegs)

        def submit() -> "list[Future[Pixels]]":
            return [pool.submit(decode_square, jpeg, self.image_px) for jpeg in islice(waiting, batch_size)]

        ahead = submit()
        while ahead:
            now, ahead = ahead, submit()
            yield np.stack([future.result() for future in now])


def inference_backbone(model: MultiTaskClassifier, image_px: int) -> nn.Module:
    """A copy of the backbone with every batch norm that directly follows a convolution folded into it.

    Which ones do is seen by watching a picture pass; the folded copy is kept only where it gives the same vectors.
    """
    plain = copy.deepcopy(model.backbone).cpu().float().eval()
    folded = copy.deepcopy(plain)
    probe = torch.linspace(-2, 2, 2 * 3 * image_px**2).view(2, 3, image_px, image_px)
    with torch.inference_mode():
        expected = plain(probe)
    _fold(folded, probe)
    with torch.inference_mode():
        found = folded(probe)
    is_same = torch.allclose(expected, found, rtol=1e-3, atol=1e-4 * float(expected.abs().max()))
    return folded if is_same else plain


def _fold(body: nn.Module, probe: Tensor) -> None:
    """Fold in place each batch norm whose input is the very tensor that a convolution gave."""
    made_by: dict[int, tuple[nn.Conv2d, Any]] = {}
    pairs: list[tuple[nn.Conv2d, nn.BatchNorm2d]] = []

    def watch(module: nn.Module, given: tuple[Any, ...], result: Any) -> None:
        if isinstance(module, nn.BatchNorm2d):
            conv = made_by.get(id(given[0]))
            if conv is not None:
                pairs.append((conv[0], module))
        elif isinstance(module, nn.Conv2d):
            made_by[id(result)] = (module, result)  # holding the tensor keeps its id from being used again

    hooks = [module.register_forward_hook(watch) for module in body.modules()]
    try:
        with torch.inference_mode():
            body(probe)
    finally:
        for hook in hooks:
            hook.remove()
    names = {id(module): name for name, module in body.named_modules()}
    for conv, norm in pairs:
        _replace(body, names[id(conv)], fuse_conv_bn_eval(conv, norm))
        _replace(body, names[id(norm)], _without_norm(norm))


def _without_norm(norm: nn.BatchNorm2d) -> nn.Module:
    """What a batch norm does besides normalising: nothing, or timm's activation."""
    activation = getattr(norm, "act", None)
    return activation if isinstance(activation, nn.Module) else nn.Identity()


def _replace(body: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, child = name.rpartition(".")
    setattr(body.get_submodule(parent), child, module)


def _dtype(device: torch.device, precision: Precision) -> torch.dtype:
    if precision != "auto":
        return torch.float32 if precision == "float32" else torch.bfloat16
    is_fast = device.type == "cuda" or (device.type == "cpu" and multiplies_bfloat16())
    return torch.bfloat16 if is_fast else torch.float32


def multiplies_bfloat16() -> bool:
    """Whether this processor has instructions for bfloat16; without them it is slower than float32.

    With AVX-512 BF16, MobileNetV3-small at 224 px embeds 2.4 times as many pictures a second in it.
    """
    told = torch.cpu.get_capabilities()
    return any(told.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))
