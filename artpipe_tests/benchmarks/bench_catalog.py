"""Seconds to parse, clean and join the whole catalogue of the recorded gallery.

    python artpipe_tests/benchmarks/bench_catalog.py [--gallery ../shared/gallery] [--repeat 5]

Prints one JSON line: the median seconds of each part over cold runs (nothing memoised), what they add up to, rows a
second, the ratio to reading the same bytes with `csv.reader` alone in the same run, and the share of paintings with
a style and of date texts that were read.
"""

import argparse
import csv
import io
import json
import statistics
import time
import zipfile
from pathlib import Path

import polars as pl

from artpipe.catalog.artists import parse_artist_list
from artpipe.catalog.clean import clean_artworks
from artpipe.catalog.dates import parse_date
from artpipe.catalog.lives import parse_life
from artpipe.catalog.parse import parse_catalog


def csv_alone(data: bytes) -> int:
    """The yardstick: unpack, decode and split the rows, and nothing else."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        text = archive.read(archive.namelist()[0]).decode("cp1252")
    return len(list(csv.reader(io.StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE))) - 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = Path(__file__).resolve().parents[3] / "shared" / "gallery"
    parser.add_argument("--gallery", type=Path, default=default)
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    catalog = (options.gallery / "full_catalogue" / "data_txt.zip").read_bytes()
    artist_page = (options.gallery / "site" / "cgi-bin" / "artist.html").read_bytes()

    seconds: dict[str, list[float]] = {"csv_alone": [], "parse": [], "artists": [], "clean_and_join": [], "total": []}
    for _ in range(options.repeat):
        parse_date.cache_clear()
        parse_life.cache_clear()
        moments = [time.perf_counter()]
        csv_alone(catalog)
        moments.append(time.perf_counter())
        parsed = parse_catalog(catalog)
        moments.append(time.perf_counter())
        artists = parse_artist_list(artist_page)
        moments.append(time.perf_counter())
        result = clean_artworks(parsed, artists)
        moments.append(time.perf_counter())
        for part, start, end in zip(seconds, moments, moments[1:], strict=False):
            seconds[part].append(end - start)
        seconds["total"].append(moments[-1] - moments[1])

    median = {part: statistics.median(times) for part, times in seconds.items()}
    artworks = result.artworks
    dated = artworks.filter(~pl.col("date_text").is_in(["", "-"]))
    paintings = artworks.filter(pl.col("form") == "painting")
    report = {
        "rows": parsed.rows.height + parsed.quarantine.height,
        "artworks": artworks.height,
        "quarantined": result.quarantine.height,
        "format": str(parsed.format),
        **{f"{part}_s": round(value, 3) for part, value in median.items()},
        "slowest_total_s": round(max(seconds["total"]), 3),
        "rows_per_s": round(artworks.height / median["total"]),
        "total_to_csv_alone": round(median["total"] / median["csv_alone"], 2),
        "paintings_with_style": round(paintings.select(pl.col("style").is_not_null().mean()).item(), 5),
        "date_rows_read": round(dated.select((pl.col("year_precision") != "unknown").mean()).item(), 5),
        "outside_life": artworks.filter(pl.col("date_flags").list.contains("outside_life")).height,
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
