"""The shared vocabulary: tasks and their classes, the columns of each table, the layout of the site.

Tables are checked against these schemas; everything downstream imports the classes from here, so that a class has one
name and one place in the order.
"""

import itertools
from collections.abc import Mapping

import polars as pl

TASKS = ("style", "period", "type")
"""What the classifier predicts, in the order of its heads."""

STYLES = (
    "Medieval",
    "Early Renaissance",
    "Northern Renaissance",
    "High Renaissance",
    "Mannerism",
    "Baroque",
    "Rococo",
    "Neoclassicism",
    "Romanticism",
    "Realism",
    "Impressionism",
    "Art Nouveau",
)
"""The artist's period on the site, roughly in the order of time."""

TYPES = (
    "religious",
    "portrait",
    "landscape",
    "mythological",
    "genre",
    "still-life",
    "interior",
    "study",
    "historical",
    "other",
)
"""The subject of a work."""

PERIOD_BOUNDS = (1350, 1450, 1550, 1650, 1750, 1850, 1950, 2000)
"""The years at which one period ends and the next begins."""

PERIODS = (
    f"before {PERIOD_BOUNDS[0]}",
    *(f"{first}-{last}" for first, last in itertools.pairwise(PERIOD_BOUNDS)),
    f"after {PERIOD_BOUNDS[-1]}",
)
"""When a work was made, in the order of time."""


def period_bounds(name: str) -> tuple[int, int]:
    """The first year of a period and the first year after it; an open period is as long as its neighbour.

    Raises:
        ValueError: it is none of `PERIODS`.
    """
    first, second, *_ = PERIOD_BOUNDS
    *_, next_to_last, last = PERIOD_BOUNDS
    bounds = (2 * first - second, *PERIOD_BOUNDS, 2 * last - next_to_last)
    number = PERIODS.index(name)
    return bounds[number], bounds[number + 1]


def period_middle(name: str) -> float:
    """The year in the middle of a period, by `period_bounds`."""
    return sum(period_bounds(name)) / 2


CLASSES: Mapping[str, tuple[str, ...]] = {"style": STYLES, "period": PERIODS, "type": TYPES}
"""The classes of each task, in the order of display."""

STORED = ("fetched", "unchanged")
"""Statuses of an image whose stored JPEG is current."""

PLACEHOLDER = "placeholder"
"""Status of an image that the source sends for many works: a stand-in, out of splits, training and search."""

WITHDRAWN = "withdrawn"
"""Status of an image whose artwork is not wanted any more: out of splits, training and search; its JPEG stays."""

ORIGINAL_SITE = "https://www.wga.hu"
"""The site of the original addresses; a mirror serves the same paths below its own base URL."""

PAGES_ROOT, IMAGES_ROOT = "/html", "/art"
"""An artwork has a page `/html/a/aachen/allegory.html` and an image `/art/a/aachen/allegory.jpg`; its `artwork_id` is
what they share, `a/aachen/allegory`. An artist has the folder `/html/a/aachen/` and the `artist_id` `a/aachen`."""

ARTISTS = pl.Schema(
    {
        "artist_id": pl.String(),
        "name": pl.String(),
        "born": pl.Int32(),
        "died": pl.Int32(),
        "dates_text": pl.String(),
        "period": pl.String(),
        "school": pl.String(),
        "profession": pl.String(),
        "alias_of": pl.String(),
    }
)
"""One row is a name of the artist list; `alias_of` is set where the list has "see ..."."""

ARTWORKS = pl.Schema(
    {
        "artwork_id": pl.String(),
        "artist_id": pl.String(),
        "artist": pl.String(),
        "title": pl.String(),
        "date_text": pl.String(),
        "year_from": pl.Int32(),
        "year_to": pl.Int32(),
        "year_precision": pl.String(),
        "year_source": pl.String(),
        "date_flags": pl.List(pl.String()),
        "technique": pl.String(),
        "location": pl.String(),
        "page_url": pl.String(),
        "image_url": pl.String(),
        "form": pl.String(),
        "type": pl.String(),
        "school": pl.String(),
        "timeframe": pl.String(),
        "style": pl.String(),
        "is_detail": pl.Boolean(),
    }
)
"""One row is a catalogue row that could be parsed. `year_precision` is one of exact, range, circa, decade, century,
before, after, unknown; `year_source` is `work`, `artist` (the middle of the artist's life) or `none`."""

QUARANTINE = pl.Schema({"row_number": pl.Int64(), "reason": pl.String(), "raw": pl.String()})
"""One row is a catalogue row that could not be parsed; `row_number` counts from 1 below the header."""

CATALOG_CHANGES = pl.Schema(
    {
        "changed_at": pl.Datetime("us", "UTC"),
        "artwork_id": pl.String(),
        "change": pl.String(),
        "column": pl.String(),
        "before": pl.String(),
        "after": pl.String(),
    }
)
"""One row is an artwork that is `new`, `withdrawn` or `returned`, or one column of an artwork that `changed`."""

SPLITS = pl.Schema(
    {
        "artwork_id": pl.String(),
        "work_id": pl.String(),
        "artist_id": pl.String(),
        "split": pl.String(),
        "style": pl.String(),
        "period": pl.String(),
        "type": pl.String(),
        "jpeg_sha256": pl.String(),
    }
)
"""One row is a usable image and its membership: `train`, `validation`, `test` or `unseen_artists`."""
