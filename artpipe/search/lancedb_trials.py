"""LanceDB's own vector indexes, measured beside ours on a copy of the vectors.

They answer from disk and so serve a collection that no memory holds; for one that fits, the figures on the index card
say what that would cost. Nothing in the lake is touched.
"""

import tempfile
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artpipe.search.trials import NEIGHBOURS_COMPARED, Trial, median_ms, recall
from artpipe.vectors.nearest import Vector

_WAIT = timedelta(minutes=30)
_REFINE = 8


def lancedb_trials(
    vectors: Vector, asked: Vector, truth: list[NDArray[np.int64]], probes: Sequence[int], min_recall: float
) -> list[Trial]:
    """Measure IVF_RQ and IVF_HNSW_SQ, each with as many probes as the recall needs.

    Args:
        vectors: float32 (N, D), each of length 1.
        asked: float32 (Q, D), the queries.
        truth: the rows of the true neighbours of each query.
        probes: numbers of partitions to search, ascending.
        min_recall: where the tuning stops.
    """
    import lancedb
    import pyarrow as pa
    from lancedb.index import HnswSq, IvfRq

    trials: list[Trial] = []
    flat = pa.array(vectors.reshape(-1))
    rows = pa.table(
        {
            "row": pa.array(np.arange(len(vectors))),
            "vector": pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1]),
        }
    )
    for kind, config in (("lancedb_ivf_rq", IvfRq), ("lancedb_ivf_hnsw_sq", HnswSq)):
        with tempfile.TemporaryDirectory(prefix="artpipe-") as folder:
            table: Any = lancedb.connect(folder).create_table("vectors", data=rows)
            began = time.perf_counter()
            table.create_index("vector", config=config(distance_type="cosine"), wait_timeout=_WAIT)
            build_s = time.perf_counter() - began
            trial: Trial | None = None
            for count in probes:

                def ask(query: Vector, count: int = count, table: Any = table) -> NDArray[np.int64]:
                    search = table.search(query, vector_column_name="vector").distance_type("cosine")
                    nearest = (
                        search.nprobes(count)
                        .refine_factor(_REFINE)
                        .limit(NEIGHBOURS_COMPARED)
                        .select(["row", "_distance"])
                    )
                    return nearest.to_arrow()["row"].to_numpy()

                trial = Trial(
                    kind=kind,
                    parameters={"nprobes": count, "refine_factor": _REFINE},
                    recall_at_10=round(recall([ask(query) for query in asked], truth), 4),
                    ms_per_query=round(median_ms(ask, asked), 4),
                    build_s=round(build_s, 3),
                    can_serve=False,
                )
                if trial.recall_at_10 >= min_recall:
                    break
            trials += [trial] if trial else []
    return trials
