from os import cpu_count

import numpy as np
import pytest

from artpipe.search import batch
from artpipe.search.batch import BatchScan
from artpipe.search.nearest import ExactProduct, Vector


def unit(rows: np.ndarray) -> Vector:
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


RNG = np.random.default_rng(0)
SPIKY = unit(np.abs(RNG.standard_normal((6000, 40))) ** 4 + 0.01)
GAUSSIAN = unit(RNG.standard_normal((6000, 40)))


@pytest.mark.parametrize("vectors", [GAUSSIAN, SPIKY, GAUSSIAN[:300]], ids=["gaussian", "spiky", "few rows"])
@pytest.mark.parametrize("share", [None, 0.001, 0.03, 0.5, 0.99])
def test_a_batch_finds_what_each_query_finds_alone(vectors: Vector, share: float | None):
    allowed = None if share is None else RNG.random(len(vectors)) < share
    queries = unit(vectors[:30] + 0.1 * RNG.standard_normal((30, 40)))
    depths = [1 + number % 12 for number in range(30)]
    answers = BatchScan(vectors).search(queries, depths, allowed)
    for query, k, found in zip(queries, depths, answers, strict=True):
        alone = ExactProduct(vectors).search(query, k, allowed)
        assert found.positions.tolist() == alone.positions.tolist()
        np.testing.assert_allclose(found.similarities, alone.similarities, atol=1e-6)


def test_a_filter_that_leaves_one_stretch_of_the_table_is_answered_too():
    allowed = np.zeros(len(GAUSSIAN), dtype=bool)
    allowed[1000:5500] = True
    found = BatchScan(GAUSSIAN).search(GAUSSIAN[:4], [10] * 4, allowed)
    for query, answer in zip(GAUSSIAN[:4], found, strict=True):
        assert answer.positions.tolist() == ExactProduct(GAUSSIAN).search(query, 10, allowed).positions.tolist()


def test_a_batch_asks_the_vectors_once_for_all(monkeypatch: pytest.MonkeyPatch):
    products: list[int] = []
    multiply = batch._product
    monkeypatch.setattr(batch, "_product", lambda codes, packed: products.append(len(codes)) or multiply(codes, packed))
    BatchScan(GAUSSIAN).search(GAUSSIAN[:50], [10] * 50)
    assert sum(products) == 50
    assert len(products) <= (cpu_count() or 1)
