from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from artpipe.web.tokens import SeenPicture, UnusableTokenError, Verdict, read_token, token_of

LABELS = {"style": ["Baroque", "Rococo"], "period": ["1450-1550"], "type": ["portrait", "genre", "study", "other"]}


def seen(dimension: int = 576, seed: int = 0) -> SeenPicture:
    vector = np.random.default_rng(seed).normal(size=dimension).astype(np.float32)
    best = {"style": [("Rococo", 0.75), ("Baroque", 0.25)], "type": [("study", 0.5), ("genre", 0.3), ("other", 0.1)]}
    return SeenPicture(vector / np.linalg.norm(vector), best, Verdict("d/dürer/hare", 0.9967))


@pytest.mark.parametrize("dimension", [3, 576, 1280])
def test_a_token_brings_back_what_the_model_saw(dimension: int):
    picture = seen(dimension)
    back = read_token(token_of(picture, "model", LABELS), "model", LABELS)
    assert back.vector @ picture.vector > 0.999
    assert np.linalg.norm(back.vector) == pytest.approx(1, abs=1e-5)
    assert [label for label, _ in back.best["type"]] == ["study", "genre", "other"]
    assert back.best["style"][0][1] == pytest.approx(0.75, abs=0.01)
    assert back.verdict is not None
    assert back.verdict.artwork_id == "d/dürer/hare"
    assert 0.99 < back.verdict.certainty <= 0.9967


def test_a_token_may_stand_for_a_picture_that_is_still_compared():
    picture = replace(seen(), verdict=None, is_undecided=True)
    back = read_token(token_of(picture, "model", LABELS), "model", LABELS)
    assert back.is_undecided
    assert back.verdict is None
    assert not read_token(token_of(seen(), "model", LABELS), "model", LABELS).is_undecided


@pytest.mark.parametrize("verdict", [None, Verdict(None)])
def test_a_token_tells_what_is_not_held_from_what_was_not_compared(verdict: Verdict | None):
    picture = replace(seen(), verdict=verdict)
    assert read_token(token_of(picture, "model", LABELS), "model", LABELS).verdict == verdict


def test_a_token_fits_into_an_address():
    token = token_of(seen(), "model", LABELS)
    assert len(token) < 1000
    assert token.replace("-", "").replace("_", "").isalnum()


def test_a_token_of_another_model_is_told_from_a_damaged_one():
    token = token_of(seen(), "model", LABELS)
    with pytest.raises(UnusableTokenError, match="trained again"):
        read_token(token, "another", LABELS)
    with pytest.raises(UnusableTokenError, match="incomplete"):
        read_token(token[:-8], "model", LABELS)


@given(st.one_of(st.text(max_size=200), st.text("ABCDwxyz0189-_", max_size=900)))
def test_no_text_whatever_is_taken_for_a_token(text: str):
    with pytest.raises(UnusableTokenError):
        read_token(text, "model", LABELS)
