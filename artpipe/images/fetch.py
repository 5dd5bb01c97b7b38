"""The harvest: downloads the images that are due, and writes one outcome row for every request.

Requests, decoding and storing overlap. Rows are committed a batch at a time, so that a killed harvest resumes: the next
one requests what is missing.

No response deletes a stored JPEG. When a stored image is gone, refused or unreadable at the source, its status takes it
out of the collection and its JPEG stays in the lake; a later 304 Not Modified restores it without a download. The same
is true of an artwork that is not wanted any more: it is withdrawn, and requested at once when it is wanted again. When
a request about a stored image fails, it stays stored, its row has the error, and it is requested again the next time.
A picture that the gallery sends for many works is a placeholder (`placeholders.py`), and is one until another arrives.
The same is done with every stored image that a harvest would lose, where it would lose too many of them.
"""

import re
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Self

import polars as pl

from artpipe.crawler.outcome import Outcome, Request, Response
from artpipe.images.decode import (
    LACKS_END,
    NotAnImageError,
    TooManyPixelsError,
    TooNarrowError,
    UnreadableImageError,
    decode_artwork,
    pillow_quiet,
    refuse_narrow,
)
from artpipe.images.placeholders import mark_placeholders
from artpipe.images.store import ImageStore
from artpipe.images.wanted import FAILED, HarvestConfig, due, withdraw
from artpipe.lake.lance_tables import COMMITS_TO_COMPACT, rows_of_commit
from artpipe.lake.mass_loss import Loss
from artpipe.progress import Progress, SilentProgress
from artpipe.schema import ASKED_AGAIN, PLACEHOLDER, STORED

if TYPE_CHECKING:
    from artpipe.crawler.client import GalleryClient

BATCH_ROWS = 256
MAX_BATCH_ROWS = 4096
"""In memory, with their JPEGs; see `rows_of_commit`."""
BATCH_S = 10.0
AMENDED_ROWS = 4096
AMENDED_S = 60.0
"""Responses that change no JPEG wait longer: each commit of them rewrites those columns of whole fragments, and a
killed harvest only repeats a request without a body."""
DECODERS = 2
"""Decoding takes a tenth of the time of a request, and Pillow releases the GIL."""
MAX_DECODING = 8 * DECODERS
_TEXTS = ("error", "etag", "last_modified", "requested_url")
_STATUS = {
    Outcome.GONE: "gone",
    Outcome.REFUSED: "refused",
    Outcome.CHALLENGED: "challenged",
    Outcome.RESERVED: "reserved",
    Outcome.TOO_LARGE: "too_large",
    Outcome.TOO_SLOW: "too_slow",
    Outcome.FAILED: "failed",
}
CHANGES = ("new", "replaced", "resized", "back", "gone", "withdrawn", "placeholder")
"""How an artwork's image can change: stored for the first time; other bytes at the source; the same in another stored
size; current again; lost at the source; not wanted any more; found to be a placeholder."""
MAX_EXAMPLES = 10
MAX_ERRORS = 3
_VARYING = re.compile(r"https?://\S+|'[^']*'|\d+")
"""What differs between errors of one kind."""


@dataclass
class ChangedImages:
    """Artworks whose images changed in one way: their number, and the first few ids."""

    count: int = 0
    examples: list[str] = field(default_factory=list[str])

    def add(self, artwork_id: str) -> None:
        """Count one more."""
        self.count += 1
        if len(self.examples) < MAX_EXAMPLES:
            self.examples.append(artwork_id)


@dataclass
class HarvestSummary:
    """What a harvest did; `by_status` counts every response, also a failed one about an image that stays stored."""

    requested: int = 0
    retried: int = 0
    """How many of the requested images had failed the last time."""
    requests: int = 0
    bodies: int = 0
    not_modified: int = 0
    """Responses without a body, because the stored copy is current."""
    decoded: int = 0
    """Bodies that were decoded, successfully or not."""
    refused: Loss | None = None
    """What would have been lost and was kept."""
    seconds: float = 0.0
    by_status: Counter[str] = field(default_factory=Counter[str])
    changes: dict[str, ChangedImages] = field(default_factory=lambda: {name: ChangedImages() for name in CHANGES})
    errors: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    """Errors by kind: what they say without addresses, names and numbers."""

    def add_error(self, artwork_id: str, error: str) -> None:
        """Count an error among those of its kind."""
        self.errors.setdefault(_VARYING.sub("", error), []).append(f"{artwork_id}: {error}")

    def errors_text(self) -> str:
        """The most frequent kinds of errors, with the first of each."""
        kinds = sorted(self.errors.values(), key=len, reverse=True)[:MAX_ERRORS]
        return "\n".join(f"harvest: {len(kind):,} did not come, such as: {kind[0]}" for kind in kinds)

    @property
    def withdrawn(self) -> int:
        """How many artworks this harvest withdrew."""
        return self.changes["withdrawn"].count

    def __str__(self) -> str:
        outcomes = ", ".join(f"{count:,} {status}" for status, count in self.by_status.most_common())
        changed = ", ".join(f"{found.count:,} {name}" for name, found in self.changes.items() if found.count)
        work = f"{self.requests:,} requests in {self.seconds:.1f} s"
        kept = f"; refused to lose {self.refused}" if self.refused else ""
        return f"harvest: {outcomes or 'nothing was due'}; {changed or 'no change'}{kept}; {work}"


@dataclass(frozen=True)
class _RowUpdate:
    """The row of one response; a partial row leaves the other columns of the table as they are."""

    status: str
    row: dict[str, Any]
    is_partial: bool
    keeps_texts: bool = False
    is_not_modified: bool = False
    is_decoded: bool = False
    change: str | None = None
    instead: "_RowUpdate | None" = None
    """The row to write where this outcome is not believed; None where it is believed in any case."""


def harvest(
    wanted: pl.DataFrame,
    store: ImageStore,
    client: "GalleryClient",
    config: HarvestConfig,
    now: datetime,
    progress: Progress | None = None,
    clock: Callable[[], float] = time.monotonic,
    allows: Callable[[Loss], bool] = lambda _: True,
) -> HarvestSummary:
    """Withdraw what is not wanted any more, request every image that is due, and store one outcome for each.

    Args:
        wanted: `artwork_id` and `image_url` of the artworks whose images are wanted; all others are withdrawn.
            `artist_id` and `title_group` tell a placeholder from a picture.
        store: where the outcomes go.
        client: sends the requests.
        config: how old a response may be, and how images are stored.
        now: written into the rows.
        progress: advanced with each outcome.
        clock: monotonic seconds.
        allows: whether so many of the stored images that were requested may be lost: no image came in their place, or
            one and the same for several. Otherwise they stay stored, and are requested again the next time.

    Raises:
        StoreWriteError, UnwritableLakeError: the lake is not writable; earlier commits are kept.
        KeyboardInterrupt: a person interrupts; what was downloaded by then is stored.
    """
    started = clock()
    summary, keep_versions_for = HarvestSummary(), timedelta(days=config.keep_versions_days)
    for artwork_id in withdraw(store, wanted["artwork_id"].to_list(), now):
        summary.changes["withdrawn"].add(artwork_id)
    outcomes = store.outcomes()
    requested = due(wanted, outcomes, config, now)
    summary.requested, summary.retried = requested.height, requested.filter(pl.col("why") == FAILED).height
    previous = client.counts
    if requested.is_empty():
        store.prepare()
    else:
        store.lake.ensure_writable()
        with (
            pillow_quiet(),
            (progress or SilentProgress()).track("harvest", requested.height, "images") as step,
            _Batches(store, outcomes.height, clock, keep_versions_for) as batches,
        ):
            held = requested.filter(pl.col("status").is_in(STORED)).height
            at_risk = _AtRisk()

            def write(updates: Iterable[_RowUpdate]) -> None:
                for update in updates:
                    if update.change is not None:
                        summary.changes[update.change].add(update.row["artwork_id"])
                    batches.add(update)

            def record(update: _RowUpdate) -> None:
                summary.by_status[update.status] += 1
                if error := update.row.get("error"):
                    summary.add_error(update.row["artwork_id"], error)
                summary.not_modified += update.is_not_modified
                summary.decoded += update.is_decoded
                write([update] if update.instead is None or not held else at_risk.add(update))
                step.advance()

            try:
                _download(requested, client, config.short_side_px, now, record)
            finally:
                write(at_risk.unique())
            loss = at_risk.loss(held, outcomes.filter(pl.col("status").is_in(STORED)).height)
            if allows(loss):
                write(at_risk.updates())
            else:
                summary.refused = loss
                write(update.instead for update in at_risk.updates() if update.instead is not None)
    for artwork_id in mark_placeholders(store, wanted):
        summary.changes["placeholder"].add(artwork_id)
    store.maintain(keep_versions_for)
    counts = client.counts
    summary.requests, summary.bodies = counts.requests - previous.requests, counts.bodies - previous.bodies
    summary.seconds = clock() - started
    return summary


def _download(
    due_images: pl.DataFrame,
    client: "GalleryClient",
    short_side_px: int,
    now: datetime,
    record: Callable[[_RowUpdate], None],
) -> None:
    """Request every image that is due and record each response; threads decode while the next responses arrive."""
    requests = (
        Request(
            row["image_url"],
            None if row["is_resized"] or row["is_moved"] else row["etag"],
            None if row["is_resized"] or row["is_moved"] else row["last_modified"],
            key=row,
        )
        for row in due_images.iter_rows(named=True)
    )
    responses = client.get_many(requests)
    decoding: deque[Future[_RowUpdate]] = deque()
    with ThreadPoolExecutor(DECODERS, thread_name_prefix="decode") as pool:
        try:
            for request, response in responses:
                decoding.append(pool.submit(_row_update, request, response, short_side_px, now))
                while decoding and (decoding[0].done() or len(decoding) > MAX_DECODING):
                    record(decoding.popleft().result())
        finally:
            # Also on an interrupt: nothing more is requested, and the responses received are kept.
            responses.close()
            while decoding:
                record(decoding.popleft().result())


def _row_update(request: Request, response: Response, short_side_px: int, now: datetime) -> _RowUpdate:
    """The row of one response: whole for new bytes and for an artwork without a row, else partial."""
    previous: Any = request.key
    row: dict[str, Any] = {
        "artwork_id": previous["artwork_id"],
        "status": _STATUS.get(response.outcome, "fetched"),
        "error": response.error,
        "attempts": (previous["attempts"] or 0) + 1,
        # These belong to the stored JPEG, whatever the gallery now sends in its place; at another address they would
        # make "not modified" of a picture that never came.
        "etag": None if previous["is_moved"] else previous["etag"],
        "last_modified": None if previous["is_moved"] else previous["last_modified"],
        "fetched_at": now,
        "requested_url": request.url,
    }
    if row["status"] in ASKED_AGAIN:
        row["error"] = f"{response.error or 'no response'} (tries: {response.tries})"
        if previous["status"] in (*STORED, PLACEHOLDER):
            return _as_before(row, previous, row["error"])
    is_decoded = False
    is_ok = response.outcome is Outcome.OK
    may_be_same = previous["sha256"] is not None and not previous["is_resized"]
    if response.outcome is Outcome.NOT_MODIFIED:
        row |= _unchanged(previous) | {name: value for name, value in _validators(response).items() if value}
    elif is_ok and may_be_same and sha256(response.body).hexdigest() == previous["sha256"]:
        row |= _unchanged(previous) | _validators(response)
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
        except TooNarrowError as error:
            row |= {"status": "too_narrow", "error": str(error)}
        else:
            new = {
                "jpeg": image.jpeg,
                "width_px": image.width_px,
                "height_px": image.height_px,
                "sha256": image.sha256,
                "jpeg_sha256": sha256(image.jpeg).hexdigest(),
                "perceptual_hash": image.perceptual_hash,
                "short_side_px": short_side_px,
                "error": image.note,
            }
            change = _change(previous, "fetched", image.sha256)
            instead = None if change == "resized" else _as_before(row, previous, "one image came for several artworks")
            return _RowUpdate(
                "fetched", row | _validators(response) | new, False, is_decoded=True, change=change, instead=instead
            )
    is_lost = row["status"] not in (*STORED, PLACEHOLDER, *ASKED_AGAIN)
    return _RowUpdate(
        row["status"],
        row,
        is_partial=previous["status"] is not None,
        keeps_texts=all(row[name] == previous[name] for name in _TEXTS),
        is_not_modified=response.outcome is Outcome.NOT_MODIFIED,
        is_decoded=is_decoded,
        change=_change(previous, row["status"], previous["sha256"]),
        instead=_as_before(row, previous, f"{row['status']}: {row['error']}") if is_lost else None,
    )


def _unchanged(previous: dict[str, Any]) -> dict[str, Any]:
    """The outcome of a request whose response is the stored image."""
    if previous["status"] == PLACEHOLDER:
        return {"status": PLACEHOLDER, "error": previous["error"]}
    if previous["width_px"] is not None:
        try:
            refuse_narrow(previous["width_px"], previous["height_px"])
        except TooNarrowError as error:  # stored before such pictures were refused
            return {"status": "too_narrow", "error": str(error)}
    return {"status": "unchanged", "error": LACKS_END if previous["error"] == LACKS_END else None}


def _as_before(row: dict[str, Any], previous: dict[str, Any], error: str) -> _RowUpdate:
    """The row of a request that changes nothing: status and date stay, so that it is made again the next time."""
    is_known = previous["status"] is not None
    before = {
        "artwork_id": row["artwork_id"],
        "status": previous["status"] if is_known else "failed",
        "error": previous["error"] if previous["status"] == PLACEHOLDER else error,
        "attempts": row["attempts"],
        "etag": previous["etag"],
        "last_modified": previous["last_modified"],
        "fetched_at": previous["fetched_at"] if is_known else row["fetched_at"],
        "requested_url": previous["requested_url"] if is_known else row["requested_url"],
    }
    why = row["status"] if row["status"] in ASKED_AGAIN else "failed"
    return _RowUpdate(why, before, is_partial=is_known)


def _change(previous: dict[str, Any], status: str, sha256: str | None) -> str | None:
    """How a response changed the collection, one of `CHANGES`; None where it did not."""
    was_stored, is_stored = previous["status"] in STORED, status in STORED
    if was_stored and not is_stored:
        return "gone"
    if not is_stored:
        return None
    if previous["sha256"] is None:
        return "new"
    if not was_stored:
        return "back"
    if sha256 != previous["sha256"]:
        return "replaced"
    return "resized" if previous["is_resized"] else None


class _AtRisk:
    """Outcomes without an image, and new images, until it is known how many stored ones would go.

    An image that came for one artwork alone is that artwork's; one that came for several is a placeholder. In memory
    are a batch of the former and one copy of each of the latter.
    """

    def __init__(self) -> None:
        self.without: list[_RowUpdate] = []
        self.fetched: dict[str, list[_RowUpdate]] = {}
        """By the hash of the new image."""
        self.written: set[str] = set()
        """Hashes of images that are written already."""

    def add(self, update: _RowUpdate) -> Sequence[_RowUpdate]:
        """Add an outcome; returns what can be written now."""
        if update.status != "fetched":
            self.without.append(update)
            return ()
        same = self.fetched.setdefault(update.row["sha256"], [])
        if same:
            update.row["jpeg"] = same[0].row["jpeg"]  # one copy in memory
        same.append(update)
        return self.unique() if len(self.fetched) > BATCH_ROWS else ()

    def unique(self) -> list[_RowUpdate]:
        """Take out the images that came for one artwork alone so far."""
        found = {name: same[0] for name, same in self.fetched.items() if len(same) == 1 and name not in self.written}
        for name in found:
            del self.fetched[name]
        self.written |= found.keys()
        return list(found.values())

    def updates(self) -> list[_RowUpdate]:
        """All others."""
        return [*self.without, *(update for same in self.fetched.values() for update in same)]

    def loss(self, held: int, among: int) -> Loss:
        """How many of the stored images that were requested would go."""
        goes = ("gone", "replaced")
        lost = [update.instead.row for update in self.updates() if update.change in goes and update.instead]
        example = f"{lost[0]['artwork_id']}, {lost[0]['error']}" if lost else ""
        return Loss("requested images", held, len(lost), example, among)


def _validators(response: Response) -> dict[str, Any]:
    return {"etag": response.etag, "last_modified": response.last_modified}


def _amendments(updates: Sequence[_RowUpdate]) -> list[list[dict[str, Any]]]:
    """Partial rows in two groups of equal columns: those that keep their texts leave these columns out.

    Nearly every response of a re-validation is of that kind, and its columns compress to next to nothing.
    """
    same = [
        {name: value for name, value in update.row.items() if name not in _TEXTS}
        for update in updates
        if update.keeps_texts
    ]
    return [same, [update.row for update in updates if not update.keeps_texts]]


class _Batches:
    """Collects rows and commits them a batch at a time, in a thread of its own, concurrently with the requests.

    The thread begins by creating the table: loading LanceDB takes two seconds, in which the first responses arrive.
    """

    def __init__(self, store: ImageStore, held: int, clock: Callable[[], float], keep_versions_for: timedelta) -> None:
        self.store, self.held, self.clock, self.keep_versions_for = store, held, clock, keep_versions_for
        self.commits = 0
        self.whole: list[_RowUpdate] = []
        self.partial: list[_RowUpdate] = []
        self.whole_since = self.partial_since = clock()
        self.pool = ThreadPoolExecutor(1, thread_name_prefix="store")
        self.under_way: Future[None] | None = None

    def __enter__(self) -> Self:
        self.under_way = self.pool.submit(self.store.prepare)
        return self

    def __exit__(self, *_: object) -> None:
        """Commit the rest, whatever ended the harvest."""
        try:
            self._wait()
            self._write(self.whole, self.partial)
        finally:
            self.pool.shutdown()

    def add(self, update: _RowUpdate) -> None:
        """Add a row; a full batch, or an old one, is committed.

        Raises:
            StoreWriteError: the previous batch could not be written.
        """
        (self.partial if update.is_partial else self.whole).append(update)
        now = self.clock()
        most = rows_of_commit(self.held, BATCH_ROWS, MAX_BATCH_ROWS)
        if len(self.whole) >= most or (self.whole and now - self.whole_since >= BATCH_S):
            self._commit(self.whole, [])
            self.held += len(self.whole)
            self.whole, self.whole_since = [], now
        if len(self.partial) >= AMENDED_ROWS or (self.partial and now - self.partial_since >= AMENDED_S):
            self._commit([], self.partial)
            self.partial, self.partial_since = [], now

    def _commit(self, whole: list[_RowUpdate], partial: list[_RowUpdate]) -> None:
        self._wait()
        self.under_way = self.pool.submit(self._write, whole, partial)

    def _wait(self) -> None:
        if self.under_way is not None:
            self.under_way.result()
            self.under_way = None

    def _write(self, whole: list[_RowUpdate], partial: list[_RowUpdate]) -> None:
        self.store.upsert([update.row for update in whole])
        for rows in _amendments(partial):
            self.store.amend(rows)
        self.commits += 1
        if self.commits % COMMITS_TO_COMPACT == 0:
            self.store.maintain(self.keep_versions_for)
