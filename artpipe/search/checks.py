"""What must hold of the search index."""

import dagster as dg

from artpipe.lake.paths import DataLake
from artpipe.orchestration.check import pipeline_check


@pipeline_check(asset="search_index")
def the_index_finds_the_true_neighbours(lake: dg.ResourceParam[DataLake]) -> dg.AssetCheckResult:
    """The served index finds the wanted share of the ten true neighbours, measured against the exact search."""
    from artpipe.search.index import read_card

    card = read_card(lake)
    found, wanted = (card.recall_at_10, card.wanted_recall) if card else (0.0, 1.0)
    return dg.AssetCheckResult(passed=found >= wanted, metadata={"recall_at_10": found, "wanted": wanted})


@pipeline_check(asset="search_index", blocking=True)
def the_index_belongs_to_the_table(lake: dg.ResourceParam[DataLake]) -> dg.AssetCheckResult:
    """The index was built over exactly the vectors that the table holds now."""
    from artpipe.embedding.table import EmbeddingTable, vectors_version
    from artpipe.search.index import read_card

    card = read_card(lake)
    version = vectors_version(EmbeddingTable(lake).read(["artwork_id", "jpeg_sha256", "model_id"]))
    return dg.AssetCheckResult(
        passed=card is not None and card.content_version == version,
        metadata={"index_of": card.content_version if card else "none", "table": version},
    )
