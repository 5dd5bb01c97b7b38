import hashlib
import io

import numpy as np
import pytest
from PIL import Image

from artpipe.images.pixels import PixelCache, UndecodablePixelsError, decode_square, decoding_threads, image_square


def key(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def filled(draw, tmp_path, count: int = 6):
    _, store = draw(count)
    ids = list(store.files)
    cache = PixelCache(tmp_path, 16)
    cache.ensure(ids, [key(each) for each in ids], store)
    return cache, store, ids


def test_the_whole_picture_is_resized_to_a_square(jpeg):
    square = decode_square(jpeg("portrait", "Baroque", 0), 16)
    assert square.shape == (16, 16, 3)
    assert square.dtype == np.uint8
    assert abs(square.mean(axis=(0, 1)) - [200, 60, 40]).max() < 10


def every_square(cache: PixelCache) -> np.ndarray:
    return cache.squares(range(len(cache)))


def test_grayscale_pictures_become_three_channels():
    grey = Image.fromarray(np.full((10, 20), 77, np.uint8))
    assert (image_square(grey, 8) == 77).all()


def test_the_cache_gives_back_what_was_decoded(draw, tmp_path):
    cache, store, ids = filled(draw, tmp_path)
    rows = cache.rows([key(each) for each in reversed(ids)])
    assert np.array_equal(cache.squares(rows)[0], decode_square(store.files[ids[-1]], 16))
    assert len(cache) == len(ids)


def test_nothing_is_decoded_twice(draw, tmp_path):
    _, store, ids = filled(draw, tmp_path)
    again = PixelCache(tmp_path, 16)
    assert again.ensure(ids, [key(each) for each in ids], store) == 0
    assert store.jpegs_read == len(ids)


def test_only_new_pictures_are_added(draw, tmp_path):
    cache, store, ids = filled(draw, tmp_path)
    previous = every_square(cache)
    store.files["new"] = store.files[ids[0]]
    other = PixelCache(tmp_path, 16)
    assert other.ensure([*ids, "new"], [*(key(each) for each in ids), key("new")], store) == 1
    assert np.array_equal(every_square(other)[: len(ids)], previous)
    assert np.array_equal(every_square(other)[-1], previous[0])
    assert key("new") in cache, "another open cache sees what was added since"


def test_another_size_is_another_cache(draw, tmp_path):
    filled(draw, tmp_path)
    assert len(PixelCache(tmp_path, 24)) == 0


def test_pictures_half_written_by_a_killed_run_are_decoded_again(draw, tmp_path):
    cache, store, ids = filled(draw, tmp_path)
    expected = every_square(cache)
    keys_file, pixels_file = cache.folder / "keys.txt", cache.folder / "pixels.u8"
    keys_file.write_bytes(keys_file.read_bytes()[:-30])  # the last key cut off
    pixels_file.write_bytes(pixels_file.read_bytes() + b"\x07" * 1000)  # and pixels without a key
    again = PixelCache(tmp_path, 16)
    assert len(again) == len(ids) - 1
    assert again.ensure(ids, [key(each) for each in ids], store) == 1
    assert np.array_equal(every_square(again), expected)


def test_squares_come_in_the_order_of_the_rows(draw, tmp_path):
    cache, store, ids = filled(draw, tmp_path)
    found = cache.squares(cache.rows([key(each) for each in (ids[2], ids[0], ids[2])]))
    assert [
        np.array_equal(one, decode_square(store.files[name], 16))
        for one, name in zip(found, (ids[2], ids[0], ids[2]), strict=True)
    ] == [True] * 3
    assert cache.squares([]).shape == (0, 16, 16, 3)


def test_a_file_that_is_too_short_is_refused(draw, tmp_path):
    cache, _, ids = filled(draw, tmp_path)
    pixels_file = cache.folder / "pixels.u8"
    pixels_file.write_bytes(pixels_file.read_bytes()[:-1])
    with pytest.raises(UndecodablePixelsError, match="delete the folder"):
        cache.squares(range(len(ids)))


def test_a_damaged_picture_is_named(draw, tmp_path):
    _, store = draw(3)
    name = list(store.files)[1]
    store.files[name] = b"not a picture"
    cache = PixelCache(tmp_path, 16)
    with pytest.raises(UndecodablePixelsError, match=name):
        cache.ensure(list(store.files), [key(each) for each in store.files], store)
    assert len(cache) == 0


def test_a_truncated_picture_is_refused(jpeg):
    with pytest.raises(ValueError, match="not a readable image"):
        decode_square(jpeg("portrait", "Baroque", 0)[:200], 16)


def test_decoding_in_threads_leaves_torch_as_it_was():
    import torch

    usual = torch.get_num_threads()
    with decoding_threads(3) as pool:
        assert list(pool.map(abs, [-1, 2])) == [1, 2]
        assert torch.get_num_threads() == usual


def test_any_image_format_is_decoded():
    out = io.BytesIO()
    Image.new("RGBA", (5, 9), (10, 20, 30, 255)).save(out, "PNG")
    assert decode_square(out.getvalue(), 4)[0, 0].tolist() == [10, 20, 30]
