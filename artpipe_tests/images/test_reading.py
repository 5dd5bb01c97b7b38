"""A picture is the same RGB picture in whatever form it is given."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from artpipe.images.decode import NotAnImageError, TooManyPixelsError, UnreadableImageError
from artpipe.images.reading import read_picture

PIXELS = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)


def png(pixels: np.ndarray = PIXELS) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "mine.png").write_bytes(png())
    return tmp_path / "mine.png"


FORMS = {
    "path": lambda file: file,
    "path as text": str,
    "bytes": lambda file: file.read_bytes(),
    "open file": lambda file: io.BytesIO(file.read_bytes()),
    "Pillow": Image.open,
    "Pillow with transparency": lambda file: Image.open(file).convert("RGBA"),
    "uint8": lambda _: PIXELS,
    "not contiguous": lambda _: np.asfortranarray(PIXELS),
    "opaque RGBA": lambda _: np.dstack([PIXELS, np.full(PIXELS.shape[:2], 255, np.uint8)]),
    "uint16": lambda _: PIXELS.astype(np.uint16) * 257,
    "float32": lambda _: (PIXELS / 255).astype(np.float32),
    "wide integers": lambda _: PIXELS.astype(np.int64),
    "lists": lambda _: PIXELS.tolist(),
    "channels first": lambda _: np.moveaxis(PIXELS, 2, 0),
    "a batch of one": lambda _: PIXELS[None],
    "bytearray": lambda file: bytearray(file.read_bytes()),
    "memoryview": lambda file: memoryview(file.read_bytes()),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_pixels(file: Path, form: str):
    picture = read_picture(FORMS[form](file))
    assert picture.mode == "RGB"
    assert np.array_equal(np.asarray(picture), PIXELS)


def test_a_grey_array_and_a_grey_file_of_sixteen_bits_become_rgb():
    grey = PIXELS[..., 0]
    wide, opaque = grey.astype(np.uint16) * 257, np.full(grey.shape, 255, np.uint8)
    light = Image.fromarray((grey / 255).astype(np.float32))
    tiff = io.BytesIO()
    light.save(tiff, "TIFF")
    for form in (
        PIXELS[..., :1], grey, wide, png(wide), Image.open(io.BytesIO(png(wide))), Image.fromarray(wide),
        Image.fromarray(wide.astype(np.int32)), light, tiff.getvalue(), np.dstack([grey, opaque]),
    ):  # fmt: skip
        assert np.array_equal(np.asarray(read_picture(form)), np.repeat(PIXELS[..., :1], 3, axis=2))


def test_an_array_of_booleans_is_black_and_white():
    mask = PIXELS[..., 0] > 100
    assert np.array_equal(np.asarray(read_picture(mask))[..., 0], np.where(mask, 255, 0))


def test_a_picture_is_shrunk_to_the_short_side_and_never_enlarged():
    assert read_picture(png(), 15).size == (20, 15)
    assert read_picture(PIXELS, 300).size == (40, 30)


def test_a_pillow_image_is_left_as_it_is():
    given = Image.open(io.BytesIO(png())).convert("RGBA")
    read_picture(given, 10)
    assert (given.mode, given.size) == ("RGBA", (40, 30))


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (PIXELS.astype(np.int64) * 2, "type int64 and shape"),
        (PIXELS.astype(np.int64) - 1, "type int64 and shape"),
        (PIXELS[..., [0] * 5], r"shape \(30, 40, 5\) is no picture"),
        (PIXELS[:0], r"shape \(0, 40, 3\)"),
        (PIXELS[:, 0, 0], r"shape \(30,\)"),
        (PIXELS.astype(np.float32), "values from 0 to 255; scale it to 0 to 1"),
        (np.full((4, 4, 3), np.nan), "scale it to 0 to 1"),
    ],
)
def test_an_array_of_another_kind_is_refused(pixels: np.ndarray, message: str):
    with pytest.raises(NotAnImageError, match=message):
        read_picture(pixels)


@pytest.mark.parametrize("path", ["a\0b.png", "x" * 10_000, "x/" * 10_000])
def test_what_cannot_be_a_path_is_refused_like_a_file_that_is_not_there(path: str):
    with pytest.raises(NotAnImageError, match=r"cannot be read \(.*\); give the path of an image file"):
        read_picture(path)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path):
    (tmp_path / "notes.jpg").write_text("not a picture", encoding="utf-8")
    (tmp_path / "half.png").write_bytes(png()[:400])
    with pytest.raises(NotAnImageError, match=r"notes\.jpg cannot be used: this is not an image"):
        read_picture(tmp_path / "notes.jpg")
    with pytest.raises(NotAnImageError, match=r"missing\.jpg cannot be read \(No such file"):
        read_picture(tmp_path / "missing.jpg")
    with pytest.raises(UnreadableImageError, match=r"half\.png"):
        read_picture(tmp_path / "half.png")
    with pytest.raises(TooManyPixelsError):
        read_picture(png(), max_pixels=100)


@pytest.mark.parametrize("is_closed", [True, False])
def test_an_open_file_that_cannot_be_read_is_refused(file: Path, is_closed: bool):
    with file.open("rb" if is_closed else "r") as opened:
        if is_closed:
            opened.close()
        with pytest.raises(NotAnImageError, match=r"the open file .*open .*with open\(path, 'rb'\)"):
            read_picture(opened)
    with pytest.raises(NotAnImageError, match="one of text"):
        read_picture(io.StringIO("text"))


def test_a_web_address_is_refused_with_the_next_step():
    with pytest.raises(NotAnImageError, match="download it and give the file"):
        read_picture("https://gallery.example/hare.jpg")
