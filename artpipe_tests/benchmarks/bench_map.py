"""How well the map keeps neighbourhoods, and how close a work that is placed later comes to its laid-out position.

    python artpipe_tests/benchmarks/bench_map.py data_lake/sample

    python artpipe_tests/benchmarks/bench_map.py --rows 50000

    python artpipe_tests/benchmarks/bench_map.py data_lake/sample --rows 50000 --recall

Trustworthiness (1 is perfect) is high where a work's ten neighbours on the map are neighbours by their vectors.
Prints one JSON line, with the two main directions of the vectors as the yardstick. With `--rows`, the time to lay so
many clustered vectors of `bench_search.py` out and to place a hundred new ones among them, and the bytes that a browser
is sent of the map, compressed. With `--recall`, the share of the true 15 neighbours that `partitions.py` finds among so
many rows, by its number of probes: of 256 numbers, in clusters, or made of a lake's: each is a point between a vector
and one of its ten nearest, with noise of a tenth of its length.
"""

import argparse
import gzip
import json
import sys
import time
from collections.abc import Sequence
from unittest.mock import patch

import numpy as np
import polars as pl
from bench_search import like_features, unit  # pyright: ignore[reportMissingImports]
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness

from artpipe.embedding.projection import lay_out, place
from artpipe.embedding.table import EmbeddingTable
from artpipe.lake.paths import DataLake
from artpipe.tasks import WGA_TASKS
from artpipe.vectors import partitions
from artpipe.vectors.grouped import nearest_in_other_groups, similarity_blocks
from artpipe.vectors.partitions import top_k
from artpipe.web.map_data import map_data

NEIGHBOURS = 10
EDGES = 15
EVERY = 7

NEW = 100


def trueness(lake: DataLake) -> dict[str, object]:
    """How well the map of a lake keeps neighbourhoods."""
    _, vectors = EmbeddingTable(lake).vectors()
    began = time.process_time()
    points = lay_out(vectors)
    processor_s = time.process_time() - began
    rest = np.delete(np.arange(len(vectors)), np.s_[::EVERY])
    placed = place(vectors[::EVERY], vectors[rest], points[rest])
    moved = np.linalg.norm(placed - points[::EVERY], axis=1)
    plain = PCA(2).fit_transform(vectors)
    return {
        "works": len(vectors),
        "trustworthiness": round(trustworthiness(vectors, points, n_neighbors=NEIGHBOURS, metric="cosine"), 4),
        "trustworthiness_main_directions": round(
            trustworthiness(vectors, plain, n_neighbors=NEIGHBOURS, metric="cosine"), 4
        ),
        "layout_processor_s": round(processor_s, 2),
        "map_width": round(float(np.ptp(points, axis=0).max()), 1),
        "placed_median_distance": round(float(np.median(moved)), 3),
    }


def invented_works(rows: int, rng: np.random.Generator) -> pl.DataFrame:
    """What the page of the map is told of works: 900 artists, three styles."""
    numbers = range(rows)
    return pl.DataFrame(
        {
            "artwork_id": [f"p/painter{n % 900}/work{n:05}" for n in numbers],
            "artist": [f"PAINTER, Number {n % 900}" for n in numbers],
            "title": [f"Still-Life with {n} Lemons" for n in numbers],
            "type": np.where(rng.random(rows) < 0.9, "portrait", "genre"),
            "period": np.where(rng.random(rows) < 0.99, "1550-1650", "1650-1750"),
            "style": [("Baroque", "Rococo", "Realism")[n % 3] for n in numbers],
        }
    )


def spent(rows: int, dimension: int = 576) -> dict[str, object]:
    """How long a map of so many works takes, and how large it is."""
    rng = np.random.default_rng(1)
    vectors = like_features(dimension, rng)(rows + NEW)
    known, new = vectors[:rows], vectors[rows:]
    began, processor_began = time.perf_counter(), time.process_time()
    points = lay_out(known)
    laid_out, processor_laid_out = time.perf_counter(), time.process_time()
    place(new, known, points)
    placed, processor_placed = time.perf_counter(), time.process_time()
    works = invented_works(rows, rng).with_columns(x=pl.Series(points[:, 0]), y=pl.Series(points[:, 1]))
    packed = map_data(works, WGA_TASKS)
    return {
        "works": rows,
        "layout_s": round(laid_out - began, 1),
        "layout_processor_s": round(processor_laid_out - processor_began, 1),
        "place_100_s": round(placed - laid_out, 2),
        "place_100_processor_s": round(processor_placed - processor_laid_out, 2),
        "data_bytes_compressed": sum(len(gzip.compress(part)) for part in (packed.points, packed.works)),
    }


def between_neighbours(held: NDArray[np.float32], rows: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """So many vectors that lie as those of a lake do, float32 (rows, D)."""
    groups = [str(row) for row in range(len(held))]
    near, _ = nearest_in_other_groups(held, groups, np.arange(len(held)), NEIGHBOURS)
    start = rng.integers(len(held), size=rows)
    end = near[start, rng.integers(near.shape[1], size=rows)]
    share = rng.random((rows, 1), np.float32)
    noise = unit(rng.standard_normal((rows, held.shape[1]), np.float32)) / 10
    return unit((1 - share) * held[start] + share * held[end] + noise)


def recall(vectors: NDArray[np.float32], probes: Sequence[int] = (4, 6, 8, 12, 16)) -> dict[str, object]:
    """The share of the true 15 neighbours of 1,000 rows that is found, by the number of partitions probed."""
    rng = np.random.default_rng(2)
    asked, groups = rng.choice(len(vectors), 1000, replace=False), np.arange(len(vectors))
    blocks = similarity_blocks(vectors[asked], groups[asked], vectors, groups)
    true = np.concatenate([top_k(similarity, EDGES) for _, similarity in blocks])
    index = partitions.Partitions(vectors, groups)
    found: dict[str, object] = {"rows": len(vectors), "dimension": vectors.shape[1]}
    for count in probes:
        with patch.object(partitions, "PROBES", count):
            rows, _ = index.nearest(vectors[asked], groups[asked], EDGES)
        shared = [len(np.intersect1d(some, others)) for some, others in zip(rows, true, strict=True)]
        found[f"recall, {count} probes"] = round(float(np.mean(shared)) / EDGES, 4)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lake", nargs="?")
    parser.add_argument("--rows", type=int)
    parser.add_argument("--recall", action="store_true")
    options = parser.parse_args()
    if options.recall:
        rng = np.random.default_rng(1)
        held = EmbeddingTable(DataLake(options.lake)).vectors()[1] if options.lake else None
        made = like_features(256, rng)(options.rows) if held is None else between_neighbours(held, options.rows, rng)
        result = recall(made)
    else:
        result = spent(options.rows) if options.rows else trueness(DataLake(options.lake))
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
