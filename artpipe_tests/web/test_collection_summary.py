import numpy as np
import polars as pl
import pytest

from artpipe.embedding.table import EmbeddingTable
from artpipe.lake.paths import DataLake
from artpipe.search.collection import Collection
from artpipe.search.index import update_index
from artpipe.web.catalogue import Catalogue
from artpipe.web.collection_summary import mismatches

RNG = np.random.default_rng(0)


def write(lake: DataLake, first: int, last: int) -> None:
    ids = [f"{number:05}" for number in range(first, last)]
    vectors = RNG.standard_normal((len(ids), 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    EmbeddingTable(lake).upsert(
        pl.DataFrame({"artwork_id": ids, "model_id": "m", "jpeg_sha256": ids, "vector": vectors})
    )


@pytest.mark.parametrize(
    ("in_memory_rows", "message"),
    [
        (400, "The search index does not know the newest works, which are compared one by one (search_index)."),
        (1000, "The search index was built from other vectors and is not used (search_index)."),
    ],
)
def test_the_page_names_an_index_that_is_behind(tmp_path, in_memory_rows: int, message: str):
    lake = DataLake(tmp_path / "lake")
    write(lake, 0, 500)
    update_index(lake, min_recall=0.5, in_memory_rows=in_memory_rows)
    assert message not in mismatches(lake, Catalogue(Collection.open(lake)))
    write(lake, 500, 510)
    assert message in mismatches(lake, Catalogue(Collection.open(lake)))
