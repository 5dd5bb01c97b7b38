import io
import json
import struct

import numpy as np
import polars as pl
from fastapi.testclient import TestClient
from PIL import Image

from artpipe.schema import PERIODS, STYLES, TYPES
from artpipe.web.map_data import map_data
from artpipe.web.pictures import smaller


def test_a_picture_has_a_mark_by_which_a_browser_knows_it(client: TestClient):
    first = client.get("/images/d/durer/work001.jpg")
    assert first.headers["content-type"] == "image/jpeg"
    again = client.get("/images/d/durer/work001.jpg", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get("/images/d/durer/work002.jpg").headers["etag"] != first.headers["etag"]


def test_a_picture_named_by_its_content_is_kept_for_good_and_another_name_is_not(client: TestClient):
    import hashlib

    mark = hashlib.sha256(client.get("/images/d/durer/work001.jpg").content).hexdigest()[:8]
    marked = client.get("/images/d/durer/work001.jpg", params={"v": mark}).headers["cache-control"]
    stale = client.get("/images/d/durer/work001.jpg", params={"v": "00000000"}).headers["cache-control"]
    assert "immutable" in marked
    assert "immutable" not in stale


def test_a_picture_outside_the_collection_is_not_there(client: TestClient):
    for name in ("nobody/none", "../../../etc/passwd", "..%2f..%2fetc%2fpasswd"):
        assert client.get(f"/images/{name}.jpg").status_code == 404


def test_a_small_picture_is_smaller_and_never_enlarged(picture_of):
    large = picture_of((9, 90, 200), (900, 600))
    with Image.open(io.BytesIO(smaller(large, 160))) as image:
        assert image.size == (160, 107)
    little = picture_of((9, 90, 200), (100, 80))
    assert smaller(little, 160) == little


def test_the_map_s_data_give_every_work_its_place_and_class(client: TestClient):
    points = client.get("/map/points.bin").content
    works = client.get("/map/works.json").json()
    (count,) = struct.unpack_from("<I", points)
    assert count == len(works["ids"]) == 60
    assert len(points) == 4 + 7 * count
    styles = np.frombuffer(points, np.uint8, count, 4 + 4 * count)
    at = works["ids"].index("d/durer/work001")
    assert STYLES[styles[at]] == "Baroque"
    assert works["artists"][works["artist"][at]] == "DÜRER, Albrecht"


def test_the_map_keeps_its_proportions():
    rows = {"artwork_id": ["a", "b", "c"], "title": "t", "artist": "a", "style": None, "period": None, "type": None}
    data = map_data(
        pl.DataFrame(
            {**rows, "x": [0.0, 10.0, 5.0], "y": [0.0, 1.0, 0.5]},
            schema_overrides={"style": pl.String, "period": pl.String, "type": pl.String},
        )
    )
    x = np.frombuffer(data.points, "<u2", 3, 4).astype(int)
    y = np.frombuffer(data.points, "<u2", 3, 10).astype(int)
    assert (x[0], x[1]) == (0, 65535)
    assert y[1] - y[0] == np.round(65535 / 10) or abs((y[1] - y[0]) - 6553.5) < 1


def test_fifty_thousand_works_travel_in_less_than_two_megabytes():
    import gzip

    generator = np.random.default_rng(0)
    count = 50_000
    words = [
        "Madonna",
        "Portrait",
        "Landscape",
        "of",
        "with",
        "the",
        "a",
        "Man",
        "Woman",
        "St",
        "Young",
        "River",
        "View",
    ]
    artists = [f"{''.join(generator.choice(list('ABCDEILNORSTU'), 9))}, {generator.choice(words)}" for _ in range(3000)]
    who = generator.integers(0, 3000, count)
    who.sort()
    titles = [" ".join(generator.choice(words, 4)) + f" ({generator.integers(0, 99)})" for _ in range(count)]
    works = pl.DataFrame(
        {
            "artwork_id": [
                f"{artists[w][0].lower()}/{artists[w][:8].lower()}/{i % 40:02}{titles[i][:5].lower()}"
                for i, w in enumerate(who)
            ],
            "title": titles,
            "artist": [artists[w] for w in who],
            "style": generator.choice(STYLES, count),
            "period": generator.choice(PERIODS, count),
            "type": generator.choice(TYPES, count),
            "x": generator.normal(size=count),
            "y": generator.normal(size=count),
        }
    )
    data = map_data(works)
    assert len(gzip.compress(data.points, 6)) + len(gzip.compress(data.works, 6)) < 2_000_000
    assert json.loads(data.works)["titles"] == titles
