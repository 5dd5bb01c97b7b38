import json
from dataclasses import replace

import pytest
import torch

from artpipe.models.checkpoint import (
    CorruptModelError,
    ModelCard,
    RunCheckpoint,
    load_card,
    load_model,
    save_model,
)
from artpipe.models.network import MultiTaskClassifier, WeightsSource, build_model

TINY = "test_efficientnet"
CLASSES = {"style": ("Baroque", "Rococo"), "type": ("portrait",)}


def made(seed: int = 0, **told: object) -> tuple[MultiTaskClassifier, ModelCard]:
    torch.manual_seed(seed)
    model, transform = build_model(TINY, {task: len(names) for task, names in CLASSES.items()}, 32)
    card = {
        "classes": CLASSES,
        "transform": transform,
        "backbone": TINY,
        "features": model.features,
        "weights_source": WeightsSource("none", None),
        "training_set_version": "v1",
        "seed": seed,
        "config": {"epochs": 1},
    }
    return model, ModelCard(**(card | told))


def test_a_saved_model_predicts_as_before(lake):
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


def test_the_id_depends_on_weights_and_story_but_not_on_how_long_it_took(lake):
    model, card = made()
    state = model.state_dict()
    model_id = save_model(lake, state, card)[0].model_id
    assert len(model_id) == 16
    assert model_id == save_model(lake, state, made(history=({"seconds": 3.2},))[1])[0].model_id
    assert model_id == save_model(lake, state, made(library_versions={"torch": "99"})[1])[0].model_id
    assert model_id != save_model(lake, state, made(training_set_version="v2")[1])[0].model_id
    assert model_id != save_model(lake, made(seed=1)[0].state_dict(), card)[0].model_id


def test_when_and_how_fast_a_model_was_trained_is_not_what_it_is(lake):
    model, card = made(history=({"epoch": 1, "seconds": 1.5},), trained_at="2026-01-01T00:00:00+00:00")
    later = replace(card, history=({"epoch": 1, "seconds": 99.0},), trained_at="2026-02-02T00:00:00+00:00")
    ids = {save_model(lake, model.state_dict(), each)[0].model_id for each in (card, later)}
    assert len(ids) == 1


def test_a_model_of_the_first_format_keeps_its_name():
    _, card = made()
    assert card.story()["weights_source"] == {"name": "none", "sha256": None}
    assert "temperatures" not in card.story()
    told = json.loads(card.to_json())
    del told["temperatures"]
    assert ModelCard.from_json(json.dumps(told)).story() == card.story()


def test_temperatures_are_part_of_what_a_model_is(lake):
    model, card = made()
    warmer = replace(card, temperatures={"style": 1.5})
    saved, folder = save_model(lake, model.state_dict(), warmer)
    assert load_model(folder).card.temperatures == {"style": 1.5}
    assert saved.model_id != save_model(lake, model.state_dict(), card)[0].model_id


def test_a_changed_weights_file_is_refused(lake):
    model, card = made()
    _, folder = save_model(lake, model.state_dict(), card)
    weights = bytearray((folder / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (folder / "model.safetensors").write_bytes(bytes(weights))
    with pytest.raises(CorruptModelError, match=r"not what its card says.*materialize"):
        load_model(folder)


def test_a_changed_story_is_refused(lake):
    model, card = made()
    _, folder = save_model(lake, model.state_dict(), card)
    told = json.loads((folder / "model.json").read_text())
    told["classes"]["style"].reverse()
    (folder / "model.json").write_text(json.dumps(told))
    with pytest.raises(CorruptModelError, match="not what its card says"):
        load_model(folder)


@pytest.mark.parametrize("name", ["model.json", "model.safetensors"])
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
