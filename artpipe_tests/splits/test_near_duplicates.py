"""Pairs of near-duplicates: all of them, and none from flat pictures or common hashes."""

from itertools import combinations
from unittest.mock import patch

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from artpipe.splits.near_duplicates import find_near_duplicates, pairs_within

BALANCED = 0x00000000FFFFFFFF


def images(*hashes: int | None, artists: str | None = None, sha256: str | None = None) -> pl.DataFrame:
    """Stored images of untitled artworks with these hashes, one letter of `artists` and of `sha256` each."""
    names = [f"{i:04d}" for i in range(len(hashes))]
    return pl.DataFrame(
        {
            "artwork_id": names,
            "title": None,
            "status": "fetched",
            "artist_id": list(artists) if artists else names,
            "sha256": list(sha256) if sha256 else names,
            "perceptual_hash": [None if value is None else f"{value:016x}" for value in hashes],
        },
        schema_overrides={"perceptual_hash": pl.String, "title": pl.String},
    )


def near_duplicates(rows: pl.DataFrame) -> pl.DataFrame:
    return find_near_duplicates(rows, rows)


def flipped(value: int, bits: int) -> int:
    """The value with its `bits` lowest bits turned."""
    return value ^ ((1 << bits) - 1)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 2**64 - 1), max_size=12), st.integers(0, 12), st.sampled_from([0, 100]), st.data())
def test_every_pair_within_the_distance_is_found_once(values, max_bits, by_one_band, data):
    near = [value ^ data.draw(st.integers(0, 255)) << 20 for value in values]
    hashes = np.array([*values, *near], dtype=np.uint64)
    with patch("artpipe.splits.near_duplicates.MAX_HASHES_BY_ONE_BAND", by_one_band):
        i, j = pairs_within(hashes, max_bits)
    wanted = {
        (a, b)
        for a, b in combinations(range(len(hashes)), 2)
        if (int(hashes[a]) ^ int(hashes[b])).bit_count() <= max_bits
    }
    assert len(i) == len(wanted)
    assert set(zip(i.tolist(), j.tolist(), strict=True)) == wanted


def test_four_bits_join_two_artists_and_six_do_not():
    found = near_duplicates(images(BALANCED, flipped(BALANCED, 4), BALANCED ^ 0x3F << 50))
    assert found.rows() == [("0000", "0001", 4)]


def test_every_pair_is_found_among_many_pictures():
    first, second, third = BALANCED, 0x5555555555555555, 0x3333333333333333
    found = near_duplicates(images(first, second, third, flipped(first, 4), flipped(second, 3), flipped(third, 2)))
    assert found.rows() == [("0000", "0003", 4), ("0001", "0004", 3), ("0002", "0005", 2)]


def test_one_artist_may_differ_by_ten_bits():
    pair = (BALANCED, BALANCED ^ 0x3FF << 27)
    assert near_duplicates(images(*pair, artists="rr")).rows() == [("0000", "0001", 10)]
    assert near_duplicates(images(*pair, artists="rs")).is_empty()
    assert near_duplicates(images(BALANCED, BALANCED ^ 0x7FF << 27, artists="rr")).is_empty()


def titled(pair: pl.DataFrame, *titles: str | None) -> pl.DataFrame:
    return pair.with_columns(title=pl.Series(titles, dtype=pl.String))


def test_pictures_by_one_artist_that_share_a_distinctive_title_word_may_differ_by_sixteen_bits():
    apart = (BALANCED, BALANCED ^ 0xFFFF << 20)
    titles = ("The Abbey in the Oakwood", "Abbey In Eichwald (detail)")
    assert near_duplicates(titled(images(*apart, artists="rr"), *titles)).rows() == [("0000", "0001", 16)]
    assert near_duplicates(titled(images(*apart, artists="rs"), *titles)).is_empty()
    assert near_duplicates(titled(images(*apart, artists="rr"), "The Abbey", "The Harbour")).is_empty()
    assert near_duplicates(titled(images(*apart, artists="rr"), "The Abbey", None)).is_empty()
    half, less = ("Abbey Oakwood", "Abbey Harbour"), ("Abbey Oakwood Winter", "Abbey Harbour Summer")
    assert near_duplicates(titled(images(*apart, artists="rr"), *half)).height == 1
    assert near_duplicates(titled(images(*apart, artists="rr"), *less)).is_empty()
    assert near_duplicates(images(*apart, artists="rr")).is_empty()
    beyond = images(BALANCED, BALANCED ^ 0x1FFFF << 20, artists="rr")
    assert near_duplicates(titled(beyond, *titles)).is_empty()


def test_a_word_in_many_titles_of_an_artist_is_not_distinctive():
    hashes = (BALANCED, BALANCED ^ 0xFFFF << 20, 0x5555555555555555, 0x3333333333333333)
    titles = ("Portrait of Anna", "Portrait of Berta", "Portrait of Clara", "Portrait of Dora")
    assert near_duplicates(titled(images(*hashes, artists="rrrr"), *titles)).is_empty()
    few = images(*hashes[:2], artists="rr")
    assert near_duplicates(titled(few, *titles[:2])).height == 1


def test_two_unknown_artists_are_not_the_same_artist():
    pair = images(BALANCED, BALANCED ^ 0x3FF << 27).with_columns(artist_id=pl.lit(None, pl.String))
    assert near_duplicates(pair).is_empty()


def test_identical_files_are_a_pair_whatever_their_hash():
    assert near_duplicates(images(None, None, 0, sha256="xyx")).rows() == [("0000", "0002", 0)]


def test_flat_pictures_are_not_lookalikes():
    assert near_duplicates(images(0, 0, 1, 2**64 - 1, 2**64 - 1)).is_empty()
    for bits_set, pairs in ((11, 0), (12, 1), (52, 1), (53, 0)):
        assert near_duplicates(images(*[2**bits_set - 1] * 2)).height == pairs, bits_set


def test_a_hash_that_thousands_share_joins_none_of_them():
    crowd = images(*[BALANCED] * 3000, *[0x0F0F0F0F0F0F0F0F] * 2)
    assert near_duplicates(crowd).rows() == [("3000", "3001", 0)]


def test_a_picture_may_have_24_lookalikes_and_no_more():
    assert near_duplicates(images(*[BALANCED] * 25, artists="r" * 25)).height == 24
    assert near_duplicates(images(*[BALANCED] * 26, artists="r" * 26)).is_empty()


def test_lookalikes_by_three_artists_are_one_picture_and_by_four_a_kind_of_picture():
    alike = (BALANCED, BALANCED, flipped(BALANCED, 2), flipped(BALANCED, 4))
    assert not near_duplicates(images(*alike, artists="rsst")).is_empty()
    assert near_duplicates(images(*alike, artists="rstu")).is_empty()


def test_a_hash_with_too_many_lookalikes_joins_no_picture_of_another_hash():
    one, other = flipped(BALANCED, 4), BALANCED ^ 0xF << 40
    crowd = images(*[BALANCED] * 20, *[one] * 3, *[other] * 3, artists="r" * 20 + "sss" + "ttt")
    found = near_duplicates(crowd)
    assert found["left"].to_list() == ["0020", "0021", "0023", "0024"]


def test_copies_are_chained_not_paired_all_with_all():
    assert near_duplicates(images(*[BALANCED] * 4, artists="rrrs"))["bits"].to_list() == [0, 0, 0]


def test_no_images_give_no_pairs():
    assert near_duplicates(images()).is_empty()
