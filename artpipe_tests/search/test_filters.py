import polars as pl
import pytest
from pydantic import ValidationError

from artpipe.search.filters import FilterColumns, SearchFilter, UnknownFilterValueError
from artpipe.tasks import WGA_TASKS

WORKS = pl.DataFrame(
    {
        "artist": ["DÜRER, Albrecht", "HALS, Example", "HALS, Other", None],
        "artist_id": ["d/durer", "h/hals1", "h/hals2", None],
        "style": ["Renaissance", "Baroque", "Baroque", None],
        "period": ["1450-1550", "1550-1650", None, None],
        "type": ["study", "portrait", "genre", "genre"],
        "school": ["German", "Dutch", "Flemish", "Dutch"],
        "technique": ["Watercolour on paper", "Oil on canvas, 90 x 80 cm", "Huile sur toile dorée", None],
        "location": ["Albertina, Vienna", "Musée du Louvre, Paris", "Galleria degli Uffizi, Firenze", None],
        "year_from": [1502, 1600, None, 1640],
        "year_to": [1502, 1650, None, 1700],
    }
)


def passing(**conditions: object) -> list[int]:
    mask = SearchFilter(**conditions).mask(FilterColumns(WORKS, WGA_TASKS.names))  # pyright: ignore[reportArgumentType]
    return mask.nonzero()[0].tolist()


def test_without_a_condition_everything_passes():
    assert passing() == [0, 1, 2, 3]
    assert SearchFilter().is_empty


@pytest.mark.parametrize(("location", "expected"), [("Rome", [0]), ("krom", [2]), ("Ghent", [3]), ("The Met", [])])
def test_the_other_names_of_a_place_are_whole_words(location: str, expected: list[int]):
    places = ["Galleria Borghese, Roma", "Brukenthal, Romania", "Kroměříž", "Museum voor Schone Kunsten, Gent"]
    works = FilterColumns(WORKS.with_columns(location=pl.Series(places)), WGA_TASKS.names)
    found = SearchFilter(location=location).mask(works)  # pyright: ignore[reportArgumentType]
    assert found.nonzero()[0].tolist() == expected


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({"style": "Baroque"}, [1, 2]),
        ({"style": "baroque", "type": "portrait"}, [1]),
        ({"style": "Barock", "school": "Holland"}, [1]),
        ({"period": "1550-1650"}, [1]),
        ({"school": "Dutch"}, [1, 3]),
        ({"location": "louvre"}, [1]),
        ({"location": ["Wien", "FLORENCE"]}, [0, 2]),
        ({"location": "Florenz", "style": "Baroque"}, [2]),
        ({"location": "Nowhere"}, []),
        ({"artist": "durer"}, [0]),
        ({"artist": "Dürer"}, [0]),
        ({"artist": "hals"}, [1, 2]),
        ({"artist": "h/hals2"}, [2]),
        ({"artist": "albert duerer"}, [0]),
        ({"artist": "E. Hals"}, [1]),
        ({"style": ["Baroque", "renaissance"]}, [0, 1, 2]),
        ({"school": ("Dutch", "German"), "artist": ["durer", "other"]}, [0]),
        ({"technique": "OIL ON"}, [1]),
        ({"technique": ["doree", "watercolour"]}, [0, 2]),
        ({"technique": "fresco"}, []),
    ],
)
def test_labels_and_artists_are_found_whatever_case_and_accents(conditions: dict[str, object], expected: list[int]):
    assert passing(**conditions) == expected


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({"year_from": 1502, "year_to": 1502}, [0]),
        ({"year_from": 1645}, [1, 3]),
        ({"year_to": 1620}, [0, 1]),
        ({"year_from": 1503, "year_to": 1599}, []),
    ],
)
def test_years_pass_when_the_spans_overlap_and_an_unknown_year_never_does(
    conditions: dict[str, int], expected: list[int]
):
    assert passing(**conditions) == expected


def test_an_unknown_label_is_refused_with_those_there_are():
    with pytest.raises(UnknownFilterValueError, match=r"no work has the style 'Barrok'; choose one of: Baroque, Ren"):
        passing(style="Barrok")


def test_an_unknown_artist_is_refused_with_the_closest():
    with pytest.raises(UnknownFilterValueError, match=r"'DURER, Albrekt'; the closest are: DÜRER, Albrecht\."):
        passing(artist="DURER, Albrekt")


def test_an_unknown_value_comes_with_those_that_may_have_been_meant():
    for column, value, meant in [("artist", "Dürrer", "DÜRER, Albrecht"), ("style", "Baroqe", "Baroque")]:
        with pytest.raises(UnknownFilterValueError) as refused:
            passing(**{column: value})
        assert (refused.value.column, refused.value.similar) == (column, (meant,))


def test_text_is_compared_literally_and_never_as_a_pattern():
    with pytest.raises(UnknownFilterValueError):
        passing(artist=".*")


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({"year_to": -450}, [0]),
        ({"year_to": "450 BC"}, [0]),
        ({"year_from": "460 b.c.e.", "year_to": "20"}, [0, 1]),
        ({"year_from": -99}, [1, 2]),
        ({"year_from": "1600"}, [2]),
    ],
)
def test_years_before_christ_are_numbers_below_zero_or_words(conditions: dict[str, object], expected: list[int]):
    works = WORKS.head(3).with_columns(
        year_from=pl.Series([-500, -100, 1600], dtype=pl.Int32), year_to=pl.Series([-450, 50, 1650], dtype=pl.Int32)
    )
    where = SearchFilter(**conditions)  # pyright: ignore[reportArgumentType]
    assert where.mask(FilterColumns(works, WGA_TASKS.names)).nonzero()[0].tolist() == expected


def test_reversed_years_before_christ_are_refused_in_words():
    with pytest.raises(ValidationError, match="year_from 400 BC is after year_to 500 BC"):
        SearchFilter(year_from=-400, year_to=-500)


@pytest.mark.parametrize(
    "bad", [{"year_from": 1700, "year_to": 1600}, {"colour": "red"}, {"style": " "}, {"style": []}, {"style": [3]}]
)
def test_a_senseless_filter_is_refused(bad: dict[str, object]):
    with pytest.raises(ValidationError):
        SearchFilter(**bad)  # pyright: ignore[reportArgumentType]


OTHER = WORKS.with_columns(movement=pl.Series(["Cubism", *["Fauvism"] * (WORKS.height - 1)]))


def test_labels_of_other_tasks_are_named_with_their_task():
    works = FilterColumns(OTHER, ("movement", "style"))
    assert SearchFilter(labels={"movement": "cubism"}).mask(works).tolist() == [True] + [False] * (WORKS.height - 1)
    assert SearchFilter(labels={"movement": ["Cubism", "Fauvism"]}).mask(works).all()
    with pytest.raises(
        UnknownFilterValueError, match="has the movement 'Cubsm'; choose one of: Cubism, Fauvism"
    ) as found:
        SearchFilter(labels={"movement": "Cubsm"}).mask(works)
    assert (found.value.column, found.value.similar) == ("movement", ("Cubism",))


def test_a_task_that_the_collection_lacks_cannot_be_filtered_by():
    works = FilterColumns(OTHER, ("movement",))
    for where in (SearchFilter(style="Baroque"), SearchFilter(labels={"style": "Baroque"})):
        with pytest.raises(UnknownFilterValueError, match="collection has a style; filter by movement, school"):
            where.mask(works)


def test_a_label_with_a_field_of_its_own_is_the_same_there_and_among_the_labels():
    assert SearchFilter(labels={"style": "Baroque"}) == SearchFilter(style="Baroque")
    with pytest.raises(ValueError, match="style is given twice"):
        SearchFilter(style="Baroque", labels={"style": "Rococo"})
    assert SearchFilter(labels={}).is_empty


def test_a_condition_on_a_task_is_replaced_like_a_field():
    where = SearchFilter(style="Baroque", labels={"movement": ["Cubism", "Fauvism"]})
    assert where.conditions == [("style", "Baroque"), ("movement", "Cubism"), ("movement", "Fauvism")]
    assert where.without("movement") == SearchFilter(style="Baroque")
    assert where.replaced("movement", ("Cubism",)).conditions[1:] == [("movement", "Cubism")]
    assert hash(where) != hash(where.without("movement"))
