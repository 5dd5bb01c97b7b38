"""The pages as files, for any web server or to be opened from a folder: map, works, artists, statistics."""

import base64
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from artpipe.errors import ArtpipeError
from artpipe.lake.paths import DataLake
from artpipe.progress import Progress, SilentProgress
from artpipe.search.collection import Collection, UnknownArtworkError
from artpipe.web.app_state import HERE, page_templates
from artpipe.web.catalogue import Catalogue
from artpipe.web.links import ExportedLinks
from artpipe.web.map_data import MapData, read_map, sheets_of
from artpipe.web.map_pages import map_context
from artpipe.web.page_context import artist_context, artists_context, collection_context, work_context
from artpipe.web.site_paths import site_paths
from artpipe.web.thumbnails import Thumbnails, smaller

_MARKER = ".artpipe-site"
WORKS_ON_HOME_PAGE = 24


class OccupiedFolderError(ArtpipeError):
    """The folder has content that was not exported."""


@dataclass(frozen=True)
class ExportedSite:
    """What was written, and what was not.

    Attributes:
        works: with a page.
        artists: with a page.
        closed: works whose pictures were left out, because their source does not call them open.
    """

    works: int
    artists: int
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
        folder: new, empty, or an earlier export, which is replaced once the new one is whole.
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
    folder = folder.resolve()
    if folder.is_mount():
        raise OccupiedFolderError(f"{folder} is a mount point, which cannot be replaced; name a folder in it.")
    new, old = (folder.with_name(f".{folder.name}.artpipe-{name}") for name in ("new", "old"))
    writer = _SiteWriter(lake, catalogue, read_map(lake, catalogue), new, only_open=not all_rights)
    _clear(folder, new, old)  # of an export that was killed
    try:
        new.mkdir(parents=True)
        (new / _MARKER).write_text("Written by `artpipe export-site`, which replaces this folder.\n", encoding="utf-8")
        shutil.copytree(HERE / "static", new / "static")
        done = writer.write(progress or SilentProgress(), abstain_below)
        if folder.exists():
            folder.rename(old)
        new.rename(folder)
    finally:
        _clear(folder, new, old)
    return done


def _clear(folder: Path, new: Path, old: Path) -> None:
    """Remove what lies beside the site; the earlier site takes its place again where no new one has it."""
    if old.exists() and not folder.exists():
        old.rename(folder)
    for rest in (new, old):
        shutil.rmtree(rest, ignore_errors=True)


class _SiteWriter:
    def __init__(
        self, lake: DataLake, catalogue: Catalogue, map_data: MapData, folder: Path, *, only_open: bool
    ) -> None:
        self.lake, self.catalogue, self.map, self.folder = lake, catalogue, map_data, folder
        self.closed = catalogue.closed if only_open else frozenset[str]()
        rows = catalogue.snapshot.rows
        self.works = site_paths(rows["artwork_id"])
        self.artists = site_paths(rows["artist_id"].drop_nulls().unique().sort())
        self.templates = page_templates()
        self.thumbnails = Thumbnails(lake)

    def write(self, progress: Progress, abstain_below: float) -> ExportedSite:
        with progress.track("export", len(self.works), "works") as step:
            for artwork_id, path in self.works.items():
                page = f"works/{path}.html"
                context = work_context(self.lake, self.catalogue, artwork_id, self.links(page), abstain_below)
                self.write_page(page, "work.html", **context, passes_originals=False)
                self.write_pictures(artwork_id, path)
                step.advance(1)
        for artist_id, path in self.artists.items():
            context = artist_context(self.lake, self.catalogue, artist_id, 1, len(self.catalogue))
            self.write_page(f"artists/{path}.html", "artist.html", **context)
        self.write_page("artists.html", "artists.html", **artists_context(self.catalogue, on_one_page=True))
        context = collection_context(self.lake, self.catalogue)
        self.write_page("collection.html", "collection.html", **context, shows_status=False, status=None)
        self.write_map()
        self.write_page("index.html", "site.html", works=self.catalogue.sample(WORKS_ON_HOME_PAGE))
        return ExportedSite(len(self.works), len(self.artists), len(self.closed))

    def links(self, page: str) -> ExportedLinks:
        return ExportedLinks(page, self.works, self.artists, self.closed)

    def write_map(self) -> None:
        works = json.loads(self.map.works)
        works["paths"] = [self.works[one] for one in works["ids"]]
        works["closed"] = [number for number, one in enumerate(works["ids"]) if one in self.closed]
        data = {"points": base64.b64encode(self.map.points).decode(), "works": works}
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
        links = {"work_link": "works/ID.html", "image_link": "images/small/ID.jpg", "sheet_link": "map/sheets/ID.webp"}
        self.write_page("map.html", "map.html", **map_context(self.map, sheets.names), **files, **links, selection="")

    def write_pictures(self, artwork_id: str, path: str) -> None:
        if artwork_id in self.closed:
            return
        try:
            stored = self.thumbnails.get(artwork_id).jpeg
        except UnknownArtworkError:
            return
        self.write_file(f"images/{path}.jpg", stored)
        self.write_file(f"images/small/{path}.jpg", smaller(stored, 320))

    def write_page(self, path: str, template: str, **values: object) -> None:
        context = {"links": self.links(path), "total_works": len(self.catalogue), **values}
        context["caption"] = self.catalogue.collection.tasks.caption
        self.write_file(path, self.templates.get_template(template).render(**context).encode())

    def write_file(self, path: str, data: bytes) -> None:
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
