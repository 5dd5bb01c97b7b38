"""Catalogue rows become artworks: who made them, when, in which style, and where their page and image are.

A work joins its artist by the folder of its page, which is spelled in one way only, else by the normalized name. The
result is sorted by `artwork_id` and does not depend on the order, delimiter or encoding of the file; `images` downloads
by it, `splits` and `embeddings` take their labels and metadata from it.
"""

from dataclasses import dataclass

import polars as pl

from artpipe.catalog.artists import repaired_text
from artpipe.catalog.dates import ParsedDate, parse_date
from artpipe.catalog.lives import Life, corrected_date, parse_life
from artpipe.catalog.names import normalized_name
from artpipe.catalog.parse import COLUMNS, CP1252_CONTROLS, MAX_RAW_CHARS, ParsedCatalog
from artpipe.schema import ARTWORKS, IMAGES_ROOT, OF_SOURCES, PAGES_ROOT, QUARANTINE, STYLES, TYPES

CIRCA_SLACK_YEARS = 5  # "c. 1620" of an artist who died in 1618 is no contradiction
# Site, and id; two addresses of the real catalogue end in `..html`.
_PAGE = rf"^(https?://[^/]+){PAGES_ROOT}/([^?#]+/[^/?#]*?[^./?#])\.*\.html?$"
_DETAIL = r"(?i)(?:\(|, |: |; |^)details? (?:of|from)\b|(?:\(|, )details?\b[^()]*$|\bdetails?\)|\(details?\b"
_NO_DETAIL = r"(?i)\b(?:of an?|several|many) details?\b"


@dataclass(frozen=True)
class CleanedCatalog:
    """The artworks, and every row of the file that did not become one.

    Attributes:
        artworks: `ARTWORKS`, sorted by `artwork_id`, which is unique.
        quarantine: `QUARANTINE`, rows of the parser included; together they are all rows of the file.
    """

    artworks: pl.DataFrame
    quarantine: pl.DataFrame


def clean_artworks(parsed: ParsedCatalog, artists: pl.DataFrame) -> CleanedCatalog:
    """Make artworks of catalogue rows.

    Args:
        parsed: the result of `parse_catalog`.
        artists: `ARTISTS`, the result of `parse_artist_list`.
    """
    rows = _tidied(parsed.rows)
    kept, rejected = _identified(rows)
    artworks = with_years(_with_artists(kept, artists), artists)
    type_label = pl.col("type").str.to_lowercase().str.replace_all(r"[ _]", "-")
    artworks = artworks.select(
        "artwork_id",
        "artist_id",
        "artist",
        "title",
        pl.col("date").alias("date_text"),
        "year_from",
        "year_to",
        "year_precision",
        "year_source",
        "date_flags",
        "technique",
        "location",
        pl.col("url").alias("page_url"),
        "image_url",
        _known("form").str.to_lowercase(),
        pl.when(type_label.is_in(TYPES)).then(type_label).alias("type"),
        _known("school"),
        _known("timeframe"),
        "style",
        shows_detail(),
        *(pl.lit(None).alias(name) for name in OF_SOURCES),
    )
    return CleanedCatalog(
        artworks.cast(ARTWORKS).sort("artwork_id"),
        pl.concat([parsed.quarantine, rejected]).sort("row_number"),
    )


def shows_detail() -> pl.Expr:
    """Whether the title says that the picture is a detail of another one, as `is_detail`."""
    title = pl.col("title").str
    return (title.contains(_DETAIL) & ~title.contains(_NO_DETAIL)).alias("is_detail")


def _known(column: str) -> pl.Expr:
    return pl.when(~pl.col(column).is_in(["", "-"])).then(pl.col(column)).alias(column)


def _tidied(rows: pl.DataFrame) -> pl.DataFrame:
    """Strip every field, and collapse white space inside it."""
    columns = rows.select("row_number", pl.col(COLUMNS).str.strip_chars())
    # Most columns have none, and replacing is much slower than searching.
    found = columns.select(pl.col(COLUMNS).str.contains(r"\s\s|[\t\n\r\u00a0]").any())
    with_runs = [column for column in COLUMNS if found[column].item()]
    return columns.with_columns(pl.col(with_runs).str.replace_all(r"\s+", " ")) if with_runs else columns


def _identified(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows with their `artwork_id`, and the rejected ones: without an id, or with one that is taken."""
    page = pl.col("url").str.extract_groups(_PAGE)
    rows = rows.with_columns(page.struct.rename_fields(["site", "artwork_id"]).alias("page")).unnest("page")
    rows = rows.with_columns(
        image_url=pl.concat_str("site", pl.lit(f"{IMAGES_ROOT}/"), "artwork_id", pl.lit(".jpg")),
        folder=pl.col("artwork_id").str.replace(r"/?[^/]*$", ""),
    )
    reason = (
        pl.when(pl.col("url").is_in(["", "-"]))
        .then(pl.lit("no URL"))
        .when(pl.col("artwork_id").is_null() | pl.col("artwork_id").str.ends_with("/index"))
        .then(pl.lit(f"the URL is not the page of a work below {PAGES_ROOT}/"))
        .when(pl.col("title") == "")
        .then(pl.lit("no title"))
    )
    rows = rows.with_columns(reason=reason)
    good = rows.filter(pl.col("reason").is_null())
    # Of two rows for one page the same one stays, in whichever order they come.
    copies = good.filter(pl.col("artwork_id").is_duplicated()).sort("artwork_id", *COLUMNS, "row_number")
    surplus = copies.filter(~pl.col("artwork_id").is_first_distinct())
    if surplus.height:
        firsts = copies.filter(pl.col("artwork_id").is_first_distinct()).select("artwork_id", kept="row_number")
        surplus = surplus.join(firsts, on="artwork_id", how="left").with_columns(
            reason=pl.format("the artwork {} is in row {} already", "artwork_id", "kept")
        )
        good = good.join(surplus, on="row_number", how="anti")
    rejected = pl.concat([rows.filter(pl.col("reason").is_not_null()), surplus.select(rows.columns)]).select(
        pl.col("row_number").cast(pl.Int64),
        "reason",
        pl.concat_str(COLUMNS, separator="\t").str.slice(0, MAX_RAW_CHARS).alias("raw"),
    )
    return good.drop("reason", "site"), rejected.cast(QUARANTINE)


def _with_artists(rows: pl.DataFrame, artists: pl.DataFrame) -> pl.DataFrame:
    """Add `artist_id`, `artist`, `style` and the dates of the artist.

    A name in the list replaces that of the catalogue, which may have been damaged by a code page.
    """
    owners = set(artists.filter(~pl.col("artist_id").str.starts_with("~"))["artist_id"].to_list())
    targets = artists.select("artist_id", "name", target=pl.coalesce("alias_of", "artist_id"))
    by_name: dict[str, str] = {}
    # An artist's own name has precedence over an alias of the same spelling.
    ordered = targets.sort(pl.col("target") != pl.col("artist_id"), "artist_id")
    for name, target in zip(ordered["name"].to_list(), ordered["target"].to_list(), strict=True):
        by_name.setdefault(normalized_name(name), target)

    pairs = rows.select("folder", "author").unique()
    folders, authors = pairs["folder"].to_list(), pairs["author"].to_list()
    names = {author: repaired_text(author) for author in set(authors)}
    found = pairs.with_columns(
        artist_id=pl.Series(
            [
                _owner(folder, owners) or _named(names[author], by_name)
                for folder, author in zip(folders, authors, strict=True)
            ],
            dtype=pl.String,
        ),
        own_name=pl.Series([names[author] for author in authors], dtype=pl.String),
    )
    periods = artists.select("artist_id", "name", "period", "dates_text")
    style = pl.when(pl.col("period").is_in(STYLES)).then("period").alias("style")
    return (
        rows.join(found, on=["folder", "author"], how="left")
        .join(periods, on="artist_id", how="left")
        .with_columns(style, artist=pl.coalesce("name", "own_name"))
        .drop("folder", "own_name", "name", "period")
    )


def _owner(folder: str, owners: set[str]) -> str | None:
    """The artist whose folder this is, or is nearest above: `m/michelan/1sculptu` lies in `m/michelan`."""
    while folder and folder not in owners:
        folder = folder.rpartition("/")[0]
    return folder or None


def _named(name: str, by_name: dict[str, str]) -> str | None:
    """The artist of this name, or of the name that it was before cp1250 was decoded as cp1252."""
    found = by_name.get(normalized_name(name))
    if found is None and not name.isascii():
        try:
            found = by_name.get(normalized_name(name.encode("cp1252", CP1252_CONTROLS).decode("cp1250")))
        except UnicodeError:
            return None
    return found


def with_years(rows: pl.DataFrame, artists: pl.DataFrame, dated: pl.DataFrame | None = None) -> pl.DataFrame:
    """Add the years of the work, of the artist where it has none, and the flags.

    Args:
        rows: of the catalogue, or some of them.
        artists: the list of artists.
        dated: what `dates_table` gives of all texts in `date`; made of those of these rows where None.
    """
    rows = rows.with_columns(life_text=_life_text(artists))
    if dated is None:
        dated = dates_table(rows["date"].unique().to_list())
    lived = _lives_table(rows["life_text"].unique().to_list())
    rows = rows.join(dated, on="date", how="left").join(lived, on="life_text", how="left")
    rows = _with_corrected_years(rows)
    if "given_from" in rows.columns:
        rows = _with_given_years(rows)

    is_dated = pl.col("year_from").is_not_null()
    has_life = pl.col("life_middle").is_not_null()
    is_loose = pl.col("is_approximate") | (pl.col("year_precision") == "circa")
    slack = pl.when(is_loose).then(CIRCA_SLACK_YEARS).otherwise(0)
    # A year or a range must lie within the life with both its ends, a decade or a century may reach out of it, and
    # "before 1517" is compared with the birth alone.
    precision = pl.col("year_precision")
    ends = precision.is_in(["exact", "range", "circa"])
    too_early = (pl.when(ends).then("year_from").otherwise("year_to") + slack < pl.col("life_from")) & (
        precision != "after"
    )
    too_late = (pl.when(ends).then("year_to").otherwise("year_from") - slack > pl.col("life_to")) & (
        precision != "before"
    )
    is_outside = (too_early.fill_null(value=False) | too_late.fill_null(value=False)) & is_dated
    outside = pl.when(is_outside).then(pl.lit(["outside_life"])).otherwise(pl.lit([], dtype=pl.List(pl.String)))
    source = pl.when(is_dated).then(pl.lit("work")).when(has_life).then(pl.lit("artist")).otherwise(pl.lit("none"))
    return rows.with_columns(
        pl.coalesce("year_from", "life_middle").alias("year_from"),
        pl.coalesce("year_to", "life_middle").alias("year_to"),
        year_source=source,
        date_flags=pl.concat_list("date_flags", outside),
    )


def _with_given_years(rows: pl.DataFrame) -> pl.DataFrame:
    """The years that the source gives in place of those that were read; how exact they are, its text still says."""
    given_from, given_to = pl.col("given_from"), pl.col("given_to")
    is_same = ((given_from == pl.col("year_from")) & (given_to == pl.col("year_to"))).fill_null(value=False)
    is_loose = pl.col("year_precision").is_in(["circa", "decade", "century", "before", "after"])
    precision = (
        pl.when(given_from.is_null() | is_same | is_loose)
        .then("year_precision")
        .when(given_from == given_to)
        .then(pl.lit("exact"))
        .otherwise(pl.lit("range"))
    )
    return rows.with_columns(
        year_from=pl.coalesce(given_from, "year_from"),
        year_to=pl.coalesce(given_to, "year_to"),
        year_precision=precision,
    )


def _life_text(artists: pl.DataFrame) -> pl.Expr:
    """The artist's dates from the list, else from the catalogue row."""
    texts = artists["dates_text"].unique().to_list()
    readable = [text for text in texts if parse_life(text) != Life()]
    return pl.when(pl.col("dates_text").is_in(readable)).then("dates_text").otherwise("born-died")


def dates_table(texts: list[str]) -> pl.DataFrame:
    """One row for each date text."""
    return _dates_frame({"date": pl.Series(texts, dtype=pl.String)}, [parse_date(text) for text in texts])


def _dates_frame(keys: dict[str, pl.Series], dates: list[ParsedDate]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            **keys,
            "year_from": pl.Series([date.year_from for date in dates], dtype=pl.Int32),
            "year_to": pl.Series([date.year_to for date in dates], dtype=pl.Int32),
            "year_precision": pl.Series([date.precision for date in dates], dtype=pl.String),
            "date_flags": pl.Series([list(date.flags) for date in dates], dtype=pl.List(pl.String)),
        }
    )


def _lives_table(texts: list[str]) -> pl.DataFrame:
    """One row for each text of an artist's dates."""
    lives = [parse_life(text) for text in texts]
    return pl.DataFrame(
        {
            "life_text": pl.Series(texts, dtype=pl.String),
            "life_from": pl.Series([life.earliest for life in lives], dtype=pl.Int32),
            "life_to": pl.Series([life.latest for life in lives], dtype=pl.Int32),
            "life_middle": pl.Series([life.middle for life in lives], dtype=pl.Int32),
            "is_approximate": pl.Series([life.is_approximate for life in lives], dtype=pl.Boolean),
        }
    )


def _with_corrected_years(rows: pl.DataFrame) -> pl.DataFrame:
    """Correct mistyped years that have one correction within the artist's life; they keep their flag."""
    mistyped = rows.filter(pl.col("year_from").is_null() & pl.col("date_flags").list.contains("typo"))
    pairs = mistyped.select("date", "life_text").unique()
    corrected = [
        (date, life, found)
        for date, life in pairs.iter_rows()
        if (found := corrected_date(date, parse_life(life))) is not None
    ]
    if not corrected:
        return rows
    keys = {
        "date": pl.Series([date for date, _, _ in corrected], dtype=pl.String),
        "life_text": pl.Series([life for _, life, _ in corrected], dtype=pl.String),
    }
    better = _dates_frame(keys, [found for _, _, found in corrected])
    return rows.update(better, on=["date", "life_text"], how="left")
