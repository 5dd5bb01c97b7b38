"""Leaks: held-out images of works that the model was trained on under another name.

The splits join what titles, files and perceptual hashes show to be one work. Vectors of a trained model find what they
miss: the nearest training images are the candidates, and two tests without vectors confirm them, the perceptual hash
and the geometric verification of local features. Confirmed pairs are shown, left out of a second set of figures, and
written in the columns of `overrides/same_work.csv`, so that a person can join the works before the next split.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from artpipe.splits.assign import HELD_OUT
from artpipe.splits.near_duplicates import hash_values
from artpipe.splits.overrides import SAME_WORK
from artpipe.vectors.grouped import nearest_in_other_groups

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from artpipe.images.pixels import JpegSource
    from artpipe.recognition.geometry import Alignment
    from artpipe.recognition.local_features import Grey

MAX_CANDIDATES = 200
NEIGHBOURS = 3
"""Training images that each held-out image is compared with."""
OTHER_ARTIST_QUANTILE = 0.75
"""Two images by two artists hardly ever show one picture. A pair is a candidate if its similarity is above this
quantile, over the held-out images, of the similarity with the nearest training image by another artist."""

# Inspected in two galleries, pairs of one work and the most similar of two (4,444 recorded and 888 drawn pictures): two
# photographs of one picture agree at half of the local features or more, and pictures that share a figure at 46 % at
# most. A repainted picture keeps a tenth of them, as do other figures in one pose, but then its hash is near as well.
# The hash alone proves nothing: two portraits of Hals differ in 6 bits and in every local feature.
SAME_PICTURE_RATIO = 0.5
VERSION_RATIO = 0.1
VERSION_BITS = 10
SAME_PICTURE, VERSION = "the same picture", "a version of it"

PAIRS = pl.Schema(
    {
        "held_out": pl.String(),
        "train": pl.String(),
        "split": pl.String(),
        "similarity": pl.Float64(),
        "bits": pl.Int64(),
        "inliers": pl.Int64(),
        "inlier_ratio": pl.Float64(),
        "verdict": pl.String(),
    }
)
"""One row is a held-out image and a training image that may show the same work.

`bits` is the Hamming distance of the perceptual hashes; `inliers` and `inlier_ratio` are those of `Alignment`;
`verdict` is null where the pair is not confirmed.
"""


@dataclass(frozen=True)
class Leaks:
    """The candidates and which of them are confirmed.

    Attributes:
        threshold: similarity from which on a pair was a candidate; None where there was nothing to compare.
        pairs: table `PAIRS`: every candidate, the most similar first.
    """

    threshold: float | None
    pairs: pl.DataFrame

    @property
    def confirmed(self) -> pl.DataFrame:
        """The confirmed pairs."""
        return self.pairs.filter(pl.col("verdict").is_not_null())

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "threshold": self.threshold,
            "candidates": self.pairs.height,
            "confirmed": self.confirmed.to_dicts(),
        }


def find_candidates(rows: pl.DataFrame, vectors: "NDArray[np.float32]") -> tuple[float | None, pl.DataFrame]:
    """Held-out images and the training images most similar to them.

    Args:
        rows: `artwork_id`, `work_id`, `artist_id`, `split` of N images.
        vectors: float32 (N, D), rows of length 1.

    Returns:
        The similarity from which on a pair is a candidate, and `held_out`, `train`, `split`, `similarity` of at most
        `MAX_CANDIDATES` pairs.
    """
    columns = {name: PAIRS[name] for name in ("held_out", "train", "split", "similarity")}
    split = rows["split"].to_numpy()
    queries, train = np.flatnonzero(np.isin(split, HELD_OUT)), np.flatnonzero(split == "train")
    if not len(queries) or not len(train):
        return None, pl.DataFrame(schema=columns)
    artists = [name or f"unknown {i}" for i, name in enumerate(rows["artist_id"])]
    _, by_others = nearest_in_other_groups(vectors, artists, queries, 1, train)
    by_others = by_others[np.isfinite(by_others)]
    if not len(by_others):
        return None, pl.DataFrame(schema=columns)
    threshold = float(np.quantile(by_others, OTHER_ARTIST_QUANTILE))
    found, similarity = nearest_in_other_groups(vectors, rows["work_id"].to_list(), queries, NEIGHBOURS, train)
    at, rank = np.nonzero(np.isfinite(similarity) & (similarity >= threshold))
    order = np.argsort(-similarity[at, rank], kind="stable")[:MAX_CANDIDATES]
    at, rank = at[order], rank[order]
    ids = rows["artwork_id"].to_numpy()
    pairs = {
        "held_out": ids[queries[at]],
        "train": ids[found[at, rank]],
        "split": split[queries[at]],
        "similarity": similarity[at, rank].astype(np.float64),
    }
    return threshold, pl.DataFrame({name: list(values) for name, values in pairs.items()}, schema=columns)


def confirm(candidates: pl.DataFrame, hashes: Mapping[str, str | None], images: "JpegSource") -> pl.DataFrame:
    """Confirm candidates by perceptual hash and local features.

    Args:
        candidates: `held_out`, `train`, `split`, `similarity`.
        hashes: the perceptual hash of each artwork.
        images: the stored JPEGs.

    Returns:
        Table `PAIRS`.
    """
    pairs = list(candidates.select("held_out", "train").iter_rows())
    alignments = _alignments(pairs, images)
    bits = [_bits(hashes.get(left), hashes.get(right)) for left, right in pairs]
    verdicts = [verdict(each, alignments[pair].inlier_ratio) for each, pair in zip(bits, pairs, strict=True)]
    return candidates.with_columns(
        pl.Series("bits", bits, PAIRS["bits"]),
        pl.Series("inliers", [alignments[pair].inliers for pair in pairs], PAIRS["inliers"]),
        pl.Series("inlier_ratio", [alignments[pair].inlier_ratio for pair in pairs], PAIRS["inlier_ratio"]),
        pl.Series("verdict", verdicts, PAIRS["verdict"]),
    ).select(list(PAIRS))


def verdict(bits: int | None, inlier_ratio: float) -> str | None:
    """What the Hamming distance of the hashes and the inlier ratio prove; None where they prove nothing."""
    if inlier_ratio >= SAME_PICTURE_RATIO:
        return SAME_PICTURE
    return VERSION if inlier_ratio >= VERSION_RATIO and bits is not None and bits <= VERSION_BITS else None


def without_leaks(rows: pl.DataFrame, leaks: Leaks) -> pl.DataFrame:
    """The rows without the held-out works that the model was trained on."""
    leaking = rows.filter(pl.col("artwork_id").is_in(leaks.confirmed["held_out"].implode()))["work_id"]
    return rows.filter(~(pl.col("work_id").is_in(leaking.implode()) & pl.col("split").is_in(HELD_OUT)))


def same_work_csv(confirmed: pl.DataFrame, by: str, at: str) -> bytes:
    """The confirmed pairs as lines of `overrides/same_work.csv`, for a person to review and copy.

    Args:
        confirmed: rows of `PAIRS`.
        by: author of the suggestions, such as `model 3fa9`.
        at: time, ISO 8601.
    """
    bits = pl.when(pl.col("bits").is_null()).then(pl.lit("no hash")).otherwise(pl.format("{} bits apart", "bits"))
    shared = (100 * pl.col("inlier_ratio")).round().cast(pl.Int64)
    lines = confirmed.select(
        pl.min_horizontal("held_out", "train").alias("left"),
        pl.max_horizontal("held_out", "train").alias("right"),
        pl.lit(by).alias("by"),
        pl.format(
            "{}: similarity {}, {}% of the local features in common, {}",
            "verdict", pl.col("similarity").round(2), shared, bits,
        ).alias("reason"),
        pl.lit(at).alias("at"),
    )  # fmt: skip
    return lines.select(list(SAME_WORK)).write_csv().encode()


def _alignments(pairs: Sequence[tuple[str, str]], images: "JpegSource") -> dict[tuple[str, str], "Alignment"]:
    """The better alignment of each pair, either image warped onto the other: a detail covers a part of its picture.

    OpenCV computes outside Python's lock, so a thread for each core helps.
    """
    from artpipe.recognition.geometry import best_alignment
    from artpipe.recognition.local_features import STORED_POINTS, STORED_SHORT_SIDE_PX, describe, grey_picture

    names = sorted({name for pair in pairs for name in pair})

    def grey_of(jpeg: bytes) -> "Grey":
        return grey_picture(jpeg, STORED_SHORT_SIDE_PX)

    def aligned(pair: tuple[str, str]) -> "Alignment":
        ways = (pair, pair[::-1])
        each = [best_alignment(greys[one], features[one], {other: features[other]}) for one, other in ways]
        return max(each, key=lambda alignment: alignment.inlier_ratio)

    with ThreadPoolExecutor() as pool:
        greys = dict(zip(names, pool.map(grey_of, images.jpegs(names)), strict=True))
        described = pool.map(lambda name: describe(greys[name], STORED_POINTS), names)
        features = dict(zip(names, described, strict=True))
        return dict(zip(pairs, pool.map(aligned, pairs), strict=True))


def _bits(left: str | None, right: str | None) -> int | None:
    if left is None or right is None:
        return None
    one, other = hash_values(pl.Series([left, right]))
    return int(np.bitwise_count(one ^ other))
