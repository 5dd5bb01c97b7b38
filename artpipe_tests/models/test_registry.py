"""The models that a lake holds, and finding among them the one that would be trained."""

from dataclasses import replace

import pytest
import torch

from artpipe.models.checkpoint import ModelCard, save_model
from artpipe.models.network import WeightsSource, build_model
from artpipe.models.registry import (
    UnknownModelError,
    candidate_id,
    find_model,
    name_candidate,
    remove_model,
    saved_models,
    trained_before,
    unneeded_models,
)
from artpipe.training.config import TrainingConfig

TINY = "test_efficientnet"
CONFIG = TrainingConfig(backbone=TINY, weights="none", image_px=32)


def save(lake, day: int, *, seed: int = 0, version: str = "v1", config: TrainingConfig = CONFIG, **told: object) -> str:
    torch.manual_seed(seed)
    model, transform = build_model(TINY, {"type": 1}, 32, is_twofold=config.is_twofold)
    card = ModelCard(
        {"type": ("portrait",)}, transform, TINY, model.features,
        told.pop("source", WeightsSource("none", None)), version, seed, config.story(),
        trained_at=f"2026-01-{day:02d}T00:00:00+00:00", **told,
    )  # fmt: skip
    return save_model(lake, model.state_dict(), card)[0].model_id


def test_models_are_listed_newest_first_and_nothing_else_is(lake):
    assert saved_models(lake) == []
    old, new = save(lake, 1), save(lake, 2, seed=1)
    name_candidate(lake, new)
    (lake.models / "damaged").mkdir()
    (lake.models / "damaged" / "model.json").write_text("{")
    assert [model.model_id for model in saved_models(lake)] == [new, old]
    assert candidate_id(lake) == new


def test_any_model_of_the_lake_that_was_trained_so_before_is_found_and_the_newest_wins(lake):
    wanted = save(lake, 1)
    other = replace(CONFIG, learning_rate=0.5)
    newest = save(lake, 3, seed=1, config=other)
    save(lake, 2, seed=2, config=other)
    assert trained_before(lake, "v1", CONFIG).model_id == wanted
    assert trained_before(lake, "v1", other).model_id == newest
    assert trained_before(lake, "v2", CONFIG) is None
    assert trained_before(lake, "v1", replace(CONFIG, seed=9)) is None


def test_a_damaged_model_does_not_count_as_trained(lake):
    whole, damaged = save(lake, 1), save(lake, 2, seed=1)
    (lake.model(damaged) / "model.safetensors").write_bytes(b"damaged")
    assert trained_before(lake, "v1", CONFIG).model_id == whole


def test_another_weights_file_is_another_model(lake, tmp_path):
    import hashlib

    file = tmp_path / "weights.pth"
    file.write_bytes(b"one")
    config = replace(CONFIG, weights=str(file))
    save(lake, 1, config=config, source=WeightsSource("weights.pth", hashlib.sha256(b"one").hexdigest()))
    assert trained_before(lake, "v1", config) is not None
    file.write_bytes(b"two")
    assert trained_before(lake, "v1", config) is None


def test_a_warm_start_comes_to_rest_when_its_model_is_served(lake, tmp_path):
    config = replace(CONFIG, warm_start=True, weights=str(tmp_path / "no such file.pth"))
    trained = replace(config, started_from="3fa9")
    held = save(lake, 1, config=trained, source=WeightsSource("model", None, "3fa9"))
    assert trained_before(lake, "v1", config).model_id == held, "whichever model is served by now"
    assert trained_before(lake, "v1", replace(config, warm_start=False)) is None


def test_an_unknown_model_is_answered_with_the_closest_or_with_all(lake):
    with pytest.raises(UnknownModelError, match=r'no model was trained yet; materialize "classifier"'):
        find_model(lake, "3fa9")
    one = save(lake, 1)
    assert find_model(lake, one).model_id == one
    with pytest.raises(UnknownModelError, match=f"did you mean {one}"):
        find_model(lake, one[:5])
    with pytest.raises(UnknownModelError, match=f"choose from {one}"):
        find_model(lake, "zzzz")


def test_a_removed_model_is_gone_with_what_the_cache_knew_of_it(lake):
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
