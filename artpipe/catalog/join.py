"""The rows of several sources become one catalogue: artworks, quarantine, and the tasks with their classes.

An artwork is one picture of a record; the pictures of a record, and records that their source joins, share
`record_id`, and are one work. Dates are read as those of the Web Gallery of Art are (`clean.with_years`). Artists are
the same where their names have the same words, so that a model never sees an artist of another source whom it is
tested on.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import polars as pl

from artpipe.catalog.clean import CleanedCatalog, dates_table, shows_detail, with_years
from artpipe.catalog.labels import decide_tasks
from artpipe.catalog.names import name_words
from artpipe.catalog.record_ids import as_paths
from artpipe.catalog.rows import LABEL_PREFIX, ReadSource, ReadSources
from artpipe.catalog.spilled import SpilledFrame
from artpipe.lake.paths import DataLake, write_whole
from artpipe.schema import ARTISTS, QUARANTINE
from artpipe.tasks import Tasks, artworks_schema

GALLERY = "*"
"""In the place of a source's name: the works that a lake had without a file of sources."""
_NOBODY = frozenset({"anonymous", "anonym", "anonyme", "unknown", "unbekannt", "inconnu", "onbekend", "unidentified"})
_SERVICE = ("service", "service_version", "width_px", "height_px", "max_width_px", "max_area_px")


@dataclass(frozen=True)
class JoinedCatalog:
    """One catalogue made of several sources.

    Attributes:
        cleaned: artworks and quarantine.
        tasks: what is predicted, each with its classes.
        notes: remarks for a person, one sentence each.
        prefixes: what the ids of each source begin with, those included that are no longer named.
    """

    cleaned: CleanedCatalog
    tasks: Tasks
    notes: tuple[str, ...]
    prefixes: Mapping[str, str]


def join_sources(
    read: ReadSources, prefixes: Mapping[str, str] | None = None, rights: str | None = None
) -> JoinedCatalog:
    """Make one catalogue of the rows of all sources.

    Args:
        read: the sources and what was read of them.
        prefixes: what the ids of each source began with before, by `read_prefixes`: they keep their ids.
        rights: which works are downloaded, `open` or `all`; None: what each source says.
    """
    is_alone = len(read.sources) == 1
    prefixes = _with_new_prefixes(read, prefixes or {})
    rejected: list[pl.DataFrame] = []
    notes: list[str] = []
    for source in read.sources:
        of_whom = "" if is_alone else f"{source.name}: "
        rejected.append(source.read.quarantine.with_columns(reason=pl.lit(of_whom) + pl.col("reason")))
        notes += [f"{of_whom}{note}" for note in source.read.notes]
    keys = _keys(read, prefixes, is_alone=is_alone)
    tasks, classify, of_labels = decide_tasks(read.tasks, *_labels(read, keys))
    of_gallery = _artists_of_gallery(read, keys)
    dated = dates_table(_date_texts(read))
    schema = artworks_schema(tasks)
    works = SpilledFrame()
    for source, batch in _batches(read, keys):
        rejected.append(_refused(batch))
        rows = _kept(batch).with_columns(
            source=pl.lit(source.name),
            only_open=pl.lit((rights or source.rights) == "open"),
            is_gallery=pl.lit(source.is_gallery),
            record_id=_record_id(prefixes[source.name]),
        )
        rows = with_years(_with_makers(rows, of_gallery).with_columns(classify(rows)), ARTISTS.to_frame(), dated)
        pictures = _pictures(rows).select(pl.col(name).cast(kind) for name, kind in schema.items())
        works.add(pictures.sort("artwork_id"))
    quarantine = pl.concat([QUARANTINE.to_frame(), *(table.select(list(QUARANTINE)) for table in rejected)])
    return JoinedCatalog(
        CleanedCatalog(works.sorted_by("artwork_id"), quarantine.sort("row_number", maintain_order=True)),
        tasks,
        (*notes, *of_labels),
        prefixes,
    )


def read_prefixes(lake: DataLake, previous: pl.DataFrame | None) -> dict[str, str]:
    """What the ids of each source of a lake begin with; `GALLERY` stands for a lake of `ARTPIPE_GALLERY`.

    Args:
        lake: whose.
        previous: its table `artworks`, if there is one.
    """
    held: dict[str, str] = json.loads(lake.sources.read_bytes()) if lake.sources.exists() else {}
    if previous is None or previous.is_empty():
        return held
    if "source" not in previous.columns or previous["source"].is_null().any():
        return {GALLERY: "", **held}
    if held:
        return held
    # The file is gone: the ids themselves still say it.
    is_plain = ~pl.col("artwork_id").str.starts_with(pl.concat_str("source", pl.lit(":")))
    plain = set(previous.filter(is_plain)["source"].drop_nulls())
    return {name: "" if name in plain else f"{name}:" for name in previous["source"].drop_nulls().unique()}


def write_prefixes(lake: DataLake, prefixes: Mapping[str, str]) -> None:
    """Keep what the ids of each source begin with: no id may ever come to mean a work of another source."""
    write_whole(lake.sources, json.dumps(dict(sorted(prefixes.items())), indent=1).encode())


def _with_new_prefixes(read: ReadSources, held: Mapping[str, str]) -> dict[str, str]:
    """The prefixes with those of new sources: none for the only one of a new lake, else the source's name."""
    prefixes = dict(held)
    for source in read.sources:
        if source.name in prefixes:
            continue
        if source.is_gallery and GALLERY in prefixes:
            prefixes[source.name] = prefixes.pop(GALLERY)
        else:
            is_first = not prefixes and len(read.sources) == 1
            prefixes[source.name] = "" if is_first else f"{source.name}:"
    return prefixes


def _keys(read: ReadSources, prefixes: Mapping[str, str], *, is_alone: bool) -> pl.DataFrame:
    """`record`, the id of the work of each row of all sources, and `reason`, why it is refused: null where it is not.

    An id that is empty, or taken by an earlier row of whichever source, is refused.
    """
    names = pl.Enum([source.name for source in read.sources])
    parts: list[pl.DataFrame] = []
    for source in read.sources:
        for batch in source.read.batches(["row_number", "source_id"]):
            raw_id = batch["source_id"].str.strip_chars()
            plain = raw_id if source.is_gallery else as_paths(raw_id)
            record = pl.when(plain != "").then(pl.lit(prefixes[source.name]) + plain)
            parts.append(batch.with_columns(source=pl.lit(source.name, names), record=record))
    keys = pl.concat(parts).with_row_index("place")
    has_no_id = pl.col("record").is_null()
    refused = keys.filter(has_no_id | ~pl.col("record").is_first_distinct())
    of_refused = keys.join(refused.select("record"), on="record", how="semi", maintain_order="left")
    owners = of_refused.unique("record", keep="first").select("record", first="row_number", owner="source")
    of_whom = pl.lit("") if is_alone else pl.concat_str("source", pl.lit(": "))
    reason = (
        pl.when(has_no_id)
        .then(pl.lit("it has no id"))
        .when(pl.col("owner") == pl.col("source"))
        .then(pl.format("the id {} is in row {} already", "source_id", "first"))
        .otherwise(pl.format("the id {} is that of row {} of {}", "record", "first", "owner"))
    )
    reasons = refused.join(owners, on="record", how="left").select("place", reason=of_whom + reason)
    return keys.select("place", "record").join(reasons, on="place", how="left", maintain_order="left").drop("place")


def _batches(
    read: ReadSources, keys: pl.DataFrame, columns: Callable[[ReadSource], Sequence[str] | None] = lambda _: None
) -> Iterator[tuple[ReadSource, pl.DataFrame]]:
    """The rows of all sources with their keys, some thousands at a time; of a source's columns, or of all."""
    start = 0
    for source in read.sources:
        for batch in source.read.batches(columns(source)):
            yield source, batch.with_columns(keys.slice(start, batch.height))
            start += batch.height


def _kept(batch: pl.DataFrame) -> pl.DataFrame:
    return batch.filter(pl.col("reason").is_null()).drop("reason")


def _refused(batch: pl.DataFrame) -> pl.DataFrame:
    raw = pl.concat_str(pl.col("source_id").fill_null(""), pl.col("title").fill_null(""), separator="\t")
    return batch.filter(pl.col("reason").is_not_null()).select("row_number", "reason", raw.alias("raw"))


def _record_id(prefix: str) -> pl.Expr:
    """What the records of one work share."""
    joined = pl.lit(f"{prefix}work ") + pl.col("work_id")
    return pl.when(pl.col("work_id").is_not_null()).then(joined).otherwise("record")


def _labels(read: ReadSources, keys: pl.DataFrame) -> tuple[list[str], Iterator[pl.DataFrame]]:
    """The tasks that the sources have labels of, and these labels."""

    def columns(source: ReadSource) -> list[str]:
        return [name for name in source.read.columns if name.startswith(LABEL_PREFIX)]

    given = dict.fromkeys(column.removeprefix(LABEL_PREFIX) for source in read.sources for column in columns(source))
    rows = _batches(read, keys, lambda source: ["row_number", *columns(source)])
    return list(given), (_kept(batch).select(columns(source)) for source, batch in rows)


_NAMES = (
    pl.col("artists").list.eval(pl.element().struct.field("name")).list.drop_nulls().list.unique(maintain_order=True)
)
_MAKER = _NAMES.list.first().fill_null("")
"""The name of a record's first maker."""


def _date_texts(read: ReadSources) -> list[str]:
    texts = [batch["date_text"].unique() for source in read.sources for batch in source.read.batches(["date_text"])]
    return pl.concat(texts).fill_null("").unique().to_list()


def _artists_of_gallery(read: ReadSources, keys: pl.DataFrame) -> dict[str, str]:
    """The ids of the gallery's artists by those that other sources would give them, which take the gallery's."""
    artist_id = pl.col("artists").list.first().struct.field("artist_id")
    parts = [
        _kept(batch).select(_MAKER.alias("maker"), artist_id).drop_nulls().unique()
        for source, batch in _batches(read, keys, lambda _: ["row_number", "artists"])
        if source.is_gallery
    ]
    if not parts:
        return {}
    own_ids = pl.concat(parts).sort("maker", "artist_id").unique("maker", keep="first", maintain_order=True)
    return {maker: artist_id for name, artist_id in own_ids.iter_rows() if (maker := _maker_id(name)) is not None}


def _with_makers(rows: pl.DataFrame, of_gallery: Mapping[str, str]) -> pl.DataFrame:
    """Add `artist`, `artist_id` and the artist's dates; fill what a work cannot be shown without."""
    first = pl.col("artists").list.first()
    born, died = (first.struct.field(name) for name in ("born", "died"))
    lived = (
        pl.when(born.is_not_null() & died.is_not_null())
        .then(pl.format("({}-{})", born, died))
        .when(born.is_not_null())
        .then(pl.format("(born {})", born))
        .when(died.is_not_null())
        .then(pl.format("(died {})", died))
        .otherwise(pl.lit(""))
    )
    rows = rows.with_columns(artist=_NAMES.list.join("; "), maker=_MAKER, **{"born-died": lived})
    makers = {name: _maker_id(name) for name in rows["maker"].unique()}
    makers = {name: of_gallery.get(maker or "", maker) for name, maker in makers.items()}
    return rows.with_columns(
        artist_id=pl.when("is_gallery")
        .then(first.struct.field("artist_id"))
        .otherwise(pl.col("maker").replace_strict(makers, return_dtype=pl.String)),
        dates_text=pl.lit(None, pl.String),
        date=pl.col("date_text").fill_null(""),
        title=pl.when(pl.col("title").fill_null("").str.strip_chars() == "")
        .then(pl.lit("Untitled"))
        .otherwise(pl.col("title").str.strip_chars().str.replace_all(r"\s+", " ")),
        given_from=pl.min_horizontal(pl.coalesce("year_from", "year_to"), pl.coalesce("year_to", "year_from")),
        given_to=pl.max_horizontal(pl.coalesce("year_from", "year_to"), pl.coalesce("year_to", "year_from")),
    ).drop("year_from", "year_to")


@lru_cache(maxsize=65536)
def _maker_id(name: str) -> str | None:
    """The words of a name in the order of the alphabet; None for nobody in particular."""
    words = sorted(set(name_words(name)))
    return "-".join(words) if words and _NOBODY.isdisjoint(words) else None


def _pictures(rows: pl.DataFrame) -> pl.DataFrame:
    """One row for each picture of a record, and one for a record without any; the first has the record's id."""
    count = pl.max_horizontal(pl.col("images").list.len().fill_null(0), 1)
    rows = rows.with_columns(place=pl.int_ranges(0, count)).explode("place")
    rows = rows.with_columns(image=pl.col("images").list.get(pl.col("place"), null_on_oob=True)).drop("images")
    image = pl.col("image").struct
    service = pl.struct(image.field(name) for name in _SERVICE).struct.json_encode()
    link = pl.concat_str(image.field("service"), pl.lit("/full/max/0/default.jpg"))
    is_open = pl.col("is_open").fill_null(value=False)
    first = pl.col("place") == 0
    return rows.with_columns(
        pl.when(first).then("record").otherwise(pl.format("{}~{}", "record", pl.col("place") + 1)).alias("artwork_id"),
        pl.coalesce(image.field("url"), link).alias("image_url"),
        pl.when(image.field("service").is_not_null()).then(service).alias("image_service"),
        technique="medium",
        form=pl.col("classification").str.to_lowercase(),
        page_url="landing_url",
        timeframe=pl.col("timeframe") if "timeframe" in rows.columns else pl.lit(None, pl.String),
        is_detail=shows_detail(),
        is_allowed=is_open | ~pl.col("only_open"),
    )
