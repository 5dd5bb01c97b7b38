"""Recall of simulated photographs: by vector similarity alone, and by local features with geometric verification.

    python artpipe_tests/benchmarks/bench_same_painting.py [--lake data_lake/sample] [--queries 60] [--seed 0]

The lake must hold embeddings, their model and local features (materialize "local_features"). A tenth of the works is
hidden, and photographs of them are negative queries. Both methods get the threshold that one negative query in a
hundred passes; recall is the share of photographs of the other works that pass it with the right work first. Then the
same with the threshold of the index itself, deciding as `Collection.same_painting` does: the first sufficient alignment
ends the search. Prints one JSON line.
"""

import argparse
import io
import json
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from artpipe.embedding.table import EmbeddingTable
from artpipe.images.reading import read_picture
from artpipe.recognition.candidates import CANDIDATES, FIRST, QUERY_POINTS, SearchResult, search_candidates
from artpipe.recognition.feature_index import open_feature_index
from artpipe.recognition.geometry import MIN_INLIERS, Alignment, never
from artpipe.recognition.local_features import QUERY_SHORT_SIDE_PX, describe, grey_picture
from artpipe.recognition.rephotograph import KINDS, rephotograph
from artpipe.recognition.view import PHOTOGRAPH_SHORT_SIDE_PX
from artpipe.search import Collection
from artpipe.search.predictions import stored_short_side_px
from artpipe.search.queries import unit_vector
from artpipe.search.served_model import load_served_model
from artpipe.vectors.nearest import Vector

HIDDEN_SHARE = 0.1
FALSE_POSITIVE_RATE = 0.01


@dataclass
class Outcome:
    """One photograph, as each method answered it."""

    work: str
    matched: str | None
    is_negative: bool
    similarity: float
    is_nearest_correct: bool
    inlier_ratio: float
    is_best_alignment_correct: bool
    is_match: bool
    is_match_correct: bool
    is_among_the_first: bool
    is_candidate: bool
    cpu_ms: float


class Bench:
    """A collection of which some works are hidden."""

    def __init__(self, collection: Collection, rng: np.random.Generator) -> None:
        self.collection = collection
        works = collection.works.with_columns(
            work=collection.works["work_id"].fill_null(collection.works["artwork_id"])
        )
        self.work_of = dict(works.select("artwork_id", "work").iter_rows())
        names = sorted(set(self.work_of.values()))
        self.hidden = set(rng.choice(names, max(1, int(HIDDEN_SHARE * len(names))), replace=False))
        self.is_indexed = np.array([self.work_of[name] not in self.hidden for name in works["artwork_id"]])
        self.ids = works["artwork_id"].to_list()
        pictures = dict(works.select("artwork_id", "jpeg_sha256").iter_rows())
        self.index = open_feature_index(collection.lake, pictures)
        self.vectors = EmbeddingTable(collection.lake).vectors(collection.version)[1]
        self.encoder = load_served_model(collection.lake, "cpu")
        self.short_side_px = stored_short_side_px(collection.lake)

    def photographs(self, kind: str, ids: list[str], seed: int) -> tuple[list[bytes], Vector]:
        jpegs = self.collection.images(ids)
        taken: list[bytes] = []
        for number, name in enumerate(ids):
            with Image.open(io.BytesIO(jpegs[name])) as picture:
                photograph = rephotograph(picture, kind, seed + number)
            packed = io.BytesIO()
            photograph.save(packed, "JPEG", quality=92)
            taken.append(packed.getvalue())
        vectors = self.encoder.encode([read_picture(data, self.short_side_px) for data in taken]).vectors
        return taken, np.stack([unit_vector(vector, vectors.shape[1]) for vector in vectors])

    def is_hidden(self, name: str) -> bool:
        return self.work_of[name] in self.hidden

    def search(self, name: str, data: bytes, vector: Vector) -> Outcome:
        similarities = np.where(self.is_indexed, self.vectors @ vector, -1)
        nearest = int(np.argmax(similarities))
        sent = read_picture(data, PHOTOGRAPH_SHORT_SIDE_PX)
        index = self.index
        began = time.process_time()
        grey = grey_picture(sent, QUERY_SHORT_SIDE_PX)

        def searched(is_sufficient: Callable[[Alignment], bool] = never) -> SearchResult:
            return search_candidates(
                [grey], index.words, index.features, is_sufficient=is_sufficient, is_hidden=self.is_hidden
            )[0]

        decided = searched(index.threshold.is_match)
        cpu_ms = (time.process_time() - began) * 1e3
        is_match = index.threshold.is_match(decided.alignment)
        best = searched() if is_match else decided
        voted = index.words.vote(describe(grey, QUERY_POINTS), 4 * CANDIDATES)
        candidates = [self.work_of[one] for one in voted if not self.is_hidden(one)][:CANDIDATES]
        work = self.work_of[name]
        return Outcome(
            work=work,
            matched=decided.artwork_id if is_match else None,
            is_negative=work in self.hidden,
            similarity=float(similarities[nearest]),
            is_nearest_correct=self.work_of[self.ids[nearest]] == work,
            inlier_ratio=best.alignment.inlier_ratio if best.alignment.inliers >= MIN_INLIERS else 0.0,
            is_best_alignment_correct=self.work_of.get(best.artwork_id or "") == work,
            is_match=is_match,
            is_match_correct=is_match and self.work_of.get(decided.artwork_id or "") == work,
            is_among_the_first=work in candidates[:FIRST],
            is_candidate=work in candidates,
            cpu_ms=cpu_ms,
        )


def threshold(scores: list[float]) -> float:
    """The smallest value that at most one negative query in a hundred reaches."""
    ordered = np.sort(np.array(scores))[::-1]
    allowed = int(FALSE_POSITIVE_RATE * len(ordered))
    return float(np.nextafter(ordered[allowed], np.inf))


def measured(lake: str, queries: int, seed: int) -> dict[str, object]:
    rng = np.random.default_rng(seed)
    bench = Bench(Collection.open(lake, device="cpu"), rng)
    members = [name for name, indexed in zip(bench.ids, bench.is_indexed, strict=True) if indexed]
    hidden = [name for name, indexed in zip(bench.ids, bench.is_indexed, strict=True) if not indexed]
    outcomes: dict[str, list[Outcome]] = {}
    for kind in KINDS:
        names = [str(n) for n in rng.choice(members, min(queries, len(members)), replace=False)]
        names += [str(n) for n in rng.choice(hidden, min(queries, len(hidden)), replace=False)]
        taken, vectors = bench.photographs(kind, names, seed)
        outcomes[kind] = [bench.search(*one) for one in zip(names, taken, vectors, strict=True)]
    negatives = [one for group in outcomes.values() for one in group if one.is_negative]
    positives = [one for group in outcomes.values() for one in group if not one.is_negative]
    min_similarity = threshold([one.similarity for one in negatives])
    min_inlier_ratio = threshold([one.inlier_ratio for one in negatives])

    def by_kind(passes: Callable[[Outcome], bool]) -> dict[str, float]:
        groups = {kind: [one for one in group if not one.is_negative] for kind, group in outcomes.items()}
        return {kind: round(sum(map(passes, group)) / len(group), 3) for kind, group in groups.items()}

    return {
        "what": "same_painting",
        "works": len(bench.ids),
        "negative_queries": len(negatives),
        "min_similarity": round(min_similarity, 4),
        "min_inlier_ratio": round(min_inlier_ratio, 4),
        "min_inlier_ratio_of_the_index": round(bench.index.threshold.min_inlier_ratio, 4),
        "recall_at_1_percent_false_positives": {
            "by similarity": by_kind(lambda one: one.is_nearest_correct and one.similarity >= min_similarity),
            "by alignment": by_kind(lambda one: one.is_best_alignment_correct and one.inlier_ratio >= min_inlier_ratio),
        },
        "recall_of_the_index": by_kind(lambda one: one.is_match_correct),
        "false_positives_of_the_index": sorted({f"{one.work} -> {one.matched}" for one in negatives if one.is_match}),
        "false_positive_rate_of_the_index": round(float(np.mean([one.is_match for one in negatives])), 4),
        "recall_of_candidates": {
            f"first {FIRST}": by_kind(lambda one: one.is_among_the_first),
            f"first {CANDIDATES}": by_kind(lambda one: one.is_candidate),
        },
        "cpu_ms": {
            name: {f"p{part}": round(float(np.percentile([one.cpu_ms for one in group], part)), 1) for part in (50, 95)}
            for name, group in {"positives": positives, "negatives": negatives}.items()
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lake", default="data_lake/sample")
    parser.add_argument(
        "--queries", type=int, default=60, help="photographs of indexed and of hidden works, for each distortion"
    )
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(json.dumps(measured(options.lake, options.queries, options.seed)))


if __name__ == "__main__":
    main()
