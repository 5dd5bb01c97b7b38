"""How truly the map shows who is near whom, and how near a work that is placed later comes to its place.

    python artpipe_tests/benchmarks/bench_map.py data_lake/sample

Trustworthiness (1 is perfect) says how many of a work's ten neighbours on the map are neighbours among the vectors.
Prints one JSON line, with the two main directions of the vectors as the yardstick.
"""

import json
import sys
import time

import numpy as np
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness

from artpipe.embedding.projection import lay_out, place
from artpipe.embedding.table import EmbeddingTable
from artpipe.lake import DataLake

NEIGHBOURS = 10
EVERY = 7


def main() -> None:
    """Measure and print."""
    _, vectors = EmbeddingTable(DataLake(sys.argv[1])).vectors()
    began = time.process_time()
    points = lay_out(vectors)
    processor_s = time.process_time() - began
    rest = np.delete(np.arange(len(vectors)), np.s_[::EVERY])
    placed = place(vectors[::EVERY], vectors[rest], points[rest])
    moved = np.linalg.norm(placed - points[::EVERY], axis=1)
    plain = PCA(2).fit_transform(vectors)
    told = {
        "works": len(vectors),
        "trustworthiness": round(trustworthiness(vectors, points, n_neighbors=NEIGHBOURS, metric="cosine"), 4),
        "trustworthiness_main_directions": round(
            trustworthiness(vectors, plain, n_neighbors=NEIGHBOURS, metric="cosine"), 4
        ),
        "layout_processor_s": round(processor_s, 2),
        "map_width": round(float(np.ptp(points, axis=0).max()), 1),
        "placed_median_distance": round(float(np.median(moved)), 3),
    }
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
