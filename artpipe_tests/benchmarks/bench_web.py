"""Upload to rendered results, by several visitors at once, against a server of its own on loopback.

    python artpipe_tests/benchmarks/bench_web.py data_lake/sample --users 8 --seconds 20

Every visitor sends a photograph (1600 px, an angle, noise) as the page's script does, reads the page of results, then
waits for the verdict on the very painting, and begins again without a pause. With `--no-script` a form is sent, which
waits for the verdict and is led to a page with all of it. Prints one JSON line: percentiles in milliseconds from the
upload to the whole page of results and to the verdict, errors, and the server's memory before and after each quarter.
"""

import argparse
import io
import itertools
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import requests
from PIL import Image

from artpipe.embedding.table import EmbeddingTable
from artpipe.images.store import ImageStore
from artpipe.lake.paths import DataLake

PHOTO_PX = 1600
WORKS = 24
MOST_A_SECOND = 25
COMPARING = re.compile(r'data-comparing="([^"]+)"')
STARTED = re.compile(r"(http://127\.0\.0\.1:\d+)")


def photographs(lake: DataLake, count: int) -> list[bytes]:
    """Stored pictures as a phone would take them, each a little otherwise, so that none was compared before."""
    store, chance = ImageStore(lake), np.random.default_rng(0)
    ids = EmbeddingTable(lake).read(["artwork_id"])["artwork_id"].sample(WORKS, seed=0).to_list()
    shown: list[Image.Image] = []
    for jpeg in store.jpegs(ids):
        image = Image.open(io.BytesIO(jpeg)).convert("RGB")
        image = image.resize((PHOTO_PX, PHOTO_PX * image.height // image.width))
        image = image.rotate(chance.uniform(-4, 4), expand=True, fillcolor=(120, 110, 100))
        noisy = np.asarray(image, dtype=np.int16) + chance.normal(0, 4, (image.height, image.width, 1))
        shown.append(Image.fromarray(noisy.clip(0, 255).astype(np.uint8)))
    found: list[bytes] = []
    for number in range(count):
        image, out = shown[number % len(shown)], io.BytesIO()
        left, top = chance.integers(0, 90, 2).tolist()
        image.crop((left, top, image.width, image.height)).save(out, "JPEG", quality=80)
        found.append(out.getvalue())
    return found


def memory_mb(process: int) -> float:
    """Resident memory of a process and its children."""
    found = 0
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            fields = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
        except OSError:
            continue
        if process in (int(fields["Pid"]), int(fields["PPid"])):
            found += int(fields.get("VmRSS", "0 kB").split()[0])
    return round(found / 1024, 1)


def processor_s(process: int) -> float:
    """Processor time that a process and its children have used."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, fields = stat.parent.name, stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if str(process) in (name, fields[1]):
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


@dataclass
class Seen:
    """What the visitors met with, in milliseconds from the upload."""

    results_ms: list[float] = field(default_factory=list[float])
    verdict_ms: list[float] = field(default_factory=list[float])
    errors: list[str] = field(default_factory=list[str])


class LostError(Exception):
    """A visitor did not get what they came for."""


def visit(address: str, photos: Iterator[bytes], until: float, seen: Seen, has_script: bool) -> None:
    """One visitor."""
    session = requests.Session()
    while time.monotonic() < until:
        photo = next(photos)
        began = time.perf_counter()
        try:
            token = results_of(session, address, photo, has_script)
            seen.results_ms.append((time.perf_counter() - began) * 1e3)
            if token:
                read_verdict(session, address, token)
            seen.verdict_ms.append((time.perf_counter() - began) * 1e3)
        except (requests.RequestException, LostError) as error:
            seen.errors.append(repr(error))


def results_of(session: requests.Session, address: str, photo: bytes, has_script: bool) -> str:
    """Send a photograph and read the page of its results; the token to request the verdict with, if it comes later.

    Raises:
        LostError: there was no such page.
    """
    accept = "application/json" if has_script else "text/html"
    files = {"picture": ("p.jpg", photo)}
    answer = session.post(f"{address}/search", files=files, headers={"Accept": accept}, timeout=60)
    if has_script and answer.status_code == 200:
        answer = session.get(address + answer.json()["address"], timeout=60)
    if answer.status_code != 200 or "Looks like your picture" not in answer.text:
        raise LostError(f"status {answer.status_code}")
    comparing = COMPARING.search(answer.text)
    return comparing[1] if comparing else ""


def read_verdict(session: requests.Session, address: str, token: str) -> None:
    """Wait for the verdict.

    Raises:
        LostError: there was none.
    """
    response = session.get(f"{address}/search/verdict", params={"image": token}, timeout=60)
    if response.status_code != 200 or "did not finish" in response.json()["html"]:
        raise LostError(f"verdict {response.status_code}")


def percentiles(took_ms: list[float]) -> dict[str, float]:
    """The middle and the high end."""
    return {f"p{share}": round(float(np.percentile(took_ms, share)), 1) for share in (50, 95)}


def started_server(lake: str, log: Path) -> tuple[subprocess.Popen[bytes], str, float]:
    """A server of its own, its address, and the seconds until it answers; what it prints goes to `log`."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "artpipe.cli", "serve", "--port", "0"]
    with log.open("wb") as output:
        server = subprocess.Popen(command, stdout=output, stderr=output, env={**os.environ, "ARTPIPE_LAKE": lake})
    while not (found := STARTED.search(log.read_text())):
        if server.poll() is not None:
            raise SystemExit(f"the server did not start: {log.read_text()}")
        time.sleep(0.05)
    address = found[1]
    while requests.get(f"{address}/api/healthz", timeout=60).status_code != 200:
        time.sleep(0.05)
    start_s = time.perf_counter() - began
    while not requests.get(f"{address}/api/healthz", timeout=60).json()["is_model_ready"]:
        time.sleep(0.2)
    return server, address, start_s


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lake")
    parser.add_argument("--users", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--no-script", action="store_true")
    options = parser.parse_args()
    taken = photographs(DataLake(options.lake), round(MOST_A_SECOND * (options.seconds + 3)))
    photos = itertools.cycle(taken)
    log = Path(tempfile.mkdtemp(prefix="artpipe-web-")) / "server.log"
    server, address, start_s = started_server(options.lake, log)
    seen, has_script = Seen(), not options.no_script
    try:
        visit(address, photos, time.monotonic() + 3, Seen(), has_script)  # warm
        before, processor_before = memory_mb(server.pid), processor_s(server.pid)
        until = time.monotonic() + options.seconds
        arguments = (address, photos, until, seen, has_script)
        visitors = [threading.Thread(target=visit, args=arguments) for _ in range(options.users)]
        for visitor in visitors:
            visitor.start()
        memory: list[float] = [before]
        for quarter in range(1, 5):
            time.sleep(max(0.0, until - options.seconds * (1 - quarter / 4) - time.monotonic()))
            memory.append(memory_mb(server.pid))
        for visitor in visitors:
            visitor.join()
        processor = processor_s(server.pid) - processor_before
    finally:
        server.terminate()
        server.wait()
    result = {
        "users": options.users,
        "seconds": options.seconds,
        "has_script": has_script,
        "uploads": len(seen.verdict_ms),
        "results_ms": percentiles(seen.results_ms),
        "verdict_ms": percentiles(seen.verdict_ms),
        "errors": seen.errors[:5],
        "error_count": len(seen.errors),
        "processor_ms_an_upload": round(processor / max(1, len(seen.verdict_ms)) * 1e3, 1),
        "memory_mb_by_quarters": memory,
        "start_s": round(start_s, 2),
        "photo_kb": round(sum(map(len, taken)) / len(taken) / 1e3),
    }
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
