"""The table `suspect_labels`: labels that are likely to be wrong, for a person to review, the likeliest first.

`label_noise.py` finds them; a person's decision comes back through `artpipe/splits/overrides.py`.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from artpipe.evaluation.label_noise import (
    HeadConfig,
    LabelNoise,
    VectorsAt,
    drop_rare_classes,
    find_label_noise,
    out_of_sample_probabilities,
)
from artpipe.figures.sheets import contact_sheet
from artpipe.models.labels import Labels
from artpipe.progress import Progress
from artpipe.tasks import Tasks, heading

if TYPE_CHECKING:
    from numpy.typing import NDArray

SUSPECTS = pl.Schema(
    {
        "artwork_id": pl.String(),
        "task": pl.String(),
        "label": pl.String(),
        "suggested": pl.String(),
        "label_probability": pl.Float64(),
        "suggested_probability": pl.Float64(),
        "margin": pl.Float64(),
        "rank": pl.Int64(),
        "split": pl.String(),
        "artist": pl.String(),
        "title": pl.String(),
        "page_url": pl.String(),
    }
)
"""One row is a label that is likely to be wrong; `rank` counts from 1 in each task, the largest margin first."""

SHEET_ROWS = 24
_DIGITS = 4


def find_suspects(
    rows: pl.DataFrame,
    vectors_at: VectorsAt,
    artworks: pl.DataFrame,
    reviewed: pl.DataFrame,
    tasks: Tasks,
    config: HeadConfig | None = None,
    progress: Progress | None = None,
) -> tuple[pl.DataFrame, dict[str, LabelNoise]]:
    """Compare every label with the predictions of heads trained on other works.

    Args:
        rows: `artwork_id`, `work_id`, `split` and a column for each task, such as table `training_set`.
        vectors_at: of the N rows.
        artworks: table `artworks`, for `artist`, `title` and `page_url`.
        reviewed: `artwork_id` and `task` of the labels that a person reviewed; they are left out.
        tasks: of the labels.
        config: of the heads.
        progress: shows the folds of the cross-validation; silent by default.

    Returns:
        Table `SUSPECTS`, and the noise of each task that has labels.
    """
    config = config or HeadConfig()
    # Every row is a training row of all folds but its own, whatever its split.
    vocabulary = Labels.of(rows.with_columns(split=pl.lit("train")), tasks)
    work_ids: list[str] = rows["work_id"].to_list()
    labels = vocabulary.encode(rows)
    for column in range(labels.shape[1]):
        labels[:, column] = drop_rare_classes(labels[:, column], work_ids, config.min_works)
    counts = [len(names) for names in vocabulary.classes.values()]
    probabilities = out_of_sample_probabilities(vectors_at, labels, work_ids, counts, config, progress)
    noise = {task: find_label_noise(probabilities[i], labels[:, i]) for i, task in enumerate(vocabulary.tasks)}
    tables = [
        _suspects_of(task, noise[task], rows, probabilities[i], labels[:, i], vocabulary.classes[task])
        for i, task in enumerate(vocabulary.tasks)
    ]
    found = pl.concat([pl.DataFrame(schema=SUSPECTS), *tables], how="diagonal").drop("artist", "title", "page_url")
    found = found.join(reviewed, on=["artwork_id", "task"], how="anti", maintain_order="left")
    found = found.with_columns(rank=pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("task"))
    described = artworks.select("artwork_id", "artist", "title", "page_url")
    return found.join(described, on="artwork_id", how="left", maintain_order="left").select(list(SUSPECTS)), noise


def suspects_sheet(suspects: pl.DataFrame, jpegs: Sequence[bytes | None], task: str) -> bytes:
    """A contact sheet of suspect labels as PNG, each image with its label, the suggested one, and its probability.

    Args:
        suspects: rows of `SUSPECTS`.
        jpegs: the image of each row.
        task: of the labels.
    """
    rows: list[Mapping[str, object]] = [
        {**row, "note": f"{row['label']}\n→ {row['suggested']} ({row['suggested_probability']:.2f})"}
        for row in suspects.iter_rows(named=True)
    ]
    return contact_sheet(rows, jpegs, columns=6, title=f"{heading(task)}: labels most likely to be wrong", tile_px=210)


def _suspects_of(
    task: str,
    noise: LabelNoise,
    rows: pl.DataFrame,
    probabilities: "NDArray[np.float32]",
    labels: "NDArray[np.int64]",
    names: Sequence[str],
) -> pl.DataFrame:
    at = noise.rows
    return pl.DataFrame(
        {
            "artwork_id": rows["artwork_id"].gather(at),
            "task": [task] * len(at),
            "label": [names[number] for number in labels[at]],
            "suggested": [names[number] for number in noise.suggested],
            "label_probability": probabilities[at, labels[at]].astype(np.float64).round(_DIGITS),
            "suggested_probability": probabilities[at, noise.suggested].astype(np.float64).round(_DIGITS),
            "margin": noise.margins.round(_DIGITS),
            "split": rows["split"].gather(at),
        },
        schema_overrides={name: SUSPECTS[name] for name in ("task", "label", "suggested")},
    )
