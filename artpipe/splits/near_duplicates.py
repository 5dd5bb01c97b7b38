"""Pairs of images that are photographs of one picture, found by the distance of their perceptual hashes.

The pairs tie artworks into works (`works.py`) and are looked for once more by the checks (`leaks.py`).
"""

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from numpy.typing import NDArray

HASH_BITS = 64
# Measured by looking at the near pairs among the 4,444 readable images of the recorded gallery. By two artists, both
# pairs within 4 bits are one picture; then chance begins: 1 pair at 6 bits and 6 at 8, none of them one picture, and a
# chance link costs an unseen artist (`assign.py`). By one artist, all but one of the 16 pairs within 6 bits, all 6 at 8
# and 3 of the 9 at 10 are one picture or versions of it.
NEAR_DUPLICATE_BITS = 4
"""Most differing bits of two photographs of one picture."""

SAME_ARTIST_BITS = 10
"""The same for two pictures by one artist, who is likelier to have painted the same than two artists are."""

# Nine pairs of the recorded gallery from 12 to 16 bits share such a word: the Abbey in the Oakwood twice, versions of
# Dedham Lock, the Last of England and the Olive Grove, and five that share a motif; doubt joins (`works.py`).
SAME_TITLE_BITS = 16
"""The same for two pictures by one artist whose titles share a telling word."""

TELLING_TITLES = 3
"""A word is telling if no more of its artist's titles hold it."""
_SHORT_WORD = 3

# A DCT hash has about 32 bits set; one far from that comes from a flat or nearly flat picture and says nothing.
BALANCED_BITS = (12, 52)
# More lookalikes than any painting has photographs: the hash describes a kind of picture, not this picture.
MOST_LOOKALIKES = 24


def near_duplicates(
    images: pl.DataFrame,
    max_bits: int = NEAR_DUPLICATE_BITS,
    same_artist_bits: int = SAME_ARTIST_BITS,
    most_lookalikes: int = MOST_LOOKALIKES,
    same_title_bits: int = SAME_TITLE_BITS,
) -> pl.DataFrame:
    """Pairs of artworks whose images are the same file or look the same.

    Hashes that say too little (flat pictures, and pictures with more than `most_lookalikes` lookalikes) give no pair;
    identical files always do.

    Args:
        images: `artwork_id`, `artist_id`, `sha256` and `perceptual_hash` (16 hex digits or null), one row an image;
            and `title`, where titles are to be compared.
        max_bits: most bits in which two hashes may differ.
        same_artist_bits: the same for two images by one artist.
        most_lookalikes: most other images that one image may look like.
        same_title_bits: most differing bits for two images by one artist whose titles share a telling word.

    Returns:
        `left`, `right` (artwork ids, left < right) and `bits` (Int64; 0 for identical files), sorted. Identical
        images are chained, not paired all with all, so that n copies give n - 1 pairs.
    """
    has_titles = "title" in images.columns
    title = pl.col("title") if has_titles else pl.lit(None, pl.String).alias("title")
    images = images.select("artwork_id", "artist_id", "sha256", "perceptual_hash", title)
    images = images.unique("artwork_id", keep="first")
    hashed = images.filter(pl.col("perceptual_hash").is_not_null()).sort("artwork_id")
    title_bits = same_title_bits if has_titles else same_artist_bits
    found = [
        _chained(images, "sha256"),
        *_lookalikes(hashed, max_bits, same_artist_bits, title_bits, most_lookalikes),
    ]
    return pl.concat(found).group_by("left", "right").agg(pl.col("bits").min()).sort("left", "right")


def pairs_within(hashes: "NDArray[np.uint64]", max_bits: int) -> "tuple[NDArray[np.int64], NDArray[np.int64]]":
    """Every pair of hashes that differ in at most `max_bits` bits, exactly.

    Two hashes within `max_bits` agree wholly in one of `max_bits + 1` bands, so only hashes that share a band are
    compared (multi-index hashing, Norouzi et al., arXiv:1307.2982).

    Returns:
        Two index arrays i < j, each pair once, sorted.
    """
    n = len(hashes)
    found: list[NDArray[np.int64]] = []
    edges = np.linspace(0, HASH_BITS, max_bits + 2).round().astype(np.uint64)
    for low, high in pairwise(edges):
        if low == high:
            continue
        mask = np.uint64((1 << int(high - low)) - 1)
        band = (hashes >> low) & mask
        order = np.argsort(band, kind="stable")
        starts = np.flatnonzero(np.diff(band[order], prepend=band[order][:1] + np.uint64(1))) if n else order
        for bucket in np.split(order, starts[1:]):
            found.extend(_pairs_in(hashes, bucket, max_bits))
    codes = np.unique(np.concatenate(found)) if found else np.empty(0, np.int64)
    return codes // max(n, 1), codes % max(n, 1)


def _pairs_in(
    hashes: "NDArray[np.uint64]", bucket: "NDArray[np.int64]", max_bits: int, block: int = 1024
) -> "list[NDArray[np.int64]]":
    """Pairs inside one bucket as codes `i * n + j`, compared in blocks so that memory stays flat."""
    found: list[NDArray[np.int64]] = []
    for start in range(0, len(bucket) - 1, block):
        rows, columns = bucket[start : start + block], bucket[start:]
        near = np.bitwise_count(hashes[rows][:, None] ^ hashes[columns][None, :]) <= max_bits
        i, j = np.nonzero(np.triu(near, 1))
        if len(i):
            left, right = rows[i], columns[j]
            found.append(np.minimum(left, right) * len(hashes) + np.maximum(left, right))
    return found


def hash_values(hex_hashes: pl.Series) -> "NDArray[np.uint64]":
    """Perceptual hashes as 64-bit integers."""
    return np.array([int(text, 16) for text in hex_hashes], dtype=np.uint64)


def _lookalikes(
    images: pl.DataFrame, max_bits: int, same_artist_bits: int, same_title_bits: int, most_lookalikes: int
) -> list[pl.DataFrame]:
    """Pairs by perceptual hash: equal hashes chained, others by the first artwork of each hash and artist."""
    values = hash_values(images["perceptual_hash"])
    bits_set = np.bitwise_count(values)
    balanced = (bits_set >= BALANCED_BITS[0]) & (bits_set <= BALANCED_BITS[1])
    distinct, number = np.unique(values[balanced], return_inverse=True)
    images = images.filter(balanced).with_columns(pl.Series("hash", number, dtype=pl.Int64))
    i, j = _candidates(distinct, images, max_bits, max(same_artist_bits, same_title_bits))
    bits = np.bitwise_count(distinct[i] ^ distinct[j]).astype(np.int64)

    first = pl.col("artwork_id", "title").sort_by("artwork_id").first()
    ends = images.group_by("hash", "artist_id").agg(first, pl.len().cast(pl.Int64).alias("images"))
    is_same_artist = pl.col("artist_id") == pl.col("artist_id_other")
    near = (
        pl.DataFrame({"hash": i, "other": j, "bits": bits}, schema=dict.fromkeys(("hash", "other", "bits"), pl.Int64))
        .join(ends, on="hash")
        .join(ends, left_on="other", right_on="hash", suffix="_other")
        .filter((pl.col("bits") <= max_bits) | is_same_artist)
    )
    is_far = (near["bits"] > max_bits) & (near["bits"] > same_artist_bits)
    near = pl.concat([near.filter(~is_far), _titled_alike(near.filter(is_far), images)])
    lookalikes = np.bincount(number, minlength=len(distinct)) - 1
    np.add.at(lookalikes, near["hash"].to_numpy(), near["images_other"].to_numpy())
    np.add.at(lookalikes, near["other"].to_numpy(), near["images"].to_numpy())
    telling = np.flatnonzero(lookalikes <= most_lookalikes).tolist()
    near = near.filter(pl.col("hash").is_in(telling) & pl.col("other").is_in(telling))
    return [
        _pairs(near["artwork_id"], near["artwork_id_other"], near["bits"]),
        _chained(images.filter(pl.col("hash").is_in(telling)), "hash"),
    ]


def _titled_alike(pairs: pl.DataFrame, images: pl.DataFrame) -> pl.DataFrame:
    """The pairs whose titles have half of the shorter one's words in common, among them a telling one."""
    if pairs.is_empty():
        return pairs
    words = {title: _words(title) for title in images["title"].unique()}
    titles: dict[tuple[str | None, str], set[frozenset[str]]] = {}
    for artist, title in images.select("artist_id", "title").unique().iter_rows():
        for word in words[title]:
            titles.setdefault((artist, word), set()).add(words[title])

    def is_alike(artist: str | None, title: str | None, other: str | None) -> bool:
        shared = words[title] & words[other]
        is_told = any(len(titles[artist, word]) <= TELLING_TITLES for word in shared)
        return is_told and 2 * len(shared) >= min(len(words[title]), len(words[other]))

    kept = [is_alike(*told) for told in pairs.select("artist_id", "title", "title_other").iter_rows()]
    return pairs.filter(pl.Series(kept, dtype=pl.Boolean))


def _words(title: str | None) -> frozenset[str]:
    from artpipe.splits.works import base_title

    return frozenset(word for word in base_title(title).split() if len(word) > _SHORT_WORD)


def _candidates(
    distinct: "NDArray[np.uint64]", images: pl.DataFrame, max_bits: int, same_artist_bits: int
) -> "tuple[NDArray[np.int64], NDArray[np.int64]]":
    """Pairs of hashes near enough for two artists, and those near enough for one, as index arrays i < j."""
    i, j = pairs_within(distinct, max_bits)
    found = [i * len(distinct) + j]
    if same_artist_bits > max_bits:
        known = images.filter(pl.col("artist_id").is_not_null())
        for hashes in known.group_by("artist_id").agg(pl.col("hash").unique())["hash"]:
            found.extend(_pairs_in(distinct, hashes.to_numpy(), same_artist_bits))
    codes = np.unique(np.concatenate(found))
    return codes // max(len(distinct), 1), codes % max(len(distinct), 1)


def _chained(images: pl.DataFrame, key: str) -> pl.DataFrame:
    """Each artwork paired with the next one that has the same `key`."""
    pairs = (
        images.filter(pl.col(key).is_not_null())
        .sort("artwork_id")
        .with_columns(pl.col("artwork_id").shift(-1).over(key).alias("next"))
        .filter(pl.col("next").is_not_null())
    )
    return _pairs(pairs["artwork_id"], pairs["next"], pl.repeat(0, len(pairs), dtype=pl.Int64, eager=True))


def _pairs(a: pl.Series, b: pl.Series, bits: pl.Series) -> pl.DataFrame:
    frame = pl.DataFrame({"a": a, "b": b, "bits": bits}, schema={"a": pl.String, "b": pl.String, "bits": pl.Int64})
    return frame.select(pl.min_horizontal("a", "b").alias("left"), pl.max_horizontal("a", "b").alias("right"), "bits")
