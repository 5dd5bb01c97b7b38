import polars as pl
import pytest

from artpipe.catalog.names import artist_names
from artpipe.search.query_expansion import Expansion, QueryExpansion


@pytest.fixture
def expansion() -> QueryExpansion:
    works = pl.DataFrame({"artist_id": ["b/bauer", "t/tiziano"], "artist": ["BAUER, Karl", "TIZIANO Vecellio"]})
    return QueryExpansion(artist_names(works, {"b/bauer": ["LONDRES, Jack"]}))


def test_a_name_is_expanded_to_what_the_table_calls_it(expansion: QueryExpansion):
    assert expansion.of(["titian", "in", "wien"]) == [
        Expansion(0, 1, (("artist", "tiziano vecellio"),)),
        Expansion(2, 3, (("location", "vienna"),)),
    ]


def test_of_names_that_share_a_word_the_longest_is_meant(expansion: QueryExpansion):
    assert expansion.of(["jack", "londres"]) == [Expansion(0, 2, (("artist", "bauer karl"),))]
    assert ("location", "london") in expansion.of(["londres"])[0].alternatives


def test_words_of_a_name_in_the_table_need_no_other_but_a_whole_name_means_the_artist(expansion: QueryExpansion):
    assert expansion.of(["bauer", "landscapist"]) == []
    assert expansion.of(["karl", "bauer"]) == [Expansion(0, 2, (("artist", "bauer karl"),))]


def test_words_have_other_spellings(expansion: QueryExpansion):
    assert expansion.equal_words("st") == ("saint",)
    assert expansion.equal_words("bauer") == ()
