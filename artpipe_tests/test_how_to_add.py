"""The patterns of docs/how_to_add.md work as they stand there."""

import re
import types
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from upath import UPath

from artpipe.lake.parquet import read_table, write_table
from artpipe.lake.paths import DataLake, file_version
from artpipe.orchestration.asset import AssetStep, Result, observed_file, pipeline_asset
from artpipe.orchestration.blocking_checks import BlockingChecks
from artpipe.orchestration.check import pipeline_check
from artpipe.orchestration.declaration import DECLARED, Declaration
from artpipe.orchestration.frames import DataFrame
from artpipe.orchestration.io import LakeIOManager
from artpipe.orchestration.lineage import Lineage, Origin, Record
from artpipe.settings import Settings

PAGE = Path(__file__).parents[1] / "docs" / "how_to_add.md"
KNOWN = {"dg": dg, "DataFrame": DataFrame} | {
    known.__name__: known
    for known in (AssetStep, DataLake, Result, Settings, file_version, observed_file, pipeline_asset, pipeline_check)
}


@pytest.fixture
def patterns(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """A module that holds the page's code, with the imports that an assets.py has."""
    import artpipe.catalog.assets  # noqa: F401 - declares `artworks`, which the pattern reads

    for toy in ("artists_by_works", "banned_words"):
        monkeypatch.setitem(DECLARED, toy, Declaration(toy))  # the page's are taken out again afterwards
    module = types.ModuleType("artpipe.toy.assets")
    module.__dict__.update(KNOWN)
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL):
        exec(compile(block, str(PAGE), "exec"), module.__dict__)  # noqa: S102 - our own page
    return module


def test_the_source_of_the_page_works(patterns: types.ModuleType, tmp_path: Path):
    (tmp_path / "list.txt").write_text("7 Boats at sea\n8 Pears\n")
    source = patterns.Lines(name="toy", adapter="lines", path=str(tmp_path / "list.txt"))
    source.download(None, UPath(tmp_path), None)
    assert source.read(UPath(tmp_path)).rows.select("source_id", "title").rows() == [
        ("7", "Boats at sea"),
        ("8", "Pears"),
    ]


def test_the_asset_the_file_and_the_check_of_the_page_work(patterns: types.ModuleType, tmp_path: Path):
    lake = DataLake(tmp_path)
    write_table(lake.table("artworks"), pl.DataFrame({"artist_id": ["a", "b", "a", None]}))
    Lineage(lake).write("artworks", Record("v1", Origin("1", {}), 0.0, "2026-01-01T00:00:00+00:00"))
    with dg.DagsterInstance.ephemeral() as instance:

        def run(**changed: object) -> dg.ExecuteInProcessResult:
            return (
                dg.Definitions(
                    assets=[dg.AssetSpec("artworks"), patterns.artists_by_works, patterns.banned_words],
                    asset_checks=[patterns.every_artist_has_a_work],
                    resources={
                        "lineage": Lineage(lake),
                        "blocking_checks": BlockingChecks({}),
                        "settings": Settings(lake=str(tmp_path), **changed),
                        "io_manager": LakeIOManager(lake),
                    },
                )
                .resolve_implicit_global_asset_job_def()
                .execute_in_process(instance=instance)
            )

        first, again, changed = run(), run(), run(max_artworks=1)
    assert patterns.artists_by_works.get_asset_spec().group_name == "toy"
    assert [check.passed for check in first.get_asset_check_evaluations()] == [True]
    made = [result.asset_materializations_for_node("artists_by_works")[0] for result in (first, again, changed)]
    assert [one.metadata["reused"].value for one in made] == [False, True, False]
    assert read_table(lake, "artists_by_works").rows() == [("a", 2)]
    assert DECLARED["banned_words"].observed(Settings(lake=str(tmp_path))) == "none"
