"""Training, choosing, promoting and rolling back through a real Dagster instance, on a few drawn pictures."""

import hashlib
import io
import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from artpipe.cli.main import app
from artpipe.definitions import build_definitions
from artpipe.images.store import ImageStore
from artpipe.lake.parquet import write_table
from artpipe.lake.paths import DataLake
from artpipe.models.card import load_card
from artpipe.models.checkpoint import load_model, save_model
from artpipe.models.registry import saved_models
from artpipe.models.served import Refit, read_pointer, served_model_id, write_refit
from artpipe.orchestration.dagster_private import AssetCheckEvaluationTargetMaterializationData
from artpipe.orchestration.home import dagster_home
from artpipe.orchestration.lineage import Lineage, Origin, Record
from artpipe.orchestration.metadata import DATA_VERSION_TAG
from artpipe.schema import splits_schema
from artpipe.serving.promotion import promote
from artpipe.settings import Settings
from artpipe.tasks import WGA_TASKS
from artpipe_tests.orchestration.quiet_home import write_quiet_home

SPLITS = splits_schema(WGA_TASKS)

QUICK = {
    "backbone": "test_efficientnet", "backbone_weights": "none", "train_image_px": 32, "epochs": 1, "batch_size": 16,
    "device": "cpu", "loader_workers": 0,
}  # fmt: skip
COLOURS = {"portrait": (200, 60, 40), "landscape": (40, 160, 80)}


def draw_lake(folder: Path, works: int = 48) -> DataLake:
    """A lake whose images and training set are there: half of the works to train on, the rest held out."""
    lake = DataLake(folder)
    rows, images = [], []
    for number in range(works):
        kind = list(COLOURS)[number % 2]
        noise = np.random.default_rng(number).normal(0, 25, (40, 40, 3))
        out = io.BytesIO()
        Image.fromarray(np.clip(np.array(COLOURS[kind]) + noise, 0, 255).astype(np.uint8)).save(out, "JPEG")
        name, sha256 = f"d/drawn/{number:03d}", hashlib.sha256(out.getvalue()).hexdigest()
        split = ("train", "train", "validation", "test", "test")[number // 2 % 5]
        rows.append((name, name, "d/drawn", split, "Baroque", None, kind, sha256))
        images.append(
            {
                "artwork_id": name, "status": "fetched", "attempts": 1, "jpeg": out.getvalue(),
                "jpeg_sha256": sha256, "fetched_at": datetime(2026, 1, 1, tzinfo=UTC),
            }
        )  # fmt: skip
    ImageStore(lake).upsert(images)
    write_table(lake.table("training_set"), pl.DataFrame(rows, schema=SPLITS, orient="row"))
    for asset in ("training_set", "tasks"):
        Lineage(lake).write(asset, Record("v1", Origin("1", {}), 0.0, "2026-01-01T00:00:00+00:00"))
    return lake


def pass_check_of_tasks(lake: DataLake) -> None:
    """Record that the check of the tasks passed on what the lake holds."""
    key = dg.AssetKey("tasks")
    with dg.DagsterInstance.from_config(str(dagster_home(settings(lake)))) as instance:
        instance.report_runless_asset_event(dg.AssetMaterialization(key, tags={DATA_VERSION_TAG: "v1"}))
        [made] = instance.fetch_materializations(key, limit=1).records
        target = AssetCheckEvaluationTargetMaterializationData(
            storage_id=made.storage_id, run_id=made.run_id, timestamp=made.timestamp
        )
        instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                key, "artworks_have_one_row_each", passed=True, metadata={}, target_materialization_data=target
            )
        )


def settings(lake: DataLake, **changed: object) -> Settings:
    return Settings(lake=str(lake.root), **{**QUICK, **changed})


def run(lake: DataLake, **changed: object) -> dg.ExecuteInProcessResult:
    """Materialise the classifier and the choice, as a refresh would."""
    job = build_definitions(settings(lake, **changed)).resolve_implicit_global_asset_job_def()
    keys = {dg.AssetKey(name) for name in ("backbone_features", "classifier", "served_model")}
    with dg.DagsterInstance.from_config(str(dagster_home(settings(lake)))) as instance:
        return job.get_subset(asset_selection=keys).execute_in_process(instance=instance)


def metadata(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, object]:
    event = result.asset_materializations_for_node(asset)[0]
    return {name: value.value for name, value in event.metadata.items()}


def check(result: dg.ExecuteInProcessResult) -> dg.AssetCheckEvaluation:
    found = [each for each in result.get_asset_check_evaluations() if each.check_name == "candidate_is_no_worse"]
    assert len(found) == 1
    return found[0]


def version_in_dagster(lake: DataLake) -> str | None:
    with dg.DagsterInstance.from_config(str(dagster_home(settings(lake)))) as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey("served_model"))
    assert event is not None
    assert event.asset_materialization is not None
    return (event.asset_materialization.tags or {}).get("dagster/data_version")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[DataLake, list[dg.ExecuteInProcessResult]]:
    """Two models: the second took over because anything is tolerated."""
    folder = tmp_path_factory.mktemp("promotion") / "lake"
    write_quiet_home(folder)
    lake = draw_lake(folder)
    pass_check_of_tasks(lake)
    return lake, [run(lake), run(lake, seed=1, model_tolerance=1.0)]


@pytest.fixture
def lake(
    trained: tuple[DataLake, list[dg.ExecuteInProcessResult]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> DataLake:
    """A copy of the lake with two models, named by the settings."""
    copy = tmp_path / "lake"
    shutil.copytree(str(trained[0].root), copy)
    for name, value in {"lake": copy, **QUICK}.items():
        monkeypatch.setenv(f"ARTPIPE_{name.upper()}", str(value))
    return DataLake(copy)


def command(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["models", *arguments])


def failure(*arguments: str) -> str:
    result = command(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    return result.stderr


def test_the_first_model_is_served_and_the_check_reports_it_as_the_first(trained):
    lake, (first, _) = trained
    assert metadata(first, "served_model")["served_before"] == "none"
    assert metadata(first, "served_model")["served_now"] == metadata(first, "classifier")["model_id"]
    assert check(first).passed
    assert "the first model of this lake" in check(first).description
    assert lake.candidate_model.exists()


def test_the_second_is_compared_on_the_same_test_works_and_both_scores_are_reported(trained):
    lake, (first, second) = trained
    outcome = metadata(second, "served_model")
    assert outcome["served_before"] == metadata(first, "classifier")["model_id"]
    assert outcome["served_now"] == outcome["candidate"] == metadata(second, "classifier")["model_id"]
    comparison = outcome["comparison"]
    held_out = pl.read_parquet(str(lake.table("training_set"))).filter(split="test")
    assert comparison["works"] == held_out.height
    assert [task["task"] for task in comparison["tasks"]] == ["style", "type"]
    assert outcome["images_embedded"] == 2 * held_out.height
    assert check(second).severity is dg.AssetCheckSeverity.WARN
    assert not check(second).blocking
    assert f"than {outcome['served_before']}" in check(second).description or "as good as" in check(second).description


def test_materialising_again_trains_and_moves_nothing(lake: DataLake):
    before = lake.served_model.read_bytes()
    again = run(lake, seed=1, model_tolerance=1.0)
    assert metadata(again, "classifier")["reused"] is metadata(again, "served_model")["reused"] is True
    assert lake.served_model.read_bytes() == before
    assert check(again).passed


def test_a_setting_turned_back_finds_the_earlier_model_without_training(lake: DataLake):
    first = read_pointer(lake).previous
    back = run(lake, seed=0, model_tolerance=1.0)
    assert metadata(back, "classifier")["trained"] is False
    assert metadata(back, "served_model")["served_now"] == first
    assert len(saved_models(lake)) == 2


def test_a_candidate_that_is_turned_down_is_kept_and_the_check_warns(lake: DataLake):
    served = served_model_id(lake)
    # It is taught one type that no test work has, so that no luck can make this candidate as good.
    rows = pl.read_parquet(str(lake.table("training_set")))
    write_table(
        lake.table("training_set"),
        rows.with_columns(pl.when(pl.col("split") == "test").then("type").otherwise(pl.lit("other")).alias("type")),
    )
    result = run(lake)
    outcome = metadata(result, "served_model")
    assert outcome["served_now"] == served
    assert outcome["candidate"] != served
    assert not check(result).passed
    assert "worse than" in check(result).description
    assert "only" in check(result).description
    assert outcome["candidate"] in {model.model_id for model in saved_models(lake)}


def test_a_warm_start_begins_with_the_served_model_and_comes_to_rest(lake: DataLake):
    served = served_model_id(lake)
    warm = run(lake, seed=1, warm_start=True, model_tolerance=1.0)
    assert metadata(warm, "classifier")["started_from"] == f"model {served}"
    assert metadata(warm, "served_model")["served_now"] != served
    lake.lineage("classifier").unlink()  # so that the step looks for the model itself
    again = run(lake, seed=1, warm_start=True, model_tolerance=1.0)
    assert metadata(again, "classifier")["trained"] is False


def test_a_rollback_goes_through_dagster_and_names_the_next_step(lake: DataLake):
    now, before = served_model_id(lake), read_pointer(lake).previous
    result = command("rollback")
    assert result.exit_code == 0, result.output
    assert f"{before} is served: a person chose it" in result.stderr
    assert "artpipe refresh" in result.stderr
    assert served_model_id(lake) == before == version_in_dagster(lake)
    assert set(read_pointer(lake).declined) == {now}
    assert "no model was served before" in failure("rollback")


def test_a_promotion_goes_through_dagster_too(lake: DataLake):
    now, before = served_model_id(lake), read_pointer(lake).previous
    assert before is not None
    assert json.loads(command("promote", before, "--json").stdout)["changed"] is True
    assert version_in_dagster(lake) == before
    assert promote(build_definitions(settings(lake)), settings(lake), before) is False
    assert "nothing was changed" in command("promote", before).stderr
    write_refit(lake, Refit(before, "81c0"))
    assert "81c0 is served already" in command("promote", before).stderr
    assert command("promote", str(now)).exit_code == 0
    assert version_in_dagster(lake) == now


def test_a_promoted_refit_names_the_model_that_was_chosen_with_it(lake: DataLake):
    chosen = read_pointer(lake).previous
    assert chosen is not None
    card = replace(load_card(lake.model(chosen)), refit_of=chosen)
    refit, _ = save_model(lake, load_model(lake.model(chosen)).model.state_dict(), card)
    result = command("promote", refit.model_id)
    assert f"{chosen} is served: a person chose it" in result.stderr
    assert "its refit, if any, then embeds" in result.stderr


def test_an_unknown_model_is_answered_with_the_closest(lake: DataLake):
    now = str(served_model_id(lake))
    assert f"did you mean {now!r}" in failure("promote", now[:6])
    assert failure("promote", "zzzz").startswith(f"error: the lake {lake.root} has no model 'zzzz'")


@pytest.mark.usefixtures("lake")
def test_models_are_listed_for_people_and_for_programs():
    newest, oldest = json.loads(command("--json").stdout)
    assert (newest["state"], newest["is_candidate"], oldest["state"]) == ("served", True, "served before")
    assert newest["training_rows"] == 20
    assert set(newest["test_at_1"]) == {"style", "type"}
    assert newest["compared_with"] == oldest["model_id"]
    assert oldest["start"] == "none"
    lines = command().stdout.splitlines()
    assert any(newest["model_id"] in line and "served" in line and "20 rows" in line for line in lines)
    assert any(line.startswith(f"{newest['model_id']} is served: since 20") for line in lines)
    assert any(line.startswith(f"{oldest['model_id']} is an earlier one: from 20") for line in lines)


def test_a_lake_without_models_names_the_next_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ARTPIPE_LAKE", str(tmp_path / "empty"))
    assert command("--json").stdout == "[]\n"
    assert "run `artpipe refresh`" in command().stderr
    assert "no model was trained" in failure("rollback")
    assert "no model was trained yet" in failure("promote", "3fa9")
    assert not (tmp_path / "empty").exists()
