"""The figures of an evaluation: confusion matrices, reliability diagrams, worst mistakes, neighbours, and leaks."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from artpipe.evaluation.mistakes import mistake_captions, worst_mistakes
from artpipe.evaluation.retrieval import NEIGHBOURS
from artpipe.figures.plots import confusion_picture, reliability_picture
from artpipe.figures.sheets import captioned_sheet, neighbour_sheet
from artpipe.splits.assign import HELD_OUT
from artpipe.tasks import Tasks, heading
from artpipe.vectors.grouped import nearest_in_other_groups

if TYPE_CHECKING:
    from artpipe.evaluation.measure import Measurement
    from artpipe.images.pixels import JpegSource

QUERIES = 2
"""Works of each held-out split whose neighbours are drawn."""
_MAX_PAIRS = 24
_TILE_PX = 250


def evaluation_pictures(
    measured: "Measurement", artworks: pl.DataFrame, images: "JpegSource", tasks: Tasks
) -> Iterator[tuple[str, bytes]]:
    """Each figure's name, without a suffix, and its PNG bytes.

    Args:
        measured: the evaluation.
        artworks: table `artworks`, for captions.
        images: the stored JPEGs.
        tasks: that were measured.
    """
    report = measured.report
    for split in HELD_OUT:
        for task in tasks:
            scores = report.scores(task, split)
            picture = confusion_picture(
                scores.confusion, scores.classes, task=tasks[task], split=split, reason=scores.reason
            )
            yield f"confusion_{split}_{task}", picture
        curves = {task: report.scores(task, split).calibration for task in tasks}
        bins = {task: [asdict(each) for each in curve.bins] for task, curve in curves.items() if curve is not None}
        yield f"reliability_{split}", reliability_picture(bins, tasks.names, split=split)
    shown = artworks.join(measured.rows.select("artwork_id"), on="artwork_id", how="semi")
    works: dict[str, dict[str, Any]] = {str(work["artwork_id"]): work for work in shown.iter_rows(named=True)}
    for task in tasks:
        yield f"mistakes_{task}", _mistakes(measured, task, works, images)
    yield from _neighbours(measured, works, images, tasks)
    pairs = report.leaks.confirmed.head(_MAX_PAIRS) if report.leaks else pl.DataFrame()
    if pairs.height:
        yield "leaks", _leaks(pairs, works, images)


def queries(rows: pl.DataFrame, each: int = QUERIES) -> list[int]:
    """A sample of held-out works: the first of each split in the order of a hash."""
    numbered = rows.with_row_index("row").sort("jpeg_sha256", "artwork_id").unique("work_id", maintain_order=True)
    return [int(row) for split in HELD_OUT for row in numbered.filter(pl.col("split") == split)["row"].head(each)]


def _mistakes(measured: "Measurement", task: str, works: dict[str, dict[str, Any]], images: "JpegSource") -> bytes:
    found = worst_mistakes(measured.rows, measured.inferred.probabilities[task], measured.classes[task], task)
    captions = [mistake_captions(works.get(each["artwork_id"], {}), each) for each in found.iter_rows(named=True)]
    title = f"{heading(task)}: most confident wrong predictions on held-out works"
    return captioned_sheet(
        _jpegs(found["artwork_id"].to_list(), images), captions, columns=6, title=title, tile_px=_TILE_PX
    )


def _neighbours(
    measured: "Measurement", works: dict[str, dict[str, Any]], images: "JpegSource", tasks: Tasks
) -> Iterator[tuple[str, bytes]]:
    rows = measured.rows
    ids: list[str] = rows["artwork_id"].to_list()
    query_rows = np.array(queries(rows), dtype=np.int64)
    found, similarity = nearest_in_other_groups(
        measured.inferred.vectors, rows["work_id"].to_list(), query_rows, NEIGHBOURS
    )
    number: Counter[str] = Counter()
    for query, near, similar in zip(query_rows, found, similarity, strict=True):
        names = [ids[query], *(ids[row] for row in near[np.isfinite(similar)])]
        shown = [works.get(name, {}) for name in names]
        split = str(rows["split"][int(query)])
        number[split] += 1
        title = f"{shown[0].get('artist')}: {shown[0].get('title')} ({split.replace('_', ' ')}) and its neighbours"
        yield (
            f"neighbours_{split}_{number[split]}",
            neighbour_sheet(shown, _jpegs(names, images), title=title, task=tasks.caption),
        )


def _leaks(pairs: pl.DataFrame, works: dict[str, dict[str, Any]], images: "JpegSource") -> bytes:
    captions: list[tuple[str, ...]] = []
    names: list[str] = []
    for pair in pairs.iter_rows(named=True):
        for name, split in ((pair["held_out"], pair["split"].replace("_", " ")), (pair["train"], "train")):
            work = works.get(name, {})
            names.append(name)
            captions.append((str(work.get("artist") or "?"), str(work.get("title") or "?"), f"{split} · {name}"))
    title = "Leaks: held-out images (left of each pair) and training images (right) of the same work"
    return captioned_sheet(_jpegs(names, images), captions, columns=6, title=title, tile_px=_TILE_PX)


def _jpegs(names: Sequence[str], images: "JpegSource") -> list[bytes | None]:
    return list(images.jpegs(names))
