import numpy as np
import polars as pl
import pytest

from artpipe.embedding.mapping import ART_MAP, update_map
from artpipe.embedding.projection import align, lay_out, nearest_known, place
from artpipe.figures.map_picture import map_picture
from artpipe.tasks import WGA_TASKS


def islands(count: int = 4, each: int = 30, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors in a few tight groups, and the group of each."""
    generator = np.random.default_rng(seed)
    centres = generator.normal(size=(count, 16))
    group = np.repeat(np.arange(count), each)
    vectors = (centres[group] + 0.15 * generator.normal(size=(count * each, 16))).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True), group


def works(vectors: np.ndarray, model_id: str = "m1") -> pl.DataFrame:
    ids = [f"a/a/{i:04}" for i in range(len(vectors))]
    return pl.DataFrame({"artwork_id": ids, "jpeg_sha256": ids, "model_id": model_id})


def places(table: pl.DataFrame) -> np.ndarray:
    return table.select("x", "y").to_numpy()


def test_similar_works_are_close_on_the_map():
    vectors, group = islands()
    points = lay_out(vectors)
    near = np.argsort(np.linalg.norm(points[:, None] - points[None], axis=2), axis=1)[:, 1:6]
    assert (group[near] == group[:, None]).mean() > 0.95
    assert np.isfinite(points).all()


def test_a_map_of_very_many_works_is_laid_out_by_approximate_neighbours(monkeypatch):
    vectors, group = islands(count=4, each=200)
    monkeypatch.setattr("artpipe.vectors.partitions.PARTITION_ROWS", 50)
    monkeypatch.setattr("artpipe.embedding.projection.EXACT_PRODUCTS", 1000)
    near = nearest_known(vectors, vectors, 15, exclude_self=True)
    assert (near.indices != np.arange(800)[:, None]).all()
    assert (np.diff(near.distances, axis=1) >= 0).all()
    points = lay_out(vectors)
    close = np.argsort(np.linalg.norm(points[:, None] - points[None], axis=2), axis=1)[:, 1:6]
    assert (group[close] == group[:, None]).mean() > 0.95
    assert np.linalg.norm(place(vectors[:40], vectors[40:], points[40:]) - points[:40], axis=1).mean() < 2


def test_a_layout_is_the_same_every_time():
    vectors, _ = islands()
    assert np.array_equal(lay_out(vectors, seed=3), lay_out(vectors, seed=3))


@pytest.mark.parametrize("rows", [1, 2, 4])
def test_a_handful_of_works_has_a_map(rows: int):
    points = lay_out(islands()[0][:rows])
    assert points.shape == (rows, 2)
    assert np.isfinite(points).all()


def test_a_new_work_is_placed_among_its_neighbours():
    vectors, group = islands()
    points = lay_out(vectors)
    new = place(vectors[::10], np.delete(vectors, np.s_[::10], 0), np.delete(points, np.s_[::10], 0))
    others, of = np.delete(points, np.s_[::10], 0), np.delete(group, np.s_[::10])
    nearest = np.linalg.norm(new[:, None] - others[None], axis=2).argmin(axis=1)
    assert (of[nearest] == group[::10]).all()


def test_a_work_between_two_clusters_is_placed_in_one_of_them():
    known = np.eye(12, dtype=np.float32)
    where = np.array([[0, 0]] * 8 + [[10, 0]] * 4, dtype=np.float32)
    new = np.ones((1, 12), dtype=np.float32) / np.sqrt(np.float32(12))
    assert place(new, known, where)[0] == pytest.approx([0, 0], abs=0.2)


def test_alignment_undoes_a_turn_a_mirror_a_scale_and_a_shift():
    old = np.random.default_rng(0).normal(size=(20, 2)).astype(np.float32)
    turned = (old @ np.array([[0.6, 0.8], [0.8, -0.6]], dtype=np.float32)) * 3 + 7
    assert align(turned, old[:10], np.arange(10)) == pytest.approx(old, abs=1e-4)


def test_neighbours_are_most_similar_first_without_the_query():
    vectors, _ = islands()
    near = nearest_known(vectors, vectors, 5, exclude_self=True)
    exact = vectors @ vectors.T
    np.fill_diagonal(exact, -np.inf)
    assert np.array_equal(near.indices, np.argsort(-exact, axis=1, kind="stable")[:, :5])


def test_a_work_with_many_equals_is_still_not_its_own_neighbour():
    vectors = np.repeat(islands()[0][:2], 20, axis=0)
    near = nearest_known(vectors, vectors, 5, exclude_self=True)
    assert not (near.indices == np.arange(40)[:, None]).any()
    assert (near.indices // 20 == np.arange(40)[:, None] // 20).all()
    assert near.distances == pytest.approx(0, abs=1e-6)


def test_known_works_keep_their_position_and_new_works_are_placed():
    vectors, _ = islands()
    first = update_map(works(vectors[:110]), vectors[:110], None)
    second = update_map(works(vectors), vectors, first.table)
    assert (first.laid_out, second.kept, second.placed, second.laid_out) == (110, 110, 10, 0)
    assert np.array_equal(places(second.table)[:110], places(first.table))
    assert second.table.schema == ART_MAP


def test_a_work_whose_picture_changed_is_placed_again():
    vectors, _ = islands()
    first = update_map(works(vectors), vectors, None).table
    moved = vectors.copy()
    moved[0] = vectors[-1]
    changed = works(moved).with_columns(
        jpeg_sha256=pl.when(pl.col("artwork_id") == "a/a/0000").then(pl.lit("new")).otherwise("jpeg_sha256")
    )
    update = update_map(changed, moved, first)
    assert (update.kept, update.placed) == (119, 1)
    last_island = places(first)[-30:]
    assert np.linalg.norm(places(update.table)[0] - last_island, axis=1).min() < 1


def test_removed_works_leave_the_map():
    vectors, _ = islands()
    first = update_map(works(vectors), vectors, None).table
    update = update_map(works(vectors)[:100], vectors[:100], first)
    assert update.table.height == 100
    assert update.kept == 100


@pytest.mark.parametrize(
    ("changed", "why"),
    [({"force": True}, "requested"), ({"model": "m2"}, "another model"), ({}, "")],
    ids=["on demand", "another model", "nothing"],
)
def test_the_map_is_laid_out_again_only_for_a_reason_and_then_resembles_the_old_one(changed: dict, why: str):
    vectors, group = islands()
    first = update_map(works(vectors), vectors, None).table
    update = update_map(
        works(vectors, changed.get("model", "m1")), vectors, first, force=changed.get("force", False), seed=9
    )
    assert why in update.why
    assert (update.laid_out > 0) == bool(why)
    for island in range(4):
        before, after = places(first)[group == island].mean(axis=0), places(update.table)[group == island].mean(axis=0)
        assert np.linalg.norm(before - after) < 3


def test_a_map_of_mostly_placed_works_is_laid_out_again():
    vectors, _ = islands()
    first = update_map(works(vectors[:40]), vectors[:40], None).table
    assert update_map(works(vectors), vectors, first).why == "most works were never laid out together"


def test_the_picture_of_the_map_is_a_png_and_may_be_without_labels():
    table = pl.DataFrame({"x": [0.0, 1.0, 2.0], "y": [0.0, 1.0, 0.0], "style": ["Baroque", "Rococo", None]})
    coloured, plain = map_picture(table, "Three works", WGA_TASKS["style"]), map_picture(table, "Three works", None)
    assert coloured.startswith(b"\x89PNG")
    assert plain.startswith(b"\x89PNG")
    assert coloured != plain
