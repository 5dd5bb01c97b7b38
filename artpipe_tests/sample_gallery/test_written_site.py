import csv
import io
import json
import os
import zipfile
from pathlib import Path

import polars as pl
import pytest

from artpipe.catalog.artists import parse_artist_list
from artpipe.catalog.clean import clean_artworks
from artpipe.catalog.parse import parse_catalog
from artpipe.sample_gallery import site
from artpipe.sample_gallery.plan import SampleGallery, Work
from artpipe.sample_gallery.site import (
    STAMP,
    ForeignFolderError,
    image_path,
    site_texts,
    write_gallery,
    write_sample_site,
)
from artpipe.schema import STYLES


class Killed(BaseException):
    """Stands for Ctrl-C or a kill."""


def files(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


@pytest.fixture(scope="module")
def catalog(small_site: Path) -> bytes:
    with zipfile.ZipFile(small_site / "database/download/data_txt.zip") as archive:
        assert archive.namelist() == ["catalog.txt"]
        return archive.read("catalog.txt")


def test_the_catalogue_is_windows_1252_with_crlf_and_eleven_tab_separated_columns(catalog: bytes):
    assert catalog.count(b"\n") == catalog.count(b"\r\n")
    with pytest.raises(UnicodeDecodeError):
        catalog.decode("utf-8")
    rows = list(csv.reader(io.StringIO(catalog.decode("cp1252")), delimiter="\t", quoting=csv.QUOTE_NONE))
    assert rows[0] == ["AUTHOR", "BORN-DIED", "TITLE", "DATE", "TECHNIQUE", "LOCATION", "URL", "FORM", "TYPE", "SCHOOL",
                       "TIMEFRAME"]  # fmt: skip
    assert sorted({len(row) for row in rows}) == [2, 11]


def test_every_painting_has_an_image_unless_its_link_is_dead(small: SampleGallery, small_site: Path):
    there = {work.artwork_id: image_path(small_site, work).exists() for work in small.works}
    assert there == {work.artwork_id: work.form == "painting" and work.picture != "missing" for work in small.works}


def test_the_catalogue_and_artist_list_can_be_parsed(small_site: Path):
    parsed = parse_catalog((small_site / "database/download/data_txt.zip").read_bytes())
    artists = parse_artist_list((small_site / "cgi-bin/artist.html").read_bytes())
    cleaned = clean_artworks(parsed, artists)
    assert cleaned.quarantine.height == 1
    assert artists["alias_of"].drop_nulls().len() > 0
    unlinked = artists.filter(pl.col("alias_of").is_null() & pl.col("artist_id").str.starts_with("~"))
    assert unlinked["name"].to_list() == ["MASTER of the Empty Niche"]
    artworks = cleaned.artworks
    assert set(artworks["style"].drop_nulls()) == set(STYLES)
    damaged = artworks.filter(artist_id="s/sliwnick")
    assert damaged["artist"].unique().to_list() == ["ŚLIWNICKI, Władysław"]
    assert artworks.filter(pl.col("artist").str.starts_with("UNKNOWN"))["style"].null_count() > 0
    flags = set(artworks["date_flags"].explode().drop_nulls())
    assert flags >= {"typo", "outside_life"}
    assert "-" in artworks["date_text"].to_list()


def test_robots_txt_leaves_the_pictures_open(small_site: Path):
    assert "Disallow: /support/" in (small_site / "robots.txt").read_text()
    assert "/art" not in (small_site / "robots.txt").read_text()


def test_the_same_seed_writes_the_same_bytes_with_one_process_or_two(small_site: Path, tmp_path: Path):
    again = write_sample_site(tmp_path / "again", seed=0, artworks=60, processes=2)
    assert files(again) == files(small_site)


def test_a_written_gallery_is_left_alone(small_site: Path, monkeypatch: pytest.MonkeyPatch):
    def never(*_: object, **__: object) -> None:
        raise AssertionError("drawn again")

    monkeypatch.setattr(site, "write_gallery", never)
    assert write_sample_site(small_site, seed=0, artworks=60) == small_site


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures that cost nothing."""

    def dot(work: Work) -> bytes | None:
        return None if work.picture == "missing" else work.artwork_id.encode()

    monkeypatch.setattr(site, "draw", dot)


@pytest.mark.usefixtures("quick")
def test_another_seed_replaces_the_gallery_whole(tmp_path: Path):
    folder = write_sample_site(tmp_path / "site", seed=0, artworks=60)
    write_sample_site(folder, seed=1, artworks=60)
    assert json.loads((folder / STAMP).read_text())["seed"] == 1
    assert files(folder) == files(write_sample_site(tmp_path / "fresh", seed=1, artworks=60))


@pytest.mark.usefixtures("quick")
def test_a_kill_while_drawing_leaves_no_half_gallery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = tmp_path / "site"
    drawn = 0

    def killed_later(_: Work) -> bytes:
        nonlocal drawn
        drawn += 1
        if drawn > 20:
            raise Killed
        return b"x"

    with monkeypatch.context() as patch:
        patch.setattr(site, "draw", killed_later)
        with pytest.raises(Killed):
            write_sample_site(folder, artworks=60)
    assert not folder.exists()
    assert [path.name for path in tmp_path.iterdir()] == [".site.lock"]
    write_sample_site(folder, artworks=60)
    assert (folder / STAMP).exists()


@pytest.mark.usefixtures("quick")
def test_a_kill_leaves_the_gallery_that_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = write_sample_site(tmp_path / "site", seed=0, artworks=60)
    before = files(folder)

    def killed(_: Work) -> bytes:
        raise Killed

    monkeypatch.setattr(site, "draw", killed)
    with pytest.raises(Killed):
        write_sample_site(folder, seed=1, artworks=60)
    assert files(folder) == before


@pytest.mark.usefixtures("quick")
def test_leftovers_of_a_killed_process_are_removed(tmp_path: Path):
    left_over = tmp_path / ".site-drawing-abc"
    left_over.mkdir()
    write_sample_site(tmp_path / "site", artworks=60)
    assert not left_over.exists()


def test_a_folder_with_other_files_is_refused_and_kept(tmp_path: Path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ForeignFolderError, match="not a sample gallery"):
        write_sample_site(tmp_path, artworks=60)
    assert os.listdir(tmp_path) == ["thesis.txt"]  # noqa: PTH208


@pytest.mark.usefixtures("quick")
def test_a_changed_gallery_can_be_written_by_hand(small: SampleGallery, tmp_path: Path):
    from dataclasses import replace

    first = small.works[0]
    changed = replace(small, works=(replace(first, title="A New Title"), *small.works[1:]))
    before, after = site_texts(small), site_texts(changed)
    assert [path for path in before if before[path] != after[path]] == ["database/download/data_txt.zip"]
    write_gallery(changed, tmp_path)
    assert b"A New Title" in zipfile.ZipFile(tmp_path / "database/download/data_txt.zip").read("catalog.txt")
