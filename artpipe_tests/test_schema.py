import itertools

import polars as pl
import pytest

from artpipe import schema
from artpipe.embedding.mapping import ART_MAP
from artpipe.embedding.table import VECTOR, table_schema
from artpipe.evaluation.suspects import SUSPECTS
from artpipe.images.store import IMAGES_SCHEMA
from artpipe.orchestration.metadata import table_metadata
from artpipe.schema import PERIODS, column_description, splits_schema, years_text
from artpipe.tasks import WGA_TASKS

OTHER = ("movement", "century")
TABLES = {
    **{name: list(table) for name, table in vars(schema).items() if isinstance(table, pl.Schema)},
    "splits": list(splits_schema(OTHER)),
    "training_set": list(splits_schema(OTHER)),
    "wanted_images": ["artwork_id", "image_url", "artist_id", "title_group"],
    "images": IMAGES_SCHEMA.names,
    "backbone_features": ["artwork_id", "key", "features"],
    "embeddings": [*table_schema(OTHER), VECTOR],
    "art_map": list(ART_MAP),
    "suspect_labels": list(SUSPECTS),
}


def test_periods_follow_each_other_without_a_gap():
    bounds = [WGA_TASKS["period"].years_of(name) or (0, 0) for name in PERIODS]
    assert all(before[1] == after[0] for before, after in itertools.pairwise(bounds))
    assert bounds[0] == (1250, 1350)
    assert bounds[-1] == (2000, 2050)


@pytest.mark.parametrize(("table", "columns"), TABLES.items(), ids=TABLES)
def test_every_column_of_a_table_is_described(table, columns):
    assert [name for name in columns if not column_description(name, table.lower())] == []


def test_dagster_is_told_what_columns_hold_also_of_those_that_are_not_read():
    table = pl.DataFrame({"artist_id": ["a/b"], "period": ["Baroque"]})
    shown = table_metadata(table, "artists", {"vector": pl.Array(pl.Float32, 8)})["dagster/column_schema"]
    assert [column.name for column in shown.columns] == ["artist_id", "period", "vector"]
    assert "style of their works" in shown.columns[1].description
    assert (shown.columns[2].type, "cosine" in shown.columns[2].description) == ("Array(Float32, shape=(8,))", True)


@pytest.mark.parametrize(
    ("first", "last", "text"),
    [
        (1650, 1650, "1650"),
        (1650, 1660, "1650-1660"),
        (1650, None, "1650-?"),
        (None, None, ""),
        (-500, -500, "500 BC"),
        (-500, -450, "500-450 BC"),
        (-100, 50, "100 BC-AD 50"),
    ],
)
def test_years_are_written_as_people_write_them(first: int | None, last: int | None, text: str):
    assert years_text(first, last) == text
