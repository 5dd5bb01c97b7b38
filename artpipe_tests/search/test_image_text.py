"""Descriptions by an image-text model: open_clip's own classes, tiny and with random weights, on invented pictures."""

import io
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import huggingface_hub
import numpy as np
import polars as pl
import pytest
import requests
import torch
from PIL import Image
from typer.testing import CliRunner

from artpipe.cli.main import app
from artpipe.definitions import build_definitions
from artpipe.embedding.image_text_model import (
    ImageTextModel,
    ImageTextModelError,
    image_text_version,
    load_image_text_model,
)
from artpipe.embedding.image_text_table import ImageTextCard, ImageTextTable
from artpipe.embedding.table import EmbeddingTable
from artpipe.images.reading import read_picture
from artpipe.images.store import ImageStore
from artpipe.lake.paths import DataLake
from artpipe.search import Collection, SearchFilter
from artpipe.search.descriptions import DescriptionSearch, ImageTextSpace
from artpipe.search.fusion import fuse
from artpipe.search.guessed_words import guessed_words
from artpipe.search.index import ServedIndex
from artpipe.search.queries import ModelMismatchError, Resolver
from artpipe.search.request import SearchRequest
from artpipe.search.searcher import Searcher
from artpipe.search.snapshot import Snapshot
from artpipe.search.text import build_text_index
from artpipe.search.text_encoder import NoTextEncoderError
from artpipe.settings import Settings
from artpipe_tests.fixtures.colour_model import ColourModel
from artpipe_tests.fixtures.tiny_clip import CONFIGS, write_tiny
from artpipe_tests.search.conftest import MODEL, WORKS

IDS = WORKS["artwork_id"].to_list()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clip")
    write_tiny(folder)
    return folder


@pytest.fixture(scope="module")
def model(folder: Path) -> ImageTextModel:
    return load_image_text_model(str(folder), "cpu")


def embed(lake: DataLake, folder: Path, model: ImageTextModel, works: int = len(IDS)) -> tuple[int, int]:
    card = ImageTextCard(str(folder), image_text_version(str(folder)))
    pictures = EmbeddingTable(lake).read(["artwork_id", "jpeg_sha256"]).head(works)
    return ImageTextTable(lake).update(card, dict(pictures.iter_rows()), lambda: model)


@pytest.fixture
def collection(lake: DataLake, folder: Path, model: ImageTextModel) -> Collection:
    embed(lake, folder, model)
    build_text_index(lake)
    return Collection(lake, ColourModel(MODEL), "cpu")


def vectors_of(collection: Collection, model: ImageTextModel) -> np.ndarray:
    jpegs = collection.images(IDS)
    return model.encode([read_picture(jpegs[name], 320) for name in IDS]).vectors


@pytest.mark.parametrize("kind", CONFIGS)
def test_every_tensor_of_a_folder_reaches_its_place(tmp_path: Path, kind: str):
    written = write_tiny(tmp_path / kind, kind).state_dict()
    loaded = load_image_text_model(str(tmp_path / kind), "cpu")
    state = loaded._network.state_dict()
    assert state.keys() == written.keys()
    assert [key for key, value in written.items() if not torch.equal(value, state[key])] == []
    vectors = loaded.encode_texts(["a ship in a storm", "a ship"])
    assert vectors.shape == (2, 12)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_works_are_ranked_by_the_picture_that_is_nearest_to_the_words(collection: Collection, model: ImageTextModel):
    hits = collection.describe("a ship at night", k=5)
    similarities = vectors_of(collection, model) @ model.encode_texts(["a ship at night"])[0]
    assert hits["artwork_id"].to_list() == [IDS[row] for row in np.argsort(-similarities)]
    assert np.allclose(hits["similarity"], np.sort(similarities)[::-1], atol=2e-3), "but for rounding to 16 bits"
    dutch = collection.describe("a ship at night", where=SearchFilter(school="Dutch"))
    assert set(dutch["school"]) == {"Dutch"}


def test_words_and_pictures_are_joined_in_one_space(
    collection: Collection, model: ImageTextModel, picture_of: Callable[..., bytes]
):
    like_one = collection.describe("at night", k=4, liked=[IDS[0]])
    vectors = vectors_of(collection, model)
    words = model.encode_texts(["at night"])[0]
    similarities = vectors @ (words + vectors[0])
    assert like_one["artwork_id"].to_list() == [IDS[row] for row in np.argsort(-similarities) if row != 0]
    photograph = collection.describe("at night", k=5, liked=[picture_of((20, 30, 120))])
    assert len(photograph) == 5, "a picture from outside goes through the same model"


def test_ranks_by_looks_and_by_text_are_fused(collection: Collection):
    by_looks = collection.describe("hare", k=5)["artwork_id"].to_list()
    by_text = collection.find("hare", loosen=False)["artwork_id"].to_list()
    fused = collection.describe("hare", k=5, with_text=True)
    expected = {
        name: sum(1 / (61 + ranking.index(name)) for ranking in (by_looks, by_text) if name in ranking) for name in IDS
    }
    assert dict(zip(fused["artwork_id"], fused["relevance"], strict=True)) == pytest.approx(expected)
    assert fused["relevance"].is_sorted(descending=True)
    assert fused.explanation.index == "fused"
    paged = collection.describe("hare", k=2, offset=2, with_text=True)
    assert paged["artwork_id"].to_list() == fused["artwork_id"].to_list()[2:4]
    one_each = collection.describe("hare", k=5, with_text=True, distinct="work")
    assert len(one_each) == 4


def test_a_row_of_two_rankings_comes_before_the_best_of_one():
    rows, scores = fuse([np.array([7, 3]), np.array([3, 9])])
    assert rows.tolist() == [3, 7, 9]
    assert scores.tolist() == pytest.approx([1 / 62 + 1 / 61, 1 / 61, 1 / 62])


class ColourWords:
    """Knows the directions of some words among colours; "a painting" and the like are grey."""

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        known = {"red": (1.0, 0.1, 0.1), "green": (0.0, 1.0, 0.0)}
        found = np.array([known.get(text, (1.0, 1.0, 1.0)) for text in texts], np.float32)
        return found / np.linalg.norm(found, axis=1, keepdims=True)


@pytest.mark.parametrize(("words", "is_doubtful"), [("red", False), ("green", True)])
def test_a_description_that_fits_no_better_than_any_picture_is_doubted(
    collection: Collection, words: str, is_doubtful: bool
):
    index = collection.index
    searcher = Searcher(collection.snapshot, collection._resolver.resolve, lambda: index)
    search = DescriptionSearch(ColourWords, index, searcher, collection._resolver.resolve)
    assert search.describe(words, (), (), SearchRequest(), with_text=False).is_doubtful is is_doubtful


def test_the_words_that_fit_a_picture_better_than_others_are_guessed():
    picture = np.array([1.0, 0.0], np.float32)
    pictures = np.array([[1.0, 0.0], [0.0, 1.0], [0.1, 1.0], [0.0, 0.9]], np.float32)
    words = np.array([[0.5, 0.0], [1.0, 1.0]], np.float32)  # the second fits every picture as well
    found = guessed_words(picture, pictures, ["ship", "painting"], words, 2)
    assert found["word"].to_list() == ["ship", "painting"]
    assert found["similarity"].to_list() == [0.5, 1.0]
    assert found["standard_score"][0] > 1.5
    assert found["standard_score"][1] < 0.5


def test_words_are_guessed_from_a_file(lake: DataLake, folder: Path, model: ImageTextModel, tmp_path: Path):
    settings = {"ARTPIPE_LAKE": str(lake.root), "ARTPIPE_DEVICE": "cpu"}
    (tmp_path / "words.txt").write_text("ship\n\nhare\n")
    command = ["words", IDS[0], "--vocabulary", str(tmp_path / "words.txt"), "--json"]
    without = CliRunner().invoke(app, command, env=settings)
    assert "set ARTPIPE_IMAGE_TEXT_MODEL" in without.stderr
    embed(lake, folder, model)
    found = CliRunner().invoke(app, command, env=settings)
    assert sorted(guess["word"] for guess in json.loads(found.stdout)) == ["hare", "ship"]


def test_only_new_and_changed_pictures_are_embedded(lake: DataLake, folder: Path, model: ImageTextModel):
    assert embed(lake, folder, model) == (5, 0)
    assert embed(lake, folder, model) == (0, 0)
    assert embed(lake, folder, model, 3) == (0, 2)
    assert embed(lake, folder, model, 4) == (1, 0)


def test_margins_do_not_go_through_the_model(lake: DataLake, folder: Path, model: ImageTextModel):
    packed = io.BytesIO()
    framed = Image.new("RGB", (64, 64), "white")
    framed.paste(Image.radial_gradient("L").resize((32, 32)), (16, 16))
    framed.save(packed, "JPEG", quality=95)
    images = pl.DataFrame({"artwork_id": IDS, "jpeg": packed.getvalue(), "picture_box": "0.25 0.25 0.5 0.5"})
    lake.connect().create_table("images", data=images.to_arrow(), mode="overwrite")
    store = ImageStore(lake)
    embed(lake, folder, model)
    card = ImageTextCard(str(folder), image_text_version(str(folder)))
    pictures = EmbeddingTable(lake).read(["artwork_id", "jpeg_sha256"]).filter(artwork_id=IDS[0]).rows()
    found = ImageTextTable(lake).vectors(card, pictures)
    assert found is not None
    whole, part = (
        model.encode([read_picture(jpeg, 320)]).vectors[0]
        for jpeg in (store.originals(IDS[:1])[0], store.jpegs(IDS[:1])[0])
    )
    assert found[0] @ part > max(0.9999, found[0] @ whole)


def test_until_every_picture_has_its_vector_the_words_of_the_catalogue_answer(
    lake: DataLake, folder: Path, model: ImageTextModel
):
    embed(lake, folder, model, 4)
    collection = Collection(lake, ColourModel(MODEL), "cpu")
    assert not collection.knows_any_words
    with pytest.raises(NoTextEncoderError):
        collection.describe("a ship")
    embed(lake, folder, model)
    assert collection.knows_any_words


def test_that_there_is_no_model_is_remembered_for_a_while(lake: DataLake, folder: Path, model: ImageTextModel):
    now, snapshot = 0.0, Snapshot(lake)

    def resolver(index: ServedIndex, _: object) -> Resolver:
        return Resolver(snapshot.rows, snapshot.position_of, lambda: index.nearest, look=lambda *_: [])

    space = ImageTextSpace(snapshot, resolver, "cpu", lambda: now)
    assert space.search() is None
    embed(lake, folder, model)
    assert space.search() is None
    now = 31.0
    assert space.search() is not None


def test_vectors_that_lack_a_picture_are_read_and_told_once(
    lake: DataLake, folder: Path, model: ImageTextModel, caplog: pytest.LogCaptureFixture
):
    embed(lake, folder, model, 4)
    collection = Collection(lake, ColourModel(MODEL), "cpu")
    assert [collection.knows_any_words for _ in range(3)] == [False] * 3
    told = [each.getMessage() for each in caplog.records if "no vector by" in each.getMessage()]
    assert len(told) == 1
    assert f"set ARTPIPE_IMAGE_TEXT_MODEL={folder}" in told[0]


def test_another_model_in_the_folder_is_refused_until_the_pictures_went_through_it(lake: DataLake, tmp_path: Path):
    write_tiny(tmp_path / "clip")
    embed(lake, tmp_path / "clip", load_image_text_model(str(tmp_path / "clip"), "cpu"))
    before = image_text_version(str(tmp_path / "clip"))
    write_tiny(tmp_path / "clip", seed=1)
    assert image_text_version(str(tmp_path / "clip")) != before
    with pytest.raises(ModelMismatchError, match='materialize "image_text_vectors"'):
        Collection(lake, ColourModel(MODEL), "cpu").describe("a ship")
    assert embed(lake, tmp_path / "clip", load_image_text_model(str(tmp_path / "clip"), "cpu")) == (5, 0)
    assert len(Collection(lake, ColourModel(MODEL), "cpu").describe("a ship")) == 5


def test_the_command_finds_by_looks_and_says_what_it_doubts(lake: DataLake, folder: Path, model: ImageTextModel):
    embed(lake, folder, model)
    build_text_index(lake)
    settings = {"ARTPIPE_LAKE": str(lake.root), "ARTPIPE_DEVICE": "cpu"}
    command = ["find", "a", "ship", "--looks", "--like", IDS[0], "--with-text", "--json"]
    found = CliRunner().invoke(app, command, env=settings)
    assert found.exit_code == 0, found.output
    assert sorted(hit["artwork_id"] for hit in json.loads(found.stdout)) == sorted(IDS[1:])
    alone = CliRunner().invoke(app, ["find", "a", "ship", "--like", IDS[0]], env=settings)
    assert alone.exit_code == 2


def test_the_assets_are_in_the_graph_where_a_model_is_named(folder: Path):
    def assets(**changed: object) -> set[str]:
        graph = build_definitions(Settings(**changed)).resolve_asset_graph()
        return {key.to_user_string() for key in graph.get_all_asset_keys()}

    assert assets(image_text_model=str(folder)) - assets() == {"image_text_model", "image_text_vectors"}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("ViT-B-61/openai", r"no model 'ViT-B-61'; did you mean .*ViT-B-16"),
        ("ViT-B-16", r"names no weights; set ARTPIPE_IMAGE_TEXT_MODEL to ViT-B-16/ and one of .*datacomp"),
        ("ViT-B-16/nobody", "names no weights"),
    ],
)
def test_a_name_that_means_no_model_gets_close_ones(name: str, said: str):
    with pytest.raises(ImageTextModelError, match=said):
        load_image_text_model(name)


def test_a_folder_without_a_model_says_what_belongs_there(tmp_path: Path):
    with pytest.raises(ImageTextModelError, match=r"open_clip_config.json, open_clip_model.safetensors"):
        load_image_text_model(str(tmp_path))


def test_without_a_connection_the_hub_is_not_asked_again_and_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    def no_connection(*_: object, **__: object) -> None:
        raise requests.ConnectionError

    monkeypatch.setattr("requests.head", no_connection)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    asked: list[object] = []
    monkeypatch.setattr("socket.getaddrinfo", lambda *given, **_: asked.append(given) or [])
    with pytest.raises(ImageTextModelError, match=r"cannot be loaded .* into a folder"):
        load_image_text_model("ViT-B-32/laion2b_s34b_b79k")
    assert not asked
    assert not huggingface_hub.is_offline_mode(), "as it was before"


def test_the_library_is_named_where_it_is_missing(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "open_clip", None)
    with pytest.raises(ImageTextModelError, match=r"pip install 'artpipe\[image-text\]'"):
        load_image_text_model(str(folder))
