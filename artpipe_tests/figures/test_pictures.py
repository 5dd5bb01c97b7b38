"""Plots and contact sheets are PNGs that show what they were given."""

import io

import polars as pl
from PIL import Image

from artpipe.figures.plots import (
    SPLIT_COLOURS,
    TASK_COLOURS,
    class_balance_picture,
    class_order,
    confusion_picture,
    reliability_picture,
    training_curves_picture,
)
from artpipe.figures.sheets import GREEN, PLAIN, contact_sheet, neighbour_sheet
from artpipe.tasks import WGA_TASKS
from artpipe_tests.fixtures.paintings import jpeg_of


def opened(png: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(png))
    assert picture.format == "PNG"
    return picture.convert("RGB")


RED = jpeg_of(Image.new("RGB", (60, 40), (250, 0, 0)))
STYLES = ["Rococo", "Medieval", "Baroque"]


def confusion(counts: list[list[int]], classes: list[str] = STYLES, reason: str | None = None) -> bytes:
    return confusion_picture(counts, classes, task=WGA_TASKS["style"], split="test", reason=reason)


def colours(picture: Image.Image) -> set[tuple[int, ...]]:
    return {colour for _, colour in picture.getcolors(2**24) or []}


def test_styles_are_in_chronological_order_and_unknown_names_last():
    assert class_order(WGA_TASKS["style"], ["Zebra", "Rococo", "Medieval"]) == ["Medieval", "Rococo", "Zebra"]
    assert class_order(WGA_TASKS["period"], ["after 2000", "1350-1450", "before 1350"]) == [
        "before 1350",
        "1350-1450",
        "after 2000",
    ]


def test_a_confusion_matrix_does_not_depend_on_the_order_of_the_classes():
    drawn = confusion([[3, 1, 0], [0, 4, 0], [2, 0, 5]])
    assert drawn == confusion([[5, 0, 2], [0, 4, 0], [0, 1, 3]], ["Baroque", "Medieval", "Rococo"])
    assert drawn != confusion([[3, 0, 0], [1, 4, 0], [2, 0, 5]])


def test_a_class_without_rows_and_predictions_has_no_row_in_the_matrix():
    unused = confusion([[3, 1, 0, 0], [0, 4, 0, 0], [2, 0, 5, 0], [0, 0, 0, 0]], [*STYLES, "Cubism"])
    assert unused == confusion([[3, 1, 0], [0, 4, 0], [2, 0, 5]])
    used = confusion([[3, 1, 0, 0], [0, 4, 0, 0], [2, 0, 5, 0], [0, 0, 1, 0]], [*STYLES, "Cubism"])
    assert used != unused


def test_an_empty_matrix_gives_its_reason():
    assert confusion([], reason="no rows") != confusion([], reason="no row has a known label")


def curve(*bins: tuple[float, int, float, float]) -> list[dict[str, float]]:
    return [dict(zip(("low", "rows", "mean_confidence", "accuracy"), each, strict=True)) for each in bins]


def test_each_task_of_a_reliability_diagram_has_its_colour():
    style, period = (tuple(bytes.fromhex(colour[1:])) for colour in TASK_COLOURS[:2])
    tasks = WGA_TASKS.names
    bins = curve((0.0, 0, 0.0, 0.0), (0.5, 10, 0.7, 0.6))
    assert style in colours(opened(reliability_picture({"style": bins}, tasks, split="test")))
    assert period not in colours(opened(reliability_picture({"style": bins}, tasks, split="test")))
    assert {style, period} <= colours(opened(reliability_picture({"style": bins, "period": bins}, tasks, split="test")))
    assert opened(reliability_picture({}, tasks, split="test")).width > 200


def test_training_curves_may_have_missing_values():
    epochs = [
        {"epoch": 1, "train_loss": 2.0, "learning_rate": 1e-3},
        {"epoch": 2, "train_loss": 1.5, "validation_loss": 1.7, "accuracy": {"style": 0.4, "type": None}},
    ]
    assert opened(training_curves_picture(epochs, WGA_TASKS.names)).width > 800
    assert training_curves_picture(epochs, WGA_TASKS.names) != training_curves_picture(epochs[:1], WGA_TASKS.names)
    assert opened(training_curves_picture([], ())).width > 200


def test_class_balance_is_drawn_also_with_unknown_labels_and_without_rows():
    balance = pl.DataFrame(
        [("style", "Rococo", "train", 3), ("style", None, "test", 1), ("type", "genre", "train", 3)],
        schema=["task", "class", "split", "rows"],
        orient="row",
    )
    drawn = class_balance_picture(balance, WGA_TASKS)
    assert {tuple(bytes.fromhex(SPLIT_COLOURS[split][1:])) for split in ("train", "test")} <= colours(opened(drawn))
    assert drawn != class_balance_picture(balance.with_columns(rows=pl.lit(2, pl.Int64)), WGA_TASKS)
    assert opened(class_balance_picture(balance.clear(), WGA_TASKS)).width > 200


ROW = {"artist": "SZŐKE, Ágnes", "title": "Fűzfák", "year_from": 1890, "year_to": 1891, "style": "Realism"}


def test_a_neighbour_of_the_same_style_has_a_green_border_and_another_a_grey_one():
    pictures = [RED] * 2
    same = colours(opened(neighbour_sheet([ROW, ROW], pictures, title="Nearest", task="style")))
    other = colours(opened(neighbour_sheet([ROW, {**ROW, "style": "Rococo"}], pictures, title="Nearest", task="style")))
    assert GREEN in same
    # The legend shows both colours; the border of the tile is much larger than its sample.
    assert count(neighbour_sheet([ROW, ROW], pictures, task="style"), GREEN) > 10 * count(
        neighbour_sheet([ROW, {**ROW, "style": "Rococo"}], pictures, task="style"), GREEN
    )
    assert PLAIN in other


def count(png: bytes, colour: tuple[int, int, int]) -> int:
    return {c: n for n, c in opened(png).getcolors(2**24) or []}.get(colour, 0)


def test_a_query_without_a_style_marks_no_neighbour():
    row = {**ROW, "style": None}
    assert count(neighbour_sheet([row, ROW], [RED] * 2, task="style"), GREEN) == 0


def test_the_pictures_are_on_the_sheet():
    sheet = opened(contact_sheet([ROW, ROW, ROW], [RED, None, b"spoiled"], columns=2))
    near_red = [c for c in colours(sheet) if c[0] > 240 and c[1] < 20 and c[2] < 20]
    assert near_red


def test_letters_with_accents_have_shapes_of_their_own():
    drawn = {contact_sheet([{"title": letter}], [None]) for letter in "őűŠšŁłçÉñØþțŒ"}
    assert len(drawn) == 13


def test_a_long_title_makes_no_wider_sheet():
    short, long = (opened(contact_sheet([{"title": t}], [None])) for t in ("Tower", "Tower " * 50))
    assert short.size == long.size


def test_a_sheet_without_rows_is_a_picture():
    assert opened(contact_sheet([], [])).width > 0
    assert opened(neighbour_sheet([ROW], [None])).width > 300
