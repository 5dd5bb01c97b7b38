"""What this machine keeps of a lake in an object store."""

import tempfile
from pathlib import Path

import pytest

from artpipe.lake.paths import DataLake
from artpipe.lake.scratch import scratch_folder
from artpipe.orchestration.home import dagster_home
from artpipe.settings import Settings
from artpipe_tests.fixtures.s3_server import Bucket


def test_each_lake_has_a_folder_of_its_own_named_after_its_address(tmp_path: Path):
    one = scratch_folder("s3://museum/prints", str(tmp_path))
    assert one == scratch_folder("s3://museum/prints/", str(tmp_path))
    assert one.parent == tmp_path
    assert one.name.startswith("museum-prints-")
    others = ["s3://museum/paintings", "s3://museum-prints", "gs://museum/prints"]
    assert len({one, *(scratch_folder(other, str(tmp_path)) for other in others)}) == 4


def test_it_is_in_the_users_cache_folder_where_no_other_is_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert scratch_folder("s3://museum/prints").parent == tmp_path / "cache" / "artpipe"


def test_two_lakes_have_two_dagster_homes(bucket: Bucket, tmp_path: Path):
    lakes = [Settings(lake=f"{bucket.address}/{name}", cache=str(tmp_path)) for name in ("prints", "paintings")]
    homes = {dagster_home(settings) for settings in lakes}
    assert len(homes) == 2
    assert all(home.is_relative_to(tmp_path) for home in homes)


def test_the_caches_of_an_older_release_go_to_the_lake_that_is_opened_first(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    old = tmp_path / "tmp" / "artpipe"
    (old / "cache" / "inference" / "3fa9").mkdir(parents=True)
    (old / "dagster").mkdir()
    first, second = (DataLake(f"{bucket.address}/{name}", str(tmp_path / "new")) for name in "ab")
    assert first.inference_cache("3fa9").is_dir()
    assert not second.inference_cache("3fa9").exists()
    assert not (first.local_root / "dagster").exists(), "it remembers other lakes, too"
