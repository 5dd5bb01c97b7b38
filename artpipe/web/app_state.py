"""What every page and API response is made from, and the path from an upload to an embedding, labels and a verdict."""

import asyncio
import threading
import zlib
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property, partial
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from anyio import CapacityLimiter, to_thread
from fastapi import Depends, Request

from artpipe import __version__
from artpipe.images.reading import read_picture as open_picture
from artpipe.lake.paths import DataLake
from artpipe.recognition.view import View
from artpipe.schema import year_text
from artpipe.tasks import heading
from artpipe.web.comparisons import ComparisonFailedError, Comparisons
from artpipe.web.config import WebConfig
from artpipe.web.decoding import DecodingWorkers, UploadRefusedError
from artpipe.web.downloads import SheetDrawer
from artpipe.web.editing import Editing
from artpipe.web.links import ServedLinks, host_of, safe_url
from artpipe.web.map_data import MapData, read_map, sheets_of
from artpipe.web.map_sheets import Sheets
from artpipe.web.shared_jobs import SharedJobs
from artpipe.web.thumbnails import Thumbnails
from artpipe.web.tokens import EncodedPicture, Verdict, encoded_picture, read_token, token_of
from artpipe.web.turns import Turns
from artpipe.web.uploads import BytesInFlight, read_picture

if TYPE_CHECKING:
    from jinja2 import Environment

    from artpipe.web.catalogue import Catalogue
    from artpipe.web.lake_status import LakeStatus
    from artpipe.web.live_collection import LiveCollection
    from artpipe.web.metrics import Metrics
    from artpipe.web.originals import Originals
    from artpipe.web.questions import Question

HERE = Path(__file__).parent

COMPARISON_PATIENCE_S = 0.4
"""How long a script that uploads waits for the comparison before its results are shown without."""
_ENCODED_AT_ONCE = 8
_EXPORTS_AT_ONCE = 2
"""One of each client, so that a small sheet does not wait for the large one of somebody else."""
_MAX_PENDING_SHEETS = 1000
"""Of one client: a browser may ask for many when it zooms in, and none is made twice."""
Compare = Literal["now", "later", "never"]
"""When a picture is compared with the collection: before the response, after it, or not at all."""


@dataclass
class AppState:
    """One running app: its collection, model and workers."""

    lake: DataLake
    live: "LiveCollection"
    decoding: DecodingWorkers
    config: WebConfig
    metrics: "Metrics"
    status: "LakeStatus | None" = None
    originals: "Originals | None" = None
    comparisons: "Comparisons[tuple[EncodedPicture, str]]" = field(default_factory=Comparisons)
    _map: "tuple[object, MapData, Sheets] | None" = None
    _map_lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._pending_uploads = Counter[str]()
        self._in_flight = BytesInFlight(self.config.receiving_bytes)
        self.links = ServedLinks(__version__, self.config.root_path)
        self.exports = SharedJobs("exports", self.config.max_pending_exports, threads=_EXPORTS_AT_ONCE)
        self.sheets = SheetDrawer(_EXPORTS_AT_ONCE)
        self.map_sheets = SharedJobs("sheets of the map", _MAX_PENDING_SHEETS)
        self.decoded = Turns[bytes]("pictures", self.config.max_pending_uploads, self.decoding.count)
        self.editing = Editing(self.config.editing, self.config.editing_key)

    @property
    def catalogue(self) -> "Catalogue":
        """The served version of the collection."""
        return self.live.now[0]

    @cached_property
    def thumbnails(self) -> Thumbnails:
        """The stored pictures."""
        return Thumbnails(self.lake)

    @cached_property
    def templates(self) -> "Environment":
        """The pages' templates."""
        return page_templates()

    async def encode_upload(
        self, request: Request, compare: Compare, crop: View | None = None
    ) -> tuple[EncodedPicture, str]:
        """Decode and encode the picture of a request; the result and its token.

        Args:
            request: has the picture.
            compare: with "later", the token can be passed to `await_verdict`; beside other servers that is "now".
            crop: the part of the picture that shows the painting, where the visitor chose it.

        Raises:
            UploadRefusedError: the picture cannot be used, or too many are waiting.
        """
        try:
            client = client_of(request)
            self._refuse_if_busy(client)
            data = await read_picture(request, self.config, self._in_flight)
            picture, token = await self._encode_picture(data, compare, crop, client)
        except UploadRefusedError as error:
            self.metrics.uploads.labels("busy" if error.status == 503 else "refused").inc()
            raise
        except asyncio.CancelledError:
            self.metrics.uploads.labels("cancelled").inc()
            raise
        self.metrics.uploads.labels("encoded").inc()
        if compare == "now" or (compare == "later" and self.config.has_replicas):
            return await self.await_verdict(picture, token)
        if self.comparisons.unfinished() > 1:
            return picture, token
        # Nobody else waits, so it is a moment, and then the results are of the recognised painting at once.
        with suppress(TimeoutError):
            async with asyncio.timeout(COMPARISON_PATIENCE_S):
                return await self.await_verdict(picture, token)
        return picture, token

    def _refuse_if_busy(self, client: str) -> None:
        pending = self._pending_uploads.total() + self.comparisons.unfinished()
        if pending >= self.config.max_pending_uploads:
            raise UploadRefusedError("too many pictures are being processed; try again in a few seconds.", 503)
        own = self._pending_uploads[client] + self.comparisons.unfinished(client)
        if own >= self.config.max_pending_uploads_of_client:
            raise UploadRefusedError(f"{own} of your pictures are being processed; wait for them, and try again.", 503)

    async def _encode_picture(
        self, data: bytes, compare: Compare, crop: View | None, client: str
    ) -> tuple[EncodedPicture, str]:
        """Decode and encode a picture; only one that has arrived takes one of the places."""
        self._refuse_if_busy(client)
        self._pending_uploads[client] += 1
        try:
            jpeg = await asyncio.wrap_future(self.decoded.submit(partial(self.decoding.decode, data), client))
            encode = partial(self._encode, jpeg, compare, crop, client)
            return await to_thread.run_sync(encode, limiter=self._encoding)
        finally:
            self._pending_uploads[client] -= 1
            self._pending_uploads += Counter()  # forgets those who wait for nothing

    def picture_of(self, question: "Question") -> EncodedPicture | None:
        """The picture that a question's token stands for.

        Raises:
            UnusableTokenError: the token is damaged, or another model made the embedding.
        """
        if question.image is None:
            return None
        _, encoder = self.live.now
        return read_token(question.image, encoder.model_id, encoder.labels)

    async def await_verdict(self, picture: EncodedPicture, token: str) -> tuple[EncodedPicture, str]:
        """The picture and its token after the comparison; unchanged where the comparison failed."""
        if not picture.is_verdict_pending:
            return picture, token
        try:
            return await self.comparisons.verdict(token)
        except ComparisonFailedError:
            return picture, token

    def resolve(self, question: "Question") -> "tuple[Question, EncodedPicture | None]":
        """A question and its picture, with the verdict where the comparison is done by now.

        Raises:
            UnusableTokenError: the token is damaged, or another model made the embedding.
        """
        picture = self.picture_of(question)
        if question.image is None or picture is None or not picture.is_verdict_pending:
            return question, picture
        try:
            picture, token = self.comparisons.result(question.image)
        except ComparisonFailedError:
            return question, picture
        return replace(question, image=token), picture

    @cached_property
    def _encoding(self) -> CapacityLimiter:
        """Threads of their own, so that pages wait for no picture, nor for the model that is being loaded."""
        return CapacityLimiter(_ENCODED_AT_ONCE)

    def _encode(self, jpeg: bytes, compare: Compare, crop: View | None, client: str) -> tuple[EncodedPicture, str]:
        """The encoded picture and its token; starts the comparison."""
        catalogue, encoder = self.live.now
        labels, photograph = encoder.labels, open_picture(jpeg)
        is_pending = compare != "never" and catalogue.can_compare
        checksum = zlib.crc32(jpeg)
        first = replace(encoded_picture(catalogue.look(photograph, crop), labels), checksum=checksum)
        picture = replace(first, is_verdict_pending=is_pending)
        token = token_of(picture, encoder.model_id, labels)

        def compared() -> tuple[EncodedPicture, str]:
            match = catalogue.same_painting(photograph if crop is None else crop.of(photograph, min(photograph.size)))
            seen = first
            if match and crop is None:
                seen = encoded_picture(catalogue.look(photograph, None, match), labels)
            seen = replace(seen, verdict=None if match is None else Verdict.of(match), checksum=checksum)
            return seen, token_of(seen, encoder.model_id, labels)

        if is_pending:
            self.comparisons.begin(token, catalogue, compared, client)
        return picture, token

    def map(self) -> tuple[MapData, Sheets]:
        """The map of the served version, packed once, and its sheets of small pictures.

        Raises:
            NoMapError: there is no map yet.
        """
        path = self.lake.table("art_map")
        catalogue = self.catalogue
        version = (id(catalogue), path.stat().st_mtime if path.exists() else None)
        with self._map_lock:
            if self._map is None or self._map[0] != version:
                data = read_map(self.lake, catalogue)
                self._map = version, data, sheets_of(self.lake, catalogue, data)
            return self._map[1:]

    def render(self, request: Request, template: str, **values: object) -> str:
        """A page for who sent a request, as HTML."""
        catalogue, can_edit = self.catalogue, self.editing.is_offered_to(request)
        context = {"links": self.links, "total_works": len(catalogue), "can_edit": can_edit, **values}
        context["caption"] = catalogue.collection.tasks.caption
        return self.templates.get_template(template).render(**context)


def page_templates() -> "Environment":
    """The templates of all pages; every value is HTML-escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    from artpipe.sources.rights import rights_name

    templates = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {
        "safe_url": safe_url,
        "rights_name": rights_name,
        "host": host_of,
        "percent": _percent,
        "thousands": "{:,}".format,
        "heading": heading,
        "moment": _utc_text,
        "year": lambda value: year_text(value) if isinstance(value, int) else value,
    }
    return templates


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _utc_text(when: datetime) -> str:
    utc = when.astimezone(UTC)
    return f"{utc.day} {utc:%b %Y, %H:%M}"


def client_of(request: Request) -> str:
    """Whose limits and turns a request counts for: an address; of IPv6, the network that one customer has, /64."""
    host = request.client.host if request.client else ""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return host
    return host if address.version == 4 else str(ip_network((address, 64), strict=False))


def state_of(request: Request) -> AppState:
    """The state of the app that answers a request."""
    return request.app.state.web


State = Annotated[AppState, Depends(state_of)]
