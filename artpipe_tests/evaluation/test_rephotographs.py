"""Photographs are the same each time, and recall counts works."""

import numpy as np
import polars as pl

from artpipe.embedding.predictions import Predictions
from artpipe.evaluation.rephotographs import MAX_WORKS, Rephotographs, sampled_works, score_rephotographs
from artpipe.recognition.rephotograph import KINDS
from artpipe_tests.fixtures.paintings import StoredJpegs, jpeg_of, painting


def rows(held_out: int, train: int = 8) -> pl.DataFrame:
    names = [f"h{i:03d}" for i in range(held_out)] + [f"t{i:03d}" for i in range(train)]
    return pl.DataFrame(
        {
            "artwork_id": names,
            "work_id": names,
            "split": ["test"] * held_out + ["train"] * train,
            "jpeg_sha256": [f"sha of {name}" for name in names],
        }
    )


STORED = StoredJpegs({f"h{i:03d}": jpeg_of(painting(i)) for i in range(8)})


def test_photographs_are_deterministic_and_differ_by_distortion():
    taken = Rephotographs(STORED)
    names = [f"h001#{kind}" for kind in KINDS]
    assert taken.jpegs(names) == taken.jpegs(names)
    assert len(set(taken.jpegs(names))) == len(KINDS)


def test_a_quarter_of_the_held_out_works_is_photographed_and_never_more_than_the_most():
    assert sampled_works(rows(40)).height == 10
    assert sampled_works(rows(40))["split"].unique().to_list() == ["test"]
    assert sampled_works(rows(8 * MAX_WORKS)).height == MAX_WORKS


def test_the_sample_hardly_changes_when_the_collection_grows():
    before, after = (set(sampled_works(rows(count), most=10)["artwork_id"]) for count in (100, 103))
    assert len(before & after) >= 8


def test_recall_counts_photographs_nearest_to_their_own_work():
    table = rows(8)
    vectors = np.eye(16, dtype=np.float32)
    position = dict(zip(table["artwork_id"], range(16), strict=True))
    inferred: list[str] = []

    def infer(requested: pl.DataFrame, _) -> Predictions:
        inferred.extend(requested["artwork_id"])
        parted = [name.rpartition("#") for name in requested["artwork_id"]]
        # Details land on a training image, with their own work second; everything else on its own work.
        found = [vectors[position[name]] + (kind == "detail") * 2 * vectors[15] for name, _, kind in parted]
        assert requested["jpeg_sha256"].n_unique() == requested.height
        return Predictions(np.stack(found), {}, 5)

    scores, computed = score_rephotographs(table, vectors, STORED, infer)
    found = {one.kind: one for one in scores}
    assert (computed, len(inferred)) == (5, 2 * len(KINDS))
    assert set(found) == set(KINDS)
    assert (found["detail"].recall, found["detail"].recall_within) == (0, 1)
    assert (found["glare"].recall, found["glare"].n) == (1, 2)
    assert found["glare"].recall_interval == (1, 1)


def test_without_held_out_works_nothing_is_photographed():
    assert score_rephotographs(rows(0), np.eye(8, dtype=np.float32), STORED, lambda *_: None) == ([], 0)
