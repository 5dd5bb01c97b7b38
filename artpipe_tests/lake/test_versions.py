"""Which states of a Lance table can be opened, and which are dropped."""

import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import hypothesis.strategies as st
import lance
import pyarrow as pa
import pytest
from hypothesis import given

from artpipe.lake.versions import (
    NoSuchVersionError,
    TableVersion,
    compact_when_fragmented,
    drop_old_versions,
    expired_versions,
    table_versions,
    version_as_of,
)

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


def versions(*ages: timedelta) -> list[TableVersion]:
    return [TableVersion(number, NOW - age, 10) for number, age in enumerate(ages, start=1)]


def rows(first: int, count: int) -> pa.Table:
    return pa.table({"number": range(first, first + count)})


@pytest.fixture
def uri(tmp_path: Path) -> str:
    """A table of twelve commits, one row each."""
    uri = str(tmp_path / "numbers.lance")
    for number in range(12):
        lance.write_dataset(rows(number, 1), uri, mode="append" if number else "create")
    return uri


def test_a_version_goes_when_it_was_replaced_too_long_ago():
    weekly = versions(*(days * DAY for days in (60, 53, 46, 39, 32, 25, 3)))
    assert expired_versions(weekly, 30 * DAY, NOW) == [1, 2, 3, 4]
    assert expired_versions(weekly, timedelta(0), NOW) == [1, 2, 3, 4, 5, 6]


def test_only_the_last_of_successive_commits_stays():
    harvest = versions(3 * DAY, 2 * DAY, 2 * DAY - MINUTE, 2 * DAY - 2 * MINUTE)
    assert expired_versions(harvest, 30 * DAY, NOW) == [2, 3]


def test_a_just_replaced_version_stays_for_its_readers():
    assert expired_versions(versions(60 * DAY, 3 * MINUTE, 2 * MINUTE, MINUTE), timedelta(0), NOW) == []


AGES = st.lists(st.integers(0, 90 * 24 * 60), min_size=1, max_size=30, unique=True).map(
    lambda minutes: versions(*(age * MINUTE for age in sorted(minutes, reverse=True)))
)


@given(AGES, st.integers(0, 9))
def test_every_moment_of_the_retention_finds_a_state_that_was_current_within_the_hour(found, kept_days):
    dropped = set(expired_versions(found, kept_days * DAY, NOW))
    kept = [version for version in found if version.number not in dropped]
    assert kept[-1] == found[-1]
    for then in (NOW - hours * timedelta(hours=1) for hours in range(kept_days * 24)):
        if then < found[0].date:
            break
        current = version_as_of(found, then)
        following = next((v for v in found if v.number == current.number + 1), None)
        if following is None or following.date - current.date >= timedelta(hours=1):
            assert version_as_of(kept, then) == current


def test_dropped_versions_are_gone_and_kept_ones_still_open(uri: str):
    assert drop_old_versions(uri, DAY, min_current=timedelta(0)) == 0
    assert drop_old_versions(uri, DAY, NOW + 9999 * DAY) == 11
    assert [version.number for version in table_versions(uri)] == [12]
    assert lance.dataset(uri).count_rows() == 12


def test_expired_and_short_lived_versions_go_and_the_one_current_at_the_limit_stays(tmp_path: Path):
    uri = str(tmp_path / "numbers.lance")
    for number in range(4):
        lance.write_dataset(rows(number, 1), uri, mode="append" if number else "create")
        time.sleep(0.02)
    found = table_versions(uri)
    keep_for = timedelta(milliseconds=1)
    assert drop_old_versions(uri, keep_for, found[-1].date, min_current=timedelta(0)) == 2
    assert lance.dataset(uri, version=3).count_rows() == 3
    with pytest.raises(ValueError, match="not found"):
        lance.dataset(uri, version=2)


def test_versions_have_their_date_and_rows(uri: str):
    found = table_versions(uri)
    assert [version.number for version in found] == list(range(1, 13))
    assert [version.rows for version in found] == list(range(1, 13))
    assert abs(found[-1].date - datetime.now(UTC)) < timedelta(minutes=5)
    lance.dataset(uri).delete("number < 4")
    assert table_versions(uri)[-1].rows == 8


def test_a_missing_table_has_no_versions(tmp_path: Path):
    assert table_versions(str(tmp_path / "none.lance")) == []


@pytest.mark.parametrize(
    ("as_of", "number"),
    [
        (2, 2),
        ("2", 2),
        ("2026-11-28", 2),
        (date(2026, 11, 28), 2),
        (datetime(2026, 11, 28, 11, tzinfo=UTC), 1),
        ("2026-11-28T12:00", 2),
        ("2026-11-28T13:00+02:00", 1),
        ("2031-01-01", 3),
    ],
)
def test_a_version_is_named_by_number_moment_or_day(as_of, number):
    assert version_as_of(versions(9 * DAY, 2 * DAY, DAY), as_of).number == number


@pytest.mark.parametrize("as_of", [7, "2026-11-20", date(2020, 1, 1)])
def test_an_expired_version_is_an_error_that_names_the_oldest_one(as_of):
    with pytest.raises(NoSuchVersionError, match=r"oldest version is 1 of 2026-11-21 12:00 UTC, the newest 3"):
        version_as_of(versions(9 * DAY, 2 * DAY, DAY), as_of)


def test_an_invalid_date_is_refused():
    with pytest.raises(NoSuchVersionError, match="'soon' is neither a version nor a date; write 12, 2026-11-01"):
        version_as_of(versions(DAY), "soon")


def test_a_few_fragments_are_left_alone_and_many_are_compacted(uri: str):
    dataset = lance.dataset(uri, version=8)
    assert compact_when_fragmented(dataset, 100) is False
    assert compact_when_fragmented(lance.dataset(uri), 100) is True
    assert len(lance.dataset(uri).get_fragments()) == 1
    assert lance.dataset(uri).count_rows() == 12


def test_large_fragments_are_compacted_only_to_drop_deleted_rows(tmp_path: Path):
    uri = str(tmp_path / "numbers.lance")
    for number in range(20):
        lance.write_dataset(rows(10 * number, 10), uri, mode="append" if number else "create")
    assert compact_when_fragmented(lance.dataset(uri), 80) is False
    lance.dataset(uri).delete("number < 3")
    assert compact_when_fragmented(lance.dataset(uri), 80) is True
    assert [fragment.num_deletions for fragment in lance.dataset(uri).get_fragments()] == [0] * 20


def test_compacting_small_fragments_leaves_a_large_one_alone(tmp_path: Path):
    uri = str(tmp_path / "numbers.lance")
    lance.write_dataset(rows(0, 70), uri)
    for number in range(9):
        lance.write_dataset(rows(70 + number, 1), uri, mode="append")
    large = lance.dataset(uri).get_fragments()[0].metadata.files[0].path
    assert compact_when_fragmented(lance.dataset(uri), 80) is True
    joined = lance.dataset(uri).get_fragments()
    assert [fragment.count_rows() for fragment in joined] == [70, 9]
    assert large in {file.path for fragment in joined for file in fragment.metadata.files}
