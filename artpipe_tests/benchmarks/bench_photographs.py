"""What is made of photographs of held-out paintings: framed, on walls, from aside, with margins, turned, in bad light.

    python artpipe_tests/benchmarks/bench_photographs.py --lake LAKE [--works 60] [--seed 0] [--off] [--markdown]

Each treatment of `artpipe_tests/fixtures/photographs.py` is given to the same held-out paintings, twice. First as if
the painting were not in the collection: its own pictures are hidden, and nothing is recognised. Then as it is: the
share of photographs whose very work is the first hit. With `--off` every photograph goes through the model as a whole.
Prints one JSON line, or a table.
"""

import argparse
import io
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from PIL import Image

from artpipe.images.reading import read_picture
from artpipe.lake.parquet import read_table
from artpipe.recognition.view import PHOTOGRAPH_SHORT_SIDE_PX
from artpipe.search import Collection
from artpipe.search.novelty import CANDIDATES
from artpipe.search.photographs import Look, look_at
from artpipe.search.served_model import load_served_model
from artpipe.splits.assign import HELD_OUT
from artpipe.vectors.nearest import Vector
from artpipe_tests.fixtures.photographs import TREATMENTS, photograph

NEIGHBOURS = 10
WHOLE_PICTURE = (0, 0, 1, 1)


@dataclass
class Outcome:
    """One photograph; `None` where the catalogue has no label."""

    right: dict[str, bool | None]
    precision: float | None
    is_first: bool
    is_recognised: bool
    is_wrongly_recognised: bool
    is_out_of_distribution: bool
    is_cut: bool
    milliseconds: float


class Bench:
    """A collection, some of its held-out works, and its model."""

    def __init__(self, lake: str, works: int, seed: int, *, is_off: bool) -> None:
        self.collection = Collection.open(lake, device="cpu")
        self.rows = self.collection.works.with_columns(work=pl.col("work_id").fill_null(pl.col("artwork_id")))
        held_out = read_table(self.collection.lake, "splits").filter(pl.col("split").is_in(HELD_OUT))["artwork_id"]
        candidates = self.rows.filter(
            pl.col("artwork_id").is_in(held_out.implode()) & (pl.col("artwork_id") == pl.col("work"))
        )
        self.chosen = candidates.sample(min(works, candidates.height), seed=seed, shuffle=True)
        self.types = self.rows["type"].to_numpy()
        self.works = self.rows["work"].to_numpy()
        self.encoder = load_served_model(self.collection.lake, "cpu")
        self.short_side_px = self.collection.snapshot.short_side_px
        self.others = np.ones(len(self.works), dtype=np.bool_)
        self.crop = WHOLE_PICTURE if is_off else None

    def look(self, picture: Image.Image, *, is_held: bool) -> Look:
        recognise = self.collection.recognise if is_held and self.crop is None else None
        likeness = self.collection.likeness if is_held else self.likeness_of_others
        return look_at([picture], lambda: self.encoder, self.short_side_px, recognise, likeness, self.crop)[0]

    def likeness_of_others(self, vectors: Vector) -> Vector:
        found = (self.collection.index.nearest.search(vector, 3, self.others) for vector in vectors)
        return np.array([one.similarities.mean() for one in found], np.float32)

    def outcome(self, row: dict[str, str], sent: bytes) -> Outcome:
        picture = read_picture(sent, PHOTOGRAPH_SHORT_SIDE_PX)
        self.others = self.works != row["work"]
        began = time.process_time()
        look = self.look(picture, is_held=False)
        spent_ms = (time.process_time() - began) * 1e3
        near = self.collection.index.nearest.search(look.vector, CANDIDATES, self.others)
        right: dict[str, bool | None] = {}
        for task, labels in self.encoder.labels.items():
            predicted = labels[int(look.predictions.probabilities[task][0].argmax())]
            right[task] = None if row[task] is None else predicted == row[task]
        scale = self.collection.snapshot.novelty_scale()
        is_far = False
        if scale is not None and scale.threshold is not None:
            vectors = self.collection.index.nearest.vectors_at(near.positions)
            is_far = scale.distance(look.vector, vectors) > scale.threshold
        same_type = self.types[near.positions[:NEIGHBOURS]] == row["type"]
        held = self.look(picture, is_held=True)
        if held.artwork_id is None:
            first = int(self.collection.index.nearest.search(held.vector, 1).positions[0])
            is_first = self.works[first] == row["work"]
        else:
            is_first = self.work_of(held.artwork_id) == row["work"]
        return Outcome(
            right,
            None if row["type"] is None else float(same_type.mean()),
            bool(is_first),
            held.artwork_id is not None,
            held.artwork_id is not None and not is_first,
            is_far,
            look.view.area < 0.999,
            spent_ms,
        )

    def work_of(self, artwork_id: str) -> str:
        return self.works[self.collection.snapshot.position_of(artwork_id)]

    def measured(self, treatment: str) -> dict[str, float]:
        ids = self.chosen["artwork_id"].to_list()
        jpegs = self.collection.images(ids)
        outcomes: list[Outcome] = []
        for number, row in enumerate(self.chosen.iter_rows(named=True)):
            with Image.open(io.BytesIO(jpegs[row["artwork_id"]])) as stored:
                taken = photograph(stored, treatment, number)
            packed = io.BytesIO()
            taken.save(packed, "JPEG", quality=92)
            outcomes.append(self.outcome(row, packed.getvalue()))
        return {
            **{f"{task}@1": _mean([one.right[task] for one in outcomes]) for task in self.encoder.labels},
            "type precision@10": _mean([one.precision for one in outcomes]),
            "work first": _mean([one.is_first for one in outcomes]),
            "recognised": _mean([one.is_recognised for one in outcomes]),
            "wrongly": _mean([one.is_wrongly_recognised for one in outcomes]),
            "out of distribution": _mean([one.is_out_of_distribution for one in outcomes]),
            "cut": _mean([one.is_cut for one in outcomes]),
            "ms": _mean([one.milliseconds for one in outcomes]),
        }


def _mean(values: Sequence[float | None]) -> float:
    known = [float(value) for value in values if value is not None]
    return round(float(np.mean(known)), 3) if known else float("nan")


def as_markdown(table: dict[str, dict[str, float]]) -> str:
    columns = list(next(iter(table.values())))
    lines = [f"| photographed | {' | '.join(columns)} |", "|---|" + "--:|" * len(columns)]
    lines += [
        f"| {name} | " + " | ".join(f"{row[column]:.2f}" for column in columns) + " |" for name, row in table.items()
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lake", default="data_lake/sample")
    parser.add_argument("--works", type=int, default=60, help="held-out works, photographed once with each treatment")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--off", action="store_true", help="give every photograph to the model as a whole")
    parser.add_argument("--only", help="treatments whose name holds this")
    parser.add_argument("--markdown", action="store_true", help="print a table instead of JSON")
    options = parser.parse_args()
    bench = Bench(options.lake, options.works, options.seed, is_off=options.off)
    table = {name: bench.measured(name) for name in TREATMENTS if (options.only or "") in name}
    print(as_markdown(table) if options.markdown else json.dumps({"what": "photographs", "table": table}))


if __name__ == "__main__":
    main()
