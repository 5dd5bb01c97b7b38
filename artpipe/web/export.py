"""The pages as files, for any web server or to be opened from a folder: map, works, artists, statistics."""

import base64
import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from artpipe.errors import ArtpipeError
from artpipe.lake.paths import DataLake
from artpipe.progress import Progress, SilentProgress
from artpipe.search.collection import Collection, UnknownArtworkError
from artpipe.web.app_state import HERE, page_templates
from artpipe.web.catalogue import Catalogue
from artpipe.web.links import ExportedLinks, as_path
from artpipe.web.map_data import MapData, read_map, sheets_of
from artpipe.web.map_pages import map_context
from artpipe.web.page_context import artist_context, artists_context, collection_context, work_context
from artpipe.web.thumbnails import Thumbnails, smaller

_MARKER = ".artpipe-site"
# A path segment that is an ordinary file name everywhere: not hidden, and not `..`.
_SEGMENT = r"(?!\.)[^/\\\x00-\x1f:*?\"<>|]+"
_SAFE_ID = re.compile(f"{_SEGMENT}(/{_SEGMENT})*")
WORKS_ON_HOME_PAGE = 24


class OccupiedFolderError(ArtpipeError):
    """The folder has content that was not exported."""


@dataclass(frozen=True)
class ExportedSite:
    """What was written, and what was not.

    Attributes:
        works: with a page.
        artists: with a page.
        left_out: works without a page, because of their ids.
        closed: works whose pictures were left out, because their source does not call them open.
    """

    works: int
    artists: int
    left_out: list[str]
    closed: int = 0


def export_site(
    lake: DataLake,
    folder: Path,
    progress: Progress | None = None,
    *,
    abstain_below: float = 0.5,
    all_rights: bool = False,
) -> ExportedSite:
    """Write the collection as a folder of pages that need no server.

    Args:
        lake: the lake to export.
        folder: new, empty, or an earlier export, which is replaced.
        progress: advances with each work.
        abstain_below: a label with a lower probability is displayed as unsure.
        all_rights: write the pictures of works, too, that their source does not call open.

    Raises:
        OccupiedFolderError: the folder has other content.
        NothingEmbeddedError, NoMapError: there is nothing to export yet.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / _MARKER).exists():
        raise OccupiedFolderError(f"{folder} is not empty and not an earlier export; name a new folder.")
    catalogue = Catalogue(Collection.open(lake))
    writer = _SiteWriter(lake, catalogue, read_map(lake, catalogue), folder, only_open=not all_rights)
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    (folder / _MARKER).write_text("Written by `artpipe export-site`, which replaces this folder.\n", encoding="utf-8")
    shutil.copytree(HERE / "static", folder / "static")
    return writer.write(progress or SilentProgress(), abstain_below)


class _SiteWriter:
    def __init__(
        self, lake: DataLake, catalogue: Catalogue, map_data: MapData, folder: Path, *, only_open: bool
    ) -> None:
        self.lake, self.catalogue, self.map, self.folder, self.only_open = lake, catalogue, map_data, folder, only_open
        self.closed = catalogue.closed if only_open else frozenset[str]()
        self.templates = page_templates()
        self.thumbnails = Thumbnails(lake)

    def write(self, progress: Progress, abstain_below: float) -> ExportedSite:
        ids: list[str] = self.catalogue.snapshot.rows["artwork_id"].to_list()
        # An id becomes a path, which must not lead out of the folder.
        exported = [one for one in ids if _SAFE_ID.fullmatch(as_path(one))]
        left_out = [one for one in ids if not _SAFE_ID.fullmatch(as_path(one))]
        with progress.track("export", len(exported), "works") as step:
            for artwork_id in exported:
                page = f"works/{as_path(artwork_id)}.html"
                links = ExportedLinks(page, only_open=self.only_open)
                context = work_context(self.lake, self.catalogue, artwork_id, links, abstain_below)
                self.write_page(page, "work.html", **context, passes_originals=False)
                self.write_pictures(artwork_id)
                step.advance(1)
        artist_ids = [str(artist["artist_id"]) for artist in self.catalogue.artists]
        artist_ids = [one for one in artist_ids if _SAFE_ID.fullmatch(as_path(one))]
        for artist_id in artist_ids:
            context = artist_context(self.lake, self.catalogue, artist_id, 1, len(self.catalogue))
            self.write_page(f"artists/{as_path(artist_id)}.html", "artist.html", **context)
        self.write_page("artists.html", "artists.html", **artists_context(self.catalogue, on_one_page=True))
        context = collection_context(self.lake, self.catalogue)
        self.write_page("collection.html", "collection.html", **context, shows_status=False, status=None)
        self.write_map()
        works = [work for work in self.catalogue.sample(WORKS_ON_HOME_PAGE) if work["artwork_id"] not in left_out]
        self.write_page("index.html", "site.html", works=works)
        return ExportedSite(len(exported), len(artist_ids), left_out, len(self.closed))

    def write_map(self) -> None:
        data = {"points": base64.b64encode(self.map.points).decode(), "works": json.loads(self.map.works)}
        script = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
        self.write_file("map/data.js", f"window.artpipeMap={script};\n".encode())
        picture = self.lake.report("map/art_map.png")
        if picture.exists():
            self.write_file("map/picture.png", picture.read_bytes())
        sheets = sheets_of(self.lake, self.catalogue, self.map, self.closed)
        for name in sheets.names:
            self.write_file(f"map/sheets/{name}.webp", sheets.get(name))
        # A page opened from a folder may not fetch data, so points and works are in a script.
        files = {"points": "", "works": "", "picture": "map/picture.png", "script": "map/data.js"}
        links = {"sheet_link": "map/sheets/ID.webp", "selection": ""}
        self.write_page("map.html", "map.html", **map_context(self.map, sheets.names), **files, **links)

    def write_pictures(self, artwork_id: str) -> None:
        if artwork_id in self.closed:
            return
        try:
            stored = self.thumbnails.get(artwork_id).jpeg
        except UnknownArtworkError:
            return
        self.write_file(f"images/{as_path(artwork_id)}.jpg", stored)
        self.write_file(f"images/small/{as_path(artwork_id)}.jpg", smaller(stored, 320))

    def write_page(self, path: str, template: str, **values: object) -> None:
        context = {"links": ExportedLinks(path, only_open=self.only_open), "total_works": len(self.catalogue), **values}
        context["caption"] = self.catalogue.collection.tasks.caption
        self.write_file(path, self.templates.get_template(template).render(**context).encode())

    def write_file(self, path: str, data: bytes) -> None:
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
