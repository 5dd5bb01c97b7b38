"""Exports of a search: a table of all its hits, or a contact sheet of a page of them.

They take a processor for up to seconds, so they are made as `artpipe.web.shared_jobs`.
"""

import io
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import polars as pl

    from artpipe.web.catalogue import Catalogue, ResultPage

Download = Literal["hits.csv", "hits.parquet", "sheet.jpg"]
KINDS: dict[Download, str] = {
    "hits.csv": "text/csv; charset=utf-8",
    "hits.parquet": "application/vnd.apache.parquet",
    "sheet.jpg": "image/jpeg",
}
_COLUMNS = 6
_QUALITY = 88
_INTERNAL = ("jpeg_sha256", "work_id", "artist_id")


def as_csv(works: "pl.DataFrame") -> bytes:
    """CSV for spreadsheets: with a byte-order mark, and no text that runs as a formula (see `spreadsheet_csv`)."""
    from artpipe.lake.spreadsheet import spreadsheet_csv

    return spreadsheet_csv(works.drop(_INTERNAL))


def as_parquet(works: "pl.DataFrame") -> bytes:
    """Parquet: the same columns, typed, and every text as it is."""
    out = io.BytesIO()
    works.drop(_INTERNAL).write_parquet(out)
    return out.getvalue()


def as_sheet(catalogue: "Catalogue", found: "ResultPage", title: str) -> bytes:
    """A JPEG contact sheet of a page of results."""
    from PIL import Image

    from artpipe.figures.sheets import contact_sheet

    stored = catalogue.collection.images([work["artwork_id"] for work in found.works])
    jpegs = [stored.get(work["artwork_id"]) for work in found.works]
    out = io.BytesIO()
    with Image.open(io.BytesIO(contact_sheet(found.works, jpegs, _COLUMNS, title))) as sheet:
        sheet.save(out, "JPEG", quality=_QUALITY)
    return out.getvalue()
