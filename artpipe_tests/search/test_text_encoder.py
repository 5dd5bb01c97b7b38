"""Words by looks: on vectors in which some words were planted, others not."""

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from artpipe.cli.main import app
from artpipe.lake.paths import DataLake
from artpipe.search import Collection
from artpipe.search.text_encoder import (
    ENCODER_FILE,
    NoTextEncoderError,
    TextEncoder,
    UnknownWordsError,
    open_text_encoder,
    save_text_encoder,
    stems,
)
from artpipe.search.text_encoder_fit import fit_text_encoder
from artpipe_tests.search.conftest import MODEL

WORKS, ARTISTS, DIMENSIONS = 600, 30, 12
SHIP, WINTER = 0, 1
"""Directions in which the vectors of works with that word lie."""


def planted(seed: int = 0) -> tuple[pl.DataFrame, np.ndarray]:
    """Works of 30 artists; a tenth shows a ship, a tenth the winter, and half of those say so in their title."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(0, 0.3, (WORKS, DIMENSIONS))
    shows = rng.random((WORKS, 2)) < 0.1
    vectors[:, [SHIP, WINTER]] += 2 * shows
    vectors += 1
    says = shows & (rng.random((WORKS, 2)) < 0.5)
    titles = [
        " ".join(
            ["A" if says.any() else "", *(["Ships"] if ship else []), *(["winter"] if winter else [])]
            + (["Lorem"] if rng.random() < 0.1 else [])
            + (["Amalie"] if number % ARTISTS == 3 else [])
            + ["No. 7"]
        )
        for number, (ship, winter) in enumerate(says)
    ]
    artists = [f"a{number % ARTISTS}" for number in range(WORKS)]
    works = pl.DataFrame({"artist_id": artists, "artist": "SHIPLEY, Winter", "title": titles})
    works = works.with_columns(
        artist=pl.when(pl.col("artist_id") == "a5").then("artist"), shows_ship=shows[:, 0], says_ship=says[:, 0]
    )
    return works, (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def encoder() -> TextEncoder:
    works, vectors = planted()
    return fit_text_encoder("m", works, vectors, ["title"])


def test_words_are_known_that_the_pictures_of_other_artists_confirm(encoder: TextEncoder):
    assert set(encoder.words) == {"ships", "winter"}
    assert (encoder.precision > 5 * encoder.share).all()


def test_works_are_found_that_show_it_and_whose_text_does_not_say_it(encoder: TextEncoder):
    works, vectors = planted()
    silent = works["shows_ship"].to_numpy() & ~works["says_ship"].to_numpy()
    others = ~works["says_ship"].to_numpy()
    order = np.argsort(-(vectors @ encoder.encode("a ship").vector) + 10 * ~others)
    assert silent[order[: silent.sum()]].mean() > 0.9


def test_a_description_adds_its_words(encoder: TextEncoder):
    works, vectors = planted()
    both = encoder.encode("a ship in the winter")
    assert both.unknown == ()
    best = np.argsort(-(vectors @ both.vector))[:5]
    assert (vectors[best[0], [SHIP, WINTER]] > 2 * vectors[best[0]].mean()).all()
    assert works["shows_ship"][best.tolist()].any()


def test_words_that_are_not_known_are_told(encoder: TextEncoder):
    assert encoder.encode("winter storm").unknown == ("storm",)
    with pytest.raises(
        UnknownWordsError, match=r"'storm' is not among the words known by looks, as 'winter', 'ships' are"
    ):
        encoder.encode("storm")
    with pytest.raises(UnknownWordsError, match="as 'winter' are"):
        encoder.encode("wynter")
    with pytest.raises(UnknownWordsError):
        encoder.encode("?!")


def test_a_word_of_the_artist_s_own_name_says_nothing_of_a_picture():
    works, vectors = planted()
    named = works.with_columns(artist=pl.lit("SHIPS, Jan"))
    assert set(fit_text_encoder("m", named, vectors, ["title"]).words) == {"winter"}


@pytest.mark.parametrize("rows", [0, 1, 20])
def test_a_small_collection_teaches_nothing_and_says_so(rows):
    works, vectors = planted()
    small = fit_text_encoder("m", works.head(rows), vectors[:rows], ["title"])
    assert len(small.words) == 0
    with pytest.raises(UnknownWordsError, match="this collection has taught none"):
        small.encode("ship")


def test_the_same_collection_gives_the_same_encoder(encoder: TextEncoder):
    again = fit_text_encoder("m", *planted(), ["title"])
    assert np.array_equal(again.vectors, encoder.vectors)


def test_words_are_compared_by_their_stems():
    assert stems("The Ships of Köbenhavn, in winter") == ["ship", "kobenhavn", "winter"]


def test_an_encoder_is_that_of_its_model(lake: DataLake, encoder: TextEncoder):
    assert open_text_encoder(lake, "m") is None
    save_text_encoder(lake, encoder)
    stored = open_text_encoder(lake, "m")
    assert stored is not None
    assert stored.words.tolist() == encoder.words.tolist()
    assert np.array_equal(stored.encode("ship").vector, encoder.encode("ship").vector)
    assert open_text_encoder(lake, "another") is None
    path = lake.index(ENCODER_FILE)
    path.write_bytes(path.read_bytes()[:100])
    assert open_text_encoder(lake, "m") is None


def of_colours() -> TextEncoder:
    """Words for the colours of the works of `lake`."""
    ones = np.ones(2, np.float32)
    return TextEncoder(
        MODEL,
        np.array(["blue", "red"]),
        np.array(["blue", "red"]),
        np.array([[-0.5, 0, 1], [1, -0.5, -0.5]], np.float32),
        ones,
        ones / 5,
    )


@pytest.fixture
def taught(lake: DataLake) -> DataLake:
    save_text_encoder(lake, of_colours())
    return lake


def test_a_collection_finds_works_by_a_description(taught: DataLake):
    collection = Collection.open(taught)
    assert collection.describe("something blue", 1)["artwork_id"].to_list() == ["h/hals/night"]
    assert collection.describe("red", 5, {"style": "Baroque"})["artwork_id"].to_list() == [
        "h/hals/smile",
        "h/hals/night",
    ]
    liked = collection.describe("blue", 4, liked=["d/durer/hare"])
    assert "d/durer/hare" not in liked["artwork_id"].to_list()


def test_a_collection_whose_words_were_not_learned_says_so(lake: DataLake):
    with pytest.raises(NoTextEncoderError, match='materialize "text_encoder"'):
        Collection.open(lake).describe("red")


def test_the_past_is_not_searched_by_what_was_learned_since(taught: DataLake):
    past = Collection.open(taught, as_of=Collection.versions(taught)["version"][0])
    with pytest.raises(NoTextEncoderError, match="without `as_of`"):
        past.describe("red")


def test_the_command_line_finds_by_looks(taught: DataLake):
    def run(*arguments: str) -> tuple[int, str, str]:
        result = CliRunner().invoke(app, ["find", *arguments], env={"ARTPIPE_LAKE": str(taught.local_root)})
        return result.exit_code, result.stdout, result.stderr

    code, shown, said = run("blue", "storm", "--looks", "-k", "1")
    assert (code, "Works that look like blue storm" in shown, "h/hals/night" in shown) == (0, True, True)
    assert "Not known by looks, and left out: storm." in said
    code, _, said = run("storm", "--looks")
    assert (code, "'storm' is not among the words known by looks" in said) == (2, True)
