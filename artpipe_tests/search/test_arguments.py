"""`Collection` takes what can be meant in one way only, and refuses the rest in a sentence."""

import inspect
import io
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from artpipe.errors import ArtpipeError
from artpipe.lake.paths import DataLake
from artpipe.search import Collection
from artpipe.search.request import UnusableArgumentError
from artpipe_tests.fixtures.colour_model import ColourModel

HARE, SMILE = "d/durer/hare", "h/hals/smile"
METHODS = {
    name: method
    for name, method in inspect.getmembers(Collection, inspect.isroutine)
    if not name.startswith("_") and name not in ("warm_up", "open", "versions")
}
FIRST = {"find": "hare", "suggest": "h", "did_you_mean": "hare", "browse": 3}


class Thing:
    """Of a type that nobody foresaw."""

    def __array__(self, *_: object, **__: object) -> np.ndarray:
        return np.array(["a", None], dtype=object)


ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.complex_numbers(),
    st.text(max_size=5),
    st.binary(max_size=5),
    st.dates(),
    st.sampled_from([HARE, SMILE, "~", "~nobody/x.jpg", "/", "\0", "style"]),
    st.lists(st.one_of(st.none(), st.integers(), st.sampled_from([HARE, ""])), max_size=3),
    st.dictionaries(st.sampled_from(["style", "k", ""]), st.one_of(st.none(), st.integers(), st.text(max_size=3))),
    st.sampled_from(
        [
            Thing(),
            Thing,
            object(),
            (),
            {1},
            {HARE},
            range(3),
            iter([HARE]),
            Path("nothing.jpg"),
            Path(),
            bytearray(b"abc"),
            memoryview(b"abc"),
            io.StringIO("text"),
            io.BytesIO(b"bytes"),
            pl.Series([HARE]),
            pl.DataFrame({"a": [1]}),
            np.zeros(3),
            np.ones(3),
            np.ones((3, 3)),
            np.ones((30, 40)),
            np.ones((2, 30, 40)),
            np.ones((1, 1, 30, 40, 3)),
            np.array(5),
            np.array("a"),
            np.array([]),
            np.array([HARE, "x"]),
            np.array([date(2000, 1, 1)]),
            np.int64(3),
            torch.ones(3),
            torch.ones(3, 30, 40),
            torch.zeros(0, 3),
            Image.new("L", (30, 30), 90).convert("P"),
            Image.new("RGB", (3, 3)),
        ]
    ),
)  # fmt: skip


def refusal_of(call: Callable[[], object]) -> str:
    """What a call was refused with; "" where it was answered. Another exception is the test's failure."""
    try:
        call()
    except ArtpipeError as error:
        return str(error)
    return ""


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    from artpipe_tests.search.conftest import MODEL, fill

    lake = DataLake(tmp_path_factory.mktemp("arguments") / "lake")
    fill(lake)
    return Collection.open(lake, encoder=ColourModel(MODEL))


@settings(
    max_examples=200,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(name=st.sampled_from(sorted(METHODS)), data=st.data())
def test_an_argument_of_any_type_is_taken_or_refused_in_a_sentence(collection: Collection, name: str, data: Any):
    parameters = list(inspect.signature(METHODS[name]).parameters.values())[1:]
    arguments: dict[str, Any] = {parameters[0].name: FIRST.get(name, HARE)}
    wrong = data.draw(st.sampled_from(parameters))
    if wrong.kind is wrong.VAR_KEYWORD:
        option = data.draw(st.sampled_from(["text", "distinct", "exact", "offset", "include_same_work", "nonsense"]))
        arguments[option] = data.draw(ANYTHING)
    else:
        arguments[wrong.name] = data.draw(ANYTHING)
    first = arguments.pop(parameters[0].name)
    refusal = refusal_of(lambda: getattr(collection, name)(first, **arguments))
    assert "\n" not in refusal
    assert refusal.endswith((".", "?")) or not refusal


@settings(derandomize=True)
@given(lake=ANYTHING, as_of=ANYTHING)
@example(lake="\n", as_of=None)
@example(lake=None, as_of=object())
def test_opening_anything_ends_in_a_sentence(lake: Any, as_of: Any):
    for opened in (lambda: Collection.open(lake, as_of=as_of), lambda: Collection.versions(lake)):
        assert "\n" not in refusal_of(opened)


def test_a_dictionary_is_a_filter(collection: Collection):
    hits = collection.similar(HARE, where={"style": ["Baroque"], "year_from": 1600})
    assert hits["artwork_id"].to_list() == [SMILE]
    assert collection.like([HARE], where={"type": "genre"})["artwork_id"].to_list() == ["h/hals/night"]
    with pytest.raises(UnusableArgumentError, match="where has no field 'typ'; choose of style, period, type"):
        collection.similar(HARE, where={"typ": "genre"})
    with pytest.raises(
        UnusableArgumentError, match=r"where\['year_from'\]='soon' cannot be used: input should be a valid in"
    ):
        collection.browse(where={"year_from": "soon"})


@pytest.mark.parametrize("several", [HARE, (HARE,), pl.Series([HARE]), np.array([HARE]), iter([HARE])])
def test_one_query_is_a_list_of_one(collection: Collection, several: Any):
    assert collection.like(several, k=1)["artwork_id"].to_list() == ["d/durer/hare_d"]


def test_one_picture_one_vector_and_one_id_are_lists_of_one(collection: Collection):
    jpeg = collection.image(HARE)
    picture = Image.open(io.BytesIO(jpeg))
    for query in (
        HARE,
        jpeg,
        bytearray(jpeg),
        io.BytesIO(jpeg),
        picture,
        np.asarray(picture),
        np.asarray(picture)[..., 0],
    ):
        assert len(collection.predict(query)) == 1
    assert [len(hits) for hits in collection.similar_many([0.8, 0.1, 0.1], k=2)] == [2]
    assert [len(hits) for hits in collection.similar_many(np.eye(3), k=2)] == [2, 2, 2]
    assert list(collection.images(HARE)) == [HARE]
    assert collection.like([HARE], unlike=SMILE)["artwork_id"].to_list()[0] == "d/durer/hare_d"


def test_a_file_is_found_from_the_home_folder(collection: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mine.jpg").write_bytes(collection.image(HARE))
    for query in ("~/mine.jpg", Path("~/mine.jpg")):
        assert collection.similar(query, k=1)["artwork_id"].to_list() == [HARE]


def test_an_argument_of_another_type_is_named_with_what_would_be_taken(collection: Collection):
    with pytest.raises(UnusableArgumentError, match="k='many' cannot be used: input should be a valid integer"):
        collection.similar(HARE, k="many")  # pyright: ignore[reportArgumentType]
    with pytest.raises(UnusableArgumentError, match="like takes no 'txet'; its options: text, distinct"):
        collection.like([HARE], txet="a")  # pyright: ignore[reportCallIssue]
    with pytest.raises(UnusableArgumentError, match="offset must not be negative"):
        collection.browse(offset=-1)
    with pytest.raises(UnusableArgumentError, match="artwork_id=None cannot be used: input should be a valid string"):
        collection.get(None)  # pyright: ignore[reportArgumentType]
