"""What is fuzzed: each reader of bytes that strangers send, what must hold of its answer, and seeds to begin from.

A target takes any bytes and may raise nothing but an `ArtpipeError`. `fuzz.py` searches for bytes that break one, and
`test_fuzz_seeds.py` runs every seed, those that once broke one among them (`findings/`).
"""

import asyncio
import io
import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import protego  # noqa: F401 - imported here, so that it is instrumented
from PIL import Image

from artpipe.catalog.artists import parse_artist_list
from artpipe.catalog.clean import clean_artworks
from artpipe.catalog.dates import parse_date
from artpipe.catalog.lives import parse_life
from artpipe.catalog.parse import parse_catalog
from artpipe.catalog.rows import ARTIST, IMAGE
from artpipe.crawler.outcome import Outcome, Response
from artpipe.crawler.robots import robots_rules
from artpipe.errors import ArtpipeError
from artpipe.images.decode import decode_artwork, decode_rgb
from artpipe.sources.iiif_document import document
from artpipe.sources.iiif_json import parsed
from artpipe.sources.iiif_manifest import manifest_row
from artpipe.sources.iiif_reading import Reading
from artpipe.sources.oai_record import Reading as RecordReading
from artpipe.sources.oai_record import record_row
from artpipe.sources.oai_xml import parsed_page
from artpipe.sources.picture_metadata import read_picture as read_file
from artpipe.sources.remarks import Remarks
from artpipe.web.config import WebConfig
from artpipe.web.decoding import decode_untrusted
from artpipe.web.uploads import BytesInFlight, read_picture
from artpipe_tests.fixtures.iiif_files import collection, manifest, manifest_2, pair, resource
from artpipe_tests.fixtures.oai_repository import EDM, Kept, Repository, dublin_core
from artpipe_tests.fixtures.paintings import jpeg_of, painting
from artpipe_tests.fixtures.tiny_gallery import artist_page, catalogue, rows

Image.init()  # imports every format's reader
FINDINGS = Path(__file__).with_name("findings")
MAX_PIXELS = 4_000_000
_INT32 = range(-(2**31), 2**31)


@dataclass(frozen=True)
class Target:
    """One reader.

    Attributes:
        run: takes the bytes; raises an `ArtpipeError` where it refuses them, anything else where it is broken.
        seeds: returns bytes to begin from.
        max_bytes: how long the bytes may become.
    """

    run: Callable[[bytes], object]
    seeds: Callable[[], list[bytes]]
    max_bytes: int = 4096

    def check(self, data: bytes) -> None:
        """Run it on any bytes; a refusal is an answer too, in one line."""
        try:
            self.run(data)
        except ArtpipeError as refusal:
            if not str(refusal).strip():
                raise AssertionError(f"{type(refusal)} has no words") from refusal

    def all_seeds(self, name: str) -> list[bytes]:
        """The seeds, and what was found by fuzzing."""
        return [*self.seeds(), *(path.read_bytes() for path in sorted((FINDINGS / name).glob("*")))]


def _catalogue(data: bytes) -> None:
    parsed = parse_catalog(data)
    cleaned = clean_artworks(parsed, parse_artist_list(artist_page(rows())))
    lines = {*parsed.rows["row_number"], *parsed.quarantine["row_number"]}
    assert len(lines) == parsed.rows.height + parsed.quarantine.height, "a line is a row or is quarantined"
    assert cleaned.artworks.height + cleaned.quarantine.height == len(lines)
    assert cleaned.artworks["artwork_id"].is_unique().all()
    assert (cleaned.artworks["year_from"] <= cleaned.artworks["year_to"]).all()


def _artists(data: bytes) -> None:
    listed = parse_artist_list(data)
    assert listed["artist_id"].is_unique().all()
    assert (listed["born"] <= listed["died"]).fill_null(value=True).all() or listed.height


def _dates(data: bytes) -> None:
    text = data.decode("utf-8", errors="replace")
    found, life = parse_date(text), parse_life(text)
    for year in (found.year_from, found.year_to, life.born, life.died, life.active_from, life.active_to):
        assert year is None or year in _INT32
    assert (found.year_from is None) == (found.year_to is None)
    assert found.year_from is None or found.year_to is None or found.year_from <= found.year_to


def _robots(data: bytes) -> None:
    rules = robots_rules("http://a.hu/robots.txt", Response(Outcome.OK, 200, data), "artpipe")
    assert 0 <= rules.crawl_delay_s <= 60
    for path in ("/", "/art/a/b.jpg", "/%ff?x=*$"):
        refused = rules.refusal(f"http://a.hu{path}")
        assert refused is None or refused.error


def _images(data: bytes) -> None:
    try:
        stored = decode_artwork(data, 64, MAX_PIXELS)
    except ArtpipeError:
        try:
            decode_rgb(data, 64, MAX_PIXELS)
        except ArtpipeError:
            return
        raise AssertionError("a search takes what the harvest refuses") from None
    again = Image.open(io.BytesIO(stored.jpeg))
    assert (again.format, again.mode) == ("JPEG", "RGB")
    again.load()
    assert min(again.size) <= 64 or min(stored.width_px, stored.height_px) <= 64
    assert decode_artwork(stored.jpeg, 64).jpeg[:2] == b"\xff\xd8"


def _manifests(data: bytes) -> None:
    url = "https://iiif.example/a"
    document(data, url)
    remarks = Remarks()
    row = manifest_row(parsed(data, url), url, Reading(labels={"movement": ("movement",)}), remarks, {})
    pl.DataFrame([row], schema_overrides={"images": pl.List(IMAGE), "artists": pl.List(ARTIST)})
    assert all(remarks.sentences())


def _harvests(data: bytes) -> None:
    for record in parsed_page(data, "here").records:
        if record.is_deleted:
            continue
        row = record_row(record, RecordReading(), Remarks())
        pl.DataFrame([row], schema_overrides={"images": pl.List(IMAGE), "artists": pl.List(ARTIST)})


def _records() -> list[bytes]:
    asked = {"verb": "ListRecords", "metadataPrefix": "edm"}
    edm = EDM.format("<edm:Agent rdf:about='#a'/><dc:creator rdf:resource='#a'/><dc:title>Pears</dc:title>")
    kept = {"1": Kept(dublin_core(title="Pears", identifier="https://a.hu/1.jpg")), "2": Kept(""), "3": Kept(edm)}
    return [Repository(kept, page_size=3).respond(asked), Repository().respond(asked)]


def _files(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "a.jpg")
        file.write_bytes(data)
        found = read_file(file)
    assert found.width_px > 0
    assert all(text for texts in found.written.values() for text in texts)


BOUNDARY = b"x0x"


def _uploads(data: bytes) -> None:
    head, _, body = data.partition(b"\n")
    content_type = {b"m": b"multipart/form-data; boundary=x0x", b"i": b"image/jpeg"}.get(head[:1], head)
    parts = [body[first : first + 700] for first in range(0, len(body), 700)] or [b""]
    sent = iter(parts)

    async def receive() -> dict[str, Any]:
        part = next(sent, None)
        return {"type": "http.request", "body": part or b"", "more_body": part is not None}

    from starlette.requests import Request

    scope = {"type": "http", "method": "POST", "path": "/", "headers": [(b"content-type", content_type)]}
    in_flight = BytesInFlight(10**9)
    try:
        picture = asyncio.run(read_picture(Request(scope, receive), WebConfig(), in_flight))
        decode_untrusted(picture, 64)
    finally:
        assert in_flight.count == 0


def _form(picture: bytes) -> bytes:
    head = b'--x0x\r\nContent-Disposition: form-data; name="picture"; filename="p.jpg"\r\n\r\n'
    return b"m\n" + head + picture + b"\r\n--x0x--\r\n"


def _small_pictures() -> list[bytes]:
    found: list[bytes] = []
    picture = painting(0).resize((40, 30))
    for kind, options in (
        ("JPEG", {}), ("JPEG", {"progressive": True}), ("PNG", {}), ("GIF", {}), ("BMP", {}), ("TIFF", {}),
        ("WEBP", {}), ("TIFF", {"compression": "tiff_lzw"}), ("JPEG2000", {}),
    ):  # fmt: skip
        out = io.BytesIO()
        picture.save(out, kind, **options)
        found.append(out.getvalue())
    for mode in ("CMYK", "L"):
        out = io.BytesIO()
        picture.convert(mode).save(out, "JPEG")
        found.append(out.getvalue())
    for pixels in (np.asarray(picture.convert("RGBA")), np.full((30, 40), 40_000, np.uint16)):
        out = io.BytesIO()
        Image.fromarray(pixels).save(out, "PNG")
        found.append(out.getvalue())
    return [*found, found[0][:-2], found[0][:200]]


def _catalogues() -> list[bytes]:
    text = catalogue(rows()[:4])
    return [
        text.encode(),
        text.encode("utf-16"),
        text.replace("\t", ";").encode("cp1252"),
        ("sep=;\r\n" + text).encode(),
        text.replace("Scene A", '"Scene\r\nA"').encode(),
        b"\xef\xbb\xbf" + text.encode() + b"\xef\xbb\xbf" + text.encode(),
    ]


_DATES = (
    "1500", "c. 1500", "1500-10", "1500s", "early 16th century", "5th-4th century BC", "100 BC-AD 50", "1889-06-21",
    "A.H. 920", "after 1600, before 1620", "(b. 1552, Roma, d. ca. 1615, Napoli)", "XVI century", "1920-present",
    "n.d.", "6/21/1889", "mid- to late-18th century", "1640?-1650(?)", "Heisei 3 (1991)", "(active 1570-1624)",
)  # fmt: skip

TARGETS: Mapping[str, Target] = {
    "catalogue": Target(_catalogue, _catalogues),
    "artists": Target(_artists, lambda: [artist_page(rows()[:2]), artist_page(rows()).decode().encode("cp1252")]),
    "dates": Target(_dates, lambda: [text.encode() for text in _DATES], 200),
    "robots": Target(
        _robots,
        lambda: [
            b"User-agent: *\nDisallow: /art/\nAllow: /art/a*.jpg$\nCrawl-delay: 1e9\nSitemap: http://a.hu/s\n",
            b"\xef\xbb\xbfuser-agent:artpipe\r\ndisallow:\r\n",
        ],
    ),
    "manifests": Target(
        _manifests,
        lambda: [
            json.dumps(each).encode()
            for each in (
                manifest("a", metadata=[pair("Date", "1650")]),
                manifest_2("a", resource()),
                collection("a", "b"),
            )
        ],
    ),
    "harvests": Target(_harvests, _records),
    "metadata": Target(_files, _small_pictures, 8192),
    "images": Target(_images, _small_pictures, 8192),
    "uploads": Target(
        _uploads, lambda: [_form(jpeg_of(painting(0).resize((40, 30)))), b"i\n" + _small_pictures()[0]], 8192
    ),
}
