"""What is made of photographs of held-out paintings: framed, on walls, from aside, with margins, turned, in bad light.

    python artpipe_tests/benchmarks/bench_photographs.py --lake LAKE [--works 120] [--seed 0] [--only NAME] [--markdown]

Each treatment of `artpipe_tests/fixtures/photographs.py` is given to the same held-out paintings, as if they were not
in the collection: their own pictures are hidden, and nothing is recognised. The model sees every photograph in three
ways: as a whole, as artpipe looks at it, and at the true place of the painting. What the last loses is the model's
fault, what the second loses beyond it the finder's. The plain picture as a whole is what all are compared with.

`--held` adds what recognition says when the collection holds them. Prints one JSON line, or a table.
"""

import argparse
import io
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from PIL import Image

from artpipe.images.reading import read_picture
from artpipe.lake.parquet import read_table
from artpipe.recognition.view import PHOTOGRAPH_SHORT_SIDE_PX, UNIT_SQUARE, Crop
from artpipe.search import Collection
from artpipe.search.photographs import Look, look_at
from artpipe.search.served_model import load_served_model
from artpipe.splits.assign import HELD_OUT
from artpipe_tests.fixtures.photographs import TREATMENTS, photograph, true_view

NEIGHBOURS = 10
PRECISION = "precision@10"
WAYS = ("whole", "found", "true place")
BOOTSTRAPS = 1000
WHOLE_PICTURE = UNIT_SQUARE.tolist()

Scores = dict[str, NDArray[np.float64]]
"""By metric, one number a work; NaN where the catalogue has no label."""


class Bench:
    """A collection, some of its held-out works, and its model."""

    def __init__(self, lake: str, works: int, seed: int) -> None:
        self.collection = Collection.open(lake, device="cpu")
        rows = self.collection.works.with_columns(work=pl.col("work_id").fill_null(pl.col("artwork_id")))
        held_out = read_table(self.collection.lake, "splits").filter(pl.col("split").is_in(HELD_OUT))["artwork_id"]
        candidates = rows.filter(
            pl.col("artwork_id").is_in(held_out.implode()) & (pl.col("artwork_id") == pl.col("work"))
        ).sort("artwork_id")
        self.chosen = candidates.sample(min(works, candidates.height), seed=seed, shuffle=True)
        self.types = rows["type"].to_numpy()
        self.works = rows["work"].to_numpy()
        self.encoder = load_served_model(self.collection.lake, "cpu")
        self.jpegs = self.collection.images(self.chosen["artwork_id"].to_list())
        self.others = np.ones(len(self.works), dtype=np.bool_)

    def photographs(self, treatment: str) -> "list[tuple[Image.Image, Crop]]":
        """Each work's photograph, and where in it the painting is."""
        taken: list[tuple[Image.Image, Crop]] = []
        for number, artwork_id in enumerate(self.chosen["artwork_id"]):
            with Image.open(io.BytesIO(self.jpegs[artwork_id])) as stored:
                picture = photograph(stored, treatment, number)
                place = true_view(stored.size, treatment, number).corners.tolist()
            packed = io.BytesIO()
            picture.save(packed, "JPEG", quality=92)
            taken.append((read_picture(packed.getvalue(), PHOTOGRAPH_SHORT_SIDE_PX), place))
        return taken

    def look(self, picture: Image.Image, crop: Crop | None = None) -> Look:
        short_side_px = self.collection.snapshot.short_side_px
        return look_at([picture], lambda: self.encoder, short_side_px, crop=crop)[0]

    def score(self, look: Look, row: Mapping[str, Any]) -> dict[str, float]:
        right: dict[str, float] = {}
        for task, labels in self.encoder.labels.items():
            predicted = labels[int(look.predictions.probabilities[task][0].argmax())]
            right[f"{task} @1"] = np.nan if row[task] is None else float(predicted == row[task])
        near = self.collection.index.nearest.search(look.vector, NEIGHBOURS, self.others)
        same = self.types[near.positions] == row["type"]
        return right | {PRECISION: np.nan if row["type"] is None else float(same.mean())}

    def measured(self, treatment: str) -> tuple[dict[str, Scores], dict[str, float]]:
        """The scores in each way, and the share of photographs that were cut and the time to look at one."""
        scores: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
        areas: list[float] = []
        spent_s = 0.0
        for row, (picture, place) in zip(self.chosen.iter_rows(named=True), self.photographs(treatment), strict=True):
            self.others = self.works != row["work"]
            began = time.process_time()
            found = self.look(picture)
            spent_s += time.process_time() - began
            looks = {
                "whole": self.look(picture, WHOLE_PICTURE),
                "found": found,
                "true place": self.look(picture, place),
            }
            for way, look in looks.items():
                scores[way].append(self.score(look, row))
            areas.append(found.view.area)
        by_metric = {
            way: {name: np.array([one[name] for one in rows]) for name in rows[0]} for way, rows in scores.items()
        }
        return by_metric, {"cut": float(np.mean(np.array(areas) < 0.999)), "ms": 1e3 * spent_s / len(areas)}

    def recognised(self, treatment: str) -> dict[str, float]:
        """Of photographs of works that are held: how many are recognised, rightly or not, and have their work first."""
        first: list[bool] = []
        matched: list[bool] = []
        for row, (picture, _) in zip(self.chosen.iter_rows(named=True), self.photographs(treatment), strict=True):
            match = self.collection.recognise(picture)
            matched.append(match is not None and bool(match))
            hit = self.collection.similar(picture, k=1)["artwork_id"][0]
            first.append(self.works[self.collection.snapshot.position_of(hit)] == row["work"])
        return {
            "work first": float(np.mean(first)),
            "recognised": float(np.mean(matched)),
            "wrongly": float(np.mean(np.array(matched) & ~np.array(first))),
        }


def compared(scores: Mapping[str, Scores], plain: Scores) -> dict[str, dict[str, float]]:
    """By metric: the mean of the plain pictures and in each way, and the standard error of found less plain."""
    table: dict[str, dict[str, float]] = {}
    for metric, reference in plain.items():
        means = {way: float(np.nanmean(scores[way][metric])) for way in WAYS}
        difference = (scores["found"][metric] - reference)[~np.isnan(reference)]
        picks = np.random.default_rng(0).integers(0, len(difference), (BOOTSTRAPS, len(difference)))
        error = float(difference[picks].mean(axis=1).std())
        table[metric] = {"plain": float(np.nanmean(reference)), **means, "standard error": error}
    return table


def as_markdown(table: Mapping[str, Mapping[str, Any]]) -> str:
    """Cells: whole → found (± standard error of its difference to plain) / true place."""
    metrics = list(next(iter(table.values()))["scores"])
    lines = [f"| photographed | {' | '.join(metrics)} | cut | ms |", "|---|" + "--:|" * (len(metrics) + 2)]
    for name, row in table.items():
        cells = [
            f"{one['whole']:.2f} → {one['found']:.3f} ± {one['standard error']:.3f} / {one['true place']:.3f}"
            for one in row["scores"].values()
        ]
        lines.append(f"| {name} | {' | '.join(cells)} | {row['cut']:.2f} | {row['ms']:.0f} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lake", default="data_lake/sample")
    parser.add_argument("--works", type=int, default=120, help="held-out works, photographed once with each treatment")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="treatments whose name holds this")
    parser.add_argument("--held", action="store_true", help="also look at them as works that the collection holds")
    parser.add_argument("--markdown", action="store_true", help="print a table instead of JSON")
    options = parser.parse_args(arguments)
    bench = Bench(options.lake, options.works, options.seed)
    plain = bench.measured("plain")
    table: dict[str, dict[str, Any]] = {}
    for name in TREATMENTS:
        if (options.only or "") not in name:
            continue
        scores, others = plain if name == "plain" else bench.measured(name)
        table[name] = {"scores": compared(scores, plain[0]["whole"]), **others}
        if options.held:
            table[name] |= bench.recognised(name)
    print(as_markdown(table) if options.markdown else json.dumps({"what": "photographs", "table": table}))


if __name__ == "__main__":
    main()
