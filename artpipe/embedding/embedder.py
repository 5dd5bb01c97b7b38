"""Pictures to unit vectors and class probabilities, as fast as the machine's forward pass allows.

A copy of the trained network is put into its inference form; vectors and probabilities are float32 always.
"""

from collections.abc import Generator, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from artpipe.embedding.predictions import Predictions
from artpipe.images.pixels import Pixels, decode_square, decoding_threads
from artpipe.models.checkpoint import LoadedModel, ModelCard
from artpipe.models.inference_form import Precision, inference_form
from artpipe.models.network import MultiTaskClassifier, choose_device
from artpipe.models.transforms import Normalise, mirrored
from artpipe.progress import Progress, SilentProgress

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

    from artpipe.images.pixels import PixelCache

BATCH_SIZE = 64


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
        self.backbone, self.dtype = inference_form(model.backbone, card.transform.size, self.device, precision)
        self.top = model.without_backbone().to(self.device, torch.float32).eval()
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
            views = [batch, mirrored(batch)][: self.card.views]
            # Each view is judged before the next is made: on a CPU they share the buffer of pixels.
            return self.judge(self.backbone(self._normalise(view)) for view in views)

    def judge(self, views: Iterable[Tensor]) -> Predictions:
        """What is made of the backbone's features, as computed now or kept.

        Args:
            views: the features of the same N pictures in each view, (N, pooled) of any float type.

        Raises:
            ValueError: a vector is zero and has no direction, or is not finite.
        """
        with torch.inference_mode():
            judged = [self.top.judge(features.to(self.device, torch.float32)) for features in views]
            summed = torch.stack([vectors for vectors, _ in judged]).mean(0)
            lengths = torch.linalg.vector_norm(summed, dim=1, keepdim=True)
            bad = (~((lengths > 0) & lengths.isfinite())).flatten().nonzero().flatten().tolist()
            if bad:
                raise ValueError(
                    f"picture {bad[0]} of this batch gave a vector of length {float(lengths[bad[0]])}, "
                    "which has no direction"
                )
            vectors = summed / lengths
            # The mean of the views' logits and not of their probabilities: that is what temperatures were fitted on.
            chances = {
                task: (
                    torch.stack([logits[task] for _, logits in judged]).mean(0) / self.card.temperatures.get(task, 1.0)
                ).softmax(dim=1)
                for task in self.top.tasks
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
