"""Files that visitors upload, good and bad."""

import io
import os
import struct
import zlib
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from artpipe.web.app import create_app
from artpipe.web.config import WebConfig
from artpipe.web.decoding import DecodingWorkers, UploadRefusedError


def send(client: TestClient, data: bytes, address: str = "/api/predict"):
    return client.post(address, files={"picture": ("p", data)})


def png_of(width: int, height: int) -> bytes:
    """A PNG of this size by its header, without pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def animated_gif() -> bytes:
    frames = [Image.new("RGB", (40, 40), colour) for colour in ("red", "blue", "green")]
    out = io.BytesIO()
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:])
    return out.getvalue()


def exit_at_once(pipe: Connection, short_side_px: int) -> None:
    """A worker process that ends before it is ready."""


def crash_on_a_picture(pipe: Connection, short_side_px: int) -> None:  # noqa: ARG001
    """A worker process that is killed while it decodes."""
    pipe.send("ready")
    pipe.recv_bytes()
    os._exit(9)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP"])
def test_pictures_of_every_common_format_are_encoded(client: TestClient, picture_of, kind: str):
    answer = send(client, picture_of((228, 20, 20), kind=kind))
    assert answer.status_code == 200
    assert answer.json()["predictions"]["style"][0]["label"] == "Renaissance"


def test_the_first_frame_of_an_animation_is_encoded(client: TestClient):
    assert send(client, animated_gif()).json()["predictions"]["style"][0]["label"] == "Renaissance"


def test_a_picture_may_be_the_body_of_a_request(client: TestClient, picture_of):
    answer = client.post("/api/predict", content=picture_of((9, 9, 200)), headers={"content-type": "image/jpeg"})
    assert answer.status_code == 200


def test_html_appended_to_a_picture_never_reaches_a_page(client: TestClient, picture_of):
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
    "large and not a JPEG": (png_of(6000, 5000), 413, "pixels"),
    "header alone": (b"\x89PNG\r\n\x1a\n", 422, "image"),
    "ten thousand by one": (png_of(10_000, 1), 422, "too narrow"),
    "no pixels": (png_of(64, 64), 422, "damaged"),
    "too large": (b"\xff\xd8\xff" + bytes(400_000), 413, "larger than"),
}


@pytest.mark.parametrize("name", BAD)
def test_an_unusable_file_is_refused_with_a_helpful_message(client: TestClient, name: str):
    data, status, message = BAD[name]
    answer = send(client, data)
    assert answer.status_code == status
    assert message.lower() in answer.json()["detail"].lower()
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
def test_a_request_without_a_picture_is_refused(client: TestClient, body: bytes, kind: str):
    assert client.post("/api/predict", content=body, headers={"content-type": kind}).status_code in (400, 415, 422)


def test_a_body_of_unknown_length_is_cut_off_at_the_limit(client: TestClient):
    def endless():
        for _ in range(100):
            yield bytes(10_000)

    answer = client.post("/api/predict", content=endless(), headers={"content-type": "image/jpeg"})
    assert answer.status_code == 413


def test_an_uploaded_picture_is_not_stored(client: TestClient, web_lake, picture_of):
    def files() -> set[Path]:
        return {path for path in Path(str(web_lake.root)).rglob("*") if path.is_file()}

    stored = files()
    assert send(client, picture_of((1, 2, 3))).status_code == 200
    assert files() == stored


def test_uploads_beyond_the_queue_limit_get_503(web_lake, colour_model, picture_of):
    client = TestClient(create_app(web_lake, WebConfig(max_pending_uploads=0), encoder=colour_model))
    answer = send(client, picture_of((1, 2, 3)))
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"


@pytest.fixture
def workers() -> Iterator[DecodingWorkers]:
    """One worker process."""
    workers = DecodingWorkers(48, seconds=30.0, count=1)
    yield workers
    workers.close()


def test_decoding_that_takes_too_long_is_given_up_and_the_next_picture_decoded(workers: DecodingWorkers, picture_of):
    assert workers.decode(picture_of((1, 2, 3))).startswith(b"\xff\xd8")
    workers.seconds = 0.0
    with pytest.raises(UploadRefusedError, match="took longer than 0 seconds"):
        workers.decode(picture_of((1, 2, 3), (3000, 3000), "PNG"))
    workers.seconds = 30.0
    assert workers.decode(picture_of((4, 5, 6))).startswith(b"\xff\xd8")


@pytest.mark.parametrize(
    ("broken_worker", "status", "message"),
    [(exit_at_once, 503, "try again"), (crash_on_a_picture, 422, "crashed the decoder")],
)
def test_a_worker_that_dies_is_replaced(
    workers: DecodingWorkers, picture_of, monkeypatch: pytest.MonkeyPatch, broken_worker, status: int, message: str
):
    with monkeypatch.context() as broken:
        broken.setattr("artpipe.web.decoding._run_worker", broken_worker)
        with pytest.raises(UploadRefusedError, match=message) as refused:
            workers.decode(picture_of((1, 2, 3)))
    assert refused.value.status == status
    assert workers.decode(picture_of((1, 2, 3))).startswith(b"\xff\xd8")


def test_a_failure_to_warm_up_is_logged(
    workers: DecodingWorkers, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr("artpipe.web.decoding._run_worker", exit_at_once)
    workers.warm_up().join(30)
    assert "cannot be decoded" in caplog.text
