"""Searching 32,000 vectors of 576 numbers through `Collection.similar`, beside `plain.py query` in the same run.

    python artpipe_tests/benchmarks/bench_search.py [--rows 32000] [--queries 200] [--lancedb]

    python artpipe_tests/benchmarks/bench_search.py --million

Filters leave 0.1 % to 99 % of the rows; `batch` is `similar_many` with 100 queries beside the same ones singly.

Two kinds of vectors: `clustered`, like a network's features (positive mean, clusters of unequal size, few true
dimensions), and `gaussian`, random directions without any structure, the hardest case for a graph. Queries are rows
with noise, drawn apart from those that `build_index` tunes itself on. What was found is compared with the true
neighbours after all is timed: a thread of the BLAS spins for a while after a large product. Prints one JSON line.

With `--million`, `Collection.similar` over 1,000,000 x 576 vectors, with the index that `build_index` chooses for them,
with and without a filter, beside one exact matrix product of them in memory, turn by turn (10 GB of memory, 3 GB of
disk, minutes); `alone_ms` is one query after another, without the BLAS thread that spins after a product. Two kinds of
vectors: in clusters of even sizes, whose members stand out, and `clustered` as above. The filter `another style` leaves
the clusters that the queries are not from.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from artpipe.embedding.table import EmbeddingTable, vectors_version
from artpipe.lake.paths import DataLake
from artpipe.search import Collection, SearchFilter
from artpipe.search.filters import FilterColumns
from artpipe.search.index import build_index
from artpipe.search.trials import median_ms

PLAIN = Path(__file__).resolve().parents[3] / "shared" / "baseline" / "plain.py"
K = 10
SCHOOLS = {"0.1 %": 0.001, "1 %": 0.01, "3 %": 0.03, "10 %": 0.1, "50 %": 0.5}
FILTERS = {
    **{school: SearchFilter(school=school) for school in SCHOOLS},
    "90 %": SearchFilter(type="portrait"),
    "99 %": SearchFilter(period="1550-1650"),
}
MILLION_FILTERS = {
    "all": None,
    "90 %": FILTERS["90 %"],
    "50 %": FILTERS["50 %"],
    "10 %": FILTERS["10 %"],
    "3 %": SearchFilter(school="3 %"),
    "1 %": FILTERS["1 %"],
    "another style": SearchFilter(style="Rococo"),
}
BATCH = 100

Matrix = NDArray[np.float32]
Told = dict[str, object]


def unit(rows: NDArray[np.floating]) -> Matrix:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


Sampler = Callable[[int], tuple[Matrix, NDArray[np.int64]]]
"""Draws so many vectors, float32 (N, D), and the cluster of each."""


def like_features(dimension: int, rng: np.random.Generator) -> Sampler:
    """Like pooled features: an offset shared by all, clusters with a long tail of sizes, 64 true dimensions."""
    basis = rng.standard_normal((64, dimension)) / 8
    centres = rng.standard_normal((500, 64))
    sizes = 1 / np.arange(1, 501)
    offset = np.abs(rng.standard_normal(dimension))

    def sample(rows: int) -> tuple[Matrix, NDArray[np.int64]]:
        cluster = rng.choice(500, rows, p=sizes / sizes.sum())
        members = centres[cluster] + 0.8 * rng.standard_normal((rows, 64))
        return unit(members @ basis + offset + 0.1 * rng.standard_normal((rows, dimension))), cluster

    return sample


def in_even_clusters(dimension: int, rng: np.random.Generator) -> Sampler:
    """Two thousand clusters of about one size, and no other structure."""
    centres = rng.standard_normal((2000, dimension), dtype=np.float32)

    def sample(rows: int) -> tuple[Matrix, NDArray[np.int64]]:
        cluster = rng.integers(0, len(centres), rows)
        return unit(rng.standard_normal((rows, dimension), dtype=np.float32) + centres[cluster]), cluster

    return sample


def clustered(rows: int, dimension: int, rng: np.random.Generator) -> Matrix:
    return like_features(dimension, rng)(rows)[0]


def gaussian(rows: int, dimension: int, rng: np.random.Generator) -> Matrix:
    return unit(rng.standard_normal((rows, dimension)))


def noise_for(queries: int, dimension: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """What turns rows into queries: a third to the whole of their length."""
    noise = rng.standard_normal((queries, dimension))
    return noise * rng.uniform(0.3, 1.0, (queries, 1)) / np.linalg.norm(noise, axis=1, keepdims=True)


def table_rows(vectors: Matrix, rng: np.random.Generator, first: int = 0) -> pl.DataFrame:
    """Invented works around the vectors, numbered from `first`; `school` names the share of works that have it."""
    numbers = range(first, first + len(vectors))
    draw = rng.random(len(vectors))
    bounds = np.cumsum(list(SCHOOLS.values()))
    school = np.array([*SCHOOLS, "the rest"], dtype=object)[np.searchsorted(bounds, draw)]
    return pl.DataFrame(
        {
            "artwork_id": [f"p/painter{n % 900}/work{n:05}" for n in numbers],
            "model_id": "bench",
            "jpeg_sha256": [f"{n:064x}" for n in numbers],
            "artist_id": [f"p/painter{n % 900}" for n in numbers],
            "artist": [f"PAINTER, Number {n % 900}" for n in numbers],
            "title": [f"Still-Life with {n} Lemons" for n in numbers],
            "date_text": [f"c. {1400 + n % 500}" for n in numbers],
            "year_from": [1395 + n % 500 for n in numbers],
            "year_to": [1405 + n % 500 for n in numbers],
            "technique": "Oil on canvas, 60 x 80 cm",
            "location": "Private collection",
            "page_url": [f"https://gallery.example/html/p/painter{n % 900}/work{n:05}.html" for n in numbers],
            "image_url": [f"https://gallery.example/art/p/painter{n % 900}/work{n:05}.jpg" for n in numbers],
            "school": school.astype(str),
            "type": np.where(rng.random(len(vectors)) < 0.9, "portrait", "genre"),
            "period": np.where(rng.random(len(vectors)) < 0.99, "1550-1650", "1650-1750"),
            "style": [("Baroque", "Rococo", "Realism")[n % 3] for n in numbers],
            "vector": vectors,
        }
    )


def plain_ms(vectors: Matrix, asked: Matrix, folder: Path) -> float:
    """Milliseconds of one query by the plain way."""
    np.save(folder / "vectors.npy", vectors)
    np.save(folder / "queries.npy", asked)
    command = [sys.executable, str(PLAIN), "query", str(folder / "vectors.npy"), str(folder / "queries.npy")]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    return 1e3 / float(json.loads(answer.stdout.splitlines()[-1])["per_s"])


def asked_ms(collection: Collection, asked: Matrix, where: SearchFilter | None = None) -> tuple[float, list[set[str]]]:
    """Mean milliseconds of one query from vector to finished frame, and what was found."""
    collection.similar(asked[0], K, where)
    began = time.perf_counter()
    frames = [collection.similar(query, K, where) for query in asked]
    spent_ms = (time.perf_counter() - began) * 1e3 / len(asked)
    return spent_ms, [set(frame["artwork_id"]) for frame in frames]


def recall(found: list[set[str]], truth: list[set[str]]) -> float:
    return sum(len(a & b) for a, b in zip(found, truth, strict=True)) / sum(len(b) for b in truth)


def true_neighbours(vectors: Matrix, ids: list[str], asked: Matrix, allowed: NDArray[np.bool_]) -> list[set[str]]:
    names = np.array(ids, dtype=object)
    similarities = np.where(allowed[None], asked.astype(np.float64) @ vectors.T.astype(np.float64), -np.inf)
    return [set(names[np.argsort(-row)[:K]]) for row in similarities]


def batch_of(collection: Collection, asked: Matrix) -> dict[str, float]:
    """Milliseconds for 100 queries at once and one after another, turn by turn; medians of five turns."""
    queries = list(asked[:BATCH])
    singly, at_once = [], []
    collection.similar_many(queries, K)
    for _ in range(5):
        began = time.perf_counter()
        for query in queries:
            collection.similar(query, K)
        singly.append(time.perf_counter() - began)
        began = time.perf_counter()
        collection.similar_many(queries, K)
        at_once.append(time.perf_counter() - began)
    ratio = float(np.median([one / all_ for one, all_ in zip(singly, at_once, strict=True)]))
    return {
        "singly_ms": round(float(np.median(singly)) * 1e3, 1),
        "at_once_ms": round(float(np.median(at_once)) * 1e3, 1),
        "ratio": round(ratio, 1),
    }


def measured(vectors: Matrix, queries: int, rng: np.random.Generator, *, lancedb: bool) -> dict[str, object]:
    noise = noise_for(queries, vectors.shape[1], rng)
    asked = unit(vectors[rng.integers(0, len(vectors), queries)] + noise)
    with tempfile.TemporaryDirectory() as name:
        lake = DataLake(name)
        table = EmbeddingTable(lake)
        table.upsert(table_rows(vectors, rng))
        ids, stored = table.vectors()
        version = vectors_version(table.read(["artwork_id", "jpeg_sha256", "model_id"]))
        card = build_index(stored, ids, lake, model_id="bench", content_version=version, compare_lancedb=lancedb)
        began = time.perf_counter()
        collection = Collection.open(lake, device="cpu")
        open_s = time.perf_counter() - began
        began = time.perf_counter()
        collection.similar(asked[0])
        first_s = time.perf_counter() - began
        before_ms = plain_ms(vectors, asked[:100], Path(name))
        ours_ms, found = asked_ms(collection, asked)
        filtered = {share: asked_ms(collection, asked, where) for share, where in FILTERS.items()}
        batch = batch_of(collection, asked)
        after_ms = plain_ms(vectors, asked[:100], Path(name))
        baseline_ms = (before_ms + after_ms) / 2
        columns = FilterColumns(collection.works)
        told: dict[str, dict[str, float]] = {}
        for share, (spent_ms, hits) in filtered.items():
            truth = true_neighbours(stored, ids, asked, FILTERS[share].mask(columns))
            told[share] = {
                "ms": round(spent_ms, 3),
                "ratio": round(baseline_ms / spent_ms, 1),
                "recall_at_10": round(recall(hits, truth), 4),
            }
        truth = true_neighbours(stored, ids, asked, np.ones(len(ids), dtype=bool))
        return {
            "index": card.kind,
            "parameters": card.parameters,
            "plain_ms": round(baseline_ms, 3),
            "similar_ms": round(ours_ms, 3),
            "ratio": round(baseline_ms / ours_ms, 1),
            "recall_at_10": round(recall(found, truth), 4),
            "open_s": round(open_s, 3),
            "first_query_s": round(first_s, 3),
            "build_s": card.seconds_to_build,
            "filtered": told,
            "batch": batch,
            "trials": {t.kind: [t.ms_per_query, t.recall_at_10, t.build_s, t.parameters] for t in card.trials},
        }


def million(rows: int, dimension: int, queries: int, kind: Callable[[int, np.random.Generator], Sampler]) -> Told:
    """The exact product and `Collection.similar`, turn by turn, on the same vectors."""
    rng = np.random.default_rng(1)
    sample = kind(dimension, rng)
    with tempfile.TemporaryDirectory() as name:
        lake = DataLake(name)
        table = EmbeddingTable(lake)
        for first in range(0, rows, 50_000):  # chunks, to keep what is made on the way small
            part, cluster = sample(min(50_000, rows - first))
            style = np.where(cluster % 2 == 0, "Baroque", "Rococo")
            table.upsert(table_rows(part, rng, first).with_columns(style=pl.Series(style)))
        ids, vectors = table.vectors()
        version = vectors_version(table.read(["artwork_id", "jpeg_sha256", "model_id"]))
        card = build_index(vectors, ids, lake, model_id="bench", content_version=version)
        del vectors, ids
        collection = Collection.open(lake, device="cpu")
        vectors = collection.index.nearest.vectors
        collection.warm_up()
        is_baroque = (collection.works["style"] == "Baroque").to_numpy()
        told: Told = {
            "index": collection.index.nearest.kind,
            "build_s": card.seconds_to_build,
            "trials": {t.kind: [t.ms_per_query, t.recall_at_10, t.build_s] for t in card.trials},
        }
        for share, where in MILLION_FILTERS.items():
            noise = noise_for(queries, dimension, rng)
            asked = unit(vectors[rng.choice(np.flatnonzero(is_baroque), queries)] + noise)
            told[share] = beside_the_product(collection, vectors, asked, where)
        return told


def beside_the_product(
    collection: Collection, vectors: Matrix, asked: Matrix, where: SearchFilter | None
) -> dict[str, float]:
    rows = len(vectors)
    ids = collection.works["artwork_id"]
    allowed = np.ones(rows, dtype=bool) if where is None else where.mask(FilterColumns(collection.works))
    product_ms, similar_ms, shared = [], [], 0
    alone_ms = median_ms(lambda query: collection.similar(query, K, where), asked)
    for query in asked:
        began = time.perf_counter()
        similarities = vectors @ query
        np.argpartition(similarities, rows - K)[rows - K :]
        product_ms.append((time.perf_counter() - began) * 1e3)
        began = time.perf_counter()
        hits = collection.similar(query, K, where)
        similar_ms.append((time.perf_counter() - began) * 1e3)
        similarities[~allowed] = -np.inf
        best = ids[np.argpartition(similarities, rows - K)[rows - K :]]
        shared += len(set(best) & set(hits["artwork_id"]))
    return {
        "product_ms": round(float(np.median(product_ms)), 1),
        "similar_ms": round(float(np.median(similar_ms)), 1),
        "ratio": round(float(np.median([a / b for a, b in zip(product_ms, similar_ms, strict=True)])), 1),
        "alone_ms": round(alone_ms, 1),
        "recall_at_10": round(shared / (K * len(asked)), 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, help="32,000 by default, a million with --million")
    parser.add_argument("--dimension", type=int, default=576)
    parser.add_argument("--queries", type=int, help="200 by default, 50 with --million")
    parser.add_argument("--lancedb", action="store_true", help="also measure LanceDB's own indexes")
    parser.add_argument("--million", action="store_true", help="a million vectors beside one matrix product instead")
    options = parser.parse_args()
    if options.million:
        rows, queries = options.rows or 1_000_000, options.queries or 50
        told: Told = {"what": "search_million", "rows": rows, "dimension": options.dimension}
        for kind in (in_even_clusters, like_features):
            told[kind.__name__] = million(rows, options.dimension, queries, kind)
        print(json.dumps(told))
        return
    rows, queries = options.rows or 32_000, options.queries or 200
    answer: dict[str, object] = {"what": "search", "rows": rows, "dimension": options.dimension}
    for kind in (clustered, gaussian):
        rng = np.random.default_rng(1)
        answer[kind.__name__] = measured(kind(rows, options.dimension, rng), queries, rng, lancedb=options.lancedb)
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
