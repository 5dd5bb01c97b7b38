"""The table of suspect labels, and its pictures."""

import io

import numpy as np
import polars as pl
from PIL import Image

from artpipe.evaluation.label_noise import HeadConfig
from artpipe.evaluation.suspects import SUSPECTS, find_suspects, suspects_sheet
from artpipe.tasks import WGA_TASKS

QUICK = HeadConfig(hidden=32, epochs=100)
TYPES = ("portrait", "landscape", "genre")
NOBODY = pl.DataFrame(schema={"artwork_id": pl.String, "task": pl.String})


def collection(wrong: dict[int, str]) -> tuple[pl.DataFrame, np.ndarray, pl.DataFrame]:
    """Ninety works of three types whose style nobody knows, some of them of the wrong type."""
    numbers = np.arange(90) % 3
    centres = 4 * np.eye(3)[numbers]
    vectors = centres + np.random.default_rng(0).standard_normal((90, 3)) / 2
    vectors[list(wrong)] = centres[list(wrong)]
    ids = [f"a/{i:02d}" for i in range(90)]
    types = [wrong.get(i, TYPES[number]) for i, number in enumerate(numbers)]
    rows = pl.DataFrame({"artwork_id": ids, "work_id": ids, "split": "train", "type": types}).with_columns(
        style=pl.lit(None, pl.String), period=pl.lit("1550-1650")
    )
    artworks = pl.DataFrame({"artwork_id": ids, "artist": "BRANDT", "title": ids, "page_url": ids})
    return rows, vectors.astype(np.float32), artworks


def test_a_wrong_label_is_suspect_and_the_true_one_suggested():
    rows, vectors, artworks = collection({0: "genre", 31: "portrait"})
    table, noise = find_suspects(rows, vectors.__getitem__, artworks, NOBODY, WGA_TASKS, QUICK)
    assert table.schema == SUSPECTS
    found = {row["artwork_id"]: row for row in table.filter(pl.col("rank") <= 2).iter_rows(named=True)}
    assert {name: (row["label"], row["suggested"]) for name, row in found.items()} == {
        "a/00": ("genre", "portrait"),
        "a/31": ("portrait", "landscape"),
    }
    assert found["a/00"]["title"] == "a/00"
    assert found["a/00"]["suggested_probability"] > found["a/00"]["label_probability"]
    assert set(noise) == {"period", "type"}
    assert noise["period"].rate is None


def test_labels_that_a_person_reviewed_are_left_out_and_the_ranks_close_up():
    rows, vectors, artworks = collection({0: "genre", 31: "portrait"})
    reviewed = pl.DataFrame({"artwork_id": ["a/00", "a/31"], "task": ["type", "style"]})
    table, _ = find_suspects(rows, vectors.__getitem__, artworks, reviewed, WGA_TASKS, QUICK)
    assert "a/00" not in table["artwork_id"]
    assert table.filter(artwork_id="a/31")["rank"].to_list() == [1]


def test_a_collection_without_labels_has_an_empty_table_and_a_sheet():
    rows, vectors, artworks = collection({})
    rows = rows.with_columns(pl.lit(None, pl.String).alias(task) for task in ("style", "period", "type"))
    table, noise = find_suspects(rows, vectors.__getitem__, artworks, NOBODY, WGA_TASKS, QUICK)
    assert (table.height, table.schema, noise) == (0, SUSPECTS, {})
    assert Image.open(io.BytesIO(suspects_sheet(table, [], "style"))).format == "PNG"


def test_a_sheet_shows_the_suggested_label():
    rows, vectors, artworks = collection({0: "genre"})
    table = find_suspects(rows, vectors.__getitem__, artworks, NOBODY, WGA_TASKS, QUICK)[0].head(1)
    other = table.with_columns(suggested=pl.lit("landscape"))
    assert suspects_sheet(table, [None], "type") != suspects_sheet(other, [None], "type")
