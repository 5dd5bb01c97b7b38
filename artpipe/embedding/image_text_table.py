"""The table `image_text_vectors`: one row is a searchable picture with its vector by the image-text model, float16.

Rows record which stored JPEG and which model they were made from, so that only new and changed pictures run through it.
"""

import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artpipe.embedding.image_text_model import ImageTextModel
from artpipe.engine.derived_rows import update_rows
from artpipe.engine.shards import Shard
from artpipe.images.store import ImageStore
from artpipe.lake.keyed_table import KeyedTable, bytes_table
from artpipe.lake.paths import DataLake, write_whole
from artpipe.progress import Progress

IMAGE_TEXT_TABLE = "image_text_vectors"
CARD = "image_text.json"
_ROWS_PER_FRAGMENT = 65_536


@dataclass(frozen=True)
class ImageTextCard:
    """Which model made the vectors.

    Attributes:
        name: as `ARTPIPE_IMAGE_TEXT_MODEL` gives it.
        version: what that stood for; see `image_text_version`.
    """

    name: str
    version: str


def read_card(lake: DataLake) -> ImageTextCard | None:
    """The card of the table; None where there is none that can be read."""
    try:
        return ImageTextCard(**json.loads(lake.index(CARD).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


class EncodePictures:
    """The work of an engine: a shard's pictures, without their margins, through the image-text model.

    Args:
        images: the stored JPEGs.
        model: loads it; called once there is a picture to embed.
    """

    def __init__(self, images: ImageStore, model: Callable[[], ImageTextModel]) -> None:
        self._images, self._load = images, model

    @cached_property
    def _model(self) -> ImageTextModel:
        return self._load()

    def __call__(self, shard: Shard, threads: int) -> Any:  # noqa: ARG002 - PyTorch has its own
        """Rows of the table without id and key."""
        from PIL import Image

        opened = [Image.open(io.BytesIO(jpeg)).convert("RGB") for jpeg in self._images.jpegs(shard.ids)]
        return bytes_table({"vector": [one.tobytes() for one in self._model.encode(opened).vectors.astype(np.float16)]})


class ImageTextTable:
    """The vectors of a lake's pictures by its image-text model. Reading never creates or changes anything."""

    def __init__(self, lake: DataLake) -> None:
        self._lake = lake
        self._table = KeyedTable(lake, IMAGE_TEXT_TABLE, _ROWS_PER_FRAGMENT)

    def version(self) -> int | None:
        """The newest version of the table; None where there is none."""
        return self._table.version()

    def update(
        self,
        card: ImageTextCard,
        pictures: Mapping[str, str],
        model: Callable[[], ImageTextModel],
        progress: Progress | None = None,
    ) -> tuple[int, int]:
        """Embed the pictures that are new or changed, drop those that are gone, and write the card; a kill resumes.

        Args:
            card: of the model.
            pictures: the `jpeg_sha256` of every work.
            model: loads it; called only where there is a picture to embed.
            progress: advances with each picture.

        Returns:
            The numbers of pictures embedded and dropped.

        Raises:
            MissingImageError: a picture is not stored any more.
        """
        keys = {name: _key(card, sha256) for name, sha256 in pictures.items()}
        work = EncodePictures(ImageStore(self._lake), model)
        changed = update_rows(self._table, keys, work, "image-text vectors", progress)
        write_whole(self._lake.index(CARD), json.dumps(asdict(card), indent=1).encode())
        return changed

    def vectors(self, card: ImageTextCard, pictures: Sequence[tuple[str, str]]) -> NDArray[np.float32] | None:
        """The vectors of some pictures, float32 (N, D), of length 1; None unless all have one by this model.

        Args:
            card: of the model.
            pictures: `artwork_id` and `jpeg_sha256` of N pictures.
        """
        place = {_key(card, sha256) + artwork_id: row for row, (artwork_id, sha256) in enumerate(pictures)}
        found: NDArray[np.float32] | None = None
        known = 0
        for batch in self._table.batches(("artwork_id", "key", "vector")):
            columns = (column.to_pylist() for column in batch.columns)
            for artwork_id, key, vector in zip(*columns, strict=True):
                row = place.get(key + artwork_id)
                if row is None:
                    continue
                numbers = np.frombuffer(vector, np.float16).astype(np.float32)
                found = np.empty((len(place), len(numbers)), np.float32) if found is None else found
                found[row] = numbers / np.linalg.norm(numbers)
                known += 1
        return found if known == len(place) else None


def _key(card: ImageTextCard, jpeg_sha256: str) -> str:
    return f"{card.version}:{jpeg_sha256}"
