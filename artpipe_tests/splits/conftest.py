"""Small catalogues to split."""

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from artpipe.schema import ARTWORKS
from artpipe.splits.assign import SplitConfig, assign_splits
from artpipe.splits.near_duplicates import find_near_duplicates
from artpipe.splits.works import group_works
from artpipe.tasks import WGA_TASKS

IMAGES = pl.Schema(
    {
        "artwork_id": pl.String(),
        "status": pl.String(),
        "sha256": pl.String(),
        "jpeg_sha256": pl.String(),
        "perceptual_hash": pl.String(),
    }
)
Catalogue = tuple[pl.DataFrame, pl.DataFrame]


def works_of(
    made: Catalogue, previous: pl.DataFrame | None = None, same_work: pl.DataFrame | None = None
) -> pl.DataFrame:
    """The work of each artwork."""
    return group_works(made[0], find_near_duplicates(*made), previous, same_work)


def assigned(
    made: Catalogue,
    config: SplitConfig | None = None,
    previous: pl.DataFrame | None = None,
    same_work: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Table `splits` of a catalogue."""
    return assign_splits(works_of(made, previous, same_work), *made, WGA_TASKS, config or SplitConfig())


@pytest.fixture
def catalogue() -> Callable[..., Catalogue]:
    """Makes `artworks` and `images` from one mapping an artwork; what is not named has a plain default."""

    def make(*rows: dict[str, Any]) -> Catalogue:
        artworks: list[dict[str, Any]] = []
        images: list[dict[str, Any]] = []
        for row in rows:
            artwork_id = row["artwork_id"]
            plain = dict.fromkeys(ARTWORKS) | {
                "artist_id": artwork_id.rsplit("/", 1)[0],
                "artist": "BRANDT, Ada",
                "title": artwork_id,
                "date_text": "1640",
                "year_from": 1640,
                "year_to": 1640,
                "technique": "Oil on canvas",
                "location": f"Museum of {artwork_id}",
                "form": "painting",
                "type": "portrait",
                "style": "Baroque",
                "is_detail": "detail" in row.get("title", ""),
                "date_flags": [],
            }
            picture = {
                "status": "fetched",
                "sha256": f"sha of {artwork_id}",
                "jpeg_sha256": f"jpeg of {artwork_id}",
                "perceptual_hash": None,
            }
            artworks.append({key: row.get(key, value) for key, value in plain.items()} | {"artwork_id": artwork_id})
            images.append({"artwork_id": artwork_id} | {key: row.get(key, value) for key, value in picture.items()})
        return pl.DataFrame(artworks, schema=ARTWORKS), pl.DataFrame(images, schema=IMAGES)

    return make
