"""The labels that the model predicts for a picture: the three most likely of each task."""

import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from artpipe.embedding.predictions import Predictions
from artpipe.images.reading import Picture
from artpipe.lake.lance_tables import open_lance
from artpipe.lake.paths import IMAGES_TABLE, DataLake
from artpipe.recognition.view import PHOTOGRAPH_SHORT_SIDE_PX, WHOLE, View
from artpipe.schema import STORED
from artpipe.search.novelty import Novelty
from artpipe.search.queries import query_picture

if TYPE_CHECKING:
    from PIL.Image import Image

    from artpipe.search.photographs import Look
    from artpipe.vectors.nearest import Vector

BEST_LABELS = 3
_DEFAULT_SHORT_SIDE_PX = 320


@dataclass(frozen=True)
class Prediction:
    """The three most likely labels of each task for one picture, with their probabilities.

    Attributes:
        file: the path of the picture, where it has one.
        best: for each task, (label, probability), most likely first. Nothing where the picture is no painting.
        is_sure: for each task, whether its first label reaches `abstain_below`.
        novelty: how far the picture is from the collection; None where it was not compared with one.
        work: the `artwork_id` of the work that was recognised in the picture; None where none was.
        labels: what the catalogue says of that work, for each task that it has a label of.
        view: the part of the picture that was looked at.
        is_painting: whether it looks like a painting; None where that was not measured. Where it does not, its labels
            are withheld.
    """

    file: str | None
    best: dict[str, list[tuple[str, float]]]
    is_sure: dict[str, bool]
    novelty: Novelty | None = None
    work: str | None = None
    labels: dict[str, str] = field(default_factory=dict)
    view: View = WHOLE
    is_painting: bool | None = None

    def as_json(self) -> dict[str, Any]:
        """The fields by name: for each task a list of `[label, probability]`, and those of `novelty` beside them."""
        return {
            "file": self.file,
            "is_painting": self.is_painting,
            **{task: [list(pair) for pair in pairs] for task, pairs in self.best.items()},
            "is_sure": self.is_sure,
            **(self.novelty.as_json() if self.novelty else {}),
            "recognised": {"artwork_id": self.work, **self.labels} if self.work else None,
            "corners": self.view.as_json(),
        }

    def _repr_html_(self) -> str:
        """A table with a row for each task."""
        name = f"<caption>{html.escape(self.file)}</caption>" if self.file else ""
        rows = "".join(
            f"<tr><th>{html.escape(task)}{'' if self.is_sure[task] else ' (unsure)'}</th>"
            + "".join(f"<td>{html.escape(label)} {share:.0%}</td>" for label, share in labels)
            + "</tr>"
            for task, labels in self.best.items()
        )
        if self.is_painting is False:
            return f"<table>{name}</table><p>This does not look like a painting. Its labels are withheld.</p>"
        is_unlike = self.novelty is not None and self.novelty.is_out_of_distribution
        return f"<table>{name}{rows}</table>" + ("<p>Unlike anything in the collection.</p>" if is_unlike else "")


class PredictionList(list[Prediction]):
    """The predictions of several pictures; a notebook shows them below each other."""

    def _repr_html_(self) -> str:
        return "".join(each._repr_html_() for each in self)  # pyright: ignore[reportPrivateUsage]


def sure_tasks(best: Mapping[str, Sequence[tuple[str, float]]], abstain_below: float) -> dict[str, bool]:
    """For each task whether the probability of its most likely label, the first, reaches `abstain_below`."""
    return {task: pairs[0][1] >= abstain_below for task, pairs in best.items()}


def stored_short_side_px(lake: DataLake, version: int | None = None) -> int:
    """The short side that the lake's pictures were stored with, so that queries are read to the same.

    Args:
        lake: where the pictures are.
        version: a past version of the table of images; the newest by default.
    """
    images = open_lance(lake.lance_table(IMAGES_TABLE), version)
    if images is None:
        return _DEFAULT_SHORT_SIDE_PX
    # A withdrawn picture keeps the size that it was stored with.
    is_stored = " OR ".join(f"status = '{status}'" for status in STORED)
    rows = images.to_table(columns=["short_side_px"], filter=f"short_side_px IS NOT NULL AND ({is_stored})", limit=1)
    return int(rows["short_side_px"][0].as_py()) if rows.num_rows else _DEFAULT_SHORT_SIDE_PX


def best_labels(
    predictions: Predictions, row: int, labels: Mapping[str, list[str]]
) -> dict[str, list[tuple[str, float]]]:
    """For each task the three most likely labels of one picture with their probabilities, most likely first."""
    best: dict[str, list[tuple[str, float]]] = {}
    for task, names in labels.items():
        if task in predictions.probabilities:
            probabilities = predictions.probabilities[task][row]
            order = np.argsort(-probabilities, kind="stable")[:BEST_LABELS]
            best[task] = [(names[label], float(probabilities[label])) for label in order]
    return best


def looks_like_painting(predictions: Predictions, row: int) -> bool | None:
    """Whether one picture looks like a painting; None where that was not measured."""
    return None if predictions.is_painting is None else bool(predictions.is_painting[row])


def predict_pictures(
    images: Sequence[Picture],
    look: "Callable[[Sequence[Image]], list[Look]]",
    labels: Callable[[], Mapping[str, list[str]]],
    abstain_below: float,
    novelty: "Callable[[Vector], Novelty] | None" = None,
    catalogued: Callable[[str], dict[str, str]] | None = None,
) -> PredictionList:
    """The three most likely labels of each task for each picture.

    Args:
        images: pictures in any form, see `Picture`.
        look: looks at photographs; called only when every picture is readable.
        labels: returns the class names of each task.
        abstain_below: a label with a lower probability is unsure.
        novelty: measures how far a vector is from the collection.
        catalogued: returns the catalogue's label for each task of a work.

    Raises:
        UnusableQueryError: one of them is no readable picture.
    """
    answers = PredictionList()
    if not images:
        return answers
    looks = look([query_picture(image, PHOTOGRAPH_SHORT_SIDE_PX) for image in images])
    for image, seen in zip(images, looks, strict=True):
        found = best_labels(seen.predictions, 0, labels())
        best = {task: [(label, round(share, 4)) for label, share in pairs] for task, pairs in found.items()}
        file = str(image) if isinstance(image, (str, Path)) else None
        distance = novelty(seen.vector) if novelty else None
        is_painting = looks_like_painting(seen.predictions, 0)
        if seen.artwork_id is not None and is_painting is False:
            is_painting = True  # one of the collection's, however little it looks like one
        if is_painting is False:
            best = {}
        known = catalogued(seen.artwork_id) if catalogued and seen.artwork_id else {}
        sure = sure_tasks(best, abstain_below)
        answers.append(
            Prediction(file, best, sure, distance, seen.artwork_id, known, seen.view, is_painting=is_painting)
        )
    return answers
