"""The history of catalogue changes, without duplicates, and its summary."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import hypothesis.strategies as st
import polars as pl
import pytest
from hypothesis import given

from artpipe.catalog.changes import (
    append_changes,
    change_examples,
    diff_artworks,
    first_summary,
    in_words,
    losses,
    summarize_changes,
)
from artpipe.schema import ARTWORKS, CATALOG_CHANGES

THEN = datetime(2026, 3, 1, tzinfo=UTC)
LATER = THEN + timedelta(days=7)


def artworks(**titles: str | None) -> pl.DataFrame:
    return pl.DataFrame([{"artwork_id": name, "title": title} for name, title in titles.items()], schema=ARTWORKS)


def without_dates(diff: pl.DataFrame) -> list[tuple[Any, ...]]:
    return diff.drop("changed_at").rows()


def test_new_withdrawn_and_changed_artworks_are_rows():
    before = artworks(left="Left", same="Same", mended="Alegory")
    after = artworks(came="Came", mended="Allegory", same="Same")
    diff = diff_artworks(before, after, THEN)
    assert without_dates(diff) == [
        ("came", "new", None, None, None),
        ("left", "withdrawn", None, None, None),
        ("mended", "changed", "title", "Alegory", "Allegory"),
    ]
    assert diff.schema == CATALOG_CHANGES
    assert diff["changed_at"].unique().to_list() == [THEN]


def test_values_of_every_type_are_recorded_as_text():
    before = artworks(one="One").with_columns(year_from=pl.lit(1500, pl.Int32), is_detail=pl.lit(False))
    flags = pl.Series([["range", 'so "called"']], dtype=pl.List(pl.String))
    after = before.with_columns(
        year_from=pl.lit(None, pl.Int32), year_to=pl.lit(1510, pl.Int32), is_detail=pl.lit(True), date_flags=flags
    )
    assert without_dates(diff_artworks(before, after, THEN)) == [
        ("one", "changed", "date_flags", None, '["range","so \\"called\\""]'),
        ("one", "changed", "is_detail", "false", "true"),
        ("one", "changed", "year_from", "1500", None),
        ("one", "changed", "year_to", None, "1510"),
    ]


@pytest.mark.parametrize("before", [None, artworks()], ids=["none", "empty"])
def test_the_first_catalogue_changes_nothing_and_is_all_new(before: pl.DataFrame | None):
    after = artworks(one="One", two="Two")
    assert diff_artworks(before, after, THEN).is_empty()
    assert diff_artworks(before, after, THEN).schema == CATALOG_CHANGES
    assert in_words(first_summary(after)) == "2 new, 0 changed, 0 relabelled, 0 gone"


def test_a_column_that_only_one_of_the_tables_has_is_no_change():
    before = artworks(one="One").drop("style")
    assert diff_artworks(before, artworks(one="One"), THEN).is_empty()


def test_a_duplicate_artwork_id_is_refused():
    twice = pl.concat([artworks(one="One"), artworks(one="One")])
    with pytest.raises(ValueError, match="'one' twice"):
        diff_artworks(artworks(one="One"), twice, THEN)


def test_a_withdrawn_artwork_that_comes_back_has_returned():
    history = append_changes(None, diff_artworks(artworks(one="One", two="Two"), artworks(two="Two"), THEN))
    diff = diff_artworks(artworks(two="Two"), artworks(one="One", two="Two", three="Three"), LATER, history)
    assert without_dates(diff) == [("one", "returned", None, None, None), ("three", "new", None, None, None)]
    assert summarize_changes(diff) == {"new": 2, "changed": 0, "relabelled": 0, "gone": 0}


def test_artworks_are_counted_once_and_labels_apart():
    before = artworks(a="A", b="B", c="C", d="D").with_columns(style=pl.lit("Baroque"), type=pl.lit("genre"))
    after = before.with_columns(
        title=pl.when(pl.col("artwork_id").is_in(["a", "b"])).then(pl.lit("X")).otherwise("title"),
        technique=pl.when(pl.col("artwork_id") == "a").then(pl.lit("Oil")),
        style=pl.when(pl.col("artwork_id").is_in(["b", "c"])).then(pl.lit("Rococo")).otherwise("style"),
    )
    after = pl.concat([after.filter(pl.col("artwork_id") != "d"), artworks(e="E")])
    diff = diff_artworks(before, after, THEN)
    assert summarize_changes(diff) == {"new": 1, "changed": 1, "relabelled": 2, "gone": 1}
    assert in_words(summarize_changes(diff)) == "1 new, 1 changed, 2 relabelled, 1 gone"


def test_examples_are_words_and_few():
    names = [f"a{number:02}" for number in range(15)]
    before = artworks(**dict.fromkeys(names, "A"), left="L", label="B").with_columns(style=pl.lit("Baroque"))
    after = artworks(**dict.fromkeys(names, "B"), came="C", label="B").with_columns(
        style=pl.when(pl.col("artwork_id") == "label").then(pl.lit("Rococo")).otherwise(pl.lit("Baroque"))
    )
    found = change_examples(diff_artworks(before, after, THEN))
    assert (found["new"], found["gone"], len(found["changed"])) == (["came"], ["left"], 10)
    assert found["changed"][0] == "a00: title 'A' -> 'B'"
    assert found["relabelled"] == ["label: style 'Baroque' -> 'Rococo'"]


def test_the_same_changes_found_again_after_a_crash_are_recorded_once():
    first = diff_artworks(artworks(a="A", b="B"), artworks(a="X", c="C"), THEN)
    history = append_changes(None, first)
    again = diff_artworks(artworks(a="A", b="B"), artworks(a="X", c="C"), LATER, history)
    assert append_changes(history, again).equals(history)


def test_a_return_found_again_after_a_crash_is_recorded_once():
    history = append_changes(None, diff_artworks(artworks(a="A", b="B"), artworks(b="B"), THEN))
    states = artworks(b="B"), artworks(a="A", b="B")
    history = append_changes(history, diff_artworks(*states, LATER, history))
    assert append_changes(history, diff_artworks(*states, LATER, history)).equals(history)


def test_a_change_and_its_reversal_are_both_recorded():
    history = None
    states = [artworks(a="A"), artworks(a="X"), artworks(a="A"), artworks(a="X")]
    for turn in range(3):
        diff = diff_artworks(states[turn], states[turn + 1], THEN + turn * timedelta(days=7), history)
        history = append_changes(history, diff)
    assert history is not None
    assert history["after"].to_list() == ["X", "A", "X"]


def test_the_same_change_is_recorded_again_after_a_withdrawal_and_return():
    other = {"b": "B"}
    states = [artworks(a="A", **other), artworks(a="X", **other), artworks(**other), artworks(a="A", **other)]
    history = None
    for before, after in [*itertools.pairwise(states), (states[0], states[1])]:
        history = append_changes(history, diff_artworks(before, after, THEN, history))
    assert history is not None
    assert history["change"].to_list() == ["changed", "withdrawn", "returned", "changed"]


VALUES = st.one_of(st.none(), st.sampled_from(["", "A", "B"]))
CATALOGS = st.dictionaries(st.sampled_from("abcdef"), st.tuples(VALUES, VALUES), min_size=1)


def catalog(rows: dict[str, tuple[str | None, str | None]]) -> pl.DataFrame:
    return pl.DataFrame(
        [{"artwork_id": name, "title": title, "style": style} for name, (title, style) in rows.items()],
        schema={"artwork_id": pl.String, "title": pl.String, "style": pl.String},
    )


@given(CATALOGS, CATALOGS)
def test_the_changes_lead_from_one_catalogue_to_the_other(before, after):
    made = {name: dict(zip(("title", "style"), values, strict=True)) for name, values in before.items()}
    came = set()
    for row in diff_artworks(catalog(before), catalog(after), THEN).iter_rows(named=True):
        if row["change"] == "withdrawn":
            del made[row["artwork_id"]]
        elif row["change"] == "changed":
            assert made[row["artwork_id"]][row["column"]] == row["before"]
            made[row["artwork_id"]][row["column"]] = row["after"]
        else:
            came.add(row["artwork_id"])
    assert came == set(after) - set(before)
    assert {name: tuple(row.values()) for name, row in made.items()} == {n: v for n, v in after.items() if n in before}


@given(st.lists(CATALOGS, min_size=2, max_size=6))
def test_no_crash_doubles_or_loses_a_change(catalogs):
    quiet, crashing = None, None
    for before, after in itertools.pairwise(catalogs):
        quiet = append_changes(quiet, diff_artworks(catalog(before), catalog(after), THEN, quiet))
        for _ in range(2):
            crashing = append_changes(crashing, diff_artworks(catalog(before), catalog(after), THEN, crashing))
    assert quiet is not None
    assert crashing is not None
    assert crashing.equals(quiet)


def lost(before: pl.DataFrame | None, after: pl.DataFrame) -> dict[str, tuple[int, int]]:
    found = losses(before, after, "artwork_id", "artworks")
    return {loss.what: (loss.lost, loss.held) for loss in found if loss.lost}


CATALOGUE = pl.DataFrame(
    {
        "artwork_id": ["a", "b", "c"],
        "form": ["painting", "painting", "sculpture"],
        "type": ["portrait", "genre", None],
        "date_text": ["1500", "-", "1600"],
        "year_from": [1500, 1450, 1600],
        "year_source": ["work", "artist", "work"],
        "is_detail": [True, False, False],
    }
)


def test_rows_that_are_not_in_the_new_catalogue_are_lost():
    assert lost(CATALOGUE, CATALOGUE.filter(artwork_id="b")) == {"artworks": (2, 3)}
    (first, *_) = losses(CATALOGUE, CATALOGUE.filter(artwork_id="b"), "artwork_id", "artworks")
    assert first.example == "a"


def test_nothing_is_lost_of_a_first_catalogue_an_unchanged_and_a_grown_one():
    grown = pl.concat([CATALOGUE, CATALOGUE.head(1).with_columns(artwork_id=pl.lit("d"), form=pl.lit("mosaics"))])
    assert lost(None, CATALOGUE) == lost(CATALOGUE, CATALOGUE) == lost(CATALOGUE, grown) == {}


def test_labels_that_vanish_are_lost_and_labels_that_change_are_not():
    assert lost(CATALOGUE, CATALOGUE.with_columns(type=pl.lit(None, pl.String))) == {"values of `type`": (2, 2)}
    assert lost(CATALOGUE, CATALOGUE.with_columns(type=pl.lit("landscape"))) == {}


def test_years_of_the_works_are_lost_where_those_of_the_artists_take_their_place():
    undated = CATALOGUE.with_columns(date_text=pl.lit("-"), year_source=pl.lit("artist"))
    assert lost(CATALOGUE, undated) == {"values of `date_text`": (2, 2), "values of `year_source`": (2, 2)}


def test_a_category_that_the_catalogue_never_had_is_none():
    shifted = CATALOGUE.with_columns(form=pl.lit("oil on canvas"))
    assert lost(CATALOGUE, shifted) == {"values of `form`": (3, 3)}
    assert lost(CATALOGUE, CATALOGUE.with_columns(form=pl.lit("sculpture"))) == {}


def test_a_column_that_one_of_the_two_tables_does_not_have_is_not_compared():
    assert lost(CATALOGUE.drop("form"), CATALOGUE.drop("type")) == {}
