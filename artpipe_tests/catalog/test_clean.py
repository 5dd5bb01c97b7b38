"""Catalogue rows become artworks with an artist, years and a style."""

import csv
import io
import random
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest

from artpipe.catalog.artists import parse_artist_list
from artpipe.catalog.clean import CleanedCatalog, clean_artworks
from artpipe.catalog.parse import COLUMNS, parse_catalog
from artpipe.schema import ARTISTS, ARTWORKS, QUARANTINE, STYLES, TYPES

SITE = "https://site.example"


def work(page: str = "o/orn/pears", **changed: str) -> dict[str, str]:
    values = dict.fromkeys(COLUMNS, "-") | {
        "author": "ÖRN, Åsa",
        "born-died": "(b. 1500, Näs, d. 1560, Näs)",
        "title": "Pears",
        "date": "1530",
        "url": f"{SITE}/html/{page}.html",
        "form": "painting",
        "type": "still-life",
    }
    return values | changed


def artist(artist_id: str, name: str, **changed: str | None) -> dict[str, object]:
    values: dict[str, object] = dict.fromkeys(ARTISTS, None)
    return values | {"artist_id": artist_id, "name": name, "dates_text": "(1500-1560)", "period": "Baroque"} | changed


ORN = artist("o/orn", "ÖRN, Åsa")


def written(rows: Sequence[dict[str, str]], delimiter: str = "\t") -> str:
    lines = [[column.upper() for column in COLUMNS], *([row[column] for column in COLUMNS] for row in rows)]
    if delimiter == "\t":
        return "".join("\t".join(line) + "\r\n" for line in lines)
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter).writerows(lines)
    return out.getvalue()


def cleaned(*rows: dict[str, str], artists: Sequence[dict[str, object]] = (ORN,)) -> CleanedCatalog:
    return clean_artworks(parse_catalog(written(rows).encode()), pl.DataFrame(list(artists), schema=ARTISTS))


def only(*rows: dict[str, str], artists: Sequence[dict[str, object]] = (ORN,)) -> dict[str, object]:
    artworks = cleaned(*rows, artists=artists).artworks
    assert artworks.height == 1
    return artworks.row(0, named=True)


def test_an_artwork_keeps_the_addresses_of_the_site_and_is_known_by_its_page():
    found = only(work())
    assert found["artwork_id"] == "o/orn/pears"
    assert found["page_url"] == f"{SITE}/html/o/orn/pears.html"
    assert found["image_url"] == f"{SITE}/art/o/orn/pears.jpg"
    assert found["date_text"] == "1530"
    assert found["school"] is None


@pytest.mark.parametrize(
    ("page", "artwork_id"),
    [("o/orn/pears", "o/orn/pears"), ("o/orn/1still/pears_2", "o/orn/1still/pears_2"), ("o/orn/pears.", "o/orn/pears")],
)
def test_ids_and_image_addresses_follow_the_page(page: str, artwork_id: str):
    found = only(work(url=f"https://www.wga.hu/html/{page}.html"))
    assert found["artwork_id"] == artwork_id
    assert found["image_url"] == f"https://www.wga.hu/art/{artwork_id}.jpg"


def test_the_tables_have_their_schemas_even_without_a_row():
    for result in (cleaned(work()), cleaned(work(url="-"))):
        assert result.artworks.schema == ARTWORKS
        assert result.quarantine.schema == QUARANTINE


@pytest.mark.parametrize("folder", ["o/orn", "o/orn/1still", "o/orn/1still/2"])
def test_a_work_joins_its_artist_by_folder_whatever_the_name(folder: str):
    found = only(work(f"{folder}/pears", author="SOMEBODY"))
    assert (found["artist_id"], found["artist"], found["style"]) == ("o/orn", "ÖRN, Åsa", "Baroque")


def test_the_nearest_folder_wins():
    brother = artist("o/orn/bo", "ÖRN, Bo", period="Rococo")
    assert only(work("o/orn/bo/late/pears"), artists=[ORN, brother])["artist"] == "ÖRN, Bo"
    assert only(work("o/orn/bob/pears"), artists=[ORN, brother])["artist"] == "ÖRN, Åsa"


def test_a_work_elsewhere_joins_its_artist_by_name():
    found = only(work("z/mixed/pears", author="Orn; asa"))
    assert (found["artist_id"], found["artist"], found["style"]) == ("o/orn", "ÖRN, Åsa", "Baroque")


def test_a_work_under_an_alias_joins_the_artist_meant():
    alias = artist("~bear", "BEAR", alias_of="o/orn", period="Rococo")
    found = only(work("z/mixed/pears", author="BEAR"), artists=[ORN, alias])
    assert (found["artist_id"], found["artist"], found["style"]) == ("o/orn", "ÖRN, Åsa", "Baroque")


@pytest.mark.parametrize("page", ["l/lukasz/pears", "z/mixed/pears"])
@pytest.mark.parametrize(("code_page", "taken_for"), [("cp1250", "cp1252"), ("utf-8", "latin-1")])
def test_a_name_damaged_by_a_code_page_is_repaired_from_the_list(page: str, code_page: str, taken_for: str):
    name = "ŁUKASZ, Żółty"
    damaged = name.encode(code_page).decode(taken_for)
    assert damaged != name
    found = only(work(page, author=damaged), artists=[artist("l/lukasz", name)])
    assert (found["artist_id"], found["artist"]) == ("l/lukasz", name)


def test_an_unknown_artist_has_a_name_and_no_style():
    found = only(work("z/mixed/pears", author="UNKNOWN MASTER"))
    assert (found["artist_id"], found["artist"], found["style"]) == (None, "UNKNOWN MASTER", None)


def test_a_dated_work_has_its_own_years():
    found = only(work(date="c. 1530-35"))
    assert (found["year_from"], found["year_to"]) == (1530, 1535)
    assert (found["year_precision"], found["year_source"], found["date_flags"]) == ("circa", "work", [])


def test_an_undated_work_has_the_middle_of_its_artists_life():
    found = only(work(date="-"))
    assert (found["year_from"], found["year_to"]) == (1530, 1530)
    assert (found["year_precision"], found["year_source"], found["date_flags"]) == ("unknown", "artist", [])


def test_the_dates_of_an_artist_outside_the_list_are_those_of_the_row():
    found = only(work("z/x/pears", author="NOBODY", date="-", **{"born-died": "(active 1700-1720 in Näs)"}))
    assert (found["year_from"], found["year_source"]) == (1710, "artist")


def test_an_undated_work_of_an_undated_artist_has_no_year():
    found = only(work("z/x/pears", author="NOBODY", date="-", **{"born-died": "(unknown)"}))
    assert (found["year_from"], found["year_to"], found["year_source"]) == (None, None, "none")


def test_years_before_christ_are_negative_whether_the_works_or_the_artists():
    potter = {"author": "NOBODY", "born-died": "(active c. 530-510 B.C.)"}
    found = only(work("z/x/cup", date="ca. 520-515 B.C.", **potter))
    assert (found["year_from"], found["year_to"], found["date_flags"]) == (-520, -515, [])
    assert only(work("z/x/cup", date="-", **potter))["year_from"] == -520
    assert only(work("z/x/cup", date="520", **potter))["date_flags"] == ["outside_life"]


@pytest.mark.parametrize("date", ["No. 1534", "A.H. 935", "1534.12"])
def test_a_number_that_is_no_year_is_flagged_and_never_counted_as_one(date: str):
    found = only(work(date=date))
    assert (found["year_from"], found["year_source"], found["date_flags"]) == (1530, "artist", ["not_a_year"])


@pytest.mark.parametrize("date", ["1499", "1561", "1550-70", "17th century", "before 1490", "after 1570", "c. 1570"])
def test_years_outside_the_artists_life_are_flagged(date: str):
    found = only(work(date=date))
    assert found["date_flags"] == ["outside_life"]
    assert found["year_source"] == "work"


@pytest.mark.parametrize("date", ["1500", "1560", "16th century", "1560s", "before 1600", "after 1490", "c. 1563"])
def test_years_that_may_lie_in_the_artists_life_are_not_flagged(date: str):
    assert only(work(date=date))["date_flags"] == []


def test_a_typo_is_read_only_if_the_artists_life_leaves_one_reading():
    assert only(work(date="15430"))["year_source"] == "artist"
    found = only(work(date="11530"))
    assert (found["year_from"], found["year_source"], found["date_flags"]) == (1530, "work", ["typo"])


@pytest.mark.parametrize(
    "title",
    [
        "Pears (detail)",
        "Pears (details)",
        "Pears (detail of the left wing)",
        "Pears (left wing, detail)",
        "Pears(Detail of a leaf)",
        "Pears, detail",
        "Pears, detail of the stalk",
        "Pears: detail from the left",
        "Detail of the frame",
        "Pears detail)",
    ],
)
def test_a_detail_is_known_by_its_title(title: str):
    assert only(work(title=title))["is_detail"] is True


@pytest.mark.parametrize(
    "title", ["Pears", "Two Heads and Several Details", "Pears (copy of a detail)", "Detailed Map"]
)
def test_a_work_about_details_is_no_detail(title: str):
    assert only(work(title=title))["is_detail"] is False


def test_types_are_spelled_in_one_way():
    assert only(work(type="Still Life"))["type"] == "still-life"
    assert only(work(type="abstract"))["type"] is None


def test_blanks_around_and_inside_a_field_are_tidied():
    assert only(work(title="  Pears   and\u00a0Plums "))["title"] == "Pears and Plums"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"url": "-"}, "no URL"),
        ({"url": f"{SITE}/picture.html"}, "the URL is not the page of a work below /html/"),
        ({"url": f"{SITE}/html/o/orn/index.html"}, "the URL is not the page of a work below /html/"),
        ({"title": " "}, "no title"),
    ],
)
def test_a_row_that_is_no_artwork_is_quarantined_with_its_reason(changed: dict[str, str], reason: str):
    result = cleaned(work("o/orn/plums"), work(**changed))
    assert result.artworks["artwork_id"].to_list() == ["o/orn/plums"]
    assert result.quarantine.select("row_number", "reason").rows() == [(2, reason)]


def test_of_two_rows_for_one_page_the_same_one_stays_in_any_order():
    pair = [work(title="Pears"), work(title="Apples")]
    first, second = cleaned(*pair), cleaned(*reversed(pair))
    assert first.artworks["title"].to_list() == second.artworks["title"].to_list() == ["Apples"]
    assert first.quarantine["reason"].to_list() == ["the artwork o/orn/pears is in row 2 already"]
    assert second.quarantine["row_number"].to_list() == [2]


def catalogue() -> list[dict[str, str]]:
    dates = ["1530", "c. 1540", "-", "15430", "16th century", "1570"]
    titles = ["Pears", 'The "Blue" Hour', "Näs; at Night", "Pears (detail)"]
    return [
        work(f"o/orn/{number:03d}", title=titles[number % 4], date=dates[number % 6], author=f"ÖRN, {number % 3}")
        for number in range(60)
    ]


@pytest.mark.parametrize("delimiter", ["\t", ";"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_the_result_does_not_depend_on_order_delimiter_or_encoding(delimiter: str, encoding: str):
    rows = catalogue()
    expected = cleaned(*rows).artworks
    random.Random(0).shuffle(rows)
    parsed = parse_catalog(written(rows, delimiter).encode(encoding))
    assert clean_artworks(parsed, pl.DataFrame([ORN], schema=ARTISTS)).artworks.equals(expected)
    assert expected["artwork_id"].is_sorted()


def read(gallery: Path, catalog: str) -> tuple[int, CleanedCatalog]:
    parsed = parse_catalog((gallery / catalog).read_bytes())
    artists = parse_artist_list((gallery / "site/cgi-bin/artist.html").read_bytes())
    assert artists["artist_id"].n_unique() == artists.height == 6365
    assert artists["alias_of"].count() == 777
    assert set(artists["alias_of"].drop_nulls()) <= set(artists["artist_id"])
    return parsed.rows.height + parsed.quarantine.height, clean_artworks(parsed, artists)


@pytest.mark.shared
def test_the_full_catalogue_adds_up_and_nearly_every_painting_has_a_style(shared_gallery: Path):
    rows, result = read(shared_gallery, "full_catalogue/data_txt.zip")
    assert result.artworks.height + result.quarantine.height == rows == 44_809
    paintings = result.artworks.filter(pl.col("form") == "painting")
    styled = paintings["style"].is_not_null().mean()
    assert isinstance(styled, float)
    assert styled >= 0.975
    assert set(result.artworks["style"].drop_nulls()) <= set(STYLES)
    assert set(paintings["type"]) == set(TYPES)
    undated = paintings.filter(pl.col("year_precision") == "unknown")
    assert undated.height <= 3_758
    assert paintings["year_from"].null_count() == 0
    assert paintings.filter(pl.col("year_from") > pl.col("year_to")).is_empty()


@pytest.mark.shared
def test_the_recorded_catalogue_adds_up(shared_gallery: Path):
    rows, result = read(shared_gallery, "site/database/download/data_txt.zip")
    assert result.artworks.height + result.quarantine.height == rows == 4_902
    assert result.artworks["artwork_id"].n_unique() == result.artworks.height


def test_html_entities_become_the_characters_they_stand_for():
    found = only(
        work(title="Salt &amp; Pepper &#333; Caf&eacute; &#x41;", location="R&D; A&B &nosuch;", technique="&lt;oil&gt;")
    )
    assert found["title"] == "Salt & Pepper ō Café A"
    assert found["location"] == "R&D; A&B &nosuch;"
    assert found["technique"] == "<oil>"
