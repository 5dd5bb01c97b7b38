"""The shared vocabulary: tasks and their classes, the columns of each table, the layout of the site.

Tables are checked against these schemas; everything downstream imports the classes from here, so that a class has one
name and one place in the order.
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence

import polars as pl

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


def year_classes(bounds: Sequence[int]) -> tuple[str, ...]:
    """The classes between years, such as `before 1800`, `1800-1900`, `after 1900`."""
    between = (f"{first}-{last}" for first, last in itertools.pairwise(bounds))
    return (f"before {bounds[0]}", *between, f"after {bounds[-1]}")


PERIODS = year_classes(PERIOD_BOUNDS)
"""When a work was made, in the order of time."""


def year_text(year: int) -> str:
    """A year as people write it; before Christ it is negative: -500 is `500 BC`."""
    return f"{-year} BC" if year < 0 else str(year)


def known_text(text: str | None) -> str | None:
    """A text of the catalogue, in which "-" stands for nothing."""
    return text if text != "-" else None


def years_text(first: int | None, last: int | None) -> str:
    """A span of years as people write it, such as `1650`, `1650-?`, `500-450 BC` or `100 BC-AD 50`."""
    if first == last:
        return "" if first is None else year_text(first)
    if first is None or last is None:
        return "-".join("?" if year is None else year_text(year) for year in (first, last))
    if first < 0:
        return f"{-first}-{-last} BC" if last < 0 else f"{-first} BC-AD {last}"
    return f"{first}-{last}"


CLASSES: Mapping[str, tuple[str, ...]] = {"style": STYLES, "period": PERIODS, "type": TYPES}
"""The classes of each task, in the order of display."""

STORED = ("fetched", "unchanged")
"""Statuses of an image whose stored JPEG is current."""

ASKED_AGAIN = ("failed", "too_slow")
"""Statuses of an image that the next refresh requests again, whenever that is."""

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
        "source": pl.String(),
        "record_id": pl.String(),
        "image_service": pl.String(),
        "rights_uri": pl.String(),
        "is_open": pl.Boolean(),
        "credit_line": pl.String(),
        "is_allowed": pl.Boolean(),
        "extra": pl.String(),
    }
)
"""One row is a picture of a catalogue row that could be parsed: most rows have one. Years before Christ are negative,
500 BC is -500, and there is no year 0. `year_precision` is one of exact, range, circa, decade, century (or a reign),
before, after, unknown; `year_source` is `work`, `artist` (the middle of the artist's life) or `none`. `date_flags` are
those of `parse_date`, and `outside_life`."""

OF_SOURCES = ("source", "record_id", "image_service", "rights_uri", "is_open", "credit_line", "is_allowed", "extra")
"""The columns of `artworks` that are null where the collection is that of one gallery without a file of sources."""

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
        "jpeg_sha256": pl.String(),
    }
)
"""One row is a usable image and its membership: `train`, `validation`, `test` or `unseen_artists`; a column for each
task of the lake has its label, see `splits_schema`."""


def splits_schema(tasks: Iterable[str]) -> pl.Schema:
    """The columns of `splits` in a lake of these tasks."""
    *membership, picture = SPLITS
    return pl.Schema(dict.fromkeys((*membership, *tasks, picture), pl.String()))


def label_columns(splits: pl.DataFrame) -> tuple[str, ...]:
    """The tasks that a table such as `splits` has labels of: every column that is not of `SPLITS`."""
    return tuple(name for name in splits.columns if name not in SPLITS)


_COLUMNS: Mapping[str, str] = {
    "after": "The value since the change.",
    "extra": "What else the source says of it: a JSON object of names and values; null where there is nothing.",
    "is_allowed": "Whether its picture may be downloaded: what is known of its rights, and what the sources ask for.",
    "is_open": "Whether anybody may use the picture, by its source; null where the source does not say.",
    "image_service": "The IIIF image service of the picture, as JSON; null where there is none.",
    "record_id": "The record of its source, where several pictures or records show one work.",
    "requested_url": "The address that the image was last requested at.",
    "rights_uri": "The statement of its rights: Creative Commons or rightsstatements.org.",
    "credit_line": "The credit that its source asks for.",
    "source": "The source whose catalogue has it; null where the collection is that of one gallery.",
    "alias_of": "The artist whom this name is another name of.",
    "artist": "The artist's name as the catalogue has it.",
    "artist_id": "The artist's folder on the site; null where the artist is not in the list.",
    "artwork_id": "The artwork's path on the site, which its page and its image share.",
    "attempts": "How often the image was requested.",
    "before": "The value before the change.",
    "born": "The year of birth.",
    "change": "`new`, `withdrawn`, `returned` or `changed`.",
    "changed_at": "When the change was found, UTC.",
    "column": "The column of `artworks` that changed.",
    "date_flags": "Doubts about the date text: typo, reversed, second_date, not_a_year, ambiguous, outside_life.",
    "date_text": "The date as the catalogue has it.",
    "dates_text": "The artist's dates as the list has them.",
    "died": "The year of death.",
    "error": "Why there is no usable image, or what came of the last request that failed.",
    "etag": "The ETag of the stored image, for a conditional request.",
    "features": "The backbone's features of the picture and of its mirror image, float16 (views, features) as bytes.",
    "fetched_at": "When the gallery last answered about the image, UTC.",
    "form": "The form of art, such as painting.",
    "height_px": "The height of the original, upright.",
    "image_url": "The original address of the image.",
    "is_detail": "Whether it shows a detail of another artwork.",
    "is_laid_out": "Whether its place comes from a layout of all works, not from its neighbours alone.",
    "jpeg": "The stored image: upright, sRGB, small.",
    "jpeg_sha256": "The hash of the stored JPEG, and of the part within its margins, which identifies the picture.",
    "key": "A hash of the backbone, its weights and the size of its input, and the `jpeg_sha256`.",
    "label": "The label that is probably wrong.",
    "label_probability": "How probable that label is to a head trained on other works.",
    "last_modified": "The Last-Modified of the stored image, for a conditional request.",
    "location": "Where the work is, as the catalogue has it.",
    "margin": "By how much the suggested label is more probable.",
    "model_id": "The model that made the vector.",
    "name": "The artist's name as the list has it.",
    "page_url": "The original address of the artwork's page.",
    "perceptual_hash": "64 bits that hardly change when a picture is resized or compressed again, in hexadecimal.",
    "picture_box": "The picture within its margins: x, y, width, height, in fractions of the JPEG's; empty: all of it.",
    "period": "When the work was made, in one of `PERIODS`.",
    "profession": "The artist's profession.",
    "rank": "The place among the suspects of its task, from 1.",
    "raw": "The row as it is in the file.",
    "reason": "Why the row could not be read.",
    "row_number": "The row of the file, from 1 below the header.",
    "school": "The school, such as Dutch.",
    "sha256": "The hash of the original file.",
    "short_side_px": "The short side that the stored JPEG was made for.",
    "split": "`train`, `validation`, `test` or `unseen_artists`.",
    "status": "What came of the last request: `fetched`, `unchanged`, `gone`, `placeholder` and so on.",
    "style": "The style; on wga.hu the artist's period, one of `STYLES`.",
    "suggested": "The most probable other label.",
    "suggested_probability": "How probable the suggested label is.",
    "task": "What the label is of, such as `style`.",
    "technique": "The technique and the size, as the catalogue has them.",
    "timeframe": "The artist's time as the catalogue has it, in half centuries.",
    "title": "The title as the catalogue has it.",
    "title_group": "The first artwork of the same artist and title, details included.",
    "type": "The subject of the work, one of `TYPES`.",
    "vector": "The embedding, of length 1: the dot product of two is their cosine similarity.",
    "width_px": "The width of the original, upright.",
    "work_id": "The work that the artwork shows; a painting, its details and its other photographs share it.",
    "x": "The place on the map from left to right.",
    "y": "The place on the map from top to bottom.",
    "year_from": "The first year in which the work may have been made; negative before Christ.",
    "year_precision": "exact, range, circa, decade, century, before, after or unknown.",
    "year_source": "`work`, `artist` (the middle of the artist's life) or `none`.",
    "year_to": "The last year in which the work may have been made; negative before Christ.",
    "artists.artist_id": "The artist's folder on the site.",
    "artists.period": "The artist's period on the site, which is the style of their works.",
}
"""What each column holds, by its name, or by table and name where one table uses a name in another sense."""


_LABELLED = ("artworks", "splits", "training_set", "embeddings")


def column_description(name: str, table: str = "") -> str | None:
    """What a column of a table holds; None where the column is not described."""
    found = _COLUMNS.get(f"{table}.{name}", _COLUMNS.get(name))
    if found is None and table in _LABELLED:
        task = name.removeprefix("predicted_").removesuffix("_probability")
        if name == f"predicted_{task}_probability":
            return f"How probable the predicted {task} is, calibrated."
        return f"The {task} that the model finds most probable." if name != task else f"The label of the task `{task}`."
    return found
