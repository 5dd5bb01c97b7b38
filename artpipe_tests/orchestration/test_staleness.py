"""Whether an asset is fresh, and why not, in words: from the lake's records, Dagster's events and the settings."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from artpipe.lake.paths import DataLake, write_whole
from artpipe.orchestration.asset import AssetStep, Result, observed_file, pipeline_asset, pipeline_assets
from artpipe.orchestration.blocking_checks import BlockingChecks
from artpipe.orchestration.declaration import DECLARED
from artpipe.orchestration.instance import REFRESH_TAG
from artpipe.orchestration.lineage import Lineage, Origin, Record
from artpipe.orchestration.metadata import CHANGES
from artpipe.orchestration.next_assets import AssetStatus
from artpipe.orchestration.staleness import asset_statuses, changes_since
from artpipe.orchestration.storage import written_by_body
from artpipe.settings import Settings

QUESTIONS: dict[str, int] = {}
NOTES = {"notes": "n1"}


class Shelf:
    """A lake and a Dagster home whose records and events a test writes as it likes; nothing is run.

    `catalog` is a root, `works` is made from it and from a file, `pictures` of `works`, and asks the source; one step
    makes `table` and `vectors` of `pictures`.
    """

    def __init__(self, instance: dg.DagsterInstance, folder: Path) -> None:
        self.instance, self.lake = instance, DataLake(folder / "lake")
        self.lineage = Lineage(self.lake)

    def settings(self, **changed: object) -> Settings:
        return Settings(lake=str(self.lake.root), **changed)

    def definitions(self, settings: Settings, versions: Mapping[str, str]) -> dg.Definitions:
        def body(_: AssetStep) -> Result:
            raise AssertionError

        def asset(name: str, *deps: str, **options: Any) -> dg.AssetsDefinition:
            body.__name__ = name
            stored = written_by_body(lambda lake: lake.raw(name))
            return pipeline_asset(
                kinds=set(), code_version=versions.get(name, "1"), deps=deps, stored=stored, **options
            )(body)

        def notes(_: Settings) -> str:
            return NOTES["notes"]

        def embedding(_: AssetStep) -> Iterator[Result]:
            raise AssertionError

        assets = [
            asset("catalog"),
            asset("works", "catalog", "notes", shaped_by=("seed",)),
            asset("pictures", "works", due=lambda *_: QUESTIONS),
            pipeline_assets(
                kinds=set(),
                code_version="1",
                deps=["pictures"],
                stored={name: written_by_body(lambda lake: lake.raw("table")) for name in ("table", "vectors")},
                descriptions={"table": "", "vectors": ""},
            )(embedding),
        ]

        def with_settings(spec: dg.AssetSpec) -> dg.AssetSpec:
            return spec.replace_attributes(code_version=DECLARED[spec.key.path[-1]].code_version(settings))

        @dg.asset_check(asset="works", blocking=True)
        def works_are_sound() -> dg.AssetCheckResult:
            return dg.AssetCheckResult(passed=True)

        return dg.Definitions(
            [*(one.map_asset_specs(with_settings) for one in assets), observed_file(notes)],
            asset_checks=[works_are_sound],
            resources={"lineage": self.lineage, "settings": settings, "blocking_checks": BlockingChecks({})},
        )

    def made(self, name: str, version: str, *, code: str = "1", seconds: float = 1.0, **inputs: str) -> None:
        """The lake holds a version, and nobody told Dagster."""
        write_whole(self.lake.raw(name), version.encode())
        made_at = datetime.now(UTC).isoformat(timespec="seconds")
        self.lineage.write(name, Record(version, Origin(code, inputs), seconds, made_at))

    def told(self, name: str, version: str, *, code: str = "1", changes: object = None, **inputs: str) -> None:
        """Dagster was told of a version."""
        tags = {"dagster/data_version": version, "dagster/code_version": code}
        tags |= {f"dagster/input_data_version/{above}": one for above, one in inputs.items()}
        metadata = {} if changes is None else {CHANGES: dg.MetadataValue.json(changes)}
        self.instance.report_runless_asset_event(dg.AssetMaterialization(name, tags=tags, metadata=metadata))

    def passed(self) -> None:
        """The check of `works` passed on what Dagster was told last."""
        job = self.definitions(self.settings(), {}).resolve_implicit_global_asset_job_def()
        checks = {dg.AssetCheckKey(dg.AssetKey("works"), "works_are_sound")}
        job.get_subset(asset_selection=set(), asset_check_selection=checks).execute_in_process(instance=self.instance)

    def whole(self) -> None:
        """Everything was made and told, and the check passed."""
        for name, version, code, inputs in (
            ("catalog", "c1", "1", {}),
            ("works", "w1", "1; seed=0", {"catalog": "c1", "notes": "n1"}),
            ("pictures", "p1", "1", {"works": "w1"}),
            ("table", "t1", "1", {"pictures": "p1"}),
            ("vectors", "v1", "1", {"pictures": "p1"}),
        ):
            self.made(name, version, code=code, **inputs)
            self.told(name, version, code=code, **inputs)
        self.passed()

    def statuses(
        self,
        versions: Mapping[str, str] | None = None,
        loaded_at: float | None = None,
        asks_due: bool = True,
        **changed: object,
    ) -> dict[str, AssetStatus]:
        settings = self.settings(**changed)
        graph = self.definitions(settings, versions or {}).resolve_asset_graph()
        return asset_statuses(graph, self.instance, settings, asks_due=asks_due, loaded_at=loaded_at)

    def why(self, **changed: Any) -> dict[str, tuple[str, str]]:
        """Every asset that is not fresh, with what it is and the reasons."""
        found = self.statuses(**changed)
        return {name: (one.status, "; ".join(one.reasons)) for name, one in found.items() if one.status != "fresh"}


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    QUESTIONS.clear()
    NOTES["notes"] = "n1"
    DECLARED.clear()
    with dg.DagsterInstance.ephemeral() as instance:
        yield Shelf(instance, tmp_path)


@pytest.fixture
def whole(shelf: Shelf) -> Shelf:
    shelf.whole()
    return shelf


def test_a_whole_lake_is_fresh_and_tells_what_an_asset_is_made_from(whole: Shelf):
    found = whole.statuses()
    assert whole.why() == {}
    assert [one for one in found if found[one].needs_run] == []
    assert list(found) == sorted(found, key=["catalog", "works", "pictures", "table", "vectors"].index)
    works = found["works"]
    assert (works.upstream, works.observed, works.step) == (("catalog",), ("notes n1",), "works")
    assert (works.data_version, works.code_version, works.seconds) == ("w1", "1; seed=0", 1.0)
    assert (works.failed_checks, works.skipped_checks, works.in_progress, works.due) == ((), (), False, "")
    assert (found["table"].step, found["vectors"].step) == ("embedding", "embedding")
    assert {name for name, one in found.items() if one.asks_source} == {"pictures"}
    event = whole.instance.fetch_materializations(dg.AssetKey("works"), limit=1).records[0]
    assert works.record_id == event.storage_id
    assert works.made_at == datetime.fromtimestamp(event.timestamp, UTC)


def test_an_empty_lake_was_never_made(shelf: Shelf):
    assert shelf.why() == dict.fromkeys(["catalog", "works", "pictures", "table", "vectors"], ("missing", "never made"))
    found = shelf.statuses()["works"]
    assert (found.data_version, found.record_id, found.seconds, found.made_at) == ("absent", None, None, None)


def test_a_file_without_a_record_was_never_made_or_was_cut_off(whole: Shelf):
    whole.lake.lineage("pictures").unlink()
    incomplete = ("stale", "`pictures` is not complete")
    expected = {"pictures": ("stale", "its last run was cut off"), "table": incomplete, "vectors": incomplete}
    assert whole.why() == expected
    whole.instance.wipe_assets([dg.AssetKey("pictures")])
    assert whole.why() == expected | {"pictures": ("missing", "never made")}


def test_what_was_made_from_an_incomplete_input_is_never_fresh(whole: Shelf):
    whole.lake.lineage("pictures").unlink()
    for told in (whole.made, whole.told):
        told("table", "t2", pictures="absent")
    assert whole.why()["table"] == ("stale", "`pictures` is not complete")


def test_a_file_that_is_gone_is_missing(whole: Shelf):
    whole.lake.raw("works").unlink()
    assert whole.why() == {"works": ("missing", f"{whole.lake.raw('works')} is gone")}


def test_what_this_home_never_recorded_is_missing_here(whole: Shelf):
    whole.instance.wipe_assets([dg.AssetKey("works")])
    words = "the lake holds version w1, which this Dagster home never recorded"
    assert whole.why() == {"works": ("missing", words)}


def test_a_lake_and_a_home_that_disagree_are_told_apart(whole: Shelf):
    whole.made("table", "t0", pictures="p1")
    words = "the lake holds version t0 and Dagster recorded t1: the lake was restored, or another Dagster home wrote"
    assert whole.why() == {"table": ("stale", f"{words} to it")}


def test_what_was_made_anew_and_not_told_to_dagster_is_stale_though_it_came_out_the_same(whole: Shelf):
    whole.made("catalog", "c2")
    whole.told("catalog", "c2")
    whole.made("works", "w1", code="1; seed=0", catalog="c2", notes="n1")
    assert whole.why() == {"works": ("stale", "its last run was cut off before Dagster recorded it")}
    whole.told("works", "w1", code="1; seed=0", catalog="c2", notes="n1")
    assert whole.why() == {}
    whole.told("works", "w1", code="1; seed=1", catalog="c2", notes="n1")
    assert list(whole.why()) == ["works"]


def test_a_file_that_dagster_observed_later_does_not_count_as_cut_off(whole: Shelf):
    whole.told("works", "w1", code="1; seed=0", catalog="c1", notes="n0")
    assert whole.why() == {}


def test_new_code_and_settings_are_named_with_what_they_were(whole: Shelf):
    assert whole.why(versions={"works": "2"}, seed=5) == {"works": ("stale", "code version 1 -> 2; seed 0 -> 5")}


def test_what_changed_above_is_counted_from_when_the_asset_was_made(whole: Shelf):
    key = dg.AssetKey("catalog")
    whole.told("catalog", "c2", changes={"new": 2, "gone": 1, "changed": 0, "odd": 1})
    whole.told("catalog", "c3", changes={"new": 1000, "gone": 1, "replaced": 4})
    whole.told("catalog", "c3", changes={"relabelled": 3, "new": "many"})
    whole.told("catalog", "c3", changes=["new"])
    whole.made("catalog", "c3")
    counted = "1,002 new, 0 changed, 3 relabelled, 4 replaced, 1 odd, 2 gone"
    assert whole.why() == {"works": ("stale", f"`catalog` changed: {counted}")}
    assert changes_since(key, datetime.now(UTC).timestamp() + 1, whole.instance) == ""
    second = whole.instance.fetch_materializations(key, limit=3).records[-1]
    assert changes_since(key, second.timestamp, whole.instance) == "3 relabelled"


def test_an_edited_file_is_seen_and_named(whole: Shelf):
    NOTES["notes"] = "n2"
    assert whole.why() == {"works": ("stale", "`notes` changed")}
    assert whole.statuses()["works"].observed == ("notes n2",)


def test_an_asset_counts_every_input_that_changed_and_is_not_stale_for_what_is_further_up(whole: Shelf):
    NOTES["notes"] = "n2"
    whole.made("catalog", "c2")
    whole.told("catalog", "c2")
    assert whole.why() == {"works": ("stale", "`catalog` changed; `notes` changed")}


def test_a_check_that_did_not_run_on_what_the_lake_holds_is_named(whole: Shelf):
    whole.made("works", "w2", code="1; seed=0", catalog="c1", notes="n1")
    assert whole.statuses()["works"].skipped_checks == ("works_are_sound",)
    whole.told("works", "w2", code="1; seed=0", catalog="c1", notes="n1")
    assert whole.statuses()["works"].skipped_checks == ("works_are_sound",)
    whole.passed()
    assert whole.statuses()["works"].unmet_checks == ()


def test_a_check_that_never_ran_holds_what_is_there_complete_or_not_and_nothing_that_is_not(shelf: Shelf):
    assert shelf.statuses()["works"].skipped_checks == ()
    shelf.made("works", "w1")
    assert shelf.statuses()["works"].skipped_checks == ("works_are_sound",)
    shelf.lake.lineage("works").unlink()
    assert shelf.statuses()["works"].skipped_checks == ("works_are_sound",)


def test_the_source_is_asked_in_words_where_the_asset_is_fresh_and_somebody_wants_to_know(whole: Shelf):
    QUESTIONS.update({"older than 6 days": 1234, "never asked": 2})
    words = "to ask the gallery for: 1,234 (older than 6 days), 2 (never asked)"
    assert whole.statuses()["pictures"].due == words
    assert whole.statuses()["works"].due == ""
    assert whole.statuses(asks_due=False)["pictures"].due == ""
    whole.lake.lineage("pictures").unlink()
    assert whole.statuses()["pictures"].due == "", "it runs anyway"


def later(hours: float = 1.0) -> float:
    return (datetime.now(UTC) + timedelta(hours=hours)).timestamp()


def test_a_process_leaves_alone_what_was_made_after_it_had_loaded_with_other_code(whole: Shelf):
    new = {"versions": {"works": "2"}, "seed": 5}
    assert list(whole.why(**new, loaded_at=later())) == ["works"]
    assert whole.why(**new, loaded_at=later(-1)) == {}
    NOTES["notes"] = "n2"
    assert whole.why(**new, loaded_at=later(-1)) == {"works": ("stale", "`notes` changed")}
    whole.lake.lineage("works").unlink()
    assert whole.why(**new, loaded_at=later(-1))["works"] == ("stale", "its last run was cut off")


def test_what_another_home_wrote_after_this_process_had_loaded_counts_by_the_lake_s_clock(whole: Shelf):
    path = whole.lake.lineage("works")
    written = path.read_text()
    record = whole.lineage.read("works")
    assert record is not None
    since = (datetime.now(UTC) + timedelta(seconds=30)).isoformat(timespec="seconds")
    path.write_text(written.replace(record.made_at, since))
    assert whole.why(seed=5, loaded_at=later(0.005)) == {}
    path.write_text(written)
    assert list(whole.why(seed=5, loaded_at=later(0.005))) == ["works"]


def test_a_process_with_the_same_code_still_sees_what_another_home_wrote(whole: Shelf):
    whole.made("works", "w0", code="1; seed=0", catalog="c1", notes="n1")
    assert list(whole.why(loaded_at=later(-1))) == ["works", "pictures"]


def under_way(whole: Shelf, *names: str, **tags: str) -> set[str]:
    """The assets that count as being made while a run of these is under way."""
    definitions = whole.definitions(whole.settings(), {})
    job = definitions.resolve_implicit_global_asset_job_def()
    subset = job.get_subset(asset_selection={dg.AssetKey(name) for name in names}) if names else job
    selection = subset.asset_selection if names else None
    started = dg.DagsterRunStatus.STARTED
    run = whole.instance.create_run_for_job(subset, status=started, tags=tags, asset_selection=selection)
    try:
        return {name for name, one in whole.statuses().items() if one.in_progress}
    finally:
        whole.instance.report_run_failed(run)


def test_the_assets_of_a_run_that_has_not_ended_are_being_made(whole: Shelf):
    everything = {"catalog", "works", "pictures", "table", "vectors"}
    assert under_way(whole, "works", "pictures") == {"works", "pictures"}
    assert under_way(whole) == everything
    assert under_way(whole, "works", **{REFRESH_TAG: "1"}) == everything, "a refresh goes on below"
    assert {name for name, one in whole.statuses().items() if one.in_progress} == set()
