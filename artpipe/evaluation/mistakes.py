"""The held-out works with the most confident wrong predictions, for a person to see whether model or label is wrong."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from artpipe.splits.assign import HELD_OUT

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHOWN = 18


def worst_mistakes(
    rows: pl.DataFrame,
    probabilities: "NDArray[np.floating]",
    classes: Sequence[str],
    task: str,
    shown: int = SHOWN,
) -> pl.DataFrame:
    """The held-out works whose wrong prediction is most confident.

    Args:
        rows: `artwork_id`, `work_id`, `split` and the labels of N pictures.
        probabilities: (N, C) float of the task.
        classes: the C classes the model was trained on, in column order.
        task: name of the task.
        shown: maximum number of works.

    Returns:
        `artwork_id`, `work_id`, `split`, `label`, `predicted`, `probability`, one row a work, the most confident first,
        without labels that the model was not trained on.
    """
    if not classes:  # nothing can be predicted, and nothing mistaken
        rows, probabilities, classes = rows.clear(), np.empty((0, 1)), [""]
    predicted = rows.with_columns(
        pl.Series("predicted", [classes[i] for i in probabilities.argmax(axis=1)], dtype=pl.String),
        pl.Series("probability", probabilities.max(axis=1), dtype=pl.Float64),
    )
    is_mistake = pl.col("split").is_in(HELD_OUT) & pl.col(task).is_in(classes) & (pl.col(task) != pl.col("predicted"))
    return (
        predicted.filter(is_mistake)
        .sort("probability", "artwork_id", descending=[True, False])
        .unique("work_id", keep="first", maintain_order=True)
        .head(shown)
        .select("artwork_id", "work_id", "split", pl.col(task).alias("label"), "predicted", "probability")
    )


def mistake_captions(work: Mapping[str, object], mistake: Mapping[str, object]) -> tuple[str, ...]:
    """The lines below the picture of a mistake.

    Args:
        work: a row of `artworks`.
        mistake: a row of `worst_mistakes`.
    """
    return (
        f"{work.get('artist') or '?'}: {work.get('title') or '?'}",
        f"predicted {mistake['predicted']} {100 * float(str(mistake['probability'])):.0f} %",
        f"catalogue: {mistake['label']}",
        str(mistake["split"]).replace("_", " "),
    )
