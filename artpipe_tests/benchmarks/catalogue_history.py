"""A catalogue through its real history: each state refreshed after the one before, and what each refresh did.

The states are tables of one museum, oldest first, and pictures are drawn for their addresses and served on loopback, so
that nothing but the catalogue's own changes is followed. For each state the table says which columns of how many works
changed, what was fetched and embedded, whether a work moved to another split, and which model is served. The exit code
is 1 where a refresh fetched or embedded another number of pictures than there are new addresses, or moved a work. The
last line is JSON.

    python artpipe_tests/benchmarks/catalogue_history.py TABLE.csv... --preset tate --addresses thumbnail_url

Recipe and backbone are set by `ARTPIPE_...` variables as usual.
"""

import argparse
import csv
import hashlib
import io
import json
import os
import sys
import tempfile
import time
from collections import Counter
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import polars as pl
from PIL import Image
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # artpipe_tests is not installed

from artpipe.cli.main import app
from artpipe.lake.paths import DataLake
from artpipe.models.served import read_pointer
from artpipe_tests.fixtures.loopback_server import Quiet, running

SIDE_PX = 96


@lru_cache(maxsize=512)
def drawn(path: str) -> bytes:
    """A picture of its own for each path: a few blots of colour."""
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(path.encode()).digest()[:8]))
    small = Image.fromarray(rng.integers(0, 255, (6, 5, 3), dtype=np.uint8), "RGB")
    out = io.BytesIO()
    small.resize((SIDE_PX, SIDE_PX + 24), Image.Resampling.BICUBIC).save(out, "JPEG")
    return out.getvalue()


class Pictures(Quiet, BaseHTTPRequestHandler):
    """Sends the picture of any path but robots.txt."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = b"" if self.path == "/robots.txt" else drawn(self.path)
        etag = f'"{hashlib.sha256(body).hexdigest()[:8]}"'
        is_same = self.headers.get("If-None-Match") == etag
        self.send_response(404 if not body else 304 if is_same else 200)
        self.send_header("ETag", etag)
        self.send_header("Content-Length", "0" if is_same else str(len(body)))
        self.end_headers()
        self.wfile.write(b"" if is_same else body)


def localised(table: Path, column: str, address: str) -> bytes:
    """The table with the addresses of its pictures on another host."""
    rows = csv.DictReader(io.StringIO(table.read_text(encoding="utf-8-sig"), newline=""))
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, rows.fieldnames or [])
    writer.writeheader()
    for row in rows:
        link = urlsplit(row[column] or "")
        writer.writerow({**row, column: f"{address}{link.path}" if link.path else ""})
    return ("\ufeff" + out.getvalue()).encode()


def refresh() -> dict:
    result = CliRunner().invoke(app, ["refresh", "--json"])
    if result.exit_code:
        print(result.output, file=sys.stderr)
        raise SystemExit(f"the refresh ended with {result.exit_code}")
    return json.loads(result.stdout)


def held(lake: DataLake, name: str) -> pl.DataFrame:
    file = Path(str(lake.table(name)))
    return pl.read_parquet(file) if file.exists() else pl.DataFrame()


def measured(lake: DataLake, before: dict[str, pl.DataFrame], seen: set[str]) -> dict[str, object]:
    """What differs from the state before; `seen` are the addresses of all earlier states."""
    works, splits, history = (held(lake, name) for name in ("artworks", "splits", "catalog_changes"))
    new = history.slice(before["history"].height)
    changed = new.filter(pl.col("change") == "changed")
    moved = None
    if before["splits"].height:
        both = splits.join(before["splits"], on="artwork_id", suffix="_before")
        moved = both.filter(pl.col("split") != pl.col("split_before")).height
    return {
        "works": works.height,
        "with_picture": splits.height,
        "gone": new.filter(pl.col("change") == "withdrawn").height,
        "changed": changed["artwork_id"].n_unique(),
        "by_column": dict(Counter(changed["column"].to_list()).most_common()),
        "new_addresses": len(set(works["image_url"].drop_nulls()) - seen),
        "moved_to_another_split": moved,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("states", nargs="+", type=Path)
    parser.add_argument("--preset", default="tate")
    parser.add_argument("--addresses", default="thumbnail_url", help="the column of the pictures' addresses")
    parser.add_argument("--folder", type=Path, help="where the lake is kept; a temporary one by default")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="artpipe-history-"))
    folder.mkdir(parents=True, exist_ok=True)
    table, sources = folder / "table.csv", folder / "sources.yaml"
    os.environ |= {"ARTPIPE_SOURCES": str(sources), "ARTPIPE_LAKE": str(folder / "lake"), "ARTPIPE_SAME_PAINTING": "0"}
    lake, results = DataLake(folder / "lake"), []
    seen: set[str] = set()
    with running(ThreadingHTTPServer(("127.0.0.1", 0), Pictures)) as server:
        address = f"http://127.0.0.1:{server.server_address[1]}"
        sources.write_text(
            json.dumps(
                {"sources": [{"preset": options.preset, "path": str(table), "rights": "all", "requests_per_s": 1e6}]}
            )
        )
        for state in options.states:
            before = {
                "works": held(lake, "artworks"),
                "splits": held(lake, "splits"),
                "history": held(lake, "catalog_changes"),
            }
            table.write_bytes(localised(state, options.addresses, address))
            began = time.monotonic()
            report = refresh()
            pointer = read_pointer(lake)
            row = {
                "state": state.name,
                **measured(lake, before, seen),
                "fetched": report["work"]["images_fetched"],
                "embedded": report["work"]["images_embedded"],
                "rows_updated": report["work"]["rows_updated"],
                "ran": sorted(set(report["ran"]) - set(report["reused"])),
                "model": pointer.model_id if pointer else None,
                "seconds": round(time.monotonic() - began, 1),
            }
            seen |= set(held(lake, "artworks")["image_url"].drop_nulls())
            results.append(row)
            print("\n".join(f"{name:>24}  {value}" for name, value in row.items()), end="\n\n", flush=True)
        again = refresh()["work"]
    print(f"the last state once more: {again}")
    wrong = [row["state"] for row in results if row["fetched"] != row["new_addresses"] or row["moved_to_another_split"]]
    print(json.dumps({"states": results, "again": again, "wrong": wrong}))
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
