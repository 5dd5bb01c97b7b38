"""`dagster dev` left to itself: a collection that builds itself, then follows corrections and a new painting.

A small drawn gallery is served on loopback, the re-scrape schedule ticks every minute, and nobody presses anything.
What ran after each change is compared with what should have; the last line is JSON, and the exit code is 1 where
anything else ran. Takes about ten minutes, since Dagster starts a process for each run.

    python artpipe_tests/benchmarks/dev_automation.py
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

import dagster as dg

from artpipe.definitions import build_definitions
from artpipe.orchestration.staleness import asset_statuses
from artpipe.sample_gallery.plan import plan_gallery
from artpipe.sample_gallery.server import serve
from artpipe.sample_gallery.site import CATALOG_FILE, HEADER, catalog_text, image_path, write_sample_site, zipped
from artpipe.settings import Settings

ARTWORKS = 80
QUIET_S = 45
"""Nothing but re-scrapes for this long, and everything fresh: the change has travelled."""
RESCRAPED = {"raw_catalog", "raw_artists", "images"}
"""What runs at every tick of the schedule, changed or not: the roots, and what asks the gallery itself."""
CATALOG = {"catalog_changes", "artworks", "quarantine"}


@dataclass
class Phase:
    """What is done to the gallery, and what should run after it, besides the re-scrapes."""

    name: str
    expected: set[str]
    change: Callable[[], None] = lambda: None
    timeout_s: float = 1800


@dataclass(frozen=True)
class Run:
    """One Dagster run."""

    run_id: str
    status: str
    started_by: str
    made: tuple[str, ...]
    seconds: float


class Dev:
    """A `dagster dev` over a lake of its own, with a persistent DAGSTER_HOME."""

    def __init__(self, folder: Path, gallery_url: str) -> None:
        self.settings = Settings(gallery=gallery_url, lake=str(folder / "lake"))
        self.home = folder / "dagster_home"
        self.home.mkdir()
        sample = resources.files("artpipe.orchestration") / "dagster.yaml"
        (self.home / "dagster.yaml").write_bytes(sample.read_bytes())
        self.log = folder / "dagster_dev.log"
        self._environment = {
            **os.environ,
            "DAGSTER_HOME": str(self.home),
            "ARTPIPE_GALLERY": gallery_url,
            "ARTPIPE_LAKE": str(folder / "lake"),
            "ARTPIPE_TRAIN_IMAGE_PX": "32",
            "ARTPIPE_EPOCHS": "1",
            "ARTPIPE_BACKBONE_WEIGHTS": "none",
            "ARTPIPE_AUTOMATE": "true",
            "ARTPIPE_RESCRAPE_CRON": "* * * * *",
            "ARTPIPE_REVALIDATE_AFTER_DAYS": "7",
        }
        os.environ |= {name: value for name, value in self._environment.items() if name.startswith("ARTPIPE_")}
        self.graph = build_definitions(Settings()).resolve_asset_graph()
        self.port = _free_port()

    def __enter__(self) -> "Dev":
        # Before `dagster dev`: of two processes that set up a new home at once, one fails.
        self.instance = dg.DagsterInstance.from_config(str(self.home))
        self.instance.get_runs(limit=1)
        self.instance.all_asset_keys()
        dagster = Path(sys.executable).with_name("dagster")
        command = [dagster, "dev", "-m", "artpipe.definitions", "-p", str(self.port)]
        self._process = subprocess.Popen(
            command, env=self._environment, stdout=self.log.open("w"), stderr=subprocess.STDOUT, start_new_session=True
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
        self.instance.dispose()

    def runs_since(self, after: float) -> list[Run]:
        """The runs created since then, oldest first."""
        records = self.instance.get_run_records(dg.RunsFilter(created_after=_datetime(after)), ascending=True)
        return [self._run(record) for record in records]

    def _run(self, record: dg.RunRecord) -> Run:
        run, made = record.dagster_run, dg.DagsterEventType.ASSET_MATERIALIZATION
        found = self.instance.get_records_for_run(run.run_id, of_type=made).records
        by = run.tags.get("dagster/schedule_name") or run.tags.get("dagster/sensor_name") or "?"
        seconds = (record.end_time or time.time()) - (record.start_time or record.end_time or time.time())
        names = dict.fromkeys(one.asset_key.to_user_string() for one in found if one.asset_key)
        return Run(run.run_id, run.status.value, by, tuple(names), seconds)

    def is_settled(self, after: float) -> bool:
        """Whether everything is fresh, and the gallery was checked since then."""
        statuses = asset_statuses(self.graph, self.instance, self.settings).values()
        checked_at = [status.made_at for status in statuses if status.is_root]
        is_checked = all(made_at is not None and made_at.timestamp() > after for made_at in checked_at)
        return is_checked and all(status.status == "fresh" and not status.unmet_checks for status in statuses)

    def set_type(self, artwork_id: str, type_: str) -> None:
        """Correct the type of a work as a person does, while the daemon runs."""
        artpipe = Path(sys.executable).with_name("artpipe")
        subprocess.run([artpipe, "labels", "set", artwork_id, "type", type_], env=self._environment, check=True)

    def check(self) -> None:
        """End where `dagster dev` did."""
        if self._process.poll() is not None:
            raise SystemExit(f"dagster dev ended:\n{self.log.read_text()[-3000:]}")


def follow(dev: Dev, phase: Phase) -> dict[str, object]:
    """Make a change, wait until it has travelled, and return what ran."""
    began = time.time()
    phase.change()
    print(f"\n== {phase.name}", flush=True)
    printed: set[str] = set()
    settled_at: float | None = None
    last_work = began
    while settled_at is None or time.time() - max(settled_at, last_work) < QUIET_S:
        time.sleep(2)
        dev.check()
        if time.time() - began > phase.timeout_s:
            print(f"   not settled after {phase.timeout_s:.0f} s; see {dev.log}", flush=True)
            break
        for run in dev.runs_since(began):
            if run.run_id in printed or run.status not in ("SUCCESS", "FAILURE", "CANCELED"):
                continue
            printed.add(run.run_id)
            names = ", ".join(run.made) or "nothing"
            print(
                f"   {time.time() - began:5.0f} s  {run.started_by:16} {run.status:8} {run.seconds:4.0f} s  {names}",
                flush=True,
            )
            last_work = time.time() if set(run.made) - RESCRAPED else last_work
        is_settled = dev.is_settled(began)
        settled_at = (settled_at or time.time()) if is_settled else None
    return _verdict(phase, dev.runs_since(began), (settled_at or time.time()) - began)


def _verdict(phase: Phase, runs: Sequence[Run], seconds: float) -> dict[str, object]:
    made = [name for run in runs for name in run.made]
    ran = {name for name in made if name not in RESCRAPED or name in phase.expected}
    twice = sorted(name for name in ran - RESCRAPED if made.count(name) > 1)
    missed, extra = phase.expected - ran, ran - phase.expected
    failed = [run.run_id for run in runs if run.status != "SUCCESS" and run.status not in ("STARTED", "QUEUED")]
    is_right = not (missed or extra or twice or failed)
    print(f"   {'right' if is_right else 'WRONG'}: ran {sorted(ran)}, settled after {seconds:.0f} s", flush=True)
    for problem, names in (
        ("did not run", missed),
        ("ran for nothing", extra),
        ("ran twice", twice),
        ("failed", failed),
    ):
        if names:
            print(f"   {problem}: {sorted(names)}", flush=True)
    return {
        "phase": phase.name,
        "right": is_right,
        "ran": sorted(ran),
        "settled_s": round(seconds, 1),
        "runs": len(runs),
    }


def main() -> int:
    """Build, correct, add; 0 where exactly what should ran."""
    folder = Path(tempfile.mkdtemp(prefix="artpipe-dev-"))
    gallery = plan_gallery(0, ARTWORKS)
    site = write_sample_site(folder / "site", artworks=ARTWORKS)
    catalog = site / CATALOG_FILE
    stored = sorted(work.artwork_id for work in gallery.paintings if image_path(site, work).exists())
    text = catalog_text(gallery)
    rows = [line for line in text.split("\r\n") if f"/html/{stored[-1]}.html" in line]
    assert rows, "the last painting has a row"
    new_row = rows[0]

    def publish(text: str) -> None:
        catalog.write_bytes(zipped(text.encode("cp1252")))

    # The painting that is added later is not listed at first; its image is there all along.
    before = text.replace(new_row + "\r\n", "")
    publish(before)
    title = next(line.split("\t")[2] for line in before.split("\r\n") if f"/html/{stored[0]}.html" in line)
    corrected = before.replace(f"\t{title}\t", f"\t{title} (corrected)\t", 1)

    def type_of(artwork_id: str) -> str:
        row = next(line for line in before.split("\r\n") if f"/html/{artwork_id}.html" in line)
        return row.split("\t")[HEADER.index("TYPE")]

    with serve(site) as url, Dev(folder, url) as dev:
        every = {key.to_user_string() for key in dev.graph.materializable_asset_keys}
        print(f"dagster dev at http://127.0.0.1:{dev.port}, gallery at {url}, all in {folder}", flush=True)
        phases = [
            Phase("the collection builds itself", every),
            Phase("nothing changes", {"raw_catalog", "raw_artists"}),
            Phase(
                "a title is corrected",
                {
                    "raw_catalog",
                    "raw_artists",
                    *CATALOG,
                    "wanted_images",
                    "splits",
                    "embeddings",
                    "vectors",
                    "text_index",
                },
                change=lambda: publish(corrected),
            ),
            Phase(
                "a person corrects a label",
                {
                    "splits",
                    "training_set",
                    "evaluation_report",
                    "novelty_scale",
                    "suspect_labels",
                    "embeddings",
                    "vectors",
                    "text_index",
                },
                change=lambda: dev.set_type(stored[1], "genre" if type_of(stored[1]) != "genre" else "portrait"),
            ),
            Phase(
                "a painting is added",
                every - {"artists", "classifier", "served_model"},
                change=lambda: publish(corrected.replace("\r\n", f"\r\n{new_row}\r\n", 1)),
            ),
        ]
        verdicts = [follow(dev, phase) for phase in phases]
    is_right = all(verdict["right"] for verdict in verdicts)
    print(json.dumps({"benchmark": "dev_automation", "right": is_right, "phases": verdicts}))
    if is_right:
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if is_right else 1


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _datetime(timestamp: float) -> datetime:
    return datetime.fromtimestamp(timestamp, UTC)


if __name__ == "__main__":
    sys.exit(main())
