"""A person's labels go before the catalogue's, and what the catalogue says is kept beside."""

import polars as pl

from artpipe.splits.assign import SplitConfig, assign_splits
from artpipe.splits.corrections import correct_labels, told_corrections
from artpipe.splits.overrides import LABELS
from artpipe.splits.works import group_works


def said(*lines: tuple[str, str, str | None]) -> pl.DataFrame:
    rows = [dict.fromkeys(LABELS) | dict(zip(LABELS, line, strict=False)) | {"by": "anna"} for line in lines]
    return pl.DataFrame(rows, schema=LABELS)


def dealt(made) -> pl.DataFrame:
    artworks, images = made
    return assign_splits(group_works(artworks, images), artworks, images, SplitConfig())


def test_a_corrected_label_takes_the_place_of_the_catalogue_s_and_no_other_does(catalogue):
    table = dealt(catalogue({"artwork_id": "b/one"}, {"artwork_id": "b/two"}))
    corrected = correct_labels(table, said(("b/two", "style", "Rococo"), ("b/gone", "type", "genre")))
    assert corrected["style"].to_list() == ["Baroque", "Rococo"]
    assert corrected.drop("style").equals(table.drop("style"))
    assert corrected.columns == table.columns


def test_an_empty_label_takes_the_catalogue_s_away(catalogue):
    corrected = correct_labels(dealt(catalogue({"artwork_id": "b/one"})), said(("b/one", "type", None)))
    assert corrected["type"].to_list() == [None]


def test_without_overrides_nothing_changes(catalogue):
    table = dealt(catalogue({"artwork_id": "b/one"}))
    assert correct_labels(table, said()).equals(table)


def test_who_said_what_is_told_beside_the_catalogue_s_own_label(catalogue):
    artworks, _ = catalogue({"artwork_id": "b/one"}, {"artwork_id": "b/two", "type": None})
    told = told_corrections(
        artworks,
        said(
            ("b/two", "type", "genre"),
            ("b/one", "period", "1550-1650"),
            ("b/one", "style", None),
            ("b/gone", "style", None),
        ),
    )
    assert told.select("artwork_id", "task", "catalogue", "label", "effect", "by").rows() == [
        ("b/two", "type", None, "genre", "corrected", "anna"),
        ("b/one", "period", "1550-1650", "1550-1650", "confirmed", "anna"),
        ("b/one", "style", "Baroque", None, "left out", "anna"),
    ]
