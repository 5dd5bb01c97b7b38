"""The shipped notebook, run from top to bottom on a small lake with a real, untrained network."""

import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from artpipe.cli.demo import photographed
from artpipe.embedding.table import EmbeddingTable
from artpipe.images.reading import read_picture
from artpipe.lake.paths import DataLake
from artpipe.models.served import Pointer, Serving, write_pointer
from artpipe.recognition.feature_index import build_feature_index
from artpipe.search.served_model import load_served_model
from artpipe.search.text import build_text_index
from artpipe.search.text_encoder import TextEncoder, save_text_encoder
from artpipe_tests.fixtures.paintings import jpeg_of, painting

README = Path(__file__).parents[1] / "README.md"
NOTEBOOK = files("artpipe") / "notebooks" / "collection.ipynb"
WORKS = 9


@pytest.fixture
def lake(tmp_path: Path) -> DataLake:
    from artpipe.models.card import ModelCard, WeightsSource
    from artpipe.models.checkpoint import save_model
    from artpipe.models.network import build_model

    classes = {"style": ("Baroque", "Rococo"), "period": ("1550-1650", "1650-1750"), "type": ("genre", "portrait")}
    model, transform = build_model("mobilenet_v3_small", {task: len(names) for task, names in classes.items()}, 64)
    card = ModelCard(
        classes, transform, "mobilenet_v3_small", model.embedding_dim, WeightsSource("none", None), "v", 0, {}
    )
    lake = DataLake(tmp_path / "lake")
    card, _ = save_model(lake, model.state_dict(), card)
    write_pointer(lake, Pointer(Serving(card.model_id)))
    encoder = load_served_model(lake, "cpu")
    jpegs = [jpeg_of(painting(n)) for n in range(WORKS)]
    ids = [f"p/painter{n % 4}/work{n}" for n in range(WORKS)]
    rows = pl.DataFrame(
        {
            "artwork_id": ids,
            "model_id": encoder.model_id,
            "jpeg_sha256": ids,
            "work_id": ids,
            "artist_id": [f"p/painter{n % 4}" for n in range(WORKS)],
            "artist": [f"PAINTER, Number {n % 4}" for n in range(WORKS)],
            "title": [f"Madonna number {n}" for n in range(WORKS)],
            "style": "Baroque",
            "type": "portrait",
            "year_from": 1600,
            "year_to": 1610,
            "technique": "Oil on canvas",
            "vector": encoder.encode([read_picture(jpeg) for jpeg in jpegs]).vectors,
        }
    )
    EmbeddingTable(lake).upsert(rows)
    images = pl.DataFrame({"artwork_id": ids, "jpeg": jpegs}).with_columns(
        short_side_px=pl.lit(240), status=pl.lit("fetched")
    )
    lake.connect().create_table("images", data=images.to_arrow())
    build_text_index(lake)
    words, ones = np.array(["landscap", "winter"]), np.ones(2, np.float32)
    directions = np.eye(2, model.embedding_dim, dtype=np.float32)
    save_text_encoder(lake, TextEncoder(encoder.model_id, words, words, directions, ones, ones / 2))
    build_feature_index(lake, queries=8)
    return lake


def outputs(notebook: Any) -> list[dict[str, str]]:
    """What each code cell showed, by kind."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [{kind: data for output in cell.outputs for kind, data in output.get("data", {}).items()} for cell in code]


@pytest.mark.filterwarnings("default")  # Jupyter's own libraries warn of one another
def test_the_notebook_runs_from_top_to_bottom(lake: DataLake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import nbformat
    from nbclient import NotebookClient

    folder = Path(lake.root) / "artpipe" / "notebooks"  # the lake is above, as above the shipped one
    folder.mkdir(parents=True)
    monkeypatch.setenv("ARTPIPE_LAKE", Path(lake.root).name)
    monkeypatch.setenv("ARTPIPE_DEVICE", "cpu")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    notebook = nbformat.reads(NOTEBOOK.read_text(encoding="utf-8"), as_version=4)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(folder)}}).execute()
    shown = outputs(notebook)
    pictures = [cell for cell in shown if "data:image/jpeg" in cell.get("text/html", "")]
    assert len(pictures) == 4
    predicted = [cell["text/html"] for cell in shown if "<table><tr><th>style" in cell.get("text/html", "")]
    assert len(predicted) == 1
    matches = [cell["text/plain"] for cell in shown if cell.get("text/plain", "").startswith("Match(")]
    assert len(matches) == 2
    assert all("artwork_id='p/painter0/work0', is_same=True" in match for match in matches)
    assert "_distance" in shown[-1]["text/plain"]


def test_the_examples_of_the_readme_run_as_they_stand(lake: DataLake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "data_lake").mkdir()
    Path(lake.root).rename(tmp_path / "data_lake" / "sample")
    photo = tmp_path / "data_lake" / "sample" / "reports" / "demo" / "photograph.jpg"
    photo.parent.mkdir(parents=True)
    photo.write_bytes(photographed(jpeg_of(painting(0))))
    monkeypatch.setenv("ARTPIPE_DEVICE", "cpu")
    ran: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL):
        exec(compile(block, "README.md", "exec"), ran)  # noqa: S102 - our own page
    assert ran["hits"].height == WORKS
    assert ran["collection"].same_painting(ran["photo"]).artwork_id == "p/painter0/work0"


def test_the_readme_stays_a_page():
    assert len(README.read_bytes()) < 8_000


def test_the_notebook_is_shipped_without_outputs():
    import json

    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    assert [cell for cell in cells if cell.get("outputs") or cell.get("execution_count")] == []
