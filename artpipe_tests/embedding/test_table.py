from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from artpipe.embedding.plan import EmbeddingPlan, compare_rows
from artpipe.embedding.table import EmbeddingTable, table_schema, vectors_version
from artpipe.lake.parquet import content_hash
from artpipe.lake.paths import DataLake
from artpipe.tasks import Task, Tasks

MODEL = "3fa9"


@pytest.fixture
def table(tmp_path: Path) -> EmbeddingTable:
    return EmbeddingTable(DataLake(tmp_path / "lake"))


def rows(
    *ids: str, model_id: str = MODEL, jpeg_sha256: str = "s1", title: str = "A Title", dimension: int = 4
) -> pl.DataFrame:
    vectors = np.random.default_rng(len(ids)).standard_normal((len(ids), dimension)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return pl.DataFrame(
        {"artwork_id": ids, "model_id": model_id, "jpeg_sha256": jpeg_sha256, "title": title, "vector": vectors},
    )


def wanted(*ids: str, jpeg_sha256: str = "s1", title: str = "A Title") -> pl.DataFrame:
    return pl.DataFrame({"artwork_id": ids, "jpeg_sha256": jpeg_sha256, "title": title})


def test_an_absent_table_is_empty_and_reading_it_creates_nothing(table: EmbeddingTable):
    assert (table.exists, table.count(), table.version, table.dimension) == (False, 0, None, None)
    assert table.read().is_empty()
    assert table.vectors()[1].shape == (0, 0)
    assert not table.lake.root.exists()


def test_rows_come_back_sorted_with_their_own_vectors(table: EmbeddingTable):
    given = rows("b/two", "a/one", "c/three")
    table.upsert(given)
    ids, vectors = table.vectors()
    assert ids == ["a/one", "b/two", "c/three"] == table.read(["artwork_id"])["artwork_id"].to_list()
    assert vectors.dtype == np.float32
    np.testing.assert_array_equal(vectors, given.sort("artwork_id")["vector"].to_numpy())


def test_the_vector_column_is_a_fixed_size_list_of_float32(table: EmbeddingTable):
    table.upsert(rows("a/one"))
    field = table.lake.connect().open_table("embeddings").schema.field("vector")
    assert str(field.type) == "fixed_size_list<item: float>[4]"


def test_only_new_changed_and_otherwise_modelled_artworks_are_embedded(table: EmbeddingTable):
    table.upsert(rows("same"))
    table.upsert(rows("repainted", jpeg_sha256="old"))
    table.upsert(rows("old model", model_id="0000"))
    plan = table.plan(wanted("same", "repainted", "old model", "new"), MODEL)
    assert plan.to_embed == ["new", "old model", "repainted"]
    assert (plan.to_update, plan.to_remove, plan.unchanged) == ([], [], 1)


def test_a_new_title_is_an_update_and_a_missing_artwork_a_removal(table: EmbeddingTable):
    table.upsert(rows("kept", "renamed", "gone"))
    asked = pl.concat([wanted("kept"), wanted("renamed", title="Another Title")])
    plan = table.plan(asked, MODEL)
    assert (plan.to_embed, plan.to_update, plan.to_remove) == ([], ["renamed"], ["gone"])


def test_metadata_that_turns_null_is_an_update(table: EmbeddingTable):
    table.upsert(rows("a/one"))
    assert table.plan(wanted("a/one").with_columns(title=pl.lit(None, pl.String)), MODEL).to_update == ["a/one"]


def test_a_plan_that_was_carried_out_leaves_nothing_to_do(table: EmbeddingTable):
    table.upsert(rows("a/one", "b/two"))
    assert table.plan(wanted("a/one", "b/two"), MODEL).is_empty


def test_a_plan_of_a_table_in_parts_is_that_of_the_table():
    asked = wanted("a", "b", "c", "d", "new")
    held = pl.concat([wanted("d", "gone"), wanted("a", title="Old"), wanted("b", jpeg_sha256="old"), wanted("c")])
    stale, differs = (pl.col(name) != pl.col(f"{name}_held") for name in ("jpeg_sha256", "title"))
    for rows in (1, 2, 5):
        plan = compare_rows(asked, held.iter_slices(rows), stale, differs)
        assert plan == EmbeddingPlan(to_embed=["b", "new"], to_update=["a"], to_remove=["gone"], unchanged=2)


def test_a_row_that_an_older_table_has_twice_is_not_removed():
    held = wanted("a", "a")
    assert compare_rows(wanted("a"), [held], pl.lit(False), pl.lit(False)).is_empty


def test_batches_and_a_sample_hold_the_rows_of_the_table(table: EmbeddingTable):
    assert list(table.batches(["artwork_id"])) == []
    assert table.sample(2).is_empty()
    table.upsert(rows(*"abcde"))
    assert pl.concat(table.batches(["artwork_id"]))["artwork_id"].sort().to_list() == [*"abcde"]
    assert table.sample(2).equals(table.read()[[0, 4]])
    assert table.sample(9).equals(table.read())
    assert table.content_hash(["title", "artwork_id"]) == content_hash(table.read(["artwork_id", "title"]))
    table.remove([*"abcde"])
    assert table.sample(2).equals(table.read())


def test_a_killed_run_goes_on_with_what_is_left(table: EmbeddingTable):
    table.upsert(rows("a", "b", "c", "d", model_id="0000"))
    table.upsert(rows("a", "b"))
    assert table.plan(wanted("a", "b", "c", "d"), MODEL).to_embed == ["c", "d"]


def test_embedding_again_replaces_the_row_and_adds_none(table: EmbeddingTable):
    table.upsert(rows("a/one", "b/two"))
    table.upsert(rows("b/two", jpeg_sha256="s2"))
    assert table.read(["artwork_id", "jpeg_sha256"]).rows() == [("a/one", "s1"), ("b/two", "s2")]


def test_updating_metadata_leaves_vectors_and_other_rows_alone(table: EmbeddingTable):
    table.upsert(rows("a/one", "b/two"))
    before = table.vectors()[1]
    table.update_metadata(pl.DataFrame({"artwork_id": ["b/two", "never embedded"], "title": ["New", "New"]}))
    assert table.read(["title"])["title"].to_list() == ["A Title", "New"]
    np.testing.assert_array_equal(table.vectors()[1], before)
    assert table.read(["model_id"])["model_id"].to_list() == [MODEL, MODEL]


def test_removal_takes_ids_with_quotes_literally(table: EmbeddingTable):
    table.upsert(rows("l'orage", "b/two"))
    table.remove(["l'orage", "') OR true --"])
    assert table.read(["artwork_id"])["artwork_id"].to_list() == ["b/two"]


def test_vectors_of_another_length_make_the_table_anew(table: EmbeddingTable):
    table.upsert(rows("a/one", "b/two"))
    table.upsert(rows("a/one", model_id="81c0", dimension=6))
    assert (table.dimension, table.count()) == (6, 1)
    assert table.plan(wanted("a/one", "b/two"), "81c0").to_embed == ["b/two"]


@pytest.mark.parametrize("broken", ["twice", "long"])
def test_rows_that_would_break_the_table_are_refused(table: EmbeddingTable, broken: str):
    bad = rows("a", "a") if broken == "twice" else rows("a", "b").with_columns(pl.col("vector") * 2)
    with pytest.raises(ValueError, match="more than once" if broken == "twice" else "not 1"):
        table.upsert(bad)
    assert not table.exists


def test_a_reader_keeps_its_version_while_the_table_moves_on(table: EmbeddingTable):
    table.upsert(rows("a/one", "b/two"))
    version = table.version
    table.remove(["a/one"])
    table.optimize()
    assert table.vectors(version)[0] == ["a/one", "b/two"]
    assert table.vectors()[0] == ["b/two"]


def test_compaction_keeps_every_row(table: EmbeddingTable):
    for name in "abcdef":
        table.upsert(rows(name))
    table.optimize(keep_versions_for=timedelta(milliseconds=1))
    assert table.vectors()[0] == list("abcdef")


def test_the_content_version_follows_images_and_models_but_not_titles(table: EmbeddingTable):
    keys = ["artwork_id", "jpeg_sha256", "model_id"]
    table.upsert(rows("a", "b"))
    version = vectors_version(table.read(keys))
    table.update_metadata(pl.DataFrame({"artwork_id": ["a"], "title": ["New"]}))
    assert vectors_version(table.read(keys).reverse()) == version
    table.upsert(rows("a", jpeg_sha256="s2"))
    assert vectors_version(table.read(keys)) != version


def test_a_table_made_with_other_tasks_gets_the_columns_of_the_new_ones_and_keeps_its_vectors(table: EmbeddingTable):
    labels = {"style": "Baroque", "type": "portrait", "predicted_style": "Rococo", "predicted_style_probability": 0.9}
    table.upsert(rows("a/one", "b/two").with_columns(pl.lit(value).alias(name) for name, value in labels.items()))
    _, vectors = table.vectors()
    other = EmbeddingTable(table.lake, Tasks(Task("type", ("portrait",)), Task("movement", ("Cubism",))))
    other.prepare(4)
    assert set(other.columns()) == set(table_schema(("type", "movement")))
    assert other.read(["type", "movement"]).rows() == [("portrait", None)] * 2
    np.testing.assert_array_equal(other.vectors()[1], vectors)
    plan = other.plan(wanted("a/one", "b/two").with_columns(movement=pl.lit("Cubism")), MODEL)
    assert (plan.to_embed, plan.to_update) == ([], ["a/one", "b/two"])
    other.update_metadata(wanted("a/one", "b/two").with_columns(movement=pl.lit("Cubism")).drop("jpeg_sha256"))
    other.upsert(rows("c/three").with_columns(movement=pl.lit("Fauvism")))
    assert other.read(["movement"])["movement"].to_list() == ["Cubism", "Cubism", "Fauvism"]


def test_a_row_without_a_prediction_of_a_task_that_the_model_has_is_embedded(table: EmbeddingTable):
    predicted = {"predicted_style": pl.lit("Rococo"), "predicted_style_probability": pl.lit(0.9)}
    table.upsert(rows("a/one").with_columns(**predicted))
    table.upsert(rows("b/two"))
    assert table.plan(wanted("a/one", "b/two"), MODEL, ["style"]).to_embed == ["b/two"]
