import polars as pl
import pytest

from artpipe.search.suggestions import Suggestion, Suggestions
from artpipe.tasks import WGA_TASKS

WORKS = pl.DataFrame(
    {
        "artist": ["DÜRER, Albrecht", "DÜRER, Albrecht", "DYCK, Anthony van", "DYCK, Anthony van", "DYCK, Anthony van"],
        "artist_id": ["d/durer", "d/durer", "d/dyck_van", "d/dyck_van", "d/dyck_van"],
        "title": ["Young Hare", "Young Hare", "Drunken Silenus", "Madonna and Child", None],
        "style": ["Renaissance", "Renaissance", "Baroque", "Baroque", None],
        "type": ["study", "study", "portrait", "religious", None],
    }
)


def texts(typed: str, count: int = 8) -> list[str]:
    return [found.text for found in Suggestions(WORKS, WGA_TASKS.labelled).of(typed, count)]


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("dur", ["DÜRER, Albrecht"]),
        ("Dürer al", ["DÜRER, Albrecht"]),
        ("alb", ["DÜRER, Albrecht"]),
        ("HARE", ["Young Hare"]),
        ("chi", ["Madonna and Child"]),
        ("d", ["DYCK, Anthony van", "DÜRER, Albrecht", "Drunken Silenus"]),
        ("an", ["DYCK, Anthony van", "Madonna and Child"]),
        ("ren", ["Renaissance"]),
        ("are", []),
        ("", []),
        ("*", []),
    ],
)
def test_what_is_typed_begins_a_word_and_the_commonest_comes_first(typed: str, expected: list[str]):
    assert texts(typed) == expected


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("van dy", ["DYCK, Anthony van"]),
        ("anthony dyck", ["DYCK, Anthony van"]),
        ("Albert D", ["DÜRER, Albrecht"]),
        ("duere", ["DÜRER, Albrecht"]),
        ("barroc", ["Baroque"]),
        ("Dürrer", ["DÜRER, Albrecht"]),
        ("baroqe", ["Baroque"]),
    ],
)
def test_other_names_and_misspelt_ones_are_suggested_as_the_collection_writes_them(typed: str, expected: list[str]):
    assert texts(typed) == expected


def test_schools_places_and_words_written_apart_are_suggested():
    works = WORKS.with_columns(
        school=pl.Series(["German", "German", "Flemish", "Flemish", "Flemish"]),
        location=pl.Series(["Albertina, Vienna"] * 4 + ["Museo del Prado, Madrid"]),
    )
    works = works.with_columns(title=pl.Series(["Alb", "Sunflowers", "Flemish Ships", "Madonna", None]))
    suggestions = Suggestions(works, WGA_TASKS.labelled)
    assert suggestions.of("flem") == [Suggestion("Flemish", "school", 3), Suggestion("Flemish Ships", "title", 1)]
    assert [one.kind for one in suggestions.of("alb")] == ["artist", "location", "title"]
    assert [one.text for one in suggestions.of("sun fl")] == ["Sunflowers"]
    assert [one.text for one in suggestions.of("flemisch")] == ["Flemish"]
    without = Suggestions(works, WGA_TASKS.labelled, with_titles=False)
    assert [one.kind for one in without.of("alb")] == ["artist"]


def test_a_suggestion_tells_its_kind_and_how_many_works_it_leads_to():
    assert Suggestions(WORKS, WGA_TASKS.labelled).of("you") == [Suggestion("Young Hare", "title", 2)]
    assert Suggestions(WORKS, WGA_TASKS.labelled).of("baro") == [Suggestion("Baroque", "style", 2)]


def test_no_more_come_than_asked_for():
    assert texts("d", 1) == ["DYCK, Anthony van"]
    assert texts("d", 0) == []
