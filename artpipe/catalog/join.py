"""The rows of several sources become one catalogue: artworks, quarantine, and the tasks with their classes.

An artwork is one picture of a record; the pictures of a record, and records that their source joins, share
`record_id`, and are one work. Dates are read as those of the Web Gallery of Art are (`clean.with_years`). Artists are
the same where their names have the same words, so that a model never sees an artist of another source whom it is
tested on.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import polars as pl

from artpipe.catalog.clean import CleanedCatalog, shows_detail, with_years
from artpipe.catalog.names import name_words
from artpipe.catalog.rows import LABEL_PREFIX, ReadSource, ReadSources
from artpipe.lake.paths import DataLake, write_whole
from artpipe.schema import ARTISTS, PERIOD_BOUNDS, QUARANTINE, year_classes
from artpipe.tasks import Task, TaskDeclaration, Tasks, artworks_schema

GALLERY = "*"
"""In the place of a source's name: the works that a lake had without a file of sources."""
_NOBODY = frozenset({"anonymous", "anonym", "anonyme", "unknown", "unbekannt", "inconnu", "onbekend", "unidentified"})
_MOST_NAMED = 8
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
    identified = [_identified(one, prefixes[one.name], rights or one.rights) for one in read.sources]
    rows, repeated = _without_repeats(pl.concat(identified, how="diagonal"), is_alone=is_alone)
    rejected.append(repeated)
    tasks, labels, of_labels = _decided(rows, read.tasks)
    rows = with_years(_with_makers(rows).with_columns(labels), ARTISTS.to_frame())
    schema = artworks_schema(tasks)
    artworks = _pictures(rows).select(pl.col(name).cast(kind) for name, kind in schema.items()).sort("artwork_id")
    quarantine = pl.concat([QUARANTINE.to_frame(), *(table.select(list(QUARANTINE)) for table in rejected)])
    return JoinedCatalog(
        CleanedCatalog(artworks, quarantine.sort("row_number", maintain_order=True)),
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


def _identified(source: ReadSource, prefix: str, rights: str | None) -> pl.DataFrame:
    """The rows with the ids of their works, null where a row has none."""
    raw_id = source.read.rows["source_id"].str.strip_chars()
    rows = source.read.rows.with_columns(plain=raw_id if source.is_gallery else _as_paths(raw_id))
    return rows.with_columns(
        source=pl.lit(source.name),
        only_open=pl.lit(rights == "open"),
        is_gallery=pl.lit(source.is_gallery),
        record=pl.when(pl.col("plain") != "").then(pl.lit(prefix) + pl.col("plain")),
    ).with_columns(
        record_id=pl.when(pl.col("work_id").is_not_null())
        .then(pl.lit(f"{prefix}work ") + pl.col("work_id"))
        .otherwise("record")
    )


def _without_repeats(rows: pl.DataFrame, *, is_alone: bool) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows whose ids are theirs alone, and those whose id is empty or taken, by whichever source."""
    first, owner = (pl.col(name).first().over("record") for name in ("row_number", "source"))
    reason = (
        pl.when(pl.col("record").is_null())
        .then(pl.lit("it has no id"))
        .when(~pl.col("record").is_first_distinct() & (owner == pl.col("source")))
        .then(pl.format("the id {} is in row {} already", "source_id", first))
        .when(~pl.col("record").is_first_distinct())
        .then(pl.format("the id {} is that of row {} of {}", "record", first, owner))
    )
    of_whom = pl.lit("") if is_alone else pl.concat_str("source", pl.lit(": "))
    rows = rows.with_columns(reason=of_whom + reason)
    raw = pl.concat_str(pl.col("source_id").fill_null(""), pl.col("title").fill_null(""), separator="\t")
    rejected = rows.filter(pl.col("reason").is_not_null()).select("row_number", "reason", raw.alias("raw"))
    return rows.filter(pl.col("reason").is_null()).drop("reason", "plain"), rejected


def _as_paths(ids: pl.Series) -> pl.Series:
    """Ids as parts of a path. One that has what a path cannot have gets a hash of itself, so that no two are one."""
    bare = pl.col("id").str.replace(r"^https?://", "").str.strip_chars("/")
    path = bare.str.replace_all(r"[^\p{L}\p{N}._:/-]+", "-").str.strip_chars("/-")
    known = pl.DataFrame({"id": ids.unique().drop_nulls()}).with_columns(bare=bare, path=path)
    changed = known.filter((pl.col("bare") != pl.col("path")) & (pl.col("bare") != ""))
    hashed = {
        one: f"{path}-{hashlib.sha256(one.encode()).hexdigest()[:8]}".strip("-")
        for one, path in changed.select("id", "path").iter_rows()
    }
    paths = dict(known.select("id", "path").iter_rows()) | hashed
    return ids.replace_strict(paths, default=None, return_dtype=pl.String)


def _with_makers(rows: pl.DataFrame) -> pl.DataFrame:
    """Add `artist`, `artist_id` and the artist's dates; fill what a work cannot be shown without."""
    names = pl.col("artists").list.eval(pl.element().struct.field("name")).list.drop_nulls()
    names = names.list.unique(maintain_order=True)
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
    rows = rows.with_columns(
        artist=names.list.join("; "), maker=names.list.first().fill_null(""), **{"born-died": lived}
    )
    makers = {name: _maker_id(name) for name in rows["maker"].unique()}
    # An artist whom the gallery has keeps the id that they have there, in the rows of other sources, too.
    own_ids = rows.filter("is_gallery").select("maker", first.struct.field("artist_id")).drop_nulls()
    own_ids = own_ids.sort("maker", "artist_id").unique("maker", keep="first", maintain_order=True)
    of_gallery = {maker: artist_id for name, artist_id in own_ids.iter_rows() if (maker := makers[name]) is not None}
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


def _decided(
    rows: pl.DataFrame, declared: Sequence[TaskDeclaration] | None
) -> tuple[Tasks, list[pl.Series], list[str]]:
    """The tasks with their classes, the label of every row, and what is to be said of them.

    Where no task is declared, every column of labels is one, with the classes that enough works have, and `period` is
    made from the years.
    """
    given = [name.removeprefix(LABEL_PREFIX) for name in rows.columns if name.startswith(LABEL_PREFIX)]
    if declared is None:
        declared = [TaskDeclaration(name=name) for name in given]
        if "period" not in given:
            declared = [*declared, TaskDeclaration(name="period", years=PERIOD_BOUNDS)]
    tasks: list[Task] = []
    labels: list[pl.Series] = []
    notes: list[str] = []
    for one in declared:
        if one.years is not None:
            tasks.append(Task(one.name, one.classes or year_classes(one.years), True, one.years))
            continue
        column = f"{LABEL_PREFIX}{one.name}"
        several = (
            rows[column] if column in rows.columns else pl.Series(column, [None] * rows.height, pl.List(pl.String))
        )
        counts = _counts(several)
        classes = one.classes or tuple(sorted(name for name, count in counts.items() if count >= one.min_works))
        notes += _doubts(one, classes, counts, given if column not in rows.columns else None)
        labels.append(_one_label(several, one, classes, counts).alias(one.name))
        tasks.append(Task(one.name, classes, one.ordinal))
    return Tasks(*tasks), labels, notes


def _doubts(
    task: TaskDeclaration, classes: Sequence[str], counts: Mapping[str, int], given: Sequence[str] | None
) -> Iterator[str]:
    """What is odd about a declared task; `given` are the tasks that have labels, where this one has none."""
    if given is not None:
        close = get_close_matches(task.name, given, n=1)
        meant = f"; did you mean `{close[0]}`?" if close else f"; there are {', '.join(given)}." if given else "."
        yield f"`{task.name}` is in `labels` of no source{meant}"
    elif not classes:
        most = f"; the most frequent has {max(counts.values()):,}" if counts else "; no work has a label"
        yield f"`{task.name}` has no class with {task.min_works} works{most}, so it is not predicted."
    elif task.classes and (absent := [name for name in classes if name not in counts]):
        others = [f"{name} {count:,}" for name, count in counts.items() if name not in classes][:_MOST_NAMED]
        instead = f"; other labels are {', '.join(others)}" if others else ""
        yield f"`{task.name}`: no work has the class {' or '.join(absent)}{instead}."
    elif not task.classes and (rare := {name: count for name, count in counts.items() if count < task.min_works}):
        most = sorted(rare.items(), key=lambda one: (-one[1], one[0]))
        shown = ", ".join(f"{name} {count:,}" for name, count in most[:_MOST_NAMED])
        more = f" and {len(rare) - _MOST_NAMED:,} more" if len(rare) > _MOST_NAMED else ""
        yield (
            f"`{task.name}`: labels that fewer than {task.min_works} works have count as unknown ({shown}{more}); "
            "a lower `min_works` learns them."
        )


def _counts(several: pl.Series) -> Mapping[str, int]:
    """How many works have each label."""
    labels = several.list.unique().explode().drop_nulls()
    counts: Iterable[tuple[str, int]] = labels.value_counts().iter_rows()
    return {name: count for name, count in counts if name}


def _one_label(
    several: pl.Series, task: TaskDeclaration, classes: Sequence[str], counts: Mapping[str, int]
) -> pl.Series:
    """The label that is kept of each work, by the task's rule; null where it has none of the classes."""
    known = set(classes)
    rank = {name: (counts.get(name, 0), name) for name in classes}

    def keep(labels: Sequence[str]) -> str | None:
        found = [label for label in labels if label in known]
        if not found or (task.several == "none" and len(set(found)) > 1):
            return None
        if task.several == "most_common":
            return max(found, key=rank.__getitem__)
        if task.several == "rarest":
            return min(found, key=rank.__getitem__)
        return found[0]

    distinct = several.unique()
    kept = {tuple(labels): keep(labels) for labels in distinct.drop_nulls().to_list()}
    return pl.Series([None if labels is None else kept[tuple(labels)] for labels in several.to_list()], dtype=pl.String)
