"""The pointer to the served model and its history."""

import json

import pytest

from artpipe.lake.paths import write_whole
from artpipe.models.card import CARD_FILE
from artpipe.models.served import (
    Declined,
    NoModelError,
    NoPreviousModelError,
    Pointer,
    Serving,
    previous_model_id,
    read_pointer,
    served_model_id,
    write_pointer,
)


def served(*names: str, decided_by: str = "check") -> Pointer:
    pointer = Pointer()
    for name in names:
        pointer = pointer.served_by(Serving(name, decided_by=decided_by))
    return pointer


def history(pointer: Pointer) -> list[str]:
    return [entry.model_id for entry in pointer.history]


def test_a_written_pointer_is_read_back_and_names_the_model_first(lake):
    first = Serving("a", "2026-01-02T00:00:00+00:00", "first", "the first")
    second = Serving("b", "2026-01-03T00:00:00+00:00", "check", "no worse")
    write_pointer(lake, Pointer(first).served_by(second).without("c", Declined("check", "worse", 0.01)))
    content = json.loads(lake.served_model.read_bytes())
    assert {name: content[name] for name in ("model_id", "since", "decided_by", "reason")} == {
        "model_id": "b", "since": "2026-01-03T00:00:00+00:00", "decided_by": "check", "reason": "no worse",
    }  # fmt: skip
    pointer = read_pointer(lake)
    assert pointer.history == (first,)
    assert pointer.declined == {"c": Declined("check", "worse", 0.01)}
    assert served_model_id(lake) == "b"


def test_a_pointer_with_a_model_id_alone_is_read(lake):
    write_whole(lake.served_model, b'{"model_id": "3fa9"}')
    assert read_pointer(lake) == Pointer(Serving("3fa9"))
    assert served_model_id(lake) == "3fa9"


def test_a_lake_without_a_model_has_an_empty_pointer_that_is_not_written(lake):
    assert read_pointer(lake) == Pointer()
    with pytest.raises(ValueError, match="without a model"):
        write_pointer(lake, Pointer())
    with pytest.raises(NoModelError, match="materialize"):
        previous_model_id(lake)


def test_serving_the_served_model_again_changes_nothing():
    pointer = served("a", "b")
    assert pointer.served_by(Serving("b", decided_by="person", reason="again")) is pointer


def test_promoting_the_previous_model_is_a_rollback():
    pointer = served("a", "b", "c")
    once = pointer.served_by(Serving("b", decided_by="person"))
    assert (once.model_id, history(once)) == ("b", ["a"])
    twice = once.served_by(Serving("a", decided_by="person"))
    assert (twice.model_id, history(twice)) == ("a", [])


def test_an_automatic_choice_or_an_older_model_adds_to_the_history():
    assert history(served("a", "b", "a")) == ["b", "a"], "the settings went back, nobody rolled back"
    leap = served("a", "b", "c").served_by(Serving("a", decided_by="person"))
    assert history(leap) == ["c", "b", "a"]


def test_serving_a_declined_model_clears_its_refusal():
    pointer = served("a").without("b", Declined("person", "rolled back"))
    assert pointer.served_by(Serving("b", decided_by="person")).declined == {}


def test_a_rollback_needs_an_earlier_model_that_is_still_there(lake):
    write_pointer(lake, served("a"))
    with pytest.raises(NoPreviousModelError, match=r"no model was served before a.*models promote"):
        previous_model_id(lake)
    write_pointer(lake, served("a", "b"))
    with pytest.raises(NoPreviousModelError, match=r"a was removed.*KEEP_MODELS"):
        previous_model_id(lake)
    write_whole(lake.model("a") / CARD_FILE, b"{}")
    assert previous_model_id(lake) == "a"
