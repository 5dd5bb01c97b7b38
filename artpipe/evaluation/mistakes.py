"""The works that a model is most wrong about, for a person to look at: either it or the catalogue is to be mended."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import polars as pl

from artpipe.splits.assign import HELD_OUT

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SHOWN = 18


def worst_mistakes(
    rows: pl.DataFrame,
    probabilities: "NDArray[np.floating]",
    classes: Sequence[str],
    task: str,
    shown: int = SHOWN,
) -> pl.DataFrame:
    """The held-out works that are most confidently taken for something else than the catalogue says.

    Args:
        rows: `artwork_id`, `work_id`, `split` and the labels of N pictures.
        probabilities: (N, C) float of the task.
        classes: the C classes the model knows, in column order.
        task: name of the task.
        shown: at most so many works.

    Returns:
        `artwork_id`, `work_id`, `split`, `label`, `answer`, `probability`, one row a work, the worst first. A class
        that the model was never taught is no mistake of this kind.
    """
    schema = {"answer": pl.String(), "probability": pl.Float64()}
    columns = ["artwork_id", "work_id", "split", pl.col(task).alias("label"), *schema]
    if not classes or rows.is_empty():
        return (
            rows.with_columns(pl.lit(None, dtype).alias(name) for name, dtype in schema.items()).clear().select(columns)
        )
    best = probabilities.argmax(axis=1)
    answered = rows.with_columns(
        pl.Series("answer", [classes[i] for i in best], dtype=pl.String),
        pl.Series("probability", probabilities.max(axis=1), dtype=pl.Float64),
    )
    is_mistake = pl.col("split").is_in(HELD_OUT) & pl.col(task).is_in(classes) & (pl.col(task) != pl.col("answer"))
    return (
        answered.filter(is_mistake)
        .sort("probability", "artwork_id", descending=[True, False])
        .unique("work_id", keep="first", maintain_order=True)
        .head(shown)
        .select(columns)
    )


def mistake_captions(work: Mapping[str, object], mistake: Mapping[str, object]) -> tuple[str, ...]:
    """What is written below the picture of a mistake.

    Args:
        work: a row of `artworks`.
        mistake: a row of `worst_mistakes`.
    """
    split = str(mistake["split"]).replace("_", " ")
    return (
        f"{work.get('artist') or '?'}: {work.get('title') or '?'}",
        f"taken for {mistake['answer']} {100 * float(str(mistake['probability'])):.0f} %",
        f"catalogue says {mistake['label']}",
        split,
    )
