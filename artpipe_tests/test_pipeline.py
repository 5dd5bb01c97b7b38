"""The whole graph on a small sample gallery, over real HTTP, with a real Dagster instance."""

import codecs
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import dagster as dg
import polars as pl
import pytest

from artpipe.definitions import build_definitions
from artpipe.lake.parquet import read_table
from artpipe.lake.paths import DataLake
from artpipe.orchestration import declaration
from artpipe.orchestration.dagster_private import serialize_value
from artpipe.orchestration.declaration import DECLARED
from artpipe.orchestration.event_size import MAX_EVENT_BYTES
from artpipe.orchestration.shaping import DeclaredSettings
from artpipe.settings import Settings

SMALL = {"sample_artworks": 60, "train_image_px": 32, "epochs": 1, "batch_size": 16}
ASSETS = {
    "raw_catalog", "raw_artists", "artists", "catalog_changes", "tasks", "artworks", "quarantine", "wanted_images",
    "images", "splits", "training_set", "backbone_features", "classifier", "served_model", "refitted_model",
    "evaluation_report",
    "embeddings", "vectors", "search_index", "text_index", "local_features", "art_map", "suspect_labels",
    "novelty_scale", "painting_detector", "text_encoder",
}  # fmt: skip


class Reads(DeclaredSettings):
    """The settings of an asset, which also notes what the asset read."""

    by_asset: ClassVar[dict[str, set[str]]] = {}

    def __getattr__(self, name: str) -> Any:
        self.by_asset.setdefault(self._asset, set()).add(name)
        return super().__getattr__(name)


class Pipeline:
    """A lake and a Dagster instance that outlive several runs of the graph."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance) -> None:
        self.folder, self.instance = folder, instance

    def settings(self, **changed: object) -> Settings:
        return Settings(lake=str(self.folder / "lake"), **{**SMALL, **changed})

    @property
    def lake(self) -> DataLake:
        return DataLake(self.settings().lake_root)

    def run(self, **changed: object) -> dg.ExecuteInProcessResult:
        definitions = build_definitions(self.settings(**changed))
        return definitions.resolve_implicit_global_asset_job_def().execute_in_process(instance=self.instance)

    def versions(self) -> dict[str, str | None]:
        events = {name: self.instance.get_latest_materialization_event(dg.AssetKey(name)) for name in ASSETS}
        return {
            name: event.asset_materialization.tags.get("dagster/data_version")
            for name, event in events.items()
            if event and event.asset_materialization and event.asset_materialization.tags
        }


def _materializations(result: dg.ExecuteInProcessResult) -> list[dg.AssetMaterialization]:
    return [event.step_materialization_data.materialization for event in result.get_asset_materialization_events()]


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    folder = tmp_path_factory.mktemp("pipeline")
    with dg.DagsterInstance.local_temp(str(folder), overrides={"telemetry": {"enabled": False}}) as instance:
        found = Pipeline(folder, instance)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("artpipe.recognition.match_threshold.MIN_QUERIES", 12)
            patch.setattr(declaration, "declared_settings", Reads)
            found.first = found.run()
        yield found


def test_the_whole_graph_materialises(pipeline: Pipeline):
    made = {event.asset_key.to_user_string() for event in pipeline.first.get_asset_materialization_events()}
    assert made == ASSETS


@pytest.mark.parametrize("name", sorted(ASSETS))
def test_every_setting_that_an_asset_declares_is_read_by_its_step(pipeline: Pipeline, name: str):
    """That it reads no other one is enforced: the run would have failed."""
    step = build_definitions(pipeline.settings()).resolve_assets_def(name)
    read = set().union(*(Reads.by_asset.get(key.to_user_string(), set()) for key in step.keys))
    assert set(DECLARED[name].shaped_by) <= read


@pytest.mark.parametrize("name", ["artworks", "catalog_changes", "quarantine", "embeddings", "vectors", "splits"])
def test_an_asset_is_selected_alone_in_dagster_even_if_its_step_makes_several(pipeline: Pipeline, name: str):
    job = build_definitions(pipeline.settings()).resolve_implicit_global_asset_job_def()
    alone = job.get_subset(asset_selection={dg.AssetKey(name)}).execute_in_process(instance=pipeline.instance)
    made = [event.asset_key for event in alone.get_asset_materialization_events()]
    assert made == [dg.AssetKey(name)]


def test_dagster_s_command_line_reuses_in_another_home_what_passed_its_checks_there(pipeline: Pipeline):
    version = pipeline.versions()["vectors"]
    variables = {f"ARTPIPE_{name.upper()}": str(value) for name, value in SMALL.items()}
    home = pipeline.folder / "other_home"
    home.mkdir()

    def materialize(selection: str) -> subprocess.CompletedProcess[str]:
        command = ["-m", "dagster", "asset", "materialize", "--select", selection, "-m", "artpipe.definitions"]
        return subprocess.run(
            [sys.executable, *command],
            env={**os.environ, **variables, "ARTPIPE_LAKE": str(pipeline.lake.root), "DAGSTER_HOME": str(home)},
            capture_output=True,
            text=True,
            check=False,
        )

    alone = materialize('key:"vectors"')
    assert alone.returncode == 1
    assert "did not run on `tasks`, so nothing is made from it; run `artpipe refresh`" in alone.stderr
    done = materialize('+key:"vectors"')
    assert done.returncode == 0, done.stderr
    with dg.DagsterInstance.from_config(str(home)) as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey("vectors"))
        assert event is not None
        assert event.asset_materialization is not None
        assert (event.asset_materialization.tags or {})["dagster/data_version"] == version
        assert event.asset_materialization.metadata["reused"].value is True


def test_every_blocking_check_passes(pipeline: Pipeline):
    blocking = [check for check in pipeline.first.get_asset_check_evaluations() if check.blocking]
    assert len(blocking) >= 5
    assert [check.check_name for check in blocking if not check.passed] == []


def test_no_event_of_any_kind_is_large_and_the_reports_are_in_the_lake(pipeline: Pipeline):
    run_id = pipeline.first.run_id
    events = [record.event_log_entry for record in pipeline.instance.get_records_for_run(run_id).records]
    sizes = {(event.dagster_event_type, event.step_key): len(serialize_value(event)) for event in events}
    assert len(sizes) > 100
    assert {key: size for key, size in sizes.items() if size > MAX_EVENT_BYTES} == {}
    made = {event.asset_key.path[-1]: event.metadata for event in _materializations(pipeline.first)}
    for asset, picture in (("evaluation_report", "mistakes_style"), ("suspect_labels", "suspect_type")):
        thumbnail, _, place = str(made[asset][picture].value).partition("\n\n")
        assert thumbnail.startswith("![")
        assert "base64" in thumbnail
        assert Path(place.split("`")[1]).stat().st_size > 2 * len(thumbnail)


def test_every_painting_of_the_catalogue_has_an_outcome(pipeline: Pipeline):
    from artpipe.images.store import ImageStore

    paintings = read_table(pipeline.lake, "artworks").filter(form="painting")
    outcomes = ImageStore(pipeline.lake).outcomes()
    assert set(outcomes["artwork_id"]) == set(paintings["artwork_id"])
    assert {"fetched", "gone"} <= set(outcomes["status"])


def test_every_usable_image_is_embedded_once_as_a_unit_vector_by_the_served_model(pipeline: Pipeline):
    import lancedb

    rows = pl.from_arrow(lancedb.connect(pipeline.lake.lance_uri).open_table("embeddings").to_arrow())
    splits = read_table(pipeline.lake, "splits")
    assert isinstance(rows, pl.DataFrame)
    assert sorted(rows["artwork_id"]) == sorted(splits["artwork_id"])
    refit = json.loads(pipeline.lake.refitted_model.read_text())
    assert rows["model_id"].unique().to_list() == [refit["model_id"]]
    assert refit["refit_of"] == json.loads(pipeline.lake.served_model.read_text())["model_id"] != refit["model_id"]
    lengths = rows["vector"].to_numpy() ** 2
    assert lengths.sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_tables_for_people_are_written_for_spreadsheets(pipeline: Pipeline):
    for name in ("labels/suspects.csv", "splits/corrections.csv"):
        assert pipeline.lake.report(name).read_bytes().startswith(codecs.BOM_UTF8)


def test_the_report_measures_each_held_out_split(pipeline: Pipeline):
    report = json.loads(pipeline.lake.evaluation_report.read_text())
    assert set(report["splits"]) == {"validation", "test", "unseen_artists"}
    assert report["splits"]["test"]["classification"]["style"]["at_1"] is not None


def test_a_second_run_finds_the_same_content_and_does_not_fetch_train_or_embed_again(pipeline: Pipeline):
    before = pipeline.versions()
    again = pipeline.run()
    assert pipeline.versions() == before
    metadata_of = {
        event.asset_key.to_user_string(): {name: value.value for name, value in event.metadata.items()}
        for event in _materializations(again)
    }
    roots = {"raw_catalog", "raw_artists"}
    assert {name for name, metadata in metadata_of.items() if metadata.get("reused") is True} == ASSETS - roots
    assert {name: metadata_of[name]["bodies"] for name in roots} == dict.fromkeys(roots, 0)


def test_a_search_finds_the_query_s_neighbours(pipeline: Pipeline):
    from artpipe.search import Collection

    collection = Collection.open(pipeline.lake)
    query = read_table(pipeline.lake, "splits")["artwork_id"][0]
    hits = collection.similar(query, k=10)
    assert hits.height == 10
    assert query not in hits["artwork_id"]
    assert hits["similarity"].is_sorted(descending=True)
