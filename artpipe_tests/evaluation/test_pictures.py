"""Pictures are PNGs of a sensible size that show what they were given."""

import io

import numpy as np
import polars as pl
import pytest
from PIL import Image

from artpipe.evaluation.classification import score_split
from artpipe.figures.plots import (
    class_balance_picture,
    class_order,
    confusion_picture,
    reliability_picture,
    training_curves_picture,
)
from artpipe.figures.sheets import GREEN, PLAIN, contact_sheet, neighbour_sheet


def opened(png: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(png))
    assert picture.format == "PNG"
    return picture.convert("RGB")


def scores_of(labels: list[str | None], *, right: float = 0.7):
    classes = ("Rococo", "Medieval", "Baroque")
    probabilities = np.full((len(labels), 3), (1 - right) / 2)
    for i, label in enumerate(labels):
        probabilities[i, classes.index(label) if label in classes else 0] = right
    works = [str(i) for i in range(len(labels))]
    return score_split(probabilities, labels, works, classes, task="style", split="test", majority_class="Baroque")


def colours(picture: Image.Image) -> set[tuple[int, ...]]:
    return {colour for _, colour in picture.getcolors(2**24) or []}


def jpeg(colour: tuple[int, int, int], size: tuple[int, int] = (60, 40)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, "JPEG", quality=95)
    return out.getvalue()


def test_styles_stand_in_the_order_of_time_and_unknown_names_last():
    assert class_order("style", ["Zebra", "Rococo", "Medieval"]) == ["Medieval", "Rococo", "Zebra"]
    assert class_order("period", ["after 2000", "1350-1450", "before 1350"]) == [
        "before 1350",
        "1350-1450",
        "after 2000",
    ]


def test_a_confusion_matrix_shows_another_picture_for_other_confusions():
    clean = confusion_picture(scores_of(["Rococo", "Medieval", "Baroque"] * 4))
    mixed = confusion_picture(scores_of(["Rococo", "Medieval", "Baroque"] * 4, right=0.1))
    assert opened(clean).width > 400
    assert clean != mixed


def test_an_untaught_class_has_its_row_in_the_matrix():
    known, more = (confusion_picture(scores_of(["Rococo", "Medieval", *rest])) for rest in ([], ["Cubism"]))
    assert opened(more).height >= opened(known).height
    assert more != known


@pytest.mark.parametrize("labels", [[], [None, None]])
def test_what_cannot_be_drawn_gives_a_picture_that_says_why(labels):
    scores = scores_of(labels)
    assert opened(confusion_picture(scores)).width > 200
    assert opened(reliability_picture([scores])).width > 200


def test_a_reliability_diagram_is_drawn_for_the_tasks_that_have_one():
    both = reliability_picture([scores_of(["Rococo"] * 5), scores_of([])])
    assert opened(both).width > 400


def test_training_curves_need_not_be_complete():
    epochs = [
        {"epoch": 1, "train_loss": 2.0, "learning_rate": 1e-3},
        {"epoch": 2, "train_loss": 1.5, "validation_loss": 1.7, "accuracy": {"style": 0.4, "type": None}},
    ]
    assert opened(training_curves_picture(epochs)).width > 800
    assert opened(training_curves_picture([])).width > 200


def test_class_balance_is_drawn_also_with_unknown_labels_and_without_rows():
    balance = pl.DataFrame(
        [("style", "Rococo", "train", 3), ("style", None, "test", 1), ("type", "genre", "train", 3)],
        schema=["task", "class", "split", "rows"],
        orient="row",
    )
    assert opened(class_balance_picture(balance)).width > 400
    assert opened(class_balance_picture(balance.clear())).width > 200


ROW = {"artist": "SZŐKE, Ágnes", "title": "Fűzfák", "year_from": 1890, "year_to": 1891, "style": "Realism"}


def test_a_neighbour_of_the_same_style_has_a_green_border_and_another_a_grey_one():
    pictures = [jpeg((200, 30, 30))] * 2
    same = colours(opened(neighbour_sheet([ROW, ROW], pictures, title="Nearest")))
    other = colours(opened(neighbour_sheet([ROW, {**ROW, "style": "Rococo"}], pictures, title="Nearest")))
    assert GREEN in same
    # The legend shows both colours; the border of the tile is much larger than its sample.
    assert count(neighbour_sheet([ROW, ROW], pictures), GREEN) > 10 * count(
        neighbour_sheet([ROW, {**ROW, "style": "Rococo"}], pictures), GREEN
    )
    assert PLAIN in other


def count(png: bytes, colour: tuple[int, int, int]) -> int:
    return {c: n for n, c in opened(png).getcolors(2**24) or []}.get(colour, 0)


def test_a_query_without_a_style_marks_nobody():
    row = {**ROW, "style": None}
    assert count(neighbour_sheet([row, ROW], [jpeg((200, 30, 30))] * 2), GREEN) == 0


def test_the_pictures_are_on_the_sheet():
    sheet = opened(contact_sheet([ROW, ROW, ROW], [jpeg((250, 0, 0)), None, b"spoiled"], columns=2))
    near_red = [c for c in colours(sheet) if c[0] > 240 and c[1] < 20 and c[2] < 20]
    assert near_red


def test_letters_with_accents_have_shapes_of_their_own():
    drawn = {contact_sheet([{"title": letter}], [None]) for letter in "őűŠšŁłçÉñØþțŒ"}
    assert len(drawn) == 13


def test_a_long_title_makes_no_wider_sheet():
    short, long = (opened(contact_sheet([{"title": t}], [None])) for t in ("Tower", "Tower " * 50))
    assert short.size == long.size


def test_a_sheet_of_nothing_is_a_picture():
    assert opened(contact_sheet([], [])).width > 0
    assert opened(neighbour_sheet([ROW], [None])).width > 300
