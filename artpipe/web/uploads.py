"""From a request to the bytes of a picture: how large it may be, and what it looks like before anything opens it."""

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from fastapi import Request

from artpipe.web.decoding import UploadRefusedError

if TYPE_CHECKING:
    from starlette.datastructures import FormData

FIELD = "picture"
_FORM_BYTES = 16 * 1024
"""Room for the form around the picture."""
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")
_NO_PICTURES = {b"%PDF": "a PDF", b"PK\x03\x04": "an archive or an office document", b"\x1a\x45\xdf\xa3": "a film"}


def limit_in_words(limit_bytes: int) -> str:
    """`20 MB`."""
    return f"{limit_bytes / 1e6:.0f} MB"


def refuse_by_content(data: bytes) -> None:
    """Refuse what can be told from its first bytes, with words that help; the decoder decides on the rest.

    Raises:
        UploadRefusedError: it is empty, or known to be something that is not looked at.
    """
    if not data:
        raise UploadRefusedError("no picture was chosen; choose, drop or paste one.", 422)
    if data[4:8] == b"ftyp" and data[8:12] in _HEIF_BRANDS:
        raise UploadRefusedError(
            "this is a HEIC photograph, which cannot be opened here; share it as JPEG (on an iPhone: Settings, Camera, "
            "Formats, Most Compatible), or take a screenshot of it.",
            415,
        )
    start = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<svg", b"<?xml")) or b"<svg" in start:
        raise UploadRefusedError("this is an SVG drawing, not a picture; give a JPEG, PNG or WebP.", 415)
    for signature, name in _NO_PICTURES.items():
        if data.startswith(signature):
            raise UploadRefusedError(f"this is {name}, not a picture; give a JPEG, PNG or WebP.", 415)


async def read_picture(request: Request, limit_bytes: int) -> tuple[bytes, dict[str, str]]:
    """The picture of a request, sent as a form or as it is, and the form's other fields.

    It is held in memory alone, and never longer than the request.

    Raises:
        UploadRefusedError: it is too large, or there is none.
    """
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    too_large = UploadRefusedError(
        f"the picture is larger than {limit_in_words(limit_bytes)}; send a smaller copy of it.", 413
    )
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > limit_bytes + _FORM_BYTES:
        raise too_large
    if kind == "multipart/form-data":
        data, fields = await _read_form(request, limit_bytes)
    elif kind.startswith("image/") or kind == "application/octet-stream":
        data, fields = b"".join([part async for part in _limited(request, limit_bytes)]), {}
    else:
        raise UploadRefusedError("send the picture as a form (multipart/form-data) or as it is (image/jpeg).", 415)
    if len(data) > limit_bytes:
        raise too_large
    refuse_by_content(data)
    return data, fields


async def _read_form(request: Request, limit_bytes: int) -> tuple[bytes, dict[str, str]]:
    from starlette.formparsers import MultiPartException, MultiPartParser

    parser = MultiPartParser(request.headers, _limited(request, limit_bytes + _FORM_BYTES), max_files=1, max_fields=20)
    # Starlette moves a file beyond 1 MB to the disk; a visitor's picture stays in memory.
    parser.spool_max_size = limit_bytes + _FORM_BYTES
    try:
        form: FormData = await parser.parse()
    except (MultiPartException, KeyError, ValueError) as error:
        raise UploadRefusedError(f"the form cannot be read ({error}); send it again.", 400) from error
    fields: dict[str, str] = {}
    data = b""
    for name, value in form.multi_items():
        if isinstance(value, str):
            fields[name] = value
        elif name == FIELD:
            data = await value.read()
    await form.close()
    return data, fields


async def _limited(request: Request, limit_bytes: int) -> AsyncGenerator[bytes]:
    """The body, part by part, and an end to it when there is too much."""
    seen = 0
    async for part in request.stream():
        seen += len(part)
        if seen > limit_bytes:
            raise UploadRefusedError(
                f"the picture is larger than {limit_in_words(limit_bytes)}; send a smaller copy of it.", 413
            )
        yield part
