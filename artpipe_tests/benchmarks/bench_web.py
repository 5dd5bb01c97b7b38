"""Upload to rendered results, by several visitors at once, against a server of its own on loopback.

    python artpipe_tests/benchmarks/bench_web.py data_lake/sample --users 8 --seconds 20

Every visitor sends a photograph (1600 px, an angle, noise), follows the redirect and reads the page of results, again
and again. Prints one JSON line: percentiles in milliseconds, errors, and the server's memory before and after.
"""

import argparse
import io
import json
import random
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import requests
from PIL import Image

from artpipe.embedding.table import EmbeddingTable
from artpipe.images.store import ImageStore
from artpipe.lake import DataLake

PHOTO_PX = 1600
STARTED = re.compile(r"(http://127\.0\.0\.1:\d+)")


def photographs(lake: DataLake, count: int) -> list[bytes]:
    """Stored pictures as a phone would take them."""
    store, chance = ImageStore(lake), random.Random(0)
    ids = EmbeddingTable(lake).read(["artwork_id"])["artwork_id"].sample(count, seed=0).to_list()
    found: list[bytes] = []
    for jpeg in store.jpegs(ids):
        image = Image.open(io.BytesIO(jpeg)).convert("RGB")
        image = image.resize((PHOTO_PX, PHOTO_PX * image.height // image.width))
        image = image.rotate(chance.uniform(-4, 4), expand=True, fillcolor=(120, 110, 100))
        noisy = np.asarray(image, dtype=np.int16) + np.random.default_rng(0).normal(
            0, 4, (image.height, image.width, 1)
        )
        out = io.BytesIO()
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(out, "JPEG", quality=80)
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
    import os

    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, fields = stat.parent.name, stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if str(process) in (name, fields[1]):
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def visit(address: str, photos: list[bytes], until: float, took_ms: list[float], errors: list[str]) -> None:
    """One visitor."""
    session = requests.Session()
    while time.monotonic() < until:
        began = time.perf_counter()
        try:
            answer = session.post(f"{address}/search", files={"picture": ("p.jpg", random.choice(photos))}, timeout=60)
            if answer.status_code != 200 or "Looks like your picture" not in answer.text:
                errors.append(f"status {answer.status_code}")
                continue
        except requests.RequestException as error:
            errors.append(type(error).__name__)
            continue
        took_ms.append((time.perf_counter() - began) * 1e3)


def started_server(lake: str) -> tuple[subprocess.Popen[str], str, float]:
    """A server of its own, its address, and the seconds until it answers."""
    import os

    began = time.perf_counter()
    command = [sys.executable, "-m", "artpipe.cli", "serve", "--port", "0"]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, "ARTPIPE_LAKE": lake})
    assert server.stderr is not None
    for line in server.stderr:
        if found := STARTED.search(line):
            address = found[1]
            break
    else:
        raise SystemExit("the server did not start")
    while requests.get(f"{address}/api/healthz", timeout=60).status_code != 200:
        time.sleep(0.05)
    start_s = time.perf_counter() - began
    while not requests.get(f"{address}/api/healthz", timeout=60).json()["is_model_ready"]:
        time.sleep(0.2)
    return server, address, start_s


def main() -> None:
    """Measure and print."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("lake")
    asked.add_argument("--users", type=int, default=8)
    asked.add_argument("--seconds", type=float, default=20.0)
    options = asked.parse_args()
    photos = photographs(DataLake(options.lake), 24)
    server, address, start_s = started_server(options.lake)
    took_ms: list[float] = []
    errors: list[str] = []
    try:
        visit(address, photos, time.monotonic() + 3, [], errors)  # warm
        before, processor_before = memory_mb(server.pid), processor_s(server.pid)
        until = time.monotonic() + options.seconds
        arguments = (address, photos, until, took_ms, errors)
        visitors = [threading.Thread(target=visit, args=arguments) for _ in range(options.users)]
        for visitor in visitors:
            visitor.start()
        for visitor in visitors:
            visitor.join()
        after, processor = memory_mb(server.pid), processor_s(server.pid) - processor_before
    finally:
        server.terminate()
        server.wait()
    middle, high = (round(float(np.percentile(took_ms, share)), 1) for share in (50, 95))
    told = {
        "users": options.users,
        "seconds": options.seconds,
        "uploads": len(took_ms),
        "p50_ms": middle,
        "p95_ms": high,
        "errors": errors[:5],
        "error_count": len(errors),
        "processor_ms_an_upload": round(processor / max(1, len(took_ms)) * 1e3, 1),
        "memory_mb_before": before,
        "memory_mb_after": after,
        "start_s": round(start_s, 2),
        "photo_kb": round(sum(map(len, photos)) / len(photos) / 1e3),
    }
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
