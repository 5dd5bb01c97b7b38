import re
from pathlib import Path
from urllib.parse import unquote

import polars as pl
import pytest

from artpipe.embedding.table import EmbeddingTable
from artpipe.lake.paths import DataLake
from artpipe.web.export import _SAFE_ID, OccupiedFolderError, export_site

LINKS = re.compile(r'(?:href|src)="([^"#?]+)')


def test_every_link_of_an_exported_site_leads_to_a_file_of_it(own_lake: DataLake, tmp_path: Path):
    folder = tmp_path / "site"
    done = export_site(own_lake, folder)
    assert (done.works, done.artists, done.left_out) == (12, 3, [])
    pages = list(folder.rglob("*.html"))
    assert len(pages) == 12 + 3 + 4
    for page in pages:
        for link in LINKS.findall(page.read_text(encoding="utf-8")):
            if not link.startswith("https://gallery.example/"):
                assert (page.parent / unquote(link)).is_file(), (page, link)


def test_an_exported_site_makes_no_request(own_lake: DataLake, tmp_path: Path):
    export_site(own_lake, tmp_path / "site")
    for page in (tmp_path / "site").rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert 'action="' not in text
        assert 'href="/' not in text
    assert (tmp_path / "site/map/data.js").read_text(encoding="utf-8").startswith("window.artpipeMap={")


def test_an_export_replaces_an_earlier_one_and_nothing_else(own_lake: DataLake, tmp_path: Path):
    folder = tmp_path / "site"
    export_site(own_lake, folder)
    (folder / "works/gone.html").write_text("old")
    export_site(own_lake, folder)
    assert not (folder / "works/gone.html").exists()
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("mine")
    with pytest.raises(OccupiedFolderError, match="name a new folder"):
        export_site(own_lake, mine)
    assert (mine / "thesis.txt").exists()


def test_an_id_that_would_lead_out_of_the_folder_is_left_out(own_lake: DataLake, tmp_path: Path):
    table = EmbeddingTable(own_lake)
    row = table.read().with_columns(vector=table.vectors()[1]).head(1)
    table.upsert(row.with_columns(artwork_id=pl.lit("../../escaped")))
    done = export_site(own_lake, tmp_path / "a/site")
    assert done.left_out == ["../../escaped"]
    assert not list(tmp_path.rglob("escaped*"))


@pytest.mark.parametrize("name", ["a/aachen/allegory", "~master-of-the-niche", "a/é#1%20/x.y", "b/x y"])
def test_an_ordinary_id_is_its_path(name: str):
    assert _SAFE_ID.fullmatch(name)


@pytest.mark.parametrize("name", ["", "../x", "a/../x", "/etc", "a//b", "a/.hidden", "C:/x", "a\\b", "a/\0", "a/"])
def test_an_unsafe_id_is_not_a_path(name: str):
    assert _SAFE_ID.fullmatch(name) is None
