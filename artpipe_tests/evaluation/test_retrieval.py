"""Precision among neighbours and their order against a case worked out by hand and a plain loop."""

import numpy as np
import pytest

from artpipe.evaluation import retrieval
from artpipe.evaluation.retrieval import score_retrieval
from artpipe.vectors import grouped


def unit(*degrees: float) -> np.ndarray:
    radians = np.radians(degrees)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)


# Six pictures on an arc; 0 and 1 are one work.
VECTORS = unit(0, 1, 10, 20, 30, 90)
WORKS = ["w", "w", "x", "y", "z", "u"]
STYLES = ["r", "r", "r", "b", "r", None]


def test_a_case_worked_out_by_hand():
    (scores,) = score_retrieval(VECTORS, WORKS, {"style": STYLES}, np.array([0]), split="test", k=3)
    # Nearest of other works: 10, 20 and 30 degrees, styles r, b, r. Of the four others two are r.
    assert scores.precision == pytest.approx(2 / 3)
    assert scores.chance == pytest.approx(2 / 4)
    assert scores.ceiling == pytest.approx(2 / 3)
    assert (scores.by, scores.split, scores.n, scores.k, scores.table_rows) == ("style", "test", 1, 3, 6)
    # Those of style r come first and third: (1/1 + 2/3) / 2. Chance is the mean over all 6 orders of two among four.
    assert scores.map == pytest.approx(5 / 6)
    assert scores.map_chance == pytest.approx(np.mean([1, 5 / 6, 3 / 4, 7 / 12, 1 / 2, 5 / 12]))
    assert scores.precision_interval == pytest.approx((2 / 3, 2 / 3))
    assert scores.map_interval == pytest.approx((5 / 6, 5 / 6))


def test_the_query_s_own_work_is_excluded():
    works = ["w", "w", "w", "y", "y", "y"]
    labels = ["r", "r", "r", "b", "b", "b"]
    (scores,) = score_retrieval(VECTORS, works, {"style": labels}, np.arange(6), split="test", k=10)
    assert (scores.precision, scores.chance, scores.ceiling) == (0, 0, 0)


def test_a_query_without_a_label_is_left_out():
    (scores,) = score_retrieval(VECTORS, WORKS, {"style": STYLES}, np.array([0, 5]), split="test", k=3)
    assert scores.n == 1


@pytest.mark.parametrize("block", [1, 40, 10**6])
def test_the_result_equals_a_plain_loop_for_any_block_size(monkeypatch, block):
    monkeypatch.setattr(grouped, "BLOCK_SIMILARITIES", block)
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(120, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    works = [str(w) for w in rng.integers(0, 40, 120)]
    labels = {
        "style": [None if s == 3 else str(s) for s in rng.integers(0, 4, 120)],
        "artist": [str(a) for a in rng.integers(0, 15, 120)],
    }
    queries = np.arange(0, 120, 3)
    for scores in score_retrieval(vectors, works, labels, queries, split="test", k=10):
        found = labels[scores.by]
        precision, chance, average = [], [], []
        for q in queries:
            if found[q] is None:
                continue
            others = [i for i in range(120) if works[i] != works[q]]
            others.sort(key=lambda i, q=q: -float(vectors[i] @ vectors[q]))
            has_label = [found[i] == found[q] for i in others]
            precision.append(np.mean(has_label[:10]))
            chance.append(np.mean(has_label))
            places = np.flatnonzero(has_label) + 1
            if len(places):
                average.append(np.mean(np.arange(1, len(places) + 1) / places))
        assert scores.n == len(precision)
        assert scores.precision == pytest.approx(np.mean(precision))
        assert scores.chance == pytest.approx(np.mean(chance))
        assert (scores.ranked, scores.map) == (len(average), pytest.approx(np.mean(average)))
        assert scores.map_interval[0] < scores.map < scores.map_interval[1]
        assert scores.map > scores.map_chance * 0.8


def test_a_query_without_relevant_rows_has_no_average_precision():
    (scores,) = score_retrieval(VECTORS, WORKS, {"style": STYLES}, np.array([3]), split="test", k=3)
    assert (scores.n, scores.precision, scores.ranked, scores.map, scores.map_chance) == (1, 0, 0, None, None)
    assert scores.map_interval is None


def test_equally_similar_rows_share_one_precision():
    vectors = unit(0, 10, 10, 10)
    for labels in (["r", "r", "b", "b"], ["r", "b", "b", "r"]):
        (scores,) = score_retrieval(vectors, list("wxyz"), {"style": labels}, np.array([0]), split="test")
        assert scores.map == pytest.approx(1 / 3)


def test_fewer_than_k_others_are_enough():
    (scores,) = score_retrieval(VECTORS[2:5], list("xyz"), {"style": ["r", "r", "b"]}, np.array([0]), split="test")
    assert scores.precision == 0.5


def test_of_very_many_queries_a_sample_is_ranked_and_the_table_stays_whole(monkeypatch):
    monkeypatch.setattr(retrieval, "MAX_QUERIES", 4)
    rng = np.random.default_rng(1)
    vectors = unit(*rng.uniform(0, 90, 60))
    works, labels = [str(n) for n in range(60)], {"style": [str(n % 5) for n in range(60)]}
    drawn = [score_retrieval(vectors, works, labels, np.arange(60), split="test", seed=seed)[0] for seed in (0, 0, 1)]
    assert [(one.n, one.table_rows) for one in drawn] == [(4, 60)] * 3
    assert drawn[0] == drawn[1]
    assert drawn[0] != drawn[2]


@pytest.mark.parametrize(
    ("rows", "queries", "reason"),
    [(6, [], "no rows"), (6, [5], "no query has a known style and a neighbour"), (0, [], "no rows"),
     (1, [0], "no query has a known style and a neighbour")],
)  # fmt: skip
def test_scores_that_cannot_be_measured_are_none_with_a_reason(rows, queries, reason):
    indices = np.array(queries, dtype=np.int64)
    (scores,) = score_retrieval(VECTORS[:rows], WORKS[:rows], {"style": STYLES[:rows]}, indices, split="test")
    assert (scores.precision, scores.chance, scores.ceiling, scores.n, scores.reason) == (None, None, None, 0, reason)
