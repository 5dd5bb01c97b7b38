"""What a change at the source, in a setting or in the code makes run again, and exactly how much work it is."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import polars as pl
import pytest

from artpipe.orchestration.declaration import DECLARED
from artpipe.orchestration.runner import RefreshOptions, RefreshReport
from artpipe.search import Collection
from artpipe.splits.overrides import OverrideFiles, write_label, write_same_work

ROOTS = {"raw_catalog", "raw_artists"}
CATALOG = {"catalog_changes", "tasks", "artworks", "quarantine"}
PICTURES = {"wanted_images", "images"}
TABLE = {"embeddings", "vectors", "text_index", "text_encoder"}
NEIGHBOURS = {"search_index", "local_features", "art_map", "novelty_scale"}
ASSIGNED = {"splits", "training_set", "evaluation_report", "novelty_scale"}
MODEL = {"classifier", "served_model", "refitted_model", "painting_detector"}
SUSPECTS = {"suspect_labels"}


Then = Callable[[RefreshReport], object]


@dataclass(frozen=True)
class Row:
    """One row of the matrix.

    Attributes:
        change: done to the gallery or by a person; it may return what must hold after the refresh.
        runs: the assets that must run, the roots apart.
        images: image files sent with a body, decoded and stored.
        spoiled: image files sent with a body that are no pictures, now as before: no bytes of theirs are held that a
            conditional request could be about.
        embedded: pictures run through a network: that of the chosen model, which measures, and that of its refit.
        files: other files sent with a body.
        settings: other than usual.
    """

    change: Callable[..., Then | None]
    runs: set[str]
    images: int = 0
    spoiled: int = 0
    embedded: int = 0
    files: int = 0
    settings: dict[str, object] = field(default_factory=dict[str, object])


def republished_in_another_order(upkeep):
    upkeep.gallery.publish(upkeep.gallery.lines()[::-1])


def republished_as_utf_8(upkeep):
    upkeep.gallery.publish(upkeep.gallery.lines(), encoding="utf-8")


def republished_with_semicolons(upkeep):
    upkeep.gallery.publish(upkeep.gallery.lines(), delimiter=";")


def a_title_corrected(upkeep):
    corrected, title = upkeep.works()[3], "A Title nobody else Has"
    upkeep.gallery.edit(corrected, lambda row: row | {"TITLE": title})

    def search_gives_it(report: RefreshReport) -> None:
        assert report.work["rows_updated"] == 1
        assert Collection.open(upkeep.lake).get(corrected)["title"] == title

    return search_gives_it


def a_type_corrected(upkeep):
    upkeep.gallery.edit(upkeep.works(type="portrait")[0], lambda row: row | {"TYPE": "genre"})


def a_style_corrected(upkeep):
    artists = upkeep.table("artists")
    usable = upkeep.table("splits")["artist_id"].drop_nulls().value_counts().sort("count", "artist_id")
    artist = artists.filter(pl.col("artist_id") == usable["artist_id"][0], pl.col("alias_of").is_null()).row(
        0, named=True
    )
    other = "Baroque" if artist["period"] != "Baroque" else "Rococo"
    upkeep.gallery.move_artist(artist["name"], artist["period"], other)


def one_painting_added(upkeep):
    upkeep.gallery.add_like(upkeep.works()[0])


def many_paintings_added(upkeep):
    upkeep.gallery.add_like(upkeep.works()[0], count=8)


def one_image_replaced(upkeep):
    upkeep.gallery.hang(upkeep.works()[0])


def one_painting_withdrawn(upkeep):
    withdrawn = upkeep.works()[0]
    assert withdrawn in Collection.open(upkeep.lake)
    upkeep.gallery.edit(withdrawn, lambda _: None)

    def search_does_not_find_it(_: RefreshReport) -> None:
        assert withdrawn not in Collection.open(upkeep.lake)

    return search_does_not_find_it


def a_gone_image_comes_back(upkeep):
    from artpipe.images.store import ImageStore

    upkeep.gallery.hang(ImageStore(upkeep.lake).outcomes().filter(status="gone")["artwork_id"][0])


def a_label_corrected(upkeep):
    corrected = upkeep.works(type="portrait")[0]
    set_type(upkeep, corrected, "genre")

    def search_gives_it_and_the_catalogue_keeps_its_own(report: RefreshReport) -> None:
        assert report.work["rows_updated"] == 1
        assert Collection.open(upkeep.lake).get(corrected)["type"] == "genre"
        assert upkeep.table("splits").filter(artwork_id=corrected)["type"].to_list() == ["genre"]
        assert upkeep.table("artworks").filter(artwork_id=corrected)["type"].to_list() == ["portrait"]

    return search_gives_it_and_the_catalogue_keeps_its_own


def a_label_confirmed(upkeep):
    set_type(upkeep, upkeep.works(type="portrait")[0], "portrait")


def set_type(upkeep, artwork_id: str, type_: str) -> None:
    label = {"artwork_id": artwork_id, "task": "type", "label": type_, "by": "anna", "reason": "", "at": ""}
    write_label(OverrideFiles.from_settings(upkeep.settings()), label)


def two_works_joined(upkeep):
    left, right = upkeep.works()[:2]
    write_same_work(
        OverrideFiles.from_settings(upkeep.settings()),
        {"left": left, "right": right, "by": "anna", "reason": "", "at": ""},
    )


def nothing(_):
    pass


DOWN_FROM_IMAGES = {"images", *ASSIGNED, *TABLE, *NEIGHBOURS}
DESCRIBED = {*CATALOG, *SUSPECTS}
MATRIX = {
    "nothing": Row(nothing, set()),
    "the catalogue in another order": Row(republished_in_another_order, CATALOG, files=1),
    "the catalogue in another encoding": Row(republished_as_utf_8, CATALOG, files=1),
    "the catalogue with another delimiter": Row(republished_with_semicolons, CATALOG, files=1),
    "a title": Row(a_title_corrected, {*DESCRIBED, "wanted_images", "splits", "evaluation_report", *TABLE}, files=1),
    "a type": Row(a_type_corrected, {*DESCRIBED, "wanted_images", *ASSIGNED, *TABLE}, files=1),
    "a style": Row(a_style_corrected, {"artists", *DESCRIBED, "wanted_images", *ASSIGNED, *TABLE}, files=1),
    "one painting more": Row(
        one_painting_added, {*DESCRIBED, "wanted_images", *DOWN_FROM_IMAGES}, images=1, embedded=2, files=1
    ),
    "one image replaced": Row(
        one_image_replaced, DOWN_FROM_IMAGES, images=1, spoiled=4, embedded=2, settings={"revalidate_after_days": 0}
    ),
    "one painting withdrawn": Row(one_painting_withdrawn, {*DESCRIBED, "wanted_images", *DOWN_FROM_IMAGES}, files=1),
    "a gone image back": Row(
        a_gone_image_comes_back,
        DOWN_FROM_IMAGES,
        images=1,
        spoiled=4,
        embedded=2,
        settings={"revalidate_after_days": 0},
    ),
    "many paintings more": Row(
        many_paintings_added,
        {*DESCRIBED, "wanted_images", *DOWN_FROM_IMAGES, "backbone_features", *MODEL},
        images=8,
        embedded=2 * (113 + 8),
        files=1,
    ),
    "a hyper-parameter": Row(
        nothing,
        {*MODEL, *SUSPECTS, "evaluation_report", *TABLE, *NEIGHBOURS},
        embedded=2 * 113,
        settings={"learning_rate": 0.002},
    ),
    "the image size": Row(
        nothing,
        {*DOWN_FROM_IMAGES, "backbone_features", *MODEL, *SUSPECTS},
        images=113,
        # The model chosen before looks at the 14 test works in their new size, too, to be compared with the new one.
        embedded=2 * 113 + 14,
        settings={"image_short_side_px": 96},
    ),
    "margins kept, where no picture has any": Row(nothing, {"images"}, settings={"trim_margins": False}),
    "a label corrected by a person": Row(a_label_corrected, {*ASSIGNED, *TABLE, *SUSPECTS}),
    "a label confirmed by a person": Row(a_label_confirmed, {"splits", *SUSPECTS}),
    "two works joined by a person": Row(two_works_joined, {*ASSIGNED, *TABLE}),
    "from when a label is unsure": Row(nothing, {"evaluation_report"}, settings={"abstain_below": 0.7}),
    "a search setting": Row(nothing, {"search_index"}, settings={"search_recall": 0.95}),
}


@pytest.mark.parametrize("row", MATRIX.values(), ids=MATRIX.keys())
def test_a_change_runs_what_depends_on_it_and_nothing_else(upkeep, row):
    then = row.change(upkeep)
    report: RefreshReport = upkeep.refresh(**row.settings)
    bodies = upkeep.gallery.bodies()
    assert set(report.ran) == ROOTS | row.runs
    assert report.reused == []
    assert len([path for path in bodies if path.startswith("/art/")]) == row.images + row.spoiled
    assert len([path for path in bodies if not path.startswith("/art/")]) == row.files
    assert (report.work["images_fetched"], report.work["images_decoded"]) == (row.images, row.images + row.spoiled)
    assert report.work["images_embedded"] == row.embedded
    assert_whole(upkeep)
    if then is not None:
        then(report)
    assert upkeep.needing_a_run(**settled(row)) == set()


def settled(row: Row) -> dict[str, object]:
    """The settings under which the collection is up to date after the row's change."""
    return {name: value for name, value in row.settings.items() if name != "revalidate_after_days"}


def assert_whole(upkeep) -> None:
    """Every usable image stands in the table once, and nothing else does."""
    from artpipe.embedding.table import EmbeddingTable

    usable = upkeep.table("splits")["artwork_id"].sort().to_list()
    assert EmbeddingTable(upkeep.lake).read(["artwork_id"])["artwork_id"].to_list() == usable


def test_force_asks_at_once_for_the_images_that_are_not_stored_and_for_no_others(upkeep):
    from artpipe.images.missing import picture_outcomes, without_picture

    missing = without_picture(picture_outcomes(upkeep.lake))
    gone = missing.filter(outcome="gone")["artwork_id"][0]
    upkeep.gallery.hang(gone)
    report: RefreshReport = upkeep.refresh(RefreshOptions("images", force=True))
    asked = [path for _, path, _ in upkeep.gallery.server.requests if path.startswith("/art/")]
    assert set(asked) == {f"/art/{name}.jpg" for name in missing["artwork_id"]}
    assert report.work["images_fetched"] == 1
    assert picture_outcomes(upkeep.lake).filter(artwork_id=gone)["outcome"].to_list() == ["stored"]


def test_a_changed_code_version_runs_its_asset_alone(upkeep, monkeypatch: pytest.MonkeyPatch):
    edited = replace(DECLARED["evaluation_report"], version="edited")
    monkeypatch.setitem(DECLARED, "evaluation_report", edited)
    report = upkeep.refresh()
    assert set(report.ran) == {*ROOTS, "evaluation_report"}
    assert report.reused == []
    assert report.work["images_embedded"] == report.work["images_fetched"] == 0
