"""Records of what an asset was made from: there only when the asset is whole."""

from datetime import UTC, datetime

import pytest

from artpipe.lake.paths import DataLake
from artpipe.orchestration.lineage import ABSENT, Lineage, Origin, code_changes, code_version

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


def test_a_staged_asset_tells_nothing_until_it_is_written(lineage):
    lineage.begin("splits", ORIGIN)
    lineage.stage("splits", "v1")
    assert lineage.read("splits") is None
    lineage.commit("splits")
    assert lineage.versions(["splits", "images"]) == {"splits": "v1", "images": ABSENT}


def test_a_record_that_cannot_be_read_is_none(lineage):
    path = lineage.lake.lineage("splits")
    path.parent.mkdir(parents=True)
    path.write_text('{"data_version": "v1", "ori')
    assert lineage.read("splits") is None


def test_only_what_was_begun_can_be_completed(lineage):
    with pytest.raises(KeyError):
        lineage.complete("splits", "v1")


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        (code_version("3", {}), code_version("4", {}), ["code version 3 -> 4"]),
        (
            code_version("1", {"image_short_side_px": 320, "forms": ("painting",)}),
            code_version("1", {"image_short_side_px": 400, "forms": ("painting", "graphics")}),
            ["forms painting -> painting,graphics", "image_short_side_px 320 -> 400"],
        ),
        (code_version("1", {}), code_version("1", {"seed": None}), ["seed unset -> default"]),
        (code_version("1", {"seed": 0}), code_version("1", {"seed": 0}), []),
    ],
)
def test_a_code_version_is_compared_in_words(before, now, told):
    assert code_changes(before, now) == told
