"""Splits by hash of the work, and artists held out whole."""

import polars as pl
import pytest

from artpipe.schema import splits_schema
from artpipe.settings import Settings
from artpipe.splits.assign import SplitConfig, SplitSharesError, hash_fraction, split_counts
from artpipe.splits.leaks import (
    class_balance,
    classes_missing_from_train,
    crossing_works,
    trained_but_held_out,
    unknown_artists_among_unseen,
    unseen_artists_elsewhere,
)
from artpipe.tasks import WGA_TASKS
from artpipe_tests.splits.conftest import assigned

SPLITS = splits_schema(WGA_TASKS)


def many(catalogue, artists=60, each=20):
    return catalogue(*({"artwork_id": f"a{a:02d}/w{w:02d}"} for a in range(artists) for w in range(each)))


def test_the_hash_is_pinned():
    assert hash_fraction("artpipe", "work", "a/aachen/allegory") == pytest.approx(0.3810500613292138, abs=1e-12)


def test_works_are_assigned_80_10_10(catalogue):
    counts = split_counts(assigned(many(catalogue), SplitConfig(unseen_artist_share=0)))
    assert counts["unseen_artists"] == 0
    assert counts["train"] / 1200 == pytest.approx(0.8, abs=0.04)
    assert counts["validation"] / 1200 == pytest.approx(0.1, abs=0.03)
    assert counts["test"] / 1200 == pytest.approx(0.1, abs=0.03)


def test_artists_are_held_out_whole(catalogue):
    table = assigned(many(catalogue), SplitConfig(unseen_artist_share=0.2))
    per_artist = table.group_by("artist_id").agg(pl.len(), (pl.col("split") == "unseen_artists").sum().alias("unseen"))
    assert set(per_artist["unseen"]) == {0, 20}
    assert unseen_artists_elsewhere(table).is_empty()


def test_another_salt_gives_another_assignment(catalogue):
    made = many(catalogue)
    assert not assigned(made, SplitConfig(salt="a")).equals(assigned(made, SplitConfig(salt="b")))


def test_a_larger_test_share_moves_no_work_out_of_the_test_split(catalogue):
    made = many(catalogue)
    small, large = (set(assigned(made, SplitConfig(test=t)).filter(split="test")["artwork_id"]) for t in (0.1, 0.2))
    assert small < large


def test_an_artist_who_shares_a_work_with_a_seen_one_is_not_unseen(catalogue):
    config = SplitConfig(unseen_artist_share=0.5)
    unseen, seen = pick(config, held_out=True), pick(config, held_out=False)
    rows = [{"artwork_id": f"{artist}/{i}"} for artist in (unseen, seen) for i in range(3)]
    assert set(assigned(catalogue(*rows), config).filter(artist_id=unseen)["split"]) == {"unseen_artists"}
    rows[0]["sha256"] = rows[3]["sha256"] = "one file, two names"
    table = assigned(catalogue(*rows), config)
    assert "unseen_artists" not in table["split"].to_list()
    assert crossing_works(table).is_empty()


def test_two_unseen_artists_may_share_a_work(catalogue):
    config = SplitConfig(unseen_artist_share=0.5)
    first, second = (pick(config, held_out=True, skip=skip) for skip in (0, 1))
    rows = ({"artwork_id": f"{artist}/1", "sha256": "one file, two names"} for artist in (first, second))
    assert assigned(catalogue(*rows), config)["split"].to_list() == ["unseen_artists"] * 2


def test_an_unknown_artist_is_never_unseen(catalogue):
    made = catalogue(*({"artwork_id": f"m/{i}", "artist_id": None} for i in range(50)))
    table = assigned(made, SplitConfig(unseen_artist_share=0.99))
    assert split_counts(table)["unseen_artists"] == 0
    assert unknown_artists_among_unseen(table).is_empty()


def pick(config: SplitConfig, *, held_out: bool, skip: int = 0) -> str:
    """An invented artist that the hash holds out, or not."""
    names = (f"artist{i}" for i in range(1000))
    right = [n for n in names if (hash_fraction(config.salt, "artist", n) < config.unseen_artist_share) is held_out]
    return right[skip]


def test_only_stored_images_are_rows(catalogue):
    made = catalogue(
        *({"artwork_id": f"a/{s}", "status": s} for s in ("fetched", "unchanged", "gone", "refused", "failed"))
    )
    table = assigned(made, SplitConfig())
    assert table["artwork_id"].to_list() == ["a/fetched", "a/unchanged"]
    assert table.schema == SPLITS


def test_the_table_is_sorted(catalogue):
    table = assigned(catalogue({"artwork_id": "b/2"}, {"artwork_id": "a/1"}, {"artwork_id": "c/3"}))
    assert table["artwork_id"].to_list() == ["a/1", "b/2", "c/3"]


def test_the_settings_give_the_salt_and_the_share_of_unseen_artists(tmp_path):
    settings = Settings(lake_root=str(tmp_path), split_salt="pepper", unseen_artist_share=0.3)
    assert SplitConfig.from_settings(settings) == SplitConfig("pepper", 0.3)


def test_labels_come_from_the_artwork(catalogue):
    made = catalogue({"artwork_id": "a/1", "year_from": 1449, "year_to": 1452, "style": None, "type": "genre"})
    row = assigned(made, SplitConfig()).row(0, named=True)
    assert (row["style"], row["period"], row["type"], row["jpeg_sha256"]) == (None, "1450-1550", "genre", "jpeg of a/1")


def test_no_image_gives_an_empty_table(catalogue):
    table = assigned(catalogue(), SplitConfig())
    assert table.schema == SPLITS
    assert split_counts(table) == {"train": 0, "validation": 0, "test": 0, "unseen_artists": 0}


@pytest.mark.parametrize("shares", [{"test": 0.6, "validation": 0.4}, {"test": -0.1}, {"unseen_artist_share": 1.0}])
def test_shares_that_leave_nothing_to_train_on_are_refused(shares):
    with pytest.raises(SplitSharesError, match="choose shares"):
        SplitConfig(**shares)


def table_of(*rows: tuple[str, str, str | None, str | None]) -> pl.DataFrame:
    """Rows of `splits`: work, split, artist, style."""
    blank = dict.fromkeys(SPLITS)
    named = (
        blank | {"artwork_id": f"{i}", "work_id": w, "split": s, "artist_id": a, "style": style}
        for i, (w, s, a, style) in enumerate(rows)
    )
    return pl.DataFrame(list(named), schema=SPLITS)


def test_a_crossing_work_is_reported_with_its_rows():
    table = table_of(("w", "train", "a", None), ("w", "test", "a", None), ("v", "test", "a", None))
    assert crossing_works(table).rows() == [("w", ["test", "train"], ["0", "1"])]


def test_an_unseen_artist_with_work_elsewhere_is_reported():
    table = table_of(("v", "unseen_artists", "a", None), ("w", "train", "a", None), ("x", "unseen_artists", None, None))
    assert unseen_artists_elsewhere(table)["artwork_id"].to_list() == ["1"]
    assert unknown_artists_among_unseen(table)["artwork_id"].to_list() == ["2"]


def test_a_class_with_held_out_rows_and_no_training_row_is_reported():
    table = table_of(
        ("u", "train", "a", "Rococo"), ("v", "test", "a", "Realism"), ("w", "test", "a", "Realism"),
        ("x", "test", "a", "Rococo"), ("y", "validation", "a", None),
    )  # fmt: skip
    assert classes_missing_from_train(table).rows() == [("style", "Realism", "test", 2)]


def test_class_balance_counts_unknown_labels_too():
    table = table_of(("u", "train", "a", "Rococo"), ("v", "train", "a", None), ("w", "train", "a", "Rococo"))
    assert class_balance(table).filter(task="style").rows() == [
        ("style", "Rococo", "train", 2),
        ("style", None, "train", 1),
    ]


def test_held_out_rows_that_an_old_training_set_trains_on_are_reported():
    old = table_of(("u", "train", "a", None), ("v", "test", "a", None), ("w", "train", "a", None))
    new = table_of(("u", "train", "a", None), ("v", "test", "a", None), ("w", "test", "a", None))
    assert trained_but_held_out(new, old).rows() == [("2", "test")]
