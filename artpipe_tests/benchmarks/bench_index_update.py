"""Bringing the HNSW graph of 32,000 vectors up to date, beside building the index anew.

    python artpipe_tests/benchmarks/bench_index_update.py [--rows 32000] [--dimension 576]

One work is added; then one is removed, one replaced and a hundred added; each is timed from the vectors in memory to
the saved files, the measurement of recall included. The vectors are the clustered ones of `bench_search.py`. Prints
one JSON line.
"""

import argparse
import json
import tempfile
import time

import numpy as np
from bench_search import clustered  # pyright: ignore[reportMissingImports]

from artpipe.lake.paths import DataLake
from artpipe.search import index
from artpipe.search.index_update import update_index


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=32_000)
    parser.add_argument("--dimension", type=int, default=576)
    options = parser.parse_args()
    rows = options.rows
    data = clustered(rows + 101, options.dimension, np.random.default_rng(1))
    ids = [f"p/painter{n % 900}/work{n:05}" for n in range(len(data))]
    told: dict[str, object] = {"what": "index update", "rows": rows, "dimension": options.dimension}
    with tempfile.TemporaryDirectory() as folder:
        lake = DataLake(folder)
        # Under load the byte scan may win the trials, and would have nothing to update.
        index._chosen = lambda trials, _: next(trial for trial in trials if trial.kind == "hnsw")  # pyright: ignore[reportPrivateUsage]
        card = index.build_index(data[:rows], ids[:rows], lake, model_id="m", content_version="0", min_graph_rows=1)
        told |= {"kind": card.kind, "build_s": card.seconds_to_build, "build_recall": card.recall_at_10}
        changed = data.copy()
        changed[7] = data[8]
        steps = {"one added": (data, slice(0, rows + 1)), "a hundred and two changed": (changed, slice(1, rows + 101))}
        for version, (name, (matrix, part)) in enumerate(steps.items(), start=1):
            now = np.ascontiguousarray(matrix[part])
            began = time.perf_counter()
            card = update_index(now, ids[part], lake, model_id="m", content_version=str(version))
            spent = time.perf_counter() - began
            told[name] = {"s": round(spent, 3), "recall": card.recall_at_10, "why": card.why}
    print(json.dumps(told))


if __name__ == "__main__":
    main()
