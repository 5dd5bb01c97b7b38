"""Files that strangers send, one by one."""

import io
import struct
import zlib
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from artpipe.web.decoding import DecodingLimits, DecodingWorkers, UploadRefusedError


def send(client: TestClient, data: bytes, address: str = "/api/predict"):
    return client.post(address, files={"picture": ("p", data)})


def png_of(width: int, height: int) -> bytes:
    """A PNG that says it is so large, and holds nothing."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def animated_gif() -> bytes:
    frames = [Image.new("RGB", (40, 40), colour) for colour in ("red", "blue", "green")]
    out = io.BytesIO()
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:])
    return out.getvalue()


def end_at_once(pipe: Connection, short_side_px: int) -> None:
    """A worker that is gone before it was ready."""


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP"])
def test_plain_pictures_of_every_kind_are_looked_at(client: TestClient, picture_of, kind: str):
    answer = send(client, picture_of((228, 20, 20), kind=kind))
    assert answer.status_code == 200
    assert answer.json()["predictions"]["style"][0]["label"] == "Renaissance"


def test_of_an_animation_the_first_picture_is_looked_at(client: TestClient):
    assert send(client, animated_gif()).json()["predictions"]["style"][0]["label"] == "Renaissance"


def test_a_picture_may_be_sent_as_it_is(client: TestClient, picture_of):
    answer = client.post("/api/predict", content=picture_of((9, 9, 200)), headers={"content-type": "image/jpeg"})
    assert answer.status_code == 200


def test_a_picture_that_is_also_a_web_page_is_only_ever_a_picture(client: TestClient, picture_of):
    polyglot = picture_of((228, 20, 20)) + b"<html><script>alert(1)</script>"
    answer = client.post("/search", files={"picture": ("x.html", polyglot, "text/html")})
    assert answer.status_code == 303
    assert "alert(1)" not in client.get(answer.headers["location"]).text


BAD = {
    "empty": (b"", 422, "no picture was chosen"),
    "text": (b"Dear museum, " * 20, 415, "not an image"),
    "svg": (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', 415, "SVG"),
    "svg after a comment": (b"<!-- hello --><svg></svg>", 415, "SVG"),
    "heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64), 415, "HEIC"),
    "pdf": (b"%PDF-1.7 ...", 415, "a PDF"),
    "zip": (b"PK\x03\x04" + bytes(80), 415, "an archive"),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", 415, "not an image"),
    "bomb": (png_of(60_000, 60_000), 413, "pixels"),
    "header alone": (b"\x89PNG\r\n\x1a\n", 422, "image"),
    "ten thousand by one": (png_of(10_000, 1), 422, "too narrow"),
    "no pixels": (png_of(64, 64), 422, "damaged"),
    "too large": (b"\xff\xd8\xff" + bytes(400_000), 413, "larger than"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_looked_at_is_refused_with_words_that_help(client: TestClient, name: str):
    data, status, told = BAD[name]
    answer = send(client, data)
    assert (answer.status_code, told.lower() in answer.json()["detail"].lower()) == (status, True), answer.text
    page = send(client, data, "/search")
    assert page.status_code == status
    assert "That did not work" in page.text
    assert 'type="file"' in page.text


def test_a_truncated_picture_is_refused(client: TestClient):
    noise = Image.effect_noise((200, 200), 80)
    out = io.BytesIO()
    noise.save(out, "JPEG", quality=90)
    answer = send(client, out.getvalue()[:3000])
    assert answer.status_code == 422
    assert "damaged" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "kind"),
    [(b"no form at all", "multipart/form-data"), (b"x=1", "application/x-www-form-urlencoded"), (b"", "text/plain")],
)
def test_a_request_that_brings_no_picture_is_refused(client: TestClient, body: bytes, kind: str):
    assert client.post("/api/predict", content=body, headers={"content-type": kind}).status_code in (400, 415, 422)


def test_a_body_of_unknown_length_is_cut_off_at_the_limit(client: TestClient):
    def endless():
        for _ in range(100):
            yield bytes(10_000)

    answer = client.post("/api/predict", content=endless(), headers={"content-type": "image/jpeg"})
    assert answer.status_code == 413


def test_nothing_of_a_picture_is_kept(client: TestClient, web_lake, picture_of):
    def files() -> set[Path]:
        return {path for path in Path(str(web_lake.root)).rglob("*") if path.is_file()}

    before = files()
    assert send(client, picture_of((1, 2, 3))).status_code == 200
    assert files() == before


def test_a_picture_that_takes_too_long_is_given_up_and_the_next_is_looked_at(picture_of):
    workers = DecodingWorkers(DecodingLimits(48, seconds=30.0), count=1)
    try:
        assert workers.decode(picture_of((1, 2, 3))).startswith(b"\xff\xd8")
        workers.limits = DecodingLimits(48, seconds=0.0)
        with pytest.raises(UploadRefusedError, match="took longer than 0 seconds"):
            workers.decode(picture_of((1, 2, 3), (3000, 3000), "PNG"))
        workers.limits = DecodingLimits(48, seconds=30.0)
        assert workers.decode(picture_of((4, 5, 6))).startswith(b"\xff\xd8")
    finally:
        workers.close()


def test_a_worker_that_does_not_start_is_told_of_and_tried_again(picture_of, monkeypatch: pytest.MonkeyPatch):
    import artpipe.web.decoding

    workers = DecodingWorkers(DecodingLimits(48, seconds=30.0), count=1)
    try:
        with monkeypatch.context() as broken:
            broken.setattr(artpipe.web.decoding, "_work", end_at_once)
            workers._start_all()
            with pytest.raises(UploadRefusedError, match="try again") as refused:
                workers.decode(picture_of((1, 2, 3)))
        assert refused.value.status == 503
        assert workers.decode(picture_of((1, 2, 3))).startswith(b"\xff\xd8")
    finally:
        workers.close()
