"""Pairs of images that are photographs of one picture, found by the Hamming distance of their perceptual hashes.

The pairs join artworks into works (`works.py`); a check (`leaks.py`) proves afterwards that none crosses two splits.
"""

from itertools import combinations, pairwise
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from artpipe.catalog.titles import base_title
from artpipe.images.fingerprint import BALANCED_BITS
from artpipe.images.placeholders import MAX_ARTISTS
from artpipe.schema import STORED

if TYPE_CHECKING:
    from numpy.typing import NDArray

HASH_BITS = 64
# Measured by inspecting the near pairs among the 4,444 readable images of the recorded gallery. By two artists, both
# pairs within 4 bits are one picture; then chance begins: 1 pair at 6 bits and 6 at 8, none of them one picture, and a
# chance link costs an unseen artist (`assign.py`). By one artist, all but one of the 16 pairs within 6 bits, all 6 at 8
# and 3 of the 9 at 10 are one picture or versions of it.
MAX_BITS = 4
"""Largest Hamming distance of two photographs of one picture."""

MAX_BITS_SAME_ARTIST = 10
"""The same for two pictures by one artist, who is likelier to have painted the same than two artists are."""

# Nine pairs of the recorded gallery from 12 to 16 bits share such a word: the Abbey in the Oakwood twice, versions of
# Dedham Lock, the Last of England and the Olive Grove, and five that share a motif; doubt joins (`works.py`).
MAX_BITS_SAME_TITLE = 16
"""The same for two pictures by one artist whose titles share a distinctive word."""

MAX_TITLES_OF_DISTINCTIVE_WORD = 3
"""A word is distinctive if at most this many of its artist's titles hold it."""
_MIN_WORD_LETTERS = 4

# More than any painting has photographs: the hash describes a kind of picture, not this picture.
MAX_LOOKALIKES = 24

MAX_HASHES_BY_ONE_BAND = 500_000
"""Up to so many hashes, 60 share a band of 13 bits, and comparing them takes less than sorting them by two bands."""

NEAR_DUPLICATES = pl.Schema({"left": pl.String(), "right": pl.String(), "bits": pl.Int64()})
"""One row is two artworks, left < right, whose images are one file or look alike; `bits` is their Hamming distance."""


def find_near_duplicates(artworks: pl.DataFrame, images: pl.DataFrame) -> pl.DataFrame:
    """Pairs of artworks whose stored images are the same file or look alike.

    Hashes that identify too little give no pair: those of flat pictures, and those with more than `MAX_LOOKALIKES`
    lookalikes, or lookalikes by more than `MAX_ARTISTS` artists. Identical files always do: one that many works share
    is a placeholder, and not stored.

    Args:
        artworks: `artwork_id`, `artist_id`, `title`.
        images: `artwork_id`, `status`, `sha256` and `perceptual_hash` (16 hex digits or null), one row an image.

    Returns:
        Table `NEAR_DUPLICATES`, sorted. Identical images are chained, not paired all with all, so that n copies give
        n - 1 pairs.
    """
    images = (
        images.filter(pl.col("status").is_in(STORED))
        .select("artwork_id", "sha256", "perceptual_hash")
        .join(artworks.select("artwork_id", "artist_id", "title"), on="artwork_id")
        .unique("artwork_id", keep="first")
    )
    found = [_chained(images, "sha256"), *_lookalikes(images.drop_nulls("perceptual_hash").sort("artwork_id"))]
    return pl.concat(found).group_by("left", "right").agg(pl.col("bits").min()).sort("left", "right")


def pairs_within(hashes: "NDArray[np.uint64]", max_bits: int) -> "tuple[NDArray[np.int64], NDArray[np.int64]]":
    """Every pair of hashes that differ in at most `max_bits` bits, exactly.

    Two hashes within `max_bits` agree wholly in one of `max_bits + 1` bands, and in two of `max_bits + 2`, so only
    hashes that share one are compared (multi-index hashing, Norouzi et al., arXiv:1307.2982); or two, where there are
    so many hashes that a band alone would be shared by hundreds.

    Returns:
        Two index arrays i < j, each pair once, sorted.
    """
    shared = 1 if len(hashes) <= MAX_HASHES_BY_ONE_BAND else 2
    edges = np.linspace(0, HASH_BITS, max_bits + shared + 1).round().astype(int).tolist()
    bands = [(1 << high) - (1 << low) for low, high in pairwise(edges)]
    found = [_agreeing(hashes, np.uint64(sum(chosen)), max_bits) for chosen in combinations(bands, shared)]
    return _unique_pairs(found, len(hashes))


def _agreeing(hashes: "NDArray[np.uint64]", mask: np.uint64, max_bits: int) -> "NDArray[np.int64]":
    """The pairs that agree in these bits and are near enough, as codes `i * n + j`."""
    order = np.argsort(hashes & mask, kind="stable")
    by_band = hashes[order]
    found: list[NDArray[np.int64]] = []
    first = np.arange(len(hashes))
    for distance in range(1, len(hashes)):
        first = first[: np.searchsorted(first, len(hashes) - distance)]
        differing = by_band[first] ^ by_band[first + distance]
        is_same = (differing & mask) == 0
        first, differing = first[is_same], differing[is_same]
        if not len(first):
            break
        near = first[np.bitwise_count(differing) <= max_bits]
        left, right = order[near], order[near + distance]
        found.append(np.minimum(left, right) * len(hashes) + np.maximum(left, right))
    return np.concatenate([np.empty(0, np.int64), *found])


def _pairs_in(
    hashes: "NDArray[np.uint64]", bucket: "NDArray[np.int64]", max_bits: int, block: int = 1024
) -> "list[NDArray[np.int64]]":
    """Pairs inside one bucket as codes `i * n + j`, compared in blocks so that memory stays flat."""
    found: list[NDArray[np.int64]] = []
    for start in range(0, len(bucket) - 1, block):
        rows, columns = bucket[start : start + block], bucket[start:]
        near = np.bitwise_count(hashes[rows][:, None] ^ hashes[columns][None, :]) <= max_bits
        i, j = np.nonzero(np.triu(near, 1))
        left, right = rows[i], columns[j]
        found.append(np.minimum(left, right) * len(hashes) + np.maximum(left, right))
    return found


def _unique_pairs(codes: "list[NDArray[np.int64]]", n: int) -> "tuple[NDArray[np.int64], NDArray[np.int64]]":
    """Each pair of codes `i * n + j` once."""
    unique = np.unique(np.concatenate([np.empty(0, np.int64), *codes]))
    i, j = np.divmod(unique, max(n, 1))
    return i, j


def hash_values(hex_hashes: pl.Series) -> "NDArray[np.uint64]":
    """Perceptual hashes as 64-bit integers."""
    return np.frombuffer(bytes.fromhex("".join(hex_hashes)), dtype=">u8").astype(np.uint64)


def _lookalikes(images: pl.DataFrame) -> list[pl.DataFrame]:
    """Pairs by perceptual hash: equal hashes chained, others by the first artwork of each hash and artist."""
    values = hash_values(images["perceptual_hash"])
    bits_set = np.bitwise_count(values)
    balanced = (bits_set >= BALANCED_BITS[0]) & (bits_set <= BALANCED_BITS[1])
    distinct, number = np.unique(values[balanced], return_inverse=True)
    images = images.filter(balanced).with_columns(pl.Series("hash", number, dtype=pl.Int64))
    i, j = _candidates(distinct, images)
    bits = np.bitwise_count(distinct[i] ^ distinct[j]).astype(np.int64)

    first = pl.col("artwork_id", "title").sort_by("artwork_id").first()
    ends = images.group_by("hash", "artist_id").agg(first, pl.len().cast(pl.Int64).alias("images"))
    near = (
        pl.DataFrame({"hash": i, "other": j, "bits": bits}, schema=dict.fromkeys(("hash", "other", "bits"), pl.Int64))
        .join(ends, on="hash")
        .join(ends, left_on="other", right_on="hash", suffix="_other")
        .filter((pl.col("bits") <= MAX_BITS) | (pl.col("artist_id") == pl.col("artist_id_other")))
    )
    needs_title = near["bits"] > MAX_BITS_SAME_ARTIST
    near = pl.concat([near.filter(~needs_title), _share_title_words(near.filter(needs_title), images)])
    lookalikes = np.bincount(number, minlength=len(distinct)) - 1
    np.add.at(lookalikes, near["hash"].to_numpy(), near["images_other"].to_numpy())
    np.add.at(lookalikes, near["other"].to_numpy(), near["images"].to_numpy())
    is_distinctive = (lookalikes <= MAX_LOOKALIKES) & (_artists(images, near, len(distinct)) <= MAX_ARTISTS)
    distinctive = np.flatnonzero(is_distinctive).tolist()
    near = near.filter(pl.col("hash").is_in(distinctive) & pl.col("other").is_in(distinctive))
    return [
        _pairs(near["artwork_id"], near["artwork_id_other"], near["bits"]),
        _chained(images.filter(pl.col("hash").is_in(distinctive)), "hash"),
    ]


def _artists(images: pl.DataFrame, near: pl.DataFrame, hashes: int) -> "NDArray[np.int64]":
    """Under how many artists each hash, or one within `MAX_BITS` of it, is found."""
    close = near.filter(pl.col("bits") <= MAX_BITS)
    each = pl.concat(
        [
            images.select("hash", "artist_id"),
            close.select("hash", artist_id="artist_id_other"),
            close.select(hash="other", artist_id="artist_id"),
        ]
    ).unique()
    return np.bincount(each["hash"].to_numpy(), minlength=hashes)


def _share_title_words(pairs: pl.DataFrame, images: pl.DataFrame) -> pl.DataFrame:
    """The pairs whose titles have half of the shorter one's words in common, among them a distinctive one."""
    images = images.join(pairs, on="artist_id", how="semi", nulls_equal=True)  # mostly few, and by few artists
    words = {title: _words(title) for title in images["title"].unique()}
    titles: dict[tuple[str | None, str], set[frozenset[str]]] = {}
    for artist, title in images.select("artist_id", "title").unique().iter_rows():
        for word in words[title]:
            titles.setdefault((artist, word), set()).add(words[title])

    def share(artist: str | None, title: str | None, other: str | None) -> bool:
        shared = words[title] & words[other]
        has_distinctive = any(len(titles[artist, word]) <= MAX_TITLES_OF_DISTINCTIVE_WORD for word in shared)
        return has_distinctive and 2 * len(shared) >= min(len(words[title]), len(words[other]))

    kept = [share(*row) for row in pairs.select("artist_id", "title", "title_other").iter_rows()]
    return pairs.filter(pl.Series(kept, dtype=pl.Boolean))


def _words(title: str | None) -> frozenset[str]:
    return frozenset(word for word in base_title(title).split() if len(word) >= _MIN_WORD_LETTERS)


def _candidates(distinct: "NDArray[np.uint64]", images: pl.DataFrame) -> "tuple[NDArray[np.int64], NDArray[np.int64]]":
    """Pairs of hashes near enough for two artists, and those near enough for one, as index arrays i < j."""
    i, j = pairs_within(distinct, MAX_BITS)
    found = [i * len(distinct) + j]
    known = images.filter(pl.col("artist_id").is_not_null())
    for hashes in known.group_by("artist_id").agg(pl.col("hash").unique())["hash"]:
        found.extend(_pairs_in(distinct, hashes.to_numpy(), MAX_BITS_SAME_TITLE))
    return _unique_pairs(found, len(distinct))


def _chained(images: pl.DataFrame, key: str) -> pl.DataFrame:
    """Each artwork paired with the next one that has the same `key`."""
    following = pl.col("artwork_id").shift(-1).over(key).alias("next")
    pairs = images.drop_nulls(key).sort("artwork_id").with_columns(following).drop_nulls("next")
    return _pairs(pairs["artwork_id"], pairs["next"], pl.repeat(0, len(pairs), dtype=pl.Int64, eager=True))


def _pairs(a: pl.Series, b: pl.Series, bits: pl.Series) -> pl.DataFrame:
    pairs = pl.DataFrame({"left": a, "right": b, "bits": bits}, schema=NEAR_DUPLICATES)
    return pairs.with_columns(left=pl.min_horizontal("left", "right"), right=pl.max_horizontal("left", "right"))
