"""The one test module of the search that loads torch: a real, untrained network stands behind the collection."""

import io
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from artpipe.embedding.table import EmbeddingTable
from artpipe.lake.paths import DataLake
from artpipe.models.served import NoModelError, Pointer, Refit, Serving, write_pointer, write_refit
from artpipe.search import Collection
from artpipe.search.served_model import load_served_model


def drawn(seed: int) -> bytes:
    """A picture of a few large coloured squares."""
    squares = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    packed = io.BytesIO()
    Image.fromarray(squares).resize((400, 360), Image.Resampling.NEAREST).save(packed, "PNG")
    return packed.getvalue()


@pytest.fixture
def lake(tmp_path: Path) -> DataLake:
    from artpipe.models.card import ModelCard, WeightsSource
    from artpipe.models.checkpoint import save_model
    from artpipe.models.network import build_model

    classes = {
        "style": ("Baroque", "Rococo"),
        "period": ("1550-1650", "after 2000"),
        "type": ("genre", "portrait", "study"),
    }
    model, transform = build_model("mobilenet_v3_small", {task: len(names) for task, names in classes.items()}, 64)
    card = ModelCard(
        classes, transform, "mobilenet_v3_small", model.embedding_dim, WeightsSource("none", None), "v", 0, {}
    )
    lake = DataLake(tmp_path / "lake")
    card, _ = save_model(lake, model.state_dict(), card)
    write_pointer(lake, Pointer(Serving(card.model_id)))
    return lake


@pytest.mark.parametrize("is_chosen_anew", [False, True])
def test_a_picture_is_found_by_its_original_file_also_while_another_model_is_chosen(
    lake: DataLake, *, is_chosen_anew: bool
):
    from artpipe.images.decode import decode_artwork
    from artpipe.images.reading import read_picture

    encoder = load_served_model(lake, "cpu")
    vectors = encoder.encode([read_picture(decode_artwork(drawn(n), 320).jpeg) for n in range(3)]).vectors
    ids = [f"p/painter/{n}" for n in range(3)]
    rows = pl.DataFrame({"artwork_id": ids, "model_id": encoder.model_id, "jpeg_sha256": ids, "vector": vectors})
    EmbeddingTable(lake).upsert(rows)
    if is_chosen_anew:  # and its refit is not trained yet, which embeds the collection
        write_refit(lake, Refit("measured before", encoder.model_id))
        write_pointer(lake, Pointer(Serving("81c0")))
    hits = Collection.open(lake, device="cpu").similar(drawn(1), k=1)
    assert hits["artwork_id"].to_list() == ["p/painter/1"]
    assert hits["similarity"][0] == pytest.approx(1, abs=1e-3)
    prediction = Collection.open(lake, device="cpu").predict([drawn(1)])[0]
    assert {task: len(pairs) for task, pairs in prediction.best.items()} == {"style": 2, "period": 2, "type": 3}
    assert sum(chance for _, chance in prediction.best["style"]) == pytest.approx(1, abs=1e-3)


def test_without_a_model_the_next_step_is_named(tmp_path: Path):
    with pytest.raises(NoModelError, match=r'no model was trained in .*; materialize "classifier"'):
        load_served_model(DataLake(tmp_path))


def test_a_past_model_is_loaded_by_name_and_one_that_is_gone_is_told(lake: DataLake):
    model_id = load_served_model(lake, "cpu").model_id
    lake.served_model.write_text('{"model_id": "another"}')
    assert load_served_model(lake, "cpu", model_id).model_id == model_id
    with pytest.raises(NoModelError, match=r"model 3fa9, which made the vectors, is no longer in"):
        load_served_model(lake, "cpu", "3fa9")
