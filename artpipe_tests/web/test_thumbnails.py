import io

import pytest
from PIL import Image

from artpipe.lake.paths import DataLake
from artpipe.web import thumbnails
from artpipe.web.thumbnails import Thumbnails, smaller


def test_a_thumbnail_is_smaller_and_never_enlarged(picture_of):
    large = picture_of((9, 90, 200), (900, 600))
    with Image.open(io.BytesIO(smaller(large, 160))) as image:
        assert image.size == (160, 107)
    little = picture_of((9, 90, 200), (100, 80))
    assert smaller(little, 160) == little


def test_a_width_becomes_the_next_larger_of_a_few(web_lake: DataLake):
    pictures = Thumbnails(web_lake)
    widths = [pictures.get("d/durer/work001", width).width_px for width in (1, 160, 161, 640, 641, None)]
    assert widths == [160, 160, 320, 640, None, None]


def test_the_thumbnails_used_last_stay_in_memory(web_lake: DataLake, monkeypatch: pytest.MonkeyPatch):
    pictures = Thumbnails(web_lake)
    first, second, third = (f"d/durer/work{i:03}" for i in range(3))
    sizes = [len(pictures.get(one).jpeg) for one in (first, second, third)]
    monkeypatch.setattr(thumbnails, "_CACHE_BYTES", sum(sizes) - 1)
    made = pictures.get(first, 160), pictures.get(second, 160)
    assert pictures.get(first, 160) is made[0]
    pictures.get(third, 160)
    assert pictures.get(first, 160) is made[0]
    assert pictures.get(second, 160) is not made[1]
