"""Fits what tells paintings from other pictures: which pictures are compared with, and the thresholds.

Works that the model learned from are the reference. Works that it did not learn from set the thresholds, so that nearly
all of them pass. Pictures drawn by code stand for what is no painting. `paintings.py` has the two rules. Some works are
also shown in all four positions, so that photographs are turned upright; see `positions.py`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from artpipe.images.reading import read_picture
from artpipe.models.learned import without_learned
from artpipe.progress import Progress, SilentProgress
from artpipe.recognition.rephotograph import rephotograph
from artpipe.recognition.view import WHOLE
from artpipe.search.drawn_pictures import KINDS, drawn_picture
from artpipe.search.paintings import NEIGHBOURS, Features, PaintingDetector, mean_similarity, of_length_1
from artpipe.search.positions import fit_positions
from artpipe.splits.assign import hash_fraction

if TYPE_CHECKING:
    from PIL.Image import Image

    from artpipe.images.pixels import JpegSource
    from artpipe.models.card import ModelCard

REFUSED_SHARE = 0.003
"""The share of held-out works that either rule refuses. On the recorded gallery none of 300 paintings by unseen artists
was refused, 1 % of them in dim light, and 92 % of photographs were; see docs/benchmarks/not_paintings.md."""
MIN_WORKS = 100
"""With fewer held-out works there are no thresholds, and every picture passes."""
MAX_WORKS = 1000
"""So many works are compared with."""
MAX_HELD_OUT = 400
"""So many works that the model did not learn from set the thresholds."""
PHOTOGRAPHED_SHARE = 0.4
"""The share of the works compared with that is shown as photographs too."""
POSITION_WORKS, POSITION_HELD_OUT = 400, 150
"""So many works, and works that the model did not learn from, are also shown on their sides and upside down."""
DRAWN_OF_EACH_KIND = 40
_MARGIN = 0.25
"""How far the threshold of the second rule lies from the held-out works towards the drawn pictures."""
_PHOTOGRAPHS = ("frame", "perspective", "badly lit", "colour cast")
_AT_A_TIME = 64

Encode = Callable[[Sequence["Image"]], Features]
"""Features, float32 (N, F), of N pictures."""


@dataclass(frozen=True)
class Shown:
    """Features of works as they are and as photographs, (N, F), with the artist of each, (N,)."""

    features: Features
    artists: NDArray[np.str_]


def measure_detector(
    model_id: str,
    rows: pl.DataFrame,
    learned: pl.DataFrame | None,
    images: "JpegSource",
    encode: Encode,
    short_side_px: int,
    progress: Progress | None = None,
) -> PaintingDetector:
    """Run a sample of a collection and pictures drawn by code through a backbone, and fit the detector on them.

    Args:
        model_id: of the model that the backbone is of.
        rows: `artwork_id`, `work_id`, `artist_id`, `split` and `jpeg_sha256` of stored images.
        learned: what the model was trained on; the rows of the split `train` where that is not known.
        images: the stored JPEGs.
        encode: the backbone.
        short_side_px: that of the stored images.
        progress: advances with each picture.
    """
    works, held_out = sampled_works(rows, learned)
    if held_out.height < MIN_WORKS or works.is_empty():
        none = np.empty((0, 0), np.float32)
        return PaintingDetector(model_id, none, none, None, None, held_out.height)
    some = works.head(round(PHOTOGRAPHED_SHARE * works.height))
    drawn = DRAWN_OF_EACH_KIND * len(KINDS)
    turned = 3 * (works.head(POSITION_WORKS).height + held_out.head(POSITION_HELD_OUT).height)
    total = works.height + some.height + 2 * held_out.height + drawn + turned
    with (progress or SilentProgress()).track("compare", total, "images") as step:

        def encoded(pictures: "Iterable[Image]") -> Features:
            found: list[Features] = []
            read = (read_picture(picture, short_side_px) for picture in pictures)
            while batch := list(islice(read, _AT_A_TIME)):
                found.append(encode(batch))
                step.advance(len(batch))
            return np.concatenate(found)

        def shown(sample: pl.DataFrame, *, photographs: bool) -> Shown:
            pictures = _pictures(sample, images, photographs=photographs)
            return Shown(encoded(pictures), sample["artist_id"].fill_null(sample["work_id"]).to_numpy())

        def in_positions(sample: pl.DataFrame, upright: Features) -> Features:
            views = [
                encoded(turn.of(picture, short_side_px) for picture in _pictures(sample, images, photographs=False))
                for turn in map(WHOLE.turned, (1, 2, 3))
            ]
            return np.stack([upright[: sample.height], *views], axis=1)

        plain, photographs = shown(works, photographs=False), shown(some, photographs=True)
        reference = Shown(
            np.concatenate([plain.features, photographs.features]),
            np.concatenate([plain.artists, photographs.artists]),
        )
        groups = [shown(held_out, photographs=False), shown(held_out, photographs=True)]
        outliers = encoded(drawn_picture(kind, number) for number in range(DRAWN_OF_EACH_KIND) for kind in KINDS)
        weights = fit_positions(
            in_positions(works.head(POSITION_WORKS), plain.features),
            in_positions(held_out.head(POSITION_HELD_OUT), groups[0].features),
        )
    return replace(fit_detector(model_id, reference, groups, outliers), position_weights=weights)


def model_to_fit_with(served: "ModelCard") -> str:
    """The model whose features and held-out works a detector is fitted on: the measured one, if it has the same ones.

    The features of a refit with a backbone of its own are fitted on every work, so that no threshold can be measured.
    """
    return served.measured_id if served.keeps_pretrained else served.model_id


def sampled_works(rows: pl.DataFrame, learned: pl.DataFrame | None) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The works to compare with, and held-out works; an image of each. Takes what `measure_detector` takes.

    The samples hardly change as the collection grows.
    """
    held_out = rows.filter(pl.col("split") != "train")
    if learned is not None:
        held_out = without_learned(held_out, learned.filter(split="train"))
    works = rows.join(held_out, on="work_id", how="anti")
    return _sample(works, MAX_WORKS), _sample(held_out, MAX_HELD_OUT)


def fit_detector(model_id: str, works: Shown, held_out: Sequence[Shown], drawn: Features) -> PaintingDetector:
    """Set the thresholds so that held-out works pass.

    Args:
        model_id: of the model whose backbone gave the features.
        works: what pictures will be compared with.
        held_out: works that the model did not learn from, in groups that are shown alike: as they are, photographed.
        drawn: features of pictures drawn by code, (K, F).
    """
    reference, outliers = of_length_1(works.features), of_length_1(drawn)
    pictures = sum(len(group.features) for group in held_out)
    if not len(reference) or min((len(group.features) for group in held_out), default=0) < MIN_WORKS:
        return PaintingDetector(model_id, reference, outliers, None, None, pictures)
    least, most = 1.0, -1.0
    for group in held_out:
        unit = of_length_1(group.features)
        is_other = group.artists[:, None] != works.artists[None, :]
        comparable = is_other.sum(axis=1) >= NEIGHBOURS
        if comparable.sum() < MIN_WORKS:  # nearly all works are by one artist
            return PaintingDetector(model_id, reference, outliers, None, None, pictures)
        similarity = mean_similarity(np.where(is_other, unit @ reference.T, -1)[comparable])
        contrast = mean_similarity(unit[comparable] @ outliers.T) - similarity
        least = min(least, float(np.quantile(similarity, REFUSED_SHARE)))
        most = max(most, float(np.quantile(contrast, 1 - REFUSED_SHARE)))
    among_drawn = outliers @ outliers.T
    np.fill_diagonal(among_drawn, -1)
    of_drawn = float(np.quantile(mean_similarity(among_drawn) - mean_similarity(outliers @ reference.T), 0.05))
    most += _MARGIN * max(0.0, of_drawn - most)
    return PaintingDetector(model_id, reference, outliers, least, most, pictures)


def photographed(picture: "Image", number: int) -> "Image":
    """One of several simulated photographs of a work, by its number."""
    kind = _PHOTOGRAPHS[number % len(_PHOTOGRAPHS)]
    return _badly_lit(picture, number) if kind == "badly lit" else rephotograph(picture, kind, number)


def _sample(rows: pl.DataFrame, most: int) -> pl.DataFrame:
    order = pl.col("work_id").map_elements(lambda name: hash_fraction("painting", "work", name), pl.Float64)
    return rows.sort("artwork_id").unique("work_id", keep="first").sort(order).head(most)


def _pictures(rows: pl.DataFrame, images: "JpegSource", *, photographs: bool) -> "Iterator[Image]":
    ids: list[str] = rows["artwork_id"].to_list()
    for first in range(0, len(ids), _AT_A_TIME):
        for number, jpeg in enumerate(images.jpegs(ids[first : first + _AT_A_TIME]), first):
            picture = read_picture(jpeg)
            yield photographed(picture, number) if photographs else picture


def _badly_lit(picture: "Image", seed: int) -> "Image":
    """A photograph in warm, uneven and too little light, with the sensor's noise."""
    from PIL import Image

    rng = np.random.default_rng(seed)
    pixels = (np.asarray(picture.convert("RGB"), dtype=np.float32) / 255) ** np.float32(rng.uniform(1, 1.3))
    falloff = np.linspace(1, rng.uniform(0.5, 1), pixels.shape[1])[None, :, None]
    light = rng.uniform(0.25, 0.8) * np.array([1, rng.uniform(0.8, 1), rng.uniform(0.6, 1)])
    seen = pixels * falloff * light * 255 + rng.normal(0, rng.uniform(0, 5), pixels.shape)
    return Image.fromarray(np.clip(seen, 0, 255).astype(np.uint8))
