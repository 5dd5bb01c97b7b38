"""The commands that report: `artpipe info` on a lake and its settings, `artpipe summarise` on several runs."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from artpipe import __version__
from artpipe.cli.terminal import AsJson, message_console, print_json, settings_in_force

if TYPE_CHECKING:
    from collections.abc import Callable

    from artpipe.lake.paths import DataLake
    from artpipe.settings import Settings

PARQUET_TABLES = ("artists", "artworks", "quarantine", "catalog_changes", "wanted_images", "splits", "training_set")


def info(as_json: AsJson = False) -> None:
    """Show the settings in force, the tables of the lake, the model, the index and the versions."""
    settings = settings_in_force()
    topics = _lake_facts(settings, settings.data_lake)
    if as_json:
        print_json(topics)
        return
    from rich.table import Table

    table = Table(show_header=False, box=None)
    for topic, facts in topics.items():
        if not isinstance(facts, dict):
            table.add_row(topic, "", _plain(facts))
            continue
        for number, (name, value) in enumerate(facts.items()):
            table.add_row(topic if number == 0 else "", name, _plain(value))
    message_console(stderr=False).print(table)


def summarise(
    reports: Annotated[list[Path], typer.Argument(help="The reports/evaluation/report.json of each run.")],
) -> None:
    """Mean and spread of every metric over several runs, such as those of several seeds, as a Markdown table."""
    from artpipe.evaluation.summary import read_reports
    from artpipe.evaluation.summary import summarise as as_one

    typer.echo(as_one(read_reports(reports)), nl=False)


def _lake_facts(settings: "Settings", lake: "DataLake") -> dict[str, Any]:
    from dataclasses import asdict

    from artpipe.lake.paths import EMBEDDINGS_TABLE, IMAGES_TABLE
    from artpipe.models.served import served_model_id
    from artpipe.orchestration.home import dagster_home
    from artpipe.search.index import read_card
    from artpipe.tasks import read_tasks

    card = read_card(lake)
    index = {name: value for name, value in asdict(card).items() if name != "trials"} if card else None
    return {
        "lake": str(lake.root),
        "exists": lake.root.exists(),
        "dagster_home": str(dagster_home(settings)),
        "rows": {
            **{name: _or_damage(lambda name=name: _parquet_rows(lake, name)) for name in PARQUET_TABLES},
            **{
                name: _or_damage(lambda name=name: _lance_rows(lake, name)) for name in (IMAGES_TABLE, EMBEDDINGS_TABLE)
            },
        },
        "tasks": _or_damage(lambda: {name: len(task.classes) for name, task in read_tasks(lake).items()}),
        "training": expected_training(settings) or None,
        "model": _or_damage(lambda: served_model_id(lake)),
        "index": index,
        "settings": json.loads(settings.model_dump_json()),
        "versions": _versions(),
    }


def expected_training(settings: "Settings") -> str:
    """How long training on the lake's pictures takes, and which recipe suits this machine; empty before there are any.

    Before the first training they are the wanted ones, a few more than are trained on.
    """
    from artpipe.training.duration import training_line

    lake = settings.data_lake
    rows = next((rows for name in ("training_set", "wanted_images") if (rows := _safe_rows(lake, name))), 0)
    return training_line(settings, rows, is_refitted=settings.refit) if rows else ""


def _safe_rows(lake: "DataLake", name: str) -> int:
    rows = _or_damage(lambda: _parquet_rows(lake, name))
    return rows if isinstance(rows, int) else 0


def _or_damage(fact: "Callable[[], object]") -> object:
    """A fact of the lake, or that the file with it is damaged."""
    from pyarrow import ArrowInvalid

    from artpipe.lake.paths import DamagedLakeError

    try:
        return fact()
    except (DamagedLakeError, ArrowInvalid, OSError):
        return "damaged; `artpipe refresh` makes it anew"


def _parquet_rows(lake: "DataLake", name: str) -> int | None:
    from pyarrow.parquet import ParquetFile

    try:
        with lake.table(name).open("rb") as file:
            return int(ParquetFile(file).metadata.num_rows)
    except FileNotFoundError:
        return None


def _lance_rows(lake: "DataLake", name: str) -> int | None:
    from artpipe.lake.lance_tables import open_lance

    dataset = open_lance(lake.lance_table(name))
    return None if dataset is None else int(dataset.count_rows())


def _versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {"artpipe": __version__, "python": sys.version.split()[0]}
    for name in ("dagster", "lancedb", "polars", "torch", "torchvision"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found


def _plain(value: object) -> str:
    from rich.markup import escape

    if value is None:
        return "-"
    return escape(f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value))
