"""A lake made by version 0.1.0, before its modules, settings and one asset got other names, opens and refreshes."""

import errno
import json
import tarfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from artpipe.cli.main import app
from artpipe.search import Collection
from artpipe.search.text_encoder import NoTextEncoderError

ARCHIVE = Path(__file__).parent / "fixtures" / "lake_of_0_1.tar.xz"
MODEL = "99b817e64028df18"
SETTINGS = {
    "SAMPLE_ARTWORKS": 60,
    "BACKBONE": "test_efficientnet",
    "TRAIN_IMAGE_PX": 64,
    "IMAGE_SHORT_SIDE_PX": 64,
    "EPOCHS": 2,
    "EMBEDDING_DIMENSIONS": 32,
    # The sample gallery has been drawn anew since; what was downloaded then is kept while it is not requested again.
    "REVALIDATE_AFTER_DAYS": 36500,
}
"""What the lake was made with: the sample gallery in miniature, one label set by a person, refreshed until fresh."""


@pytest.fixture
def old_lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    monkeypatch.setenv("ARTPIPE_LAKE", str(tmp_path / "lake"))
    for name, value in SETTINGS.items():
        monkeypatch.setenv(f"ARTPIPE_{name}", str(value))
    return tmp_path / "lake"


def run(*arguments: str) -> object:
    result = CliRunner().invoke(app, [*arguments, "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_an_old_lake_is_searched_without_a_refresh(old_lake: Path):
    collection = Collection.open(old_lake)
    assert len(collection) == 53
    assert len(collection.like(["m/montalve/inter039"], k=5)) == 5
    assert collection.find("Geertruid bloemendaal decorative", k=1)["title"].to_list() == ["Decorative Panel"]


def test_what_reads_a_lake_reads_an_old_one(old_lake: Path):
    assert run("status")
    assert run("images")
    assert [model["model_id"] for model in run("models")] == [MODEL]
    collection = Collection.open(old_lake)
    with pytest.raises(NoTextEncoderError, match='materialize "text_encoder"'):
        collection.describe("landscape")


def test_who_may_only_read_an_old_lake_sees_its_status(old_lake: Path, monkeypatch: pytest.MonkeyPatch):
    refused: list[Path] = []

    def mkstemp(*, dir: Path, prefix: str) -> tuple[int, str]:  # noqa: A002 - its name
        refused.append(dir / prefix)
        raise PermissionError(errno.EACCES, "Permission denied", str(dir))

    monkeypatch.setattr("artpipe.lake.paths.tempfile.mkstemp", mkstemp)
    assert run("status")
    assert refused
    assert all(path.is_relative_to(old_lake) for path in refused)


def test_an_old_lake_refreshes_without_doing_anything_again(old_lake: Path):
    card = (old_lake / "models" / MODEL / "model.json").read_bytes()
    report = run("refresh")
    work = report["work"]
    assert work["images_fetched"] == work["images_embedded"] == work["rows_updated"] == 0
    assert [model["model_id"] for model in run("models")] == [MODEL]
    assert (old_lake / "models" / MODEL / "model.json").read_bytes() == card
    redone = set(report["ran"]) - set(report["reused"])
    # These are made in another way since, of what the lake holds: the search index, the links between works, and the
    # novelty scale, which leaves out what the model saw; and the text index, which has more columns now. Dates are read
    # in another way, with the same years here. The model of an earlier release is served as it is, without a refit.
    assert Collection.open(old_lake).find("impressionism", loosen=False)["style"].unique().to_list() == [
        "Impressionism"
    ]
    anew = {"search_index", "wanted_images", "splits", "novelty_scale", "text_index", "painting_detector"}
    anew |= {"text_encoder"}  # which it did not have
    anew |= {"backbone_features"}  # the same, in a table of another kind
    of_dates = {"artists", "tasks", "artworks", "catalog_changes", "quarantine"}
    assert redone <= {"raw_catalog", "raw_artists", "images", *anew, *of_dates, "refitted_model"}
    assert run("refresh")["ran"] == ["raw_artists", "raw_catalog"]
