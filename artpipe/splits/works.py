"""Which artworks are one work: a painting, its details and its other photographs.

A detail shows its painting's pixels, so all of them must share a split. `assign.py` hashes the `work_id` made here.
Joining two works by mistake costs a little variety; failing to join them leaks, so doubt joins. A link lasts as long as
what it rests on; what a trained model saw is in the model's own record (`models/learned.py`).
"""

from collections.abc import Callable, Iterable, Iterator

import polars as pl

from artpipe.catalog.titles import base_title, normalised, shows_a_part
from artpipe.splits.assign import SPLIT_NAMES, SplitConfig, work_split

WORKS = pl.Schema(dict.fromkeys(("artwork_id", "work_id", "own_work_id"), pl.String()))
"""One row is an artwork, the work it belongs to now, and the name that it gives that work: the one it had first."""

_UNKNOWN = frozenset({"", "-", "?", "unknown"})


def group_works(
    artworks: pl.DataFrame,
    near_duplicates: pl.DataFrame,
    previous: pl.DataFrame | None = None,
    same_work: pl.DataFrame | None = None,
    config: SplitConfig | None = None,
) -> pl.DataFrame:
    """Assign every artwork to a work.

    Two artworks are one work if a chain of these links joins them:

    - same artist, form and base title, and at least one of the rows with that title is a detail or another part:
      which of several like-titled paintings it shows is unknown, so it joins them all;
    - same artist, form and whole title, and also the same date, technique and location (not all of them unknown);
      a title such as `Still-Life` alone joins nothing;
    - pictures of one record of their source, or of records that it joins;
    - the same file, or photographs that look alike (`near_duplicates.py`);
    - a person joined them in `same_work`.

    A work is named after its whole picture with the smallest id, so a new detail renames nothing; a work that was in
    `previous` keeps its name whatever joins it. Where two previous works turn out to be one, the name whose split
    comes first in `SPLIT_NAMES` stays, then the smaller one, so that rows never move out of `train`. Each artwork
    keeps the name that its work had at first: where the link goes, both works have their own names and splits again.

    Args:
        artworks: table `artworks`.
        near_duplicates: `left` and `right`, as made by `find_near_duplicates`.
        previous: table `WORKS` of the last run, or table `splits` of a lake that has none; None in the first run.
        same_work: pairs of artworks, `left` and `right`, if there are any; one that is not in `artworks` joins nothing.
        config: decides which split a name hashes to.

    Returns:
        Table `WORKS`, sorted by `artwork_id`; the same for any order of the rows.
    """
    artworks = artworks.unique("artwork_id").sort("artwork_id").with_row_index("row")
    is_part = artworks["is_detail"].fill_null(value=False) | _of_each(artworks["title"], shows_a_part, pl.Boolean())
    rows = artworks.select("row", "artwork_id", is_part=is_part)
    sets = _DisjointSets(rows.height)
    for group in _same_titles(artworks, is_part):
        sets.join(group)
    if "record_id" in artworks.columns:
        for group in _groups(artworks.drop_nulls("record_id"), "record_id"):
            sets.join(group)
    for pairs in (near_duplicates, same_work):
        if pairs is not None:
            for pair in _row_numbers(pairs, rows).iter_rows():
                sets.join(pair)
    rows = rows.with_columns(group=pl.Series(sets.roots(), dtype=pl.UInt32))
    own = _kept_names(rows, previous)
    names = _first_names(own.select("group", "own").unique(), config or SplitConfig())
    whole = rows.sort("is_part", "artwork_id").unique("group", keep="first").select("group", whole="artwork_id")
    named = whole.join(names, on="group", how="left").select("group", work_id=pl.coalesce("own", "whole"))
    rows = rows.join(named, on="group").join(own.select("row", "own"), on="row", how="left")
    return rows.sort("row").select("artwork_id", "work_id", own_work_id=pl.coalesce("own", "work_id")).cast(WORKS)


def remember_works(works: pl.DataFrame, previous: pl.DataFrame | None) -> pl.DataFrame:
    """Table `WORKS` for the next run: of all artworks now, and of those that have left the catalogue since."""
    if previous is None or "own_work_id" not in previous.columns:
        return works
    return pl.concat([works, previous.join(works, on="artwork_id", how="anti")]).sort("artwork_id")


def works_of_several_sources(splits: pl.DataFrame, artworks: pl.DataFrame) -> int:
    """How many works have pictures of more than one source, such as a painting that two museums show."""
    sources = splits.select("artwork_id", "work_id").join(artworks.select("artwork_id", "source"), on="artwork_id")
    return sources.group_by("work_id").agg(pl.col("source").drop_nulls().n_unique()).filter(pl.col("source") > 1).height


def _same_titles(artworks: pl.DataFrame, is_part: pl.Series) -> Iterator[list[int]]:
    """Row numbers that titles join."""
    maker = (
        pl.when(pl.col("artist_id") != "")
        .then("artist_id")
        .otherwise(_of_each(artworks["artist"], normalised, pl.String()))
    )
    record = [
        _of_each(artworks[name], _known, pl.String()).alias(name) for name in ("date_text", "technique", "location")
    ]
    title, base = (_of_each(artworks["title"], function, pl.String()) for function in (normalised, base_title))
    keyed = artworks.select("row", "form", *record, maker=maker, title=title, base=base, is_part=is_part)
    is_recorded = pl.any_horizontal(pl.col(fact.name) != "" for fact in record)
    yield from _groups(keyed.filter(pl.col("base") != ""), "maker", "form", "base", having=pl.col("is_part").any())
    yield from _groups(
        keyed.filter(pl.col("title") != "", is_recorded), "maker", "form", "title", *(fact.name for fact in record)
    )


def _known(text: str | None) -> str:
    """A date, technique or location as it is compared; empty where it says nothing."""
    return "" if (text or "").strip().casefold() in _UNKNOWN else normalised(text)


def _of_each(texts: pl.Series, function: Callable[[str | None], str | bool], kind: pl.DataType) -> pl.Series:
    """A function of each text, computed once for those that are equal."""
    distinct = texts.unique()
    values = pl.DataFrame({"text": distinct, "value": pl.Series([function(text) for text in distinct], dtype=kind)})
    of_each = pl.DataFrame({"text": texts}).join(values, on="text", how="left", nulls_equal=True, maintain_order="left")
    return of_each["value"]


def _groups(rows: pl.DataFrame, *keys: str, having: pl.Expr | None = None) -> pl.Series:
    """The `row` numbers with one key, for the keys that have several."""
    some = pl.len() > 1 if having is None else (pl.len() > 1) & having
    return rows.group_by(keys).agg("row", is_wanted=some).filter("is_wanted")["row"]


def _row_numbers(pairs: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """The numbers of the two rows of each pair whose artworks are both there."""
    left, right = (
        rows.select(pl.col("artwork_id").alias(side), pl.col("row").alias(f"{side}_row")) for side in ("left", "right")
    )
    return pairs.join(left, on="left").join(right, on="right").select("left_row", "right_row")


def _kept_names(rows: pl.DataFrame, previous: pl.DataFrame | None) -> pl.DataFrame:
    """The rows that keep the name that they gave their work, `own`.

    A name stays with one group: that of the artwork that it names, else the first that brings it.
    """
    if previous is None:
        return rows.clear().with_columns(own=pl.lit("", pl.String))
    own = "own_work_id" if "own_work_id" in previous.columns else "work_id"
    given = previous.select("artwork_id", own=own).unique("artwork_id", keep="last")
    given = rows.join(given, on="artwork_id").drop_nulls("own")
    first = given.group_by("own").agg(first=pl.col("group").min())
    named = rows.select(own="artwork_id", named="group")
    owned = given.join(first, on="own").join(named, on="own", how="left")
    return owned.filter(pl.coalesce("named", "first") == pl.col("group"))


def _first_names(names: pl.DataFrame, config: SplitConfig) -> pl.DataFrame:
    """One name of each group: that whose split comes first, and of these the smallest."""
    is_only = pl.len().over("group") == 1
    rest = names.filter(~is_only)
    order = pl.Series([SPLIT_NAMES.index(work_split(name, config)) for name in rest["own"]], dtype=pl.Int8)
    first = rest.with_columns(order=order).sort("order", "own").unique("group", keep="first", maintain_order=True)
    return pl.concat([names.filter(is_only), first.drop("order")])


class _DisjointSets:
    """Disjoint sets of the numbers below `size` (union-find)."""

    def __init__(self, size: int) -> None:
        self._parent = list(range(size))

    def root(self, i: int) -> int:
        """The smallest number of the set."""
        parent = self._parent
        while parent[i] != i:
            parent[i] = i = parent[parent[i]]
        return i

    def join(self, group: Iterable[int]) -> None:
        roots = {self.root(i) for i in group}
        smallest = min(roots)
        for other in roots:
            self._parent[other] = smallest

    def roots(self) -> list[int]:
        """The smallest number of the set of each number."""
        return [self.root(i) for i in range(len(self._parent))]
