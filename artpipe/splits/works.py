"""Which artworks are one work: a painting, its details and its other photographs.

A detail shows its painting's pixels, so all of them must share a split. `assign.py` hashes the `work_id` made here.
Joining two works by mistake costs a little variety; failing to join them leaks, so doubt joins.
"""

import re
import unicodedata
from collections.abc import Hashable, Iterable, Mapping
from functools import lru_cache

import polars as pl

from artpipe.schema import STORED

# The order in which the splits of merged works win: what a model may have been trained on is never called unseen.
SPLIT_PRECEDENCE = ("train", "validation", "test", "unseen_artists")

_DETAIL = re.compile(r"\bdetails?\b", re.IGNORECASE)
_BRACKETED = re.compile(r"[(\[][^()\[\]]*(?:[)\]]+|$)")
_PART = re.compile(
    r"\b(details?|fragments?|panels?|wings?|shutters?|predella|sections?|recto|verso|obverse|reverse|open|closed|"
    r"left|right|cent(?:er|re|ral)|upper|lower|before restoration|after restoration)\b",
    re.IGNORECASE,
)
_DETAIL_OF = re.compile(r"^\W*details?\s+(?:of|from)\s+(?=\w)", re.IGNORECASE)
_DETAIL_TAIL = re.compile(r"(?<=\w)\W*\bdetails?\b.*$", re.IGNORECASE)
_NUMBER_TAIL = re.compile(r"(?<=\S)(?:\s+\d{1,4})+$")
_ARTICLE = re.compile(r"^(?:the|an?)\s+(?=\S)")
_PUNCTUATION = re.compile(r"[\W_]+")
_UNKNOWN = frozenset({"", "-", "?", "unknown"})


@lru_cache(maxsize=65_536)  # places and techniques repeat
def normalised(text: str | None) -> str:
    """Lower case, no accents, no punctuation, single spaces."""
    plain = (text or "").casefold()
    if not plain.isascii():
        plain = "".join(c for c in unicodedata.normalize("NFKD", plain) if not unicodedata.combining(c))
    return " ".join(_PUNCTUATION.sub(" ", plain).split())


def base_title(title: str | None) -> str:
    """The title that a painting and its details share.

    Bracketed remarks, `detail` with what follows it, trailing numbers and a leading article go:
    `The Tower (detail)`, `Tower Detail 1663 10` and `Detail of the Tower` all give `tower`.
    """
    text = _BRACKETED.sub(" ", title or "")
    text = _DETAIL_OF.sub("", text)
    text = normalised(_DETAIL_TAIL.sub("", text))
    return _ARTICLE.sub("", _NUMBER_TAIL.sub("", text))


def shows_a_part(title: str | None) -> bool:
    """Whether a title says that the picture shows a part, side or state of a work, such as `(left wing)`."""
    text = title or ""
    if any(_PART.search(remark) for remark in _BRACKETED.findall(text)):
        return True
    return bool(
        _DETAIL_OF.search(text) or re.search(r"[,:;]\s*details?\b|\bdetails?\W*(?:\d+\W*)*$", text, re.IGNORECASE)
    )


def group_works(
    artworks: pl.DataFrame,
    images: pl.DataFrame,
    previous: pl.DataFrame | None = None,
    same_work: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Say for every artwork which work it belongs to.

    Two artworks are one work if a chain of these links joins them:

    - same artist, form and base title, and at least one of the rows with that title is a detail or another part:
      which of several like-titled paintings it shows is unknown, so it joins them all;
    - same artist, form and whole title, and also the same date, technique and location (not all of them unknown);
      a title such as `Still-Life` alone joins nothing;
    - the same file, or photographs that look the same, with a word of the title for those that look nearly the same
      (`near_duplicates`);
    - a person said so in `same_work`;
    - they were one work in `previous`: what a model may have learned from as one work is not parted any more.

    A work is named after its whole picture with the smallest id, so a new detail renames nothing; a work that was in
    `previous` keeps its name whatever joins it. Where two previous works turn out to be one, the name whose split
    comes first in `SPLIT_PRECEDENCE` stays, then the smaller one: only this moves rows, and never out of `train`.

    Args:
        artworks: table `artworks`.
        images: table `images` (`artwork_id`, `status`, `sha256`, `perceptual_hash`).
        previous: table `splits` of the last run, if there is one.
        same_work: pairs of artworks, `left` and `right`, if there are any; one that is not in `artworks` joins nothing.

    Returns:
        `artwork_id`, `work_id`, one row an artwork, sorted by `artwork_id`; the same for any order of the rows.
    """
    from artpipe.splits.near_duplicates import near_duplicates

    artworks = artworks.unique("artwork_id").sort("artwork_id")
    ids: list[str] = artworks["artwork_id"].to_list()
    position = {artwork_id: i for i, artwork_id in enumerate(ids)}
    titles: list[str | None] = artworks["title"].to_list()
    is_part = [
        bool(is_detail) or shows_a_part(title)
        for is_detail, title in zip(artworks["is_detail"].to_list(), titles, strict=True)
    ]
    held = images.filter(pl.col("status").is_in(STORED))
    looks = near_duplicates(held.join(artworks.select("artwork_id", "artist_id", "title"), on="artwork_id"))

    union = _Union(len(ids))
    for group in _title_groups(artworks, is_part):
        union.join(group)
    pairs = looks.select("left", "right")
    if same_work is not None:
        pairs = pl.concat([pairs, same_work.select("left", "right")])
    for left, right in pairs.iter_rows():
        if left in position and right in position:
            union.join((position[left], position[right]))
    named = {} if previous is None else dict(previous.select("artwork_id", "work_id").iter_rows())
    for group in _same([(named.get(artwork_id), i) for i, artwork_id in enumerate(ids) if artwork_id in named]):
        union.join(group)

    precedence = _precedence(previous)
    members: dict[int, list[int]] = {}
    for i in range(len(ids)):
        members.setdefault(union.root(i), []).append(i)
    work_ids = [""] * len(ids)
    for group in members.values():
        names = {named[ids[i]] for i in group if ids[i] in named}
        if names:
            work_id = min(names, key=lambda name: (precedence[name], name))
        else:
            work_id = ids[min(group, key=lambda i: (is_part[i], ids[i]))]
        for i in group:
            work_ids[i] = work_id
    return pl.DataFrame(
        {"artwork_id": ids, "work_id": work_ids}, schema={"artwork_id": pl.String, "work_id": pl.String}
    )


def _title_groups(artworks: pl.DataFrame, is_part: list[bool]) -> Iterable[list[int]]:
    """Row numbers that titles join."""
    columns = ("artist_id", "artist", "form", "title", "date_text", "technique", "location")
    by_base: list[tuple[Hashable, int]] = []
    by_record: list[tuple[Hashable, int]] = []
    for i, (artist_id, artist, form, title, *record) in enumerate(artworks.select(columns).iter_rows()):
        maker = (artist_id or normalised(artist), form)
        base = base_title(title)
        if base:
            by_base.append(((maker, base), i))
        facts = tuple("" if (text or "").strip().casefold() in _UNKNOWN else normalised(text) for text in record)
        if normalised(title) and any(facts):
            by_record.append(((maker, normalised(title), facts), i))
    for group in _same(by_base):
        if any(is_part[i] for i in group):
            yield group
    yield from _same(by_record)


def _same(keyed: Iterable[tuple[Hashable, int]]) -> list[list[int]]:
    """Rows with one key, for the keys that have several."""
    groups: dict[Hashable, list[int]] = {}
    for key, i in keyed:
        groups.setdefault(key, []).append(i)
    return [group for group in groups.values() if len(group) > 1]


def _precedence(previous: pl.DataFrame | None) -> Mapping[str, int]:
    """The rank of every previous work's split; 0 wins."""
    if previous is None:
        return {}
    rank = {split: i for i, split in enumerate(SPLIT_PRECEDENCE)}
    ranks: dict[str, int] = {}
    for work_id, split in previous.select("work_id", "split").iter_rows():
        ranks[work_id] = min(ranks.get(work_id, len(rank)), rank.get(split, len(rank)))
    return ranks


class _Union:
    """Disjoint sets of the numbers below `size`."""

    def __init__(self, size: int) -> None:
        self.parent = list(range(size))

    def root(self, i: int) -> int:
        while self.parent[i] != i:
            self.parent[i] = i = self.parent[self.parent[i]]
        return i

    def join(self, group: Iterable[int]) -> None:
        first, *others = (self.root(i) for i in group)
        for other in others:
            self.parent[self.root(other)] = self.root(first)
