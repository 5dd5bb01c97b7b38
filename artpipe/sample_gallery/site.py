"""Writes the sample gallery as the files that a site like the Web Gallery of Art serves.

The catalogue, the artist list, robots.txt and every image lie where the real site has them; `server.py` serves them.
"""

import html
import io
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path

from artpipe.errors import ArtpipeError
from artpipe.progress import Progress, SilentProgress
from artpipe.sample_gallery.artists import Artist
from artpipe.sample_gallery.drawing import DRAWING_VERSION, draw
from artpipe.sample_gallery.plan import SampleGallery, Work, plan_gallery
from artpipe.schema import IMAGES_ROOT, ORIGINAL_SITE, PAGES_ROOT

STAMP = "sample_gallery.json"
CATALOG_FILE = "database/download/data_txt.zip"
ARTIST_LIST_FILE = "cgi-bin/artist.html"
HEADER = ("AUTHOR", "BORN-DIED", "TITLE", "DATE", "TECHNIQUE", "LOCATION", "URL", "FORM", "TYPE", "SCHOOL", "TIMEFRAME")
ROBOTS = "User-agent: *\nDisallow: /support/\nDisallow: /cgi-bin/search.cgi\n"
_CHUNK = 12
# Below this many pictures, new processes cost more than they draw.
_WORTH_PROCESSES = 200


class ForeignFolderError(ArtpipeError):
    """The folder has files that are not a sample gallery."""


def write_sample_site(
    folder: Path, *, seed: int = 0, artworks: int = 900, progress: Progress | None = None, processes: int | None = None
) -> Path:
    """Draw the sample gallery into a folder, unless it is there already.

    The folder appears whole: it is drawn aside and renamed, and a second process waits meanwhile.

    Args:
        folder: where the site is to be; a gallery of another seed, size or drawing version is replaced.
        seed: another seed is another gallery.
        artworks: how many paintings its catalogue lists.
        progress: advanced with each picture.
        processes: how many draw; by default one a core, and one for a small gallery. The files are the same.

    Returns:
        The folder.

    Raises:
        ForeignFolderError: the folder has files that are not a sample gallery.
        ValueError: too few works.
    """
    folder = Path(folder)
    stamp = json.dumps({"seed": seed, "artworks": artworks, "drawing_version": DRAWING_VERSION})
    if _stamp_of(folder) == stamp:
        return folder
    from filelock import FileLock

    gallery = plan_gallery(seed, artworks)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.parent / f".{folder.name}.lock"):
        found = _stamp_of(folder)
        if found == stamp:
            return folder
        if found is None and folder.exists() and any(folder.iterdir()):
            raise ForeignFolderError(
                f"{folder} has files that are not a sample gallery; give an empty folder, or one that does not exist."
            )
        for left_over in folder.parent.glob(f".{folder.name}-drawing-*"):
            shutil.rmtree(left_over, ignore_errors=True)
        aside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-drawing-"))
        try:
            site = aside / "site"
            write_gallery(gallery, site, progress=progress, processes=processes)
            (site / STAMP).write_text(stamp, encoding="utf-8")
            if folder.exists():
                folder.replace(aside / "old")
            site.replace(folder)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    return folder


def _stamp_of(folder: Path) -> str | None:
    """The stamp of a written gallery: its seed, size and drawing version; None where there is none."""
    try:
        return (folder / STAMP).read_text(encoding="utf-8")
    except OSError:
        return None


def write_gallery(
    gallery: SampleGallery, folder: Path, *, progress: Progress | None = None, processes: int | None = None
) -> None:
    """Write a planned gallery: its catalogue, artist list, robots.txt and images."""
    for path, data in site_texts(gallery).items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    with (progress or SilentProgress()).track("draw", len(gallery.paintings), "pictures") as step:
        for work, data in _drawn(list(gallery.paintings), processes):
            if data is not None:
                target = image_path(folder, work)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(data)
            step.advance()


def image_path(folder: Path, work: Work) -> Path:
    """Where the image of a work lies in a written site."""
    return folder / IMAGES_ROOT.lstrip("/") / f"{work.artwork_id}.jpg"


def site_texts(gallery: SampleGallery) -> dict[str, bytes]:
    """Every file of the site but the images, by its path."""
    return {
        "robots.txt": ROBOTS.encode(),
        CATALOG_FILE: zipped(catalog_text(gallery).encode("cp1252")),
        ARTIST_LIST_FILE: artist_list(gallery).encode(),
    }


def catalog_text(gallery: SampleGallery) -> str:
    """The catalogue by artist and title: tab-separated, CRLF, a row for every work and the malformed ones."""
    works = sorted(gallery.works, key=lambda work: (work.artist.name, work.title, work.slug))
    rows = ["\t".join(_catalog_row(work)) for work in works]
    middle = len(rows) // 2
    lines = ["\t".join(HEADER), *rows[:middle], *gallery.malformed_rows, *rows[middle:]]
    return "\r\n".join(lines) + "\r\n"


def zipped(text: bytes) -> bytes:
    """The catalogue as the site offers it; the same text gives the same bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("catalog.txt", (2024, 1, 1, 0, 0, 0)), text, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def artist_list(gallery: SampleGallery) -> str:
    """The artist list page, by name, with an alias for every ninth artist."""
    rows: list[tuple[str, str]] = []
    for number, artist in enumerate(gallery.artists):
        if not artist.is_listed:
            continue
        name = f"<b>{html.escape(artist.name)}</b>"
        if artist.is_linked:
            name = f'<a href="{ORIGINAL_SITE}{PAGES_ROOT}/{artist.folder}/index.html">{name}</a>'
        rows.append((artist.name, _artist_row(name, artist)))
        if number % 9 == 4:
            alias = f"{artist.name.rpartition(', ')[2].upper()} of {artist.city}"
            rows.append((alias, _artist_row(f"<b>{html.escape(alias)} (see </b>{name}<b>)</b>", artist)))
    return (
        '<html><head><title>Artists in the practice gallery</title><meta http-equiv="Content-Type" '
        'content="text/html; charset=utf-8"></head><body>\n'
        '<table width="700"><tr><td class="HEADER">ARTISTS</td></tr>\n'
        '<tr><td><form action="/cgi-bin/artist.cgi" method="get"><input name="letter" value="-"></form></td></tr>\n'
        "<tr><td>Name</td><td>Born - Died</td><td>Period</td><td>School</td></tr></table>\n"
        '<table border="1" cellpadding="4" width="700" style="border: 0;">\n'
        + "\n".join(row for _, row in sorted(rows))
        + "\n</table></body></html>\n"
    )


def _artist_row(name: str, artist: Artist) -> str:
    cells = (name, artist.list_dates, artist.style, f"{artist.school} painter  ({html.escape(artist.city)})")
    return "<tr>" + "".join(f'<td class="ARTISTLIST">{cell}</td>' for cell in cells) + "</tr>"


def _catalog_row(work: Work) -> tuple[str, ...]:
    artist = work.artist
    # As on the real site, the time frame follows the artist and not the work.
    first = ((artist.born + artist.died) // 2 - 1) // 50 * 50 + 1
    return (
        artist.catalog_name,
        artist.catalog_dates,
        work.title,
        work.date_text,
        work.technique,
        work.location,
        f"{ORIGINAL_SITE}{PAGES_ROOT}/{work.artwork_id}.html",
        work.form,
        work.type,
        artist.school,
        f"{first}-{first + 49}",
    )


def _drawn(works: list[Work], processes: int | None) -> Iterator[tuple[Work, bytes | None]]:
    """Every work with its file, in order."""
    count = processes or ((os.cpu_count() or 1) if len(works) >= _WORTH_PROCESSES else 1)
    done = 0
    if count > 1:
        chunks = [works[i : i + _CHUNK] for i in range(0, len(works), _CHUNK)]
        # A script without `if __name__ == "__main__":` cannot start processes: then the rest is drawn here.
        with suppress(BrokenProcessPool), ProcessPoolExecutor(count, mp_context=get_context("spawn")) as pool:
            for chunk, files in zip(chunks, pool.map(_draw_chunk, chunks), strict=True):
                yield from zip(chunk, files, strict=True)
                done += len(chunk)
    for work in works[done:]:
        yield work, draw(work)


def _draw_chunk(works: list[Work]) -> list[bytes | None]:
    return [draw(work) for work in works]
