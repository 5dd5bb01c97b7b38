"""The whole graph, the command line and the pages on a collection that declares tasks of its own: two, then four."""

import json
from pathlib import Path

import polars as pl
import pytest
from fastapi.testclient import TestClient
from rich.console import Console
from typer.testing import CliRunner

from artpipe.cli.main import app
from artpipe.definitions import build_definitions
from artpipe.lake.parquet import read_table
from artpipe.lake.paths import DataLake
from artpipe.models.served import served_card
from artpipe.orchestration.instance import open_instance
from artpipe.orchestration.runner import RefreshOptions, RefreshReport, refresh
from artpipe.orchestration.staleness import asset_statuses
from artpipe.search import Collection, SearchFilter
from artpipe.search.filters import UnknownFilterValueError
from artpipe.settings import Settings
from artpipe.splits.overrides import OverrideFiles, write_label
from artpipe.web.app import create_app
from artpipe.web.config import WebConfig
from artpipe_tests.fixtures.small_training import SMALL_TRAINING, made_quickly
from artpipe_tests.fixtures.tiny_gallery import TYPES, WORKS, WORKS_EACH, picture
from artpipe_tests.orchestration.quiet_home import write_quiet_home

MOVEMENTS = ("Fauvism", "Fauvism", "Cubism", "Cubism", "Orphism", None)
"""Of each artist."""
ERAS = ("before 1650", "1650-1750", "after 1750")
TWO = [{"name": "movement", "classes": ["Fauvism", "Cubism"]}, {"name": "era", "years": [1650, 1750]}]
MORE_MOVEMENTS = {"name": "movement", "classes": ["Fauvism", "Cubism", "Orphism"]}
FOUR = [{"name": "art_subject", "min_works": 5}, MORE_MOVEMENTS, {"name": "mood"}, TWO[1]]


class Curator:
    """Somebody who declares the tasks of a collection, a folder of pictures with a table."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.output = folder, folder / "output.txt"
        lines = ["file,title,artist,year,movement,art_subject"]
        (folder / "pictures").mkdir()
        for number in range(WORKS):
            artist, place = divmod(number, WORKS_EACH)
            (folder / "pictures" / f"work{number:02d}.jpg").write_bytes(picture(number))
            year, subject = 1530 + 60 * artist + place, TYPES[number % len(TYPES)]
            title = f"Scene {'ABCDEFGHIJKLMNOPQRSTUVWXYZ'[number % 26]}{number // 26 or ''}"
            lines.append(f"work{number:02d},{title},Anna Tester{artist},{year},{MOVEMENTS[artist] or ''},{subject}")
        (folder / "works.csv").write_text("\n".join(lines) + "\n")
        write_quiet_home(folder / "lake")

    @property
    def settings(self) -> Settings:
        sources, lake = str(self.folder / "sources.yaml"), str(self.folder / "lake")
        return Settings(**{**SMALL_TRAINING, "sources": sources, "lake": lake, "rights": "all"})

    @property
    def lake(self) -> DataLake:
        return DataLake(self.settings.lake_root)

    def declare(self, tasks: list[dict]) -> RefreshReport:
        """Declare these tasks, and refresh."""
        table = {
            "path": "works.csv",
            "columns": {"source_id": "file", "title": "title", "artists": {"name": "artist"}, "date_text": "year"},
            "labels": {name: name for name in ("movement", "art_subject")},
        }
        source = {"name": "mine", "adapter": "folder", "path": "pictures", "table": table}
        (self.folder / "sources.yaml").write_text(json.dumps({"sources": [source], "tasks": tasks}))  # JSON is YAML
        with made_quickly(), self.output.open("a") as output:
            options = RefreshOptions()
            return refresh(build_definitions(self.settings), self.settings, options, Console(file=output, width=500))

    def statuses(self) -> set[str]:
        graph = build_definitions(self.settings).resolve_asset_graph()
        with open_instance(self.settings) as instance:
            return {one.status for one in asset_statuses(graph, instance, self.settings).values()}

    def run(self, *arguments: str, code: int = 0) -> str:
        """What a command prints."""
        environment = {"ARTPIPE_LAKE": str(self.folder / "lake"), "ARTPIPE_SOURCES": str(self.folder / "sources.yaml")}
        result = CliRunner().invoke(app, list(arguments), env=environment | {"COLUMNS": "200"})
        assert result.exit_code == code, result.output
        return result.output

    @property
    def report(self) -> dict:
        return json.loads(self.lake.evaluation_report.read_text())["splits"]["test"]

    @property
    def overrides(self) -> OverrideFiles:
        return OverrideFiles.from_settings(self.settings)

    def id_of(self, number: int) -> str:
        return read_table(self.lake, "artworks")["artwork_id"].sort()[number]

    @property
    def pages(self) -> tuple[str, ...]:
        return (
            "", "search", "search?words=scene", "search?movement=Cubism", "search?era=before+1650&movement=Fauvism",
            f"works/{self.id_of(0)}", "artists", "collection", "map", "map/points.bin", "map/picture.png",
        )  # fmt: skip


@pytest.fixture(scope="module")
def curator(tmp_path_factory: pytest.TempPathFactory) -> Curator:
    made = Curator(tmp_path_factory.mktemp("curator"))
    made.declare(TWO)
    return made


@pytest.fixture(scope="module")
def with_four(curator: Curator) -> tuple[Curator, RefreshReport, pl.DataFrame]:
    """The same after two tasks, a class and a correction were added, what that refresh did, and the splits before."""
    before = read_table(curator.lake, "splits")
    line = {"by": "", "reason": "", "at": "2026-11-01", "artwork_id": curator.id_of(1), "task": "movement"}
    write_label(curator.overrides, line | {"label": "Cubism"})
    return curator, curator.declare(FOUR), before


def test_two_tasks_of_other_names_go_from_the_splits_to_the_report(curator: Curator):
    splits = read_table(curator.lake, "splits")
    assert splits.columns == ["artwork_id", "work_id", "artist_id", "split", "movement", "era", "jpeg_sha256"]
    assert splits["era"].unique().sort().to_list() == ["1650-1750", "after 1750", "before 1650"]
    card = served_card(curator.lake)
    assert list(card.classes) == ["movement", "era"]
    assert card.classes["era"] == ERAS, "in the order of time"
    assert curator.report["classification"].keys() == {"movement", "era"}
    assert curator.report["retrieval"].keys() == {"movement", "artist"}
    assert curator.report["years"].keys() == {"era"}
    assert curator.statuses() == {"fresh"}


def test_a_search_filters_and_predicts_by_them(curator: Curator):
    collection = Collection.open(curator.lake)
    assert collection.tasks.names == ("movement", "era")
    cubist = collection.browse(None, SearchFilter(labels={"movement": "cubism"}))
    assert set(cubist["movement"]) == {"Cubism"}
    assert collection.browse(None, {"movement": "Cubism"}).height == cubist.height
    assert [name for name, _ in cubist.facets["era"]] == [one for one in ERAS if one in set(cubist["era"])]
    assert cubist.facets.keys() == {"movement", "era", "school"}
    assert collection.find("cubism")["movement"].to_list()[:1] == ["Cubism"], "labels are searched"
    assert [(one.text, one.kind) for one in collection.suggest("cubi")] == [("Cubism", "movement")]
    assert collection.predict([picture(3)])[0].best.keys() == {"movement", "era"}
    with pytest.raises(ValueError, match=r"no field 'mood'; choose of style, .*movement, era"):
        collection.browse(None, {"mood": "calm"})
    with pytest.raises(UnknownFilterValueError, match="has a style; filter by movement, era, school"):
        collection.browse(None, {"style": "Baroque"})


def test_the_pages_and_the_api_show_them(curator: Curator):
    with TestClient(create_app(curator.lake, WebConfig(editing="on", overrides=curator.overrides))) as client:
        for address in curator.pages:
            assert client.get(f"/{address}").status_code == 200, address
        results, work = client.get("/search?movement=Cubism").text, client.get(f"/works/{curator.id_of(12)}").text
        assert 'id="facet-movement" open' in results
        assert '<th scope="row">era</th>' in work
        assert "Title, artist, place or movement" in client.get("/").text
        page = client.get("/map").text
        assert page.count('type="radio" name="by"') == 2
        assert 'data-name="Cubism"' in page
        selection = client.get("/map/selection?corners=AAAAAGQAAABkAGQA&movement=Cubism")
        assert "movement: Cubism" in selection.text
        found = client.get("/api/search?movement=Cubism&movement=Fauvism&size=100").json()
        assert {hit["labels"]["movement"] for hit in found["hits"]} == {"Cubism", "Fauvism"}
        assert found["hits"][0]["predicted"].keys() == {"movement", "era"}
        unknown = client.get("/api/search?movment=Cubism")
        assert (unknown.status_code, "did you mean 'movement'?" in unknown.text) == (422, True)
        described = client.get("/openapi.json").json()["paths"]["/api/search"]["get"]["parameters"]
        by_name = {one["name"]: one["description"] for one in described}
        assert by_name.keys() >= {"movement", "era", "school", "words"}
        assert by_name.keys().isdisjoint({"style", "period", "type"})
        assert by_name["movement"] == "movement: Fauvism, Cubism; of several, any"
        assert "<code>movement</code>" in client.get("/api").text
        assert client.get("/api/search?movement=Cubsm").status_code == 404
        assert client.get(f"/api/search?movement={'x' * 201}").status_code == 422
        upload = client.post("/search", files={"picture": ("p.jpg", picture(3), "image/jpeg")})
        assert upload.status_code == 200
        assert "<dt>movement" in upload.text


def test_the_command_line_knows_them(curator: Curator):
    hits = json.loads(curator.run("search", curator.id_of(12), "--label", "movement=Cubism", "--json"))
    assert {hit["movement"] for hit in hits} == {"Cubism"}
    assert "movement" in curator.run("find", "scene", "--label", "era=before 1650")
    assert "has a mood; filter by" in curator.run("search", curator.id_of(12), "--label", "mood=calm", code=2)
    assert "is no task and label" in curator.run("search", curator.id_of(12), "--label", "Cubism", code=2)
    assert json.loads(curator.run("info", "--json"))["tasks"] == {"movement": 2, "era": 3}
    assert "choose movement, era" in curator.run("labels", "suspects", "--task", "style", code=2)
    problem = curator.run("labels", "set", curator.id_of(0), "movement", "Cubizm", code=2)
    assert "'Cubizm' is no movement; the closest: Cubism" in problem
    curator.run("export-site", str(curator.folder / "exported"))
    assert 'data-legend="era"' in (curator.folder / "exported" / "map.html").read_text()


def test_an_edit_of_the_classes_runs_what_reads_them_and_nothing_else(curator: Curator):
    made = {name: read_table(curator.lake, name) for name in ("artworks", "splits")}
    report = curator.declare([TWO[0] | {"classes": ["Cubism", "Fauvism"]}, TWO[1]])
    cleaned = {"raw_catalog", "raw_artists", "catalog_changes", "tasks", "artworks", "quarantine"}
    learned = {"training_set", "classifier", "served_model", "evaluation_report", "suspect_labels", "painting_detector"}
    shown = {"embeddings", "vectors", "text_index", "search_index", "local_features", "art_map", "novelty_scale"}
    shown |= {"text_encoder", "refitted_model"}
    assert set(report.ran) == {*cleaned, "splits", *learned, *shown}, "no image is looked for, no feature computed"
    assert report.work["images_fetched"] == 0
    assert all(read_table(curator.lake, name).equals(table) for name, table in made.items())
    assert "classes of movement are in another order" in curator.output.read_text()
    assert served_card(curator.lake).classes["movement"] == ("Cubism", "Fauvism")


def test_two_more_tasks_are_learned_without_fetching_an_image_again(with_four):
    curator, report, before = with_four
    assert report.work["images_fetched"] == report.work["images_decoded"] == 0
    after = read_table(curator.lake, "splits")
    kept = ["artwork_id", "work_id", "artist_id", "split", "era", "jpeg_sha256"]
    assert after.select(kept).equals(before.select(kept))
    assert "Orphism" in served_card(curator.lake).classes["movement"]
    assert list(served_card(curator.lake).classes) == ["art_subject", "movement", "era"], "no work has a mood"
    assert "mood: no picture has a label" in curator.output.read_text()
    assert "the tasks are art_subject, movement, mood, era now" in curator.output.read_text()
    assert curator.report["classification"]["mood"]["reason"]
    hits = Collection.open(curator.lake).browse(None, {"art_subject": "portrait"})
    assert (hits.height, set(hits["art_subject"]), hits["mood"].null_count()) == (6, {"portrait"}, hits.height)
    with TestClient(create_app(curator.lake)) as client:
        for address in (*curator.pages, "search?art_subject=portrait"):
            assert client.get(f"/{address}").status_code == 200, address
        assert "<summary>Art subject" in client.get("/search").text


def test_a_correction_of_such_a_label_counts_at_the_next_refresh(with_four):
    curator, _, before = with_four
    assert before.filter(artwork_id=curator.id_of(1))["movement"].to_list() == ["Fauvism"]
    assert Collection.open(curator.lake).get(curator.id_of(1))["movement"] == "Cubism"
    assert "corrected" in curator.run("labels", "list")


def test_where_no_task_is_declared_any_more_their_columns_go_and_everything_can_be_searched(with_four):
    curator, _, _ = with_four
    report = curator.declare([])
    assert report.work["images_fetched"] == 0
    collection = Collection.open(curator.lake)
    assert (collection.tasks.names, {"era", "predicted_era"} & set(collection.works.columns)) == ((), set())
    assert collection.find("scene").height > 0
    assert "no task is declared" in curator.output.read_text()
    assert "has no effect" in curator.output.read_text(), "what a person said of a movement"
    with TestClient(create_app(curator.lake, WebConfig(editing="on", overrides=curator.overrides))) as client:
        for address in (page for page in curator.pages if "movement" not in page):
            assert client.get(f"/{address}").status_code == 200, address
        assert "has a style; filter by school" in client.get("/api/search?style=Baroque").text
        assert client.get("/api/search?movement=Cubism").status_code == 422
