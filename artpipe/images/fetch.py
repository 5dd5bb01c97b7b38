"""The harvest: what to ask a gallery for, and one outcome for everything that was asked.

Requests, decoding and storing go on at the same time. Rows are committed a batch at a time, so that a harvest killed
anywhere goes on where it was: the next one asks for what is missing.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import polars as pl

from artpipe.gallery.outcome import Outcome, Request, Response
from artpipe.images.decode import NotAnImageError, TooManyPixelsError, UnreadableImageError, decode_artwork
from artpipe.images.store import HELD, ImageStore
from artpipe.progress import Progress, SilentProgress

if TYPE_CHECKING:
    from artpipe.gallery.client import GalleryClient

BATCH_ROWS = 256
BATCH_S = 10.0
DECODERS = 2
_STATUS = {Outcome.GONE: "gone", Outcome.REFUSED: "refused", Outcome.TOO_LARGE: "too_large", Outcome.FAILED: "failed"}


@dataclass(frozen=True)
class HarvestConfig:
    """What to download and how to store it.

    Args:
        forms: forms of art that are downloaded.
        max_artworks: download a stable sample of this many; everything where None.
        revalidate_after_days: ask again about an answer older than this.
        short_side_px: short side of the stored JPEG.
    """

    forms: tuple[str, ...] = ("painting",)
    max_artworks: int | None = None
    revalidate_after_days: float = 7.0
    short_side_px: int = 320


@dataclass
class HarvestSummary:
    """What a harvest did."""

    asked: int = 0
    retried: int = 0
    """How many of those asked had failed the last time."""
    requests: int = 0
    bodies: int = 0
    seconds: float = 0.0
    by_status: Counter[str] = field(default_factory=Counter[str])

    def __str__(self) -> str:
        told = ", ".join(f"{count:,} {status}" for status, count in self.by_status.most_common()) or "nothing to ask"
        return f"harvest: {told}; {self.requests:,} requests in {self.seconds:.1f} s"


def wanted_artworks(artworks: pl.DataFrame, config: HarvestConfig) -> pl.DataFrame:
    """The artworks to download: wanted forms, and a sample that growth of the catalogue changes little.

    The sample is the works with the smallest hashes, so the same work is chosen whatever else is in the catalogue,
    unless newcomers push it out.
    """
    wanted = artworks.filter(pl.col("form").is_in(config.forms))
    if config.max_artworks is None or wanted.height <= config.max_artworks:
        return wanted
    draws = [blake2b(name.encode(), digest_size=8).digest() for name in wanted["artwork_id"]]
    return wanted.with_columns(pl.Series("draw", draws)).sort("draw").head(config.max_artworks).drop("draw")


def due(artworks: pl.DataFrame, outcomes: pl.DataFrame, config: HarvestConfig, now: datetime) -> pl.DataFrame:
    """What must be asked for now.

    That is: what never was, what failed, what was answered too long ago, and what is held in another size than wanted
    although its original is large enough for it to matter.

    Returns:
        `artwork_id`, `image_url`, `status` (null: never asked), `attempts`, `sha256`, and `etag` and `last_modified`
        where a conditional request will do.
    """
    known = outcomes.select(
        "artwork_id", "status", "attempts", "sha256", "etag", "last_modified", "fetched_at", "short_side_px",
        pl.min_horizontal("width_px", "height_px").alias("original_px"),
    )  # fmt: skip
    rows = wanted_artworks(artworks, config).select("artwork_id", "image_url").join(known, on="artwork_id", how="left")
    held = pl.col("status").is_in(HELD)
    # A JPEG is never larger than its original: of a small one, both sizes are the same bytes.
    resized = held & (
        pl.min_horizontal("short_side_px", "original_px")
        != pl.min_horizontal(pl.lit(config.short_side_px), "original_px")
    )
    old = pl.col("fetched_at") <= now - timedelta(days=config.revalidate_after_days)
    condition = held & ~resized
    return (
        rows.with_columns(resized=resized.fill_null(value=False))
        .filter(pl.col("status").is_null() | (pl.col("status") == "failed") | old | pl.col("resized"))
        .with_columns(
            pl.when(condition.fill_null(value=False)).then("etag").alias("etag"),
            pl.when(condition.fill_null(value=False)).then("last_modified").alias("last_modified"),
        )
        .sort("artwork_id")
    )


def harvest(
    artworks: pl.DataFrame,
    store: ImageStore,
    client: "GalleryClient",
    config: HarvestConfig,
    now: datetime,
    progress: Progress | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> HarvestSummary:
    """Ask for every image that is due and store what came of it.

    Args:
        artworks: table `artworks`.
        store: where the outcomes go.
        client: whom to ask.
        config: what and how.
        now: written into the rows.
        progress: told of each outcome.
        clock: monotonic seconds.

    Raises:
        StoreWriteError: the lake cannot be written to; what was committed before is kept.
    """
    started = clock()
    asked = due(artworks, store.outcomes(), config, now)
    summary = HarvestSummary(asked=asked.height, retried=asked.filter(pl.col("status") == "failed").height)
    before = client.counts
    store.prepare()
    writer = _Writer(store, clock)
    try:
        with (progress or SilentProgress()).track("harvest", asked.height, "images") as step:
            for row in _outcomes(asked, client, config, now):
                summary.by_status[row["status"]] += 1
                writer.add(row)
                step.advance()
    finally:
        # What is decoded is kept, also when a person interrupts.
        writer.close()
    if asked.height:
        store.compact()
    after = client.counts
    summary.requests, summary.bodies = after.requests - before.requests, after.bodies - before.bodies
    summary.seconds = clock() - started
    return summary


def _outcomes(
    asked: pl.DataFrame, client: "GalleryClient", config: HarvestConfig, now: datetime
) -> Iterator[dict[str, Any]]:
    """A row for every artwork asked for; decoding goes on in threads while the next responses come in."""
    requests = (
        Request(row["image_url"], row["etag"], row["last_modified"], key=row) for row in asked.iter_rows(named=True)
    )
    responses = client.get_many(requests)
    waiting: deque[Future[dict[str, Any]]] = deque()
    with ThreadPoolExecutor(DECODERS, thread_name_prefix="decode") as pool:
        try:
            for request, response in responses:
                waiting.append(pool.submit(_row_of, request, response, config.short_side_px, now))
                while waiting and (waiting[0].done() or len(waiting) > 4 * DECODERS):
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            responses.close()


def _row_of(request: Request, response: Response, short_side_px: int, now: datetime) -> dict[str, Any]:
    """What came of one request, as a row of the table; without `jpeg` where the held one stays."""
    before: Any = request.key
    row: dict[str, Any] = {
        "artwork_id": before["artwork_id"],
        "status": _STATUS.get(response.outcome, "fetched"),
        "error": response.error,
        "attempts": (before["attempts"] or 0) + 1,
        "fetched_at": now,
        "etag": response.etag,
        "last_modified": response.last_modified,
    }
    if response.outcome is Outcome.NOT_MODIFIED:
        kept = {
            "etag": response.etag or before["etag"],
            "last_modified": response.last_modified or before["last_modified"],
        }
        return row | kept | {"status": "unchanged"}
    if response.outcome is not Outcome.OK:
        return row | {"jpeg": None}
    try:
        image = decode_artwork(response.body, short_side_px)
    except NotAnImageError as error:
        return row | {"status": "not_an_image", "error": str(error), "jpeg": None}
    except UnreadableImageError as error:
        return row | {"status": "unreadable", "error": str(error), "jpeg": None}
    except TooManyPixelsError as error:
        return row | {"status": "too_large", "error": str(error), "jpeg": None}
    same = before["sha256"] == image.sha256 and before["status"] in HELD and not before["resized"]
    return row | {
        "status": "unchanged" if same else "fetched",
        "jpeg": image.jpeg,
        "width_px": image.width_px,
        "height_px": image.height_px,
        "sha256": image.sha256,
        "perceptual_hash": image.perceptual_hash,
        "short_side_px": short_side_px,
    }


class _Writer:
    """Collects rows and commits them a batch at a time, in a thread of its own while the harvest goes on."""

    def __init__(self, store: ImageStore, clock: Callable[[], float]) -> None:
        self.store, self.clock = store, clock
        self.rows: list[dict[str, Any]] = []
        self.written_at = clock()
        self.pool = ThreadPoolExecutor(1, thread_name_prefix="store")
        self.under_way: Future[None] | None = None

    def add(self, row: dict[str, Any]) -> None:
        """Take a row; a full batch, or one that waited long, is handed to the thread.

        Raises:
            StoreWriteError: the batch before could not be written.
        """
        self.rows.append(row)
        if len(self.rows) >= BATCH_ROWS or self.clock() - self.written_at >= BATCH_S:
            self._settle()
            self.under_way = self.pool.submit(self._write, self.rows)
            self.rows, self.written_at = [], self.clock()

    def close(self) -> None:
        """Write what is left and wait for it."""
        try:
            self._settle()
            self._write(self.rows)
        finally:
            self.pool.shutdown()

    def _settle(self) -> None:
        if self.under_way is not None:
            self.under_way.result()
            self.under_way = None

    def _write(self, rows: list[dict[str, Any]]) -> None:
        self.store.upsert([row for row in rows if "jpeg" in row])
        self.store.amend([row for row in rows if "jpeg" not in row])
