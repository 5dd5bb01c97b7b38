"""The format of a lake: a newer one is refused in words by every command, an older one is brought up to date."""

import json

import dagster as dg
import pytest

from artpipe.cli.terminal import settings_in_force
from artpipe.lake.format import FORMAT, FORMAT_FILE
from artpipe.orchestration.declaration import DECLARED
from artpipe.orchestration.instance import open_instance
from artpipe.orchestration.lineage import Lineage
from artpipe.search import Collection
from artpipe.tasks import WGA_TASKS, read_tasks_file
from artpipe_tests.faults.conftest import Owner

COMMANDS = (
    "demo", "refresh", "refresh --dry-run", "status", "images", "search a", "predict a.jpg", "serve",
    "export-site site", "info", "gallery serve", "models", "models promote a", "models rollback", "labels list",
    "labels suspects", "labels set a style Baroque", "labels join a b",
)  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_a_newer_lake_is_refused_by_every_command(owner: Owner, command: str):
    (owner.root / FORMAT_FILE).write_text(json.dumps({"format": FORMAT + 1}))
    before = sorted(owner.root.rglob("*"))
    refused = owner.run(*command.split())
    assert refused.exit_code == 2
    assert f"has format {FORMAT + 1}, and artpipe" in refused.stderr
    assert "a newer artpipe made it" in refused.stderr
    assert sorted(owner.root.rglob("*")) == before


def report_without_tasks(instance: dg.DagsterInstance) -> None:
    """Report every materialisation again as an older release did, for which tasks were no input."""
    for asset, declared in DECLARED.items():
        event = instance.get_latest_materialization_event(dg.AssetKey(asset))
        if "tasks" in declared.upstream and event is not None and (made := event.asset_materialization) is not None:
            tags = {name: value for name, value in (made.tags or {}).items() if not name.endswith("/tasks")}
            instance.report_runless_asset_event(dg.AssetMaterialization(asset, metadata=made.metadata, tags=tags))


def test_an_older_lake_opens_and_a_refresh_names_the_files_of_its_records(owner: Owner):
    (owner.root / FORMAT_FILE).unlink()
    for file in (owner.root / "lineage").glob("*.json"):
        record = json.loads(file.read_bytes())
        del record["files"]
        record["origin"]["inputs"].pop("tasks", None)
        file.write_text(json.dumps(record))
    for file in (owner.lake.lineage("tasks"), owner.lake.tasks, owner.lake.frozen_tasks):
        file.unlink()
    with open_instance(settings_in_force()) as instance:
        report_without_tasks(instance)
    assert len(Collection.open(owner.root)) > 0
    assert owner.not_fresh() == {}
    assert owner.json("refresh")["ran"] == ["raw_artists", "raw_catalog"]
    assert json.loads((owner.root / FORMAT_FILE).read_bytes()) == {"format": FORMAT}
    record = Lineage(owner.lake).read("artworks")
    assert record is not None
    assert set(record.files) == {"tables/artworks.parquet"}
    assert read_tasks_file(owner.lake.tasks) == WGA_TASKS


@pytest.mark.parametrize("content", ["", "{", '{"format": "new"}', "[]"])
def test_a_torn_name_of_the_format_stops_nobody(owner: Owner, content: str):
    (owner.root / FORMAT_FILE).write_text(content)
    assert owner.not_fresh() == {}
