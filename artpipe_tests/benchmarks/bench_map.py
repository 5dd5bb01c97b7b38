"""How well the map keeps neighbourhoods, and how close a work that is placed later comes to its laid-out position.

    python artpipe_tests/benchmarks/bench_map.py data_lake/sample

    python artpipe_tests/benchmarks/bench_map.py --rows 50000

Trustworthiness (1 is perfect) is high where a work's ten neighbours on the map are neighbours by their vectors.
Prints one JSON line, with the two main directions of the vectors as the yardstick. With `--rows`, the time to lay so
many clustered vectors of `bench_search.py` out and to place a hundred new ones among them, and the bytes that a browser
is sent of the map, compressed.
"""

import argparse
import gzip
import json
import sys
import time

import numpy as np
import polars as pl
from bench_search import like_features  # pyright: ignore[reportMissingImports]
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness

from artpipe.embedding.projection import lay_out, place
from artpipe.embedding.table import EmbeddingTable
from artpipe.lake.paths import DataLake
from artpipe.tasks import WGA_TASKS
from artpipe.web.map_data import map_data

NEIGHBOURS = 10
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


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lake", nargs="?")
    parser.add_argument("--rows", type=int)
    options = parser.parse_args()
    result = spent(options.rows) if options.rows else trueness(DataLake(options.lake))
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
