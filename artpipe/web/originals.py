"""Originals: the gallery's own pictures of works, for visitors who zoom; see `ARTPIPE_WEB_ORIGINALS`.

They are requested politely by the server, one at a time and only for works of the catalogue, and kept in files up to a
limit. A visitor's browser never asks the gallery itself.
"""

import hashlib
import io
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from upath import UPath

from artpipe.crawler.outcome import Outcome
from artpipe.errors import ArtpipeError
from artpipe.lake.full_disk import FullDiskError
from artpipe.lake.paths import DataLake, UnwritableLakeError, write_whole
from artpipe.web.links import host_of, safe_url
from artpipe.web.shared_jobs import SharedJobs

if TYPE_CHECKING:
    from artpipe.crawler.client import GalleryClient
    from artpipe.settings import Settings

_MAX_BYTES = 30_000_000
_MAX_PENDING = 8
_MEDIA_TYPES = {"JPEG": "image/jpeg", "PNG": "image/png", "GIF": "image/gif", "WEBP": "image/webp"}
_FAILED_FOR_S = 600.0
"""How long an original that could not be had is not requested again."""
_MAX_FAILED = 1000


class OriginalUnavailableError(ArtpipeError):
    """The gallery does not send this picture now, or the work has none.

    Attributes:
        status: of the response to the visitor.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Original:
    """A picture as the gallery sends it."""

    data: bytes
    media_type: str

    @property
    def etag(self) -> str:
        """The ETag of the picture."""
        return f'"{hashlib.sha256(self.data).hexdigest()[:24]}"'


class Originals:
    """Fetches originals and keeps those that were asked for last.

    Args:
        client: sends the requests.
        lake: in whose cache they are kept; where that cannot be written, they are requested again each time.
        limit_bytes: of all files together; those that were not asked for the longest go first.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        client: "GalleryClient",
        lake: DataLake,
        limit_bytes: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client, self._limit_bytes, self._clock = client, limit_bytes, clock
        self._folder = _cache_folder(lake)
        self._jobs = SharedJobs("originals", _MAX_PENDING)
        self._failed: dict[str, tuple[float, OriginalUnavailableError]] = {}

    async def of(self, work: dict[str, Any], client: str = "") -> Original:
        """The original of a work of the catalogue.

        Args:
            work: as in the catalogue.
            client: who asks.

        Raises:
            OriginalUnavailableError: it has none, or the gallery does not send it.
            TooManyJobsError: too many others wait.
        """
        url = safe_url(work["image_url"])
        if url is None:
            raise OriginalUnavailableError("the catalogue has no address of a picture of this work.", 404)
        data = await run_in_threadpool(self._kept, url)  # what is kept waits behind no request
        if data is None:
            data = await self._jobs.get(url, partial(self._read, url), client)
        return Original(data, _media_type(data) or "")

    def close(self) -> None:
        """Request no more of them."""
        self._jobs.close()

    def _file(self, url: str) -> Path | None:
        return self._folder / hashlib.sha256(url.encode()).hexdigest()[:32] if self._folder else None

    def _kept(self, url: str) -> bytes | None:
        file = self._file(url)
        try:
            data = file.read_bytes() if file else None
        except OSError:  # it was never there, or has just been removed
            return None
        with suppress(OSError):
            if file:
                os.utime(file)
        return data

    def _read(self, url: str) -> bytes:
        data, file = self._fetch(url), self._file(url)
        if file is not None:
            self._keep(file, data)
        return data

    def _fetch(self, url: str) -> bytes:
        failed_at, failure = self._failed.get(url, (0.0, None))
        if failure and self._clock() - failed_at < _FAILED_FOR_S:
            raise failure
        response = self._client.get(url, max_body_bytes=_MAX_BYTES)
        if response.outcome is Outcome.OK and _media_type(response.body):
            return response.body
        failure = OriginalUnavailableError(
            f"{host_of(url)} does not send the original of this work at present.",
            404 if response.outcome is Outcome.GONE else 502,
        )
        if len(self._failed) >= _MAX_FAILED:
            self._failed.clear()
        self._failed[url] = self._clock(), failure
        raise failure

    def _keep(self, file: Path, data: bytes) -> None:
        if len(data) > self._limit_bytes:
            return
        try:
            write_whole(UPath(file), data)
            kept = sorted(file.parent.iterdir(), key=lambda one: one.stat().st_mtime_ns)
            size = sum(one.stat().st_size for one in kept)
            for oldest in kept:
                if size <= self._limit_bytes:
                    break
                size -= oldest.stat().st_size
                oldest.unlink()
        except (OSError, FullDiskError):
            return  # it is in memory, and was asked for now


def client_of_visitors(settings: "Settings") -> "GalleryClient | None":
    """The client that requests originals, where the settings want that.

    It sends one request a second at most, in addition to those of a refresh. The sample gallery is drawn, and no server
    has originals of it.
    """
    from artpipe.crawler.client import GalleryClient, login_of
    from artpipe.sources.hosts import client_config

    if settings.web_originals != "proxy" or settings.is_sample:
        return None
    config = client_config(settings)
    config = replace(
        config,
        requests_per_s=min(config.requests_per_s, 1.0),
        concurrency=1,
        max_tries=2,
        read_timeout_s=10.0,
        total_timeout_s=30.0,
        retry_after_ceiling_s=5.0,
    )
    return GalleryClient(config, login=login_of(settings.gallery))


def _cache_folder(lake: DataLake) -> Path | None:
    try:
        return lake.cache("originals")
    except (UnwritableLakeError, OSError):
        return None


def _media_type(data: bytes) -> str | None:
    """The type of a picture that browsers show; None for anything else, such as a page that says "not found"."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data), formats=list(_MEDIA_TYPES)) as image:
            return _MEDIA_TYPES.get(image.format or "")
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError):
        return None
