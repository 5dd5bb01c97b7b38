"""The harvest: what to ask a gallery for, and one outcome for everything that was asked.

Requests, decoding and storing go on at the same time. Rows are committed a batch at a time, so that a harvest killed
anywhere goes on where it was: the next one asks for what is missing.

What was held is never thrown away by an answer. When a held image is gone, refused or spoiled at the source, its
status says so, which takes it out of the collection, and its bytes stay in the lake beside the status; should the
gallery say later that they are current, they are held again without a download. The same is true of an artwork that
is not wanted any more: it is withdrawn, and asked for at once when it is wanted again. When a question about a held
image fails, it stays held, with the error beside it, and is asked again the next time.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import polars as pl

from artpipe.crawler.outcome import Outcome, Request, Response
from artpipe.images.decode import (
    NotAnImageError,
    TooManyPixelsError,
    UnreadableImageError,
    decode_artwork,
    pillow_quiet,
)
from artpipe.images.store import ImageStore
from artpipe.images.wanted import HarvestConfig, due, withdraw
from artpipe.progress import Progress, SilentProgress
from artpipe.schema import STORED

if TYPE_CHECKING:
    from artpipe.crawler.client import GalleryClient

BATCH_ROWS = 256
BATCH_S = 10.0
AMENDED_ROWS = 4096
AMENDED_S = 60.0
"""Answers that change no JPEG wait longer: every commit of them writes those columns of whole fragments, and a killed
harvest asks for such an answer once more, without a body."""
DECODERS = 2
"""Decoding takes a tenth of the time that a request costs, and Pillow lets other threads run meanwhile."""
MOST_WAITING = 8 * DECODERS
_TEXTS = ("error", "etag", "last_modified")
_STATUS = {Outcome.GONE: "gone", Outcome.REFUSED: "refused", Outcome.TOO_LARGE: "too_large", Outcome.FAILED: "failed"}
CHANGES = ("new", "replaced", "resized", "back", "gone", "withdrawn")
"""What can happen to an artwork's image: held for the first time; other bytes at the source; the same in another
stored size; held again; lost at the source; not wanted any more."""
EXAMPLES = 10


@dataclass
class ChangedImages:
    """Artworks whose images changed in one way: how many, and the first few ids."""

    count: int = 0
    examples: list[str] = field(default_factory=list[str])

    def add(self, artwork_id: str) -> None:
        """Count one more."""
        self.count += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append(artwork_id)


@dataclass
class HarvestSummary:
    """What a harvest did; `by_status` counts the answers, also that of a held image whose question failed."""

    asked: int = 0
    retried: int = 0
    """How many of those asked had failed the last time."""
    requests: int = 0
    bodies: int = 0
    not_modified: int = 0
    """Questions answered without a body, because the held copy is current."""
    decoded: int = 0
    """Bodies that were decoded, or that turned out not to be pictures when that was tried."""
    seconds: float = 0.0
    by_status: Counter[str] = field(default_factory=Counter[str])
    changes: dict[str, ChangedImages] = field(default_factory=lambda: {name: ChangedImages() for name in CHANGES})

    @property
    def withdrawn(self) -> int:
        """How many artworks are not wanted any more since the last harvest."""
        return self.changes["withdrawn"].count

    def __str__(self) -> str:
        told = ", ".join(f"{count:,} {status}" for status, count in self.by_status.most_common()) or "nothing to ask"
        changed = ", ".join(f"{found.count:,} {name}" for name, found in self.changes.items() if found.count)
        return f"harvest: {told}; {changed or 'no change'}; {self.requests:,} requests in {self.seconds:.1f} s"


@dataclass(frozen=True)
class _Answer:
    """What came of one question, as a row of the table; a partial row leaves the other columns as they are."""

    status: str
    row: dict[str, Any]
    is_partial: bool
    leaves_texts: bool = False
    is_not_modified: bool = False
    is_decoded: bool = False
    change: str | None = None


def harvest(
    wanted: pl.DataFrame,
    store: ImageStore,
    client: "GalleryClient",
    config: HarvestConfig,
    now: datetime,
    progress: Progress | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> HarvestSummary:
    """Withdraw what is not wanted any more, ask for every image that is due, and store what came of it.

    Args:
        wanted: `artwork_id` and `image_url` of the artworks whose images are wanted; all others are withdrawn.
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
    summary = HarvestSummary()
    for artwork_id in withdraw(store, wanted["artwork_id"].to_list(), now):
        summary.changes["withdrawn"].add(artwork_id)
    asked = due(wanted, store.outcomes(), config, now)
    summary.asked, summary.retried = asked.height, asked.filter(pl.col("status") == "failed").height
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
                summary.not_modified += answer.is_not_modified
                summary.decoded += answer.is_decoded
                if answer.change is not None:
                    summary.changes[answer.change].add(answer.row["artwork_id"])
                batches.add(answer)
                step.advance()

            _ask(asked, client, config.short_side_px, now, take)
    store.maintain(timedelta(days=config.keep_versions_days))
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
        if before["status"] in STORED:
            # Nothing was learned: it stays held, and as old as it was, so that it is asked for again.
            kept = row | {"status": before["status"], "fetched_at": before["fetched_at"]}
            return _Answer("failed", kept, is_partial=True)
    is_decoded = False
    is_ok = response.outcome is Outcome.OK
    may_be_same = before["sha256"] is not None and not before["is_resized"]
    if response.outcome is Outcome.NOT_MODIFIED:
        row |= {"status": "unchanged", **{name: value for name, value in _validators(response).items() if value}}
    elif is_ok and may_be_same and sha256(response.body).hexdigest() == before["sha256"]:
        row |= {"status": "unchanged", **_validators(response)}
    elif is_ok:
        is_decoded = True
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
            change = _change(before, "fetched", image.sha256)
            return _Answer("fetched", row | _validators(response) | new, False, is_decoded=True, change=change)
    return _Answer(
        row["status"],
        row,
        is_partial=before["status"] is not None,
        leaves_texts=all(row[name] == before[name] for name in _TEXTS),
        is_not_modified=response.outcome is Outcome.NOT_MODIFIED,
        is_decoded=is_decoded,
        change=_change(before, row["status"], before["sha256"]),
    )


def _change(before: dict[str, Any], status: str, sha256: str | None) -> str | None:
    """What an answer changed in the collection, as one of `CHANGES`; None where it holds what it held."""
    was_held, is_held = before["status"] in STORED, status in STORED
    if was_held and not is_held:
        return "gone"
    if not is_held:
        return None
    if before["sha256"] is None:
        return "new"
    if not was_held:
        return "back"
    if sha256 != before["sha256"]:
        return "replaced"
    return "resized" if before["is_resized"] else None


def _validators(response: Response) -> dict[str, Any]:
    return {"etag": response.etag, "last_modified": response.last_modified}


def _lightest(answers: Sequence[_Answer]) -> list[list[dict[str, Any]]]:
    """The partial rows, those that say no more than "still the same" apart and without the columns that stay.

    Nearly every answer of a re-validation is of that kind, and its columns compress to next to nothing.
    """
    same: list[dict[str, Any]] = []
    other: list[dict[str, Any]] = []
    for answer in answers:
        if answer.leaves_texts:
            same.append({name: value for name, value in answer.row.items() if name not in _TEXTS})
        else:
            other.append(answer.row)
    return [same, other]


class _Batches:
    """Collects answers and commits them a batch at a time, in a thread of its own while the harvest goes on.

    The thread begins by making the table: loading LanceDB takes two seconds, in which the first answers come.
    """

    def __init__(self, store: ImageStore, clock: Callable[[], float]) -> None:
        self.store, self.clock = store, clock
        self.whole: list[_Answer] = []
        self.partial: list[_Answer] = []
        self.whole_since = self.partial_since = clock()
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
            self._write(self.whole, self.partial)
        finally:
            self.pool.shutdown()

    def add(self, answer: _Answer) -> None:
        """Take an answer; a full batch, or one that waited long, is handed to the thread.

        Raises:
            StoreWriteError: the batch before could not be written.
        """
        (self.partial if answer.is_partial else self.whole).append(answer)
        now = self.clock()
        if len(self.whole) >= BATCH_ROWS or (self.whole and now - self.whole_since >= BATCH_S):
            self._hand_over(self.whole, [])
            self.whole, self.whole_since = [], now
        if len(self.partial) >= AMENDED_ROWS or (self.partial and now - self.partial_since >= AMENDED_S):
            self._hand_over([], self.partial)
            self.partial, self.partial_since = [], now

    def _hand_over(self, whole: list[_Answer], partial: list[_Answer]) -> None:
        self._settle()
        self.under_way = self.pool.submit(self._write, whole, partial)

    def _settle(self) -> None:
        if self.under_way is not None:
            self.under_way.result()
            self.under_way = None

    def _write(self, whole: list[_Answer], partial: list[_Answer]) -> None:
        self.store.upsert([answer.row for answer in whole])
        for rows in _lightest(partial):
            self.store.amend(rows)
