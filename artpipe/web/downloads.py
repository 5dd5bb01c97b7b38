"""Exports of a search: a table of all its hits, or a contact sheet of a page of them.

They take a processor for up to seconds, so they are made as `artpipe.web.shared_jobs`, and sheets are drawn in other
processes.
"""

import io
import multiprocessing
import os
import signal
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, Any, Literal

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
_NICE = 10
_SECONDS = 120.0
"""Many times what a sheet of a hundred pictures takes."""
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


class SheetDrawer:
    """Draws contact sheets in processes that leave the processor to visitors; started when first needed.

    Args:
        count: how many are drawn at once.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._pool, self._replacing = self._new_pool(), threading.Lock()

    def draw(self, catalogue: "Catalogue", found: "ResultPage", title: str) -> bytes:
        """A JPEG contact sheet of a page of results."""
        shown = [work["artwork_id"] for work in found.works if work["artwork_id"] not in catalogue.closed]
        stored = catalogue.collection.images(shown)
        jpegs = [stored.get(work["artwork_id"]) for work in found.works]
        caption = catalogue.collection.tasks.caption
        pool = self._pool
        try:
            return pool.submit(_drawn, found.works, jpegs, title, caption).result(_SECONDS)
        except (BrokenProcessPool, TimeoutError):  # a process was killed, for want of memory perhaps, or hangs
            with self._replacing:
                if self._pool is pool:  # the other sheet that was drawn has not replaced it
                    self.close()
                    self._pool = self._new_pool()
            return self._pool.submit(_drawn, found.works, jpegs, title, caption).result(_SECONDS)

    def close(self) -> None:
        """End the processes."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _new_pool(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(self._count, multiprocessing.get_context("spawn"), _stand_back)


def _stand_back() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "nice"):  # Windows has none
        os.nice(_NICE)


def _drawn(works: Sequence[Mapping[str, Any]], jpegs: Sequence[bytes | None], title: str, caption: str | None) -> bytes:
    from artpipe.figures.sheets import contact_sheet

    return contact_sheet(works, jpegs, _COLUMNS, title, task=caption, jpeg_quality=_QUALITY)
