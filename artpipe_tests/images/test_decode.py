"""Untrusted bytes become a small upright RGB JPEG, or an error with the reason."""

import hashlib
import io

import numpy as np
import pytest
from PIL import Image, ImageCms
from PIL.JpegImagePlugin import JpegImageFile

from artpipe.images import decode
from artpipe.images.decode import (
    LACKS_END,
    NotAnImageError,
    TooManyPixelsError,
    TooManyScansError,
    TooNarrowError,
    UnreadableImageError,
    decode_artwork,
    decode_rgb,
    stored_jpeg,
    without_metadata,
)

RED = (200, 30, 40)


def saved(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def stored(data: bytes, short_side_px: int = 100) -> Image.Image:
    return Image.open(io.BytesIO(decode_artwork(data, short_side_px).jpeg))


def middle(image: Image.Image) -> tuple[int, ...]:
    return image.convert("RGB").getpixel((image.width // 2, image.height // 2))


def test_a_large_picture_is_made_small_with_its_proportions():
    decoded = decode_artwork(saved(Image.new("RGB", (600, 400), RED)), 100)
    assert Image.open(io.BytesIO(decoded.jpeg)).size == (150, 100)
    assert (decoded.width_px, decoded.height_px) == (600, 400)


def test_a_query_picture_is_decoded_like_a_stored_one():
    ramp = Image.linear_gradient("L").resize((900, 700)).convert("RGB")
    for data in (saved(ramp), saved(ramp, "PNG"), saved(ramp.resize((90, 80)))):
        assert stored_jpeg(data, 100) == decode_artwork(data, 100).jpeg


def test_a_small_plain_jpeg_keeps_its_bytes():
    data = saved(Image.new("RGB", (90, 80), RED))
    decoded = decode_artwork(data, 100)
    assert decoded.jpeg == data
    assert decoded.sha256 == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("is_progressive", [False, True], ids=["baseline", "progressive"])
def test_metadata_of_a_small_jpeg_does_not_reach_the_stored_bytes(is_progressive):
    picture = noisy((90, 80))
    plain = saved(picture, progressive=is_progressive)
    exif, srgb = Image.Exif(), ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif[0x010E] = "a description"
    annotated = (
        saved(picture, progressive=is_progressive, comment=b"visit our shop \xff\xd9"),
        saved(picture, progressive=is_progressive, exif=exif),
        saved(picture, progressive=is_progressive, xmp=b"<x:xmpmeta/>"),
        saved(picture, progressive=is_progressive, icc_profile=srgb),
        saved(picture, progressive=is_progressive, dpi=(300, 300)),
        plain + b"and something after the end",
    )
    assert all(data != plain for data in annotated)
    assert {decode_artwork(data, 100).jpeg for data in annotated} == {plain}
    assert np.array_equal(np.asarray(stored(annotated[0])), np.asarray(Image.open(io.BytesIO(plain))))


def test_a_jpeg_whose_segments_cannot_be_followed_is_compressed_anew():
    plain = saved(Image.new("RGB", (90, 80), RED))
    assert without_metadata(plain) == plain
    assert without_metadata(plain[:-2]) is None
    assert without_metadata(plain[:2] + b"\x00" + plain[2:]) is None


def test_a_small_picture_of_another_format_is_never_enlarged():
    image = stored(saved(Image.new("RGB", (90, 80), RED), "PNG"))
    assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (90, 80))


@pytest.mark.parametrize(
    ("image", "kind"),
    [
        (Image.new("RGB", (150, 120), RED).convert("CMYK"), "JPEG"),
        (Image.new("RGB", (150, 120), RED).convert("CMYK"), "TIFF"),
        (Image.new("RGB", (150, 120), RED).quantize(8), "GIF"),
        (Image.new("RGB", (150, 120), RED).quantize(8), "PNG"),
        (Image.new("RGBA", (150, 120), (*RED, 255)), "PNG"),
        (Image.new("RGB", (150, 120), RED), "WEBP"),
    ],
    ids=["CMYK JPEG", "CMYK TIFF", "GIF", "palette PNG", "opaque PNG", "WebP"],
)
def test_every_colour_mode_keeps_its_colour(image, kind):
    assert np.abs(np.subtract(middle(stored(saved(image, kind))), RED)).max() <= 14


def test_grey_of_eight_and_sixteen_bits_is_grey():
    half = Image.fromarray(np.full((120, 150), 32768, np.uint16))
    assert np.abs(np.subtract(middle(stored(saved(half, "PNG"))), 128)).max() <= 4
    assert np.abs(np.subtract(middle(stored(saved(Image.new("L", (150, 120), 128)))), 128)).max() <= 4


def test_transparency_is_composited_on_white():
    assert min(middle(stored(saved(Image.new("RGBA", (150, 120), (*RED, 0)), "PNG")))) >= 250


def test_a_picture_taken_sideways_is_turned_upright():
    image = Image.new("RGB", (200, 100), RED)
    exif = image.getexif()
    exif[0x0112] = 6
    decoded = decode_artwork(saved(image, exif=exif), 100)
    assert Image.open(io.BytesIO(decoded.jpeg)).size == (100, 200)
    assert (decoded.width_px, decoded.height_px) == (100, 200)


def test_a_colour_profile_is_applied_and_not_stored():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = stored(saved(Image.new("RGB", (300, 240), RED), icc_profile=profile))
    assert "icc_profile" not in image.info
    assert np.abs(np.subtract(middle(image), RED)).max() <= 6


def noisy(size: tuple[int, int]) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8))


@pytest.mark.parametrize("size", [(90, 80), (300, 200)], ids=["one that would keep its bytes", "a large one"])
def test_a_truncated_file_is_unreadable(size):
    data = saved(noisy(size))
    with pytest.raises(UnreadableImageError):
        decode_artwork(data[: len(data) // 2], 100)


@pytest.mark.parametrize("is_progressive", [False, True])
@pytest.mark.parametrize("size", [(90, 80), (300, 200)], ids=["one that would keep its bytes", "a large one"])
@pytest.mark.parametrize("missing", [1, 2])
def test_a_jpeg_without_its_end_marker_is_taken_with_a_note(size, is_progressive, missing):
    whole = saved(noisy(size), progressive=is_progressive)
    found = decode_artwork(whole[:-missing], 100)
    expected = decode_artwork(whole, 100)
    assert (found.jpeg, found.note, expected.note) == (expected.jpeg, LACKS_END, None)
    assert found.sha256 == hashlib.sha256(whole[:-missing]).hexdigest(), "of what the gallery sends"
    with pytest.raises(UnreadableImageError):
        decode_artwork(whole[: -missing - 30], 100)


def in_scans(picture: Image.Image, copies: int) -> bytes:
    """A progressive JPEG whose last scan is there again and again."""
    data = saved(picture, progressive=True)
    last = data.rfind(b"\xff\xda")
    return data[:last] + data[last:-2] * copies + data[-2:]


def test_a_progressive_jpeg_of_too_many_scans_is_refused_before_decoding(monkeypatch):
    picture = noisy((300, 200))
    assert decode_artwork(in_scans(picture, 20), 100).width_px == 300
    monkeypatch.setattr(JpegImageFile, "load", lambda _: pytest.fail("it was decoded"))
    with pytest.raises(TooManyScansError, match=r"stored in \d+ scans, more than 64; save it as a plain JPEG"):
        decode_artwork(in_scans(picture, 400), 100)
    monkeypatch.setattr(decode, "MAX_SCANNED_PIXELS", 20 * 300 * 200)
    with pytest.raises(TooManyScansError, match=r"stored in \d+ scans, more than 20"):
        decode_artwork(in_scans(picture, 20), 100)


def as_mpo(jpeg: bytes) -> bytes:
    """A JPEG with the header of a file of several pictures, as of a stereo camera or a phone."""
    pair = saved(noisy((90, 80)), "MPO", save_all=True, append_images=[noisy((90, 80))])
    start = pair.index(b"\xff\xe2")
    mpo = jpeg[:20] + pair[start : start + 2 + int.from_bytes(pair[start + 2 : start + 4])] + jpeg[20:]
    assert Image.open(io.BytesIO(mpo)).format == "MPO"
    return mpo


@pytest.mark.parametrize("size", [(90, 80), (900, 700)], ids=["one that keeps its bytes", "one drafted"])
def test_a_file_of_several_jpegs_is_stored_as_its_first(size: tuple[int, int]):
    first = saved(noisy(size))
    for pair in (as_mpo(first), saved(noisy(size), "MPO", save_all=True, append_images=[noisy(size)])):
        assert decode_artwork(pair, 100).jpeg == decode_artwork(first, 100).jpeg


def test_the_limits_on_a_jpeg_hold_for_a_file_of_several():
    with pytest.raises(TooManyScansError):
        decode_artwork(as_mpo(in_scans(noisy((300, 200)), 400)), 100)
    first = saved(noisy((300, 200)))
    found = decode_artwork(as_mpo(first)[:-2], 100)
    assert (found.jpeg, found.note) == (decode_artwork(first, 100).jpeg, LACKS_END)


def test_the_scans_of_a_thumbnail_in_the_metadata_are_not_counted():
    exif = b"\xff\xe1" + (2 + 2 * 200).to_bytes(2) + b"\xff\xda" * 200
    data = saved(noisy((90, 80)))
    assert decode_artwork(data[:2] + exif + data[2:], 100).width_px == 90


@pytest.mark.parametrize(
    "data", [b"", b"<html><body>moved</body></html>", b"\x00" * 100], ids=["empty", "HTML", "zeros"]
)
def test_bytes_that_are_no_image_are_refused(data):
    with pytest.raises(NotAnImageError):
        decode_artwork(data, 100)


def test_a_decompression_bomb_is_refused_before_decoding():
    with pytest.raises(TooManyPixelsError, match="1,000 x 1,000"):
        decode_artwork(saved(Image.new("1", (1000, 1000)), "PNG"), 100, max_pixels=10_000)


@pytest.mark.parametrize("size", [(1, 1), (23, 300), (3000, 12), (70_000, 100), (100, 2_001)])
def test_a_picture_too_small_or_too_long_to_compare_is_refused(size: tuple[int, int]):
    image = Image.new("RGB", size, "red")
    with pytest.raises(TooNarrowError, match="too narrow to compare; give one of at least 24 pixels a side"):
        decode_artwork(saved(image, "PNG"), 320)
    with pytest.raises(TooNarrowError):
        decode_rgb(image)


def test_a_long_picture_within_the_limits_is_stored():
    found = decode_artwork(saved(Image.new("RGB", (2_000, 100), "red"), "PNG"), 50)
    assert (found.width_px, found.height_px) == (2_000, 100)
