"""A museum that does not answer: the collection goes on with the catalogue that the lake has of it."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
from rich.console import Console

from artpipe.definitions import build_definitions
from artpipe.errors import ArtpipeError
from artpipe.lake.absence import read_absences
from artpipe.lake.paths import DataLake
from artpipe.orchestration.automation import sources_away
from artpipe.orchestration.instance import open_instance
from artpipe.orchestration.runner import RefreshOptions, refresh
from artpipe.schema import ORIGINAL_SITE
from artpipe.settings import Settings
from artpipe.sources.wga import ARTIST_LIST_URL, CATALOG_URL
from artpipe_tests.fixtures import tiny_gallery
from artpipe_tests.fixtures.oai_repository import Kept, dublin_core

CSV = b"id,title\n1,Pears\n2,Plums\n"


class Museums:
    """The tables `/a.csv` and `/b.csv` of a server, and a third one of this machine, as the sources of one lake."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.lake = folder, DataLake(folder / "lake")
        (folder / "here.csv").write_bytes(CSV)
        places = {"a": f"{url}/a.csv", "b": f"{url}/b.csv", "here": "here.csv"}
        self.sources: dict[str, dict[str, Any]] = {
            name: {"name": name, "adapter": "table", "path": path, "columns": {"source_id": "id", "title": "title"}}
            for name, path in places.items()
        }

    def refresh(self, *names: str, select: str = "raw_catalog") -> dict[str, Any]:
        """Refresh with these sources; returns the metadata of `raw_catalog`."""
        file = self.folder / "sources.yaml"
        file.write_text(json.dumps({"sources": [self.sources[name] for name in names]}))
        settings = Settings(sources=str(file), lake=str(self.lake.root))
        refresh(build_definitions(settings), settings, RefreshOptions(select), Console(quiet=True))
        with open_instance(settings) as instance:
            event = instance.get_latest_materialization_event(dg.AssetKey("raw_catalog"))
        return {name: value.value for name, value in event.asset_materialization.metadata.items()}

    def check(self) -> tuple[bool, str]:
        """Whether `every_source_answered` passed when it ran last, and what it says."""
        with open_instance(Settings(lake=str(self.lake.root))) as instance:
            key = dg.AssetCheckKey(dg.AssetKey("raw_catalog"), "every_source_answered")
            found = instance.get_latest_asset_check_evaluation_record(key).event.asset_check_evaluation
        return found.passed, found.description or ""

    def titles(self) -> set[str]:
        return set(pl.read_parquet(str(self.lake.table("artworks")))["title"])


@pytest.fixture
def museums(tmp_path: Path, gallery, reply) -> Museums:
    gallery.on("/a.csv", reply(200, CSV))
    gallery.on("/b.csv", reply(200, CSV))
    return Museums(tmp_path, gallery.url)


def test_a_museum_that_does_not_answer_keeps_its_works_and_the_others_go_on(museums: Museums, gallery, reply):
    first = museums.refresh("a", "b", select="+artworks")
    gallery.on("/a.csv", reply(404))
    gallery.on("/b.csv", reply(200, CSV.replace(b"Plums", b"Figs")))
    second = museums.refresh("a", "b", select="+artworks")
    assert (first["unreachable"], list(second["unreachable"])) == ({}, ["a"])
    assert "answered 404" in second["unreachable"]["a"]
    assert museums.titles() == {"Pears", "Plums", "Figs"}


def test_it_is_said_since_when_a_source_stays_away_until_it_answers(museums: Museums, gallery, reply):
    museums.refresh("a", "b")
    assert museums.check() == (True, "")
    gallery.on("/a.csv", reply(404))
    museums.refresh("a", "b")
    since = (datetime.now(UTC) - timedelta(days=12)).isoformat(timespec="seconds")
    museums.lake.absences.write_text(json.dumps({"a": {"since": since, "reason": "earlier"}}))
    museums.refresh("a", "b")
    passed, description = museums.check()
    assert not passed
    assert f"a has not answered since {since[:10]} (12 days): " in description
    assert "answered 404" in description
    now, settings = datetime.now(UTC).timestamp(), Settings(lake=str(museums.lake.root), source_away_days=10)
    (trouble,) = sources_away(settings, now)
    assert trouble.name == f"raw_catalog is without an answer of a since {since[:10]}"
    assert sources_away(settings.model_copy(update={"source_away_days": 20}), now) == []
    gallery.on("/a.csv", reply(200, CSV))
    museums.refresh("a", "b")
    assert (museums.check(), sources_away(settings, now)) == ((True, ""), [])


def test_a_source_that_is_named_no_more_is_not_away(museums: Museums, gallery, reply):
    museums.refresh("a", "b")
    gallery.on("/a.csv", reply(404))
    museums.refresh("a", "b")
    museums.refresh("b")
    assert read_absences(museums.lake) == {}


def test_where_no_source_answers_it_is_said_of_all_that_were_asked(museums: Museums, gallery, reply):
    museums.refresh("a", "b")
    gallery.on("/a.csv", reply(404))
    gallery.on("/b.csv", reply(404))
    with pytest.raises(ArtpipeError):
        museums.refresh("a", "b")
    assert set(read_absences(museums.lake)) == {"a", "b"}


def test_a_gallery_that_does_not_answer_does_not_stop_the_others(museums: Museums, gallery, reply):
    rows = tiny_gallery.rows()
    pages = {
        CATALOG_URL.removeprefix(ORIGINAL_SITE): tiny_gallery.catalogue(rows).encode(),
        ARTIST_LIST_URL.removeprefix(ORIGINAL_SITE): tiny_gallery.artist_page(rows),
    }
    for path, body in pages.items():
        gallery.on(path, reply(200, body))
    museums.sources["wga"] = {"name": "wga", "adapter": "wga", "base_url": gallery.url}
    museums.refresh("wga", "b", select="+artworks")
    for path in pages:
        gallery.on(path, reply(404))
    gallery.on("/b.csv", reply(200, CSV.replace(b"Plums", b"Figs")))
    second = museums.refresh("wga", "b", select="+artworks")
    assert list(second["unreachable"]) == ["wga"]
    assert {"Figs", rows[0]["TITLE"]} < museums.titles()


def test_nothing_is_made_where_no_source_answers(museums: Museums, gallery, reply):
    museums.refresh("a", "b")
    gallery.on("/a.csv", reply(404))
    gallery.on("/b.csv", reply(404))
    with pytest.raises(ArtpipeError, match=r"/b\.csv could not be read"):
        museums.refresh("a", "b")


def test_a_museum_that_never_answered_fails(museums: Museums, gallery, reply):
    museums.refresh("b")
    gallery.on("/a.csv", reply(404))
    with pytest.raises(ArtpipeError, match=r"/a\.csv could not be read"):
        museums.refresh("a", "b")


def test_a_stored_copy_is_not_that_of_another_address(museums: Museums):
    museums.refresh("a", "b")
    museums.sources["a"]["path"] = museums.sources["a"]["path"].replace("a.csv", "other/a.csv")
    with pytest.raises(ArtpipeError, match=r"/other/a\.csv could not be read"):
        museums.refresh("a", "b")


def test_a_copy_of_which_a_part_is_new_is_no_copy(museums: Museums, gallery, reply):
    gallery.on("/makers.csv", reply(200, b"id,name\n1,Ann\n"))
    museums.sources["a"]["tables"] = {"makers": {"path": f"{gallery.url}/makers.csv", "key": "id", "to": "id"}}
    museums.refresh("a", "b", select="+artworks")
    gallery.on("/a.csv", reply(200, CSV.replace(b"Plums", b"Figs")))
    gallery.on("/makers.csv", reply(404))
    with pytest.raises(ArtpipeError, match=r"/makers\.csv could not be read"):
        museums.refresh("a", "b")
    # What is made from it says so, rather than mix the two.
    with pytest.raises(ArtpipeError, match="files of the source a changed"):
        museums.refresh("a", "b", select="artworks")
    gallery.on("/makers.csv", reply(200, b"id,name\n1,Ann\n"))
    museums.refresh("a", "b", select="+artworks")
    assert museums.titles() == {"Pears", "Plums", "Figs"}


def test_a_harvest_of_changes_that_was_cut_off_leaves_the_copy_and_goes_on_later(museums: Museums, repository):
    museum, url = repository
    museum.records = {f"oai:m:{title}": Kept(dublin_core(title=title)) for title in "ab"}
    museums.sources["oai"] = {"name": "oai", "adapter": "oai", "url": f"{url}/oai"}
    first = museums.refresh("oai", "b")
    museum.date = "2026-03-02T00:00:00Z"
    changed = [f"c{number}" for number in range(5)]
    museum.records |= {f"oai:m:{title}": Kept(dublin_core(title=title), "2026-02-10T00:00:00Z") for title in changed}
    museum.dies_after = 2
    second = museums.refresh("oai", "b", select="+artworks")
    assert (list(second["unreachable"]), second["changed"]) == (["oai"], False)
    assert len(list(museums.lake.raw_source("oai").glob("0002-*.xml"))) == 1
    assert museums.titles() == {"a", "b", "Pears", "Plums"}
    museum.dies_after = None
    third = museums.refresh("oai", "b", select="+artworks")
    assert (first["unreachable"], third["unreachable"]) == ({}, {})
    assert museums.titles() == {"a", "b", *changed, "Pears", "Plums"}


def test_a_file_of_this_machine_that_is_gone_fails(museums: Museums):
    museums.refresh("here", "b")
    (museums.folder / "here.csv").unlink()
    with pytest.raises(ArtpipeError, match=r"here\.csv"):
        museums.refresh("here", "b")
