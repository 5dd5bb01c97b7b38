"""Records of what an asset was made from: there only when the asset is whole."""

from datetime import UTC, datetime

import pytest

from artpipe.lake.paths import DataLake
from artpipe.orchestration.lineage import ABSENT, Lineage, Origin

ORIGIN = Origin("3", {"artworks": "a1"})


@pytest.fixture
def lineage(tmp_path) -> Lineage:
    ticks = iter([10.0, 12.5, 20.0, 21.0])
    return Lineage(DataLake(tmp_path), clock=lambda: next(ticks))


def test_a_completed_asset_tells_what_it_was_made_from_and_what_it_cost(lineage):
    lineage.begin("splits", ORIGIN)
    lineage.complete("splits", "v1")
    record = Lineage(lineage.lake).read("splits")
    assert record is not None
    assert (record.data_version, record.origin, record.seconds) == ("v1", ORIGIN, 2.5)
    assert abs((datetime.now(UTC) - datetime.fromisoformat(record.made_at)).total_seconds()) < 60


def test_an_asset_that_was_touched_and_never_completed_tells_nothing(lineage):
    lineage.begin("splits", ORIGIN)
    lineage.complete("splits", "v1")
    lineage.begin("splits", ORIGIN)
    assert lineage.read("splits") is None
    assert lineage.versions(["splits"]) == {"splits": ABSENT}


def test_versions_are_those_of_the_records(lineage):
    lineage.begin("splits", ORIGIN)
    lineage.complete("splits", "v1")
    assert lineage.versions(["splits", "images"]) == {"splits": "v1", "images": ABSENT}


def test_a_record_that_cannot_be_read_is_none(lineage):
    path = lineage.lake.lineage("splits")
    path.parent.mkdir(parents=True)
    path.write_text('{"data_version": "v1", "ori')
    assert lineage.read("splits") is None


def test_only_what_was_begun_can_be_completed(lineage):
    with pytest.raises(KeyError):
        lineage.complete("splits", "v1")


def test_a_record_tells_its_time_and_its_work_to_the_millisecond(tmp_path):
    ticks = iter([10.0, 10.0044])
    lineage = Lineage(DataLake(tmp_path), clock=lambda: next(ticks))
    lineage.begin("splits", ORIGIN)
    lineage.complete("splits", "v1", datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC))
    record = lineage.read("splits")
    assert record is not None
    assert (record.seconds, record.made_at) == (0.004, "2026-01-02T03:04:05+00:00")
