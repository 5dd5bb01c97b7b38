"""How large a Dagster home gets in a year: a small gallery that changes every week, refreshed every week.

    python artpipe_tests/benchmarks/bench_home.py [--weeks 52] [--refreshed 2] [--works 60] [--folder FOLDER]

The home is made by a first refresh and by those of a few weeks: in each a work is added, a title is corrected, every
image is asked again, and `artpipe refresh` runs what that makes stale. In the weeks after, the runs of the last such
week are copied in the databases, event by event, under new ids. After each week all runs become a week older, and old
ones are deleted as a refresh does. In the end a real Dagster daemon runs for some minutes on that home, and its ticks
are multiplied to as many as `retention` in `dagster.yaml` keeps.

Prints the size of the home, by folder, after the first refresh and at every quarter; the last line is JSON. The exit
code is 1 where the home is larger than 100 MB.
"""

import argparse
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from artpipe.definitions import build_definitions
from artpipe.orchestration.instance import open_instance
from artpipe.orchestration.retention import delete_old_runs
from artpipe.orchestration.runner import RefreshOptions, refresh
from artpipe.sample_gallery.plan import plan_gallery
from artpipe.sample_gallery.server import serving
from artpipe.sample_gallery.site import catalog_text, write_sample_site
from artpipe.settings import Settings
from artpipe_tests.orchestration.conftest import ChangingGallery

LIMIT_MB = 100
WEEK = "-7 days"
TITLE = 2
"""Column of the catalogue."""
TICKS_A_DAY = {"follow_changes": 8640, "run_failed": 2880, "collection_is_stale": 288, "old_runs": 4}
DAEMON_S = 240


def sizes_mb(home: Path) -> dict[str, float]:
    """Megabytes by what they hold."""
    found = dict.fromkeys(("runs (a database each)", "index.db", "runs.db", "schedules.db", "logs of steps"), 0)
    for path in home.rglob("*"):
        if not path.is_file():
            continue
        folder = path.relative_to(home).parts[0]
        if folder == "storage":
            name = "logs of steps"
        elif folder == "schedules":
            name = "schedules.db"
        elif path.parent.name == "runs":
            name = "index.db" if path.name.startswith("index.db") else "runs (a database each)"
        else:
            name = "runs.db"
        found[name] += path.stat().st_size
    return {name: round(size / 1e6, 2) for name, size in found.items()}


def grow_older(home: Path) -> None:
    """Move every run a week into the past."""
    with closing(sqlite3.connect(home / "history" / "runs.db")) as database, database:
        columns = {row[1] for row in database.execute("PRAGMA table_info(runs)")}
        assert {"create_timestamp", "start_time"} <= columns, columns
        database.execute(
            "UPDATE runs SET create_timestamp = strftime('%Y-%m-%d %H:%M:%f', create_timestamp, ?),"
            " start_time = start_time - 604800, end_time = end_time - 604800",
            [WEEK],
        )


def copy_run(home: Path, old: str, new: str) -> None:
    """Copy a run with everything that Dagster's databases hold of it, under another id."""
    history = home / "history"
    shutil.copy(history / "runs" / f"{old}.db", history / "runs" / f"{new}.db")
    with closing(sqlite3.connect(history / "runs" / f"{new}.db")) as database, database:
        database.execute("UPDATE event_logs SET run_id = ?2, event = replace(event, ?1, ?2)", [old, new])
    with closing(sqlite3.connect(history / "runs.db")) as database, database:
        for table in ("runs", "run_tags"):
            copy_rows(database, table, "run_id = ?", [old], old, new)
        now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
        database.execute("UPDATE runs SET create_timestamp = ? WHERE run_id = ?", [now, new])
    with closing(sqlite3.connect(history / "runs" / "index.db")) as database, database:
        ids = copy_rows(database, "event_logs", "run_id = ?", [old], old, new)
        for before, after in ids.items():
            for tag in copy_rows(database, "asset_event_tags", "event_id = ?", [before], old, new).values():
                database.execute("UPDATE asset_event_tags SET event_id = ? WHERE id = ?", [after, tag])
        copy_rows(database, "asset_check_executions", "run_id = ?", [old], old, new)
        for before, after in ids.items():  # which materialisation a check evaluated
            database.execute(
                "UPDATE asset_check_executions SET evaluation_event ="
                " replace(evaluation_event, '\"storage_id\": ' || ?1 || ',', '\"storage_id\": ' || ?2 || ',')"
                " WHERE run_id = ?3",
                [before, after, new],
            )
        database.execute(
            "UPDATE asset_keys SET last_materialization = replace(last_materialization, ?1, ?2),"
            " last_run_id = replace(last_run_id, ?1, ?2)",
            [old, new],
        )


def copy_rows(
    database: sqlite3.Connection, table: str, where: str, values: list[Any], old: str, new: str
) -> dict[int, int]:
    """Insert rows once more, with another run's id in their texts; the new `id` by the old one."""
    found = database.execute(f"SELECT * FROM {table} WHERE {where} ORDER BY id", values)  # noqa: S608
    columns = [column[0] for column in found.description]
    ids: dict[int, int] = {}
    for row in found.fetchall():
        copied = [value.replace(old, new) if isinstance(value, str) else value for value in row]
        marks = ", ".join("?" * len(columns))
        inserted = database.execute(f"INSERT INTO {table} VALUES ({marks})", [None, *copied[1:]])  # noqa: S608
        ids[row[columns.index("id")]] = int(inserted.lastrowid or 0)
    return ids


def change(gallery: ChangingGallery, lines: list[str], listed: int, week: int) -> None:
    """Add a work, and correct the title of another one."""
    rows = [line.split("\t") for line in lines[: listed + week]]
    row = rows[week % listed]
    row[TITLE] = f"{row[TITLE]} ({week})"
    lines[week % listed] = "\t".join(row)
    gallery.publish(["\t".join(row) for row in rows])


def run_daemon(home: Path, settings: Mapping[str, Any], seconds: float) -> None:
    """Run a Dagster daemon, which ticks the sensors and the schedule."""
    variables = {f"ARTPIPE_{name.upper()}": str(value) for name, value in settings.items()}
    command = [Path(sys.executable).with_name("dagster-daemon"), "run", "-m", "artpipe.definitions"]
    log = home.parent / "daemon.log"
    with (
        log.open("w") as out,
        subprocess.Popen(
            command,
            env={**os.environ, **variables, "DAGSTER_HOME": str(home), "ARTPIPE_AUTOMATE": "true"},
            stdout=out,
            stderr=subprocess.STDOUT,
        ) as daemon,
    ):
        time.sleep(seconds)
        assert daemon.poll() is None, log.read_text()[-2000:]
        daemon.terminate()


def keep_ticks_of_a_year(home: Path) -> dict[str, int]:
    """Multiply the ticks of each sensor to as many as `retention` keeps; how many of each there are then."""
    days = yaml.safe_load((home / "dagster.yaml").read_text())["retention"]["sensor"]["purge_after_days"]["skipped"]
    kept: dict[str, int] = {}
    with closing(sqlite3.connect(home / "schedules" / "schedules.db")) as database, database:
        for sensor, a_day in TICKS_A_DAY.items():
            rows = database.execute(
                "SELECT id FROM job_ticks WHERE status = 'SKIPPED' AND tick_body LIKE ?", [f'%"{sensor}"%']
            ).fetchall()
            assert rows, f"the daemon did not tick {sensor}"
            kept[sensor] = days * a_day
            database.executemany(
                "INSERT INTO job_ticks (job_origin_id, selector_id, status, type, timestamp, tick_body)"
                " SELECT job_origin_id, selector_id, status, type, timestamp, tick_body FROM job_ticks WHERE id = ?",
                [rows[number % len(rows)] for number in range(kept[sensor] - len(rows))],
            )
    return kept


def main() -> int:
    """Refresh for a year; 0 where the home stays small."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weeks", type=int, default=52)
    parser.add_argument("--refreshed", type=int, default=2, help="weeks that are not copied")
    parser.add_argument("--works", type=int, default=60, help="of the first week")
    parser.add_argument("--folder", type=Path, default=None, help="where the lake stays; a temporary one by default")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        artworks, site = arguments.works + arguments.weeks, folder / "site"
        if not site.exists():
            write_sample_site(site, artworks=artworks)
        lines = catalog_text(plan_gallery(0, artworks)).split("\r\n")[1:-1]
        with serving(site) as server:
            settings = {
                "gallery": server.url, "lake": str(folder / "lake"), "concurrency": 8, "backbone": "test_efficientnet",
                "backbone_weights": "none", "train_image_px": 64, "image_short_side_px": 64, "epochs": 1,
                "embedding_dimensions": 32, "loader_workers": 0, "revalidate_after_days": 0,
            }  # fmt: skip
            used, home = Settings(**settings), folder / "lake" / "dagster"
            definitions = build_definitions(used)
            last: list[str] = []
            runs, sizes = 0, dict[int, dict[str, float]]()
            for week in range(arguments.weeks + 1):
                if week <= arguments.refreshed:
                    change(ChangingGallery(server), lines, len(lines) - arguments.weeks, week)
                    last = refresh(definitions, used, RefreshOptions(), Console(stderr=True)).runs
                else:
                    copies = {run: str(uuid.uuid4()) for run in last}
                    for old, new in copies.items():
                        copy_run(home, old, new)
                    last = list(copies.values())
                    with open_instance(used) as instance:
                        delete_old_runs(instance, definitions.resolve_asset_graph(), used.keep_runs_for)
                runs += len(last)
                found = sizes_mb(home)
                print(f"week {week}: {len(last)} runs, {sum(found.values()):.1f} MB", flush=True)
                if week % 13 == 0:
                    sizes[week] = found
                    print(f"   {found}", flush=True)
                grow_older(home)
            run_daemon(home, settings, DAEMON_S)
            ticks, with_ticks = keep_ticks_of_a_year(home), sizes_mb(home)
    total = sum(with_ticks.values())
    print(f"with the ticks that are kept: {with_ticks}")
    result = {"benchmark": "home", "weeks": arguments.weeks, "runs": runs, "sizes_mb": sizes, "ticks": ticks}
    print(json.dumps({**result, "with_ticks_mb": with_ticks, "total_mb": round(total, 1)}))
    return 0 if total < LIMIT_MB else 1


if __name__ == "__main__":
    sys.exit(main())
