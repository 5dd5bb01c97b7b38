"""Whether a re-photograph is known again: by likeness alone, and with local features and geometry.

    python artpipe_tests/benchmarks/bench_same_painting.py [--lake data_lake/sample] [--queries 60] [--seed 0]

The lake must hold embeddings, their model and local features (materialize "local_features"). A tenth of the works is
taken for strangers, as if the collection did not hold them. Both ways get the threshold that one stranger in a hundred
passes; recall is the share of photographs of held works that pass it with the right work first. Then the same by the
threshold that the index itself was calibrated to, deciding as `Collection.same_painting` does: it ends with the first
work that agrees enough. Prints one JSON line.
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
from artpipe.recognition.calibration import LEAST_POINTS
from artpipe.recognition.candidates import BY_VOTES, FIRST, QUERY_POINTS, Looked, look_for
from artpipe.recognition.feature_index import open_feature_index
from artpipe.recognition.geometry import Agreement, never
from artpipe.recognition.local_features import QUERY_SHORT_SIDE_PX, SENT_SHORT_SIDE_PX, describe, grey_picture
from artpipe.recognition.rephotograph import KINDS, rephotograph
from artpipe.search import Collection
from artpipe.search.predictions import stored_short_side_px
from artpipe.search.queries import unit_vector
from artpipe.search.served_model import load_served_model
from artpipe.vectors.nearest import Vector

STRANGERS = 0.1
FALSE_POSITIVES = 0.01


@dataclass
class Seen:
    """One photograph: what each way made of it."""

    work: str
    taken_for: str | None
    is_stranger: bool
    similarity: float
    is_right_by_likeness: bool
    agreed: float
    is_right_by_geometry: bool
    is_taken: bool
    is_taken_rightly: bool
    is_among_the_first: bool
    is_voted_for: bool
    cpu_ms: float


class Bench:
    """A collection whose strangers are hidden."""

    def __init__(self, collection: Collection, rng: np.random.Generator) -> None:
        self.collection = collection
        works = collection.works.with_columns(
            work=collection.works["work_id"].fill_null(collection.works["artwork_id"])
        )
        self.work_of = dict(works.select("artwork_id", "work").iter_rows())
        names = sorted(set(self.work_of.values()))
        self.strangers = set(rng.choice(names, max(1, int(STRANGERS * len(names))), replace=False))
        self.is_held = np.array([self.work_of[name] not in self.strangers for name in works["artwork_id"]])
        self.ids = works["artwork_id"].to_list()
        pictures = dict(works.select("artwork_id", "jpeg_sha256").iter_rows())
        self.compared = open_feature_index(collection.lake, pictures)
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

    def is_stranger(self, name: str) -> bool:
        return self.work_of[name] in self.strangers

    def look(self, name: str, data: bytes, vector: Vector) -> Seen:
        similarities = np.where(self.is_held, self.vectors @ vector, -1)
        nearest = int(np.argmax(similarities))
        sent = read_picture(data, SENT_SHORT_SIDE_PX)
        index = self.compared
        began = time.process_time()
        grey = grey_picture(sent, QUERY_SHORT_SIDE_PX)

        def looked(is_enough: Callable[[Agreement], bool] = never) -> Looked:
            return look_for(grey, index.words, index.features, is_enough=is_enough, is_hidden=self.is_stranger)

        decided = looked(index.calibration.is_enough)
        cpu_ms = (time.process_time() - began) * 1e3
        is_taken = index.calibration.is_enough(decided.agreed)
        all_compared = looked() if is_taken else decided
        best, agreed = all_compared.artwork_id, all_compared.agreed
        voted = index.words.vote(describe(grey, QUERY_POINTS), 4 * BY_VOTES)
        votes = [self.work_of[one] for one in voted if not self.is_stranger(one)][:BY_VOTES]
        work = self.work_of[name]
        return Seen(
            work=work,
            taken_for=decided.artwork_id if is_taken else None,
            is_stranger=work in self.strangers,
            similarity=float(similarities[nearest]),
            is_right_by_likeness=self.work_of[self.ids[nearest]] == work,
            agreed=agreed.share if agreed.points >= LEAST_POINTS else 0.0,
            is_right_by_geometry=best is not None and self.work_of[best] == work,
            is_taken=is_taken,
            is_taken_rightly=is_taken and decided.artwork_id is not None and self.work_of[decided.artwork_id] == work,
            is_among_the_first=work in votes[:FIRST],
            is_voted_for=work in votes,
            cpu_ms=cpu_ms,
        )


def threshold(scores: list[float]) -> float:
    """The least value that at most one stranger in a hundred reaches."""
    ordered = np.sort(np.array(scores))[::-1]
    allowed = int(FALSE_POSITIVES * len(ordered))
    return float(np.nextafter(ordered[allowed], np.inf))


def measured(lake: str, queries: int, seed: int) -> dict[str, object]:
    rng = np.random.default_rng(seed)
    bench = Bench(Collection.open(lake, device="cpu"), rng)
    members = [name for name, held in zip(bench.ids, bench.is_held, strict=True) if held]
    strangers = [name for name, held in zip(bench.ids, bench.is_held, strict=True) if not held]
    seen: dict[str, list[Seen]] = {}
    for kind in KINDS:
        asked = [str(n) for n in rng.choice(members, min(queries, len(members)), replace=False)]
        asked += [str(n) for n in rng.choice(strangers, min(queries, len(strangers)), replace=False)]
        taken, vectors = bench.photographs(kind, asked, seed)
        seen[kind] = [bench.look(*one) for one in zip(asked, taken, vectors, strict=True)]
    unknown = [one for group in seen.values() for one in group if one.is_stranger]
    least_similarity = threshold([one.similarity for one in unknown])
    least_share = threshold([one.agreed for one in unknown])

    def share(kind: str, passes: str) -> float:
        known = [one for one in seen[kind] if not one.is_stranger]
        right = {
            "before": lambda one: one.is_right_by_likeness and one.similarity >= least_similarity,
            "after": lambda one: one.is_right_by_geometry and one.agreed >= least_share,
            "by the index": lambda one: one.is_taken_rightly,
            "first": lambda one: one.is_among_the_first,
            "voted": lambda one: one.is_voted_for,
        }[passes]
        return round(sum(map(right, known)) / len(known), 3)

    known = [one for group in seen.values() for one in group if not one.is_stranger]
    return {
        "what": "same_painting",
        "works": len(bench.ids),
        "strangers_asked": len(unknown),
        "least_similarity": round(least_similarity, 4),
        "least_share": round(least_share, 4),
        "least_share_of_the_index": round(bench.compared.calibration.least_share, 4),
        "recall_at_1_percent_false_positives": {
            kind: {"before": share(kind, "before"), "after": share(kind, "after")} for kind in KINDS
        },
        "recall_of_the_index": {kind: share(kind, "by the index") for kind in KINDS},
        "strangers_taken_by_the_index": sum(one.is_taken for one in unknown),
        "taken_for": sorted({f"{one.work} -> {one.taken_for}" for one in unknown if one.is_taken}),
        "false_positive_rate_of_the_index": round(float(np.mean([one.is_taken for one in unknown])), 4),
        "candidates": {kind: {way: share(kind, way) for way in ("first", "voted")} for kind in KINDS},
        "cpu_ms": {
            who: {f"p{part}": round(float(np.percentile([one.cpu_ms for one in group], part)), 1) for part in (50, 95)}
            for who, group in {"held": known, "strangers": unknown}.items()
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lake", default="data_lake/sample")
    parser.add_argument("--queries", type=int, default=60, help="of held works and of strangers, for each distortion")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(json.dumps(measured(options.lake, options.queries, options.seed)))


if __name__ == "__main__":
    main()
