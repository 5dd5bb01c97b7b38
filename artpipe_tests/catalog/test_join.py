"""Rows of several sources become one catalogue."""

from dataclasses import replace
from typing import Any

import polars as pl
import pytest

from artpipe.catalog.join import JoinedCatalog, join_sources, read_prefixes, write_prefixes
from artpipe.catalog.rows import LABEL_PREFIX, ROWS, ReadSource, ReadSources, SourceRows
from artpipe.lake.paths import DataLake
from artpipe.schema import QUARANTINE, year_classes
from artpipe.splits.works import group_works
from artpipe.tasks import TaskDeclaration, artworks_schema


def _row(number: int, **values: Any) -> dict[str, Any]:
    return {"row_number": number, "source_id": str(number), "title": f"Work {number}"} | values


def _read(*rows: dict[str, Any], name: str = "tate", rights: str | None = None, tasks: Any = (), **labels: Any) -> Any:
    fixed = pl.DataFrame([{key: row.get(key) for key in ROWS} for row in rows], schema=ROWS)
    columns = [pl.Series(f"{LABEL_PREFIX}{task}", values, pl.List(pl.String)) for task, values in labels.items()]
    source = ReadSource(name, rights, SourceRows(fixed.with_columns(columns), QUARANTINE.to_frame()))
    return ReadSources((source,), tuple(TaskDeclaration(**task) for task in tasks) or None)


def _both(*read: ReadSources, tasks: Any = None) -> ReadSources:
    return ReadSources(tuple(source for one in read for source in one.sources), tasks)


def ids(joined: JoinedCatalog) -> list[str]:
    return joined.cleaned.artworks["artwork_id"].to_list()


def _artist(name: str, **values: Any) -> list[dict[str, Any]]:
    return [dict.fromkeys(("artist_id", "role", "born", "died", "authority_uri")) | {"name": name} | values]


def _image(url: str | None = None, **values: Any) -> dict[str, Any]:
    names = ("service", "service_version", "width_px", "height_px", "max_width_px", "max_area_px", "role")
    return dict.fromkeys(names) | {"url": url} | values


def test_a_row_becomes_an_artwork_with_its_dates_and_its_artist():
    read = _read(
        _row(3, title=" A  Boat ", artists=_artist("Wood, Christopher", born=1901, died=1930), date_text="c.1929"),
        _row(4, title=None, artists=_artist("Wood, Christopher", born=1901, died=1930)),
        _row(5, artists=_artist("Anonymous"), year_from=1850, year_to=1840),
    )
    works = join_sources(read).cleaned.artworks
    assert works.select("artwork_id", "artist_id", "title", "year_from", "year_to", "year_source").rows() == [
        ("3", "christopher-wood", "A Boat", 1929, 1929, "work"),
        ("4", "christopher-wood", "Untitled", 1915, 1915, "artist"),
        ("5", None, "Work 5", 1840, 1850, "work"),
    ]
    assert works["year_precision"].to_list() == ["circa", "unknown", "range"]
    assert works.schema == artworks_schema(join_sources(read).tasks)


def test_years_that_the_source_gives_are_taken_and_its_text_says_how_exact_they_are():
    works = join_sources(
        _read(
            _row(1, date_text="c. 1760-70", year_from=1755, year_to=1775),
            _row(2, date_text="painted for the king", year_from=1755, year_to=1755),
        )
    ).cleaned.artworks
    assert works.select("year_from", "year_to", "year_precision").rows() == [
        (1755, 1775, "circa"),
        (1755, 1755, "exact"),
    ]


def test_the_pictures_of_a_record_are_one_work():
    recto, verso = _image("http://a.example/r.jpg", role="recto"), _image("http://a.example/v.jpg", role="detail")
    read = _read(
        _row(1, title="Boats", images=[recto, verso]),
        _row(2, title="Pears", work_id="w"),
        _row(3, title="Back of the pears", work_id="w"),
        _row(4, title="Apples"),
    )
    works = join_sources(read).cleaned.artworks
    assert works.select("artwork_id", "image_url").rows() == [
        ("1", "http://a.example/r.jpg"),
        ("1~2", "http://a.example/v.jpg"),
        ("2", None),
        ("3", None),
        ("4", None),
    ]
    nothing = pl.DataFrame(schema={"left": pl.String, "right": pl.String})
    grouped = group_works(works, nothing)
    assert [ids for _, ids in grouped.group_by("work_id").agg("artwork_id").sort("work_id").rows()] == [
        ["1", "1~2"],
        ["2", "3"],
        ["4"],
    ]


def test_an_image_service_is_kept_with_an_address_for_people():
    image = _image(service="https://i.example/iiif/7", service_version=3, max_width_px=900)
    (work,) = join_sources(_read(_row(1, images=[image]))).cleaned.artworks.rows(named=True)
    assert work["image_url"] == "https://i.example/iiif/7/full/max/0/default.jpg"
    assert '"service":"https://i.example/iiif/7"' in work["image_service"]


def test_ids_get_the_source_in_front_where_there_are_several_and_held_works_keep_theirs():
    tate, met = _read(_row(1), name="tate"), _read(_row(1), _row(2), name="met")
    alone, together = join_sources(tate), join_sources(_both(tate, met))
    later = join_sources(_both(tate, met), alone.prefixes)
    assert ids(alone) == ["1"]
    assert ids(together) == ["met:1", "met:2", "tate:1"]
    assert ids(later) == ["1", "met:1", "met:2"]


def test_no_id_ever_comes_to_mean_a_work_of_another_source():
    tate, met = _read(_row(1), name="tate"), _read(_row(1), name="met")
    tate_alone = join_sources(tate)
    met_alone = join_sources(met, tate_alone.prefixes)
    tate_again = join_sources(tate, met_alone.prefixes)
    assert [ids(one) for one in (tate_alone, met_alone, tate_again)] == [["1"], ["met:1"], ["1"]]


def test_an_id_that_another_source_has_already_is_set_aside():
    read = _read(_row(1, source_id="met:1"), _row(2), name="tate")
    alone = join_sources(read)
    joined = join_sources(_both(read, _read(_row(1), _row(2), name="met")), alone.prefixes)
    assert ids(joined) == ["2", "met:1", "met:2"]
    assert joined.cleaned.artworks.filter(artwork_id="met:1")["source"].to_list() == ["tate"]
    assert joined.cleaned.quarantine.select("row_number", "reason").rows() == [
        (1, "met: the id met:1 is that of row 1 of tate")
    ]


def test_the_prefix_of_a_source_is_kept_even_where_its_ids_look_prefixed(tmp_path):
    lake = DataLake(tmp_path)
    read = _read(_row(1, source_id="oai:m:1"), name="oai")
    first = join_sources(read, read_prefixes(lake, None))
    write_prefixes(lake, first.prefixes)
    both = _both(read, _read(_row(1), name="met"))
    assert ids(join_sources(both, read_prefixes(lake, first.cleaned.artworks))) == ["met:1", "oai:m:1"]


def test_the_works_and_artists_of_a_gallery_keep_their_ids_when_it_becomes_one_of_several_sources(tmp_path):
    gallery = _read(
        _row(1, source_id="w/wood/boat", artists=_artist("WOOD, Christopher", artist_id="w/wood")), name="wga"
    )
    gallery = ReadSources((replace(gallery.sources[0], is_gallery=True),))
    tate = _read(_row(1, artists=_artist("Christopher Wood")), name="tate")
    before = pl.DataFrame({"artwork_id": ["w/wood/boat"], "source": [None]}, schema_overrides={"source": pl.String})
    works = join_sources(_both(gallery, tate), read_prefixes(DataLake(tmp_path), before)).cleaned.artworks
    assert works.select("artwork_id", "artist_id").rows() == [("tate:1", "w/wood"), ("w/wood/boat", "w/wood")]


def test_an_artist_of_two_sources_is_one_artist():
    read = _both(
        _read(_row(1, artists=_artist("Wood, Christopher")), name="tate"),
        _read(_row(1, artists=_artist("Christopher Wood")), name="met"),
    )
    assert join_sources(read).cleaned.artworks["artist_id"].to_list() == ["christopher-wood"] * 2


def test_ids_that_only_differ_in_what_a_path_cannot_have_are_told_apart_whatever_else_there_is():
    names = ["A-1", "A 1", "A(1)", "???", "B 2"]
    works = join_sources(_read(*(_row(n, source_id=name) for n, name in enumerate(names))))
    alone = join_sources(_read(_row(1, source_id="A 1")))
    assert works.cleaned.quarantine.is_empty()
    found = ids(works)
    assert len(set(found)) == len(names)
    assert "A-1" in found
    assert set(ids(alone)) < set(found)


def test_ids_of_a_gallery_are_what_they_are_in_its_own_lake():
    read = _read(_row(1, source_id="w/wood/boat (2)"), name="wga")
    gallery = ReadSources((replace(read.sources[0], is_gallery=True),))
    assert ids(join_sources(gallery)) == ["w/wood/boat (2)"]


def test_nobody_in_particular_has_the_id_of_a_gallerys_unknown_master():
    master = _artist("UNKNOWN MASTER, Flemish", artist_id="m/master")
    gallery = _read(_row(1, source_id="m/master/a", artists=master), name="wga")
    gallery = ReadSources((replace(gallery.sources[0], is_gallery=True),))
    tate = _read(_row(1), _row(2, artists=_artist("Anonymous")), name="tate")
    works = join_sources(_both(gallery, tate)).cleaned.artworks
    assert dict(works.select("source", "artist_id").unique().rows()) == {"wga": "m/master", "tate": None}


@pytest.mark.parametrize(
    ("source_id", "artwork_id"),
    [
        ("https://iiif.example/a/manifest.json", "iiif.example/a/manifest.json"),
        (" 1915.534-é ", "1915.534-é"),
        ("https://iiif.example/a b/manifest.json", "iiif.example/a-b/manifest.json-77af8ee5"),
    ],
)
def test_any_id_becomes_a_path(source_id: str, artwork_id: str):
    works = join_sources(_read(_row(1, source_id=source_id))).cleaned.artworks
    assert works["artwork_id"].to_list() == [artwork_id]


def test_rows_without_an_id_or_with_one_that_is_taken_are_set_aside_with_the_reason():
    joined = join_sources(_read(_row(1), _row(2, source_id="1"), _row(3, source_id=" "), _row(4, source_id=None)))
    assert joined.cleaned.artworks["artwork_id"].to_list() == ["1"]
    assert joined.cleaned.quarantine.select("row_number", "reason").rows() == [
        (2, "the id 1 is in row 1 already"),
        (3, "it has no id"),
        (4, "it has no id"),
    ]
    several = join_sources(_both(_read(_row(1), _row(2, source_id="1")), _read(_row(1), name="met")))
    assert several.cleaned.quarantine["reason"].to_list() == ["tate: the id 1 is in row 1 already"]


def test_only_open_works_are_allowed_where_the_source_or_the_setting_says_so():
    rows = (_row(1, is_open=True), _row(2, is_open=False), _row(3))
    asks, tells = _read(*rows, rights="open"), _read(*rows)
    allowed = [
        join_sources(read, rights=rights).cleaned.artworks["is_allowed"].to_list()
        for read, rights in ((asks, None), (asks, "all"), (tells, None), (tells, "open"))
    ]
    assert allowed == [[True, False, False], [True] * 3, [True] * 3, [True, False, False]]


def test_classes_are_learned_from_the_column_where_enough_works_have_them():
    movements = [["Cubism"], ["Cubism", "Surrealism"], ["Surrealism"], ["Dada"], None, []]
    read = _read(*(_row(n) for n in range(6)), movement=movements, tasks=[{"name": "movement", "min_works": 2}])
    joined = join_sources(read)
    assert joined.tasks["movement"].classes == ("Cubism", "Surrealism")
    assert joined.cleaned.artworks["movement"].to_list() == ["Cubism", "Cubism", "Surrealism", None, None, None]


@pytest.mark.parametrize(("rule", "kept"), [("first", "B"), ("most_common", "A"), ("rarest", "C"), ("none", None)])
def test_one_of_several_labels_is_kept_by_the_rule(rule: str, kept: str | None):
    labels = [["B", "A", "C"], ["A"], ["A"], ["B"]]
    declared = [{"name": "movement", "min_works": 1, "several": rule}]
    joined = join_sources(_read(*(_row(n) for n in range(4)), movement=labels, tasks=declared))
    assert joined.cleaned.artworks["movement"][0] == kept


def test_labels_that_are_too_rare_to_be_a_class_are_said():
    movements = [["Cubism"]] * 3 + [["Dada"], ["Dada"], ["Orphism"]]
    read = _read(*(_row(n) for n in range(6)), movement=movements, tasks=[{"name": "movement", "min_works": 3}])
    (note,) = join_sources(read).notes
    assert note.startswith("`movement`: labels that fewer than 3 works have count as unknown (Dada 2, Orphism 1); ")


def test_a_task_without_a_class_is_said_and_left_without_labels():
    joined = join_sources(_read(_row(1), movement=[["Cubism"]], tasks=[{"name": "movement"}]))
    assert joined.tasks["movement"].classes == ()
    assert joined.notes == ("`movement` has no class with 20 works; the most frequent has 1, so it is not predicted.",)


@pytest.mark.parametrize(
    ("declared", "note"),
    [
        ({"name": "movment"}, "`movment` is in `labels` of no source; did you mean 'movement'?"),
        (
            {"name": "movement", "classes": ["Cubsm", "Dada"]},
            "`movement`: no work has the class Cubsm; other labels are Cubism 1.",
        ),
    ],
)
def test_a_declared_task_that_the_rows_do_not_bear_out_is_said(declared: dict[str, Any], note: str):
    read = _read(_row(1), _row(2), movement=[["Cubism"], ["Dada"]], tasks=[declared])
    assert join_sources(read).notes == (note,)


def test_without_a_declaration_every_column_of_labels_is_a_task_and_so_is_the_period():
    joined = join_sources(_read(_row(1), movement=[["Cubism"]]))
    assert joined.tasks.names == ("movement", "period")
    assert joined.tasks["period"].classes[0] == "before 1350"


def test_classes_between_years_are_named_by_them():
    assert year_classes((1800, 1900)) == ("before 1800", "1800-1900", "after 1900")
