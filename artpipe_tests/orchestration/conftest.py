"""A gallery that changes, and a collection made from it: built once, and copied for every test that changes it."""

import html
import io
import os
import shutil
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest
from PIL import Image, ImageOps
from rich.console import Console

from artpipe.definitions import build_definitions
from artpipe.lake.parquet import read_table
from artpipe.lake.paths import DataLake
from artpipe.orchestration.declaration import DECLARED
from artpipe.orchestration.instance import open_instance
from artpipe.orchestration.next_assets import AssetStatus
from artpipe.orchestration.runner import RefreshOptions, RefreshReport, refresh
from artpipe.orchestration.staleness import asset_statuses
from artpipe.sample_gallery.server import SampleServer, serving
from artpipe.sample_gallery.site import ARTIST_LIST_FILE, CATALOG_FILE, HEADER, write_sample_site, zipped
from artpipe.settings import Settings
from artpipe_tests.fixtures.made_once import MadeOnce
from artpipe_tests.fixtures.small_training import SMALL_TRAINING, made_quickly
from artpipe_tests.orchestration.quiet_home import write_quiet_home

Row = dict[str, str]


class ChangingGallery:
    """The files of a written practice gallery and the server that serves them."""

    def __init__(self, server: SampleServer) -> None:
        self.server = server
        self.folder = server.root

    @property
    def url(self) -> str:
        return self.server.url

    def bodies(self) -> list[str]:
        """The paths that were answered with a body; robots.txt is read by every client and left out."""
        return [path for _, path, status in self.server.requests if status == 200 and path != "/robots.txt"]

    def forget_requests(self) -> None:
        self.server.requests.clear()

    @property
    def catalog(self) -> Path:
        return self.folder / CATALOG_FILE

    def lines(self) -> list[str]:
        with zipfile.ZipFile(self.catalog) as archive:
            return archive.read(archive.namelist()[0]).decode("cp1252").split("\r\n")[1:-1]

    def publish(self, lines: list[str], encoding: str = "cp1252", delimiter: str = "\t") -> None:
        """Publish the catalogue with these rows."""
        text = "\r\n".join(["\t".join(HEADER), *lines]) + "\r\n"
        self.write(self.catalog, zipped(text.replace("\t", delimiter).encode(encoding)))

    def edit(self, artwork_id: str, change: Callable[[Row], Row | None]) -> None:
        """Change the catalogue row of an artwork, or take it out."""
        lines: list[str] = []
        for line in self.lines():
            row = dict(zip(HEADER, line.split("\t"), strict=False))
            if f"/html/{artwork_id}.html" in row.get("URL", ""):
                changed = change(row)
                lines += [] if changed is None else ["\t".join(changed.values())]
            else:
                lines.append(line)
        assert lines != self.lines(), f"{artwork_id} is not in the catalogue"
        self.publish(lines)

    def add_like(self, artwork_id: str, count: int = 1) -> list[str]:
        """Add works like this one, each under a title and with a picture of its own."""
        model = next(line for line in self.lines() if f"/html/{artwork_id}.html" in line)
        folder = artwork_id.rpartition("/")[0]
        added = [f"{folder}/added{number}" for number in range(count)]
        rows = [dict(zip(HEADER, model.split("\t"), strict=True)) for _ in added]
        for number, (row, name) in enumerate(zip(rows, added, strict=True)):
            row["TITLE"] = f"Newly Acquired {'ABCDEFGHIJKLMNOP'[number]}"
            row["URL"] = row["URL"].replace(artwork_id, name)
            self.hang(name, number)
        self.publish([*self.lines(), *("\t".join(row.values()) for row in rows)])
        return added

    def hang(self, artwork_id: str, number: int = 0) -> None:
        """Put another picture where the image of an artwork is."""
        pictures = sorted(path for path in (self.folder / "art").rglob("*.jpg") if "added" not in path.name)
        readable = [path for path in pictures if path.stat().st_size > 2000 and path != self._image(artwork_id)]
        with Image.open(readable[7 * number + 3]) as image:
            other = ImageOps.invert(ImageOps.mirror(image.convert("RGB")).rotate(90 * (number % 4), expand=True))
        out = io.BytesIO()
        other.save(out, "JPEG", quality=90)
        self.write(self._image(artwork_id), out.getvalue())

    def pictures(self) -> dict[str, bytes]:
        """The image of each artwork that has one."""
        art = self.folder / "art"
        paths = sorted(art.rglob("*.jpg"))
        return {path.relative_to(art).with_suffix("").as_posix(): path.read_bytes() for path in paths}

    def put(self, pictures: dict[str, bytes]) -> None:
        """Replace the images of these artworks."""
        for artwork_id, picture in pictures.items():
            self.write(self._image(artwork_id), picture)

    def take_down(self, artwork_id: str) -> None:
        self._image(artwork_id).unlink()

    def move_artist(self, name: str, style: str, other: str) -> None:
        """Correct the style of an artist in the artist list."""
        page = self.folder / ARTIST_LIST_FILE
        text = page.read_text("utf-8")
        head, _, tail = text.partition(f"<b>{html.escape(name)}</b>")
        assert tail, f"{name} is not listed"
        self.write(page, (head + f"<b>{html.escape(name)}</b>" + tail.replace(f">{style}<", f">{other}<", 1)).encode())

    def _image(self, artwork_id: str) -> Path:
        return self.folder / "art" / f"{artwork_id}.jpg"

    def write(self, path: Path, data: bytes) -> None:
        """Write a file as one changed later than the one before it, as a site's clock would tell."""
        before = path.stat().st_mtime if path.exists() else time.time()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        os.utime(path, (before + 60, before + 60))


class Upkeep:
    """A collection, the gallery it comes from, and somebody who keeps it up to date."""

    def __init__(self, lake: Path, gallery: ChangingGallery) -> None:
        self.lake_root, self.gallery = lake, gallery
        self.output = io.StringIO()

    def settings(self, **changed: object) -> Settings:
        usual = {
            "gallery": self.gallery.url,
            "lake": str(self.lake_root),
        }
        return Settings(**{**SMALL_TRAINING, **usual, **changed})

    def refresh(self, options: RefreshOptions | None = None, **changed: object) -> RefreshReport:
        self.gallery.forget_requests()
        settings = self.settings(**changed)
        with made_quickly():
            return refresh(
                build_definitions(settings), settings, options or RefreshOptions(), Console(file=self.output)
            )

    def needing_a_run(self, **changed: object) -> set[str]:
        """The assets that the next refresh would run if the gallery did not change."""
        return {name for name, status in self.statuses(**changed).items() if status.needs_run}

    def statuses(self, **changed: object) -> dict[str, AssetStatus]:
        settings = self.settings(**changed)
        graph = build_definitions(settings).resolve_asset_graph()
        with open_instance(settings) as instance:
            return asset_statuses(graph, instance, settings)

    @property
    def lake(self) -> DataLake:
        return DataLake(self.lake_root)

    def table(self, name: str) -> pl.DataFrame:
        return read_table(self.lake, name)

    def works(self, split: str = "train", **having: str) -> list[str]:
        """Usable works whose group is one picture, so that a change of one is a change of one row."""
        rows = self.table("splits").filter(pl.col("split") == split, ~pl.col("work_id").is_duplicated())
        return rows.filter(**having)["artwork_id"].sort().to_list()


@pytest.fixture(autouse=True)
def toys_are_forgotten() -> Iterator[None]:
    """What a test declares with the decorator is no asset of the next test."""
    kept = dict(DECLARED)
    yield
    DECLARED.clear()
    DECLARED.update(kept)


@pytest.fixture(scope="session")
def built(made_once: MadeOnce) -> Path:
    """A folder with a practice gallery, `site`, and the collection made from it, `lake`."""
    return made_once("built", lambda folder: _refresh(write_sample_site(folder / "site", artworks=120)))


@pytest.fixture
def upkeep(built: Path, tmp_path: Path) -> Iterator[Upkeep]:
    """A copy of the collection and of its gallery, for one test to change."""
    yield from _copied(built, tmp_path)


def _refresh(site: Path, options: RefreshOptions | None = None) -> None:
    """Make the lake beside a site."""
    lake = site.with_name("lake")
    write_quiet_home(lake)
    with serving(site) as server:
        Upkeep(lake, ChangingGallery(server)).refresh(options)


def _copied(built: Path, folder: Path) -> Iterator[Upkeep]:
    for name in ("site", "lake"):
        shutil.copytree(built / name, folder / name)
    with serving(folder / "site") as server:
        yield Upkeep(folder / "lake", ChangingGallery(server))


@pytest.fixture(scope="session")
def harvested(made_once: MadeOnce, small_site: Path) -> Path:
    """As `built`, smaller and without a model: everything down to `splits`."""

    def make(folder: Path) -> None:
        _refresh(shutil.copytree(small_site, folder / "site"), RefreshOptions("+splits"))

    return made_once("harvested", make)


@pytest.fixture
def harvest(harvested: Path, tmp_path: Path) -> Iterator[Upkeep]:
    """A copy of what was harvested, for one test to change."""
    yield from _copied(harvested, tmp_path)
