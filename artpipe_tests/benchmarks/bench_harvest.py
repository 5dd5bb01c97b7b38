"""How near the harvest comes to the most that a far-away gallery allows, and how it compares with the plain way.

    python artpipe_tests/benchmarks/bench_harvest.py --limit 1500 --latency-ms 120 --concurrency 8 32

The recorded gallery is served with a latency on this very machine, server and harvest sharing its cores. The ideal is
`concurrency / latency` images a second. A rate is over everything a harvest does: robots.txt, the requests, decoding,
the Lance table and its compaction. The yardstick is `plain.py harvest`, one request after another.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from artpipe.crawler.client import ClientConfig, GalleryClient
from artpipe.images.fetch import harvest
from artpipe.images.store import ImageStore
from artpipe.images.wanted import HarvestConfig
from artpipe.lake.paths import DataLake
from artpipe.schema import IMAGES_ROOT, ORIGINAL_SITE

SHARED = Path(__file__).resolve().parents[3] / "shared"


@contextmanager
def served(gallery: Path, latency_ms: float) -> Iterator[str]:
    """The gallery's base URL while it is served."""
    command = [sys.executable, str(gallery / "serve.py"), "--port", "0", "--latency-ms", str(latency_ms)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            server.terminate()


def artworks_of(site: Path, limit: int) -> pl.DataFrame:
    """An `artworks` table of the image files, as much of it as a harvest needs; spread over the collection."""
    paths = sorted(path.relative_to(site / "art").with_suffix("").as_posix() for path in (site / "art").rglob("*.jpg"))
    chosen = paths[:: max(1, len(paths) // limit)][:limit]
    return pl.DataFrame({"artwork_id": chosen}).with_columns(
        form=pl.lit("painting"), image_url=pl.format(f"{ORIGINAL_SITE}{IMAGES_ROOT}/{{}}.jpg", "artwork_id")
    )


def cpu_s() -> float:
    """User and system time of this process so far."""
    spent = resource.getrusage(resource.RUSAGE_SELF)
    return spent.ru_utime + spent.ru_stime


def harvest_rates(artworks: pl.DataFrame, base_url: str, concurrency: int, latency_ms: float) -> dict[str, object]:
    """Harvest into an empty lake, then once more with every answer due again."""
    result: dict[str, object] = {"concurrency": concurrency}
    ideal = concurrency / (latency_ms / 1000) if latency_ms else None
    with tempfile.TemporaryDirectory() as folder:
        store = ImageStore(DataLake(folder))
        for what, config in (("fetch", HarvestConfig()), ("revalidate", HarvestConfig(revalidate_after_days=0))):
            with GalleryClient(ClientConfig(base_url, concurrency=concurrency)) as client:
                spent = cpu_s()
                summary = harvest(artworks, store, client, config, datetime.now(UTC))
                spent = cpu_s() - spent
            rate = summary.requested / summary.seconds
            result[f"{what}_per_s"] = round(rate, 1)
            result[f"{what}_to_ideal"] = round(rate / ideal, 3) if ideal else None
            result[f"{what}_cpu_ms_each"] = round(1000 * spent / summary.requested, 2)
            result[f"{what}_by_status"] = dict(summary.by_status)
    return result


def plain_rate(plain: Path, artworks: pl.DataFrame, base_url: str, limit: int) -> float:
    """What `plain.py harvest` reaches on the first of the same images."""
    with tempfile.TemporaryDirectory() as folder:
        urls = Path(folder) / "urls.txt"
        urls.write_text("\n".join(f"{base_url}/art/{name}.jpg" for name in artworks["artwork_id"]))
        command = [sys.executable, str(plain), "harvest", str(urls), str(Path(folder) / "out"), "--limit", str(limit)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(json.loads(done.stdout.strip().splitlines()[-1])["per_s"])


def main() -> None:
    """Measure and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gallery", type=Path, default=SHARED / "gallery", help="folder of serve.py and site/")
    parser.add_argument("--plain", type=Path, default=SHARED / "baseline" / "plain.py")
    parser.add_argument("--limit", type=int, default=1500)
    parser.add_argument("--plain-limit", type=int, default=100)
    parser.add_argument("--latency-ms", type=float, default=120)
    parser.add_argument("--concurrency", type=int, nargs="+", default=[8, 32])
    options = parser.parse_args()

    artworks = artworks_of(options.gallery / "site", options.limit)
    with served(options.gallery, options.latency_ms) as base_url:
        runs = [harvest_rates(artworks, base_url, count, options.latency_ms) for count in options.concurrency]
        plain = plain_rate(options.plain, artworks, base_url, options.plain_limit) if options.plain_limit else None
    if plain:
        for run in runs:
            rate = run["fetch_per_s"]
            assert isinstance(rate, float)
            run["fetch_to_plain"] = round(rate / plain, 2)
    summary = {"what": "harvest", "images": artworks.height, "latency_ms": options.latency_ms}
    print(json.dumps({**summary, "plain_per_s": plain, "runs": runs}))


if __name__ == "__main__":
    main()
