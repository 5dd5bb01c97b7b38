"""The columns of tables as museums publish them, guessed from their names and values."""

import json
from pathlib import Path
from typing import Any

import pytest
from upath import UPath

from artpipe.sources.config import SourcesFile, parse_sources
from artpipe.sources.guess import folder_yaml, sources_yaml


def guessed(folder: Path, records: object, name: str = "works.json") -> tuple[dict[str, Any], SourcesFile]:
    """The columns of the file that is written for a table, and what that file is read as."""
    table = folder / name
    table.write_text(records if isinstance(records, str) else json.dumps(records), "utf-8")
    text = sources_yaml([UPath(table)], name, "works", folder)
    return parse_sources(text, name, folder).without_secrets()["sources"][0]["columns"], parse_sources(
        text, name, folder
    )


def column(path: str, regex: str | None = None) -> dict[str, str]:
    return {"column": path} | ({"regex": regex} if regex else {})


YEAR = r"(-?\d{4})"


def test_makers_in_a_list_are_read_with_their_years_and_role(tmp_path):
    person = {"artist_id": "p/1", "full_name": "Paul", "role": "artist", "birth_date": "1839-01-19", "death_date": None}
    works = [{"id": f"t/{number}", "title": "Bank", "creator": [person]} for number in range(3)]
    columns, _ = guessed(tmp_path, {"things": works})
    assert columns["artists"] == [
        {
            "name": column("creator[].full_name"),
            "artist_id": column("creator[].artist_id"),
            "role": column("creator[].role"),
            "born": column("creator[].birth_date", YEAR),
            "died": column("creator[].death_date", YEAR),
        }
    ]


def test_a_iiif_service_is_taken_before_a_picture_of_one_size(tmp_path):
    works = [
        {
            "systemNumber": f"O{number}",
            "_primaryTitle": f"Salisbury {number}",
            "_primaryMaker": {"name": "Constable, John", "association": "artist"},
            "_primaryDate": "about 1823",
            "_images": {
                "_primary_thumbnail": f"https://pictures.example/{number}.jpg",
                "_iiif_image_base_url": f"https://pictures.example/{number}/",
            },
        }
        for number in range(3)
    ]
    columns, _ = guessed(tmp_path, {"records": works})
    assert columns["images"] == [{"service": column("_images._iiif_image_base_url")}]
    assert columns["title"] == column("_primaryTitle")
    assert columns["artists"] == [{"name": column("_primaryMaker.name")}]
    assert columns["date_text"] == column("_primaryDate")


def test_the_answer_of_a_query_in_wikidata_is_understood(tmp_path):
    rows = [
        f"http://www.wikidata.org/entity/Q{number},Picture {number},Vincent van Gogh,"
        f"http://commons.example/Special:FilePath/{number}.jpg,{1870 + number}-01-01T00:00:00Z,{movement}"
        for number, movement in enumerate(["Impressionism", "Realism", "Realism"])
    ]
    table = "\n".join(["item,itemLabel,creatorLabel,image,inception,movementLabel", *rows])
    columns, named = guessed(tmp_path, table, "query.csv")
    assert columns["source_id"] == column("item", "[^/]+$")
    assert columns["title"] == column("itemLabel")
    assert columns["artists"] == [{"name": column("creatorLabel")}]
    assert columns["date_text"] == column("inception", YEAR)
    assert [task.name for task in named.tasks or ()] == ["movement"]


@pytest.mark.parametrize(("year", "key"), [("1669", "date_text"), ("1669-01-01", "date_text")])
def test_a_lone_year_is_the_date(tmp_path, year, key):
    columns, _ = guessed(tmp_path, [{"id": "a", "title": "A", "year": year}, {"id": "b", "title": "B", "year": year}])
    assert columns[key]["column"] == "year"
    assert "year_from" not in columns


def test_brackets_around_a_value_are_taken_off(tmp_path):
    columns, _ = guessed(tmp_path, "ObjectID,Title,Nationality\n1,A,(Austrian)\n2,B,(Dutch)\n", "moma.csv")
    assert columns["school"] == {"column": "Nationality", "strip": "()"}


def test_a_value_that_all_rows_have_is_no_task(tmp_path):
    _, named = guessed(tmp_path, "id,title,type\n1,A,IMAGE\n2,B,IMAGE\n", "europeana.csv")
    assert not named.tasks


def test_what_says_of_which_kind_a_value_is_is_no_column(tmp_path):
    works = [
        {"id": str(number), "title": "A", "date": [{"label": "Date", "content": f"about {1870 + number}"}]}
        for number in range(3)
    ]
    columns, _ = guessed(tmp_path, works)
    assert columns["date_text"] == column("date[0].content")


def test_each_separator_of_makers_is_found(tmp_path):
    cells = ["Anna Meier; Bo Kern", "Käthe Müller / Jörg Schröder", "K/T"]
    columns, _ = guessed(tmp_path, [{"id": str(n), "title": "A", "artist": cell} for n, cell in enumerate(cells)])
    assert columns["artists"][0]["name"] == {"column": "artist", "split": [";", " / "]}


@pytest.mark.parametrize(("place", "is_shown"), [("Depot A", False), ("Room 3", True), ("Storage 2", False)])
def test_where_a_store_is_is_not_shown_unasked(tmp_path, place, is_shown):
    works = [{"id": str(n), "title": "A", "location": place if n else "Hall"} for n in range(3)]
    columns, _ = guessed(tmp_path, works)
    assert ("location" in columns) == is_shown


def test_every_value_that_sounds_open_is_proposed_and_none_with_a_restriction(tmp_path):
    table = tmp_path / "works.csv"
    said = ["gemeinfrei", "CC0", "CC BY 4.0", "CC BY-NC 4.0", "CC BY-ND", "© Bild-Kunst"]
    rows = "".join(f"{n},A,{rights}\n" for n, rights in enumerate(said))
    table.write_text(f"id,title,license\n{rows}", "utf-8")
    text = sources_yaml([UPath(table)], "works.csv", "works", tmp_path)
    assert "# is_open: {license: [gemeinfrei, CC0, CC BY 4.0]}" in text


def test_rows_with_one_id_and_title_are_joined(tmp_path):
    bindings = [
        {
            "item": {"value": f"http://www.wikidata.org/entity/Q{number // 3}"},
            "itemLabel": {"value": f"P {number // 3}"},
        }
        | {"movementLabel": {"value": f"M {number % 3}"}}
        for number in range(12)
    ]
    columns, named = guessed(tmp_path, {"head": {}, "results": {"bindings": bindings}})
    assert columns["source_id"] == column("item.value", "[^/]+$")
    assert named.without_secrets()["sources"][0]["rows_of_a_work"] == "joined"


def test_ids_that_repeat_with_other_titles_are_not_joined(tmp_path):
    works = [{"id": max(number, 1), "title": f"Pears {number}"} for number in range(12)]
    _, named = guessed(tmp_path, works)
    assert named.without_secrets()["sources"][0].get("rows_of_a_work", "one") == "one"


def test_a_folder_with_one_record_a_file_is_said_to_be_so(tmp_path):
    files = [UPath(tmp_path / f"{number}.json") for number in range(3)]
    for number, file in enumerate(files):
        file.write_text(json.dumps({"id": number, "title": f"Pears {number}", "creators": [{"name": "Ann"}]}))
    text = sources_yaml(files, "works", "works", tmp_path)
    source = parse_sources(text, "works", tmp_path).without_secrets()["sources"][0]
    assert (source["records"], source["columns"]["source_id"]) == (".", column("id"))


def test_a_folder_of_pictures_is_a_source_whose_folders_are_labels(tmp_path):
    text = folder_yaml([Path("Cubism/a.jpg"), Path("Rococo/b.jpg"), Path("c.jpg")], "pictures", "mine")
    [source] = parse_sources(text, "sources.yaml", tmp_path).without_secrets()["sources"]
    assert (source["adapter"], source["labels_from"]) == ("folder", ["style"])
    plain = parse_sources(folder_yaml([Path("c.jpg")], "pictures", "mine"), "sources.yaml", tmp_path)
    assert plain.without_secrets()["sources"][0].get("labels_from", []) == []


def test_as_many_names_as_ids_with_commas_are_several_makers(tmp_path):
    rows = ['1,Chair,"Otto Wagner, Aino Aalto","6210, 34"', "2,Desk,Otto Wagner,6210"]
    columns, _ = guessed(tmp_path, "\n".join(["ObjectID,Title,Artist,ConstituentID", *rows]), "works.csv")
    split = {"split": ", "}
    assert columns["artists"] == [{"name": column("Artist") | split, "artist_id": column("ConstituentID") | split}]


def test_a_comma_inside_a_name_is_no_separator(tmp_path):
    rows = ['1,Chair,"Wagner, Otto",6210', '2,Desk,"Aalto, Aino",34']
    columns, _ = guessed(tmp_path, "\n".join(["ObjectID,Title,Artist,ConstituentID", *rows]), "works.csv")
    assert columns["artists"] == [{"name": column("Artist"), "artist_id": column("ConstituentID")}]


def test_makers_in_a_list_of_labelled_texts_are_found(tmp_path):
    name = [{"label": "Artist", "content": "Winslow Homer"}]
    works = [{"id": number, "title": f"View {number}", "content": {"freetext": {"name": name}}} for number in range(3)]
    columns, _ = guessed(tmp_path, works)
    assert columns["artists"] == [{"name": column("content.freetext.name[].content")}]
