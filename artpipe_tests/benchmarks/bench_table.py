"""Seconds and peak memory to read large CSV files in the shape of the Met's as artworks, by the number of rows.

    python artpipe_tests/benchmarks/bench_table.py [--rows 50000 150000 470000] [--ragged]

Writes a CSV to a temporary folder for each number of rows, reads it in a process of its own, and prints one JSON line:
the size of the file, the seconds of `Table.download`, those of `Table.read` (parse, map, ids), those of `join_sources`
after it (dates, artists, labels and rights: the table `artworks`), and those of Python's `csv.reader` alone over the
same file, by the clock and of the processor. `peak_mb` is the peak memory of all of it above that of an idle process,
`read_peak_mb` that of downloading and reading alone, `version_peak_mb` that after the content of the table was hashed,
too. With `--ragged`, one line in 50,000 lacks a field, so that the file is read line by line.
"""

import argparse
import csv
import json
import multiprocessing
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from upath import UPath

from artpipe.catalog.join import join_sources
from artpipe.catalog.rows import ReadSource, ReadSources
from artpipe.lake.parquet import content_hash
from artpipe.progress import SilentProgress
from artpipe.sources.config import parse_sources

COLUMNS = """Object Number,Is Highlight,Is Public Domain,Object ID,Department,Object Name,Title,Culture,Artist Role,
Artist Display Name,Artist Nationality,Artist Begin Date,Artist End Date,Artist ULAN URL,Artist Wikidata URL,
Object Date,Object Begin Date,Object End Date,Medium,Dimensions,Credit Line,Classification,Link Resource"""
MAPPING = """
sources:
  - name: large
    adapter: table
    path: {path}
    columns:
      source_id: Object ID
      title: [Title, Object Name]
      artists:
        name: {{column: Artist Display Name, split: '|'}}
        role: {{column: Artist Role, split: '|', lower: true}}
        born: {{column: Artist Begin Date, split: '|'}}
        died: {{column: Artist End Date, split: '|'}}
        authority_uri: {{column: Artist Wikidata URL, split: '|'}}
      date_text: Object Date
      year_from: Object Begin Date
      year_to: Object End Date
      medium: Medium
      classification: Classification
      landing_url: Link Resource
      is_open: {{Is Public Domain: true}}
      credit_line: Credit Line
      images: {{url: {{template: 'https://images.example/{{Object ID}}.jpg'}}}}
    labels:
      type: {{column: Classification, split: '|', lower: true}}
      department: Department
    extra: [Object Number, Dimensions]
"""


def write_table(path: Path, rows: int, *, ragged: bool) -> None:
    """An invented collection."""
    rng = random.Random(0)
    with path.open("w", encoding="utf-8-sig", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(COLUMNS.replace("\n", "").split(","))
        for number in range(rows):
            names = [f"Maker {rng.randrange(30_000)}" for _ in range(rng.choices((0, 1, 2, 4), (4, 10, 2, 1))[0])]
            year = rng.randrange(-500, 2000)
            record = [
                f"{year % 100}.{number}",
                "False",
                str(rng.random() < 0.5),
                str(number + 1),
                rng.choice(("European Paintings", "Asian Art", "Drawings and Prints")),
                "Painting",
                f'Work {number}, "called" the {rng.randrange(1000)}th',
                rng.choice(("", "French", "Japanese")),
                "|".join("Artist" for _ in names),
                "|".join(names),
                "|".join("Dutch" for _ in names),
                "|".join("1601      " for _ in names),
                "|".join("9999      " for _ in names),
                "|".join("http://vocab.example/ulan/500115588" for _ in names),
                "|".join("https://www.wikidata.example/wiki/Q5582" for _ in names),
                f"ca. {year}",
                str(year),
                str(year + 10),
                "Oil on canvas",
                f"{rng.randrange(200)} x {rng.randrange(200)} in.\n({rng.randrange(500)} cm)"
                if number % 7 == 0
                else "10 x 12 in.",
                "Gift of a friend of the museum, in memory of another, 1917",
                rng.choice(("Paintings", "Prints", "Vases|Ceramics")),
                f"http://www.museum.example/art/collection/search/{number}",
            ]
            writer.writerow(record[:-1] if ragged and number % 50_000 == 17 else record)


def read(path: Path) -> int:
    source = parse_sources(MAPPING.format(path=path), "bench.yaml", path.parent).sources[0]
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        source.download(None, UPath(folder), SilentProgress())  # pyright: ignore[reportArgumentType]
        download_s = time.perf_counter() - started
        started, started_cpu = time.perf_counter(), time.process_time()
        found = source.read(UPath(folder))
        seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - started_cpu
    read_peak_mb = peak_mb()
    rows, quarantined = found.stored.height, found.quarantine.height
    started, started_cpu = time.perf_counter(), time.process_time()
    joined = join_sources(ReadSources((ReadSource("bench", None, found),))).cleaned.artworks
    join_seconds, join_cpu_seconds = time.perf_counter() - started, time.process_time() - started_cpu
    joined_peak_mb = peak_mb()
    content_hash(joined)
    version_peak_mb = peak_mb()
    return report(
        seconds,
        cpu_seconds=cpu_seconds,
        rows=rows,
        quarantined=quarantined,
        download_seconds=download_s,
        join_seconds=join_seconds,
        join_cpu_seconds=join_cpu_seconds,
        artworks=joined.height,
        read_peak_mb=read_peak_mb,
        joined_peak_mb=joined_peak_mb,
        version_peak_mb=version_peak_mb,
    )


def read_by_csv(path: Path) -> int:
    started, started_cpu = time.perf_counter(), time.process_time()
    with path.open(encoding="utf-8-sig", newline="") as opened:
        rows = sum(1 for _ in csv.reader(opened)) - 1
    return report(time.perf_counter() - started, cpu_seconds=time.process_time() - started_cpu, rows=rows)


def idle(_: Path) -> int:
    return report(0.0)


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def report(seconds: float, **counts: float) -> int:
    print(json.dumps({"seconds": round(seconds, 2), "peak_mb": round(peak_mb()), **counts}), file=sys.stderr)
    return 0


def in_own_process(work: Callable[[Path], int], path: Path) -> dict[str, float]:
    """What a process of its own says, so that memory of one does not count for another."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(measured, (work, path))


def measured(work: Callable[[Path], int], path: Path) -> dict[str, float]:
    import contextlib
    import io

    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        work(path)
    return json.loads(said.getvalue())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[50_000, 150_000, 470_000])
    parser.add_argument("--ragged", action="store_true")
    options = parser.parse_args()
    for rows in options.rows:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "large.csv")
            write_table(path, rows, ragged=options.ragged)
            print(json.dumps(measured_rows(path)), flush=True)


def measured_rows(path: Path) -> dict[str, float]:
    found, plain, nothing = (in_own_process(work, path) for work in (read, read_by_csv, idle))
    return {
        "file_mb": round(path.stat().st_size / 1e6),
        "rows": found["rows"],
        "quarantined": found["quarantined"],
        "artworks": found["artworks"],
        "download_s": round(found["download_seconds"], 2),
        "read_s": found["seconds"],
        "read_cpu_s": round(found["cpu_seconds"], 2),
        "join_s": round(found["join_seconds"], 2),
        "join_cpu_s": round(found["join_cpu_seconds"], 2),
        "csv_alone_s": plain["seconds"],
        "csv_alone_cpu_s": round(plain["cpu_seconds"], 2),
        "read_peak_mb": round(found["read_peak_mb"] - nothing["peak_mb"]),
        "peak_mb": round(found["joined_peak_mb"] - nothing["peak_mb"]),
        "version_peak_mb": round(found["version_peak_mb"] - nothing["peak_mb"]),
    }


if __name__ == "__main__":
    main()
