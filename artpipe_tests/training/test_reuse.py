"""Finding the saved model that a training run would give again."""

import hashlib
from dataclasses import replace

import torch

from artpipe.models.card import ModelCard, WeightsSource
from artpipe.models.checkpoint import save_model
from artpipe.models.ensemble import build_ensemble
from artpipe.models.labels import Labels
from artpipe.models.network import build_model
from artpipe.training.config import TrainingConfig
from artpipe.training.reuse import find_trained_model

TINY = "test_efficientnet"
CONFIG = TrainingConfig(backbone=TINY, weights="none", image_px=32)
LABELS = Labels({"type": ("portrait",)})
NO_SOURCE = WeightsSource("none", None)


def save(
    lake,
    day: int,
    *,
    seed: int = 0,
    config: TrainingConfig = CONFIG,
    source: WeightsSource = NO_SOURCE,
    years: dict | None = None,
) -> str:
    torch.manual_seed(seed)
    build = build_ensemble if config.is_ensemble else build_model
    model, transform = build(TINY, {"type": 1}, 32, config.embedding_dim)
    card = ModelCard(
        {"type": ("portrait",)}, transform, TINY, config.embedding_dim, source, "v1", seed, config.identity(),
        trained_at=f"2026-01-{day:02d}T00:00:00+00:00", middle_years=years,
    )  # fmt: skip
    return save_model(lake, model.state_dict(), card)[0].model_id


def test_the_newest_model_of_the_same_training_set_and_config_is_found(lake):
    wanted = save(lake, 1)
    other = replace(CONFIG, learning_rate=0.5)
    newest = save(lake, 3, seed=1, config=other)
    save(lake, 2, seed=2, config=other)
    assert find_trained_model(lake, "v1", CONFIG, LABELS).model_id == wanted
    assert find_trained_model(lake, "v1", other, LABELS).model_id == newest
    assert find_trained_model(lake, "v2", CONFIG, LABELS) is None
    assert find_trained_model(lake, "v1", replace(CONFIG, seed=9), LABELS) is None


def test_a_model_of_other_classes_or_other_years_is_not_found(lake):
    of_years = Labels(LABELS.classes, {"type": (1500.0,)})
    older = save(lake, 1)
    assert find_trained_model(lake, "v1", CONFIG, Labels({"type": ("portrait", "genre")})) is None
    assert find_trained_model(lake, "v1", CONFIG, of_years).model_id == older, "older cards do not say their years"
    newer = save(lake, 2, seed=1, years={"type": (1500.0,)})
    assert find_trained_model(lake, "v1", CONFIG, of_years).model_id == newer
    assert find_trained_model(lake, "v1", CONFIG, Labels(LABELS.classes, {"type": (1600.0,)})).model_id == older


def test_a_damaged_model_does_not_count_as_trained(lake):
    whole, damaged = save(lake, 1), save(lake, 2, seed=1)
    (lake.model(damaged) / "model.safetensors").write_bytes(b"damaged")
    assert find_trained_model(lake, "v1", CONFIG, LABELS).model_id == whole


def test_another_weights_file_is_another_model(lake, tmp_path):
    file = tmp_path / "weights.pth"
    file.write_bytes(b"one")
    config = replace(CONFIG, weights=str(file))
    save(lake, 1, config=config, source=WeightsSource("weights.pth", hashlib.sha256(b"one").hexdigest()))
    assert find_trained_model(lake, "v1", config, LABELS) is not None
    file.write_bytes(b"two")
    assert find_trained_model(lake, "v1", config, LABELS) is None


def test_serving_a_warm_started_model_starts_no_further_training(lake, tmp_path):
    config = replace(CONFIG, warm_start=True, weights=str(tmp_path / "no such file.pth"))
    trained = replace(config, started_from="3fa9")
    model_id = save(lake, 1, config=trained, source=WeightsSource("model", None, "3fa9"))
    assert find_trained_model(lake, "v1", config, LABELS).model_id == model_id, "whichever model is served by now"
    assert find_trained_model(lake, "v1", replace(config, warm_start=False), LABELS) is None
