"""What compares pictures gets them without their margins; people are shown the stored JPEGs."""

import io
from datetime import UTC, datetime
from hashlib import sha256

import numpy as np
import pytest
from PIL import Image

from artpipe.images.assets import images_version
from artpipe.images.fingerprint import perceptual_hash
from artpipe.images.store import ImageStore
from artpipe.images.trimming import keep_margins, trim_margins
from artpipe.lake.paths import DataLake
from artpipe.schema import STORED

PLAIN, ON_PAGE, GONE = "a/x/plain", "a/x/page", "a/x/gone"
THEN = datetime(2026, 1, 1, tzinfo=UTC)


def picture(margin_px: int) -> Image.Image:
    coarse = np.random.default_rng(5).integers(40, 200, (8, 8, 3), dtype=np.uint8)
    inner = Image.fromarray(coarse).resize((96, 96), Image.Resampling.NEAREST)
    page = Image.new("RGB", (96 + 2 * margin_px, 96 + 2 * margin_px), "white")
    page.paste(inner, (margin_px, margin_px))
    return page


def row(name: str, margin_px: int, status: str = STORED[0]) -> dict[str, object]:
    out = io.BytesIO()
    picture(margin_px).save(out, "JPEG", quality=95)
    jpeg = out.getvalue()
    hashes = {"jpeg_sha256": sha256(jpeg).hexdigest(), "perceptual_hash": perceptual_hash(picture(margin_px))}
    return {"artwork_id": name, "status": status, "attempts": 1, "jpeg": jpeg, "fetched_at": THEN, **hashes}


@pytest.fixture
def store(tmp_path) -> ImageStore:
    store = ImageStore(DataLake(tmp_path))
    store.upsert([row(PLAIN, 0), row(ON_PAGE, 16), row(GONE, 16, "gone")])
    return store


def size(jpeg: bytes) -> tuple[int, int]:
    return Image.open(io.BytesIO(jpeg)).size


def keys(store: ImageStore) -> dict[str, str]:
    return dict(store.outcomes().select("artwork_id", "jpeg_sha256").iter_rows())


def test_a_picture_is_compared_without_its_margins_and_shown_with_them(store):
    trim_margins(store)
    assert [size(jpeg) for jpeg in store.jpegs([PLAIN, ON_PAGE])] == [(96, 96), (96, 96)]
    assert [size(jpeg) for jpeg in store.originals([PLAIN, ON_PAGE])] == [(96, 96), (128, 128)]


def test_only_a_picture_with_margins_is_another_one(store):
    before, version = keys(store), images_version(store.outcomes())
    trim_margins(store)
    after = keys(store)
    assert [name for name in before if before[name] != after[name]] == [ON_PAGE]
    assert images_version(store.outcomes()) != version


def test_a_trimmed_picture_has_nearly_the_perceptual_hash_of_the_picture_itself(store):
    trim_margins(store)
    hashes = dict(store.outcomes().select("artwork_id", "perceptual_hash").iter_rows())
    assert (int(hashes[ON_PAGE], 16) ^ int(hashes[PLAIN], 16)).bit_count() <= 2


def test_pictures_without_margins_leave_the_version_of_the_images(tmp_path):
    store = ImageStore(DataLake(tmp_path))
    store.upsert([row(PLAIN, 0)])
    version = images_version(store.outcomes())
    trim_margins(store)
    assert store.outcomes()["picture_box"].to_list() == [""]
    assert images_version(store.outcomes()) == version


def test_a_picture_that_was_looked_at_is_not_looked_at_again(store):
    trim_margins(store)
    store.upsert([row("a/x/new", 16)])
    store.amend([{"artwork_id": ON_PAGE, "picture_box": ""}])
    trim_margins(store)
    boxes = dict(store.outcomes().select("artwork_id", "picture_box").iter_rows())
    assert (boxes[ON_PAGE], boxes[GONE]) == ("", None)
    assert boxes["a/x/new"]


def test_a_new_picture_of_an_artwork_is_looked_at(store):
    trim_margins(store)
    store.upsert([row(ON_PAGE, 0)])
    trim_margins(store)
    assert [size(jpeg) for jpeg in store.jpegs([ON_PAGE])] == [(96, 96)]
    assert keys(store)[ON_PAGE] == row(ON_PAGE, 0)["jpeg_sha256"]


def test_switched_off_every_picture_is_what_it_was(store):
    before, version = keys(store), images_version(store.outcomes())
    trim_margins(store)
    keep_margins(store)
    assert (keys(store), images_version(store.outcomes())) == (before, version)
    assert size(store.jpegs([ON_PAGE])[0]) == (128, 128)


def test_what_cannot_be_read_is_whole(store):
    store.upsert([row("a/x/torn", 16) | {"jpeg": b"torn"}])
    trim_margins(store)
    assert store.jpegs(["a/x/torn"]) == [b"torn"]
