"""One small lake with everything in it, made once; each fault happens to a copy of its own."""

import gc
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from click.testing import Result as ClickResult
from typer.testing import CliRunner

from artpipe.cli.main import app
from artpipe.embedding.table import EmbeddingTable
from artpipe.images.store import ImageStore
from artpipe.lake.parquet import read_table
from artpipe.lake.paths import DataLake
from artpipe.orchestration.lineage import Lineage
from artpipe.sample_gallery.server import serving
from artpipe_tests.fixtures.made_once import MadeOnce
from artpipe_tests.fixtures.small_training import SMALL_TRAINING, made_quickly
from artpipe_tests.orchestration.quiet_home import write_quiet_home

TABLES = ("artists", "artworks", "quarantine", "catalog_changes", "wanted_images", "splits", "works", "training_set")


class Owner:
    """Somebody who has a lake and a terminal."""

    def __init__(self, root: Path, gallery_url: str, patch: pytest.MonkeyPatch) -> None:
        self.root, self.lake, self._patch, self._has_failed = root, DataLake(root), patch, False
        # Local features take most of the time, and are kept as the other tables are.
        for name, value in {**SMALL_TRAINING, "gallery": gallery_url, "lake": root, "same_painting": False}.items():
            self.set(name, value)

    def set(self, name: str, value: object) -> None:
        self._patch.setenv(f"ARTPIPE_{name.upper()}", str(value))

    def run(self, *arguments: str) -> ClickResult:
        """What a command prints; it may fail, and has to say so in words."""
        if self._has_failed:
            gc.collect()  # the locks of a command that failed here end with its process elsewhere
        with made_quickly():
            result = CliRunner().invoke(app, list(arguments))
        self._has_failed = result.exit_code != 0
        assert isinstance(result.exception, SystemExit | None), (arguments, result.exception)
        assert result.exit_code in (0, 2), (arguments, result.output)
        assert "Traceback" not in result.output
        if result.exit_code == 2:
            assert [line[:7] for line in result.stderr.splitlines() if line.startswith("error: ")] == ["error: "]
        return result

    def json(self, *arguments: str) -> Any:
        result = self.run(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def not_fresh(self) -> dict[str, str]:
        """The assets that status does not call fresh, each with the reason."""
        return {one["asset"]: one["why"] for one in self.json("status")["assets"] if one["status"] != "fresh"}

    def search(self) -> ClickResult:
        return self.run("search", self.an_artwork, "-k", "3", "--json")

    an_artwork = ""


def contents(lake: DataLake) -> dict[str, Any]:
    """What a lake holds: rows, splits, labels, vectors, and the data version of every asset."""
    ids, vectors = EmbeddingTable(lake).vectors()
    frames = {name: read_table(lake, name) for name in TABLES}
    frames["images"] = ImageStore(lake).outcomes().select("artwork_id", "jpeg_sha256", "sha256")
    frames["embeddings"] = EmbeddingTable(lake).read()
    rows = {name: sorted(map(str, frame.rows())) for name, frame in frames.items()}
    assets = sorted(file.stem for file in (Path(str(lake.root)) / "lineage").glob("*.json"))
    return {
        **rows,
        "vectors": dict(zip(ids, np.round(vectors, 5).tolist(), strict=True)),
        "jpegs": [hash(jpeg) for jpeg in ImageStore(lake).jpegs(_stored(lake))],
        "versions": Lineage(lake).versions(assets),
    }


def _stored(lake: DataLake) -> list[str]:
    return ImageStore(lake).outcomes().filter(pl.col("jpeg_sha256").is_not_null())["artwork_id"].sort().to_list()


@pytest.fixture(scope="session")
def gallery_url(small_site: Path) -> Iterator[str]:
    with serving(small_site) as server:
        yield server.url


@pytest.fixture(scope="session")
def prepared(made_once: MadeOnce, gallery_url: str) -> Path:
    """A folder with the lake made from that gallery, `lake`."""

    def make(folder: Path) -> None:
        write_quiet_home(folder / "lake")
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            done = Owner(folder / "lake", gallery_url, patch).run("refresh")
            assert done.exit_code == 0, done.output

    return made_once("faultless", make)


@pytest.fixture(scope="session")
def undisturbed(prepared: Path) -> dict[str, Any]:
    """What the lake holds where no fault happens."""
    return contents(DataLake(prepared / "lake"))


@pytest.fixture
def owner(prepared: Path, gallery_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Owner:
    """The owner of a copy of the lake, which a test may damage."""
    shutil.copytree(prepared / "lake", tmp_path / "lake")
    found = Owner(tmp_path / "lake", gallery_url, monkeypatch)
    found.an_artwork = EmbeddingTable(found.lake).read(["artwork_id"])["artwork_id"][0]
    return found
