"""Which files an asset keeps in the lake."""

from pathlib import Path

from artpipe.definitions import build_definitions
from artpipe.lake.damage import SET_ASIDE
from artpipe.lake.paths import DataLake, write_whole
from artpipe.orchestration.declaration import DECLARED
from artpipe.orchestration.storage import PARQUET
from artpipe.settings import Settings


def test_of_a_folder_only_what_the_asset_writes_counts(tmp_path: Path):
    lake = DataLake(tmp_path / "my.lance.lakes")
    for name in ("sheet.png", ".DS_Store", ".~lock.suspects.csv#", f"old.png{SET_ASIDE}20260301T000000"):
        write_whole(lake.report(f"labels/{name}"), b"content")
    kept = PARQUET.with_files(lambda lake: [lake.report("labels")]).files(lake, "suspect_labels")
    assert [file.name for file in kept] == ["suspect_labels.parquet", "sheet.png"]


def test_an_index_mends_no_table_of_another_asset(lake: DataLake):
    build_definitions(Settings(lake=str(lake.root)))
    stored = DECLARED["text_index"].stored
    assert stored is not None
    assert [file.name for file in stored.files(lake, "text_index")] == ["_indices"]
