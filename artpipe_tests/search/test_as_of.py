"""The collection as it was: its works, its vectors, its model and its pictures."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from artpipe.embedding.predictions import PictureEncoder
from artpipe.embedding.table import EmbeddingTable
from artpipe.lake.paths import DataLake, LakeMissingError
from artpipe.lake.versions import NoSuchVersionError
from artpipe.search import Collection
from artpipe.search.index import update_index
from artpipe.search.queries import ModelMismatchError

PictureOf = Callable[[tuple[int, int, int]], bytes]
RED = (200, 30, 30)


def ids(hits: pl.DataFrame) -> list[str]:
    return hits["artwork_id"].to_list()


@pytest.fixture
def past(lake: DataLake) -> int:
    """The version before a detail was removed and all the rest embedded by another model of another dimension."""
    table = EmbeddingTable(lake)
    version = table.version
    assert version is not None
    table.remove(["d/durer/hare_d"])
    rows = table.read().with_columns(model_id=pl.lit("81c0"))
    vectors = np.eye(rows.height, dtype=np.float32)
    table.upsert(rows.with_columns(vector=vectors))
    lake.served_model.write_text('{"model_id": "81c0"}')
    return version


def test_a_version_is_searched_as_it_was(lake: DataLake, past: int):
    assert ids(Collection.open(lake).similar("d/durer/hare", k=1)) != ["d/durer/hare_d"]
    collection = Collection.open(lake, as_of=past)
    assert ids(collection.similar("d/durer/hare", k=2)) == ["d/durer/hare_d", "h/hals/smile"]
    assert (len(collection), collection.model_ids) == (5, ["3fa9"])


def test_a_date_opens_the_last_state_that_is_not_later(lake: DataLake, past: int):
    date = dict(Collection.versions(lake).select("version", "date").iter_rows())[past]
    for as_of in (date, date.isoformat(), (date + timedelta(microseconds=1)).replace(tzinfo=None)):
        assert Collection.open(lake, as_of=as_of).as_of == date
    assert Collection.open(lake, as_of=datetime.now(UTC).date()).model_ids == ["81c0"]
    assert Collection.open(lake).as_of is None


def test_the_versions_are_listed_with_date_and_rows(lake: DataLake, past: int):
    versions = Collection.versions(lake)
    assert versions.columns == ["version", "date", "rows"]
    assert versions.filter(version=past)["rows"].to_list() == [5]
    assert versions["rows"].to_list()[-1] == 4
    assert versions["version"].is_sorted()
    with pytest.raises(
        LakeMissingError, match=f"there is no data lake at {lake.root}s .the closest folder is {lake.root}"
    ):
        Collection.versions(f"{lake.root}s")
    assert not Path(f"{lake.root}s").exists()


def test_what_is_not_kept_names_the_oldest_state(lake: DataLake, past: int):
    EmbeddingTable(lake).optimize(timedelta(0), min_current=timedelta(0))
    with pytest.raises(NoSuchVersionError, match=r"^version 1 is not kept: the oldest version is \d+ of 20\d\d-"):
        Collection.open(lake, as_of=past)
    with pytest.raises(NoSuchVersionError, match=r"the version of 1999-12-31 is not kept: .*ARTPIPE_KEEP_VERSIONS"):
        Collection.open(lake, as_of="1999-12-31")


def test_a_picture_is_seen_by_the_model_of_that_time(
    lake: DataLake, past: int, colour_model: PictureEncoder, picture_of: PictureOf, monkeypatch: pytest.MonkeyPatch
):
    asked: list[str | None] = []

    def load(_: DataLake, __: str, model_id: str | None) -> PictureEncoder:
        asked.append(model_id)
        return colour_model

    monkeypatch.setattr("artpipe.search.served_model.load_served_model", load)
    assert ids(Collection.open(lake, as_of=past).similar(picture_of(RED), k=1)) == ["d/durer/hare"]
    with pytest.raises(ModelMismatchError):
        Collection.open(lake).similar(picture_of(RED))
    assert asked == ["3fa9", "81c0"]


def test_the_past_is_searched_exactly_and_says_so(lake: DataLake, past: int):
    update_index(lake)
    explanation = Collection.open(lake, as_of=past).explain("d/durer/hare")
    assert explanation.index == "exact"
    assert explanation.reason.startswith("opened as of 20")
    assert Collection.open(lake).explain("d/durer/hare").reason == ""


def test_a_work_is_shown_in_the_bytes_of_that_time_while_they_are_kept(
    lake: DataLake, past: int, picture_of: PictureOf
):
    then = Collection.open(lake, as_of=past).image("h/hals/smile")
    images = lake.connect().open_table("images")
    images.update(where="artwork_id = 'h/hals/smile'", values={"jpeg": picture_of((0, 0, 0))})
    assert Collection.open(lake).image("h/hals/smile") == picture_of((0, 0, 0))
    # The fixture makes the images after the embeddings, so that the first state has no images of its time.
    assert Collection.open(lake, as_of=past).image("h/hals/smile") == picture_of((0, 0, 0))
    assert Collection.open(lake, as_of=past + 1).image("h/hals/smile") == then
