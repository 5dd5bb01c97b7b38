import lance
import numpy as np
import polars as pl
import pytest

from artpipe.embedding.table import EmbeddingTable
from artpipe.lake.paths import DataLake
from artpipe.search import Collection, SearchFilter
from artpipe.search.text import NoTextIndexError, WordMatch, build_text_index, query_words

TITLES = {
    "a/angelico/madonna": ("ANGELICO, Fra", "Madonna and Child", "Tempera on panel"),
    "b/bellini/child": ("BELLINI, Giovanni", "A Sleeping Child", "Oil on panel"),
    "d/durer/hare": ("DÜRER, Albrecht", "Young Hare", "Watercolour on paper"),
    "l/latour/eloi": ("LA TOUR, Georges de", "Saint Éloi's Dream", "Oil on canvas"),
    "r/rembrandt/night": ("REMBRANDT", "The Night Watch", "Oil on canvas"),
    "r/rembrandt/self": ("REMBRANDT", "Self-Portraits", None),
    "v/vermeer/paintings": ("VERMEER", "The Art of Painting", "Oil on canvas"),
    "x/x/nothing": (None, None, None),
}


def rows(names: list[str]) -> pl.DataFrame:
    vectors = np.random.default_rng(0).standard_normal((len(names), 4)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    told = [TITLES[name] for name in names]
    schema = {"artist": pl.String, "title": pl.String, "technique": pl.String}
    return pl.DataFrame(told, schema=schema, orient="row").with_columns(
        artwork_id=pl.Series(names),
        artist_id=pl.col("artist"),
        model_id=pl.lit("m"),
        jpeg_sha256=pl.Series(names),
        vector=vectors,
    )


@pytest.fixture
def lake(tmp_path: object) -> DataLake:
    lake = DataLake(f"{tmp_path}/lake")
    EmbeddingTable(lake).upsert(rows(list(TITLES)))
    build_text_index(lake)
    return lake


def found(lake: DataLake, words: str, k: int = 10, **options: object) -> list[str]:
    return Collection.open(lake).find(words, k, **options)["artwork_id"].to_list()  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("words", "first"),
    [
        ("madonna child", "a/angelico/madonna"),
        ("madona child", "a/angelico/madonna"),
        ("Durer", "d/durer/hare"),
        ("saint eloi", "l/latour/eloi"),
        ("ÉLOI", "l/latour/eloi"),
        ("rembrandt self portrait", "r/rembrandt/self"),
        ("dreams", "l/latour/eloi"),
        ("watercolor", "d/durer/hare"),
        ("vermeer oil on canvas", "v/vermeer/paintings"),
    ],
)
def test_works_are_found_whatever_accents_case_word_form_and_small_slips(lake: DataLake, words: str, first: str):
    assert found(lake, words)[0] == first


def test_works_that_hold_every_word_come_before_those_that_hold_some(lake: DataLake):
    assert found(lake, "child madonna") == ["a/angelico/madonna", "b/bellini/child"]


@pytest.mark.parametrize(
    ("words", "level", "total"),
    [
        ("rembrandt", WordMatch.ALL, 2),
        ("rembrant", WordMatch.FUZZY, 2),
        ("rembrandt xylophone", WordMatch.SOME, 2),
        ("xylophone", None, 0),
    ],
)
def test_an_answer_tells_how_well_the_words_match(lake: DataLake, words: str, level: WordMatch | None, total: int):
    hits = Collection.open(lake).find(words, 1, loosen=False)
    assert (hits.word_match, hits.total) == (level, total)
    assert Collection.open(lake).similar("d/durer/hare", text="rembrant", k=1).word_match is WordMatch.FUZZY


def test_only_the_best_matches_are_found_where_nothing_is_loosened(lake: DataLake):
    assert found(lake, "child madonna", loosen=False) == ["a/angelico/madonna"]
    elsewhere = SearchFilter(artist="bellini")
    assert found(lake, "child madonna", where=elsewhere) == ["b/bellini/child"]
    assert found(lake, "child madonna", where=elsewhere, loosen=False) == []


def test_words_that_match_cost_one_query_of_the_index(lake: DataLake, monkeypatch: pytest.MonkeyPatch):
    queries: list[object] = []
    scanner = lance.LanceDataset.scanner
    monkeypatch.setattr(
        lance.LanceDataset,
        "scanner",
        lambda *args, **options: queries.append(options.get("full_text_query")) or scanner(*args, **options),
    )
    hits = Collection.open(lake).find("oil", 2, SearchFilter(artist="vermeer"), loosen=False)
    assert (hits.total, sum(count for _, count in hits.facets["style"])) == (1, 0)
    assert len([query for query in queries if query is not None]) == 1


def test_a_word_that_is_there_is_not_read_as_another(lake: DataLake):
    assert found(lake, "night", k=1) == ["r/rembrandt/night"]


@pytest.mark.parametrize("words", ["", "  ", "?!*", "xylophone"])
def test_words_that_nothing_holds_find_nothing(lake: DataLake, words: str):
    hits = Collection.open(lake).find(words)
    assert hits.is_empty()
    assert hits.columns[:3] == ["rank", "artwork_id", "relevance"]


@pytest.mark.parametrize("words", ["title:night OR 1=1", '"night" +watch', "night'; DROP TABLE embeddings; --"])
def test_operators_are_words_like_any_other(lake: DataLake, words: str):
    assert found(lake, words)[0] == "r/rembrandt/night"
    assert EmbeddingTable(lake).count() == len(TITLES)


def test_filters_pages_and_one_of_each_artist_hold_for_words_too(lake: DataLake):
    everything = found(lake, "oil canvas")
    assert found(lake, "oil canvas", where=SearchFilter(artist="vermeer"), k=1) == ["v/vermeer/paintings"]
    assert found(lake, "oil canvas", k=2, offset=1) == everything[1:3]
    assert len(found(lake, "rembrandt", k=5)) == 2
    hits = Collection.open(lake).find("rembrandt", 5, distinct="artist")
    assert (hits.height, hits.total) == (1, 1)


def test_relevance_descends_and_ranks_count_on(lake: DataLake):
    hits = Collection.open(lake).find("oil canvas", 2, offset=1)
    assert hits["rank"].to_list() == [2, 3]
    assert hits["relevance"].is_sorted(descending=True)


def test_words_narrow_a_search_by_likeness_and_leave_its_order(lake: DataLake):
    collection = Collection.open(lake)
    by_likeness = collection.similar("r/rembrandt/self")["artwork_id"].to_list()
    on_canvas = {"l/latour/eloi", "r/rembrandt/night", "v/vermeer/paintings"}
    assert collection.similar("r/rembrandt/self", text="oil canvas")["artwork_id"].to_list() == [
        name for name in by_likeness if name in on_canvas
    ]
    assert collection.similar("d/durer/hare", text="madona")["artwork_id"].to_list() == ["a/angelico/madonna"]
    assert collection.similar("d/durer/hare", text="xylophone").is_empty()
    assert collection.similar("d/durer/hare", text=" ").height == len(TITLES) - 1


def test_rows_that_came_after_the_index_are_found_and_then_indexed(lake: DataLake):
    late = rows(["x/x/nothing"]).with_columns(
        artwork_id=pl.lit("z/zoffany/tribuna"), title=pl.lit("The Tribuna of the Uffizi")
    )
    EmbeddingTable(lake).upsert(late)
    assert found(lake, "tribuna") == ["z/zoffany/tribuna"]
    assert set(build_text_index(lake).values()) == {len(TITLES) + 1}
    assert found(lake, "tribuna") == ["z/zoffany/tribuna"]


def test_an_index_that_is_complete_is_left_alone(lake: DataLake):
    assert Collection.open(lake).has_text
    before = EmbeddingTable(lake).version
    build_text_index(lake)
    assert EmbeddingTable(lake).version == before


def test_what_is_missing_is_said_with_the_next_step(tmp_path: object):
    lake = DataLake(f"{tmp_path}/bare")
    with pytest.raises(NoTextIndexError, match='materialize "embeddings"'):
        build_text_index(lake)
    EmbeddingTable(lake).upsert(rows(list(TITLES)))
    assert not Collection.open(lake).has_text
    with pytest.raises(NoTextIndexError, match='materialize "text_index"'):
        Collection.open(lake).find("night")


@pytest.mark.parametrize("words", ["x" * 41, "madonna" * 50, "é" * 70_000, "a1" * 400 + " x" * 9_000])
def test_words_longer_than_any_in_the_index_find_nothing(lake: DataLake, words: str):
    assert Collection.open(lake).find(words).is_empty()


def test_a_query_is_cut_into_plain_words():
    assert query_words("St. Éloi's  DREAM_dream 1502!") == ["st", "eloi", "s", "dream", "1502"]
    assert len(query_words(" ".join(f"w{n}" for n in range(99)))) == 16
