"""The pages as files: the map, every work, artist and figure, to be put on any web server or opened from a folder."""

import base64
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from artpipe.errors import ArtpipeError
from artpipe.lake.paths import DataLake
from artpipe.progress import Progress, SilentProgress
from artpipe.search.collection import Collection, UnknownArtworkError
from artpipe.web.catalogue import Catalogue
from artpipe.web.links import ExportedLinks
from artpipe.web.map_data import MapData, read_map
from artpipe.web.pictures import Pictures, smaller
from artpipe.web.shown import artist_page, artists_page, collection_page, map_page, work_page
from artpipe.web.state import HERE, page_templates

_MARK = ".artpipe-site"
# Segments that no file system takes for anything but a name: none hidden, none that leads upwards.
_SEGMENT = r"(?!\.)[^/\\\x00-\x1f:*?\"<>|]+"
_SAFE_ID = re.compile(f"{_SEGMENT}(/{_SEGMENT})*")
BEGIN_WITH = 24


class OccupiedFolderError(ArtpipeError):
    """The folder holds something that was not exported."""


@dataclass(frozen=True)
class ExportedSite:
    """What was written: works with a page, artists with a page, and works left out because of their ids."""

    works: int
    artists: int
    left_out: list[str]


def export_site(
    lake: DataLake, folder: Path, progress: Progress | None = None, *, abstain_below: float = 0.5
) -> ExportedSite:
    """Write the collection as a folder of pages that need no server.

    Args:
        lake: what is written down.
        folder: new, empty, or an earlier export, which is replaced.
        progress: told of each work.
        abstain_below: a label that is less probable is told as unsure.

    Raises:
        OccupiedFolderError: the folder holds something else.
        NothingEmbeddedError, NoMapError: there is nothing to write yet.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / _MARK).exists():
        raise OccupiedFolderError(f"{folder} is not empty and no earlier export; name a new folder.")
    catalogue = Catalogue(Collection.open(lake))
    site = _Site(lake, catalogue, read_map(lake, catalogue), folder, abstain_below)
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    (folder / _MARK).write_text("Written by `artpipe export-site`, which replaces this folder.\n", encoding="utf-8")
    shutil.copytree(HERE / "static", folder / "static")
    return site.write(progress or SilentProgress())


class _Site:
    def __init__(
        self, lake: DataLake, catalogue: Catalogue, drawn: MapData, folder: Path, abstain_below: float
    ) -> None:
        self.lake, self.catalogue, self.map, self.folder = lake, catalogue, drawn, folder
        self.abstain_below = abstain_below
        self.templates = page_templates()
        self.pictures = Pictures(lake)

    def write(self, progress: Progress) -> ExportedSite:
        ids: list[str] = self.catalogue.works["artwork_id"].to_list()
        # An id becomes a path here, and nothing may be written outside the folder.
        left_out = [one for one in ids if _SAFE_ID.fullmatch(one) is None]
        wanted = [one for one in ids if _SAFE_ID.fullmatch(one)]
        with progress.track("export", len(wanted), "works") as step:
            for artwork_id in wanted:
                shown = work_page(self.lake, self.catalogue, artwork_id, self.abstain_below)
                self.page(f"works/{artwork_id}.html", "work.html", **shown)
                self.picture(artwork_id)
                step.advance(1)
        artists = list(self.artists())
        self.page("artists.html", "artists.html", **artists_page(self.catalogue, all_at_once=True))
        figures = collection_page(self.lake, self.catalogue)
        self.page("collection.html", "collection.html", **figures, asks=False, answer=None)
        self.write_map()
        works = [work for work in self.catalogue.some(BEGIN_WITH) if work["artwork_id"] not in left_out]
        self.page("index.html", "site.html", works=works)
        return ExportedSite(len(wanted), len(artists), left_out)

    def artists(self) -> Iterator[str]:
        for one in self.catalogue.artists:
            artist_id = str(one["artist_id"])
            if _SAFE_ID.fullmatch(artist_id):
                values = artist_page(self.lake, self.catalogue, artist_id, 1, len(self.catalogue))
                self.page(f"artists/{artist_id}.html", "artist.html", **values)
                yield artist_id

    def write_map(self) -> None:
        data = {"points": base64.b64encode(self.map.points).decode(), "works": json.loads(self.map.works)}
        text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
        self.file("map/data.js", f"window.artpipeMap={text};\n".encode())
        drawn = self.lake.report("map/art_map.png")
        if drawn.exists():
            self.file("map/picture.png", drawn.read_bytes())
        shown = {"picture": "map/picture.png", "data_script": "map/data.js"}
        self.page("map.html", "map.html", **map_page(self.map), **shown)

    def picture(self, artwork_id: str) -> None:
        try:
            stored = self.pictures.get(artwork_id).jpeg
        except UnknownArtworkError:
            return
        self.file(f"images/{artwork_id}.jpg", stored)
        self.file(f"images/small/{artwork_id}.jpg", smaller(stored, 320))

    def page(self, path: str, template: str, **values: object) -> None:
        shown = {"links": ExportedLinks(path), "works_in_all": len(self.catalogue), **values}
        self.file(path, self.templates.get_template(template).render(**shown).encode())

    def file(self, path: str, data: bytes) -> None:
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
