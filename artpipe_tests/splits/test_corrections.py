"""A person's labels replace the catalogue's, and both are listed."""

import polars as pl

from artpipe.splits.corrections import compare_corrections, correct_labels
from artpipe.splits.overrides import LABELS
from artpipe.tasks import WGA_TASKS
from artpipe_tests.splits.conftest import assigned


def overrides(*lines: tuple[str, str, str | None]) -> pl.DataFrame:
    rows = [dict.fromkeys(LABELS) | dict(zip(LABELS, line, strict=False)) | {"by": "anna"} for line in lines]
    return pl.DataFrame(rows, schema=LABELS)


def test_a_corrected_label_replaces_the_catalogue_s_and_no_other(catalogue):
    table = assigned(catalogue({"artwork_id": "b/one"}, {"artwork_id": "b/two"}))
    corrected = correct_labels(table, overrides(("b/two", "style", "Rococo"), ("b/gone", "type", "genre")))
    assert corrected["style"].to_list() == ["Baroque", "Rococo"]
    assert corrected.drop("style").equals(table.drop("style"))
    assert corrected.columns == table.columns


def test_an_empty_label_removes_the_catalogue_s(catalogue):
    corrected = correct_labels(assigned(catalogue({"artwork_id": "b/one"})), overrides(("b/one", "type", None)))
    assert corrected["type"].to_list() == [None]


def test_without_overrides_nothing_changes(catalogue):
    table = assigned(catalogue({"artwork_id": "b/one"}))
    assert correct_labels(table, overrides()).equals(table)


def test_corrections_are_listed_with_the_catalogue_s_label(catalogue):
    artworks, _ = catalogue({"artwork_id": "b/one"}, {"artwork_id": "b/two", "type": None})
    compared = compare_corrections(
        artworks,
        overrides(
            ("b/two", "type", "genre"),
            ("b/one", "period", "1550-1650"),
            ("b/one", "style", None),
            ("b/gone", "style", None),
        ),
        WGA_TASKS,
    )
    assert compared.select("artwork_id", "task", "catalogue", "label", "effect", "by").rows() == [
        ("b/two", "type", None, "genre", "corrected", "anna"),
        ("b/one", "period", "1550-1650", "1550-1650", "confirmed", "anna"),
        ("b/one", "style", "Baroque", None, "left out", "anna"),
    ]
