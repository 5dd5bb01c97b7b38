"""`dagster dev` with the automation on, edited ten times and then left alone: every run is listed with its reason.

A small drawn gallery is served on loopback. The automation builds the collection from nothing, or finds it made with
`--prepared`, follows each edit, and is then left alone for `--minutes`, in which only the re-scrape schedule may start
runs. A run is explained where each
asset that it made had another code version or other inputs than the time before, was missing, or asks the source. The
exit code is 1 where a run is not explained, where an edit was not followed, or where something is not fresh in the end.
The last line is JSON. With 80 works and a machine to itself the edits take about fifteen minutes.

    python artpipe_tests/benchmarks/dev_automation.py --minutes 60 [--edits 1 4 9] [--prepared FOLDER]
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # artpipe_tests is not installed

from artpipe.lake.parquet import read_table
from artpipe.lake.paths import DataLake
from artpipe.models.served import read_pointer
from artpipe.orchestration.instance import REFRESH_TAG
from artpipe.orchestration.metadata import REUSED
from artpipe.orchestration.shaping import code_changes
from artpipe.sample_gallery.server import serving
from artpipe.sample_gallery.site import write_sample_site
from artpipe_tests.fixtures.dagster_dev import DagsterDev, StuckError
from artpipe_tests.fixtures.small_training import SMALL_TRAINING
from artpipe_tests.orchestration.conftest import ChangingGallery

ROOTS = {"raw_catalog", "raw_artists"}
ASKS_SOURCE = {*ROOTS, "images"}
SMALL = {
    **SMALL_TRAINING,
    "same_painting": False,
    "revalidate_after_days": 0,
}
IDLE_TICKS = 3
"""So many ticks without a request, while nothing runs, end an edit."""
CODE, INPUT = "dagster/code_version", "dagster/input_data_version/"


@dataclass(frozen=True)
class Edit:
    """What a person does beside the automation.

    Attributes:
        name: of the edit.
        do: does it.
        made: assets that must be made after it, by whomever.
        repeats: whether assets may be made from what they were made from before, since the lake itself was changed.
    """

    name: str
    do: Callable[[], object]
    made: frozenset[str] = frozenset()
    repeats: bool = False


@dataclass
class Made:
    """One asset as a run materialised it: its reason is what differs from the time before."""

    asset: str
    reason: str
    is_reused: bool

    def __str__(self) -> str:
        return f"{self.asset}{' (reused)' if self.is_reused else ''}: {self.reason or 'NOTHING CHANGED'}"


@dataclass
class Run:
    """One run, and why it was."""

    run_id: str
    status: str
    started_by: str
    began_at: float
    follows: str
    made: list[Made]
    problems: list[str] = field(default_factory=list[str])

    def __str__(self) -> str:
        at = datetime.fromtimestamp(self.began_at, UTC).strftime("%H:%M:%S")
        head = f"{at} {self.run_id[:8]} {self.status:8} by {self.started_by:10} after: {self.follows}"
        return "\n".join(
            [head, *(f"    {one}" for one in self.made), *(f"    NOT EXPLAINED: {one}" for one in self.problems)]
        )


class Person:
    """Somebody who edits the collection, its source, its settings and its code while `dagster dev` runs."""

    def __init__(self, dev: DagsterDev, gallery: ChangingGallery) -> None:
        self.dev, self.gallery, self.lake = dev, gallery, DataLake(dev.lake)
        self.copy = dev.folder / "copy_of_lake"

    def works(self) -> list[dict[str, str]]:
        """Works that are trained on, in an order."""
        rows = read_table(self.lake, "splits").filter(split="train").sort("artwork_id")
        return rows.unique("work_id", keep="none", maintain_order=True).to_dicts()

    def ask_roots(self) -> None:
        """Refresh the roots at once, instead of waiting for the schedule."""
        self.dev.artpipe("refresh", "--select", "raw_catalog,raw_artists")

    def correct_title(self) -> None:
        self.gallery.edit(self.works()[0]["artwork_id"], lambda row: row | {"TITLE": "A Title nobody else Has"})
        self.ask_roots()

    def remove_work(self) -> None:
        self.gallery.edit(self.works()[1]["artwork_id"], lambda _: None)
        self.ask_roots()

    def add_work(self) -> None:
        self.gallery.add_like(self.works()[2]["artwork_id"])
        self.ask_roots()

    def correct_label(self) -> None:
        work = next(work for work in self.works() if work["type"] == "portrait")
        self.dev.artpipe("labels", "set", work["artwork_id"], "type", "genre")

    def join_works(self) -> None:
        left, right, *_ = (work["artwork_id"] for work in self.works()[5:])
        self.dev.artpipe("labels", "join", left, right)

    def change_setting(self) -> None:
        self.dev.set(seed=1)
        self.dev.artpipe("refresh")
        self.keep_copy()

    def change_code(self) -> None:
        self.dev.edit_code("splits/assets.py", 'code_version="2"', 'code_version="3"')
        self.dev.reload()

    def take_image_down(self) -> None:
        self.gallery.take_down(self.works()[8]["artwork_id"])
        self.dev.artpipe("refresh", "--select", "images")

    def keep_copy(self) -> None:
        shutil.rmtree(self.copy, ignore_errors=True)
        shutil.copytree(self.dev.lake, self.copy, ignore=shutil.ignore_patterns("dagster", "locks", "cache"))

    def restore_copy(self) -> None:
        for part in self.copy.iterdir():
            shutil.rmtree(self.dev.lake / part.name)
            shutil.copytree(part, self.dev.lake / part.name)

    def promote_other_model(self) -> None:
        served = read_pointer(self.lake).model_id
        other = next(path.name for path in self.lake.models.iterdir() if path.is_dir() and path.name != served)
        self.dev.artpipe("models", "promote", other)

    def edits(self) -> list[Edit]:
        """The ten edits, in order."""
        searched = frozenset({"embeddings", "text_index"})
        return [
            Edit("1 a title is corrected at the source", self.correct_title, searched | {"artworks"}),
            Edit("2 a work leaves the catalogue", self.remove_work, searched | {"images", "splits", "art_map"}),
            Edit("3 a new work is in the catalogue", self.add_work, searched | {"images", "splits", "art_map"}),
            Edit("4 a label is corrected", self.correct_label, searched | {"splits"}),
            Edit("5 two pictures are joined as one work", self.join_works, frozenset({"splits"})),
            Edit(
                "6 a setting in .env, and a refresh beside", self.change_setting, searched | {"classifier", "vectors"}
            ),
            Edit("7 a code version, and the code location reloaded", self.change_code, frozenset({"splits"})),
            Edit("8 an image is gone at the source", self.take_image_down, searched | {"images", "splits"}),
            Edit("9 the lake is restored from an earlier copy", self.restore_copy, repeats=True),
            Edit("10 another model is promoted", self.promote_other_model, searched | {"served_model", "vectors"}),
        ]


class Journal:
    """Every run, in the order in which they were created, with what it followed."""

    def __init__(self, dev: DagsterDev) -> None:
        self.dev = dev
        self.runs: list[Run] = []
        self._read: set[str] = set()
        self._last: dict[str, tuple[str, dict[str, str]]] = {}

    def read(self, edit: Edit, *, is_quiet: bool = False) -> list[Run]:
        """The runs that ended since the last reading; each followed `edit`, or in quiet time the schedule."""
        records = [one for one in self.dev.runs() if one.dagster_run.run_id not in self._read]
        self._read |= {one.dagster_run.run_id for one in records}
        found = [self._run(record, edit, is_quiet=is_quiet) for record in records]
        self.runs += found
        return found

    def _run(self, record: dg.RunRecord, edit: Edit, *, is_quiet: bool) -> Run:
        tags = record.dagster_run.tags
        by = "command" if REFRESH_TAG in tags else "schedule" if "dagster/schedule_name" in tags else "command"
        by = "automation" if "dagster/sensor_name" in tags else by
        run = Run(
            run_id=record.dagster_run.run_id,
            status=record.dagster_run.status.value,
            started_by=by,
            began_at=record.create_timestamp.timestamp(),
            follows="the schedule" if by == "schedule" else edit.name,
            made=self._made(record.dagster_run.run_id, edit),
        )
        if run.status != "SUCCESS":
            run.problems.append(f"it ended as {run.status}")
        if not run.made:
            run.problems.append("it made nothing")
        run.problems += [f"{one.asset} was made from the same as before" for one in run.made if not one.reason]
        if is_quiet and by == "automation" and {one.asset for one in run.made} != {"images"}:
            run.problems.append("nobody edited anything, and the automation ran more than what asks the source")
        if is_quiet and by == "command":
            run.problems.append("nobody gave a command")
        return run

    def _made(self, run_id: str, edit: Edit) -> list[Made]:
        records = self.dev.instance.get_records_for_run(
            run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION
        ).records
        made: list[Made] = []
        for record in records:
            materialization = record.asset_materialization
            if materialization is None:
                continue
            asset, tags = materialization.asset_key.to_user_string(), materialization.tags or {}
            code = tags.get(CODE, "")
            inputs = {name.removeprefix(INPUT): version for name, version in tags.items() if name.startswith(INPUT)}
            reused = materialization.metadata.get(REUSED)
            made.append(Made(asset, self._reason(asset, code, inputs, edit), bool(reused and reused.value)))
            self._last[asset] = (code, inputs)
        return made

    def _reason(self, asset: str, code: str, inputs: dict[str, str], edit: Edit) -> str:
        if asset not in self._last:
            return "it was missing"
        code_then, inputs_then = self._last[asset]
        reasons = code_changes(code_then, code) if code_then != code else []
        reasons += [f"`{name}` changed" for name in inputs if inputs_then.get(name) != inputs[name]]
        if not reasons and asset in ASKS_SOURCE:
            reasons = ["it asks the source"]
        if not reasons and edit.repeats:
            reasons = ["the lake held another version than Dagster"]
        if not reasons and asset == "served_model":
            reasons = ["a person's choice"] if "promoted" in edit.name else []
        return ", ".join(reasons)


def follow(dev: DagsterDev, journal: Journal, edit: Edit) -> dict[str, object]:
    """Make an edit, wait until the automation has followed it, and tell what came of it."""
    began = time.time()
    print(f"\n== {edit.name}", flush=True)
    edit.do()
    problem = ""
    try:
        dev.settle(time.time(), ticks=IDLE_TICKS)
    except StuckError as error:
        problem = str(error)
    runs = journal.read(edit)
    for run in runs:
        print(run, flush=True)
    missed = sorted(edit.made - {one.asset for run in runs for one in run.made if not one.is_reused})
    stale = sorted(dev.not_fresh())
    problem = problem or (f"not made: {missed}" if missed else "") or (f"not fresh: {stale}" if stale else "")
    print(
        f"   {'right' if not problem else 'WRONG: ' + problem}; {len(runs)} runs, {time.time() - began:.0f} s",
        flush=True,
    )
    return {"edit": edit.name, "runs": len(runs), "seconds": round(time.time() - began), "problem": problem}


def leave_alone(dev: DagsterDev, journal: Journal, minutes: float) -> None:
    """Do nothing, and print what runs all the same."""
    print(f"\n== left alone for {minutes:g} min", flush=True)
    until, quiet = time.time() + minutes * 60, Edit("a re-scrape of the schedule", lambda: None)
    while time.time() < until:
        time.sleep(min(20.0, max(0.0, until - time.time())))
        if all(one.dagster_run.is_finished for one in dev.runs()):
            for run in journal.read(quiet, is_quiet=True):
                print(run, flush=True)
    dev.settle(time.time(), ticks=IDLE_TICKS)
    for run in journal.read(quiet, is_quiet=True):
        print(run, flush=True)


def main() -> int:
    """Build, edit ten times, leave alone; 0 where every run is explained and every edit was followed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0, help="how long it is left alone after the edits")
    parser.add_argument("--artworks", type=int, default=80, help="works in the drawn gallery")
    parser.add_argument("--rescrape-cron", default="*/10 * * * *", help="when the schedule asks the roots")
    parser.add_argument("--edits", type=int, nargs="*", default=list(range(1, 11)), help="which of the ten edits")
    parser.add_argument("--prepared", type=Path, help="a folder with `site/`, and `lake/` made from it; it is copied")
    parser.add_argument("--folder", type=Path, help="an empty folder for everything; it is kept")
    arguments = parser.parse_args()
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="artpipe-dev-"))
    folder.mkdir(parents=True, exist_ok=True)
    if arguments.prepared:
        for part in ("site", "lake"):
            shutil.copytree(arguments.prepared / part, folder / part)
    else:
        write_sample_site(folder / "site", artworks=arguments.artworks)
    with serving(folder / "site") as server:
        dev = DagsterDev(folder, gallery=server.url, rescrape_cron=arguments.rescrape_cron, **SMALL)
        journal, person = Journal(dev), Person(dev, ChangingGallery(server))
        with dev:
            print(f"dagster dev at http://127.0.0.1:{dev.port}, all in {folder}", flush=True)
            dev.wait("the code location", dev.serves)
            first = Edit("0 an empty lake", lambda: dev.wait("the first run", dev.runs), frozenset({*ROOTS, "art_map"}))
            if arguments.prepared:
                first = Edit("0 nothing", lambda: None)
                journal.read(first)
                journal.runs.clear()
            verdicts = [follow(dev, journal, first)]
            person.keep_copy()
            edits = [edit for edit in person.edits() if int(edit.name.split()[0]) in arguments.edits]
            verdicts += [follow(dev, journal, edit) for edit in edits]
            leave_alone(dev, journal, arguments.minutes)
            stale = sorted(dev.not_fresh())
    unexplained = [run.run_id for run in journal.runs if run.problems]
    is_right = not unexplained and not stale and not any(verdict["problem"] for verdict in verdicts)
    outcome = {"benchmark": "dev_automation", "right": is_right, "runs": len(journal.runs), "unexplained": unexplained}
    print(json.dumps({**outcome, "not_fresh": stale, "edits": verdicts}))
    if is_right and arguments.folder is None:
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if is_right else 1


if __name__ == "__main__":
    sys.exit(main())
