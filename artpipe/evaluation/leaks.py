"""Held-out pictures of works that the model was taught under another name: found by vectors, confirmed without them.

The splits join what titles, files and perceptual hashes say is one work. What they miss, a trained model sees: its
nearest taught pictures are the candidates, and two witnesses that know nothing of vectors decide, the perceptual hash
and the geometry of local features. What is confirmed is shown, left out of a second set of figures, and written down in
the columns of `overrides/same_work.csv`, so that a person can join the works before the next split.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from artpipe.evaluation.retrieval import nearest
from artpipe.splits.assign import HELD_OUT
from artpipe.splits.near_duplicates import hash_values

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from artpipe.images.pixels import JpegSource
    from artpipe.recognition.geometry import Agreement
    from artpipe.recognition.local_features import Grey

MOST_CANDIDATES = 200
NEIGHBOURS = 3
"""Taught pictures that each held-out picture is compared with."""
STRANGERS_BELOW = 0.75
"""Two pictures by two artists are hardly ever one picture. A pair is a candidate if it is more alike than the nearest
taught picture by another artist is for so many of the held-out ones."""

# Looked at in two galleries, pairs of one work and the most alike of two (4,444 recorded and 888 drawn pictures): laid
# one over the other, two photographs of one picture look the same at half of the points or more, and pictures that
# share a figure at 46 % at most. A picture painted again keeps a tenth of them, as do strangers in one pose, but then
# its hash is near as well. The hash alone proves nothing: two portraits of Hals differ in 6 bits and in every point.
SAME_PICTURE_SHARE = 0.5
VERSION_SHARE = 0.1
VERSION_BITS = 10
SAME_PICTURE, VERSION = "the same picture", "a version of it"

SUGGESTED = ("left", "right", "by", "reason", "at")
"""The columns of `overrides/same_work.csv`."""

PAIRS = pl.Schema(
    {
        "held_out": pl.String(),
        "taught": pl.String(),
        "split": pl.String(),
        "similarity": pl.Float64(),
        "bits": pl.Int64(),
        "points": pl.Int64(),
        "share": pl.Float64(),
        "verdict": pl.String(),
    }
)
"""One row is a held-out picture and a taught one that it may be.

`points` of the one look the same in the other where one is laid over the other, `share` of those that it covers, by the
lower end of the 95 % interval; `verdict` is null where the witnesses say no.
"""


@dataclass(frozen=True)
class Leaks:
    """What the hunt found.

    Attributes:
        threshold: similarity from which on a pair was a candidate; None where there was nothing to compare.
        pairs: table `PAIRS`: every candidate, the most alike first.
    """

    threshold: float | None
    pairs: pl.DataFrame

    @property
    def confirmed(self) -> pl.DataFrame:
        """The pairs that the witnesses confirmed."""
        return self.pairs.filter(pl.col("verdict").is_not_null())

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "threshold": self.threshold,
            "candidates": self.pairs.height,
            "confirmed": self.confirmed.to_dicts(),
        }


def find_candidates(
    rows: pl.DataFrame, vectors: "NDArray[np.float32]", most: int = MOST_CANDIDATES
) -> tuple[float | None, pl.DataFrame]:
    """Held-out pictures and the taught pictures that look most like them.

    Args:
        rows: `artwork_id`, `work_id`, `artist_id`, `split` of N pictures.
        vectors: float32 (N, D), rows of length 1.
        most: at most so many pairs, the most alike.

    Returns:
        The similarity from which on a pair is a candidate, and `held_out`, `taught`, `split`, `similarity`.
    """
    columns = {name: PAIRS[name] for name in ("held_out", "taught", "split", "similarity")}
    split, artist = rows["split"].to_numpy(), rows["artist_id"].to_list()
    asked, taught = np.flatnonzero(np.isin(split, HELD_OUT)), np.flatnonzero(split == "train")
    if not len(asked) or not len(taught):
        return None, pl.DataFrame(schema=columns)
    ids = rows["artwork_id"].to_list()
    found, similarity = nearest(vectors, rows["work_id"].to_list(), asked, NEIGHBOURS, taught)
    makers = [name or f"unknown {i}" for i, name in enumerate(artist)]
    _, strangers = nearest(vectors, makers, asked, 1, taught)
    known = strangers[np.isfinite(strangers)]
    if not len(known):
        return None, pl.DataFrame(schema=columns)
    threshold = float(np.quantile(known, STRANGERS_BELOW))
    at, rank = np.nonzero(np.isfinite(similarity) & (similarity >= threshold))
    order = np.argsort(-similarity[at, rank], kind="stable")[:most]
    at, rank = at[order], rank[order]
    pairs = {
        "held_out": [ids[asked[i]] for i in at],
        "taught": [ids[i] for i in found[at, rank]],
        "split": split[asked[at]].tolist(),
        "similarity": similarity[at, rank].astype(np.float64),
    }
    return threshold, pl.DataFrame(pairs, schema=columns)


def confirm(
    candidates: pl.DataFrame,
    hashes: Mapping[str, str | None],
    images: "JpegSource",
) -> pl.DataFrame:
    """Ask the two witnesses about each candidate.

    Args:
        candidates: `held_out`, `taught`, `split`, `similarity`.
        hashes: the perceptual hash of each artwork.
        images: the stored JPEGs.

    Returns:
        Table `PAIRS`.
    """
    pairs = list(candidates.select("held_out", "taught").iter_rows())
    agreed = _agreements(pairs, images)
    bits = [_bits(hashes.get(left), hashes.get(right)) for left, right in pairs]
    verdicts = [verdict(each, agreed[pair].share) for each, pair in zip(bits, pairs, strict=True)]
    return candidates.with_columns(
        pl.Series("bits", bits, PAIRS["bits"]),
        pl.Series("points", [agreed[pair].points for pair in pairs], PAIRS["points"]),
        pl.Series("share", [agreed[pair].share for pair in pairs], PAIRS["share"]),
        pl.Series("verdict", verdicts, PAIRS["verdict"]),
    ).select(list(PAIRS))


def verdict(bits: int | None, share: float) -> str | None:
    """What a perceptual hash that differs in `bits` bits and such a share of agreeing points say; None is a no."""
    if share >= SAME_PICTURE_SHARE:
        return SAME_PICTURE
    return VERSION if share >= VERSION_SHARE and bits is not None and bits <= VERSION_BITS else None


def without_leaks(rows: pl.DataFrame, leaks: Leaks) -> pl.DataFrame:
    """The rows without the held-out works of which a picture was taught."""
    leaking = rows.filter(pl.col("artwork_id").is_in(leaks.confirmed["held_out"].implode()))["work_id"]
    return rows.filter(~(pl.col("work_id").is_in(leaking.implode()) & pl.col("split").is_in(HELD_OUT)))


def same_work_csv(confirmed: pl.DataFrame, by: str, at: str) -> bytes:
    """The confirmed pairs as lines of `overrides/same_work.csv`, for a person to look at and take over.

    Args:
        confirmed: rows of `PAIRS`.
        by: who says so, such as `model 3fa9`.
        at: when, ISO 8601.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(SUGGESTED)
    for pair in confirmed.iter_rows(named=True):
        left, right = sorted((pair["held_out"], pair["taught"]))
        bits = "no hash" if pair["bits"] is None else f"{pair['bits']} bits apart"
        shared = f"{pair['share']:.0%} of the points in common"
        said = f"{pair['verdict']}: similarity {pair['similarity']:.2f}, {shared}, {bits}"
        writer.writerow((left, right, by, said, at))
    return out.getvalue().encode()


def _agreements(pairs: Sequence[tuple[str, str]], images: "JpegSource") -> dict[tuple[str, str], "Agreement"]:
    """How far each pair agrees, whichever is laid over the other: a detail covers a part of its picture alone.

    OpenCV computes outside Python's lock, so a thread for each core helps.
    """
    from artpipe.recognition.geometry import best_agreement
    from artpipe.recognition.local_features import STORED_POINTS, STORED_SHORT_SIDE_PX, describe, grey_picture

    names = sorted({name for pair in pairs for name in pair})

    def grey_of(jpeg: bytes) -> "Grey":
        return grey_picture(jpeg, STORED_SHORT_SIDE_PX)

    def compared(pair: tuple[str, str]) -> "Agreement":
        ways = (pair, pair[::-1])
        each = [best_agreement(greys[one], points[one], [{other: points[other]}])[1] for one, other in ways]
        return max(each, key=lambda agreed: agreed.share)

    with ThreadPoolExecutor() as pool:
        greys = dict(zip(names, pool.map(grey_of, images.jpegs(names)), strict=True))
        found = pool.map(lambda name: describe(greys[name], STORED_POINTS), names)
        points = dict(zip(names, found, strict=True))
        return dict(zip(pairs, pool.map(compared, pairs), strict=True))


def _bits(left: str | None, right: str | None) -> int | None:
    if left is None or right is None:
        return None
    one, other = hash_values(pl.Series([left, right]))
    return int(np.bitwise_count(one ^ other))
