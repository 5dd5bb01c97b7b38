"""A toy asset made with the decorator behaves as every asset of the graph: reused, recorded, forced, selected alone."""

import dataclasses
import os
import threading
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from artpipe.lake.lock import write_lock
from artpipe.lake.parquet import MissingTableError, read_table, write_table
from artpipe.lake.paths import DataLake, file_version, write_whole
from artpipe.orchestration.asset import (
    AssetStep,
    Result,
    RunConfig,
    observed_file,
    pipeline_asset,
    pipeline_assets,
)
from artpipe.orchestration.blocking_checks import BlockingChecks
from artpipe.orchestration.declaration import DECLARED, adopt_renamed, observe_files, read_input
from artpipe.orchestration.event_size import MAX_EVENT_BYTES
from artpipe.orchestration.frames import DataFrame
from artpipe.orchestration.io import LakeIOManager
from artpipe.orchestration.lineage import Lineage, Origin
from artpipe.orchestration.metadata import CHANGES
from artpipe.orchestration.shaping import UndeclaredSettingError
from artpipe.orchestration.storage import PARQUET, Storage, written_by_body
from artpipe.settings import Settings

MADE: list[str] = []
"""The bodies that ran, in order."""

QUESTIONS: dict[str, int] = {}


@observed_file
def toy_notes(settings: Settings) -> str:
    """A file that people edit."""
    return file_version(DataLake(settings.lake_root).overrides("toy")) or "none"


@pipeline_asset(
    kinds={"polars"}, code_version="1", always_runs=True, stored=written_by_body(lambda lake: lake.raw("toy"))
)
def toy_root(step: AssetStep) -> Result:
    """Bytes from outside."""
    MADE.append("toy_root")
    outside = step.lake.raw("outside")
    content = outside.read_bytes() if outside.exists() else b"2"
    write_whole(step.lake.raw("toy"), content)
    return Result(version=content.decode())


@pipeline_asset(
    kinds={"polars"}, code_version="1", shaped_by=("seed",), deps=["toy_root", "toy_notes"], formerly="toy_old"
)
def toy_rows(step: AssetStep) -> Result:
    """As many rows as the root asks for."""
    MADE.append("toy_rows")
    rows = range(step.settings.seed, step.settings.seed + int(step.lake.raw("toy").read_text()))
    return Result(
        pl.DataFrame({"row": list(rows)}), metadata={"images_embedded": len(rows), "words": "kept", CHANGES: {}}
    )


def toy_due(_: DataLake, settings: Settings, now: datetime) -> Mapping[str, int]:
    assert settings.revalidate_after_days >= 0
    assert now.tzinfo
    return QUESTIONS


class ToyConfig(RunConfig):
    """Run config with a reason of its own."""

    upside_down: bool = False

    @property
    def must_run(self) -> bool:
        return self.force or self.upside_down


@pipeline_asset(kinds={"polars"}, code_version="1", due=toy_due)
def toy_sum(_: AssetStep, config: ToyConfig, toy_rows: DataFrame) -> Result:
    """The sum of the rows."""
    MADE.append("toy_sum")
    total = toy_rows["row"].sum()
    return Result(pl.DataFrame({"sum": [-total if config.upside_down else total]}))


@pipeline_assets(
    kinds={"polars"},
    code_version="1",
    stored={"toy_even": PARQUET, "toy_odd": PARQUET},
    descriptions={"toy_even": "Even rows.", "toy_odd": "Odd rows."},
)
def toy_parity(_: AssetStep, toy_rows: DataFrame) -> Iterator[Result]:
    """Rows by their parity."""
    MADE.append("toy_parity")
    yield Result(toy_rows.filter(pl.col("row") % 2 == 0), asset="toy_even")
    yield Result(toy_rows.filter(pl.col("row") % 2 == 1), asset="toy_odd")


@pipeline_asset(kinds={"polars"}, code_version="1")
def toy_drifted(step: AssetStep, toy_rows: DataFrame) -> Result:
    """It reads a setting that it does not declare."""
    return Result(toy_rows.head(step.settings.epochs or 1))


ASSETS = [toy_notes, toy_root, toy_rows, toy_sum, toy_parity, toy_drifted]
SOUND = ["toy_root", "toy_rows", "toy_sum", "toy_even", "toy_odd"]


class Bench:
    """A lake, a Dagster instance, and runs of the toy graph."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance) -> None:
        self.lake, self.instance = DataLake(folder / "lake"), instance
        self.lineage = Lineage(self.lake)

    def settings(self, **changed: object) -> Settings:
        return Settings(lake=str(self.lake.root), **changed)

    def run(self, *names: str, config: dict[str, Any] | None = None, **changed: object) -> dg.ExecuteInProcessResult:
        MADE.clear()
        settings = self.settings(**changed)
        return dg.materialize(
            ASSETS,
            selection=list(names or SOUND),
            instance=self.instance,
            resources={
                "lake": self.lake,
                "lineage": Lineage(self.lake),
                "blocking_checks": BlockingChecks({}),
                "settings": settings,
                "io_manager": LakeIOManager(self.lake),
            },
            run_config={"ops": {name: {"config": value} for name, value in (config or {}).items()}},
        )

    def metadata(self, result: dg.ExecuteInProcessResult, name: str) -> dict[str, object]:
        made = {
            event.asset_key.path[-1]: event.step_materialization_data.materialization
            for event in result.get_asset_materialization_events()
            if event.asset_key
        }
        return {key: value.value for key, value in made[name].metadata.items()}

    def edit_notes(self, text: str) -> None:
        path = self.lake.root / "overrides" / "toy.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    QUESTIONS.clear()
    with dg.DagsterInstance.ephemeral() as instance:
        yield Bench(tmp_path, instance)


def test_it_is_a_plain_asset_with_what_every_asset_has(bench: Bench):
    spec = toy_rows.get_asset_spec()
    assert (spec.group_name, list(spec.owners), spec.kinds) == ("orchestration", ["team:artpipe"], {"polars"})
    assert spec.description == "As many rows as the root asks for."
    result = bench.run()
    found = bench.metadata(result, "toy_rows")
    assert (found["dagster/row_count"], found["reused"], found["words"]) == (2, False, "kept")
    assert "| row |" in str(found["preview"])
    assert str(found["path"]).endswith("tables/toy_rows.parquet")
    record = bench.lineage.read("toy_rows")
    assert record is not None
    assert record.origin == Origin("1; seed=0", {"toy_root": "2", "toy_notes": "none"})


def test_a_second_run_reuses_everything_but_the_root(bench: Bench):
    bench.run()
    result = bench.run()
    assert MADE == ["toy_root"]
    found = bench.metadata(result, "toy_rows")
    assert (found["reused"], found["images_embedded"], found["words"]) == (True, 0, "kept")
    assert (CHANGES in found, "rows_updated" in found) == (False, False), "nothing changed, and it counts no such work"


def test_a_home_that_was_not_told_of_this_version_is_told_that_it_is_used_again_and_no_more(bench: Bench):
    bench.run()
    with dg.DagsterInstance.ephemeral() as another:
        home = Bench(bench.lake.root.parent, another)
        found = home.metadata(home.run("toy_rows"), "toy_rows")
    assert (MADE, found) == ([], {"reused": True})
    other = dg.AssetMaterialization("toy_rows", metadata={"words": "of another"}, tags={"dagster/data_version": "v0"})
    bench.instance.report_runless_asset_event(other)
    assert bench.metadata(bench.run("toy_rows"), "toy_rows") == {"reused": True}


def test_an_input_that_no_storage_reads_is_refused():
    with pytest.raises(dg.DagsterInvariantViolationError, match="`toy_root` cannot be read as an input; name it in"):
        read_input(DataLake("memory://nothing"), "toy_root")
    for name in ("toy_notes", "never_declared"):
        with pytest.raises(dg.DagsterInvariantViolationError, match=f"`{name}` cannot be read"):
            read_input(DataLake("memory://nothing"), name)


def test_a_large_event_of_an_older_version_is_not_copied_when_its_asset_is_reused(bench: Bench):
    bench.run("toy_root", "toy_rows")
    event = bench.instance.get_latest_materialization_event(dg.AssetKey("toy_rows"))
    assert event is not None
    assert event.asset_materialization is not None
    large = {"report": dg.MetadataValue.md("a line\n" * 1_000_000), "rows": 2}
    bench.instance.report_runless_asset_event(
        dg.AssetMaterialization("toy_rows", metadata=large, tags=dict(event.asset_materialization.tags or {}))
    )
    found = bench.metadata(bench.run("toy_rows"), "toy_rows")
    assert (found["reused"], found["rows"]) == (True, 2)
    assert 0 < len(str(found["report"])) < MAX_EVENT_BYTES


def test_a_setting_an_input_or_force_runs_what_depends_on_it(bench: Bench):
    bench.run()
    bench.run(seed=1)
    assert MADE == ["toy_root", "toy_rows", "toy_parity", "toy_sum"]
    bench.run(seed=1, config={"toy_sum": {"force": True}})
    assert MADE == ["toy_root", "toy_sum"]
    bench.run(seed=1, config={"toy_sum": {"upside_down": True}})
    assert MADE == ["toy_root", "toy_sum"]
    write_whole(bench.lake.raw("outside"), b"3")
    bench.run(seed=1)
    assert MADE == ["toy_root", "toy_rows", "toy_parity", "toy_sum"]


def test_what_has_to_be_asked_keeps_an_asset_from_being_reused(bench: Bench):
    bench.run()
    QUESTIONS["answer is old"] = 3
    bench.run()
    assert MADE == ["toy_root", "toy_sum"]


def test_a_body_gives_the_version_where_its_storage_takes_none(bench: Bench):
    def write(lake: DataLake, asset: str, value: str) -> None:
        write_whole(lake.raw(asset), value.encode())

    text = Storage(lambda lake, asset: lake.raw(asset), write=write)
    given = {"toy_text": "v1"}

    @pipeline_asset(kinds=set(), code_version="1", stored=text)
    def toy_text(_: AssetStep) -> Result:
        return Result("written", given["toy_text"])

    def run() -> dg.ExecuteInProcessResult:
        resources = {
            "lineage": bench.lineage,
            "settings": bench.settings(),
            "blocking_checks": BlockingChecks({}),
        }
        return dg.materialize([toy_text], instance=bench.instance, resources=resources)

    result = run()
    assert bench.lake.raw("toy_text").read_text() == "written"
    assert bench.metadata(result, "toy_text") == {"path": str(bench.lake.raw("toy_text")), "reused": False}
    assert bench.lineage.versions(["toy_text"]) == {"toy_text": "v1"}
    bench.lake.raw("toy_text").unlink()
    given["toy_text"] = ""
    with pytest.raises(ValueError, match="`toy_text` came without a data version; give one in its `Result`"):
        run()
    assert bench.lineage.read("toy_text") is None


def test_a_file_that_is_gone_is_made_anew(bench: Bench):
    bench.run()
    bench.lake.table("toy_sum").unlink()
    bench.run()
    assert MADE == ["toy_root", "toy_sum"]


def test_a_body_that_fails_leaves_no_record(bench: Bench):
    bench.run()
    write_whole(bench.lake.raw("outside"), b"not a number")
    with pytest.raises(ValueError, match="invalid literal"):
        bench.run("toy_root", "toy_rows")
    assert bench.lineage.read("toy_rows") is None


def test_each_asset_of_a_step_is_selected_alone_and_its_sibling_is_kept_consistent(bench: Bench):
    bench.run()
    bench.run("toy_root", "toy_rows", "toy_even", seed=1)
    assert MADE == ["toy_root", "toy_rows", "toy_parity"]
    assert read_table(bench.lake, "toy_odd")["row"].to_list() == [1]
    result = bench.run("toy_odd", seed=1)
    assert MADE == []
    assert bench.metadata(result, "toy_odd")["reused"] is True


def test_an_undeclared_setting_stops_the_asset(bench: Bench):
    bench.run()
    with pytest.raises(UndeclaredSettingError, match=r"`toy_drifted` reads the setting `epochs`"):
        bench.run("toy_drifted")
    assert bench.lineage.read("toy_drifted") is None


def test_an_input_that_was_never_made_is_named(bench: Bench):
    with pytest.raises(MissingTableError, match="materialize `toy_rows` first"):
        bench.run("toy_sum")


def test_an_input_that_changes_while_it_is_read_makes_the_asset_stale(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    bench.run()

    def read(lake: DataLake, asset: str) -> pl.DataFrame:
        record = bench.lineage.read(asset)
        assert record is not None
        bench.lineage.write(asset, dataclasses.replace(record, data_version="newer"))  # by another process
        return read_table(lake, asset)

    rows = DECLARED["toy_rows"]
    with monkeypatch.context() as patch:
        patch.setitem(DECLARED, "toy_rows", dataclasses.replace(rows, stored=dataclasses.replace(PARQUET, read=read)))
        bench.run("toy_sum", config={"toy_sum": {"force": True}})
    bench.run("toy_sum")
    assert MADE == ["toy_sum"], "not reused: it was made from one of the two versions, and which is not known"


def test_a_reused_asset_does_not_read_its_inputs(bench: Bench):
    bench.run()
    bench.lake.table("toy_rows").unlink()
    bench.run("toy_sum")
    assert MADE == []


def test_of_two_processes_that_make_an_asset_one_waits_and_reuses_it(bench: Bench, capfd: pytest.CaptureFixture[str]):
    bench.run()
    bench.lake.table("toy_sum").unlink()
    finished = threading.Event()

    def second() -> None:
        bench.run("toy_sum")
        finished.set()

    with write_lock(bench.lake, "a run of toy_sum", lambda _: None):
        thread = threading.Thread(target=second)
        thread.start()
        logged = ""
        while f"a run of toy_sum is under way (process {os.getpid()} on" not in logged:
            assert not finished.wait(0.01), logged
            logged += capfd.readouterr().err
        assert not finished.wait(0.5), "it says that it waits, and does"
        write_table(bench.lake.table("toy_sum"), pl.DataFrame({"sum": [1]}))  # what the first process makes
    thread.join(30)
    assert finished.is_set()
    assert MADE == []


def test_an_edited_file_is_seen_without_a_reload(bench: Bench):
    bench.run()
    bench.edit_notes("said by a person")
    bench.run()
    assert MADE == ["toy_root", "toy_rows"]
    record = bench.lineage.read("toy_rows")
    assert record is not None
    assert record.origin.inputs["toy_notes"].startswith("toy.csv ")
    bench.run()
    assert MADE == ["toy_root"]


def test_dagster_is_told_of_an_edit_once(bench: Bench):
    mine, observed = {"toy_notes"}, observe_files(bench.instance, bench.settings())
    assert mine <= set(observed)
    assert [name for name in observed if DECLARED[name].observe is None] == [], "what is made is not observed"
    assert not mine & set(observe_files(bench.instance, bench.settings()))
    bench.edit_notes("said by a person")
    assert observe_files(bench.instance, bench.settings()) == ["toy_notes"]
    assert observe_files(bench.instance, bench.settings()) == []


def test_a_person_can_observe_a_file_in_dagster_itself(bench: Bench):
    bench.edit_notes("said by a person")
    resources = {"settings": bench.settings()}
    job = dg.Definitions(assets=[toy_notes], resources=resources).resolve_implicit_global_asset_job_def()
    job.execute_in_process(instance=bench.instance)
    assert "toy_notes" not in observe_files(bench.instance, bench.settings())


def test_records_of_older_code_count_where_they_agree(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    bench.run()
    edited = dataclasses.replace(DECLARED["toy_rows"], renamed={"toy_notes_content": "toy_notes"})
    monkeypatch.setitem(DECLARED, "toy_rows", edited)
    record = bench.lineage.read("toy_rows")
    assert record is not None
    for content, made in (("none", ["toy_root"]), ("toy.csv 0123456789ab", ["toy_root", "toy_rows"])):
        old = Origin(f"1; toy_notes_content={content}", {"toy_root": "2"})
        bench.lineage.write("toy_rows", dataclasses.replace(record, origin=old))
        bench.run()
        assert made == MADE
        now = bench.lineage.read("toy_rows")
        assert now is not None
        assert now.origin == record.origin


def test_an_asset_under_its_former_name_is_taken_over_with_its_history(bench: Bench):
    bench.run()
    table, record = bench.lake.table("toy_rows"), bench.lake.lineage("toy_rows")
    table.rename(bench.lake.table("toy_old"))
    record.rename(bench.lake.lineage("toy_old"))
    declared = DECLARED.get("toy_rows")
    assert declared is not None
    assert declared.exists(bench.lake)
    assert declared.record(bench.lineage) is not None
    bench.run("toy_sum")
    assert MADE == []
    bench.run()
    assert MADE == ["toy_root"]
    assert not bench.lake.table("toy_old").exists()
    assert not bench.lake.lineage("toy_old").exists()


def test_what_is_there_under_the_present_name_is_not_replaced_by_what_has_the_former_one(bench: Bench):
    bench.run()
    write_table(bench.lake.table("toy_old"), pl.DataFrame({"row": [9]}))
    older = bench.lake.lineage("toy_rows").read_text().replace('"data_version": "', '"data_version": "older ')
    bench.lake.lineage("toy_old").write_text(older)
    assert DECLARED["toy_rows"].location(bench.lake) == bench.lake.table("toy_rows")
    adopt_renamed(bench.lake)
    assert read_table(bench.lake, "toy_rows")["row"].to_list() == [0, 1]
    record = bench.lineage.read("toy_rows")
    assert record is not None
    assert not record.data_version.startswith("older")
    assert not bench.lake.lineage("toy_old").exists()


def test_an_asset_of_an_object_store_is_taken_over_too():
    lake = DataLake("memory://older/lake")
    write_table(lake.table("toy_old"), pl.DataFrame({"row": [1]}))
    adopt_renamed(lake)
    adopt_renamed(lake)
    assert read_table(lake, "toy_rows")["row"].to_list() == [1]
    assert not lake.table("toy_old").exists()


def test_the_history_of_a_former_name_is_reported_once_under_the_present_one(bench: Bench):
    former = dg.AssetMaterialization("toy_old", metadata={"words": "kept"}, tags={"dagster/data_version": "v1"})
    bench.instance.report_runless_asset_event(former)
    adopt_renamed(bench.lake, bench.instance)
    adopt_renamed(bench.lake, bench.instance)
    found = bench.instance.fetch_materializations(dg.AssetKey("toy_rows"), limit=5).records
    assert len(found) == 1
    made = found[0].asset_materialization
    assert made is not None
    assert ((made.tags or {})["dagster/data_version"], made.metadata["words"].value) == ("v1", "kept")


def test_every_asset_of_the_graph_is_declared_with_a_storage_or_observed():
    from artpipe.definitions import build_definitions

    graph = build_definitions(Settings()).resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        declared = DECLARED.get(key.path[-1])
        assert declared is not None
        assert (declared.stored is None) == (declared.observe is not None)
        assert set(declared.upstream) == {parent.path[-1] for parent in graph.get(key).parent_keys}
