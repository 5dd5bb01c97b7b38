"""Processor time, peak memory and exponent of every stage, by the number of works.

    python artpipe_tests/benchmarks/bench_growth.py --results /tmp/growth.jsonl [--rows 10000 100000] [--stages images]

Makes a lake for each size, stage after stage, each by `refresh` in a process of its own: the assets that Dagster runs,
with their locks, checks and records. The catalogue is that of `bench_table.py`. Three things are stubs: the wire and
the decoder (`images`: rows are written as if downloaded, each with the same picture of 64 px under a hash of its own),
the backbone (`features`: random numbers), and the network (`embeddings`: vectors of `bench_search.py`). The classifier
is saved, not trained. Nothing that takes a picture's pixels is measured here.

Prints one JSON line for each stage and size: seconds by the clock and of the processor, and the largest resident size
beyond that of an idle process with the same code. With `--results` the lines are added to a file, and the tables and
the plot of docs/benchmarks/growth.md are made of the newest line of each stage and size there; `--rows` without a
number makes them of the file alone.
"""

import argparse
import csv
import io
import json
import multiprocessing
import os
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import polars as pl
import pyarrow as pa
from bench_search import like_features  # pyright: ignore[reportMissingImports]
from bench_table import MAPPING, write_table  # pyright: ignore[reportMissingImports]

from artpipe.engine.shards import Shard

DOCS = Path(__file__).resolve().parents[2] / "docs" / "benchmarks"
DIMENSION, FEATURES = 256, 816
SIZES = (10_000, 30_000, 100_000, 300_000, 1_000_000)
NEW_WORK = 99_999_999
EXPONENT_FROM = 100_000
BEGIN, END = "<!-- measured by bench_growth.py -->", "<!-- end of what was measured -->"

MADE: dict[str, tuple[str, ...]] = {
    "catalogue": ("raw_catalog", "raw_artists", "artists", "tasks", "artworks", "quarantine", "catalog_changes"),
    "images": ("wanted_images", "images"),
    "splits": ("splits", "training_set"),
    "features": ("backbone_features",),
    "model": ("classifier", "served_model", "refitted_model"),
    "embeddings": ("embeddings", "vectors"),
    "index": ("search_index",),
    "words": ("text_index",),
    "looks of words": ("text_encoder",),
    "novelty": ("novelty_scale",),
    "map": ("art_map",),
    "suspect labels": ("suspect_labels",),
}
"""The assets that each stage makes, in the order of the graph."""
UNMEASURED = ("model",)
LAST = ("looks of words", "novelty", "map", "suspect labels")
"""Made after the refresh with one work more, which is without them."""
LIMITS = {"features": 1_000_000, "suspect labels": 100_000, "map": 100_000}
"""Sizes beyond which a stage is not made, or it would take all memory or time."""


@dataclass(frozen=True)
class Measured:
    """What a stage took in a process of its own."""

    seconds: float
    cpu_seconds: float
    peak_mb: float
    more: dict[str, float]


def settings_of(lake: Path) -> Any:
    """The settings of the lake of one size."""
    from artpipe.settings import Settings

    return Settings(
        lake=str(lake / "lake"),
        cache=str(lake / "cache"),
        sources=str(lake / "sources.yaml"),
        recipe="probe",
        refit=False,
        same_painting=False,
        trim_margins=False,
        image_short_side_px=64,
        backbone_weights="imagenet" if int(lake.name) <= LIMITS["features"] else "none",
        concurrency=2,
    )  # pyright: ignore[reportCallIssue]


class Gallery:
    """Answers each request at once, with a body of its own."""

    def __init__(self) -> None:
        from artpipe.crawler.outcome import RequestCounts

        self.counts = RequestCounts()

    def get_many(self, requests: Any) -> Iterator[Any]:
        from artpipe.crawler.outcome import Outcome, RequestCounts, Response

        for request in requests:
            self.counts = RequestCounts(self.counts.requests + 1, self.counts.bodies + 1)
            yield request, Response(Outcome.OK, 200, request.url.encode(), tries=1)

    @contextmanager
    def opened(self, *_: object, **__: object) -> Generator["Gallery"]:
        yield self


def drawn_jpeg() -> bytes:
    """A picture of 64 px."""
    from PIL import Image

    colours = np.random.default_rng(0).integers(0, 255, (8, 8, 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(colours).resize((64, 64), Image.Resampling.BICUBIC).save(out, "JPEG", quality=85)
    return out.getvalue()


def decoded(jpeg: bytes) -> Callable[..., Any]:
    """Makes the row of any body: the same picture, with hashes of its own."""
    from artpipe.images.decode import DecodedImage

    def decode(body: bytes, *_: object) -> DecodedImage:
        digest = sha256(body).hexdigest()
        return DecodedImage(jpeg + digest.encode(), 640, 640, digest[:16], digest)

    return decode


def random_features(_: object, shard: Shard, __: int) -> Any:
    from artpipe.training.features import VIEWS

    rng = np.random.default_rng(len(shard))
    features = rng.standard_normal((len(shard), VIEWS, FEATURES), np.float32).astype(np.float16)
    return pa.table({"features": pa.array([one.tobytes() for one in features], pa.binary())})


def untrained(
    training_set: pl.DataFrame, _: object, lake: Any, tasks: Any, config: Any, *__: object, **named: Any
) -> Any:
    """A model that is saved as if trained on the training set."""
    from types import SimpleNamespace

    from artpipe.models.card import ModelCard, WeightsSource
    from artpipe.models.checkpoint import save_model
    from artpipe.models.labels import Labels
    from artpipe.models.learned import learned_rows
    from artpipe.models.network import build_model

    classes = Labels.of(training_set, tasks).classes
    counts = {task: len(names) for task, names in classes.items()}
    network, transform = build_model(config.backbone, counts, config.image_px, DIMENSION)
    card = ModelCard(
        classes=classes,
        transform=transform,
        backbone=config.backbone,
        embedding_dim=DIMENSION,
        weights_source=WeightsSource("none", None),
        training_set_version=named["version"],
        seed=0,
        config=config.identity(),
    )
    seen = training_set.filter(pl.col("split").is_in(["train", "validation"]))
    return SimpleNamespace(card=save_model(lake, network.state_dict(), card, learned_rows(seen))[0])


def random_predictions() -> Callable[..., Any]:
    """Vectors like those of a network, and any labels."""
    sample = like_features(DIMENSION, np.random.default_rng(1))

    def embed(self: Any, shard: Shard, _: int) -> Any:
        from artpipe.embedding.inference import cache_rows
        from artpipe.embedding.predictions import Predictions

        rng = np.random.default_rng(len(shard))
        probabilities = {
            task: rng.dirichlet(np.ones(len(names)), len(shard)).astype(np.float32)
            for task, names in self._card.classes.items()
        }
        return cache_rows(self._card, shard.keys, Predictions(sample(len(shard)), probabilities)).to_arrow()

    return embed


@contextmanager
def stubs() -> Generator[None]:
    """Everything beyond this benchmark: the wire, the decoder and the networks."""
    from artpipe.models.card import WeightsSource

    with ExitStack() as stack:
        for name, stub in {
            "artpipe.sources.resources.GalleryResource.client": Gallery().opened,
            "artpipe.images.fetch.decode_artwork": decoded(drawn_jpeg()),
            "artpipe.training.features.ComputeFeatures.__call__": random_features,
            "artpipe.models.weights.load_backbone_weights": lambda *_: WeightsSource("imagenet", "0"),
            "artpipe.images.pixels.PixelCache.ensure": lambda *_, **__: None,
            "artpipe.training.loop.train_classifier": untrained,
            "artpipe.embedding.inference.EmbedPictures.__call__": random_predictions(),
        }.items():
            stack.enter_context(patch(name, stub))
        yield


def refresh(lake: Path, assets: Sequence[str]) -> dict[str, float]:
    """Make these assets, or find that there is nothing to do."""
    from rich.console import Console

    from artpipe.definitions import build_definitions
    from artpipe.orchestration.runner import RefreshOptions
    from artpipe.orchestration.runner import refresh as run

    settings = settings_of(lake)
    selection = " or ".join(f'key:"{asset}"' for asset in assets)
    with stubs():
        report = run(
            build_definitions(settings), settings, RefreshOptions(selection), Console(file=io.StringIO(), stderr=False)
        )
    return {"ran": len(report.ran) - len(report.reused)}


def first(lake: Path, rows: int, stage: str) -> dict[str, float]:
    """Make what a stage makes."""
    if stage == "catalogue":
        write_table(lake / "works.csv", rows, ragged=False)
        (lake / "sources.yaml").write_text(f"{MAPPING.format(path=lake / 'works.csv')}    rights: all\n")
        os.environ["BENCH_GROWTH_CPU"] = str(cpu_seconds())
    return refresh(lake, MADE[stage])


def search(lake: Path, _: int, __: str) -> dict[str, float]:
    """Open the collection; ten queries of each kind."""
    from artpipe.search import Collection, SearchFilter

    began = time.process_time()
    collection = Collection.open(str(lake / "lake"))
    ids = [str(number) for number in range(1, 11)]
    opened = time.process_time()
    for one in ids:
        collection.similar(one, k=10)
        collection.similar(one, k=10, where=SearchFilter(year_from=1500))
    near = time.process_time()
    has_words = "text_index" in held(lake)
    for one in ids if has_words else ():
        collection.find(f"work {one}", k=10)
    words = time.process_time()
    return {
        "open_cpu_s": round(opened - began, 2),
        "similar_cpu_ms": round((near - opened) * 50, 1),
        **({"find_cpu_ms": round((words - near) * 100, 1)} if has_words else {}),
    }


def held(lake: Path) -> tuple[str, ...]:
    """The assets that were made of this size."""
    return tuple(
        asset for assets in MADE.values() for asset in assets if (lake / "lake" / "lineage" / f"{asset}.json").exists()
    )


def nothing_changed(lake: Path, _: int, __: str) -> dict[str, float]:
    """Refresh everything that was made; the catalogue is read from its file again, and is the same."""
    return refresh(lake, held(lake))


def one_more(lake: Path, _: int, __: str) -> dict[str, float]:
    """The same after one work more, which has no labels, so that nothing is trained again."""
    with (lake / "works.csv").open(encoding="utf-8-sig", newline="") as table:
        rows = csv.reader(table)
        work = dict(zip(next(rows), next(rows), strict=True))
    work |= {"Object ID": str(NEW_WORK), "Department": "", "Classification": ""}
    with (lake / "works.csv").open("a", encoding="utf-8", newline="") as out:
        csv.writer(out).writerow(work.values())
    return refresh(lake, held(lake))


def idle(lake: Path, _: int, __: str) -> dict[str, float]:
    """Load the code, and ask an empty lake what is stale."""
    from artpipe.definitions import build_definitions

    build_definitions(settings_of(lake))
    return {}


STAGES: dict[str, Callable[[Path, int, str], dict[str, float]]] = {
    **dict.fromkeys((stage for stage in MADE if stage not in LAST), first),
    "search": search,
    "nothing changed": nothing_changed,
    "one work more": one_more,
    **dict.fromkeys(LAST, first),
}


def cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def measured(work: Callable[..., dict[str, float]], lake: Path, rows: int, stage: str) -> Measured:
    began, used = time.perf_counter(), cpu_seconds()
    more = work(lake, rows, stage)
    used = float(os.environ.pop("BENCH_GROWTH_CPU", used))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Measured(time.perf_counter() - began, cpu_seconds() - used, peak, more)


def in_own_process(work: Callable[..., dict[str, float]], lake: Path, rows: int, stage: str) -> Measured:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["artpipe.definitions", "torch"])  # loading them takes longer than a small stage
    with ProcessPoolExecutor(1, context) as pool:
        return pool.submit(measured, work, lake, rows, stage).result()


def grow(lake: Path, rows: int, wanted: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Make the lake of one size, and tell what each stage took."""
    nothing = in_own_process(idle, lake, 0, "")
    for stage, work in STAGES.items():
        is_beyond = rows > LIMITS.get(stage, rows)
        is_needed = stage in UNMEASURED and "embeddings" in wanted
        if (is_beyond and stage != "features") or not (is_needed or stage in wanted):
            continue
        found = in_own_process(work, lake, rows, stage)
        if stage not in UNMEASURED and not is_beyond:
            yield {
                "stage": stage,
                "rows": rows,
                "seconds": round(found.seconds, 1),
                "cpu_s": round(found.cpu_seconds, 2),
                "peak_mb": round(found.peak_mb - nothing.peak_mb),
                **found.more,
            }


def newest(results: Path) -> dict[str, dict[int, dict[str, float]]]:
    """By stage, in the order of `STAGES`, and size, what was measured last."""
    found: dict[str, dict[int, dict[str, float]]] = {stage: {} for stage in STAGES}
    for text in results.read_text().splitlines():
        line = json.loads(text)
        found[line["stage"]][line["rows"]] = line
    return {stage: dict(sorted(sizes.items())) for stage, sizes in found.items() if sizes}


def slope(sizes: dict[int, dict[str, float]], what: str) -> float | None:
    """What one work more adds between the last two sizes."""
    if len(sizes) < 2:
        return None
    (rows, before), (more, after) = list(sizes.items())[-2:]
    return (after[what] - before[what]) / (more - rows)


def exponent(sizes: dict[int, dict[str, float]]) -> float | None:
    """Of the processor time, between the last two sizes."""
    if len(sizes) < 2 or list(sizes)[-2] < EXPONENT_FROM:
        return None
    (rows, before), (more, after) = list(sizes.items())[-2:]
    return float(np.log(after["cpu_s"] / before["cpu_s"]) / np.log(more / rows))


def markdown(found: dict[str, dict[int, dict[str, float]]]) -> str:
    """The table of what was measured, and that of what it comes to."""
    sizes = sorted({rows for stage in found.values() for rows in stage})
    out = ["| stage | " + " | ".join(f"{rows:,}" for rows in sizes) + " | exponent |", "|---" * (len(sizes) + 2) + "|"]
    for stage, by_size in found.items():
        cells = [f"{by_size[n]['cpu_s']:.0f} s, {by_size[n]['peak_mb']:,.0f} MB" if n in by_size else "" for n in sizes]
        power = exponent(by_size)
        out.append(f"| {stage} | {' | '.join(cells)} | {'' if power is None else f'{power:.2f}'} |")
    if any(len(by_size) > 1 for by_size in found.values()):
        out += ["", "| stage | CPU ms a work | kB of memory a work | core-hours at 100 M | GB of memory at 100 M |"]
        out.append("|---|--:|--:|--:|--:|")
    for stage, by_size in found.items():
        seconds, megabytes = slope(by_size, "cpu_s"), slope(by_size, "peak_mb")
        if seconds is not None and megabytes is not None:
            hours, gigabytes = seconds * 1e8 / 3600, max(megabytes, 0) * 1e5
            out.append(
                f"| {stage} | {seconds * 1e3:.2f} | {max(megabytes, 0) * 1e3:.2f} | {hours:,.1f} | {gigabytes:,.0f} |"
            )
    queries = found.get("search", {})
    if queries:
        heads = (
            "works",
            "`Collection.open`, CPU s",
            "a query by similarity, with the index opened for the first, CPU ms",
        )
        out += ["", f"| {' | '.join(heads)} | by words, CPU ms | memory, MB |"]
        out.append("|--:|--:|--:|--:|--:|")
        out += [
            f"| {n:,} | {q['open_cpu_s']} | {q['similar_cpu_ms']} | {q.get('find_cpu_ms', '')} | {q['peak_mb']:,.0f} |"
            for n, q in queries.items()
        ]
    return "\n".join(out)


def draw(found: dict[str, dict[int, dict[str, float]]]) -> None:
    """Processor time and memory over the number of works, both logarithmic, with a line of exponent 1."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.5), layout="constrained")
    for axes, what, label in zip(
        figure.subplots(1, 2), ("cpu_s", "peak_mb"), ("CPU seconds", "peak memory, MB"), strict=True
    ):
        for stage, by_size in found.items():
            axes.plot(list(by_size), [line[what] for line in by_size.values()], marker="o", markersize=3, label=stage)
        rows = sorted({n for stage in found.values() for n in stage})
        axes.plot(rows, [n * 3e-4 if what == "cpu_s" else n * 4e-3 for n in rows], "k:", label="exponent 1")
        axes.set(xscale="log", yscale="log", xlabel="works", ylabel=label)
    figure.axes[0].legend(fontsize=7)
    figure.savefig(DOCS.parent / "images" / "growth.png", dpi=110)


def report(results: Path) -> None:
    """Write the tables into the page, and the plot beside it."""
    found, page = newest(results), DOCS / "growth.md"
    before, rest = page.read_text().split(BEGIN)
    page.write_text(f"{before}{BEGIN}\n\n{markdown(found)}\n\n{END}{rest.split(END)[1]}")
    draw(found)


def main() -> None:
    """Measure, print, and write the table and the plot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="*", default=list(SIZES))
    parser.add_argument("--stages", nargs="+", default=list(STAGES), choices=list(STAGES))
    parser.add_argument("--results", type=Path, help="a file of JSON lines, of this run and of earlier ones")
    parser.add_argument("--folder", type=Path, help="keep the lakes here, and go on with those that are there")
    options = parser.parse_args()
    for rows in options.rows:
        with tempfile.TemporaryDirectory() as temporary:
            lake = (options.folder or Path(temporary)) / str(rows)
            lake.mkdir(parents=True, exist_ok=True)
            for line in grow(lake, rows, options.stages):
                sys.stdout.write(json.dumps(line) + "\n")
                sys.stdout.flush()
                if options.results:
                    with options.results.open("a") as out:
                        out.write(json.dumps(line) + "\n")
            if not options.folder:
                shutil.rmtree(lake)
    if options.results:
        report(options.results)


if __name__ == "__main__":
    main()
