"""A collection of two sources from their catalogues to search, pages and export, and what a later refresh does."""

import csv
import json
from collections.abc import Iterator
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import polars as pl
import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner, Result

from artpipe.cli.main import app
from artpipe.images.store import ImageStore
from artpipe.lake.paths import DataLake
from artpipe.models.card import load_card
from artpipe.models.learned import load_learned
from artpipe.models.served import measured_model_id, served_card
from artpipe.search import Collection
from artpipe.splits.works import works_of_several_sources
from artpipe.tasks import read_tasks
from artpipe.web.app import create_app
from artpipe_tests.fixtures.loopback_server import Quiet, running
from artpipe_tests.fixtures.small_training import SMALL_TRAINING, made_quickly
from artpipe_tests.fixtures.tiny_gallery import picture
from artpipe_tests.orchestration.quiet_home import write_quiet_home

WORKS = 24
KINDS, OPEN = ("oil", "print", "drawing"), {n for n in range(WORKS) if n % 4}


class Museum(Quiet, BaseHTTPRequestHandler):
    """Serves the pictures `/N.jpg` of a museum, on another host than its catalogue."""

    protocol_version = "HTTP/1.1"
    seen: list[str]

    def do_GET(self) -> None:
        self.seen.append(self.path)
        body = picture(int(self.path[1:-4])) if self.path.endswith(".jpg") else b""
        self.send_response(200 if body else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class TwoSources:
    """A table of a museum and a folder of pictures, in a folder with a lake."""

    def __init__(self, folder: Path, address: str) -> None:
        self.folder, self.address, self.lake = folder, address, DataLake(folder / "lake")
        self.rows = [
            {
                "id": n,
                "name": f"Scene {'ABCDEFGHIJKLMNOPQRSTUVWX'[n]}",
                "maker": f"Painter {'ABCDEF'[n % 6]}",
                "made": 1800 + 5 * n,
                "kind": KINDS[n % 3],
                "picture": f"{address}/{n}.jpg",
                "acquired_from": "<b>Anna</b>",
                "remarks": "long " * 100,
                "licence": "CC0" if n in OPEN else "all rights reserved",
            }
            for n in range(WORKS)
        ]
        (folder / "photos" / "oil").mkdir(parents=True)
        for n in range(WORKS, WORKS + 3):
            (folder / "photos" / "oil" / f"photo{n}.jpg").write_bytes(picture(n))
        (folder / "photos" / "print").mkdir()
        (folder / "photos" / "print" / "same.jpg").write_bytes(picture(1))
        columns = {"source_id": "id", "title": "name", "artists": "maker", "date_text": "made", "images": "picture"}
        rights = {
            "is_open": {"licence": "CC0"},
            "rights_uri": {
                "column": "licence",
                "lookup": {"CC0": "https://creativecommons.org/publicdomain/zero/1.0/"},
            },
            "credit_line": {"constant": "Museum of Tests"},
        }
        museum = {"name": "museum", "adapter": "table", "path": "works.csv", "columns": columns | rights}
        museum["extra"] = ["acquired_from", "remarks"]
        here = {"name": "here", "adapter": "folder", "path": "photos", "labels": {"kind": "folder"}}
        tasks = [{"name": "kind", "min_works": 3}, {"name": "century", "years": [1800, 1850]}]
        sources = [museum | {"labels": {"kind": "kind"}, "rights": "open"}, here]
        (folder / "sources.yaml").write_text(json.dumps({"sources": sources, "tasks": tasks}))
        write_quiet_home(folder / "lake")
        self.write()

    def write(self) -> None:
        with (self.folder / "works.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, list(self.rows[0]))
            writer.writeheader()
            writer.writerows(self.rows)

    def invoke(self, *arguments: str, code: int = 0, **settings: object) -> Result:
        chosen = SMALL_TRAINING | {
            "sources": self.folder / "sources.yaml",
            "lake": self.folder / "lake",
            "same_painting": 0,
            "unseen_artist_share": 0.2,
            "retrain_drift": 1,
        }
        environment = {f"ARTPIPE_{name.upper()}": str(value) for name, value in (chosen | settings).items()}
        with made_quickly():
            result = CliRunner().invoke(app, [*arguments], env=environment)
        assert result.exit_code == code, result.output
        return result

    def refresh(self, **settings: object) -> dict:
        return json.loads(self.invoke("refresh", "--json", **settings).stdout)


@pytest.fixture(scope="module")
def museum() -> Iterator[str]:
    Museum.seen = []
    with running(ThreadingHTTPServer(("127.0.0.1", 0), Museum)) as server:
        yield f"http://127.0.0.1:{server.server_address[1]}"


@pytest.fixture(scope="module")
def sources(museum: str, tmp_path_factory: pytest.TempPathFactory) -> TwoSources:
    made = TwoSources(tmp_path_factory.mktemp("sources"), museum)
    made.first = made.refresh()
    return made


def test_only_open_works_are_downloaded_of_the_source_that_asks_for_them(sources: TwoSources):
    stored = set(ImageStore(sources.lake).outcomes().filter(status="fetched")["artwork_id"])
    photos = {f"here:oil/photo{n}.jpg" for n in range(WORKS, WORKS + 3)} | {"here:print/same.jpg"}
    assert stored == {f"museum:{n}" for n in OPEN} | photos
    assert sorted(Museum.seen) == sorted(["/robots.txt", *(f"/{n}.jpg" for n in OPEN)])


def test_the_page_of_a_work_shows_what_else_its_source_says(sources: TwoSources):
    with TestClient(create_app(sources.lake)) as client:
        page = client.get("/works/museum:1").text
        assert "<dt>Acquired from</dt><dd>&lt;b&gt;Anna&lt;/b&gt;</dd>" in page
        assert f"<summary>{'long ' * 24} …</summary>{'long ' * 99}" in page
        assert "More from the source" not in client.get(f"/works/here:oil/photo{WORKS}.jpg").text


def test_the_works_without_a_picture_are_listed_with_the_reason(sources: TwoSources):
    closed = [f"museum:{n}" for n in range(WORKS) if n not in OPEN]
    stored = WORKS + 4 - len(closed)
    found = json.loads(sources.invoke("images", "--json").stdout)
    assert found["outcomes"] == {"stored": stored, "not_open": len(closed)}
    assert sorted(one["artwork_id"] for one in found["works"]) == sorted(closed)
    assert found["works"][0]["address"] == f"{sources.address}/0.jpg"
    listed = sources.invoke("images", "--limit", "2").stdout
    assert f"Pictures: {stored} of {WORKS + 4} works have one; {len(closed)} not open." in listed
    assert f"{len(closed) - 2} more" in listed
    assert f"{stored} of {WORKS + 4} works have one" in sources.invoke("status").stdout
    assert "choose no_address" in sources.invoke("images", "--outcome", "lost", code=2).stderr


def test_the_model_card_the_report_and_the_page_tell_the_rights_of_what_was_trained_on(sources: TwoSources):
    card = served_card(sources.lake)
    learned = load_learned(sources.lake.model(card.model_id)).filter(split="train")
    open_ = learned["artwork_id"].str.starts_with("museum:").sum()
    photos = learned.height - open_
    cc0 = "https://creativecommons.org/publicdomain/zero/1.0/"
    assert {(one.source, one.rights_uri, one.is_open): (one.pictures, one.credited) for one in card.rights} == {
        ("museum", cc0, True): (open_, open_),
        ("here", None, None): (photos, 0),
    }
    words = f"{open_} open, {photos} unknown; {open_} ask for credit"
    measured = load_card(sources.lake.model(measured_model_id(sources.lake))).rights
    assert measured[0].pictures < open_ + photos, "the served model is a refit, which learned from all"
    assert json.loads(sources.lake.evaluation_report.read_bytes())["rights"] == [asdict(one) for one in measured]
    of_museum = next(one.pictures for one in measured if one.source == "museum")
    line = f"| museum | CC0 1.0 | yes | {of_museum} | {of_museum} |"
    assert line in sources.lake.report("evaluation/report.md").read_text()
    assert f"its training pictures: {words}" in sources.invoke("models").stdout
    with TestClient(create_app(sources.lake)) as client:
        assert f"trained on: {words}." in client.get("/collection").text


def test_the_model_predicts_the_declared_tasks(sources: TwoSources):
    tasks = read_tasks(sources.lake)
    assert (tasks["kind"].classes, tasks["century"].classes) == (
        ("drawing", "oil", "print"),
        ("before 1800", "1800-1850", "after 1850"),
    )
    hits = Collection.open(sources.folder / "lake").find("scene", k=3, where={"kind": "oil"})
    assert set(hits["kind"]) == {"oil"}
    assert {"predicted_kind", "predicted_century"} <= set(hits.columns)


def test_a_work_that_two_sources_show_is_one_work(sources: TwoSources):
    artworks, splits = (pl.read_parquet(str(sources.lake.table(name))) for name in ("artworks", "splits"))
    assert works_of_several_sources(splits, artworks) == 1
    shared = splits.filter(pl.col("artwork_id").is_in(["museum:1", "here:print/same.jpg"]))
    assert shared["work_id"].n_unique() == shared["split"].n_unique() == 1


def test_rights_go_to_the_hits_and_no_path_of_this_machine_does(sources: TwoSources):
    works = Collection.open(sources.folder / "lake").snapshot.works
    told = works.select("source", "is_open", "rights_uri", "credit_line").unique().sort("source").rows()
    licence = "https://creativecommons.org/publicdomain/zero/1.0/"
    assert told == [("here", None, None, None), ("museum", True, licence, "Museum of Tests")]
    assert works.filter(source="here")["image_url"].to_list() == [None] * 4


def test_the_pages_show_the_credit_line(sources: TwoSources):
    with TestClient(create_app(sources.lake)) as client:
        page = client.get("/works/museum:1").text
    assert "Museum of Tests" in page
    assert "CC0 1.0" in page


def test_a_later_refresh_does_what_changed_and_nothing_else(sources: TwoSources):
    Museum.seen.clear()
    assert sources.refresh()["work"] == {**sources.first["work"], **dict.fromkeys(sources.first["work"], 0)}
    assert Museum.seen == []
    sources.rows[1]["name"] = "Another title"
    sources.rows[2]["picture"] = f"{sources.address}/{WORKS + 4}.jpg"
    sources.write()
    work = sources.refresh()["work"]
    assert (work["images_fetched"], work["rows_updated"]) == (1, 1)
    assert [path for path in Museum.seen if path != "/robots.txt"] == [f"/{WORKS + 4}.jpg"]


def test_an_export_leaves_out_the_pictures_of_works_that_are_not_open(sources: TwoSources, tmp_path: Path):
    sources.refresh(rights="all")
    said = sources.invoke("export-site", str(tmp_path / "open")).output
    sources.invoke("export-site", "--all-rights", str(tmp_path / "all"))
    closed = [n for n in range(WORKS) if n not in OPEN]
    assert f"the pictures of {len(closed)} works that are not open are left out" in " ".join(said.split())
    for n in closed:
        assert not (tmp_path / "open" / "images" / "museum" / f"{n}.jpg").exists()
        assert "closed.svg" in (tmp_path / "open" / "works" / "museum" / f"{n}.html").read_text()
        assert (tmp_path / "all" / "images" / "museum" / f"{n}.jpg").exists()
    assert (tmp_path / "open" / "images" / "museum" / "1.jpg").exists()


def test_a_check_says_how_many_works_of_the_training_set_are_not_open(sources: TwoSources):
    from artpipe.training.checks import training_works_are_open

    artworks, training = (pl.read_parquet(str(sources.lake.table(name))) for name in ("artworks", "training_set"))
    checked = training_works_are_open.node_def.compute_fn.decorated_fn
    found = checked(training_set=training, artworks=artworks)
    assert not found.passed
    assert found.metadata["not_open"].value == len(set(training["artwork_id"]) - {f"museum:{n}" for n in OPEN})


def test_classes_that_a_person_takes_away_are_no_loss_of_the_source(sources: TwoSources):
    file = sources.folder / "sources.yaml"
    before = file.read_text()
    declared = json.loads(before)
    declared["tasks"][0]["classes"] = ["oil", "print"]
    file.write_text(json.dumps(declared))
    sources.invoke("refresh", "--select", "+splits", rights="all")
    assert read_tasks(sources.lake)["kind"].classes == ("oil", "print")
    splits = pl.read_parquet(str(sources.lake.table("splits")))
    assert set(splits["kind"].drop_nulls()) == {"oil", "print"}
    file.write_text(before)


def test_a_source_that_lost_half_of_its_works_is_refused_until_a_person_accepts_it(sources: TwoSources):
    held = list(sources.rows)
    del sources.rows[::2]
    sources.write()
    refused = sources.invoke("refresh", "--select", "+splits", code=2, rights="all")
    assert "12 of 24 artworks of `museum` (50%" in " ".join(refused.output.split())
    sources.invoke("refresh", "--select", "+splits", "--accept-shrink", rights="all")
    assert pl.read_parquet(str(sources.lake.table("artworks"))).height == 12 + 4
    sources.rows[:] = held
    sources.write()
