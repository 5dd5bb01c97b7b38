"""What eight visitors wait while strangers attack, against a server of its own on loopback.

    python artpipe_tests/benchmarks/bench_attacks.py data_lake/sample --seconds 60

Each visitor opens pages, searches by words and by a photograph, saves a contact sheet, and thinks for a moment in
between. First nobody attacks, then one attack after another: 64 uploads that send two bytes and stall, 60 requests at
a time for contact sheets of 100 works, 4 clients that send a PNG of 62 megapixels, and 32 that send one of 24, which
is decoded. Visitors and attackers have
addresses of their own (Linux has all of 127.0.0.0/8). Prints a table of the visitors' waiting times, and of their
requests that were refused or failed; ends with exit code 1 where one was.
"""

import argparse
import io
import itertools
import random
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import requests
from PIL import Image
from requests.adapters import HTTPAdapter

from artpipe.embedding.table import EmbeddingTable
from artpipe.lake.paths import DataLake
from artpipe_tests.benchmarks.bench_web import photographs, started_server

USERS = 8
THINKING_S = 1.0
SHEET = "contact sheet"
STALLING, SHEETS, PNGS, DECODED_PNGS = 64, 60, 4, 32
PNG_SIDE_PX, DECODED_SIDE_PX = 7_874, 4_900
ATTACKER = "127.0.0.9"


@dataclass
class Seen:
    """What the visitors met with: milliseconds of each request, of sheets apart, and what was refused or failed."""

    took_ms: list[float] = field(default_factory=list[float])
    sheet_ms: list[float] = field(default_factory=list[float])
    refused: Counter[str] = field(default_factory=Counter[str])
    attacks: Counter[str] = field(default_factory=Counter[str])


class From(HTTPAdapter):
    """Sends from an address of loopback."""

    def __init__(self, source: str) -> None:
        self.source = source
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs, source_address=(self.source, 0))


def session_from(source: str) -> requests.Session:
    session = requests.Session()
    session.mount("http://", From(source))
    return session


def visitor(address: str, ids: list[str], photos: Iterator[bytes], until: float, seen: Seen, number: int) -> None:
    """One honest visitor."""
    session, chance = session_from(f"127.0.1.{number + 1}"), random.Random(number)
    while time.monotonic() < until:
        work = chance.choice(ids)
        paths = [
            "/",
            f"/works/{work}",
            f"/search?like={work}",
            "/search?words=landscape",
            "/artists",
            "/api/suggest?beginning=ma",
        ]
        sends: dict[str, Callable[[], requests.Response]] = {
            path: partial(session.get, address + path, timeout=60) for path in paths
        }
        sends["photograph"] = partial(
            session.post, f"{address}/api/search", data=next(photos), headers={"content-type": "image/jpeg"}, timeout=60
        )
        sends[SHEET] = partial(session.get, f"{address}/api/search/sheet.jpg?like={work}&size=24", timeout=60)
        for name, send in sends.items():
            if time.monotonic() > until:
                return
            began = time.perf_counter()
            try:
                status = send().status_code
            except requests.RequestException as error:
                seen.refused[f"{name.split('?')[0][:12]} {type(error).__name__}"] += 1
                continue
            (seen.sheet_ms if name == SHEET else seen.took_ms).append((time.perf_counter() - began) * 1e3)
            if status != 200:
                seen.refused[f"{name.split('?')[0][:12]} {status}"] += 1
            time.sleep(chance.uniform(0.5, 1.5) * THINKING_S)


def stall(address: str, until: float, seen: Seen, _: int) -> None:
    """An upload that sends two bytes and no more, again and again."""
    place = urlsplit(address)
    fields = (f"Host: {place.netloc}", "Content-Type: image/jpeg", "Content-Length: 900000", "", "")
    head = "\r\n".join(("POST /api/search HTTP/1.1", *fields))
    while time.monotonic() < until:
        with socket.create_connection((place.hostname or "", place.port or 80), source_address=(ATTACKER, 0)) as client:
            client.sendall(head.encode() + b"\xff\xd8")
            client.settimeout(max(0.1, until - time.monotonic()))
            try:
                seen.attacks[client.recv(64).decode(errors="replace")[9:12]] += 1
            except OSError:
                seen.attacks["held to the end"] += 1


def sheets(address: str, until: float, seen: Seen, number: int) -> None:
    """Contact sheets of 100 works, each another one."""
    session = session_from(ATTACKER)
    for count in itertools.count(1 + number * 100):
        if time.monotonic() > until:
            return
        try:
            url = f"{address}/api/search/sheet.jpg?size=100&year_from=-{count % 9_999}"
            seen.attacks[str(session.get(url, timeout=60).status_code)] += 1
        except requests.RequestException as error:
            seen.attacks[type(error).__name__] += 1


def large_png(side_px: int) -> bytes:
    """A picture of many megapixels in few bytes."""
    out = io.BytesIO()
    Image.new("RGB", (side_px, side_px), (90, 120, 60)).save(out, "PNG")
    return out.getvalue()


def measure(name: str, address: str, lake: DataLake, photos: Iterator[bytes], seconds: float, attack: object) -> Seen:
    """What the visitors see while an attack runs."""
    ids = EmbeddingTable(lake).read(["artwork_id"])["artwork_id"].to_list()
    seen, until = Seen(), time.monotonic() + seconds
    count, run = attack if isinstance(attack, tuple) else (0, None)
    threads = [
        *(threading.Thread(target=run, args=(address, until, seen, number)) for number in range(count)),
        *(threading.Thread(target=visitor, args=(address, ids, photos, until, seen, n)) for n in range(USERS)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    times = [*(f"{np.percentile(seen.took_ms, share):,.0f}" for share in (50, 95, 100))]
    sheet = f"{np.percentile(seen.sheet_ms, 95):,.0f}" if seen.sheet_ms else "-"
    answered = ", ".join(f"{count} x {status}" for status, count in seen.attacks.most_common(3)) or "-"
    cells = (name, f"{len(seen.took_ms) + len(seen.sheet_ms):,}", *times, sheet, str(seen.refused.total()), answered)
    sys.stdout.write(f"| {' | '.join(cells)} |\n")
    sys.stdout.flush()
    for what, count in seen.refused.most_common(5):
        sys.stderr.write(f"{name}: {count} x {what}\n")
    return seen


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lake")
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    lake = DataLake(options.lake)
    photos = itertools.cycle(photographs(lake, 120))
    folder = Path(tempfile.mkdtemp(prefix="artpipe-attacks-"))

    def send_png(png: bytes, address: str, until: float, seen: Seen, _: int) -> None:
        session = session_from(ATTACKER)
        while time.monotonic() < until:
            answer = session.post(f"{address}/api/search", data=png, headers={"content-type": "image/png"}, timeout=60)
            seen.attacks[str(answer.status_code)] += 1

    attacks: dict[str, object] = {
        "nobody": None,
        f"{STALLING} stalling uploads": (STALLING, stall),
        f"{SHEETS} contact sheets of 100": (SHEETS, sheets),
        f"{PNGS} PNGs of 62 megapixels": (PNGS, partial(send_png, large_png(PNG_SIDE_PX))),
        f"{DECODED_PNGS} PNGs of 24 megapixels": (DECODED_PNGS, partial(send_png, large_png(DECODED_SIDE_PX))),
    }
    server, address, _ = started_server(str(lake.root), folder / "server.log")
    try:
        measure("warm-up", address, lake, photos, min(8.0, options.seconds), None)
        sys.stdout.write(
            "| attack | requests | p50, ms | p95, ms | longest, ms | sheet p95, ms | refused | attack is answered |\n"
        )
        sys.stdout.write("|---|--:|--:|--:|--:|--:|--:|---|\n")
        seen = [measure(name, address, lake, photos, options.seconds, attack) for name, attack in attacks.items()]
    finally:
        server.terminate()
        server.wait()
    sys.exit(any(one.refused for one in seen))


if __name__ == "__main__":
    main()
