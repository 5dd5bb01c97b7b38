"""`dagster dev` and commands of artpipe as processes beside each other, on one lake and one Dagster home."""

import shutil
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from artpipe.orchestration.instance import REFRESH_TAG
from artpipe.orchestration.metadata import REUSED
from artpipe.sample_gallery.server import serving
from artpipe_tests.fixtures.dagster_dev import DagsterDev
from artpipe_tests.orchestration.conftest import ChangingGallery, Upkeep

FURTHER_TICKS = 2
"""The automation has to request nothing at so many ticks in a row; the ticks of later edits are further ones."""


@pytest.fixture(scope="module")
def dev(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DagsterDev]:
    """`dagster dev`, with the automation on, over a copy of the collection."""
    folder = tmp_path_factory.mktemp("dev")
    for name in ("site", "lake"):
        shutil.copytree(built / name, folder / name)
    with serving(folder / "site") as server:
        settings = Upkeep(folder / "lake", ChangingGallery(server)).settings()
        dev = DagsterDev(folder, **settings.model_dump(include=settings.model_fields_set - {"lake"}))
        # Dagster looks for due sensors every five seconds.
        dev.edit_code("orchestration/automation.py", "FOLLOW_INTERVAL_S = 10", "FOLLOW_INTERVAL_S = 5")
        with dev:
            dev.wait("the code location", dev.serves)
            yield dev


def made_since(dev: DagsterDev, since: float) -> Counter[str]:
    """How often each asset was made since then, not counting where it was only reported again."""
    made: Counter[str] = Counter()
    for record in dev.runs():
        if record.create_timestamp.timestamp() < since:
            continue
        run_id, kind = record.dagster_run.run_id, dg.DagsterEventType.ASSET_MATERIALIZATION
        for event in dev.instance.get_records_for_run(run_id, of_type=kind).records:
            materialization = event.asset_materialization
            if materialization is not None and not materialization.metadata[REUSED].value:
                made[materialization.asset_key.to_user_string()] += 1
    return made


def requested_since(dev: DagsterDev, since: float) -> Counter[str]:
    """How often the automation requested each asset since then."""
    runs = [one.dagster_run for one in dev.runs() if one.create_timestamp.timestamp() >= since]
    requests = [run.asset_selection or () for run in runs if "dagster/sensor_name" in run.tags]
    return Counter(key.to_user_string() for selection in requests for key in selection)


def rest(dev: DagsterDev, *, ticks: int = FURTHER_TICKS) -> None:
    """Wait until the automation finds nothing to do at several ticks; nothing is held back either."""
    dev.settle(time.time(), ticks=ticks)
    assert {tick.skip_reason for tick in dev.ticks()[:ticks]} == {"everything is fresh"}


def two_pictures_of_one_work(dev: DagsterDev) -> list[str]:
    """Pictures whose joining changes the file of joined works, and nothing in the splits."""
    import polars as pl

    splits = pl.read_parquet(dev.lake / "tables" / "splits.parquet").sort("work_id", "artwork_id")
    return splits.filter(pl.col("work_id").is_duplicated())["artwork_id"].head(2).to_list()


def test_the_automation_follows_each_edit_once_whoever_made_it_and_then_rests(dev: DagsterDev):
    began = time.time()
    rest(dev, ticks=1)
    assert made_since(dev, began) == {}, "the lake was fresh"

    left, right = two_pictures_of_one_work(dev)
    dev.artpipe("labels", "join", left, right)
    dev.artpipe("refresh", "--select", "splits")
    rest(dev)
    assert made_since(dev, began) == {"splits": 1}, "an edit, and a refresh beside the automation"
    assert requested_since(dev, began)["splits"] <= 1

    began = time.time()
    dev.artpipe("refresh", "--select", "search_index", search_recall=0.9)
    rest(dev)
    assert made_since(dev, began) == {"search_index": 1}, "a refresh by a process with other settings"
    assert requested_since(dev, began) == {}

    began = time.time()
    dev.edit_code("splits/assets.py", 'code_version="2"', 'code_version="3"')  # not loaded by the code server
    dev.artpipe("labels", "join", right, left)
    rest(dev, ticks=4)
    assert made_since(dev, began) == {"splits": 1}, "an edit, and runs of newer code than the code server has"
    assert requested_since(dev, began) == {"splits": 1}


def reexecute(dev: DagsterDev, **parameters: Any) -> str:
    """Press "Re-execute" on a run's page; the id of the new run."""
    query = """mutation Again($again: ReexecutionParams, $selected: ExecutionParams) {
        launchRunReexecution(reexecutionParams: $again, executionParams: $selected) {
            __typename
            ... on LaunchRunSuccess { run { runId } }
            ... on PythonError { message }
            ... on RunConfigValidationInvalid { errors { message } }
        }
    }"""
    answer = dev.graphql(query, **parameters)
    assert answer["__typename"] == "LaunchRunSuccess", answer
    return answer["run"]["runId"]


def test_a_run_of_a_refresh_is_executed_again_by_a_click(dev: DagsterDev):
    dev.artpipe("refresh", "--select", "text_index,search_index", "--force")
    dev.artpipe("refresh", "--select", "raw_artists", fails=True, gallery="http://127.0.0.1:9")
    good, failed = [one.dagster_run for one in dev.runs() if REFRESH_TAG in one.dagster_run.tags][-2:]
    assert {key.to_user_string() for key in good.asset_selection or ()} == {"text_index", "search_index"}
    assert failed.status is dg.DagsterRunStatus.FAILURE
    selector = {
        "pipelineName": good.job_name,
        "repositoryName": "__repository__",
        "repositoryLocationName": "artpipe",
        "assetSelection": [{"path": list(key.path)} for key in good.asset_selection or ()],
    }
    metadata = {"parentRunId": good.run_id, "rootRunId": good.run_id, "tags": []}
    again = {
        reexecute(dev, again={"parentRunId": good.run_id, "strategy": "ALL_STEPS"}): good,
        reexecute(dev, again={"parentRunId": failed.run_id, "strategy": "FROM_FAILURE"}): failed,
        reexecute(
            dev,
            selected={
                "selector": selector,
                "runConfigData": good.run_config,
                "mode": "default",
                "executionMetadata": metadata,
            },
        ): good,
    }
    dev.settle(time.time(), ticks=1)
    for run_id, parent in again.items():
        run = dev.instance.get_run_by_id(run_id)
        assert run is not None
        assert run.status is dg.DagsterRunStatus.SUCCESS
        assert (run.parent_run_id, run.asset_selection) == (parent.run_id, parent.asset_selection)
