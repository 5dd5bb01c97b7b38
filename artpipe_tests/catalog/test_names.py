"""Names as people write them."""

from collections import Counter

import polars as pl
import pytest

from artpipe.catalog.names import (
    Names,
    artist_names,
    initial_of,
    labels_known_as,
    name_words,
    normalized_name,
    similar_names,
    sort_key,
    variants,
)

ARTISTS = {
    "a/almatade": "ALMA-TADEMA, Lawrence",
    "d/durer": "DÜRER, Albrecht",
    "d/dyck_van": "DYCK, Sir Anthony van",
    "g/gogh_van": "GOGH, Vincent van",
    "h/holbein/hans_y": "HOLBEIN, Hans the Younger",
    "h/holbein/hans_e": "HOLBEIN, Hans the Elder",
    "k/kobke": "KØBKE, Christen",
    "l/la_tour/georges": "LA TOUR, Georges de",
    "l/leonardo": "LEONARDO da Vinci",
    "m/mednyans": "MEDNYÁNSZKY, László",
    "n/newman": "NEWMAN, Unheard-Of",
    "r/raphael": "RAFFAELLO Sanzio",
    "t/tiziano": "TIZIANO Vecellio",
    "w/weyden/rogier": "WEYDEN, Rogier van der",
    "w/witkiewi": "WŁODARCZYK, Đorđe Weiß",
}
ALIASES = {"n/newman": ["NIEMAND, Ludwig", "OLD NICK"]}


@pytest.fixture(scope="module")
def artists() -> Names:
    works = pl.DataFrame({"artist_id": list(ARTISTS), "artist": list(ARTISTS.values())})
    return artist_names(works, ALIASES)


@pytest.mark.parametrize(
    ("written", "artist_id"),
    [
        ("van gogh", "g/gogh_van"),
        ("Vincent van Gogh", "g/gogh_van"),
        ("Gogh Vincent", "g/gogh_van"),
        ("V. van Gogh", "g/gogh_van"),
        ("L. d'Vinci", "l/leonardo"),
        ("Raffaello d'Urbino", "r/raphael"),
        ("gog", "g/gogh_van"),
        ("titian", "t/tiziano"),
        ("Tiziano Vecelli", "t/tiziano"),
        ("Le Titien", "t/tiziano"),
        ("Rafael", "r/raphael"),
        ("raphael sanzio", "r/raphael"),
        ("da Vinci", "l/leonardo"),
        ("davinci", "l/leonardo"),
        ("Léonard", "l/leonardo"),
        ("almatadema", "a/almatade"),
        ("Alma Tadema", "a/almatade"),
        ("vandyck", "d/dyck_van"),
        ("Antoon van Dijck", "d/dyck_van"),
        ("DUERER", "d/durer"),
        ("Hans Holbein der Jüngere", "h/holbein/hans_y"),
        ("Holbein the Elder", "h/holbein/hans_e"),
        ("kobke", "k/kobke"),
        ("Koebke", "k/kobke"),
        ("Georges de Latour", "l/la_tour/georges"),
        ("de la tour", "l/la_tour/georges"),
        ("nyánsz", "m/mednyans"),
        ("Ludwig Niemand", "n/newman"),
        ("old nick", "n/newman"),
        ("Roger de la Pasture", "w/weyden/rogier"),
        ("Wlodarczyk", "w/witkiewi"),
        ("dorde weiss", "w/witkiewi"),
    ],
)
def test_an_artist_is_found_however_the_name_is_written(artists: Names, written: str, artist_id: str):
    assert [artists.names[number] for number in artists.matching(written)] == [ARTISTS[artist_id]]


def test_a_part_of_a_name_finds_all_who_have_it(artists: Names):
    assert {artists.names[number] for number in artists.matching("holbein")} == {
        "HOLBEIN, Hans the Elder",
        "HOLBEIN, Hans the Younger",
    }
    assert "GOGH, Vincent van" in {artists.names[number] for number in artists.matching("van")}


@pytest.mark.parametrize("nobody", ["", " ", "*", ".*", "xylophone", "gogh rubens", "X. Gogh"])
def test_what_names_nobody_finds_nobody(artists: Names, nobody: str):
    assert artists.matching(nobody) == []


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [
        ("Vincent van Gohg", "GOGH, Vincent van"),
        ("Titan", "TIZIANO Vecellio"),
        ("Rapheal", "RAFFAELLO Sanzio"),
        ("Albrekt Durer", "DÜRER, Albrecht"),
        ("Mednyanski", "MEDNYÁNSZKY, László"),
    ],
)
def test_a_misspelt_name_brings_up_the_artist_who_was_meant(artists: Names, misspelt: str, meant: str):
    assert artists.matching(misspelt) == []
    assert artists.closest(misspelt)[0] == meant


def named(artists: Names, text: str, *, is_fuzzy: bool = False) -> list[tuple[str, list[str]]]:
    words = text.split()
    return [
        (" ".join(words[span.first : span.last]), [artists.names[number] for number in span.numbers])
        for span in artists.spans(words, is_fuzzy=is_fuzzy)
    ]


def test_names_are_found_among_other_words_the_longest_first(artists: Names):
    assert named(artists, "portrait by antoon van dijck in the louvre") == [
        ("antoon van dijck", ["DYCK, Sir Anthony van"])
    ]
    assert named(artists, "raphael titian") == [("raphael", ["RAFFAELLO Sanzio"]), ("titian", ["TIZIANO Vecellio"])]
    assert named(artists, "almatadema spring") == [("almatadema", ["ALMA-TADEMA, Lawrence"])]
    assert named(artists, "rapheal madonna") == []
    assert named(artists, "rapheal madonna", is_fuzzy=True) == [("rapheal", ["RAFFAELLO Sanzio"])]


@pytest.mark.parametrize("text", ["antonio", "roger", "pasture", "christen", "the of van", "p", "albrecht", "niemand"])
def test_a_first_name_or_a_part_of_a_variant_alone_names_nobody_among_other_words(artists: Names, text: str):
    assert named(artists, text) == []


def test_a_surname_that_only_an_alias_has_is_meant_beside_another_name_or_where_nothing_else_is(artists: Names):
    meant = ["NEWMAN, Unheard-Of"]
    for text in ("ludwig niemand", "l niemand"):
        assert named(artists, text) == [(text, meant)]
    assert named(artists, "niemand") == []
    assert named(artists, "niemand", is_fuzzy=True) == [("niemand", meant)]


def test_words_of_a_folder_that_tell_a_family_apart_are_no_names():
    works = pl.DataFrame(
        {"artist_id": ["o/oudry/father", "c/caravagg"], "artist": ["OUDRY, Jean-Baptiste", "CARAVAGGIO"]}
    )
    names = artist_names(works)
    assert names.matching("father") == names.spans(["father"]) == names.spans(["saint", "sebastian"]) == []


def test_an_artist_of_another_catalogue_has_the_variants_too():
    works = pl.DataFrame({"artist_id": ["17", None], "artist": ["Vincent van Gogh (Dutch, 1853-1890)", "Titian"]})
    names = artist_names(works)
    assert [names.names[number] for number in names.matching("Vincent Willem van Gogh")] == [
        "Vincent van Gogh (Dutch, 1853-1890)"
    ]
    assert names.matching("dutch van gogh") == names.matching("van gogh")
    assert [names.names[number] for number in names.matching("Le Titien")] == ["Titian"]


def test_a_namesake_with_other_particles_is_somebody_else():
    names = artist_names(pl.DataFrame({"artist_id": ["1", "2"], "artist": ["STEEN, Jan", "STEEN, Jan van der"]}))
    assert names.matching("Jan Havickszoon Steen") == [names.names.index("STEEN, Jan")]


def test_a_name_is_compared_without_accents_strokes_case_and_punctuation():
    assert normalized_name("  ÖRN-ŁÓDŹ,  Åsa d'") == "orn lodz asa d"
    assert normalized_name("Straße") == normalized_name("STRASSE")
    assert normalized_name("Éloi_ŠKRÉTA æø") == "eloi skreta aeo"


def test_particles_are_left_out_unless_there_is_nothing_else():
    assert name_words("Rogier van der Weyden") == ["rogier", "weyden"]
    assert name_words("Van den") == ["van", "den"]
    assert name_words("Holbein der Jüngere") == name_words("Holbein the Younger")


def test_similar_names_are_spelt_as_they_are_known():
    assert similar_names("durer", ["DÜRER", "Cuyp"]) == ["DÜRER"]
    assert similar_names("xyz", ["DÜRER"]) == []


def test_labels_have_other_names():
    assert labels_known_as("style", "IMPRESSIONNISME") == ["Impressionism"]
    assert labels_known_as("type", "nature morte") == ["still-life"]
    assert labels_known_as("type", "nature") == []


def test_the_table_has_the_names_of_300_artists_and_no_name_twice():
    artists = variants("artist")
    assert len(artists) >= 300
    for kind in ("artist", "style", "school", "type", "technique", "location", "word"):
        assert variants(kind)
        assert all(len(names) > 1 and all(names) for names in variants(kind))
        owners = Counter(name for names in variants(kind) for name in {normalized_name(name) for name in names})
        assert [name for name, count in owners.items() if count > 1] == []


def test_names_are_listed_as_people_sort_them():
    listed = ["ÁBEL, Ottó", "Abel, Zoe", "DÜRER, Albrecht", "DUREY, René", "VAN DYCK, Anthony", "van Eyck, Jan"]
    listed += ["von der Heydt, Karl", "KØBKE, Christen", "La Tour, Georges de", "LE BRUN, Charles", "3 Masters"]
    expected = ["ÁBEL, Ottó", "Abel, Zoe", "DÜRER, Albrecht", "DUREY, René", "van Eyck, Jan", "von der Heydt, Karl"]
    expected += ["KØBKE, Christen", "La Tour, Georges de", "LE BRUN, Charles", "VAN DYCK, Anthony", "3 Masters"]
    assert sorted(listed, key=sort_key) == expected
    assert [initial_of(name) for name in expected] == ["A", "A", "D", "D", "E", "H", "K", "L", "L", "V", "#"]
    assert sort_key("de") == (False, ["de"])
