"""What weekly refreshes add to the disk while old versions of `images` are kept.

    python artpipe_tests/benchmarks/bench_retention.py [--rows 4000] [--weeks 4]

The first harvest is written in batches as a harvest writes them; then every week all images are found unchanged, but
for a few that are new or replaced. Versions are kept for 30 days, and the hour within which passing versions stay is
left out. Bytes are those of all files of the table. Prints one JSON line.
"""

import argparse
import json
import random
import tempfile
import time
from collections.abc import Generator, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from artpipe.crawler.outcome import Outcome, Request, RequestCounts, Response
from artpipe.images import fetch
from artpipe.images.decode import DecodedImage
from artpipe.images.store import ImageStore
from artpipe.images.wanted import HarvestConfig
from artpipe.lake.paths import DataLake
from artpipe.lake.versions import table_versions

JPEG_BYTES = 30_000


class Gallery:
    """Answers at once: `bodies` names what is sent whole, all else is unchanged."""

    counts = RequestCounts()

    def __init__(self, bodies: set[str], draws: random.Random) -> None:
        self.bodies, self.draws = bodies, draws

    def get_many(self, requests: Iterable[Request]) -> Generator[tuple[Request, Response]]:
        for request in requests:
            tag = f'"{self.draws.getrandbits(64):x}"'
            if request.url in self.bodies:
                body = self.draws.randbytes(JPEG_BYTES)
                yield request, Response(Outcome.OK, 200, body, tag, "Tue, 11 Jun 1996 08:31:00 GMT")
            else:
                yield request, Response(Outcome.NOT_MODIFIED, 304, etag=request.etag)


def undecoded(body: bytes, short_side_px: int) -> DecodedImage:
    """The body as it came: what is measured is the table, not the decoder."""
    return DecodedImage(body, short_side_px, short_side_px, f"{random.getrandbits(64):016x}", body[:32].hex())


def table_bytes(folder: str) -> int:
    return sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=4000)
    parser.add_argument("--weeks", type=int, default=4)
    options = parser.parse_args()
    fetch.decode_artwork = undecoded
    draws, now = random.Random(0), datetime.now(UTC)
    names = [f"p/painter{n % 400}/work{n:05}" for n in range(options.rows + options.weeks)]
    works = pl.DataFrame({"artwork_id": names, "image_url": names})
    result: dict[str, object] = {"what": "retention", "rows": options.rows, "jpeg_bytes": JPEG_BYTES}
    with tempfile.TemporaryDirectory() as folder:
        store = ImageStore(DataLake(folder))

        def tidy() -> None:
            store.maintain(timedelta(days=30), timedelta(seconds=3))

        def refresh(week: int, bodies: Iterable[str]) -> int:
            known = works.head(options.rows + week)
            config = HarvestConfig(revalidate_after_days=0)
            fetch.harvest(known, store, Gallery(set(bodies), draws), config, now + week * timedelta(days=7))  # pyright: ignore[reportArgumentType]
            time.sleep(4)
            tidy()
            return table_bytes(folder)

        first = refresh(0, names)
        result["jpegs"], result["after_first_harvest"] = options.rows * JPEG_BYTES, first
        result["unchanged_adds"] = [(size := refresh(0, [])) - first]
        for _ in range(options.weeks - 1):
            before, size = size, refresh(0, [])
            result["unchanged_adds"].append(size - before)  # pyright: ignore[reportAttributeAccessIssue]
        result["one_new_one_replaced_adds"] = []
        for week in range(1, options.weeks + 1):
            before, size = size, refresh(week, {names[options.rows + week - 1], names[7 * week]})
            result["one_new_one_replaced_adds"].append(size - before)  # pyright: ignore[reportAttributeAccessIssue]
        result["versions_kept"] = len(table_versions(store.lake.lance_table("images")))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
