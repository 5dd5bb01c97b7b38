"""Ways to find the ten nearest of many unit vectors: recall, time, memory, filters, and an index after changes.

    python artpipe_tests/benchmarks/bench_search.py --folder /tmp/vectors --rows 100000 1000000 [--only int8 ivf_rq]
    python artpipe_tests/benchmarks/bench_search.py --folder /tmp/vectors --table

Every contender runs in a process of its own, with a time limit. It is tuned on half of the queries, to the fastest
setting of its grid that reaches recall@10 0.99, and measured on the other half, in turns with an exact matrix product
over the same vectors, so that its ratio to the product holds on a busy machine. A build has its seconds and those of
the processor (`build_cpu_s`). `memory_mb` is what the process holds after the searches, before the product. faiss,
hnswlib and usearch are yardsticks: they are left out where they are not installed. The vectors are like pooled
features: clusters with a long tail of sizes, few true dimensions, a mean that is not zero. Queries are rows with noise
of a third to the whole of their length. Prints and keeps one JSON line for each contender; `--table` writes them as
Markdown.
"""

import argparse
import json
import multiprocessing
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from artpipe.vectors.row_addresses import RowAddresses

if TYPE_CHECKING:
    from artpipe.lake.paths import DataLake

K = 10
WANTED_RECALL = 0.99
SHARES = (0.001, 0.01, 0.1, 0.5, 0.9)
CHANGED = 0.05
Matrix = NDArray[np.float32]
Mask = NDArray[np.bool_]
Search = Callable[[Matrix, Mask | None], NDArray[np.int64]]
Settings = dict[str, Any]


def unit(rows: NDArray[np.floating]) -> Matrix:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def like_features(dimension: int, rng: np.random.Generator) -> Callable[[int], Matrix]:
    """Draws vectors like pooled features: an offset shared by all, 500 clusters of unequal size, 64 true dimensions."""
    basis = rng.standard_normal((64, dimension)) / 8
    centres = rng.standard_normal((500, 64))
    sizes = 1 / np.arange(1, 501)
    offset = np.abs(rng.standard_normal(dimension))

    def sample(rows: int) -> Matrix:
        cluster = rng.choice(500, rows, p=sizes / sizes.sum())
        members = centres[cluster] + 0.8 * rng.standard_normal((rows, 64))
        return unit(members @ basis + offset + 0.1 * rng.standard_normal((rows, dimension)))

    return sample


class Data:
    """Vectors, queries, filters and true neighbours of one size, made once and kept in a folder."""

    def __init__(self, folder: Path, rows: int, dimension: int, queries: int) -> None:
        self.folder, self.rows = folder / f"{rows}x{dimension}", rows
        if not (self.folder / "truth.npz").exists():
            self._make(dimension, queries)
        self.vectors: Matrix = np.load(self.folder / "vectors.npy", mmap_mode="r")
        self.queries: Matrix = np.load(self.folder / "queries.npy")
        self.truth = dict(np.load(self.folder / "truth.npz"))
        draw = np.random.default_rng(2).random(rows)
        self.masks: dict[str, Mask | None] = {"all": None, **{str(share): draw < share for share in SHARES}}

    def _make(self, dimension: int, queries: int) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(1)
        sample = like_features(dimension, rng)
        shape = (self.rows, dimension)
        vectors = np.lib.format.open_memmap(self.folder / "vectors.npy", "w+", np.float32, shape)
        for first in range(0, self.rows, 50_000):
            vectors[first : first + 50_000] = sample(min(50_000, self.rows - first))
        vectors.flush()
        noise = unit(rng.standard_normal((queries, dimension))) * rng.uniform(0.3, 1.0, (queries, 1))
        asked = unit(vectors[np.sort(rng.choice(self.rows, queries, replace=False))] + noise)
        np.save(self.folder / "queries.npy", asked)
        draw = np.random.default_rng(2).random(self.rows)
        nearest = {name: Nearest(len(asked)) for name in ("all", *map(str, SHARES), "changed")}
        rows, replaced = self.changed_rows, self.replaced(vectors)
        for first in range(0, self.rows, 100_000):
            block = slice(first, first + 100_000)
            products = asked @ np.asarray(vectors[block]).T
            numbers = np.arange(first, first + products.shape[1])
            nearest["all"].add(products, numbers)
            for share in SHARES:
                allowed = draw[block] < share
                nearest[str(share)].add(products[:, allowed], numbers[allowed])
            here = slice(*np.searchsorted(rows, (block.start, block.stop)))
            products[:, rows[here] - first] = asked @ replaced[here].T
            nearest["changed"].add(products, numbers)
        truth = {name: found.rows for name, found in nearest.items()}
        np.savez(self.folder / "truth.npz", **truth)  # pyright: ignore[reportArgumentType]

    def replaced(self, vectors: Matrix) -> Matrix:
        """What every twentieth row is replaced by."""
        rows = self.changed_rows
        return unit(vectors[rows] + 0.5 * vectors[rows[::-1]])

    @property
    def changed_rows(self) -> NDArray[np.int64]:
        return np.arange(0, self.rows, round(1 / CHANGED))


class Nearest:
    """The K nearest rows of each query, over blocks of the vectors."""

    def __init__(self, queries: int) -> None:
        self.best = np.full((queries, K), -2.0)
        self.rows = np.zeros((queries, K), dtype=np.int64)

    def add(self, products: NDArray[np.floating], numbers: NDArray[np.int64]) -> None:
        """Products (Q, B) with the rows of these numbers."""
        near = np.argpartition(products, -min(K, len(numbers)), axis=1)[:, -K:]
        scores = np.concatenate([self.best, np.take_along_axis(products, near, 1)], axis=1)
        candidates = np.concatenate([self.rows, numbers[near]], axis=1)
        kept = np.argpartition(scores, -K, axis=1)[:, -K:]
        self.best, self.rows = np.take_along_axis(scores, kept, 1), np.take_along_axis(candidates, kept, 1)


class Stopwatch:
    """The seconds of a `with` block, and those of the processor in this process and its children."""

    seconds = cpu_seconds = 0.0

    def __enter__(self) -> None:
        self.seconds, self.cpu_seconds = time.perf_counter(), spent_by_processor()

    def __exit__(self, *_: object) -> None:
        self.seconds, self.cpu_seconds = time.perf_counter() - self.seconds, spent_by_processor() - self.cpu_seconds


def spent_by_processor() -> float:
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in spent)


class Contender:
    """One way to search. `open` builds what it needs; `search` answers one query with rows, best first.

    `build` measures the part of `open` that builds the index; all of it by default.
    """

    grid: tuple[Settings, ...] = ({},)
    filters = True

    def __init__(self, data: Data) -> None:
        self.data, self.build = data, Stopwatch()

    def open(self) -> None: ...

    def search(self, query: Matrix, allowed: Mask | None, **settings: Any) -> NDArray[np.int64]:
        raise NotImplementedError

    def stale(self, settings: Settings) -> dict[str, float]:  # noqa: ARG002 - of those that can follow a change
        return {}


class Product(Contender):
    def open(self) -> None:
        from artpipe.vectors.nearest import ExactProduct

        self.nearest: Any = ExactProduct(np.array(self.data.vectors))

    def search(self, query: Matrix, allowed: Mask | None, **_: Any) -> NDArray[np.int64]:
        return self.nearest.search(query, K, allowed).positions


class Int8(Product):
    def open(self) -> None:
        from artpipe.vectors.nearest import Int8Index

        self.nearest = Int8Index(np.array(self.data.vectors))


class LanceIndex(Contender):
    kind = "IVF_RQ"
    options: ClassVar[Settings] = {}
    by_column = False
    """Whether a filter is a condition on an indexed column, rather than a set of rows."""

    @property
    def uri(self) -> str:
        return str(self.data.folder / f"{type(self).__name__}.lance")

    def open(self) -> None:
        import lance
        import pyarrow as pa

        vectors, masks = self.data.vectors, self.data.masks

        def batches() -> Iterator[Any]:
            for first in range(0, len(vectors), 32_768):
                part = np.ascontiguousarray(vectors[first : first + 32_768])
                columns = {"row": pa.array(np.arange(first, first + len(part)))}
                columns["vector"] = pa.FixedSizeListArray.from_arrays(pa.array(part.reshape(-1)), part.shape[1])
                for share, mask in masks.items():
                    if mask is not None:
                        columns[column_of(share)] = pa.array(np.where(mask[first : first + len(part)], "yes", "no"))
                yield pa.record_batch(columns)

        schema = next(batches()).schema
        dataset = lance.write_dataset(
            pa.RecordBatchReader.from_batches(schema, batches()), self.uri, mode="overwrite", max_rows_per_file=32_768
        )
        with self.build:
            dataset.create_index("vector", self.kind, metric="cosine", **self.options)
        for share in SHARES:
            dataset.create_scalar_index(column_of(share), "BITMAP")
        self.dataset = lance.dataset(self.uri)
        self.addresses = RowAddresses(self.dataset.to_table(columns=[], with_row_id=True)["_rowid"].to_numpy())

    def search(self, query: Matrix, allowed: Mask | None, **settings: Any) -> NDArray[np.int64]:
        if allowed is not None:
            settings["minimum_nprobes"] = -(-settings["minimum_nprobes"] * len(allowed) // np.count_nonzero(allowed))
        nearest = {"column": "vector", "q": query, "k": K, "metric": "cosine", **settings}
        scanner = self.dataset.scanner(
            columns=["row", "_distance"],
            nearest=nearest,
            disable_scoring_autoprojection=True,
            **({} if allowed is None else self.prefilter(allowed)),
        )
        return scanner.to_table()["row"].to_numpy()

    def prefilter(self, allowed: Mask) -> Settings:
        if not self.by_column:
            return {"row_addr_allowlist": self.addresses.allowlist(allowed)}
        share = next(name for name, mask in self.data.masks.items() if mask is allowed)
        return {"filter": f"{column_of(share)} = 'yes'", "prefilter": True}

    def stale(self, settings: Settings) -> dict[str, float]:
        import lance
        import pyarrow as pa

        rows, result = self.data.changed_rows, {}
        part = self.data.replaced(self.data.vectors)
        columns = {"row": pa.array(rows)}
        columns["vector"] = pa.FixedSizeListArray.from_arrays(pa.array(part.reshape(-1)), part.shape[1])
        for share in SHARES:
            columns[column_of(share)] = pa.array(["no"] * len(rows))
        self.dataset.delete(f"row % {round(1 / CHANGED)} = 0")
        lance.write_dataset(pa.table(columns), self.uri, mode="append")
        for when in ("stale", "optimized"):
            if when == "optimized":
                began = time.perf_counter()
                self.dataset.optimize.optimize_indices()
                result["optimize_s"] = round(time.perf_counter() - began, 1)
            self.dataset = lance.dataset(self.uri)
            ms, found = timed(lambda query: self.search(query, None, **settings), self.data.queries)
            result |= {f"{when}_ms": ms, f"{when}_recall": recall(found, self.data.truth["changed"])}
        return result


def in_process(function: Callable[..., object], *args: object) -> None:
    """Call a function in a process of its own."""
    process = multiprocessing.get_context("spawn").Process(target=function, args=args)
    process.start()
    process.join()
    if process.exitcode:
        raise RuntimeError(f"{function} ended with exit status {process.exitcode}")


def column_of(share: object) -> str:
    return f"share_{share}".replace(".", "_")


def probes(counts: tuple[int, ...], refines: tuple[int, ...], **more: Any) -> tuple[Settings, ...]:
    return tuple({"minimum_nprobes": count, "refine_factor": refine, **more} for refine in refines for count in counts)


class IvfRq(LanceIndex):
    options: ClassVar[Settings] = {"num_bits": 1}
    grid = probes((5, 10, 20, 40, 80), (4, 8, 16))


class IvfRq4(LanceIndex):
    options: ClassVar[Settings] = {"num_bits": 4}
    grid = probes((5, 10, 20, 40, 80), (1, 2, 4))


class IvfPq(LanceIndex):
    kind = "IVF_PQ"
    options: ClassVar[Settings] = {"num_sub_vectors": 32}
    grid = probes((5, 10, 20, 40, 80), (4, 8, 16, 32))


class IvfHnswSq(LanceIndex):
    kind = "IVF_HNSW_SQ"
    grid = (*probes((1, 2, 4, 8), (1, 2), ef=40), *probes((1, 2, 4, 8), (2,), ef=100))


class ThroughCollection(Contender):
    """`Collection.similar`, from vector to finished frame, over a table with invented metadata."""

    columns: ClassVar[dict[str, str]] = dict(
        zip(map(str, SHARES), ("style", "period", "type", "school", "artist"), strict=True)
    )

    def open(self) -> None:
        from artpipe.search import Collection
        from artpipe.search.index import read_card, update_index

        lake = self.lake()
        # In processes of their own, so that `memory_mb` is that of a process that searches.
        in_process(self.fill)
        with self.build:
            in_process(update_index, lake)
        card = read_card(lake)
        assert card is not None
        self.grid = ({"kind": card.kind, **card.parameters},)
        self.collection = Collection.open(lake, device="cpu")
        self.collection.warm_up()

    def lake(self) -> "DataLake":
        from artpipe.lake.paths import DataLake

        return DataLake(self.data.folder / "collection.lance")

    def fill(self) -> None:
        """Write the table of embeddings."""
        import polars as pl

        from artpipe.embedding.table import EmbeddingTable

        table = EmbeddingTable(self.lake())
        for first in range(0, self.data.rows, 32_768):
            part = np.array(self.data.vectors[first : first + 32_768])
            rows = pl.DataFrame({"row": np.arange(first, first + len(part)), "vector": part})
            number = pl.col("row").cast(pl.String)
            labels = {
                column: pl.Series(np.where(mask[first : first + len(part)], "Yes", "No"))
                for column, mask in ((self.columns[n], m) for n, m in self.data.masks.items() if m is not None)
            }
            table.upsert(
                rows.select(
                    "vector",
                    artwork_id=pl.lit("w/work/") + number.str.zfill(8),
                    model_id=pl.lit("bench"),
                    jpeg_sha256=number.str.zfill(64),
                    artist_id=pl.lit("w/painter") + (pl.col("row") % 9000).cast(pl.String),
                    title=pl.lit("Still-Life with Lemons, number ") + number,
                    technique=pl.lit("Oil on canvas, 60 x ") + (pl.col("row") % 200).cast(pl.String),
                    page_url=pl.lit("https://gallery.example/html/w/work/") + number,
                    image_url=pl.lit("https://gallery.example/art/w/work/") + number,
                    year_from=1400 + pl.col("row") % 500,
                    year_to=1410 + pl.col("row") % 500,
                    **labels,
                )
            )
        table.optimize()

    def search(self, query: Matrix, allowed: Mask | None, **_: Any) -> NDArray[np.int64]:
        from artpipe.search import SearchFilter

        where = None
        if allowed is not None:
            share = next(name for name, mask in self.data.masks.items() if mask is allowed)
            where = SearchFilter.model_validate({self.columns[share]: "Yes"})
        return np.array([int(name[7:]) for name in self.collection.similar(query, K, where)["artwork_id"].to_list()])


class Faiss(Contender):
    def open(self) -> None:
        import faiss

        vectors = np.array(self.data.vectors)
        self.index: Any = self.made(faiss, vectors.shape[1])
        if not self.index.is_trained:
            self.index.train(vectors[:: max(1, len(vectors) // 100_000)])
        for first in range(0, len(vectors), 50_000):
            self.index.add(vectors[first : first + 50_000])
        faiss.omp_set_num_threads(1)

    def made(self, faiss: Any, dimension: int) -> Any:
        return faiss.index_factory(dimension, "Flat", faiss.METRIC_INNER_PRODUCT)

    def search(self, query: Matrix, allowed: Mask | None, **settings: Any) -> NDArray[np.int64]:
        import faiss

        selector = None
        if allowed is not None:
            bits = np.packbits(allowed, bitorder="little")
            selector = faiss.IDSelectorBitmap(len(allowed), faiss.swig_ptr(bits))
        return self.index.search(query[None], K, params=self.parameters(faiss, selector, settings))[1][0]

    def parameters(self, faiss: Any, selector: Any, settings: Settings) -> Any:  # noqa: ARG002 - of the others
        return faiss.SearchParameters(sel=selector)


class FaissIvf(Faiss):
    grid = tuple({"nprobe": count} for count in (4, 8, 16, 32, 64))

    def made(self, faiss: Any, dimension: int) -> Any:
        lists = 1 << round(np.log2(np.sqrt(self.data.rows)) + 1)
        return faiss.index_factory(dimension, f"IVF{lists},SQ8", faiss.METRIC_INNER_PRODUCT)

    def parameters(self, faiss: Any, selector: Any, settings: Settings) -> Any:
        return faiss.SearchParametersIVF(sel=selector, **settings)


class FaissHnsw(Faiss):
    grid = tuple({"efSearch": count} for count in (32, 64, 128, 256))

    def made(self, faiss: Any, dimension: int) -> Any:
        return faiss.index_factory(dimension, "HNSW16,SQfp16", faiss.METRIC_INNER_PRODUCT)

    def parameters(self, faiss: Any, selector: Any, settings: Settings) -> Any:
        return faiss.SearchParametersHNSW(sel=selector, **settings)


class Hnswlib(Contender):
    grid = tuple({"ef": count} for count in (32, 64, 128, 256))
    filters = False

    def open(self) -> None:
        import hnswlib

        vectors = np.array(self.data.vectors)
        self.index: Any = hnswlib.Index("ip", vectors.shape[1])
        self.index.init_index(len(vectors), M=16, ef_construction=128)
        self.index.add_items(vectors, num_threads=2)

    def search(self, query: Matrix, allowed: Mask | None, **settings: Any) -> NDArray[np.int64]:  # noqa: ARG002
        self.index.set_ef(settings["ef"])
        return self.index.knn_query(query, K, num_threads=1)[0][0].astype(np.int64)


class Usearch(Contender):
    grid = tuple({"expansion": count} for count in (32, 64, 128, 256))
    filters = False

    def open(self) -> None:
        from usearch.index import Index

        vectors = np.array(self.data.vectors)
        self.index: Any = Index(ndim=vectors.shape[1], metric="ip", dtype="f16", connectivity=16, expansion_add=128)
        self.index.add(np.arange(len(vectors), dtype=np.uint64), vectors, threads=2)

    def search(self, query: Matrix, allowed: Mask | None, **settings: Any) -> NDArray[np.int64]:  # noqa: ARG002
        self.index.expansion_search = settings["expansion"]
        return self.index.search(query, K, threads=1).keys.astype(np.int64)


CONTENDERS: dict[str, type[Contender]] = {
    "product": Product,
    "int8": Int8,
    "collection": ThroughCollection,
    "ivf_rq": IvfRq,
    "ivf_rq4": IvfRq4,
    "ivf_pq": IvfPq,
    "ivf_hnsw_sq": IvfHnswSq,
    "faiss_flat": Faiss,
    "faiss_ivf": FaissIvf,
    "faiss_hnsw": FaissHnsw,
    "hnswlib": Hnswlib,
    "usearch": Usearch,
}


def timed(ask: Callable[[Matrix], NDArray[np.int64]], asked: Matrix) -> tuple[float, list[NDArray[np.int64]]]:
    """The median milliseconds of a query, and what each found."""
    ask(asked[0])
    spent, found = [], []
    for query in asked:
        began = time.perf_counter()
        found.append(ask(query))
        spent.append((time.perf_counter() - began) * 1e3)
    return round(float(np.median(spent)), 3), found


def recall(found: list[NDArray[np.int64]], truth: NDArray[np.int64]) -> float:
    shared = sum(len(np.intersect1d(a, b)) for a, b in zip(found, truth, strict=True))
    return round(shared / truth.size, 4)


def memory_mb() -> int:
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":" in line)
    return int(status["RssAnon"].split()[0]) // 1024  # not the mapped file of vectors


def tuned(contender: Contender, data: Data) -> Settings:
    """The fastest setting that reaches the wanted recall on the first half of the queries, else the best one."""
    half = slice(0, len(data.queries) // 2)
    if len(contender.grid) == 1:
        return contender.grid[0]
    tried = []
    for settings in contender.grid:
        ms, found = timed(lambda query, s=settings: contender.search(query, None, **s), data.queries[half])
        tried.append((recall(found, data.truth["all"][half]), ms, settings))
    good = [one for one in tried if one[0] >= WANTED_RECALL + 0.002]
    chosen = min(good, key=lambda one: one[1]) if good else max(tried, key=lambda one: one[0])
    print(f"  {[(r, m, *s.values()) for r, m, s in tried]}", file=sys.stderr)
    return chosen[2]


def work(name: str, data: Data) -> dict[str, Any]:
    contender, whole = CONTENDERS[name](data), Stopwatch()
    with whole:
        contender.open()
    build = contender.build if contender.build.seconds else whole
    settings = tuned(contender, data)
    half = slice(len(data.queries) // 2, None)
    asked, truth = data.queries[half], data.truth
    answer: dict[str, Any] = {"contender": name, "rows": data.rows, "settings": settings}
    answer |= {"build_s": round(build.seconds, 1), "build_cpu_s": round(build.cpu_seconds, 1)}
    for share, mask in data.masks.items() if contender.filters else [("all", None)]:
        ms, found = timed(lambda query, m=mask: contender.search(query, m, **settings), asked)
        answer[share] = [ms, recall(found, truth[share][half])]
    answer["memory_mb"] = memory_mb()
    if isinstance(contender, LanceIndex):
        contender.by_column = True
        for share in SHARES:
            ask = lambda query, m=data.masks[str(share)]: contender.search(query, m, **settings)  # noqa: E731
            ms, found = timed(ask, asked)
            answer[f"{share} by column"] = [ms, recall(found, truth[str(share)][half])]
    vectors = contender.nearest.vectors if isinstance(contender, Product) else np.array(data.vectors)

    def product(query: Matrix) -> NDArray[np.int64]:
        return np.argpartition(vectors @ query, -K)[-K:]

    ours, products = [], []
    for first in range(0, len(asked), 5):
        products.append(timed(product, asked[first : first + 3])[0])
        time.sleep(0.3)  # a thread of the BLAS spins for a while after a product
        ours.append(timed(lambda query: contender.search(query, None, **settings), asked[first : first + 5])[0])
    answer |= {"ms": float(np.median(ours)), "product_ms": float(np.median(products))}
    answer["ratio"] = round(float(np.median(np.array(products) / np.array(ours))), 2)
    return answer | {"stale": contender.stale(settings)}


def markdown(lines: Sequence[dict[str, Any]]) -> str:
    """The results as tables, one row a contender; the last result of each counts."""
    latest = {(line["rows"], line["contender"]): line for line in sorted(lines, key=lambda line: "failed" not in line)}
    done = {key: line for key, line in sorted(latest.items()) if "failed" not in line}
    order = sorted(done, key=lambda key: (key[0], -done[key]["ratio"]))
    shares = [f"{share:.1%}".replace(".0%", "%") for share in SHARES]

    def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
        return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in (head, ["---"] * len(head), *rows))

    def cell(found: Sequence[float] | None) -> str:
        return "-" if found is None else f"{found[0]:.1f} ({found[1]:.3f})"

    figures = [
        (
            f"{rows:,}",
            name,
            f"{line['ratio']:.1f}",
            f"{line['ms']:.1f}",
            f"{line['all'][1]:.3f}",
            line["build_s"],
            line.get("build_cpu_s", "-"),
            line["memory_mb"],
            ", ".join(f"{key} {value}" for key, value in line["settings"].items()) or "-",
        )
        for (rows, name), line in ((key, done[key]) for key in order)
    ]
    head = ("rows", "contender", "product / it", "ms", "recall@10", "build s", "build CPU s", "MB", "settings")
    parts = ["### Without a filter", table(head, figures), "### With a filter: ms (recall@10)"]
    filtered = [
        (f"{key[0]:,}", key[1], *(cell(done[key].get(str(share))) for share in SHARES))
        for key in order
        if str(SHARES[0]) in done[key]
    ]
    parts.append(table(("rows", "contender", *shares), filtered))
    parts.append("### After 5 % of the rows were replaced")
    names = ("stale_ms", "stale_recall", "optimize_s", "optimized_ms", "optimized_recall")
    parts.append(
        table(
            ("rows", "contender", "ms", "recall@10", "update s", "ms then", "recall then"),
            [
                (f"{key[0]:,}", key[1], *(done[key]["stale"][name] for name in names))
                for key in order
                if done[key]["stale"]
            ],
        )
    )
    failed = [
        f"{line['contender']} with {line['rows']:,} rows: {line['failed']}"
        for line in latest.values()
        if "failed" in line
    ]
    return "\n\n".join([*parts, *(["### Not measured", "\n".join(f"- {one}" for one in failed)] if failed else [])])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="where vectors and results are kept")
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--dimension", type=int, default=256)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--limit-s", type=int, default=900, help="for one contender, building and searching")
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    parser.add_argument("--table", action="store_true", help="write the kept results as Markdown")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.table:
        print(markdown([json.loads(line) for line in (options.folder / "results.jsonl").read_text().splitlines()]))
        return
    if options.worker:
        data = Data(options.folder, options.rows[0], options.dimension, options.queries)
        print(json.dumps(work(options.worker, data)))
        return
    results = options.folder / "results.jsonl"
    for rows in options.rows:
        data = Data(options.folder, rows, options.dimension, options.queries)
        for name in options.only:
            command = [sys.executable, __file__, "--folder", str(options.folder), "--rows", str(rows)]
            command += ["--dimension", str(options.dimension), "--queries", str(options.queries), "--worker", name]
            environment = os.environ | {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "1"}
            before = spent_by_processor()
            try:
                done = subprocess.run(
                    command, stdout=subprocess.PIPE, timeout=options.limit_s, check=True, env=environment
                )
                line = done.stdout.decode().splitlines()[-1]
            except subprocess.TimeoutExpired:
                spent = f"not done in {options.limit_s} s, {spent_by_processor() - before:.0f} s of the processor"
                line = json.dumps({"contender": name, "rows": rows, "failed": spent})
            except subprocess.CalledProcessError as error:
                line = json.dumps({"contender": name, "rows": rows, "failed": f"exit status {error.returncode}"})
            print(line, flush=True)
            with results.open("a") as file:
                file.write(line + "\n")
            for table in data.folder.glob("*.lance"):
                shutil.rmtree(table)


if __name__ == "__main__":
    main()
