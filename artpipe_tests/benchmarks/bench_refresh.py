"""What a refresh costs when little or nothing changed, compared with the first run, on the recorded gallery.

    python artpipe_tests/benchmarks/bench_refresh.py [--lake FOLDER] [--epochs 1] [--limit 4441]

Serves the recorded gallery, builds a lake from it (or copies FOLDER, a lake built from it before), and then measures in
one process, in turn:

- `nothing`: a refresh when nothing changed and no response is too old: only the roots are requested;
- `revalidated`: a refresh when nothing changed and every image's last response is too old, so each gets a
  conditional request;
- `conditional_requests`: those very requests alone, without the lake, at the same concurrency;
- `one_painting`: the embedding and indexing of one added painting, compared with those of all of them; nothing is
  embedded where a sample (`--limit`) does not take it;
- `status`: the seconds of a new process that runs `artpipe status`.

Prints one JSON line. The first run's time without training is what the ratios are of.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from artpipe.crawler.client import ClientConfig, GalleryClient
from artpipe.crawler.outcome import Request
from artpipe.definitions import build_definitions
from artpipe.images.store import ImageStore
from artpipe.lake.paths import DataLake
from artpipe.orchestration.runner import RefreshOptions, RefreshReport, refresh
from artpipe.settings import Settings

SHARED = Path(__file__).resolve().parents[3] / "shared"
CONCURRENCY = 32


@contextmanager
def served(site: Path) -> Iterator[str]:
    """The address at which the recorded gallery's own server serves a folder."""
    command = [sys.executable, str(SHARED / "gallery" / "serve.py"), "--port", "0", "--root", str(site)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        found = re.search(r"http://\S+", server.stdout.readline())
        try:
            yield found[0].rstrip("/") if found else ""
        finally:
            server.terminate()


def conditional_requests_s(lake: DataLake, url: str) -> tuple[int, float]:
    """The number and the seconds of a conditional request for every stored image."""
    rows = ImageStore(lake).outcomes().filter(status="fetched")
    from artpipe.lake.parquet import read_table

    rows = rows.join(read_table(lake, "wanted_images"), on="artwork_id")
    requests = [Request(r["image_url"], r["etag"], r["last_modified"]) for r in rows.iter_rows(named=True)]
    config = ClientConfig(base_url=url, concurrency=CONCURRENCY)
    began = time.perf_counter()
    with GalleryClient(config) as client:
        for _ in client.get_many(requests):
            pass
    return len(requests), time.perf_counter() - began


def add_painting(site: Path) -> None:
    """Add a painting to the served catalogue, with the mirrored image of another."""
    import io
    import zipfile

    from PIL import Image, ImageOps

    path = site / "database/download/data_txt.zip"
    with zipfile.ZipFile(path) as archive:
        name = archive.namelist()[0]
        text = archive.read(name)
    row = next(line for line in text.split(b"\r\n")[1:] if b"\tpainting\t" in line and _image(site, line).exists())
    added = re.sub(rb"(/html/\S+?)\.html", rb"\1_added.html", row)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, text.rstrip(b"\r\n") + b"\r\n" + added + b"\r\n")
    path.write_bytes(out.getvalue())
    with Image.open(_image(site, row)) as image:
        ImageOps.mirror(image.convert("RGB")).save(_image(site, added), quality=90)


def _image(site: Path, row: bytes) -> Path:
    found = re.search(rb"/html/(\S+?)\.html", row)
    return site / "art" / f"{found[1].decode() if found else 'none'}.jpg"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lake", type=Path, help="a lake built from the recorded gallery with these very settings")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--limit", type=int, default=None, help="take a stable sample of this many artworks")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        site, lake = Path(folder) / "site", Path(folder) / "lake"
        shutil.copytree(SHARED / "gallery" / "site", site)
        for path in [site, *site.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)
        if arguments.lake:
            shutil.copytree(arguments.lake, lake)
        with served(site) as url:
            settings = {
                "gallery": url, "lake": str(lake), "concurrency": CONCURRENCY, "backbone_weights": "none",
                "epochs": arguments.epochs, "max_artworks": arguments.limit,
            }  # fmt: skip

            def run(**changed: object) -> RefreshReport:
                used = Settings(**{**settings, **changed})
                return refresh(build_definitions(used), used, RefreshOptions(), Console(stderr=True))

            first = run()
            untrained_s = first.seconds - first.seconds_by_asset.get("classifier", 0.0)
            embedding_s = first.seconds_by_asset["embeddings"] + first.seconds_by_asset["search_index"]
            nothing = run()
            count, requests_s = conditional_requests_s(DataLake(lake), url)
            revalidated = run(revalidate_after_days=0)
            environment = {f"ARTPIPE_{name.upper()}": str(value) for name, value in settings.items() if value}
            began = time.perf_counter()
            command = [sys.executable, "-m", "artpipe.cli", "status", "--json"]
            subprocess.run(command, env={"PATH": "", **environment}, check=True, stdout=subprocess.DEVNULL)
            status_s = time.perf_counter() - began
            add_painting(site)
            added = run()
    one_s = sum(added.seconds_by_asset.get(name, 0.0) for name in ("embeddings", "search_index"))
    result = {
        "what": "refresh",
        "images": count,
        "first_s": round(first.seconds, 2),
        "first_without_training_s": round(untrained_s, 2),
        "nothing_s": round(nothing.seconds, 2),
        "nothing_to_first": round(nothing.seconds / untrained_s, 4),
        "conditional_requests": count,
        "conditional_requests_s": round(requests_s, 2),
        "revalidated_s": round(revalidated.seconds, 2),
        "revalidated_beyond_requests_s": round(revalidated.seconds - requests_s, 2),
        "revalidated_to_first": round(revalidated.seconds / untrained_s, 4),
        "embedding_and_indexing_s": round(embedding_s, 3),
        "one_painting_s": round(one_s, 3),
        "one_painting_to_all": round(one_s / embedding_s, 4),
        "one_painting_embedded": added.work["images_embedded"],
        "one_painting_bodies": added.work["bodies"],
        "status_s": round(status_s, 2),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
