"""A folder of pictures from its files to its rows."""

import json
import os
from pathlib import Path

import polars as pl
import pytest
from PIL import Image
from pydantic import ValidationError
from upath import UPath

from artpipe.catalog.rows import ROWS
from artpipe.crawler.client import ClientConfig, GalleryClient
from artpipe.progress import SilentProgress
from artpipe.sources import folder_index
from artpipe.sources.config import BadSourcesFileError, read_sources_file
from artpipe.sources.folder import FolderSource
from artpipe.sources.folder_index import UnreadableFolderError
from artpipe.sources.picture_metadata import NotAPictureError, read_picture
from artpipe_tests.fixtures.killed import Killed

XMP = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
 xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:r="http://ns.adobe.com/xap/1.0/rights/">
<rdf:Description r:WebStatement="http://creativecommons.org/publicdomain/zero/1.0/">
<dc:title><rdf:Alt><rdf:li xml:lang="x-default">Pears &amp; plums</rdf:li></rdf:Alt></dc:title>
<dc:creator><rdf:Seq><rdf:li>Bo (1600-1670)</rdf:li><rdf:li>Ann</rdf:li></rdf:Seq></dc:creator>
<dc:rights><rdf:Alt><rdf:li>Town museum</rdf:li></rdf:Alt></dc:rights>
</rdf:Description></rdf:RDF></x:xmpmeta>"""


@pytest.fixture
def root(tmp_path) -> Path:
    return tmp_path / "pictures"


@pytest.fixture
def folder(tmp_path) -> UPath:
    return UPath(tmp_path / "raw")


@pytest.fixture
def picture(root):
    """`picture("baroque/pears.jpg", colour)`: a small picture; keywords are given to Pillow."""

    def draw(name: str, colour: str = "red", size: tuple[int, int] = (30, 20), **more) -> Path:
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size, colour).save(file, **more)
        return file

    return draw


@pytest.fixture
def look(root, folder):
    """`look(**fields) -> what the source read` after a download."""

    def run(progress=None, **fields):
        source = FolderSource.model_validate({"name": "mine", "path": str(root), **fields})
        with GalleryClient(ClientConfig("http://127.0.0.1:1")) as client:
            source.download(client, folder, progress or SilentProgress())
        return source.read(folder)

    return run


def paths(found) -> list[str]:
    return found.rows["source_id"].to_list()


def test_each_picture_of_a_folder_is_a_work(picture, look, root):
    picture("pears.jpg")
    picture("a/b/The_blue%20plum.PNG", size=(40, 50))
    (root / ".hidden.jpg").write_bytes(b"")
    found = look()
    assert found.rows.schema == pl.Schema(ROWS)
    assert paths(found) == ["a/b/The_blue%20plum.PNG", "pears.jpg"]
    assert found.rows["title"].to_list() == ["The blue plum", "pears"]
    [image] = found.rows["images"][0].to_list()
    address, _, sha256 = image["url"].partition("#")
    assert address == (root / "a/b/The_blue%20plum.PNG").as_uri()
    assert found.rows["modified"][0] == f"sha256:{sha256}"
    assert (image["width_px"], image["height_px"]) == (40, 50)
    assert (found.quarantine.is_empty(), found.notes) == (True, ())


def test_the_names_of_folders_are_labels_and_columns_by_their_level(picture, look):
    for name in ("Baroque/Bo_(1600-1670)/1650/a.jpg", "Rococo/b.jpg", "c.jpg"):
        picture(name)
    found = look(labels_from=["movement", "artist", "_"])
    rows = {row["source_id"][-5:]: row for row in found.rows.to_dicts()}
    assert {name: row["label.movement"] for name, row in rows.items()} == {
        "a.jpg": ["Baroque"], "b.jpg": ["Rococo"], "c.jpg": [],
    }  # fmt: skip
    assert [(maker["name"], maker["born"]) for maker in rows["a.jpg"]["artists"]] == [("Bo", 1600)]
    assert rows["a.jpg"]["date_text"] is None
    assert "2 pictures in fewer than 3 folders" in found.notes[0]


def test_a_label_may_be_the_name_of_the_own_folder(picture, look):
    picture("x/y/Baroque/a.jpg")
    picture("b.jpg")
    assert look(labels={"movement": "folder"}).rows["label.movement"].to_list() == [[], ["Baroque"]]


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
def test_xmp_says_title_creators_and_rights(picture, look, suffix):
    if suffix == "tif":
        picture("a.tif", tiffinfo={700: XMP.encode()})
    elif suffix == "png":
        from PIL.PngImagePlugin import PngInfo

        info = PngInfo()
        info.add_itxt("XML:com.adobe.xmp", XMP)
        picture("a.png", pnginfo=info)
    else:
        picture(f"a.{suffix}", xmp=XMP.encode())
    [row] = look().rows.to_dicts()
    assert (row["title"], row["credit_line"]) == ("Pears & plums", "Town museum")
    assert [(maker["name"], maker["died"]) for maker in row["artists"]] == [("Bo", 1670), ("Ann", None)]
    assert (row["rights_uri"], row["is_open"]) == ("http://creativecommons.org/publicdomain/zero/1.0/", True)


def test_exif_says_title_creator_and_rights_but_not_what_a_camera_writes(picture, look):
    exif = Image.Exif()
    exif[0x010E], exif[0x013B], exif[0x8298], exif[0x0112] = "Pears", "Bo", "CC0 museum", 6
    picture("a.jpg", exif=exif)
    exif[0x010E] = "OLYMPUS DIGITAL CAMERA"
    exif[0x013B] = ""
    exif[0x9C9D] = "Ännchen".encode("utf-16-le")
    picture("b.jpg", exif=exif)
    a, b = look().rows.to_dicts()
    assert (a["title"], a["artists"][0]["name"], a["credit_line"], a["is_open"]) == ("Pears", "Bo", "CC0 museum", None)
    assert (a["images"][0]["width_px"], a["images"][0]["height_px"]) == (20, 30)
    assert (b["title"], b["artists"][0]["name"]) == ("b", "Ännchen")


def test_iptc_says_title_and_creator(picture, look):
    file = picture("a.jpg")
    fields = b"".join(
        b"\x1c\x02" + bytes([number]) + len(text).to_bytes(2, "big") + text
        for number, text in ((5, "Äpfel".encode()), (80, b"B\xf6"), (116, b"Museum"))
    )
    block = (
        b"Photoshop 3.0\x008BIM\x04\x04\x00\x00" + len(fields).to_bytes(4, "big") + fields + b"\0" * (len(fields) % 2)
    )
    data = file.read_bytes()
    file.write_bytes(data[:2] + b"\xff\xed" + (len(block) + 2).to_bytes(2, "big") + block + data[2:])
    [row] = look().rows.to_dicts()
    assert (row["title"], row["artists"][0]["name"], row["credit_line"]) == ("Äpfel", "Bö", "Museum")


def test_what_is_written_inside_is_not_read_where_it_is_not_wanted(picture, look):
    picture("Bo/a.jpg", xmp=XMP.encode())
    [row] = look(metadata=False).rows.to_dicts()
    assert (row["title"], row["artists"], row["rights_uri"]) == ("a", [], None)
    [row] = look(labels_from=["artist"]).rows.to_dicts()
    assert [maker["name"] for maker in row["artists"]] == ["Bo"]


@pytest.mark.parametrize(
    "packet", [b"<", b"<!DOCTYPE x [<!ENTITY f SYSTEM 'file:///etc/passwd'>]><x>&f;</x>", b"\xff\xfe"]
)
def test_damaged_metadata_says_nothing_and_the_picture_stays(picture, look, packet):
    picture("a.jpg", xmp=packet)
    [row] = look().rows.to_dicts()
    assert (row["title"], row["credit_line"]) == ("a", None)


def test_what_is_no_picture_is_in_quarantine_or_said_and_the_rest_goes_on(picture, look, root):
    picture("a.jpg")
    (root / "b.jpg").write_text("<html>")
    (root / "c.jpg").write_bytes(b"")
    (root / "d.jpg").symlink_to(root / "nowhere")
    os.mkfifo(root / "e.jpg")
    (root / "notes.txt").write_text("")
    found = look()
    assert paths(found) == ["a.jpg"]
    reasons = dict(found.quarantine.select("raw", "reason").rows())
    assert set(reasons) == {"b.jpg", "c.jpg", "d.jpg", "e.jpg"}
    assert "no picture, whatever its name" in reasons["b.jpg"]
    assert "cannot be read" in reasons["d.jpg"]
    assert found.notes == (f"1 files are no pictures by their names, such as in {root / 'notes.txt'}",)


def test_links_that_leave_the_folder_are_left_out_and_said(picture, look, root, tmp_path):
    picture("a.jpg")
    Image.new("RGB", (5, 5)).save(tmp_path / "secret.jpg")
    (root / "b.jpg").symlink_to(tmp_path / "secret.jpg")
    (root / "c.jpg").symlink_to(root / "a.jpg")
    (root / "loop").symlink_to(root)
    found = look()
    assert paths(found) == ["a.jpg", "c.jpg"]
    assert [note.split(",")[0] for note in found.notes] == [
        "1 links lead out of the folder", "1 links to folders are not followed",
    ]  # fmt: skip


def test_a_name_that_is_not_in_utf_8_is_in_quarantine(picture, look, root):
    picture("a.jpg")
    Path(os.fsdecode(os.fsencode(root) + b"/\xff.jpg")).write_bytes(b"")
    found = look()
    assert found.quarantine.select("raw", "reason").rows() == [("?.jpg", "its name is not in UTF-8; rename it")]


def test_only_files_that_changed_are_looked_at_again(picture, look, folder):
    a, b = picture("a.jpg"), picture("b.jpg")
    first = look()
    index = (folder / "index.json").read_bytes()
    shown = {file.name for file in folder.iterdir() if not file.name.startswith(".")}
    assert shown == {"index.json"}  # what a touched file changes is no content, and begins with a dot
    # Of the same size and time, it is taken for what it was.
    stamp = a.stat()
    a.write_bytes(b"\0" * stamp.st_size)
    os.utime(a, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    os.utime(b, ns=(1, 1))
    assert look().rows.equals(first.rows)
    assert (folder / "index.json").read_bytes() == index
    picture("b.jpg", "blue")
    changed = look()
    assert changed.rows["modified"][0] == first.rows["modified"][0]
    assert changed.rows["modified"][1] != first.rows["modified"][1]
    b.unlink()
    assert paths(look()) == ["a.jpg"]


def test_a_killed_look_leaves_the_old_list(picture, look, folder, root):
    picture("a.jpg")
    look()
    for name in "bcd":
        picture(f"{name}.jpg")
    with pytest.raises(KeyboardInterrupt):
        look(progress=Killed())
    assert paths(FolderSource(name="mine", path=str(root)).read(folder)) == ["a.jpg"]
    assert len(paths(look())) == 4


def test_the_next_look_goes_on_from_the_last_state_that_was_saved(picture, look, monkeypatch):
    monkeypatch.setattr(folder_index, "SAVED_EVERY", 2)
    a = picture("a.jpg", xmp=XMP.encode())
    for name in "bcd":
        picture(f"{name}.jpg")
    with pytest.raises(KeyboardInterrupt):
        look(progress=Killed())
    stamp = a.stat()
    a.write_bytes(b"\0" * stamp.st_size)
    os.utime(a, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert look().rows["title"].to_list() == ["Pears & plums", "b", "c", "d"]


def test_a_folder_that_is_not_there_or_has_no_pictures_is_refused_with_the_next_step(root, look, folder):
    with pytest.raises(UnreadableFolderError, match=r"there is no folder .*the closest is .*`path`"):
        look()
    root.mkdir()
    with pytest.raises(UnreadableFolderError, match=r"has no pictures \(files that end in .avif"):
        look()
    with pytest.raises(UnreadableFolderError, match="artpipe refresh"):
        FolderSource(name="mine", path=str(root)).read(folder)


def test_a_table_says_more_of_the_pictures(picture, look, tmp_path):
    for name in ("x/Pears.jpg", "x/Plums.jpg", "y/figs.jpg", "z/figs.jpg", "z/nuts.jpg"):
        picture(name, xmp=XMP.encode())
    (tmp_path / "works.csv").write_text(
        "file;Titel;Epoche;Jahr\npears;Birnen;Barock;1650\nx\\PLUMS.jpg;;Rokoko;\nfigs;Feigen;;\nz/figs.jpg;Feige;;\n"
        "gone.jpg;Weg;;\nx/pears.jpg;Zweite;;\n"
    )
    columns = {"source_id": "file", "title": "Titel", "date_text": "Jahr"}
    table = {"path": str(tmp_path / "works.csv"), "columns": columns, "labels": {"epoch": "Epoche"}}
    found = look(labels_from=["box"], table=table)
    assert found.rows.select("source_id", "work_id", "title", "date_text", "label.box", "label.epoch").rows() == [
        ("x/Pears.jpg", "x/Pears.jpg", "Birnen", "1650", ["x"], ["Barock"]),
        ("x/Plums.jpg", "x/Plums.jpg", "Pears & plums", None, ["x"], ["Rokoko"]),
        ("y/figs.jpg", "y/figs.jpg", "Pears & plums", None, ["y"], []),
        ("z/figs.jpg", "z/figs.jpg", "Feige", None, ["z"], []),
        ("z/nuts.jpg", "z/nuts.jpg", "Pears & plums", None, ["z"], []),
    ]
    assert found.rows["artists"].list.len().to_list() == [2] * 5
    assert found.rows["images"].list.len().to_list() == [1] * 5
    assert [note for note in found.notes if "table" in note] == [
        "2 pictures are not in the table, such as in y/figs.jpg",
        "1 rows of the table name a picture a second time, and are left out, such as in x/pears.jpg",
        "1 rows of the table name no picture, and are left out, such as in gone.jpg",
        "1 rows of the table name several files, and are left out; give paths, such as in figs",
    ]


def test_accents_are_the_same_however_they_are_written(picture, look, tmp_path):
    picture("Ko\u0308ln/a\u0308pfel.jpg")
    (tmp_path / "works.csv").write_text("file,title\n\u00e4pfel.jpg,\u00c4pfel\n")
    table = {"path": str(tmp_path / "works.csv"), "columns": {"source_id": "file", "title": "title"}}
    [row] = look(labels_from=["town"], table=table).rows.to_dicts()
    assert (row["title"], row["label.town"]) == ("\u00c4pfel", ["K\u00f6ln"])


def test_the_file_of_sources_names_a_folder_beside_it(picture, tmp_path, root):
    picture("Baroque/a.jpg")
    (tmp_path / "works.csv").write_text("file,title\na.jpg,Pears\n")
    file = tmp_path / "sources.yaml"
    file.write_text(
        "sources:\n- {name: mine, adapter: folder, path: pictures, labels_from: [movement],\n"
        "   table: {path: works.csv, columns: {source_id: file, title: title}}}\n"
    )
    [source] = read_sources_file(file).sources
    assert isinstance(source, FolderSource)
    assert (source.path, source.hosts) == (str(root), ())
    file.write_text(file.read_text().replace("labels_from", "label_from"))
    with pytest.raises(BadSourcesFileError, match=r"sources\[0\].label_from.*did you mean 'labels_from'"):
        read_sources_file(file)


def test_a_trial_of_a_folder_asks_the_api_of_its_table_about_few_records():
    api = {"api": {"url": "https://museum.example/{file}"}}
    table = {"path": "works.csv", "columns": {"source_id": "file"}, "answers": api}
    source = FolderSource.model_validate({"name": "mine", "path": "pictures", "table": table}).trial(2)
    assert source.table is not None
    assert source.table.answers["api"].at_most == 2
    assert FolderSource.model_validate({"name": "mine", "path": "pictures"}).trial(2).table is None


def test_headers_stand_beside_the_adapter_and_not_in_its_table(tmp_path):
    table = "{path: 'https://museum.example/works.csv', columns: {source_id: file}, headers: {key: secret}}"
    file = tmp_path / "sources.yaml"
    file.write_text(f"sources: [{{name: mine, adapter: folder, path: pictures, table: {table}}}]")
    with pytest.raises(BadSourcesFileError, match="beside `adapter: folder`") as refused:
        read_sources_file(file)
    assert "secret" not in str(refused.value)
    file.write_text(file.read_text().replace(", headers: {key: secret}", ""))
    assert read_sources_file(file).sources[0].hosts == ("museum.example",)


def test_a_folder_elsewhere_is_refused():
    with pytest.raises(ValidationError, match="not on this machine"):
        FolderSource(name="mine", path="s3://bucket/pictures")


def test_cut_pictures_are_read_or_refused_in_words(picture, tmp_path):
    whole = picture("a.jpg", xmp=XMP.encode()).read_bytes()
    part = tmp_path / "part.jpg"
    for end in range(0, len(whole), 7):
        part.write_bytes(whole[:end])
        try:
            assert read_picture(part).width_px == 30
        except NotAPictureError as error:
            assert str(error)  # noqa: PT017 - either may be


def test_the_list_holds_no_time(picture, look, folder):
    picture("a.jpg")
    look()
    [entry] = json.loads((folder / "index.json").read_bytes())["pictures"]
    assert set(entry) == {"path", "sha256", "width_px", "height_px", "written", "problem"}


@pytest.mark.parametrize("is_open", [True, False, None])
def test_own_pictures_are_open_as_the_source_says(picture, look, is_open):
    picture("pears.jpg")
    assert look(is_open=is_open).rows["is_open"].to_list() == [is_open]


def test_the_table_says_of_single_pictures_what_goes_before(picture, look, tmp_path):
    picture("pears.jpg")
    picture("plums.jpg", "blue")
    (tmp_path / "works.csv").write_text("file,licence\npears.jpg,closed\nplums.jpg,mine\n")
    table = {
        "path": str(tmp_path / "works.csv"),
        "columns": {"source_id": "file", "is_open": {"licence": ["CC0", "mine"]}},
    }
    assert look(table=table).rows["is_open"].to_list() == [False, True]
    assert look(table=table, is_open=True).rows["is_open"].to_list() == [False, True]
