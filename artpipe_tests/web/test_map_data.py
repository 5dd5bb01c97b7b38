import gzip
import json
import struct

import numpy as np
import polars as pl
from fastapi.testclient import TestClient

from artpipe.schema import PERIODS, STYLES, TYPES
from artpipe.tasks import WGA_TASKS, Task, Tasks
from artpipe.web.map_data import map_data


def test_the_map_s_data_have_the_place_class_and_name_of_every_work(client: TestClient):
    points = client.get("/map/points.bin").content
    works = client.get("/map/works.json").json()
    (count,) = struct.unpack_from("<I", points)
    assert count == len(works["ids"]) == 60
    assert len(points) == 4 + 16 * count
    assert sorted(np.frombuffer(points, "<u4", count, 4)) == list(range(count))
    styles = np.frombuffer(points, np.uint8, count, 4 + 12 * count)
    at = works["ids"].index("d/durer/work001")
    assert STYLES[styles[at]] == "Baroque"
    assert works["artists"][works["artist"][at]] == "DÜRER, Albrecht"


def test_the_map_keeps_its_proportions():
    labels = dict.fromkeys(("style", "period", "type"), pl.lit(None, pl.String))
    places = pl.DataFrame({"artwork_id": ["a", "b", "c"], "x": [0.0, 10.0, 5.0], "y": [0.0, 1.0, 0.5]})
    data = map_data(places.with_columns(title=pl.lit("t"), artist=pl.lit("a"), **labels), WGA_TASKS)
    x, y = (np.frombuffer(data.points, "<u2", 3, offset).astype(int) for offset in (16, 22))
    assert x.tolist()[:2] == [0, 65535]
    assert abs((y[1] - y[0]) - 6553.5) < 1
    assert abs(y[0] + y[1] - 65535) <= 1


def test_fifty_thousand_works_take_less_than_two_megabytes_when_compressed():
    generator = np.random.default_rng(0)
    count = 50_000
    words = ["Madonna", "Portrait", "Landscape", "of", "with", "the", "a", "Man", "Woman", "St", "Young", "River"]
    letters = list("ABCDEILNORSTU")
    artists = ["".join(name) + ", Invented" for name in generator.choice(letters, (3000, 9))]
    names = [artists[i] for i in np.sort(generator.integers(0, 3000, count))]
    titles = [f"{' '.join(four)} ({i % 99})" for i, four in enumerate(generator.choice(words, (count, 4)))]
    ids = [f"{names[i][0].lower()}/{names[i][:8].lower()}/{i % 40:02}{titles[i][:5].lower()}" for i in range(count)]
    works = pl.DataFrame(
        {
            "artwork_id": ids,
            "title": titles,
            "artist": names,
            "style": generator.choice(STYLES, count),
            "period": generator.choice(PERIODS, count),
            "type": generator.choice(TYPES, count),
            "x": generator.normal(size=count),
            "y": generator.normal(size=count),
            "year_from": (years := generator.integers(1200, 1900, count)),
            "year_to": years + generator.integers(0, 20, count),
            "width_px": generator.integers(400, 1200, count),
            "height_px": generator.integers(400, 1200, count),
        }
    )
    data = map_data(works, WGA_TASKS)
    assert len(gzip.compress(data.points, 6)) + len(gzip.compress(data.works, 6)) < 1_900_000  # and 100 kB of pictures
    assert json.loads(data.works)["titles"] == titles


def test_the_map_has_the_tasks_of_the_collection_in_their_order_and_up_to_255_classes_of_each():
    subjects = tuple(f"subject {number:03d}" for number in range(300))
    tasks = Tasks(Task("movement", ("Cubism", "Fauvism")), Task("subject", subjects), Task("gone", ()))
    works = pl.DataFrame(
        {
            "artwork_id": ["a", "b"],
            "title": "t",
            "artist": "x",
            "movement": ["Fauvism", None],
            "subject": ["subject 254", "subject 255"],
            "gone": ["kept", "kept"],
            "x": [0.0, 1.0],
            "y": [0.0, 1.0],
        }
    )
    data = map_data(works, tasks)
    codes = np.frombuffer(data.points, np.uint8, 6, 4 + 12 * 2).reshape(3, 2).tolist()
    assert codes == [[1, 255], [254, 255], [0, 0]]
    assert {task: [one["name"] for one in legend] for task, legend in data.legend.items()} == {
        "movement": ["Fauvism"],
        "subject": ["subject 254"],
        "gone": ["kept"],
    }
    assert len({one["colour"] for legend in data.legend.values() for one in legend}) == 3
