import json
import re
import unicodedata
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import unquote

import polars as pl
import pytest

from artpipe.embedding.table import EmbeddingTable
from artpipe.lake.parquet import read_table, write_table
from artpipe.lake.paths import DataLake
from artpipe.progress import SilentProgress
from artpipe.web.export import OccupiedFolderError, export_site
from artpipe.web.site_paths import site_paths

LINKS = re.compile(r'(?:href|src)="([^"#?]+)')


def test_every_link_of_an_exported_site_leads_to_a_file_of_it(own_lake: DataLake, tmp_path: Path):
    folder = tmp_path / "site"
    done = export_site(own_lake, folder)
    assert (done.works, done.artists) == (12, 3)
    pages = list(folder.rglob("*.html"))
    assert len(pages) == 12 + 3 + 4
    assert_every_link_leads_to_a_file(folder)


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


def test_a_mount_point_is_refused_before_anything_is_written(own_lake: DataLake, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(Path, "is_mount", lambda self: self == tmp_path / "site")
    (tmp_path / "site").mkdir()
    with pytest.raises(OccupiedFolderError, match="name a folder in it"):
        export_site(own_lake, tmp_path / "site")
    assert list((tmp_path / "site").iterdir()) == []


def with_works(lake: DataLake, *artwork_ids: str, **values: str | None) -> None:
    """Add works like the first one."""
    ids = pl.Series("artwork_id", artwork_ids)

    def like_first(rows: pl.DataFrame) -> pl.DataFrame:
        return pl.concat([rows.head(1)] * len(ids)).with_columns(ids)

    table = EmbeddingTable(lake)
    rows = like_first(table.read().with_columns(vector=table.vectors()[1]))
    table.upsert(rows.with_columns(pl.lit(value).alias(name) for name, value in values.items()))
    images = lake.connect().open_table("images")
    images.add(like_first(pl.DataFrame(images.to_arrow())).to_arrow())
    places = read_table(lake, "art_map")
    write_table(lake.table("art_map"), pl.concat([places, like_first(places)]))


def map_works(folder: Path) -> dict[str, list[Any]]:
    script = (folder / "map/data.js").read_text(encoding="utf-8")
    return json.loads(script.removeprefix("window.artpipeMap=").removesuffix(";\n"))["works"]


def assert_every_link_leads_to_a_file(folder: Path) -> None:
    for page in folder.rglob("*.html"):
        for link in LINKS.findall(page.read_text(encoding="utf-8")):
            if not link.startswith("https://gallery.example/"):
                assert (page.parent / unquote(link)).is_file(), (page, link)


STRANGE = ["../../escaped", "..", ".", "tate:3", "tate/3", "a//b", "x" * 3000, "y/" * 1500, "small/d", "d", "d.html/e"]


def test_every_work_has_a_page_and_pictures_inside_the_folder_whatever_its_id(own_lake: DataLake, tmp_path: Path):
    with_works(own_lake, *STRANGE)
    folder = tmp_path / "a/site"
    assert export_site(own_lake, folder).works == 12 + len(STRANGE)
    assert len(list((folder / "works").rglob("*.html"))) == 12 + len(STRANGE)
    assert len(list((folder / "images").rglob("*.jpg"))) == 2 * (12 + len(STRANGE))
    assert [path.name for path in folder.parent.iterdir()] == ["site"]
    assert_every_link_leads_to_a_file(folder)
    works = map_works(folder)
    assert set(STRANGE) <= set(works["ids"])
    assert all((folder / f"works/{path}.html").is_file() for path in works["paths"])


def test_an_artist_of_whom_no_work_tells_the_name_has_a_page(own_lake: DataLake, tmp_path: Path):
    with_works(own_lake, "n/nobody", artist=None, artist_id="n")
    export_site(own_lake, tmp_path / "site")
    assert_every_link_leads_to_a_file(tmp_path / "site")


def test_no_page_asks_for_the_picture_of_a_work_that_is_not_open(own_lake: DataLake, tmp_path: Path):
    table = EmbeddingTable(own_lake, rights=True)
    table.prepare(3)
    rows = table.read().with_columns(vector=table.vectors()[1])
    ids = rows["artwork_id"].to_list()
    table.upsert(rows.with_columns(is_open=pl.col("artwork_id") != ids[0]))
    folder = tmp_path / "site"
    assert export_site(own_lake, folder).closed == 1
    assert_every_link_leads_to_a_file(folder)
    assert "static/closed.svg" in (folder / "artists.html").read_text(encoding="utf-8")
    works = map_works(folder)
    assert [works["ids"][number] for number in works["closed"]] == ids[:1]
    assert export_site(own_lake, folder, all_rights=True).closed == 0
    assert map_works(folder)["closed"] == []
    assert "closed.svg" not in (folder / "artists.html").read_text(encoding="utf-8")
    assert_every_link_leads_to_a_file(folder)


def test_an_export_that_fails_leaves_the_earlier_one(own_lake: DataLake, tmp_path: Path):
    folder = tmp_path / "site"
    export_site(own_lake, folder)
    before = sorted(folder.rglob("*"))

    class FullDisk(SilentProgress):
        def track(self, what: str, total: int, unit: str = "items") -> NoReturn:
            raise OSError(28, f"No space left on device: {what} of {total} {unit}")

    with pytest.raises(OSError, match="No space"):
        export_site(own_lake, folder, FullDisk())
    assert sorted(folder.rglob("*")) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lake", "site"]


def test_the_export_after_one_that_was_killed_keeps_and_then_replaces_the_earlier_one(
    own_lake: DataLake, tmp_path: Path
):
    folder = tmp_path / "site"
    export_site(own_lake, folder)
    folder.rename(tmp_path / ".site.artpipe-old")
    (tmp_path / ".site.artpipe-new").mkdir()
    export_site(own_lake, folder)
    assert (folder / "index.html").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lake", "site"]


@pytest.mark.parametrize("name", ["a/aachen/allegory", "~master-of-the-niche", "a/é#1%20/x.y", "b/x y"])
def test_an_ordinary_id_is_its_path(name: str):
    assert site_paths([name]) == {name: name}


UNUSABLE = ["", ".", "..", "../x", "a/../x", "/etc", "a//b", "a/.hidden", "a\\b", "a/\0", "a/", '"', "a?b", ":"]
LONG = ["x" * 101, "é" * 60, "a/" * 1500]


@pytest.mark.parametrize("name", [*UNUSABLE, *LONG, "a.html/b", "a.JPG/b", "small/b"])
def test_an_id_that_no_file_can_be_called_is_shortened_and_hashed(name: str):
    path = site_paths([name])[name]
    assert all(part and not part.startswith(".") and len(part.encode()) <= 100 for part in path.split("/"))
    assert not set('\\:*?"<>|\0') & set(path)
    assert len(path.encode()) <= 400
    assert re.search("[0-9a-f]{12}", path)


def test_no_two_ids_have_one_path_on_any_file_system():
    ids = ["tate:3", "tate/3", "A", "a", "é", "e\u0301", "..", "."]
    paths = site_paths(ids)
    assert paths["tate:3"] == "tate/3"
    assert (paths["A"], paths["é"]) == ("A", "é")
    assert len({unicodedata.normalize("NFC", path).casefold() for path in paths.values()}) == len(ids)
