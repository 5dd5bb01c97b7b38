"""Read the picture of a request: limits on its size and time, and refusals that need only its first bytes."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Annotated

from fastapi import Query, Request
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from artpipe.recognition.view import UnusableCropError, View
from artpipe.web.config import WebConfig
from artpipe.web.decoding import UploadRefusedError

FIELD = "picture"
CropOfAddress = Annotated[
    str | None,
    Query(
        max_length=200,
        description="the part of the picture that shows the painting, which is looked for by default: x, y, width and "
        "height as fractions of the picture's sides, with commas between, or the x and y of four corners",
    ),
]
_FORM_BYTES = 16 * 1024
"""Room for the form around the picture."""
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")
_OTHER_FILES = {b"%PDF": "a PDF", b"PK\x03\x04": "an archive or an office document", b"\x1a\x45\xdf\xa3": "a film"}
_USE_INSTEAD = "send a JPEG, PNG or WebP."


def view_of(crop: str | None) -> View | None:
    """The part of a picture that a request names; None where it names none.

    Raises:
        UnusableCropError: it is no part of a picture.
    """
    if not crop:
        return None
    try:
        numbers = [float(number) for number in crop.split(",")]
    except ValueError as error:
        raise UnusableCropError(
            f"the crop {crop!r} cannot be read; give x, y, width and height as fractions, with commas between."
        ) from error
    return View.of_crop(numbers)


@dataclass
class BytesInFlight:
    """The bytes of all bodies that are being received.

    Attributes:
        limit: how many there may be at once.
        count: how many there are.
    """

    limit: int
    count: int = 0


async def read_picture(request: Request, config: WebConfig, in_flight: BytesInFlight) -> bytes:
    """The picture of a request, sent in a form or as the body. It stays in memory, and only as long as the request.

    Raises:
        UploadRefusedError: it is too large or too slow, missing, or not a picture; or too much is being received.
    """
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > config.upload_bytes + _FORM_BYTES:
        raise _too_large(config.upload_bytes)
    body = _Body(request, config, in_flight)
    try:
        async with asyncio.timeout(config.upload_grace_s) as body.patience:
            data = await _read(request, body, config.upload_bytes)
    except TimeoutError as error:
        raise UploadRefusedError("the picture arrives too slowly; send a smaller copy of it.", 408) from error
    except ClientDisconnect as error:
        raise UploadRefusedError("the connection was closed before the picture was whole.", 400) from error
    finally:
        in_flight.count -= body.received
    if len(data) > config.upload_bytes:
        raise _too_large(config.upload_bytes)
    refuse_by_signature(data)
    return data


def refuse_by_signature(data: bytes) -> None:
    """Refuse known other formats with a helpful message; the decoder decides on the rest.

    Raises:
        UploadRefusedError: the file is empty, or of a format that is not decoded here.
    """
    if not data:
        raise UploadRefusedError("no picture was chosen; choose, drop or paste one.", 422)
    if data[4:8] == b"ftyp" and data[8:12] in _HEIF_BRANDS:
        raise UploadRefusedError(
            "this is a HEIC photograph, which cannot be decoded here; share it as JPEG (on an iPhone: Settings, "
            "Camera, Formats, Most Compatible), or take a screenshot of it.",
            415,
        )
    start = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith(b"<?xml") or b"<svg" in start:
        raise UploadRefusedError(f"this is an SVG drawing, not a picture; {_USE_INSTEAD}", 415)
    for signature, name in _OTHER_FILES.items():
        if data.startswith(signature):
            raise UploadRefusedError(f"this is {name}, not a picture; {_USE_INSTEAD}", 415)


def _too_large(limit_bytes: int) -> UploadRefusedError:
    return UploadRefusedError(f"the picture is larger than {limit_bytes / 1e6:.0f} MB; send a smaller copy of it.", 413)


class _Body:
    """The body of a request, part by part; refused as soon as it exceeds a limit.

    Attributes:
        received: its bytes so far.
        patience: ends when the next part is due. A client must keep up a rate, so that nobody holds a request open
            with a few bytes.
    """

    def __init__(self, request: Request, config: WebConfig, in_flight: BytesInFlight) -> None:
        self._request, self._config, self._in_flight = request, config, in_flight
        self.received = 0
        self.patience = asyncio.timeout(None)

    async def parts(self, limit_bytes: int) -> AsyncGenerator[bytes]:
        began = asyncio.get_running_loop().time()
        async for part in self._request.stream():
            self.received += len(part)
            self._in_flight.count += len(part)
            if self.received > limit_bytes:
                raise _too_large(self._config.upload_bytes)
            if self._in_flight.count > self._in_flight.limit:
                raise UploadRefusedError("too many pictures are being received; try again in a few seconds.", 503)
            earned_s = self.received / self._config.upload_bytes_a_second
            self.patience.reschedule(began + self._config.upload_grace_s + earned_s)
            yield part


async def _read(request: Request, body: _Body, limit_bytes: int) -> bytes:
    content_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if content_type == "multipart/form-data":
        return await _read_form(request, body, limit_bytes + _FORM_BYTES)
    if content_type.startswith("image/") or content_type == "application/octet-stream":
        return b"".join([part async for part in body.parts(limit_bytes)])
    raise UploadRefusedError("send the picture in a form (multipart/form-data) or as the body (image/jpeg).", 415)


async def _read_form(request: Request, body: _Body, limit_bytes: int) -> bytes:
    """The form's picture; empty where it has none. `Request.form` would put a file beyond 1 MB on the disk."""
    parser = MultiPartParser(request.headers, body.parts(limit_bytes), max_files=1, max_fields=20)
    parser.spool_max_size = limit_bytes
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError, ValueError) as error:
        raise UploadRefusedError(f"the form cannot be read ({error}); send it again.", 400) from error
    file = form.get(FIELD)
    data = b"" if file is None or isinstance(file, str) else await file.read()
    await form.close()
    return data
