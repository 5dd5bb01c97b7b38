"""Assigns works to train, validation, test or unseen artists, by a salted hash of the work and its artists alone.

The table made here is `splits`; `freeze.py` copies it for training.
"""

from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

import polars as pl

from artpipe.errors import ArtpipeError
from artpipe.schema import STORED, splits_schema
from artpipe.tasks import Tasks

if TYPE_CHECKING:
    from artpipe.settings import Settings

SPLIT_NAMES = ("train", "validation", "test", "unseen_artists")
"""By precedence: where works of two splits turn out to be one, the first of the two wins."""
HELD_OUT = SPLIT_NAMES[1:]


class SplitSharesError(ArtpipeError):
    """The shares of the splits leave nothing to train on."""


@dataclass(frozen=True)
class SplitConfig:
    """How works are assigned to splits.

    Args:
        salt: of the hash; another salt gives another assignment.
        unseen_artist_share: share of artists held out whole.
        validation: share of the other works for validation.
        test: share of the other works for the test.
    """

    salt: str = "artpipe"
    unseen_artist_share: float = 0.05
    validation: float = 0.1
    test: float = 0.1

    @classmethod
    def from_settings(cls, settings: "Settings") -> "SplitConfig":
        """The salt and the share that the settings give."""
        return cls(salt=settings.split_salt, unseen_artist_share=settings.unseen_artist_share)

    def __post_init__(self) -> None:
        shares = (self.unseen_artist_share, self.validation, self.test)
        if min(shares) < 0 or self.unseen_artist_share >= 1 or self.validation + self.test >= 1:
            raise SplitSharesError(
                f"the shares {shares} (unseen artists, validation, test) leave nothing to train on; "
                "choose shares of at least 0 whose validation and test add up to less than 1."
            )


def hash_fraction(salt: str, kind: str, name: str) -> float:
    """A number in [0, 1), uniformly distributed, that depends on the three texts alone."""
    digest = blake2b(f"{kind}\0{name}".encode(), digest_size=8, key=blake2b(salt.encode()).digest()).digest()
    return (int.from_bytes(digest) >> 11) / 2**53


def assign_splits(
    works: pl.DataFrame, artworks: pl.DataFrame, images: pl.DataFrame, tasks: Tasks, config: SplitConfig
) -> pl.DataFrame:
    """Assign every usable image to a split by its work.

    An artist is held out if its salted hash is below `unseen_artist_share` and every artist it shares a work with,
    directly or through others, is held out too: a model trained on one author of a shared work has seen the other.
    Rows without a known artist are never held out, and neither is an artist who shares a work with one.

    Args:
        works: `artwork_id`, `work_id` of all artworks, as made by `group_works`.
        artworks: table `artworks`.
        images: table `images`; a row is usable if its image is stored.
        tasks: of which the table has the labels.
        config: salt and shares.

    Returns:
        Table `splits`, sorted by `artwork_id`.
    """
    schema = splits_schema(tasks)
    rows = (
        images.filter(pl.col("status").is_in(STORED))
        .select("artwork_id", "jpeg_sha256")
        .join(works, on="artwork_id")
        .join(artworks.select("artwork_id", "artist_id"), on="artwork_id")
        .join(catalogue_labels(artworks, tasks), on="artwork_id")
    )
    # Artists are linked by every row of a work, usable or not: an image that arrives later must not move any row.
    unseen = _held_out_artists(works.join(artworks.select("artwork_id", "artist_id"), on="artwork_id"), config)
    split_of = {work_id: work_split(work_id, config) for work_id in rows["work_id"].unique()}
    by_work = pl.col("work_id").replace_strict(split_of, return_dtype=pl.String)
    is_unseen = pl.col("artist_id").is_in(sorted(unseen)).fill_null(value=False)
    return (
        rows.with_columns(pl.when(is_unseen).then(pl.lit("unseen_artists")).otherwise(by_work).alias("split"))
        .select(list(schema))
        .cast(schema)
        .sort("artwork_id")
    )


def catalogue_labels(artworks: pl.DataFrame, tasks: Tasks) -> pl.DataFrame:
    """The label of each task as the catalogue or the work's years give it: `artwork_id` and a column for each task."""
    from artpipe.catalog.dates import class_by_year

    return artworks.select(
        "artwork_id",
        *(
            pl.col(name) if task.year_bounds is None else class_by_year(task.classes, task.year_bounds).alias(name)
            for name, task in tasks.items()
        ),
    )


def split_counts(splits: pl.DataFrame) -> dict[str, int]:
    """Rows by split, every split named."""
    counts = dict(splits.group_by("split").len().iter_rows())
    return {name: counts.get(name, 0) for name in SPLIT_NAMES}


def work_split(work_id: str, config: SplitConfig) -> str:
    """The split of a work whose artist is not held out whole, by the hash of its name alone."""
    share = hash_fraction(config.salt, "work", work_id)
    if share < config.test:
        return "test"
    return "validation" if share < config.test + config.validation else "train"


def _held_out_artists(authors: pl.DataFrame, config: SplitConfig) -> set[str]:
    """Artists whose every work can be held out; `authors` has `work_id`, `artist_id`."""
    artists = authors["artist_id"].drop_nulls().unique().to_list()
    chosen = {a for a in artists if hash_fraction(config.salt, "artist", a) < config.unseen_artist_share}
    shared = authors.select("work_id", "artist_id").unique().filter(pl.len().over("work_id") > 1)
    teams = [set(team) for team in shared.group_by("work_id").agg("artist_id")["artist_id"].to_list()]
    teams = [team for team in teams if not chosen.isdisjoint(team)]
    while True:
        mixed = {a for group in teams if not group <= chosen for a in group if a in chosen}
        if not mixed:
            return chosen
        chosen -= mixed
