"""Read the picture of a request: the size limit, and refusals that need only its first bytes."""

from collections.abc import AsyncGenerator

from fastapi import Request
from starlette.formparsers import MultiPartException, MultiPartParser

from artpipe.web.decoding import UploadRefusedError

FIELD = "picture"
_FORM_BYTES = 16 * 1024
"""Room for the form around the picture."""
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")
_OTHER_FILES = {b"%PDF": "a PDF", b"PK\x03\x04": "an archive or an office document", b"\x1a\x45\xdf\xa3": "a film"}
_USE_INSTEAD = "send a JPEG, PNG or WebP."


async def read_picture(request: Request, limit_bytes: int) -> bytes:
    """The picture of a request, sent in a form or as the body. It stays in memory, and only as long as the request.

    Raises:
        UploadRefusedError: it is too large, missing, or not a picture.
    """
    too_large = _too_large(limit_bytes)
    content_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > limit_bytes + _FORM_BYTES:
        raise too_large
    if content_type == "multipart/form-data":
        data = await _read_form(request, limit_bytes)
    elif content_type.startswith("image/") or content_type == "application/octet-stream":
        data = b"".join([part async for part in _limited(request, limit_bytes)])
    else:
        raise UploadRefusedError("send the picture in a form (multipart/form-data) or as the body (image/jpeg).", 415)
    if len(data) > limit_bytes:
        raise too_large
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


async def _read_form(request: Request, limit_bytes: int) -> bytes:
    """The form's picture; empty where it has none. `Request.form` would put a file beyond 1 MB on the disk."""
    limit = limit_bytes + _FORM_BYTES
    parser = MultiPartParser(request.headers, _limited(request, limit), max_files=1, max_fields=20)
    parser.spool_max_size = limit
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError, ValueError) as error:
        raise UploadRefusedError(f"the form cannot be read ({error}); send it again.", 400) from error
    file = form.get(FIELD)
    data = b"" if file is None or isinstance(file, str) else await file.read()
    await form.close()
    return data


async def _limited(request: Request, limit_bytes: int) -> AsyncGenerator[bytes]:
    """The body part by part; refused as soon as it exceeds the limit."""
    received = 0
    async for part in request.stream():
        received += len(part)
        if received > limit_bytes:
            raise _too_large(limit_bytes)
        yield part
