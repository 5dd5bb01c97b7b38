"""The pictures of an evaluation: confusions, reliability, the worst mistakes, neighbours, and what leaked."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from artpipe.evaluation.mistakes import mistake_captions, worst_mistakes
from artpipe.evaluation.report import EVALUATED_SPLITS
from artpipe.evaluation.retrieval import NEIGHBOURS, nearest
from artpipe.figures.plots import confusion_picture, reliability_picture
from artpipe.figures.sheets import captioned_sheet, neighbour_sheet
from artpipe.schema import TASKS

if TYPE_CHECKING:
    from artpipe.evaluation.measure import Measurement
    from artpipe.images.pixels import JpegSource

QUERIES = 2
"""Works of each held-out split whose neighbours are drawn."""
_MOST_PAIRS = 24
_TILE_PX = 250


def evaluation_pictures(
    measured: "Measurement", artworks: pl.DataFrame, images: "JpegSource"
) -> Iterator[tuple[str, bytes]]:
    """Each picture's name, without a suffix, and its PNG bytes.

    Args:
        measured: what is drawn.
        artworks: table `artworks`, for captions.
        images: the stored JPEGs.
    """
    report = measured.report
    for split in EVALUATED_SPLITS:
        for task in TASKS:
            yield f"confusion_{split}_{task}", confusion_picture(report.scores(task, split))
        yield f"reliability_{split}", reliability_picture([report.scores(task, split) for task in TASKS])
    shown = artworks.join(measured.rows.select("artwork_id"), on="artwork_id", how="semi")
    works: dict[str, dict[str, Any]] = {str(work["artwork_id"]): work for work in shown.iter_rows(named=True)}
    for task in TASKS:
        yield f"mistakes_{task}", _mistakes(measured, task, works, images)
    yield from _neighbours(measured, works, images)
    pairs = report.leaks.confirmed.head(_MOST_PAIRS) if report.leaks else pl.DataFrame()
    if pairs.height:
        yield "leaks", _leaks(pairs, works, images)


def queries(rows: pl.DataFrame, each: int = QUERIES) -> list[int]:
    """Held-out works that nobody picked by hand: the first of each split in a fixed order by hash."""
    numbered = rows.with_row_index("row").sort("jpeg_sha256", "artwork_id").unique("work_id", maintain_order=True)
    return [
        int(row) for split in EVALUATED_SPLITS for row in numbered.filter(pl.col("split") == split)["row"].head(each)
    ]


def _mistakes(measured: "Measurement", task: str, works: dict[str, dict[str, Any]], images: "JpegSource") -> bytes:
    found = worst_mistakes(measured.rows, measured.answers.probabilities[task], measured.classes[task], task)
    captions = [mistake_captions(works.get(each["artwork_id"], {}), each) for each in found.iter_rows(named=True)]
    title = f"{task.capitalize()}: the most confident mistakes on works the model never saw"
    return captioned_sheet(
        _jpegs(found["artwork_id"].to_list(), images), captions, columns=6, title=title, tile_px=_TILE_PX
    )


def _neighbours(
    measured: "Measurement", works: dict[str, dict[str, Any]], images: "JpegSource"
) -> Iterator[tuple[str, bytes]]:
    asked = queries(measured.rows)
    ids: list[str] = measured.rows["artwork_id"].to_list()
    found, similarity = nearest(
        measured.answers.vectors, measured.rows["work_id"].to_list(), np.array(asked, dtype=np.int64), NEIGHBOURS
    )
    for query, near, alike in zip(asked, found, similarity, strict=True):
        names = [ids[query], *(ids[row] for row, close in zip(near, alike, strict=True) if np.isfinite(close))]
        told = [works.get(name, {}) for name in names]
        split = measured.rows["split"][query]
        title = f"{told[0].get('artist')}: {told[0].get('title')} ({split.replace('_', ' ')}) and its neighbours"
        number = 1 + sum(measured.rows["split"][other] == split for other in asked[: asked.index(query)])
        yield f"neighbours_{split}_{number}", neighbour_sheet(told, _jpegs(names, images), title=title)


def _leaks(pairs: pl.DataFrame, works: dict[str, dict[str, Any]], images: "JpegSource") -> bytes:
    captions: list[tuple[str, ...]] = []
    names: list[str] = []
    for pair in pairs.iter_rows(named=True):
        for name, said in ((pair["held_out"], pair["split"].replace("_", " ")), (pair["taught"], "train")):
            work = works.get(name, {})
            names.append(name)
            captions.append((str(work.get("artist") or "?"), str(work.get("title") or "?"), f"{said} · {name}"))
    title = "Held-out works (left of each pair) of which another picture (right) was taught"
    return captioned_sheet(_jpegs(names, images), captions, columns=6, title=title, tile_px=_TILE_PX)


def _jpegs(names: Sequence[str], images: "JpegSource") -> list[bytes | None]:
    return list(images.jpegs(names))
