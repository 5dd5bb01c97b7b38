"""A disk that is full at every stage: one line that names it, nothing lost, and what needs no room still answers."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from artpipe.lake.paths import DataLake
from artpipe_tests.faults.conftest import Owner, contents
from artpipe_tests.orchestration.quiet_home import write_quiet_home

pytestmark = pytest.mark.may_skip  # not every machine lets its administrator mount

SIZES_MB = (0.5, 1.2, 2.4, 3.6, 4.8, 6.0)
"""Most end a refresh at another stage: Dagster's databases, tables, images, a report, a checkpoint of training."""
ROOM_KB = (300, 700, 1200)
ENOUGH_MB = 90


class SmallDisk:
    """A file system in memory that holds few megabytes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def resize(self, megabytes: float) -> None:
        self._mount(f"remount,size={int(megabytes * 1024)}k")

    def fill(self, but_for_kb: int = 0) -> None:
        """Use what room there is, but for so much."""
        with (self.folder / "ballast").open("ab", buffering=0) as file:
            for size in (1_000_000, 4096, 512, 1):
                try:
                    while True:
                        file.write(b"x" * size)
                except OSError:
                    continue
            file.truncate(max(0, file.tell() - but_for_kb * 1024))

    def empty(self) -> None:
        (self.folder / "ballast").unlink()

    def _mount(self, options: str) -> None:
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(self.folder)], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("only an administrator may mount a small file system")
    yield SmallDisk(folder)
    subprocess.run(["umount", "-l", str(folder)], check=True)


def check_one_line(owner: Owner, disk: SmallDisk) -> bool:
    """Refresh; where the disk is full, that is said in one line, and nothing that needs no room fails."""
    done = owner.run("refresh")
    if done.exit_code == 0:
        return False
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert str(disk.folder) in line
    assert " is full: " in line
    assert " MB are free. Free some space there" in line
    return True


def test_a_lake_that_outgrows_its_disk_again_and_again_is_made_whole_in_the_end(
    disk: SmallDisk, gallery_url: str, undisturbed: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    owner = Owner(disk.folder / "lake", gallery_url, monkeypatch)
    write_quiet_home(owner.root)
    for size_mb in SIZES_MB:
        disk.resize(size_mb)
        assert check_one_line(owner, disk), f"{size_mb} MB are enough"
    assert owner.run("status").exit_code == 0
    disk.resize(ENOUGH_MB)
    assert owner.run("refresh").exit_code == 0
    assert contents(owner.lake) == undisturbed


def test_a_full_disk_stops_no_question_and_the_last_stages_go_on_when_there_is_room(
    disk: SmallDisk, prepared: Path, owner: Owner, undisturbed: dict[str, Any]
):
    disk.resize(ENOUGH_MB)
    shutil.copytree(prepared / "lake", disk.folder / "lake")
    owner.set("lake", disk.folder / "lake")
    disk.fill()
    assert owner.not_fresh() == {}
    for question in ("info", "models"):
        assert owner.run(question).exit_code == 0
    assert owner.search().exit_code == 0
    assert check_one_line(owner, disk)
    for lost in ("lance/embeddings.lance", "cache/inference", "reports/evaluation", "index"):
        shutil.rmtree(disk.folder / "lake" / lost)
    for room_kb in ROOM_KB:
        disk.fill(but_for_kb=room_kb)
        assert check_one_line(owner, disk), f"{room_kb} kB are enough"
    disk.empty()
    assert owner.run("refresh").exit_code == 0
    assert contents(DataLake(disk.folder / "lake")) == undisturbed
