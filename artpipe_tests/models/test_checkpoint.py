import json
from dataclasses import replace

import pytest
import torch

from artpipe.models.card import CARD_FILE, CorruptModelError, ModelCard, TransformSpec, WeightsSource, load_card
from artpipe.models.checkpoint import RunCheckpoint, load_model, model_id_of, save_model
from artpipe.models.network import MultiTaskClassifier, build_model

TINY = "test_efficientnet"
CLASSES = {"style": ("Baroque", "Rococo"), "type": ("portrait",)}


def made(seed: int = 0, **fields: object) -> tuple[MultiTaskClassifier, ModelCard]:
    torch.manual_seed(seed)
    model, transform = build_model(TINY, {task: len(names) for task, names in CLASSES.items()}, 32)
    card = {
        "classes": CLASSES,
        "transform": transform,
        "backbone": TINY,
        "embedding_dim": model.embedding_dim,
        "weights_source": WeightsSource("none", None),
        "training_set_version": "v1",
        "seed": seed,
        "config": {"epochs": 1},
    }
    return model, ModelCard(**(card | fields))


def test_a_loaded_model_predicts_like_the_saved_one(lake):
    model, card = made()
    saved, folder = save_model(lake, model.state_dict(), card)
    loaded = load_model(folder)
    pixels = torch.randn(2, 3, 32, 32)
    with torch.inference_mode():
        expected, found = model.eval()(pixels), loaded.model(pixels)
    assert torch.equal(expected[0], found[0])
    assert torch.equal(expected[1]["style"], found[1]["style"])
    assert loaded.card == saved
    assert load_card(folder) == saved


def test_the_id_depends_on_weights_and_identity_but_not_on_speed_dates_or_versions(lake):
    model, card = made()
    state = model.state_dict()
    model_id = save_model(lake, state, card)[0].model_id
    assert len(model_id) == 16
    assert model_id == save_model(lake, state, made(history=({"seconds": 3.2},))[1])[0].model_id
    assert model_id == save_model(lake, state, made(library_versions={"torch": "99"})[1])[0].model_id
    assert model_id == save_model(lake, state, replace(card, trained_at="2026-02-02T00:00:00+00:00"))[0].model_id
    assert model_id != save_model(lake, state, made(training_set_version="v2")[1])[0].model_id
    assert model_id != save_model(lake, made(seed=1)[0].state_dict(), card)[0].model_id


def test_a_card_of_older_code_keeps_its_id_and_its_file():
    """Written out: the names in the file, and which of them are hashed, decide the id of every saved model."""
    content = {
        "classes": {"type": ["portrait"]},
        "transform": {"size": 32, "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]},
        "backbone": TINY,
        "features": 256,
        "weights_source": {"name": "model", "sha256": None, "model_id": "3fa9"},
        "training_set_version": "v1",
        "seed": 0,
        "config": {"keeps_start": True, "dimensions": 256, "average_decay": 0.99, "views": 2},
        "history": [{"epoch": 1}],
        "model_id": "b016",
    }
    card = ModelCard.from_json(json.dumps(content))
    assert (card.embedding_dim, card.is_ensemble, card.views, card.temperatures) == (256, True, 2, {})
    assert card.transform == TransformSpec(32, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    assert json.loads(card.to_json()).items() >= content.items()
    assert model_id_of(b"weights", card) == "0bb064ca20601bba"
    hashed = {name: value for name, value in content.items() if name not in ("history", "model_id")}
    assert json.loads(json.dumps(card.identity())) == hashed, "no temperatures, no `model_id`"
    assert WeightsSource("none", None).identity() == {"name": "none", "sha256": None}


def test_temperatures_are_part_of_the_identity(lake):
    model, card = made()
    scaled = replace(card, temperatures={"style": 1.5})
    saved, folder = save_model(lake, model.state_dict(), scaled)
    assert load_model(folder).card.temperatures == {"style": 1.5}
    assert saved.model_id != save_model(lake, model.state_dict(), card)[0].model_id


def test_a_changed_weights_file_is_refused(lake):
    model, card = made()
    _, folder = save_model(lake, model.state_dict(), card)
    weights = bytearray((folder / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (folder / "model.safetensors").write_bytes(bytes(weights))
    with pytest.raises(CorruptModelError, match=r"does not match its card.*materialize"):
        load_model(folder)


def test_a_changed_card_is_refused(lake):
    model, card = made()
    _, folder = save_model(lake, model.state_dict(), card)
    content = json.loads((folder / CARD_FILE).read_text())
    content["classes"]["style"].reverse()
    (folder / CARD_FILE).write_text(json.dumps(content))
    with pytest.raises(CorruptModelError, match="does not match its card"):
        load_model(folder)


@pytest.mark.parametrize("name", [CARD_FILE, "model.safetensors"])
def test_a_missing_file_is_refused(lake, name):
    model, card = made()
    _, folder = save_model(lake, model.state_dict(), card)
    (folder / name).unlink()
    with pytest.raises(CorruptModelError, match="missing or damaged"):
        load_model(folder)


def test_saving_again_repairs_and_leaves_nothing_else(lake):
    model, card = made()
    _, folder = save_model(lake, model.state_dict(), card)
    (folder / "model.safetensors").write_bytes(b"damaged")
    save_model(lake, model.state_dict(), card)
    load_model(folder)
    assert [each.name for each in folder.parent.iterdir()] == [folder.name]


def test_an_unreadable_checkpoint_counts_as_none(lake):
    checkpoint = RunCheckpoint(lake, "abc")
    assert checkpoint.load() is None
    checkpoint.save({"epoch": 1, "rng": torch.zeros(3)})
    assert checkpoint.load() is not None
    checkpoint.path.write_bytes(b"damaged")
    assert checkpoint.load() is None
    checkpoint.remove()
    checkpoint.remove()
    assert not checkpoint.path.exists()
