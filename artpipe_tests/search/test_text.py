import os

import lance
import numpy as np
import polars as pl
import pytest

from artpipe.catalog.record_ids import as_paths
from artpipe.embedding.table import EmbeddingTable
from artpipe.lake.lance_tables import open_lance
from artpipe.lake.parquet import write_table
from artpipe.lake.paths import DataLake
from artpipe.search import Collection, SearchFilter
from artpipe.search.filters import UnknownFilterValueError
from artpipe.search.text import NoTextIndexError, build_text_index
from artpipe.search.word_query import COLUMNS, WordMatch, query_words
from artpipe.tasks import WGA_TASKS

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


MORE = {
    "g/gogh_van/sun": {"artist": "GOGH, Vincent van", "title": "Two Cut Sunflowers", "location": "Musée X, Vienna"},
    "t/tiziano/violante": {"artist": "TIZIANO Vecellio", "title": "Violante", "school": "Italian"},
    "r/raphael/self": {"artist": "RAFFAELLO Sanzio", "title": "Self-Portrait", "location": "Galleria degli Uffizi"},
    "b/blake/archangel": {"artist": "BLAKE, William", "title": "The Archangel Raphael", "school": "English"},
    "r/rembrand/night": {"artist": "REMBRANDT Harmenszoon van Rijn", "title": "Night"},
    "b/bol/rembrandt": {"artist": "BOL, Ferdinand", "title": "Rembrandt"},
    "h/heda/pie": {"artist": "HEDA, Willem", "title": "Blackberry Pie", "school": "Dutch", "type": "still-life"},
    "s/sisley/snow": {"artist": "SISLEY, Alfred", "title": "Snow", "style": "Impressionism", "type": "landscape"},
    "g/goya/witches": {"artist": "GOYA, Francisco", "title": "Witches in the Air", "period": "1750-1850"},
    "r/reni/seb": {"artist": "RENI, Guido", "title": "St Sebastian", "technique": "Oil on oak panel"},
    "w/waterhou/shalott": {"artist": "WATERHOUSE, John", "title": "The Lady of Shalott, after an Annunciation"},
    "s/stubbs/bull": {"artist": "STUBBS, George", "title": "Bull Fight at Night", "location": "Royal Collection"},
}
"""Works with what the catalogue says beside title, artist and technique."""


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


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> DataLake:
    """A lake of works that are described in all columns; its list of artists has an alias."""
    lake = DataLake(tmp_path_factory.mktemp("described"))
    columns = ("artist", "title", "technique", "location", "school", "style", "type", "period")
    told = pl.DataFrame(
        [{"artwork_id": name} | {column: work.get(column) for column in columns} for name, work in MORE.items()],
        schema=dict.fromkeys(("artwork_id", *columns), pl.String),
    )
    vectors = np.eye(len(MORE), dtype=np.float32)
    artist_id = pl.col("artwork_id").str.replace(r"/[^/]*$", "")
    EmbeddingTable(lake).upsert(
        told.with_columns(artist_id=artist_id, model_id=pl.lit("m"), jpeg_sha256=pl.col("artwork_id"), vector=vectors)
    )
    build_text_index(lake)
    listed = {"artist_id": ["h/heda", "~claesz"], "name": ["HEDA, Willem", "CLAESZOON"], "alias_of": [None, "h/heda"]}
    write_table(lake.table("artists"), pl.DataFrame(listed))
    return lake


def found(lake: DataLake, words: str, k: int = 10, **options: object) -> list[str]:
    return found_in(Collection.open(lake), words, k, **options)


def found_in(collection: Collection, words: str, k: int = 10, **options: object) -> list[str]:
    return collection.find(words, k, **options)["artwork_id"].to_list()  # pyright: ignore[reportArgumentType]


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


@pytest.mark.parametrize(
    ("words", "first"),
    [
        ("Titian", "t/tiziano/violante"),
        ("Le Titien Violante", "t/tiziano/violante"),
        ("tizian violent", "t/tiziano/violante"),
        ("Raphael", "r/raphael/self"),
        ("rafael autoportrait", "r/raphael/self"),
        ("V. van Gogh", "g/gogh_van/sun"),
        ("Vincent Willem van Gogh sunflowers", "g/gogh_van/sun"),
        ("claeszoon", "h/heda/pie"),
        ("sun flowers", "g/gogh_van/sun"),
        ("bullfight", "s/stubbs/bull"),
        ("black berry pie", "h/heda/pie"),
        ("oakpanel", "r/reni/seb"),
        ("saint sebastian", "r/reni/seb"),
        ("the bull of the night", "s/stubbs/bull"),
        ("whitches", "g/goya/witches"),
        ("anunciation", "w/waterhou/shalott"),
        ("lady of shallot", "w/waterhou/shalott"),
        ("shaltot layd", "w/waterhou/shalott"),
        ("uffizi", "r/raphael/self"),
        ("Wien", "g/gogh_van/sun"),
        ("dutch", "h/heda/pie"),
        ("stilllife", "h/heda/pie"),
        ("nature morte", "h/heda/pie"),
        ("impressionist landscapes", "s/sisley/snow"),
        ("1750-1850", "g/goya/witches"),
    ],
)
def test_words_are_found_as_people_write_them_in_all_that_the_catalogue_says(
    described: DataLake, words: str, first: str
):
    hits = Collection.open(described).find(words, loosen=False)
    assert hits["artwork_id"][0] == first


@pytest.mark.parametrize("words", ["the bull in the night", "bull at night", "bull o night"])
def test_articles_prepositions_and_single_letters_need_not_be_there(described: DataLake, words: str):
    assert Collection.open(described).find(words, loosen=False).word_match is WordMatch.ALL


def test_an_artist_who_is_named_comes_before_a_title_with_the_name(described: DataLake):
    assert found(described, "raphael", k=2) == ["r/raphael/self", "b/blake/archangel"]
    assert found(described, "rembrandt", k=2) == ["r/rembrand/night", "b/bol/rembrandt"]
    assert found(described, "archangel raphael", k=1) == ["b/blake/archangel"]


def test_an_index_of_an_older_version_is_searched_with_the_columns_that_it_has(lake: DataLake):
    dataset = open_lance(lake.lance_table("embeddings"))
    for column in ("location", "school", "style", "type", "period"):
        dataset.drop_index(f"{column}_words")
    assert found(lake, "Rembrandt van Ryn", loosen=False) == ["r/rembrandt/night", "r/rembrandt/self"]
    assert found(lake, "impressionism") == []
    assert set(build_text_index(lake)) == {*COLUMNS, *WGA_TASKS}


def test_words_and_filters_misspelt_lead_to_the_same_names(described: DataLake):
    collection = Collection.open(described)
    assert [one.text for one in collection.did_you_mean("Titan")] == ["TIZIANO Vecellio"]
    assert [one.text for one in collection.suggest("Titan")] == ["TIZIANO Vecellio"]
    with pytest.raises(UnknownFilterValueError, match="TIZIANO Vecellio"):
        collection.browse(where=SearchFilter(artist="Titan"))


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


@pytest.mark.parametrize("words", ["", "  ", "?!*", "xylophone", "x" * 3000])
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


def test_a_torn_list_of_artists_takes_their_aliases_and_nothing_else(lake: DataLake, caplog: pytest.LogCaptureFixture):
    write_table(lake.table("artists"), pl.DataFrame({"artist_id": ["x"], "name": ["X"], "alias_of": [None]}))
    os.truncate(str(lake.table("artists")), 20)
    collection = Collection.open(lake)
    assert found_in(collection, "durer") == found_in(collection, "hare") == ["d/durer/hare"]
    assert found_in(collection, "self", where=SearchFilter(artist="rembrandt")) == ["r/rembrandt/self"]
    assert [one.text for one in collection.suggest("dür")] == ["DÜRER, Albrecht"]
    (said,) = caplog.messages
    assert "by the names of their works alone" in said
    assert "run `artpipe refresh`" in said


@pytest.mark.parametrize("prefix", ["", "loans:"])
def test_a_work_is_found_by_its_inventory_number_as_the_museum_writes_it(tmp_path: object, prefix: str):
    number = "GM 1801/1 Oil"
    lake = DataLake(f"{tmp_path}/lake")
    ids = [f"{prefix}{as_paths(pl.Series([number]))[0]}", "b", "c"]
    EmbeddingTable(lake).upsert(rows([*TITLES][:3]).with_columns(artwork_id=pl.Series(ids)))
    build_text_index(lake)
    collection = Collection.open(lake)
    assert found_in(collection, f" {prefix}{number}") == [ids[0], "b"]  # then works that hold some of the words
    assert found_in(collection, "GM 1801/2") == []
    similar = collection.similar(f"{prefix}{number}")["artwork_id"].to_list()
    assert sorted(similar) == ["b", "c"]
