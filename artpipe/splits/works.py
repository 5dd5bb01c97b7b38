"""Which artworks are one work: a painting, its details and its other photographs.

A detail shows its painting's pixels, so all of them must share a split. `assign.py` hashes the `work_id` made here.
Joining two works by mistake costs a little variety; failing to join them leaks, so doubt joins. A link lasts as long as
what it rests on; what a trained model saw is in the model's own record (`models/learned.py`).
"""

from collections.abc import Hashable, Iterable

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
    artworks = artworks.unique("artwork_id").sort("artwork_id")
    ids: list[str] = artworks["artwork_id"].to_list()
    position = {artwork_id: i for i, artwork_id in enumerate(ids)}
    is_part = [
        bool(detail) or shows_a_part(title) for detail, title in artworks.select("is_detail", "title").iter_rows()
    ]

    sets = _DisjointSets(len(ids))
    for group in _title_groups(artworks, is_part):
        sets.join(group)
    if "record_id" in artworks.columns:
        for group in _groups([(record, i) for i, record in enumerate(artworks["record_id"]) if record is not None]):
            sets.join(group)
    for pairs in (near_duplicates, same_work):
        for left, right in () if pairs is None else pairs.select("left", "right").iter_rows():
            if left in position and right in position:
                sets.join((position[left], position[right]))
    config = config or SplitConfig()
    own = _own_names(previous)
    groups = list(sets.members())
    owner = _owners(groups, ids, own)
    rows: list[tuple[str, str, str]] = []
    for number, group in enumerate(groups):
        names = {name for i in group if (name := own.get(ids[i])) is not None and owner[name] == number}
        if names:
            work_id = min(names, key=lambda name: (SPLIT_NAMES.index(work_split(name, config)), name))
        else:
            work_id = ids[min(group, key=lambda i: (is_part[i], ids[i]))]
        for i in group:
            name = own.get(ids[i])
            rows.append((ids[i], work_id, name if name in names else work_id))
    return pl.DataFrame(rows, WORKS, orient="row").sort("artwork_id")


def remember_works(works: pl.DataFrame, previous: pl.DataFrame | None) -> pl.DataFrame:
    """Table `WORKS` for the next run: of all artworks now, and of those that have left the catalogue since."""
    if previous is None or "own_work_id" not in previous.columns:
        return works
    return pl.concat([works, previous.join(works, on="artwork_id", how="anti")]).sort("artwork_id")


def works_of_several_sources(splits: pl.DataFrame, artworks: pl.DataFrame) -> int:
    """How many works have pictures of more than one source, such as a painting that two museums show."""
    sources = splits.select("artwork_id", "work_id").join(artworks.select("artwork_id", "source"), on="artwork_id")
    return sources.group_by("work_id").agg(pl.col("source").drop_nulls().n_unique()).filter(pl.col("source") > 1).height


def _title_groups(artworks: pl.DataFrame, is_part: list[bool]) -> Iterable[list[int]]:
    """Row numbers that titles join."""
    columns = ("artist_id", "artist", "form", "title", "date_text", "technique", "location")
    by_base: list[tuple[Hashable, int]] = []
    by_record: list[tuple[Hashable, int]] = []
    for i, (artist_id, artist, form, title, *record) in enumerate(artworks.select(columns).iter_rows()):
        maker = (artist_id or normalised(artist), form)
        if base := base_title(title):
            by_base.append(((maker, base), i))
        facts = tuple("" if (text or "").strip().casefold() in _UNKNOWN else normalised(text) for text in record)
        if normalised(title) and any(facts):
            by_record.append(((maker, normalised(title), facts), i))
    for group in _groups(by_base):
        if any(is_part[i] for i in group):
            yield group
    yield from _groups(by_record)


def _groups(keyed: Iterable[tuple[Hashable, int]]) -> list[list[int]]:
    """Rows with one key, for the keys that have several."""
    groups: dict[Hashable, list[int]] = {}
    for key, i in keyed:
        groups.setdefault(key, []).append(i)
    return [group for group in groups.values() if len(group) > 1]


def _own_names(previous: pl.DataFrame | None) -> dict[str, str]:
    """The name that each artwork gives its work."""
    if previous is None:
        return {}
    own = "own_work_id" if "own_work_id" in previous.columns else "work_id"
    return dict(previous.select("artwork_id", own).iter_rows())


def _owners(groups: list[list[int]], ids: list[str], own: dict[str, str]) -> dict[str, int]:
    """The one group that may have each name: that of the artwork it names, else the first that brings it."""
    found: dict[str, int] = {}
    for number, group in enumerate(groups):
        for i in group:
            if ids[i] in own:
                found.setdefault(own[ids[i]], number)
    for number, group in enumerate(groups):
        found |= {ids[i]: number for i in group}
    return found


class _DisjointSets:
    """Disjoint sets of the numbers below `size` (union-find)."""

    def __init__(self, size: int) -> None:
        self._parent = list(range(size))

    def root(self, i: int) -> int:
        parent = self._parent
        while parent[i] != i:
            parent[i] = i = parent[parent[i]]
        return i

    def join(self, group: Iterable[int]) -> None:
        first, *others = (self.root(i) for i in group)
        for other in others:
            self._parent[self.root(other)] = self.root(first)

    def members(self) -> Iterable[list[int]]:
        """The numbers of each set, ascending."""
        found: dict[int, list[int]] = {}
        for i in range(len(self._parent)):
            found.setdefault(self.root(i), []).append(i)
        return found.values()
