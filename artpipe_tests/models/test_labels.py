import polars as pl

from artpipe.models.labels import UNKNOWN, Labels


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
    labels = Labels.of(TRAINING_SET)
    assert labels.classes["style"] == ("Medieval", "Baroque", "Zeitgeist")
    assert labels.classes["period"] == ("before 1350", "1550-1650")


def test_a_task_without_training_labels_has_no_head():
    assert Labels.of(TRAINING_SET).tasks == ("style", "period")


def test_missing_and_unseen_classes_are_encoded_as_unknown():
    labels = Labels.of(TRAINING_SET)
    encoded = labels.encode(TRAINING_SET)
    assert encoded.tolist() == [[1, 1], [0, 0], [2, UNKNOWN], [UNKNOWN, UNKNOWN]]


def test_counts_leave_unknown_labels_out():
    labels = Labels.of(TRAINING_SET)
    counts = labels.counts(labels.encode(TRAINING_SET))
    assert counts["style"].tolist() == [1, 1, 1]
    assert counts["period"].tolist() == [1, 1]
