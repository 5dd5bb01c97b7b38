"""The saved models of a lake."""

import pytest
import torch

from artpipe.models.card import CARD_FILE, ModelCard, WeightsSource
from artpipe.models.checkpoint import save_model
from artpipe.models.network import build_model
from artpipe.models.registry import (
    UnknownModelError,
    candidate_id,
    find_model,
    name_candidate,
    remove_model,
    saved_models,
    unneeded_models,
)

TINY = "test_efficientnet"


def save(lake, day: int, seed: int = 0) -> str:
    torch.manual_seed(seed)
    model, transform = build_model(TINY, {"type": 1}, 32)
    source, trained_at = WeightsSource("none", None), f"2026-01-{day:02d}T00:00:00+00:00"
    card = ModelCard(
        {"type": ("portrait",)}, transform, TINY, model.embedding_dim, source, "v1", seed, {}, trained_at=trained_at
    )
    return save_model(lake, model.state_dict(), card)[0].model_id


def test_models_are_listed_newest_first_and_nothing_else_is(lake):
    assert saved_models(lake) == []
    old, new = save(lake, 1), save(lake, 2, seed=1)
    name_candidate(lake, new)
    (lake.models / "damaged").mkdir()
    (lake.models / "damaged" / CARD_FILE).write_text("{")
    assert [model.model_id for model in saved_models(lake)] == [new, old]
    assert candidate_id(lake) == new


def test_an_unknown_id_names_the_closest_ids_or_all(lake):
    with pytest.raises(UnknownModelError, match=r'no model was trained yet; materialize "classifier"'):
        find_model(lake, "3fa9")
    one = save(lake, 1)
    assert find_model(lake, one).model_id == one
    with pytest.raises(UnknownModelError, match=f"did you mean {one!r}"):
        find_model(lake, one[:5])
    with pytest.raises(UnknownModelError, match=f"choose from {one}"):
        find_model(lake, "zzzz")


def test_a_removed_model_is_gone_with_its_inference_cache(lake):
    one, other = save(lake, 1), save(lake, 2, seed=1)
    cached = lake.cache("inference") / one
    cached.mkdir()
    (cached / "000000.parquet").write_bytes(b"vectors")
    remove_model(lake, one)
    assert [model.model_id for model in saved_models(lake)] == [other]
    assert not lake.model(one).exists()
    assert not cached.exists()


def test_needed_models_and_the_newest_stay():
    assert unneeded_models(["e", "d", "c", "b", "a"], {"a", None}, 2) == ["c", "b"]
    assert unneeded_models(["b", "a"], set(), 5) == []
