"""Half an hour of visitors, with a refresh every two minutes and a new model in the middle.

A drawn gallery is served on loopback, a collection made of it, and a web server started. Visitors send photographs and
read results and verdicts, with a pause in between, while the gallery changes and `artpipe refresh` follows. Prints a
line for each refresh, and one line of JSON: percentiles by slices of time, errors, the server's memory with its slope
over the second half, and what the server logged. The exit code is 1 where a visitor met with an error, a refresh
failed, the server logged a traceback, or it does not serve the newest works and model in the end.

    python artpipe_tests/benchmarks/soak.py --minutes 30 --users 8 --refresh-every 120
"""

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import requests

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # artpipe_tests is not installed

from artpipe.embedding.table import EmbeddingTable
from artpipe.lake.paths import DataLake
from artpipe.models.served import served_model_id
from artpipe.sample_gallery.server import serving
from artpipe.sample_gallery.site import write_sample_site
from artpipe_tests.benchmarks.bench_web import (
    LostError,
    memory_mb,
    percentiles,
    photographs,
    read_verdict,
    results_of,
    started_server,
)
from artpipe_tests.fixtures.small_training import SMALL_TRAINING
from artpipe_tests.orchestration.conftest import ChangingGallery

SLICES = 6
PHOTOS = 400


class Visitors:
    """People who search with photographs, one upload after another.

    Attributes:
        results: seconds since the start, and milliseconds from the upload to the page of results.
        verdicts: the same up to the verdict on the very painting.
        errors: what went wrong, with the second in which it did.
    """

    def __init__(self, address: str, photos: Iterator[bytes], pause_s: float) -> None:
        self.address, self.photos, self.pause_s = address, photos, pause_s
        self.results: list[tuple[float, float]] = []
        self.verdicts: list[tuple[float, float]] = []
        self.errors: list[str] = []
        self._began, self._ended, self._lock = time.monotonic(), threading.Event(), threading.Lock()
        self._threads: list[threading.Thread] = []

    def start(self, count: int) -> None:
        """Let them in."""
        self._threads = [threading.Thread(target=self._visit) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def leave(self) -> None:
        """Let each finish what it does."""
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _visit(self) -> None:
        session = requests.Session()
        while not self._ended.wait(self.pause_s):
            with self._lock:
                photo = next(self.photos)
            at, began = time.monotonic() - self._began, time.perf_counter()
            try:
                token = results_of(session, self.address, photo, has_script=True)
                self.results.append((at, (time.perf_counter() - began) * 1e3))
                if token:
                    read_verdict(session, self.address, token)
                self.verdicts.append((at, (time.perf_counter() - began) * 1e3))
            except (requests.RequestException, LostError) as error:
                self.errors.append(f"{at:.0f} s: {error!r}")


class Keeper:
    """Somebody who changes the gallery and refreshes the collection."""

    def __init__(self, folder: Path, gallery: ChangingGallery, environment: Mapping[str, str]) -> None:
        self.folder, self.gallery, self.environment = folder, gallery, dict(environment)
        self.failures: list[str] = []
        self.seconds: list[float] = []

    @property
    def lake(self) -> DataLake:
        """The collection."""
        return DataLake(self.folder / "lake")

    def change(self, number: int) -> str:
        """Change the gallery in one of five ways, and say how."""
        ids = EmbeddingTable(self.lake).read(["artwork_id"])["artwork_id"].sort().to_list()
        work = ids[(17 * number) % len(ids)]
        match number % 5:
            case 0:
                self.gallery.edit(work, lambda row: row | {"TITLE": f"A Title Corrected for the {number}th Time"})
                return "a title corrected"
            case 1:
                self.gallery.hang(work, number % 4)
                return "an image replaced"
            case 2:
                self.gallery.edit(work, lambda _: None)
                return "a work withdrawn"
            case 3:
                self.gallery.take_down(work)
                return "an image gone"
            case _:
                return "nothing changed"

    def refresh(self, **settings: object) -> None:
        """`artpipe refresh`, as a process of its own."""
        self.environment |= {f"ARTPIPE_{name.upper()}": str(value) for name, value in settings.items()}
        began = time.monotonic()
        command = [sys.executable, "-m", "artpipe.cli", "refresh"]
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )
        self.seconds.append(round(time.monotonic() - began, 1))
        if done.returncode:
            self.failures.append(f"exit code {done.returncode}: {(done.stdout + done.stderr)[-800:]}")


class MemoryWatch:
    """Reads the memory of a process and its children every five seconds.

    Attributes:
        seen: seconds since the start, and MB.
    """

    def __init__(self, process: int) -> None:
        self.seen: list[tuple[float, float]] = []
        self._process, self._ended = process, threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def _watch(self) -> None:
        began = time.monotonic()
        while not self._ended.wait(5):
            self.seen.append((time.monotonic() - began, memory_mb(self._process)))

    def end(self) -> None:
        """Watch no longer."""
        self._ended.set()
        self._thread.join()


def by_slices(seen: list[tuple[float, float]], seconds: float) -> list[dict[str, float]]:
    """Percentiles in milliseconds for each slice of the time."""
    edges = np.linspace(0, seconds, SLICES + 1)
    parts = [[ms for at, ms in seen if low <= at < high] for low, high in itertools.pairwise(edges)]
    return [{"count": len(part), **(percentiles(part) if part else {})} for part in parts]


def slope(memory: list[tuple[float, float]]) -> float:
    """MB an hour over the second half of the time, by least squares."""
    half = memory[len(memory) // 2 :]
    if len(half) < 2:
        return 0.0
    at, used = np.array(half).T
    return round(float(np.polyfit(at, used, 1)[0]) * 3600, 1)


def serves_newest(address: str, keeper: Keeper) -> bool:
    """Whether the server has followed the last refresh within a minute."""
    table, model = EmbeddingTable(keeper.lake).version, served_model_id(keeper.lake)
    until = time.monotonic() + 60
    while time.monotonic() < until:
        health = requests.get(f"{address}/api/healthz", timeout=60).json()
        if (health["table_version"], health["model_id"]) == (table, model):
            return True
        time.sleep(1)
    return False


def main() -> int:
    """Run it; 0 where nothing went wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--users", type=int, default=8)
    parser.add_argument("--pause-s", type=float, default=2.0, help="between a visitor's verdict and the next upload")
    parser.add_argument("--refresh-every", type=float, default=120.0, help="seconds")
    parser.add_argument("--artworks", type=int, default=120, help="works in the drawn gallery")
    options = parser.parse_args()
    folder, seconds = Path(tempfile.mkdtemp(prefix="artpipe-soak-")), options.minutes * 60
    write_sample_site(folder / "site", artworks=options.artworks)
    with serving(folder / "site") as site:
        settings = {**SMALL_TRAINING, "gallery": site.url, "lake": folder / "lake", "revalidate_after_days": 0}
        variables = {f"ARTPIPE_{name.upper()}": str(value) for name, value in settings.items()}
        keeper = Keeper(folder, ChangingGallery(site), {**os.environ, **variables})
        keeper.refresh()
        if keeper.failures:
            raise SystemExit(keeper.failures[0])
        first_model, photos = served_model_id(keeper.lake), photographs(keeper.lake, PHOTOS)
        log = folder / "server.log"
        server, address, _ = started_server(str(folder / "lake"), log)
        visitors, watch = Visitors(address, itertools.cycle(photos), options.pause_s), MemoryWatch(server.pid)
        began = time.monotonic()
        visitors.start(options.users)
        has_new_model = False
        try:
            for number in itertools.count():
                due = began + (number + 1) * options.refresh_every
                time.sleep(max(0.0, min(due, began + seconds) - time.monotonic()))
                if time.monotonic() >= began + seconds:
                    break
                what, changed = keeper.change(number), dict[str, Any]()
                if not has_new_model and time.monotonic() - began >= seconds / 2:
                    has_new_model, changed = True, {"seed": 1}
                    what += ", and another seed: a new model"
                keeper.refresh(**changed)
                print(f"{time.monotonic() - began:6.0f} s: {what}; refreshed in {keeper.seconds[-1]} s", flush=True)
            visitors.leave()
            is_newest = serves_newest(address, keeper)
        finally:
            visitors.leave()
            watch.end()
            server.terminate()
            server.wait()
        new_model = served_model_id(keeper.lake) != first_model
    tracebacks = log.read_text().count("Traceback")
    is_right = not (visitors.errors or keeper.failures or tracebacks) and is_newest and new_model and has_new_model
    outcome = {
        "benchmark": "soak",
        "right": is_right,
        "uploads": len(visitors.verdicts),
        "errors": visitors.errors[:5],
        "error_count": len(visitors.errors),
        "refreshes": len(keeper.seconds) - 1,
        "refresh_failures": keeper.failures,
        "serves_newest": is_newest,
        "new_model": new_model,
        "tracebacks_logged": tracebacks,
        "results_ms": by_slices(visitors.results, seconds),
        "verdict_ms": by_slices(visitors.verdicts, seconds),
        "memory_mb": [round(used) for _, used in watch.seen[:: max(1, len(watch.seen) // (2 * SLICES))]],
        "memory_slope_mb_an_hour": slope(watch.seen),
        "folder": str(folder),
    }
    print(json.dumps(outcome))
    return 0 if is_right else 1


if __name__ == "__main__":
    sys.exit(main())
