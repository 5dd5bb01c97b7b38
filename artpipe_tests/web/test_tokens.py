import base64
import struct
import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from artpipe.recognition.view import WHOLE, View
from artpipe.web.tokens import EncodedPicture, UnusableTokenError, Verdict, read_token, token_of

LABELS = {"style": ["Baroque", "Rococo"], "period": ["1450-1550"], "type": ["portrait", "genre", "study", "other"]}


def picture(dimension: int = 576, seed: int = 0) -> EncodedPicture:
    vector = np.random.default_rng(seed).normal(size=dimension).astype(np.float32)
    predictions = {
        "style": [("Rococo", 0.75), ("Baroque", 0.25)],
        "type": [("study", 0.5), ("genre", 0.3), ("other", 0.1)],
    }
    return EncodedPicture(vector / np.linalg.norm(vector), predictions, Verdict("d/dürer/hare", 0.9967))


@pytest.mark.parametrize("dimension", [3, 576, 1280])
def test_a_token_gives_back_embedding_predictions_and_verdict(dimension: int):
    sent = picture(dimension)
    back = read_token(token_of(sent, "model", LABELS), "model", LABELS)
    assert back.vector @ sent.vector > 0.999
    assert np.linalg.norm(back.vector) == pytest.approx(1, abs=1e-5)
    assert [label for label, _ in back.predictions["type"]] == ["study", "genre", "other"]
    assert back.predictions["style"][0][1] == pytest.approx(0.75, abs=0.01)
    assert back.verdict is not None
    assert back.verdict.artwork_id == "d/dürer/hare"
    assert 0.99 < back.verdict.certainty <= 0.9967


def test_a_token_tells_which_part_of_the_photograph_it_is_of():
    view = View(np.float32([[0.1, 0.2], [1.05, 0.25], [0.9, 0.8], [-0.02, 0.7]]), is_mirrored=True)
    assert read_token(token_of(replace(picture(), view=view), "model", LABELS), "model", LABELS).view == view


def test_a_token_of_an_earlier_release_is_of_the_whole_photograph():
    data = base64.urlsafe_b64decode(token_of(picture(3), "model", LABELS) + "==")
    body = bytes([2]) + data[1:-25]  # format 2 lacks 21 bytes before the checksum
    token = base64.urlsafe_b64encode(body + struct.pack("<I", zlib.crc32(body))).rstrip(b"=").decode()
    back = read_token(token, "model", LABELS)
    assert (back.view, back.verdict.artwork_id) == (WHOLE, "d/dürer/hare")


def test_a_token_may_have_a_pending_verdict():
    pending = replace(picture(), verdict=None, is_verdict_pending=True)
    back = read_token(token_of(pending, "model", LABELS), "model", LABELS)
    assert back.is_verdict_pending
    assert back.verdict is None
    assert not read_token(token_of(picture(), "model", LABELS), "model", LABELS).is_verdict_pending


@pytest.mark.parametrize("verdict", [None, Verdict(None)])
def test_a_token_distinguishes_not_found_from_not_compared(verdict: Verdict | None):
    compared = replace(picture(), verdict=verdict)
    assert read_token(token_of(compared, "model", LABELS), "model", LABELS).verdict == verdict


@pytest.mark.parametrize("is_painting", [None, True, False])
@pytest.mark.parametrize("verdict", [None, Verdict(None), Verdict("d/dürer/hare", 0.9)])
def test_a_token_keeps_whether_the_picture_looks_like_a_painting(is_painting: bool | None, verdict: Verdict | None):
    sent = replace(picture(), is_painting=is_painting, verdict=verdict)
    back = read_token(token_of(sent, "model", LABELS), "model", LABELS)
    assert back.is_painting is is_painting
    is_recognised = verdict is not None and verdict.artwork_id is not None
    assert bool(back.labels) == (is_painting is not False or is_recognised), "a recognised painting keeps its labels"


def test_a_token_fits_into_an_address():
    token = token_of(picture(), "model", LABELS)
    assert len(token) < 1000
    assert token.replace("-", "").replace("_", "").isalnum()


def test_a_token_of_another_model_has_another_error_than_a_damaged_one():
    token = token_of(picture(), "model", LABELS)
    with pytest.raises(UnusableTokenError, match="retrained"):
        read_token(token, "another", LABELS)
    with pytest.raises(UnusableTokenError, match="incomplete"):
        read_token(token[:-8], "model", LABELS)


@given(st.one_of(st.text(max_size=200), st.text("ABCDwxyz0189-_", max_size=900)))
def test_random_text_is_never_accepted_as_a_token(text: str):
    with pytest.raises(UnusableTokenError):
        read_token(text, "model", LABELS)


def test_a_token_has_a_place_for_each_task_of_the_model_and_for_255_of_its_classes():
    labels = {"movement": ["Cubism", "Fauvism"], "subject": [f"subject {number}" for number in range(300)]}
    best = {"movement": [("Fauvism", 1.0)], "subject": [("subject 290", 0.6), ("subject 254", 0.4)]}
    sent = replace(picture(), predictions=best)
    back = read_token(token_of(sent, "model", labels), "model", labels)
    assert back.predictions["movement"] == [("Fauvism", 1.0)]
    assert [label for label, _ in back.predictions["subject"]] == ["subject 254"]


def test_a_model_without_a_label_of_one_task_reads_tokens_of_earlier_releases():
    """They had a place for style, period and type, whichever of them the model predicts."""
    labels = {"style": LABELS["style"], "type": LABELS["type"]}
    assert len(token_of(picture(), "model", labels)) == len(token_of(picture(), "model", LABELS))
    assert read_token(token_of(picture(), "model", labels), "model", labels).predictions.keys() == {"style", "type"}
