"""Pictures that are other ones for a day: what they join, and what is left of it when they are themselves again."""

import json

from artpipe.models.learned import load_learned
from artpipe.models.served import measured_model_id
from artpipe.orchestration.runner import RefreshOptions
from artpipe_tests.fixtures.drawn_pictures import draw_jpeg

DOWN_TO_SPLITS = RefreshOptions(select='+key:"splits"')


def test_a_placeholder_for_a_day_is_as_if_it_had_never_been(upkeep):
    splits, pictures = upkeep.table("splits"), upkeep.gallery.pictures()
    upkeep.gallery.put(dict.fromkeys(pictures, draw_jpeg("other", "Rococo", seed=9)))
    upkeep.refresh(DOWN_TO_SPLITS, revalidate_after_days=0, max_loss=1)  # a person lets so much go
    assert upkeep.table("splits").is_empty(), "a placeholder joins nothing and is no work"
    upkeep.gallery.put(pictures)
    upkeep.refresh(DOWN_TO_SPLITS, revalidate_after_days=0)
    assert upkeep.table("splits").equals(splits)
    assert upkeep.needing_a_run() == set()


def test_what_a_model_was_trained_on_for_a_day_is_not_measured_on_until_it_is_trained_again(upkeep):
    pictures, measured = upkeep.gallery.pictures(), measured_rows(upkeep)
    trained, tested = upkeep.works("train")[0], upkeep.works("test")[0]
    changing = {"revalidate_after_days": 0, "model_tolerance": 1}

    upkeep.gallery.put({tested: pictures[trained]})
    upkeep.refresh(**changing, retrain_drift=0)
    assert split_of(upkeep, "splits", tested) == "train"

    upkeep.gallery.put({tested: pictures[tested]})
    upkeep.refresh(**changing)
    assert split_of(upkeep, "splits", tested) == "test"
    assert split_of(upkeep, "training_set", tested) == "train"
    assert saw(upkeep, tested) == "train"
    assert measured_rows(upkeep) == measured | {"test": measured["test"] - 1}

    upkeep.refresh(**changing, retrain_drift=0)
    assert saw(upkeep, tested) is None
    assert measured_rows(upkeep) == measured


def split_of(upkeep, table: str, artwork_id: str) -> str:
    return upkeep.table(table).filter(artwork_id=artwork_id)["split"].item()


def saw(upkeep, artwork_id: str) -> str | None:
    """The split in which the measured model saw an artwork; its refit saw all of them."""
    learned = load_learned(upkeep.lake.model(measured_model_id(upkeep.lake)))
    return dict(learned.select("artwork_id", "split").iter_rows()).get(artwork_id)


def measured_rows(upkeep) -> dict[str, int]:
    return json.loads(upkeep.lake.evaluation_report.read_bytes())["rows"]
