"""Which mistakes are shown, and what is written below them."""

import numpy as np
import polars as pl

from artpipe.evaluation.mistakes import mistake_captions, worst_mistakes

CLASSES = ("Baroque", "Rococo")


def rows(*pictures: tuple[str, str, str | None]) -> pl.DataFrame:
    """Pictures by work, split and style."""
    return pl.DataFrame(
        [(f"a{i}", *one) for i, one in enumerate(pictures)],
        schema={"artwork_id": pl.String, "work_id": pl.String, "split": pl.String, "style": pl.String},
        orient="row",
    )


def rococo(*chances: float) -> np.ndarray:
    return np.array([[1 - chance, chance] for chance in chances])


def test_mistakes_are_sorted_by_confidence_without_correct_predictions():
    found = worst_mistakes(
        rows(("v", "test", "Baroque"), ("w", "test", "Baroque"), ("x", "test", "Rococo")),
        rococo(0.7, 0.9, 0.95), CLASSES, "style",
    )  # fmt: skip
    assert found["artwork_id"].to_list() == ["a1", "a0"]
    assert found.row(0, named=True) == {
        "artwork_id": "a1", "work_id": "w", "split": "test", "label": "Baroque", "predicted": "Rococo",
        "probability": 0.9,
    }  # fmt: skip


def test_a_work_is_shown_once_with_its_worst_picture():
    found = worst_mistakes(rows(*[("w", "test", "Baroque")] * 3), rococo(0.6, 0.8, 0.7), CLASSES, "style")
    assert found["artwork_id"].to_list() == ["a1"]


def test_training_rows_unknown_labels_and_unseen_classes_are_no_mistakes():
    table = rows(("v", "train", "Baroque"), ("w", "test", None), ("x", "test", "Cubism"))
    assert worst_mistakes(table, rococo(0.9, 0.9, 0.9), CLASSES, "style").is_empty()


def test_the_number_of_mistakes_is_limited_and_no_rows_give_none():
    table = rows(*[(f"w{i}", "unseen_artists", "Baroque") for i in range(5)])
    assert worst_mistakes(table, rococo(*[0.9] * 5), CLASSES, "style", shown=2).height == 2
    assert worst_mistakes(table.clear(), np.empty((0, 2)), CLASSES, "style").is_empty()
    assert worst_mistakes(table, np.empty((5, 0)), (), "style").is_empty()


def test_the_caption_has_the_prediction_and_the_label():
    mistake = {"predicted": "Rococo", "probability": 0.972, "label": "Baroque", "split": "unseen_artists"}
    lines = mistake_captions({"artist": "DORN, A.", "title": "Tower"}, mistake)
    assert lines == ("DORN, A.: Tower", "predicted Rococo 97 %", "catalogue: Baroque", "unseen artists")
