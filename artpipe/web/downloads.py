"""Exports of a search: a table of all its hits, or a contact sheet of a page of them.

They take a processor for up to seconds, so one is made at a time, in a thread of its own, and the last ones are kept.
"""

import asyncio
import io
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Literal

from artpipe.errors import ArtpipeError

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
_KEPT = 16
"""Exports that are kept for who asks for them again."""
_KEPT_BYTES = 64 * 1024 * 1024
"""Of all of them together; a larger one is not kept."""
_INTERNAL = ("jpeg_sha256", "work_id", "artist_id")


class TooManyExportsError(ArtpipeError):
    """Too many exports wait for their turn."""


class Exports:
    """Makes exports, one after another; those who ask for the same one at the same time get one.

    Args:
        max_pending: how many may wait for their turn, beside the one that is being made.
        kept_bytes: how large those may be together that are kept for who asks for them again.
    """

    def __init__(self, max_pending: int, kept_bytes: int = _KEPT_BYTES) -> None:
        self._max_pending = max_pending
        self._kept_bytes = kept_bytes
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="artpipe-exports")
        self._made: OrderedDict[Hashable, Future[bytes]] = OrderedDict()

    async def get(self, key: Hashable, make: Callable[[], bytes]) -> bytes:
        """An export: what was made for this key before, or is being made, or is made now.

        Args:
            key: tells exports apart that differ in anything.
            make: makes it.

        Raises:
            TooManyExportsError: too many others wait.
        """
        known = self._made.get(key)
        if known is None or (known.done() and known.exception()):
            if sum(not one.done() for one in self._made.values()) > self._max_pending:
                raise TooManyExportsError("too many exports are being made; try again in a few seconds.")
            known = self._made[key] = self._thread.submit(make)
        self._made.move_to_end(key)
        made = asyncio.wrap_future(known)
        made.add_done_callback(lambda _: self._forget())
        return await asyncio.shield(made)  # who leaves does not end it for the others

    def _forget(self) -> None:
        """Drop what failed, and of the others those that were not asked for the longest and exceed a limit."""
        count = total = 0
        for key, one in reversed(list(self._made.items())):
            if not one.done():
                continue
            size = None if one.cancelled() or one.exception() else len(one.result())
            if size is None or count == _KEPT or total + size > self._kept_bytes:
                del self._made[key]
            else:
                count, total = count + 1, total + size

    def close(self) -> None:
        """Make no more of them."""
        self._thread.shutdown(wait=False, cancel_futures=True)


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
