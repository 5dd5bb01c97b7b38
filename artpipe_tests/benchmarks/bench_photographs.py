"""What is made of photographs of held-out paintings: framed, on walls, from aside, with margins, turned, in bad light.

    python artpipe_tests/benchmarks/bench_photographs.py --lake LAKE [--works 120] [--split test] [--markdown]
        [--features FILE] [--only NAME] [--held]

Each treatment of `artpipe_tests/fixtures/photographs.py` is given to the same held-out paintings, as if they were not
in the collection: their own pictures are hidden, and nothing is recognised. The model sees every photograph in three
ways: as a whole, as artpipe looks at it, and at the true place of the painting. What the last loses is the model's
fault, what the second loses beyond it the finder's. The plain picture as a whole is what all are compared with.

`--features` keeps the backbone's features of every picture seen in a file, so that the next run after a change of the
finder takes minutes. `--held` adds what recognition says when the collection holds them. Prints one JSON line, or a
table.
"""

import argparse
import hashlib
import io
import json
import sqlite3
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from PIL import Image

from artpipe.embedding.predictions import Predictions
from artpipe.images.pixels import image_square
from artpipe.images.reading import read_picture
from artpipe.lake.parquet import read_table
from artpipe.lake.paths import DataLake
from artpipe.recognition.view import PHOTOGRAPH_SHORT_SIDE_PX, UNIT_SQUARE, Crop
from artpipe.search import Collection
from artpipe.search.photographs import Look, look_at
from artpipe.search.served_model import ServedModel, load_served_model
from artpipe.splits.assign import HELD_OUT
from artpipe_tests.fixtures.photographs import SURROUNDED, TREATMENTS, photograph, true_view

NEIGHBOURS = 10
PRECISION = "precision@10"
WAYS = ("whole", "found", "true place")
BOOTSTRAPS = 1000
WHOLE_PICTURE = UNIT_SQUARE.tolist()
BATCH = 32

Scores = dict[str, NDArray[np.float64]]
"""By metric, one number a work; NaN where the catalogue has no label."""


class RememberingModel(ServedModel):
    """A served model that keeps the backbone's features of every square it sees in a SQLite file."""

    def __init__(self, model: ServedModel, lake: DataLake, file: str) -> None:
        super().__init__(model.embedder, lake)
        self._db = sqlite3.connect(file, timeout=60)
        self._db.execute("CREATE TABLE IF NOT EXISTS features (square BLOB PRIMARY KEY, features BLOB)")

    def encode_with_features(self, pictures: Sequence[Image.Image]) -> Predictions:
        squares = [image_square(picture, self.embedder.image_px) for picture in pictures]
        keys = [hashlib.sha256(self.model_id.encode() + square.tobytes()).digest() for square in squares]
        found = {key: self._read(key) for key in keys}
        missing = [number for number, key in enumerate(keys) if found[key] is None]
        for first in range(0, len(missing), BATCH):
            batch = missing[first : first + BATCH]
            views = self.embedder.features_of(np.stack([squares[number] for number in batch]))
            features = torch.stack(views, dim=1).to(torch.float16).cpu().numpy()
            for number, each in zip(batch, features, strict=True):
                found[keys[number]] = each
                self._db.execute("INSERT OR IGNORE INTO features VALUES (?, ?)", (keys[number], each.tobytes()))
            self._db.commit()
        rows = torch.from_numpy(np.stack([found[key] for key in keys]))
        return self.embedder.predict_from_features(rows.unbind(dim=1), with_features=True)

    def _read(self, key: bytes) -> NDArray[np.float16] | None:
        row = self._db.execute("SELECT features FROM features WHERE square = ?", (key,)).fetchone()
        return None if row is None else np.frombuffer(row[0], np.float16).reshape(self.embedder.card.views, -1)


class Bench:
    """A collection, some of its held-out works, and its model."""

    def __init__(self, lake: str, works: int, seed: int, split: str | None, features: str, *, sees_whole: bool) -> None:
        self.sees_whole = sees_whole
        self.collection = Collection.open(lake, device="cpu")
        splits = HELD_OUT if split is None else (split,)
        rows = self.collection.works.with_columns(work=pl.col("work_id").fill_null(pl.col("artwork_id")))
        held_out = read_table(self.collection.lake, "splits").filter(pl.col("split").is_in(splits))["artwork_id"]
        candidates = rows.filter(
            pl.col("artwork_id").is_in(held_out.implode()) & (pl.col("artwork_id") == pl.col("work"))
        ).sort("artwork_id")
        self.chosen = candidates.sample(fraction=1, seed=seed, shuffle=True).head(works)
        self.types = rows["type"].to_numpy()
        self.works = rows["work"].to_numpy()
        self.encoder = RememberingModel(load_served_model(self.collection.lake, "cpu"), self.collection.lake, features)
        self.jpegs = self.collection.images(self.chosen["artwork_id"].to_list())

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

    def look(self, pictures: Sequence[Image.Image], crop: Crop | None = None) -> list[Look]:
        return look_at(pictures, lambda: self.encoder, self.collection.snapshot.short_side_px, crop=crop)

    def score(self, look: Look, row: Mapping[str, Any]) -> dict[str, float]:
        right: dict[str, float] = {}
        for task, labels in self.encoder.labels.items():
            predicted = labels[int(look.predictions.probabilities[task][0].argmax())]
            right[f"{task} @1"] = np.nan if row[task] is None else float(predicted == row[task])
        near = self.collection.index.nearest.search(look.vector, NEIGHBOURS, self.works != row["work"])
        same = self.types[near.positions] == row["type"]
        return right | {PRECISION: np.nan if row["type"] is None else float(same.mean())}

    def measured(self, treatment: str) -> tuple[dict[str, Scores], dict[str, float]]:
        """The scores in each way, and the shares of photographs that were cut and turned, and refused as no painting.

        As a whole, and at the true place, only photographs are looked at that show something around the painting.
        """
        taken = self.photographs(treatment)
        began = time.process_time()
        found = [
            look
            for first in range(0, len(taken), BATCH)
            for look in self.look([p for p, _ in taken[first : first + BATCH]])
        ]
        spent_s = time.process_time() - began
        looks = dict.fromkeys(WAYS, found)
        if treatment in SURROUNDED:
            looks["true place"] = [self.look([picture], place)[0] for picture, place in taken]
        if treatment == "plain" or (treatment in SURROUNDED and self.sees_whole):
            looks["whole"] = [self.look([picture], WHOLE_PICTURE)[0] for picture, _ in taken]
        rows = self.chosen.rows(named=True)
        scores = {way: [self.score(look, row) for look, row in zip(looks[way], rows, strict=True)] for way in WAYS}
        by_metric = {
            way: {name: np.array([each[name] for each in of_way]) for name in of_way[0]}
            for way, of_way in scores.items()
        }
        verdicts = [look.predictions.is_painting for look in found]
        return by_metric, {
            "cut": float(np.mean([look.view.area < 0.999 for look in found])),
            "refused": float(np.mean([verdict is not None and not verdict[0] for verdict in verdicts])),
            "ms": 1e3 * spent_s / len(found),
        }

    def recognised(self, treatment: str) -> dict[str, float]:
        """Of photographs of works that are held: how many are recognised, rightly or not, and have their work first."""
        first: list[bool] = []
        matched: list[bool] = []
        for row, (picture, _) in zip(self.chosen.iter_rows(named=True), self.photographs(treatment), strict=True):
            match = self.collection.same_painting(picture)
            matched.append(bool(match))
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


def markdown_head(metrics: Sequence[str]) -> str:
    """Cells will be: as artpipe looks at it (less the plain picture ± the standard error) / at the true place."""
    return f"| photographed | {' | '.join(metrics)} | cut | refused |\n|---|" + "--:|" * (len(metrics) + 2)


def markdown_row(name: str, row: Mapping[str, Any]) -> str:
    cells = [
        f"{one['found']:.2f} ({one['found'] - one['plain']:+.3f} ± {one['standard error']:.3f})"
        f" / {one['true place']:.2f}"
        for one in row["scores"].values()
    ]
    return f"| {name} | {' | '.join(cells)} | {row['cut']:.2f} | {row['refused']:.3f} |"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lake", default="data_lake/sample")
    parser.add_argument("--works", type=int, default=120, help="held-out works, photographed once with each treatment")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--split", help="whose works; by default of every split that no model learns from")
    parser.add_argument("--features", default=":memory:", help="a file to keep features in")
    parser.add_argument("--whole", action="store_true", help="also look at them without looking for the painting")
    parser.add_argument("--only", help="treatments whose name holds this")
    parser.add_argument("--held", action="store_true", help="also look at them as works that the collection holds")
    parser.add_argument("--markdown", action="store_true", help="print a table instead of JSON")
    options = parser.parse_args(arguments)
    bench = Bench(options.lake, options.works, options.seed, options.split, options.features, sees_whole=options.whole)
    plain = bench.measured("plain")
    table: dict[str, dict[str, Any]] = {}
    if options.markdown:
        print(markdown_head(list(plain[0]["whole"])), flush=True)
    for name in TREATMENTS:
        if (options.only or "") not in name:
            continue
        scores, others = plain if name == "plain" else bench.measured(name)
        table[name] = {"scores": compared(scores, plain[0]["whole"]), **others}
        if options.held:
            table[name] |= bench.recognised(name)
        if options.markdown:
            print(markdown_row(name, table[name]), flush=True)
    if not options.markdown:
        print(json.dumps({"what": "photographs", "table": table}))


if __name__ == "__main__":
    main()
