"""Which artworks are one work: a painting, its details and its other photographs.

A detail shows its painting's pixels, so all of them must share a split. `assign.py` hashes the `work_id` made here.
Joining two works by mistake costs a little variety; failing to join them leaks, so doubt joins.
"""

from collections.abc import Hashable, Iterable

import polars as pl

from artpipe.splits.assign import SPLIT_NAMES
from artpipe.splits.titles import base_title, normalised, shows_a_part

_UNKNOWN = frozenset({"", "-", "?", "unknown"})


def group_works(
    artworks: pl.DataFrame,
    near_duplicates: pl.DataFrame,
    previous: pl.DataFrame | None = None,
    same_work: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Assign every artwork to a work.

    Two artworks are one work if a chain of these links joins them:

    - same artist, form and base title, and at least one of the rows with that title is a detail or another part:
      which of several like-titled paintings it shows is unknown, so it joins them all;
    - same artist, form and whole title, and also the same date, technique and location (not all of them unknown);
      a title such as `Still-Life` alone joins nothing;
    - the same file, or photographs that look alike (`near_duplicates.py`);
    - a person joined them in `same_work`;
    - they were one work in `previous`: what a model may have learned from as one work is never parted.

    A work is named after its whole picture with the smallest id, so a new detail renames nothing; a work that was in
    `previous` keeps its name whatever joins it. Where two previous works turn out to be one, the name whose split
    comes first in `SPLIT_NAMES` stays, then the smaller one: only this moves rows, and never out of `train`.

    Args:
        artworks: table `artworks`.
        near_duplicates: `left` and `right`, as made by `find_near_duplicates`.
        previous: table `splits` of the last run, if there is one.
        same_work: pairs of artworks, `left` and `right`, if there are any; one that is not in `artworks` joins nothing.

    Returns:
        `artwork_id`, `work_id`, one row an artwork, sorted by `artwork_id`; the same for any order of the rows.
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
    for pairs in (near_duplicates, same_work):
        for left, right in () if pairs is None else pairs.select("left", "right").iter_rows():
            if left in position and right in position:
                sets.join((position[left], position[right]))
    previous_name, rank = _previous_works(previous)
    for group in _groups((previous_name[name], i) for i, name in enumerate(ids) if name in previous_name):
        sets.join(group)

    work_ids = [""] * len(ids)
    for group in sets.members():
        names = {previous_name[ids[i]] for i in group if ids[i] in previous_name}
        if names:
            work_id = min(names, key=lambda name: (rank[name], name))
        else:
            work_id = ids[min(group, key=lambda i: (is_part[i], ids[i]))]
        for i in group:
            work_ids[i] = work_id
    return pl.DataFrame(
        {"artwork_id": ids, "work_id": work_ids}, schema=dict.fromkeys(("artwork_id", "work_id"), pl.String)
    )


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


def _previous_works(previous: pl.DataFrame | None) -> tuple[dict[str, str], dict[str, int]]:
    """The work that each artwork had, and the rank of each work's split; 0 wins."""
    name_of: dict[str, str] = {}
    ranks: dict[str, int] = {}
    if previous is not None:
        for artwork_id, work_id, split in previous.select("artwork_id", "work_id", "split").iter_rows():
            name_of[artwork_id] = work_id
            rank = SPLIT_NAMES.index(split)
            ranks[work_id] = min(ranks.get(work_id, rank), rank)
    return name_of, ranks


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
