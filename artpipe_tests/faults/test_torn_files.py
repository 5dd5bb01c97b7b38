"""Every kind of file that a lake holds, torn, emptied or gone: `status` names it, `refresh` heals it, no traceback.

Files of one group are damaged together, and in one of the three ways, which takes fewer refreshes; `FAULTS_ALL=1`
damages each in each way, alone.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from artpipe.definitions import ASSET_MODULES
from artpipe.orchestration.declaration import DECLARED
from artpipe.orchestration.lineage import Lineage
from artpipe_tests.faults.conftest import Owner, contents


def tear(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def empty(file: Path) -> None:
    os.truncate(file, 0)


FAULTS: dict[str, Callable[[Path], None]] = {"torn": tear, "empty": empty, "gone": Path.unlink}


@dataclass(frozen=True)
class Group:
    """Files that are damaged together.

    Attributes:
        fault: how, where not each file is damaged in each way.
        files: patterns; the first match is damaged, which of Lance's manifests is the newest.
        is_named: whether `status` has to name them: a record that is gone is that of a run that was cut off, a cache is
            made again unseen, and what is wrong with the Dagster home is a line of its own.
    """

    fault: str
    files: Sequence[str]
    is_named: bool = True


GROUPS = {
    "catalogue": Group(
        "torn",
        [
            "raw/catalog",
            "raw/artists",
            "raw/catalog.json",
            "tables/artists.parquet",
            "tables/artworks.parquet",
            "tables/quarantine.parquet",
            "tables/catalog_changes.parquet",
            "tables/wanted_images.parquet",
        ],
    ),
    "images and splits": Group(
        "empty",
        [
            "lance/images.lance/data/*.lance",
            "tables/splits.parquet",
            "tables/works.parquet",
            "tables/near_duplicates.parquet",
            "tables/training_set.parquet",
            "reports/images/sample.png",
            "reports/splits/class_balance.png",
        ],
    ),
    "model": Group(
        "torn",
        [
            "models/candidate.json",
            "models/served.json",
            "models/*/model.json",
            "models/*/model.safetensors",
            "models/*/learned.parquet",
            "lance/backbone_features.lance/_versions/*.manifest",
            "reports/training/*.png",
            "reports/evaluation/report.json",
            "reports/evaluation/report.md",
            "reports/labels/suspects.csv",
            "tables/suspect_labels.parquet",
        ],
    ),
    "vectors": Group(
        "gone",
        [
            "lance/embeddings.lance/data/*.lance",
            "lance/embeddings.lance/_indices/*/*",
            "index/card.json",
            "index/novelty.npz",
            "index/paintings.npz",
            "tables/art_map.parquet",
            "reports/map/art_map.png",
        ],
    ),
    "newest manifests": Group(
        "torn", ["lance/images.lance/_versions/*.manifest", "lance/embeddings.lance/_versions/*.manifest"]
    ),
    "records and caches": Group(
        "torn",
        [
            "lineage/artworks.json",
            "lineage/splits.json",
            "lineage/classifier.json",
            "cache/pixels/*/pixels.u8",
            "cache/pixels/*/keys.txt",
            "cache/inference/*/*.parquet",
        ],
        is_named=False,
    ),
    "events of Dagster": Group("torn", ["dagster/history/runs/index.db"], is_named=False),
    "runs of Dagster": Group(
        "empty",
        [
            "dagster/history/runs.db",
            "dagster/schedules/schedules.db",
            "dagster/dagster.yaml",
            "dagster/history/runs/*-*.db",
        ],
        is_named=False,
    ),
}

ROWS = (
    [
        (Group(fault, [file], group.is_named), file)
        for group in GROUPS.values()
        for file in group.files
        for fault in FAULTS
    ]
    if os.environ.get("FAULTS_ALL") == "1"
    else [(group, name) for name, group in GROUPS.items()]
)


def damage(root: Path, file: str, fault: str) -> str:
    """Damage a file, and return its path in the lake, as `status` would name it."""
    found = min(root.glob(file))
    FAULTS[fault](found)
    if found.exists():
        os.utime(found, (1e9, 1e9))  # long ago: nobody is writing it any more
    named = found.relative_to(root).as_posix()
    return named.partition("/data/")[0].partition("/_versions/")[0].partition("/_indices/")[0]


@pytest.mark.parametrize("group", [pytest.param(group, id=f"{name} {group.fault}") for group, name in ROWS])
def test_what_is_damaged_is_named_and_made_anew_from_what_is_whole(
    owner: Owner, undisturbed: dict[str, Any], group: Group
):
    damaged = [damage(owner.root, file, group.fault) for file in group.files]
    reasons = " ".join(owner.not_fresh().values())
    assert [file for file in damaged if group.is_named and file not in reasons] == []
    assert owner.run("info").exit_code == 0
    owner.search()
    done = owner.run("refresh")
    assert done.exit_code == 0, done.output
    assert [file for file in damaged if group.is_named and f"{file} " not in done.output] == []
    assert owner.not_fresh() == {}
    assert contents(owner.lake) == undisturbed
    assert owner.search().exit_code == 0


@pytest.mark.parametrize("fault", FAULTS)
def test_each_damaged_file_is_found_alone(owner: Owner, fault: str):
    """Each of the files above, without the seconds that `status` takes."""
    assert ASSET_MODULES
    lineage = Lineage(owner.lake)
    for file in (file for group in GROUPS.values() if group.is_named for file in group.files):
        whole = {path: path.read_bytes() for path in owner.root.glob(file)}
        named = damage(owner.root, file, fault)
        found = {asset: one.damage(owner.lake, lineage.read(asset)) for asset, one in DECLARED.items()}
        assert any(named in name for files in found.values() for name in files), file
        for path, content in whole.items():
            path.write_bytes(content)
        assert not any(one.damage(owner.lake, lineage.read(asset)) for asset, one in DECLARED.items()), file
