"""How columns become fields."""

import json

import pytest

from artpipe.sources.mapping import BadMappingError

TABLE = "id,title,artist,dates,year,last,url,license,style,note\n"


def row(read_table, line: str, **keys):
    found = read_table(TABLE + line + "\n", **keys)
    return found.rows.row(0, named=True), found.notes


def value_of(read_table, cell: str, mapping) -> str | None:
    """What a mapping of the column `note` makes of a cell."""
    quoted = cell.replace('"', '""')
    return row(read_table, f'1,,,,,,,,,"{quoted}"', columns={"medium": mapping})[0]["medium"]


@pytest.mark.parametrize(
    ("cell", "mapping", "becomes"),
    [
        (" oil ", "note", "oil"),
        ("  ", "note", None),
        ("oil", {"constant": "paint"}, "paint"),
        ("", {"constant": 1600}, "1600"),
        ("Oil", {"column": "note", "lower": True}, "oil"),
        ("[oil]", {"column": "note", "strip": "[]"}, "oil"),
        ("a; b ;;c", {"column": "note", "split": ";"}, "a; b; c"),
        ("a; b / c;/ d", {"column": "note", "split": [";", "/"]}, "a; b; c; d"),
        ("born 1901, Rome", {"column": "note", "regex": r"\d{4}"}, "1901"),
        ("born 1901, Rome", {"column": "note", "regex": r"born (\d+)"}, "1901"),
        ("unknown", {"column": "note", "regex": r"born (\d+)"}, None),
        ("P", {"column": "note", "lookup": {"P": "painting"}}, "painting"),
        ("Q", {"column": "note", "lookup": {"P": "painting"}}, None),
        ("Q", {"column": "note", "lookup": {"P": "painting"}, "otherwise": "other"}, "other"),
        ("P|D", {"column": "note", "split": "|", "lookup": {"P": "painting", "D": "drawing"}}, "painting; drawing"),
        ("oil", {"template": "{note} ({id})"}, "oil (1)"),
        ("", {"template": "{note} ({id})"}, None),
        ("", [{"template": "{note} ({id})"}, "id"], "1"),
        ("oil", ["title", "note", "id"], "oil"),
    ],
)
def test_a_value_is_made_by_its_transforms(read_table, cell, mapping, becomes):
    assert value_of(read_table, cell, mapping) == becomes


def test_several_makers_are_read_side_by_side(read_table):
    artists = {
        "name": {"column": "artist", "split": "|"},
        "born": {"column": "dates", "split": "|", "regex": r"(\d{4})-"},
        "died": {"column": "dates", "split": "|", "regex": r"-(\d{4})"},
        "role": {"constant": "painter"},
    }
    found, _ = row(read_table, "1,,A|B|C,1600-1650|1700-,,,,,,", columns={"artists": artists})
    assert [tuple(artist[key] for key in ("name", "born", "died", "role")) for artist in found["artists"]] == [
        ("A", 1600, 1650, "painter"),
        ("B", 1700, None, "painter"),
        ("C", None, None, "painter"),
    ]


def test_several_mappings_of_pictures_add_up(read_table):
    images = ["url", {"service": {"template": "https://iiif.example/{id}"}, "role": {"constant": "recto"}}]
    found, _ = row(read_table, "1,,,,,,http://x/a b.jpg,,,", columns={"images": images})
    assert [(image["url"], image["service"], image["role"]) for image in found["images"]] == [
        ("http://x/a%20b.jpg", None, None),
        (None, "https://iiif.example/1", "recto"),
    ]


def test_a_template_with_a_list_makes_a_list(read_table):
    records = json.dumps([{"id": 1, "title": "x", "more": ["a", None, "b"]}])
    images = {"service": {"template": "https://iiif.example/2/{more[]}"}}
    found = read_table(records, "works.json", columns={"images": images})
    assert [image["service"] for image in found.rows["images"][0]] == [
        "https://iiif.example/2/a",
        "https://iiif.example/2/b",
    ]


@pytest.mark.parametrize(
    ("address", "kept", "said"),
    [
        ("https://x/a.jpg", "https://x/a.jpg", None),
        ("//x/a.jpg", "https://x/a.jpg", None),
        (
            "a.jpg",
            None,
            "1 addresses of images are relative (set `base_url` to what they are below), such as in row 2: 'a.jpg'",
        ),
        ("ftp://x/a.jpg", None, "1 addresses of images are not http(s)"),
        ("<img src='a.jpg'>", None, "1 addresses of images are HTML"),
        ("", None, None),
    ],
)
def test_an_address_that_is_none_is_left_out_and_said(read_table, address, kept, said):
    found, notes = row(read_table, f"1,,,,,,{address},,,", columns={"images": "url"})
    assert [image["url"] for image in found["images"]] == ([kept] if kept else [])
    assert any(said in note for note in notes) if said else not any("addresses" in note for note in notes)


@pytest.mark.parametrize(
    ("address", "joined"),
    [("a.jpg", "https://x/art/a.jpg"), ("/b/a.jpg", "https://x/b/a.jpg"), ("http://y/a.jpg", "http://y/a.jpg")],
)
def test_a_relative_address_is_joined_to_the_base(read_table, address, joined):
    found, _ = row(read_table, f"1,,,,,,{address},,,", columns={"images": "url"}, base_url="https://x/art/")
    assert [image["url"] for image in found["images"]] == [joined]


@pytest.mark.parametrize(
    ("text", "year"),
    [("1600", 1600), ("1600.0", 1600), ("-500", -500), ("0", None), ("9999", None), ("c. 1600", None), ("", None)],
)
def test_years_are_numbers_and_what_is_none_is_said(read_table, text, year):
    found, notes = row(read_table, f"1,,,,{text},1700,,,,", columns={"year_from": "year", "year_to": "last"})
    assert (found["year_from"], found["year_to"]) == (year, 1700)
    said = ("1 values of year_from that are no years, and count as unknown, such as in row 2: 'c. 1600'",)
    assert notes == (said if text == "c. 1600" else ())


@pytest.mark.parametrize(
    ("rule", "license_", "is_open"),
    [
        ({"license": "CC0"}, "cc0 ", True),
        ({"license": ["CC0", "PDM"]}, "PDM", True),
        ({"license": "CC0"}, "", False),
        ({"license": True}, "True", True),
        ({"license": {"not": "in copyright"}}, "In copyright", False),
        (True, "", True),
        (False, "CC0", False),
        (None, "CC0", None),
    ],
)
def test_a_work_is_open_by_comparison(read_table, rule, license_, is_open):
    columns = {} if rule is None else {"is_open": rule}
    assert row(read_table, f"1,,,,,,,{license_},,", columns=columns)[0]["is_open"] is is_open


@pytest.mark.parametrize(
    ("statement", "is_open"),
    [
        ("https://creativecommons.org/publicdomain/zero/1.0/", True),
        ("http://rightsstatements.org/vocab/InC/1.0/", False),
        ("ask us", None),
        ("", None),
    ],
)
def test_a_work_is_open_by_its_rights_statement_where_no_rule_is_given(read_table, statement, is_open):
    assert row(read_table, f"1,,,,,,,{statement},,", columns={"rights_uri": "license"})[0]["is_open"] is is_open


def test_an_address_that_asks_a_iiif_service_for_all_of_it_becomes_the_service(read_table):
    address = "https://iiif.example/2/u1/full/full/0/default.jpg"
    found, _ = row(read_table, f"1,,,,,,{address},,,", columns={"images": "url"})
    [image] = found["images"]
    assert (image["service"], image["service_version"]) == ("https://iiif.example/2/u1", 2)


def test_labels_are_lists_without_blanks_and_repetitions(read_table):
    labels = {"movement": {"column": "style", "split": ";", "lower": True}, "kind": {"constant": "painting"}}
    found, _ = row(read_table, "1,,,,,,,,Rococo; rococo ;;Baroque,", labels=labels)
    assert found["label.movement"] == ["rococo", "baroque"]
    assert found["label.kind"] == ["painting"]


def test_further_columns_are_kept_as_json(read_table):
    found, _ = row(read_table, '1,Pears,,,,,,,,"a ""note"""', extra=["note", "title"])
    assert json.loads(found["extra"]) == {"note": 'a "note"', "title": "Pears"}


def test_a_template_of_several_lists_takes_them_side_by_side(read_table):
    people = [{"first": "Ann", "last": "Lee"}, {"first": "Bo", "last": ""}, {"first": "Cy", "last": "Day"}]
    records = [{"id": 1, "people": people}, {"id": 2, "people": []}]
    artists = {"name": {"template": "{people[].first} {people[].last} ({id})"}}
    found = read_table(json.dumps(records), "works.json", columns={"title": "id", "artists": artists}).rows["artists"]
    assert [[artist["name"] for artist in some] for some in found] == [["Ann Lee (1)", "Cy Day (1)"], []]


def test_a_template_of_lists_of_different_length_is_refused(read_table):
    records = json.dumps([{"id": 1, "a": ["x", "y"], "b": ["z", "z", "z"]}])
    with pytest.raises(BadMappingError, match="a and b do not have the same number of values"):
        read_table(records, "works.json", columns={"title": {"template": "{a} {b}"}})
