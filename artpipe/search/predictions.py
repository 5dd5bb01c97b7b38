"""What the model takes a picture for, said with the three likeliest labels of each task."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from artpipe.lake.lance_tables import open_lance
from artpipe.lake.paths import IMAGES_TABLE, DataLake
from artpipe.schema import STORED, TASKS
from artpipe.search.novelty import Novelty
from artpipe.search.queries import PictureEncoder, stored_form

if TYPE_CHECKING:
    from PIL.Image import Image

    from artpipe.vectors.nearest import Vector

BEST_LABELS = 3
_DEFAULT_SHORT_SIDE_PX = 320


@dataclass(frozen=True)
class Prediction:
    """What a picture is taken for: the three most likely labels of each task, with their probabilities.

    Attributes:
        file: the path of the picture, where it has one.
        best: for each task, (label, probability), most likely first.
        is_sure: for each task, whether its first label is likely enough to be told without doubt.
        novelty: how far the picture is from the collection; None where it was not compared with one.
    """

    file: str | None
    best: dict[str, list[tuple[str, float]]]
    is_sure: dict[str, bool]
    novelty: Novelty | None = None

    def as_json(self) -> dict[str, Any]:
        """`file`, for each task a list of `[label, probability]`, `is_sure`, and how far it is from the collection."""
        return {
            "file": self.file,
            **{task: [list(pair) for pair in pairs] for task, pairs in self.best.items()},
            "is_sure": self.is_sure,
            **(self.novelty.as_json() if self.novelty else {}),
        }


def sure_tasks(best: Mapping[str, Sequence[tuple[str, float]]], abstain_below: float) -> dict[str, bool]:
    """For each task whether its most likely label, the first, is likely enough to be told without doubt."""
    return {task: pairs[0][1] >= abstain_below for task, pairs in best.items()}


def stored_short_side_px(lake: DataLake, version: int | None = None) -> int:
    """The short side that the lake's pictures were stored with, so that a query is made alike.

    Args:
        lake: where the pictures are.
        version: a past version of the table of images; the newest by default.
    """
    images = open_lance(lake.lance_table(IMAGES_TABLE), version)
    if images is None:
        return _DEFAULT_SHORT_SIDE_PX
    # A withdrawn picture keeps the size that it was stored with.
    held = " OR ".join(f"status = '{status}'" for status in STORED)
    rows = images.to_table(columns=["short_side_px"], filter=f"short_side_px IS NOT NULL AND ({held})", limit=1)
    return int(rows["short_side_px"][0].as_py()) if rows.num_rows else _DEFAULT_SHORT_SIDE_PX


def predict_pictures(
    load_encoder: Callable[[], PictureEncoder],
    images: "Sequence[str | Path | bytes | Image]",
    short_side_px: int,
    abstain_below: float,
    novelty: "Callable[[Vector], Novelty] | None" = None,
) -> list[Prediction]:
    """The three most likely labels of each task for each picture.

    Args:
        load_encoder: gives the model; asked only when every picture is found readable.
        images: paths, bytes or PIL images.
        short_side_px: of the form in which the model sees them.
        abstain_below: a label that is less probable is unsure.
        novelty: says how far a vector is from the collection.

    Raises:
        UnusableQueryError: one of them is no readable picture.
    """
    pictures = [Path(image) if isinstance(image, str) else image for image in images]
    if not pictures:
        return []
    jpegs = [stored_form(picture, short_side_px) for picture in pictures]
    encoder = load_encoder()
    seen = encoder.encode(jpegs)
    probabilities = seen.probabilities
    answers: list[Prediction] = []
    for row, picture in enumerate(pictures):
        best = {
            task: [
                (encoder.labels[task][label], round(float(probabilities[task][row, label]), 4))
                for label in np.argsort(-probabilities[task][row], kind="stable")[:BEST_LABELS]
            ]
            for task in TASKS
            if task in probabilities
        }
        file = str(picture) if isinstance(picture, Path) else None
        distance = novelty(seen.vectors[row]) if novelty else None
        answers.append(Prediction(file, best, sure_tasks(best, abstain_below), distance))
    return answers
