import polars as pl

from artpipe.embedding.table import EmbeddingTable
from artpipe.lake.paths import DataLake
from artpipe.search.collection import Collection
from artpipe.search.filters import SearchFilter
from artpipe.web.catalogue import Catalogue, makers_of
from artpipe.web.page_context import artist_context

EMIL, ADELE = "Fuchs, Emil", "Kühn, Adele"
MAKERS = [f"{EMIL}; {ADELE}", EMIL, EMIL, ADELE, f"{ADELE}; Zorn, Ida"]
IDS = ["emil-fuchs", "emil-fuchs", "emil-fuchs", "adele-kuhn", "adele-kuhn"]


def catalogue_of(lake: DataLake, makers: list[str], ids: list[str]) -> Catalogue:
    table = EmbeddingTable(lake)
    rows = table.read().with_columns(vector=table.vectors()[1]).head(len(makers))
    rows = rows.with_columns(artist=pl.Series(makers), artist_id=pl.Series(ids))
    lake.connect().drop_table("embeddings")
    EmbeddingTable(lake).upsert(rows)
    return Catalogue(Collection.open(lake))


def test_an_artist_is_listed_by_their_own_name_with_the_works_made_with_others(own_lake: DataLake):
    catalogue = catalogue_of(own_lake, MAKERS, IDS)
    assert [(one["artist_id"], one["artist"], one["works"]) for one in catalogue.artists] == [
        ("emil-fuchs", EMIL, 3),
        ("adele-kuhn", ADELE, 3),
    ]
    for one in catalogue.artists:
        page = artist_context(own_lake, catalogue, one["artist_id"], 1, 10)
        assert (page["artist"]["name"], page["total"]) == (one["artist"], one["works"])
        found = catalogue.collection.browse(where=SearchFilter(artist=one["artist"]))
        assert sorted(work["artwork_id"] for work in page["works"]) == sorted(found["artwork_id"])


def test_an_artist_of_shared_works_alone_is_listed_by_their_own_name(own_lake: DataLake):
    catalogue = catalogue_of(own_lake, [f"{EMIL}; {ADELE}"] * 2, ["emil-fuchs"] * 2)
    assert [(one["artist"], one["works"]) for one in catalogue.artists] == [(EMIL, 2)]


def test_the_name_of_most_works_is_an_artist_s_name(own_lake: DataLake):
    catalogue = catalogue_of(own_lake, ["E. Fuchs", EMIL, EMIL], ["emil-fuchs"] * 3)
    assert catalogue.name_of("emil-fuchs") == EMIL


def test_a_maker_whom_the_source_calls_by_two_names_is_one():
    assert makers_of("Christo; Jeanne-Claude", "christo-claude-jeanne") == ["Christo; Jeanne-Claude"]
    assert makers_of("Christo; Jeanne-Claude", "christo") == ["Christo", "Jeanne-Claude"]
