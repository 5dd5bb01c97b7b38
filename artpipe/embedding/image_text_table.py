"""The table `image_text_vectors`: one row is a searchable picture with its vector by the image-text model, float16.

Rows record which stored JPEG and which model they were made from, so that only new and changed pictures run through it.
"""

import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from artpipe.embedding.image_text_model import ImageTextModel
from artpipe.images.store import ImageStore
from artpipe.lake.keyed_table import KeyedTable
from artpipe.lake.paths import DataLake, write_whole
from artpipe.progress import Progress, SilentProgress

IMAGE_TEXT_TABLE = "image_text_vectors"
CARD = "image_text.json"
_CHUNK = 512
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

        Pictures are embedded without their margins.

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
        from PIL import Image

        keys = {name: _key(card, sha256) for name, sha256 in pictures.items()}
        stored = self._table.keys()
        missing = [name for name, key in keys.items() if stored.get(name) != key]
        gone = sorted(stored.keys() - keys.keys())
        if missing:
            encoder, store = model(), ImageStore(self._lake)
            with (progress or SilentProgress()).track("image-text vectors", len(missing), "images") as step:
                for first in range(0, len(missing), _CHUNK):
                    names = missing[first : first + _CHUNK]
                    opened = [Image.open(io.BytesIO(jpeg)).convert("RGB") for jpeg in store.jpegs(names)]
                    vectors = encoder.encode(opened).vectors.astype(np.float16)
                    self._table.upsert(
                        {name: keys[name] for name in names}, {"vector": [one.tobytes() for one in vectors]}
                    )
                    step.advance(len(names))
        self._table.remove(gone)
        if missing or gone:
            self._table.maintain()
        write_whole(self._lake.index(CARD), json.dumps(asdict(card), indent=1).encode())
        return len(missing), len(gone)

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
