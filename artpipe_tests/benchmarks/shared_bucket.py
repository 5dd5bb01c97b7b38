"""Whole refreshes of one lake in a bucket: two at once, and one whose process is killed again and again.

    python artpipe_tests/benchmarks/shared_bucket.py [--works 60] [--out FOLDER]

Each refresh is a process with a cache folder of its own, as on another machine; the bucket is one of moto's S3 on
loopback. The lake of one undisturbed refresh tells what the others must hold. Prints one JSON line for each scenario;
fails where a data version differs, or where a row, a model or a picture is lost or made twice. Takes a quarter of an
hour on two cores.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from bench_bucket import KEYS, SMALL, Counted, serve

KILLS = [
    "/raw/catalog",
    "/lance/images.lance/data/",
    "/lance/images.lance/_versions/",
    "/tables/splits.parquet",
    "/checkpoints/",
    "/models/",
    "/lance/embeddings.lance/data/",
    "/lance/embeddings.lance/_versions/",
    "/lance/local_features.lance/_versions/",
]
"""What the store is told to write when the process dies."""
TABLES = ("images", "embeddings", "local_features", "visual_words")


class KillsWriters:
    """A WSGI application that kills a process at one of its requests."""

    def __init__(self, application: Counted) -> None:
        self._application, self._lock = application, threading.Lock()
        self.victim: subprocess.Popen[str] | None = None
        self.at = ""

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        is_write = environ["REQUEST_METHOD"] in ("PUT", "POST")
        with self._lock:
            if is_write and self.at and self.at in environ["PATH_INFO"] and self.victim is not None:
                self.victim.send_signal(signal.SIGKILL)
                self.at = ""
        return self._application(environ, start_response)


class Refreshes:
    """Starts refreshes, each with a new cache folder.

    Args:
        folder: for caches and outputs.
        works: of the sample gallery.
    """

    def __init__(self, folder: Path, works: int) -> None:
        self._folder, self._works, self._started = folder, works, 0

    def start(self, lake: str) -> "subprocess.Popen[str]":
        self._started += 1
        cache = self._folder / f"machine{self._started}"
        environment = {**os.environ, **SMALL, "ARTPIPE_LAKE": lake, "ARTPIPE_CACHE": str(cache)}
        environment["ARTPIPE_SAMPLE_ARTWORKS"] = str(self._works)
        command = [sys.executable, "-m", "artpipe.cli", "refresh", "--json"]
        output, errors = (self._folder / f"{self._started}.{name}" for name in ("json", "log"))
        with output.open("w") as out, errors.open("w") as err:
            process = subprocess.Popen(command, env=environment, stdout=out, stderr=err, text=True)
        process.said = lambda: (output.read_text(), errors.read_text())  # type: ignore[attr-defined]
        return process


def report(process: "subprocess.Popen[str]") -> dict[str, Any]:
    """What a refresh that must succeed reports."""
    code, (out, err) = process.wait(), process.said()  # type: ignore[attr-defined]
    assert code == 0, err[-2000:]
    return json.loads(out)


def content(lake: str) -> dict[str, Any]:
    """The data version of every asset, the rows of every table and the models."""
    import lance
    from upath import UPath

    root = UPath(lake)
    found: dict[str, Any] = {
        file.stem: json.loads(file.read_bytes())["data_version"] for file in root.joinpath("lineage").glob("*.json")
    }
    for table in TABLES:
        ids = lance.dataset(f"{lake}/lance/{table}.lance").to_table(columns=["artwork_id"])["artwork_id"].to_pylist()
        assert len(set(ids)) == len(ids), f"{table} has rows twice"
        found[f"rows of {table}"] = sorted(ids)
    found["models"] = sorted(card.parent.name for card in root.joinpath("models").glob("*/model.json"))
    return found


def different(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """What two lakes hold otherwise."""
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


def two_at_once(refreshes: Refreshes, lake: str) -> dict[str, Any]:
    """Two refreshes from two machines; what they did."""
    processes = [refreshes.start(lake) for _ in range(2)]
    reports = [report(process) for process in processes]
    first, second = sorted(range(2), key=lambda place: len(reports[place]["reused"]))
    said: str = processes[second].said()[1]  # type: ignore[attr-defined]
    assert f"is under way (process {processes[first].pid} on " in said, said
    assert "waiting for it to end" in said
    again = set(reports[second]["ran"]) - set(reports[second]["reused"])
    assert not again, f"made twice: {again}"
    assert not any(reports[second]["work"].values()), reports[second]["work"]
    return {"ran": [len(each["ran"]) for each in reports], "reused": [len(each["reused"]) for each in reports]}


def killed_everywhere(refreshes: Refreshes, lake: str, store: KillsWriters) -> dict[str, Any]:
    """Refreshes that die one after another, each at another write, and one that ends."""
    fetched = 0
    for place in KILLS:
        store.at = place
        store.victim = refreshes.start(lake)
        assert store.victim.wait() == -signal.SIGKILL, f"it did not write {place}"
    last = report(refreshes.start(lake))
    fetched += int(last["work"].get("images_fetched", 0))
    assert not report(refreshes.start(lake))["work"].get("images_fetched"), "what was fetched is asked for again"
    return {"kills": len(KILLS), "fetched by the last": fetched}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--works", type=int, default=60)
    parser.add_argument("--out", type=Path, help="keep caches and outputs here")
    arguments = parser.parse_args()
    store: list[KillsWriters] = []
    url = serve(lambda application: store.append(KillsWriters(application)) or store[0])[0]
    os.environ.update(KEYS, AWS_ENDPOINT_URL=url)
    import fsspec

    fsspec.filesystem("s3").mkdir("bench")
    with tempfile.TemporaryDirectory() as temporary:
        refreshes = Refreshes(arguments.out or Path(temporary), arguments.works)
        expected: dict[str, Any] = {}

        def undisturbed(lake: str) -> dict[str, Any]:
            return {"ran": len(report(refreshes.start(lake))["ran"])}

        scenarios: Iterator[tuple[str, Callable[[str], dict[str, Any]]]] = iter(
            [
                ("undisturbed", undisturbed),
                ("two at once", lambda lake: two_at_once(refreshes, lake)),
                ("killed", lambda lake: killed_everywhere(refreshes, lake, store[0])),
            ]
        )
        for name, play in scenarios:
            lake = f"s3://bench/{name.replace(' ', '-')}"
            began = time.monotonic()
            row = {"scenario": name, **play(lake), "seconds": round(time.monotonic() - began)}
            found = content(lake)
            expected = expected or found
            row["different"] = different(expected, found)
            print(json.dumps(row), flush=True)
            assert not row["different"]


if __name__ == "__main__":
    main()
