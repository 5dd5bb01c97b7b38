import polars as pl

from artpipe.models.labels import UNKNOWN, Labels
from artpipe.tasks import WGA_TASKS, Task, Tasks


def table(*rows: tuple[str, str | None, str | None, str | None]) -> pl.DataFrame:
    text = pl.String()
    return pl.DataFrame(rows, schema={"split": text, "style": text, "period": text, "type": text}, orient="row")


TRAINING_SET = table(
    ("train", "Baroque", "1550-1650", None),
    ("train", "Medieval", "before 1350", None),
    ("train", "Zeitgeist", None, None),
    ("test", "Rococo", "1650-1750", "portrait"),
)


def test_the_classes_are_those_of_the_training_rows_in_the_order_of_the_schema():
    labels = Labels.of(TRAINING_SET, WGA_TASKS)
    assert labels.classes["style"] == ("Medieval", "Baroque", "Zeitgeist")
    assert labels.classes["period"] == ("before 1350", "1550-1650")


def test_a_task_without_training_labels_has_no_head():
    assert Labels.of(TRAINING_SET, WGA_TASKS).tasks == ("style", "period")


def test_missing_and_unseen_classes_are_encoded_as_unknown():
    labels = Labels.of(TRAINING_SET, WGA_TASKS)
    encoded = labels.encode(TRAINING_SET)
    assert encoded.tolist() == [[1, 1], [0, 0], [2, UNKNOWN], [UNKNOWN, UNKNOWN]]


def test_counts_leave_unknown_labels_out():
    labels = Labels.of(TRAINING_SET, WGA_TASKS)
    counts = labels.counts(labels.encode(TRAINING_SET))
    assert counts["style"].tolist() == [1, 1, 1]
    assert counts["period"].tolist() == [1, 1]


def test_labels_follow_the_declared_tasks_and_those_made_from_years_have_middle_years():
    ages = Task("age", ("before 1800", "1800-1900", "after 1900"), is_ordinal=True, year_bounds=(1800, 1900))
    rows = table(("train", "Baroque", None, None)).with_columns(age=pl.lit("after 1900"), movement=pl.lit("Cubism"))
    labels = Labels.of(rows, Tasks(Task("movement", ("Fauvism", "Cubism")), ages, Task("mood", ("calm",))))
    assert labels.classes == {"movement": ("Cubism",), "age": ("after 1900",)}
    assert labels.middle_years == {"age": (1950,)}
