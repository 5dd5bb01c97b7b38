"""Several sources as one input: what is kept of them, how their hosts are asked, and the gallery as one of them."""

import json
from pathlib import Path

import polars as pl
import pytest
from upath import UPath

from artpipe.catalog.artists import parse_artist_list
from artpipe.catalog.clean import clean_artworks
from artpipe.catalog.join import join_sources
from artpipe.catalog.parse import parse_catalog
from artpipe.catalog.rows import ReadSource, ReadSources
from artpipe.crawler.client import GalleryClient
from artpipe.lake.paths import DataLake
from artpipe.progress import SilentProgress
from artpipe.settings import Settings
from artpipe.sources.config import BadSourcesFileError, SourcesFile, read_sources_file
from artpipe.sources.hosts import client_config
from artpipe.sources.snapshot import ChangedFilesError, is_snapshot, read_snapshot, snapshot_files, write_snapshot
from artpipe.sources.wga import WgaSource
from artpipe_tests.fixtures import tiny_gallery


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MUSEUM_KEY", "planted-secret")
    (tmp_path / "works.csv").write_text("id,name,kind\n1,Boats,oil\n2,Pears,print\n")
    file = tmp_path / "sources.yaml"
    file.write_text(
        json.dumps(
            {
                "sources": [
                    {
                        "name": "here",
                        "adapter": "table",
                        "path": "works.csv",
                        "columns": {"source_id": "id", "title": "name"},
                        "labels": {"kind": "kind"},
                    },
                    {
                        "name": "web",
                        "adapter": "table",
                        "path": "https://museum.example/works.csv",
                        "headers": {"Authorization": "Key ${MUSEUM_KEY}"},
                        "requests_per_s": 0.5,
                        "image_hosts": ["img.example:8080"],
                        "columns": {"source_id": "id"},
                    },
                ]
            }
        )
    )
    return file


def kept(lake: DataLake, file: Path) -> str:
    """Download the source of this machine, and keep what the file says of it alone."""
    named = read_sources_file(file)
    alone = type(named)(named.sources[:1], named.tasks)
    alone.sources[0].download(
        GalleryClient(client_config(Settings(sources="sources.yaml"), named)), lake.raw_source("here"), SilentProgress()
    )
    return write_snapshot(lake, str(file), alone)


def test_what_was_downloaded_is_read_again_from_the_lake_alone(sources: Path, tmp_path: Path):
    lake = DataLake(tmp_path / "lake")
    assert not is_snapshot(lake.raw("catalog"))
    kept(lake, sources)
    sources.unlink()
    (tmp_path / "works.csv").unlink()
    assert is_snapshot(lake.raw("catalog"))
    (read,) = read_snapshot(lake).sources
    assert (read.name, read.read.rows["title"].to_list()) == ("here", ["Boats", "Pears"])
    assert [file.exists() for file in snapshot_files(lake)] == [True]


def test_its_version_follows_the_files_and_what_is_said_of_them(sources: Path, tmp_path: Path):
    lake = DataLake(tmp_path / "lake")
    first = kept(lake, sources)
    assert kept(lake, sources) == first
    (tmp_path / "works.csv").write_text("id,name,kind\n1,Boats,oil\n")
    second = kept(lake, sources)
    sources.write_text(sources.read_text().replace('"kind": "kind"', '"sort": "kind"'))
    assert len({first, second, kept(lake, sources)}) == 3


def test_headers_are_not_kept_in_the_lake(sources: Path, tmp_path: Path):
    lake = DataLake(tmp_path / "lake")
    write_snapshot(lake, str(sources), read_sources_file(sources))
    assert "planted-secret" not in str(lake.raw("catalog").read_text())
    assert "MUSEUM_KEY" not in str(lake.raw("catalog").read_text())


def test_each_host_is_asked_as_its_source_says(sources: Path):
    config = client_config(Settings(sources=str(sources)))
    assert config.base_url is None
    assert config.policies["museum.example"].headers == {"Authorization": "Key planted-secret"}
    assert config.policies["img.example:8080"].headers == {}
    assert {policy.requests_per_s for policy in config.policies.values()} == {0.5}
    assert set(config.allowed_hosts) == {"museum.example", "img.example:8080"}


def of_one_host(tmp_path: Path, *sources: dict[str, object]) -> Settings:
    """Settings of tables `a`, `b` and so on at one host."""
    usual = {"adapter": "table", "path": "https://museum.example/works.csv", "columns": {"source_id": "id"}}
    listed = [usual | {"name": name} | source for name, source in zip("abc", sources, strict=False)]
    (tmp_path / "one_host.yaml").write_text(json.dumps({"sources": listed}))
    return Settings(sources=str(tmp_path / "one_host.yaml"), requests_per_s=4.0, concurrency=4)


@pytest.mark.parametrize("backwards", [False, True])
def test_a_host_of_several_sources_is_asked_as_the_slowest_says_with_the_headers_of_all(tmp_path: Path, backwards):
    sources = [
        {"headers": {"X-Key": "k"}, "requests_per_s": 0.5, "concurrency": 8},
        {"headers": {"Accept": "text/csv"}, "path": "https://Museum.example:443/more.csv"},
        {"path": "https://other.example/works.csv", "image_hosts": ["museum.example"], "requests_per_s": 9},
    ]
    config = client_config(of_one_host(tmp_path, *(sources[::-1] if backwards else sources)))
    policy = config.policies["museum.example"]
    assert (policy.requests_per_s, policy.concurrency) == (0.5, 4)
    assert policy.headers == {"X-Key": "k", "Accept": "text/csv"}
    assert config.policies["other.example"].headers == {}


def test_a_source_that_sets_no_pace_is_not_hurried_by_another_of_its_host(tmp_path: Path):
    policies = client_config(of_one_host(tmp_path, {"requests_per_s": 9}, {})).policies
    assert policies["museum.example"].requests_per_s == 4.0


def test_sources_that_send_one_host_different_values_of_a_header_are_refused_by_name(tmp_path: Path):
    same, other = {"headers": {"X-Key": "secret1"}}, {"headers": {"x-key": "secret2"}}
    assert client_config(of_one_host(tmp_path, same, same)).policies["museum.example"].headers == same["headers"]
    with pytest.raises(BadSourcesFileError, match=r"^a and b send the header x-key to museum\.example with") as refused:
        client_config(of_one_host(tmp_path, same, other))
    assert "secret" not in str(refused.value)


def test_files_that_changed_after_they_were_kept_are_not_read_as_those(sources: Path, tmp_path: Path):
    lake = DataLake(tmp_path / "lake")
    kept(lake, sources)
    (file,) = snapshot_files(lake)
    held = file.read_bytes()
    file.write_bytes(held.replace(b"Boats", b"Ships"))
    refused = r"^the files of the source here changed after raw_catalog was made; .* `artpipe refresh`\.$"
    with pytest.raises(ChangedFilesError, match=refused):
        read_snapshot(lake)
    file.write_bytes(held)
    assert read_snapshot(lake).sources
    file.unlink()
    with pytest.raises(ChangedFilesError):
        read_snapshot(lake)


def test_a_public_catalogue_alone_leads_into_no_private_network(sources: Path):
    named = read_sources_file(sources)
    web = type(named)(named.sources[1:], None)
    assert client_config(Settings(sources="sources.yaml"), named).reaches_private
    assert not client_config(Settings(sources="sources.yaml"), web).reaches_private


def test_without_a_file_of_sources_the_gallery_is_asked_as_before():
    settings = Settings(gallery="https://mirror.example/art")
    assert client_config(settings).base_url == "https://mirror.example/art"


def test_a_gallery_among_other_sources_has_the_works_that_it_has_alone(tmp_path: Path):
    folder = UPath(tmp_path)
    rows = tiny_gallery.rows()
    rows[3]["FORM"] = "sculpture"
    (folder / "catalog").write_bytes(tiny_gallery.catalogue(rows).encode("cp1252"))
    (folder / "artists").write_bytes(tiny_gallery.artist_page(rows))
    alone = clean_artworks(
        parse_catalog((folder / "catalog").read_bytes()), parse_artist_list((folder / "artists").read_bytes())
    ).artworks
    source = WgaSource(name="wga", base_url="https://mirror.example/art")
    read = source.read(folder)
    joined = join_sources(ReadSources((ReadSource("wga", None, read),), source.own_tasks)).cleaned.artworks
    same = [
        "artwork_id",
        "title",
        "artist",
        "year_from",
        "year_to",
        "style",
        "type",
        "technique",
        "page_url",
        "timeframe",
        "form",
    ]
    assert joined.select(same).equals(alone.select(same))
    with_picture = joined.filter(pl.col("image_url").is_not_null())
    assert with_picture.height == alone.height - 1
    assert with_picture.select("image_url").equals(alone.filter(form="painting").select("image_url"))
    assert read.notes == ("1 works have other forms than painting: without picture.",)
    with GalleryClient(client_config(Settings(sources="x.yaml"), SourcesFile((source,), None))) as client:
        assert client.address_of(with_picture["image_url"][0]).startswith("https://mirror.example/art/art/t/tester0/")
