"""What every page and every answer of the API is made from, and the one way from a visitor's bytes to a picture."""

import asyncio
import threading
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool

from artpipe import __version__
from artpipe.lake.paths import DataLake
from artpipe.web.comparisons import ComparisonFailedError, Comparisons
from artpipe.web.config import WebConfig
from artpipe.web.decoding import DecodingWorkers, UploadRefusedError
from artpipe.web.links import Links, ServedLinks, web_address
from artpipe.web.map_data import MapData, read_map
from artpipe.web.pictures import Pictures
from artpipe.web.tokens import SeenPicture, read_token, seen_picture, token_of, with_verdict
from artpipe.web.uploads import read_picture

if TYPE_CHECKING:
    from jinja2 import Environment

    from artpipe.web.catalogue import Catalogue
    from artpipe.web.live import LiveCatalogue
    from artpipe.web.metrics import Metrics
    from artpipe.web.questions import Question
    from artpipe.web.standing import Standing

HERE = Path(__file__).parent

Compares = Literal["now", "later", "never"]
"""When it is found out whether a picture shows a very painting: before it is answered, after, or not at all."""


@dataclass
class Web:
    """One running app: its collection, its model, its workers."""

    lake: DataLake
    live: "LiveCatalogue"
    decoding: DecodingWorkers
    config: WebConfig
    metrics: "Metrics"
    standing: "Standing | None" = None
    comparisons: Comparisons = field(default_factory=Comparisons)
    links: Links = field(default_factory=lambda: ServedLinks(__version__))
    _map: "tuple[object, MapData] | None" = None
    _map_lock: threading.Lock = field(default_factory=threading.Lock)
    _waiting: int = 0

    @property
    def catalogue(self) -> "Catalogue":
        """The version of the collection in service."""
        return self.live.now[0]

    @cached_property
    def pictures(self) -> Pictures:
        """The stored pictures."""
        return Pictures(self.lake)

    @cached_property
    def templates(self) -> "Environment":
        """The pages' templates."""
        return page_templates()

    async def look_at(self, request: Request, compares: Compares) -> tuple[SeenPicture, str, dict[str, str]]:
        """The picture that a request sends: what the model sees in it, its token, and the form's other fields.

        Args:
            request: holds the picture.
            compares: "later" gives a token whose `verdict` is asked for apart.

        Raises:
            UploadRefusedError: it cannot be used.
        """
        if self._waiting + self.comparisons.waiting >= self.config.waiting_uploads:
            self.metrics.uploads.labels("busy").inc()
            raise UploadRefusedError("many pictures are being looked at; try again in a few seconds.", 503)
        self._waiting += 1
        try:
            data, fields = await read_picture(request, self.config.upload_bytes)
            jpeg = await run_in_threadpool(self.decoding.decode, data)
            del data
            seen, token = await run_in_threadpool(self._look, jpeg, compares)
            del jpeg
        except UploadRefusedError:
            self.metrics.uploads.labels("refused").inc()
            raise
        except asyncio.CancelledError:
            self.metrics.uploads.labels("left").inc()
            raise
        finally:
            self._waiting -= 1
        self.metrics.uploads.labels("looked at").inc()
        if compares == "now":
            seen, token = await self.decided(seen, token)
        return seen, token, fields

    def seen(self, question: "Question") -> SeenPicture | None:
        """The picture that a question's token stands for.

        Raises:
            UnusableTokenError: the token is damaged, or another model saw the picture.
        """
        if question.image is None:
            return None
        _, model = self.live.now
        return read_token(question.image, model.model_id, model.labels)

    async def decided(self, seen: SeenPicture, token: str) -> tuple[SeenPicture, str]:
        """The same picture and its token once it was compared; as they were where nothing comes of that here."""
        if not seen.is_undecided:
            return seen, token
        try:
            verdict = await self.comparisons.verdict(token)
        except ComparisonFailedError:
            return seen, token
        return replace(seen, verdict=verdict, is_undecided=False), with_verdict(token, verdict)

    def settled(self, question: "Question") -> "tuple[Question, SeenPicture | None]":
        """A question and its picture, with what came of comparing it where that is known by now.

        Raises:
            UnusableTokenError: the token is damaged, or another model saw the picture.
        """
        seen = self.seen(question)
        if question.image is None or seen is None or not seen.is_undecided:
            return question, seen
        try:
            verdict = self.comparisons.told(question.image)
        except ComparisonFailedError:
            return question, seen
        seen = replace(seen, verdict=verdict, is_undecided=False)
        return replace(question, image=with_verdict(question.image, verdict)), seen

    def _look(self, jpeg: bytes, compares: Compares) -> tuple[SeenPicture, str]:
        """What the model sees in a picture, and its token; comparing it is begun."""
        catalogue, model = self.live.now
        labels = model.labels
        is_undecided = compares != "never" and catalogue.can_compare
        seen = replace(seen_picture(model.encode([jpeg]), labels), is_undecided=is_undecided)
        token = token_of(seen, model.model_id, labels)
        if is_undecided:
            self.comparisons.begin(token, catalogue, partial(catalogue.same_painting, jpeg))
        return seen, token

    def map(self) -> MapData:
        """The map of the version in service, packed once.

        Raises:
            NoMapError: there is no map yet.
        """
        path = self.lake.table("art_map")
        catalogue = self.catalogue
        state = (id(catalogue), path.stat().st_mtime if path.exists() else None)
        with self._map_lock:
            if self._map is None or self._map[0] != state:
                self._map = (state, read_map(self.lake, catalogue))
            return self._map[1]

    def render(self, template: str, **values: object) -> str:
        """A page, as HTML."""
        shown = {"links": self.links, "works_in_all": len(self.catalogue), **values}
        return self.templates.get_template(template).render(**shown)


def page_templates() -> "Environment":
    """The templates of all pages: everything that is put into them is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    found = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters["web_address"] = web_address
    found.filters["percent"] = _percent
    found.filters["thousands"] = _thousands
    found.filters["moment"] = _moment
    return found


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _moment(when: datetime) -> str:
    utc = when.astimezone(UTC)
    return f"{utc.day} {utc:%b %Y, %H:%M}"


def _thousands(number: int) -> str:
    return f"{number:,}"


def web_of(request: Request) -> Web:
    """The app that answers a request."""
    return request.app.state.web


TheWeb = Annotated[Web, Depends(web_of)]
