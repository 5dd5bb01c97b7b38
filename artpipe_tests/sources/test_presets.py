"""The presets on small tables with the columns that the museums publish, and on real records beside the checkout."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from upath import UPath

from artpipe.catalog.rows import SourceRows
from artpipe.crawler.client import GalleryClient
from artpipe.progress import SilentProgress
from artpipe.sources.config import parse_sources
from artpipe_tests.conftest import SHARED
from artpipe_tests.fixtures.tables import download

CATALOGUES = SHARED / "catalogues"


def read_preset(preset: str, file: str, raw: Path) -> SourceRows:
    path = CATALOGUES / file
    if not path.exists():
        pytest.skip(f"the catalogues are not at {CATALOGUES}")
    [source] = parse_sources(f"sources: [{{preset: {preset}, path: {path}}}]", "ours.yaml", Path("/")).sources
    download(source, UPath(raw))
    return source.read(UPath(raw))


@pytest.mark.shared
@pytest.mark.parametrize(
    ("state", "rows", "pictures"), [("2014-01-08", 4833, 4430), ("2014-06-12", 4829, 4411), ("2014-10-27", 4828, 4423)]
)
def test_every_record_of_tate_is_read(tmp_path, state, rows, pictures):
    found = read_preset("tate", f"tate/tate_paintings_{state}.csv", tmp_path)
    assert (found.rows.height, found.quarantine.height, found.notes) == (rows, 0, ())
    assert found.rows["images"].list.len().sum() == pictures
    assert found.rows["label.movement"].list.len().max() >= 2
    artist = found.rows.filter(source_id="3")["artists"].item()[0]
    assert (artist["name"], artist["born"], artist["died"]) == ("Wood, Christopher", 1901, 1930)


@pytest.mark.shared
def test_every_painting_of_cleveland_is_read(tmp_path):
    found = read_preset("cleveland", "cleveland/artworks.json", tmp_path)
    assert (found.rows.height, found.quarantine.height) == (68, 0)
    assert found.notes == ("32 records are left out by `where`.",)
    assert found.rows["is_open"].all()
    row = found.rows.filter(source_id="93014").row(0, named=True)
    assert row["artists"][0]["name"] == "Thomas Cole"
    assert (row["year_from"], row["images"][0]["width_px"]) == (1838, 1263)
    assert row["rights_uri"] == "https://creativecommons.org/publicdomain/zero/1.0/"


def test_cleveland_takes_the_same_of_a_file_as_its_api_is_asked_for(tmp_path):
    plain = [
        "title",
        "creation_date",
        "creation_date_earliest",
        "creation_date_latest",
        "technique",
        "current_location",
        "url",
        "updated_at",
        "share_license_status",
        "creditline",
        "department",
        "accession_number",
        "copyright",
    ]
    maker = {"description": "A Maker", "role": "artist", "birth_year": "1800", "death_year": "1850"}
    picture = {"web": {"url": "https://images.example/1.jpg", "width": "9", "height": "9"}}
    kinds = [("Painting", picture), ("Drawing", picture), ("Painting", {}), ("Painting", None)]
    records = [
        {"id": number, "type": kind, "images": images, "creators": [maker], "culture": []} | dict.fromkeys(plain, "")
        for number, (kind, images) in enumerate(kinds)
    ]
    (tmp_path / "data.json").write_text(json.dumps(records))
    found = read_with({"preset": "cleveland", "path": str(tmp_path / "data.json")}, tmp_path / "raw")
    assert found.rows["source_id"].to_list() == ["0"]


def read_with(keys: dict[str, Any], raw: Path) -> SourceRows:
    [source] = parse_sources(json.dumps({"sources": [keys]}), "ours.yaml", Path("/")).sources
    download(source, UPath(raw))
    return source.read(UPath(raw))


def written(path: Path, *records: dict[str, Any]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(records[0]))
    writer.writeheader()
    writer.writerows(records)
    path.write_text(out.getvalue())
    return str(path)


def test_the_table_of_the_met_gives_makers_and_its_api_pictures(gallery, reply, config, tmp_path):
    columns = (
        "Object Number,Is Public Domain,Object ID,Gallery Number,Department,Object Name,Title,Culture,Artist Role,"
        "Artist Display Name,Artist Nationality,Artist Begin Date,Artist End Date,Artist Wikidata URL,Object Date,"
        "Object Begin Date,Object End Date,Medium,Dimensions,Credit Line,Classification,Link Resource,Metadata Date,"
        "Tags"
    )
    work = dict.fromkeys(columns.split(","), "") | {
        "Object ID": "7",
        "Is Public Domain": "True",
        "Artist Display Name": "A. Maker|B. Maker",
        "Artist Begin Date": "1601      |1610      ",
        "Artist End Date": "1650      |9999      ",
        "Object Name": "Painting",
        "Classification": "Paintings",
    }
    vase = work | {"Object ID": "8", "Classification": "Ceramics"}
    answer = {"primaryImage": "https://images.met.example/large.jpg", "primaryImageSmall": ""}
    gallery.on("/objects/7", reply(200, json.dumps(answer).encode()))
    table = written(tmp_path / "met.csv", work, work | {"Object ID": "9", "Is Public Domain": "False"}, vase)
    keys = {"preset": "met", "path": table, "answers": {"api": {"url": f"{gallery.url}/objects/{{Object ID}}"}}}
    [source] = parse_sources(json.dumps({"sources": [keys]}), "ours.yaml", Path("/")).sources
    raw = UPath(tmp_path / "raw")
    with GalleryClient(config) as client:
        source.download(client, raw, SilentProgress())
    found = source.read(raw)
    assert [path for path in gallery.seen if "objects" in path] == ["/objects/7"]
    assert found.rows["source_id"].to_list() == ["7", "9"]
    assert [image["url"] for image in found.rows["images"][0]] == ["https://images.met.example/large.jpg"]
    row = found.rows.row(0, named=True)
    assert (row["title"], row["is_open"]) == ("Painting", True)
    assert [(artist["name"], artist["born"], artist["died"]) for artist in row["artists"]] == [
        ("A. Maker", 1601, 1650),
        ("B. Maker", 1610, None),
    ]


def test_the_tables_of_the_national_gallery_are_joined(tmp_path):
    objects = dict.fromkeys(
        ("title", "accessionnum", "displaydate", "beginyear", "endyear", "medium", "dimensions", "creditline")
    )
    image = {"iiifurl": "https://api.nga.example/iiif/u1", "viewtype": "primary", "sequence": "0", "width": "900"}
    tables = {
        "pictures": [
            {**image, "height": "700", "openaccess": "1", "depictstmsobjectid": "5"},
            {**image, "height": "700", "openaccess": "0", "depictstmsobjectid": "6"},
        ],
        "makers": [
            {"objectid": "5", "constituentid": "c1", "displayorder": "1", "roletype": "artist", "role": "painter"},
            {"objectid": "5", "constituentid": "c2", "displayorder": "1", "roletype": "donor", "role": "donor"},
        ],
        "people": [
            {
                "constituentid": "c1",
                "forwarddisplayname": "A. Maker",
                "beginyear": "1601",
                "endyear": "1650",
                "nationality": "Dutch",
                "wikidataid": "Q1",
            }
        ],
        "styles": [
            {"objectid": "5", "termtype": "Style", "term": "Baroque"},
            {"objectid": "5", "termtype": "Theme", "term": "fruit"},
        ],
    }
    keys = {
        "preset": "nga",
        "path": written(
            tmp_path / "objects.csv",
            *(
                objects | {"objectid": number, "classification": "Painting", "lastdetectedmodification": ""}
                for number in "56"
            ),
        ),
        "tables": {name: {"path": written(tmp_path / f"{name}.csv", *rows)} for name, rows in tables.items()},
    }
    first, second = read_with(keys, tmp_path / "raw").rows.to_dicts()
    assert [artist["name"] for artist in first["artists"]] == ["A. Maker"]
    assert first["artists"][0]["authority_uri"] == "https://www.wikidata.org/wiki/Q1"
    assert first["images"][0]["service"] == "https://api.nga.example/iiif/u1"
    assert (first["label.style"], first["label.nationality"], first["is_open"]) == (["Baroque"], ["Dutch"], True)
    assert (second["images"], second["label.style"], second["is_open"]) == ([], [], False)


SMK = {
    "object_number": "KMS7",
    "titles": [{"title": "Pears", "language": "en"}],
    "production": [{"creator": "Maker, A.", "creator_date_of_birth": "1864-05-15T00:00:00.000Z"}],
    "production_date": [{"period": "1900", "start": "1900-01-01T00:00:00.000Z", "end": "1901-12-31T00:00:00.000Z"}],
    "techniques": ["Oil on canvas", "Gilding"],
    "object_names": [{"name": "Painting"}],
    "public_domain": True,
    "rights": "https://creativecommons.org/share-your-work/public-domain/cc0/",
    "image_iiif_id": "https://iip.smk.example/iiif/jp2/pears",
    "image_width": 900,
    "image_height": 700,
} | dict.fromkeys(("frontend_url", "modified", "current_location_name", "credit_line"))
AIC = {
    "id": 7,
    "title": "Pears",
    "artist_titles": ["A. Maker", "B. Maker"],
    "artist_ids": [1, 2],
    "date_start": 1900,
    "date_end": 1901,
    "artwork_type_title": "Painting",
    "style_titles": ["Modernism", "avant-garde"],
    "image_id": "u1",
    "alt_image_ids": ["u2", "u3"],
    "is_public_domain": True,
} | dict.fromkeys(
    (
        "date_display",
        "medium_display",
        "gallery_title",
        "place_of_origin",
        "updated_at",
        "credit_line",
        "main_reference_number",
    )
)


def test_the_answers_of_smk_are_read(tmp_path):
    SMK["production"][0] |= dict.fromkeys(("creator_role", "creator_date_of_death", "creator_nationality"))
    (tmp_path / "smk.json").write_text(json.dumps({"offset": 0, "items": [SMK]}))
    keys = {"preset": "smk", "path": str(tmp_path / "smk.json"), "pages": None}
    row = read_with(keys, tmp_path / "raw").rows.row(0, named=True)
    assert (row["source_id"], row["title"], row["medium"]) == ("KMS7", "Pears", "Oil on canvas; Gilding")
    assert (row["artists"][0]["born"], row["year_from"], row["year_to"]) == (1864, 1900, 1901)
    assert (row["images"][0]["service"], row["images"][0]["service_version"]) == (SMK["image_iiif_id"], 2)
    assert (row["is_open"], row["rights_uri"], row["label.type"]) == (True, SMK["rights"], ["painting"])


def test_the_pages_of_chicago_are_followed(gallery, reply, config, tmp_path):
    second = {"data": [AIC | {"id": 8, "alt_image_ids": []}], "pagination": {"next_url": None}}
    first = {"data": [AIC], "pagination": {"next_url": f"{gallery.url}/works?page=2"}}
    gallery.on("/works", reply(200, json.dumps(first).encode()))
    gallery.on("/works?page=2", reply(200, json.dumps(second).encode()))
    text = f"sources: [{{preset: aic, path: '{gallery.url}/works'}}]"
    [source] = parse_sources(text, "ours.yaml", Path("/")).sources
    raw = UPath(tmp_path / "raw")
    with GalleryClient(config) as client:
        source.download(client, raw, SilentProgress())
    found = source.read(raw)
    row = found.rows.row(0, named=True)
    assert found.rows["source_id"].to_list() == ["7", "8"]
    assert [artist["name"] for artist in row["artists"]] == ["A. Maker", "B. Maker"]
    assert [image["service"][-2:] for image in row["images"]] == ["u1", "u2", "u3"]
    assert row["label.style"] == ["Modernism", "avant-garde"]
