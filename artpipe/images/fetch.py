"""The harvest: what to ask a gallery for, and one outcome for everything that was asked.

Requests, decoding and storing go on at the same time. Rows are committed a batch at a time, so that a harvest killed
anywhere goes on where it was: the next one asks for what is missing.

What was held is never thrown away by an answer. When a held image is gone, refused or spoiled at the source, its
status says so, which takes it out of the collection, and its bytes stay in the lake beside the status; should the
gallery say later that they are current, they are held again without a download. When a question about a held image
fails, it stays held, with the error beside it, and is asked again the next time.
"""

import time
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import blake2b, sha256
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import polars as pl

from artpipe.catalog.schema import HELD
from artpipe.gallery.outcome import Outcome, Request, Response
from artpipe.images.decode import (
    NotAnImageError,
    TooManyPixelsError,
    UnreadableImageError,
    decode_artwork,
    pillow_quiet,
)
from artpipe.images.store import ImageStore
from artpipe.progress import Progress, SilentProgress

if TYPE_CHECKING:
    from artpipe.gallery.client import GalleryClient

BATCH_ROWS = 256
BATCH_S = 10.0
DECODERS = 2
"""Decoding takes a tenth of the time that a request costs, and Pillow lets other threads run meanwhile."""
MOST_WAITING = 8 * DECODERS
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
    """What a harvest did; `by_status` counts the answers, also that of a held image whose question failed."""

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


@dataclass(frozen=True)
class _Answer:
    """What came of one question, as a row of the table; a partial row leaves the other columns as they are."""

    status: str
    row: dict[str, Any]
    is_partial: bool


def wanted_artworks(artworks: pl.DataFrame, config: HarvestConfig) -> pl.DataFrame:
    """The artworks to download: wanted forms, and a sample that growth of the catalogue changes little.

    The sample is the works with the smallest hashes, so the same work is chosen whatever else is in the catalogue,
    unless newcomers push it out.
    """
    wanted = artworks.filter(pl.col("form").is_in(config.forms)).unique("artwork_id", keep="first", maintain_order=True)
    if config.max_artworks is None or wanted.height <= config.max_artworks:
        return wanted
    draws = [blake2b(name.encode(), digest_size=8).digest() for name in wanted["artwork_id"]]
    return wanted.with_columns(pl.Series("draw", draws)).sort("draw").head(config.max_artworks).drop("draw")


def due(wanted: pl.DataFrame, outcomes: pl.DataFrame, config: HarvestConfig, now: datetime) -> pl.DataFrame:
    """What must be asked for now.

    That is: what never was, what failed, what was answered too long ago, and what is held in another size than wanted
    although its original is large enough for it to matter.

    Returns:
        `artwork_id`, `image_url`, `status` (null: never asked), `attempts`, `sha256` (null: no bytes kept),
        `fetched_at`, `etag` and `last_modified` of the bytes kept, and `is_resized`: a conditional request will not
        do, for the bytes kept are of another size than wanted.
    """
    known = outcomes.select(
        "artwork_id", "status", "attempts", "sha256", "etag", "last_modified", "fetched_at", "short_side_px",
        pl.min_horizontal("width_px", "height_px").alias("original_px"),
    )  # fmt: skip
    asked_once = wanted.select("artwork_id", "image_url").unique("artwork_id", keep="first", maintain_order=True)
    rows = asked_once.join(known, on="artwork_id", how="left")
    # A JPEG is never larger than its original: of a small one, both sizes are the same bytes.
    wanted_px = pl.min_horizontal(pl.lit(config.short_side_px), "original_px")
    is_resized = pl.col("sha256").is_not_null() & (pl.min_horizontal("short_side_px", "original_px") != wanted_px)
    is_old = pl.col("fetched_at") <= now - timedelta(days=config.revalidate_after_days)
    is_held = pl.col("status").is_in(HELD)
    return (
        rows.with_columns(is_resized=is_resized.fill_null(value=False))
        .filter(pl.col("status").is_null() | (pl.col("status") == "failed") | is_old | (is_held & pl.col("is_resized")))
        .drop("short_side_px", "original_px")
        .sort("artwork_id")
    )


def harvest(
    wanted: pl.DataFrame,
    store: ImageStore,
    client: "GalleryClient",
    config: HarvestConfig,
    now: datetime,
    progress: Progress | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> HarvestSummary:
    """Ask for every image that is due and store what came of it.

    Args:
        wanted: `artwork_id` and `image_url` of every image that is to be held, as `wanted_artworks` chooses them.
        store: where the outcomes go.
        client: whom to ask, and how many things at a time.
        config: what and how.
        now: written into the rows.
        progress: told of each outcome.
        clock: monotonic seconds.

    Raises:
        StoreWriteError, UnwritableLakeError: the lake cannot be written to; what was committed before is kept.
        KeyboardInterrupt: a person interrupts; what has been decoded by then is stored.
    """
    started = clock()
    asked = due(wanted, store.outcomes(), config, now)
    summary = HarvestSummary(asked=asked.height, retried=asked.filter(pl.col("status") == "failed").height)
    before = client.counts
    if asked.is_empty():
        store.prepare()
    else:
        store.lake.ensure_writable()
        with (
            pillow_quiet(),
            (progress or SilentProgress()).track("harvest", asked.height, "images") as step,
            _Batches(store, clock) as batches,
        ):

            def take(answer: _Answer) -> None:
                summary.by_status[answer.status] += 1
                batches.add(answer)
                step.advance()

            _ask(asked, client, config.short_side_px, now, take)
        store.compact()
    after = client.counts
    summary.requests, summary.bodies = after.requests - before.requests, after.bodies - before.bodies
    summary.seconds = clock() - started
    return summary


def _ask(
    asked: pl.DataFrame, client: "GalleryClient", short_side_px: int, now: datetime, take: Callable[[_Answer], None]
) -> None:
    """Hand over an answer for every artwork asked for; decoding goes on in threads while the next ones come in."""
    requests = (
        Request(
            row["image_url"],
            None if row["is_resized"] else row["etag"],
            None if row["is_resized"] else row["last_modified"],
            key=row,
        )
        for row in asked.iter_rows(named=True)
    )
    responses = client.get_many(requests)
    decoding: deque[Future[_Answer]] = deque()
    with ThreadPoolExecutor(DECODERS, thread_name_prefix="decode") as pool:
        try:
            for request, response in responses:
                decoding.append(pool.submit(_answer_of, request, response, short_side_px, now))
                while decoding and (decoding[0].done() or len(decoding) > MOST_WAITING):
                    take(decoding.popleft().result())
        finally:
            # Also when a person interrupts: no more is asked, and what has come is kept.
            responses.close()
            while decoding:
                take(decoding.popleft().result())


def _answer_of(request: Request, response: Response, short_side_px: int, now: datetime) -> _Answer:
    """What came of one question. A whole row is made of new bytes and of an artwork that was never asked for."""
    before: Any = request.key
    row: dict[str, Any] = {
        "artwork_id": before["artwork_id"],
        "status": _STATUS.get(response.outcome, "fetched"),
        "error": response.error,
        "attempts": (before["attempts"] or 0) + 1,
        # These belong to the bytes that are kept, whatever the gallery now sends in their place.
        "etag": before["etag"],
        "last_modified": before["last_modified"],
        "fetched_at": now,
    }
    if response.outcome is Outcome.FAILED:
        row["error"] = f"{response.error or 'no answer'} (tries: {response.tries})"
        if before["status"] in HELD:
            # Nothing was learned: it stays held, and as old as it was, so that it is asked for again.
            kept = row | {"status": before["status"], "fetched_at": before["fetched_at"]}
            return _Answer("failed", kept, is_partial=True)
    is_ok = response.outcome is Outcome.OK
    may_be_same = before["sha256"] is not None and not before["is_resized"]
    if response.outcome is Outcome.NOT_MODIFIED:
        row |= {"status": "unchanged", **{name: value for name, value in _validators(response).items() if value}}
    elif is_ok and may_be_same and sha256(response.body).hexdigest() == before["sha256"]:
        row |= {"status": "unchanged", **_validators(response)}
    elif is_ok:
        try:
            image = decode_artwork(response.body, short_side_px)
        except NotAnImageError as error:
            row |= {"status": "not_an_image", "error": str(error)}
        except UnreadableImageError as error:
            row |= {"status": "unreadable", "error": str(error)}
        except TooManyPixelsError as error:
            row |= {"status": "too_large", "error": str(error)}
        else:
            new = {
                "jpeg": image.jpeg,
                "width_px": image.width_px,
                "height_px": image.height_px,
                "sha256": image.sha256,
                "jpeg_sha256": sha256(image.jpeg).hexdigest(),
                "perceptual_hash": image.perceptual_hash,
                "short_side_px": short_side_px,
            }
            return _Answer("fetched", row | _validators(response) | new, is_partial=False)
    return _Answer(row["status"], row, is_partial=before["status"] is not None)


def _validators(response: Response) -> dict[str, Any]:
    return {"etag": response.etag, "last_modified": response.last_modified}


class _Batches:
    """Collects answers and commits them a batch at a time, in a thread of its own while the harvest goes on.

    The thread begins by making the table: loading LanceDB takes two seconds, in which the first answers come.
    """

    def __init__(self, store: ImageStore, clock: Callable[[], float]) -> None:
        self.store, self.clock = store, clock
        self.answers: list[_Answer] = []
        self.written_at = clock()
        self.pool = ThreadPoolExecutor(1, thread_name_prefix="store")
        self.under_way: Future[None] | None = None

    def __enter__(self) -> Self:
        self.under_way = self.pool.submit(self.store.prepare)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Write what is left, whatever ended the harvest."""
        try:
            self._settle()
            self._write(self.answers)
        finally:
            self.pool.shutdown()

    def add(self, answer: _Answer) -> None:
        """Take an answer; a full batch, or one that waited long, is handed to the thread.

        Raises:
            StoreWriteError: the batch before could not be written.
        """
        self.answers.append(answer)
        if len(self.answers) >= BATCH_ROWS or self.clock() - self.written_at >= BATCH_S:
            self._settle()
            self.under_way = self.pool.submit(self._write, self.answers)
            self.answers, self.written_at = [], self.clock()

    def _settle(self) -> None:
        if self.under_way is not None:
            self.under_way.result()
            self.under_way = None

    def _write(self, answers: list[_Answer]) -> None:
        self.store.upsert([answer.row for answer in answers if not answer.is_partial])
        self.store.amend([answer.row for answer in answers if answer.is_partial])
