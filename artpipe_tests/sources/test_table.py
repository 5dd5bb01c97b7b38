"""Tables of works: what is read of them, and what is said of the rest."""

import csv
import gzip
import io
import json
import zipfile

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from upath import UPath

from artpipe.catalog.parse import MissingColumnError
from artpipe.catalog.rows import ROWS
from artpipe.crawler.client import GalleryClient
from artpipe.progress import SilentProgress
from artpipe.schema import QUARANTINE
from artpipe.sources.answer_pages import EndlessPagesError
from artpipe.sources.places import NoFileError
from artpipe.sources.record_paths import NUMBER
from artpipe.sources.records import NoRecordsError, RecordReader, TableForm
from artpipe.sources.text import NotATableError
from artpipe_tests.fixtures.tables import download, table_source

WORKS = "id,title\n1,Pears\n2,Plums\n"


def ids(found) -> list[str]:
    return found.rows["source_id"].to_list()


def titles(found) -> list[str | None]:
    return found.rows["title"].to_list()


def reasons(found) -> list[str]:
    return found.quarantine["reason"].to_list()


def test_rows_and_quarantine_have_the_columns_of_every_source(read_table):
    found = read_table(WORKS)
    assert found.rows.schema == ROWS
    assert found.quarantine.schema == QUARANTINE
    assert (ids(found), titles(found)) == (["1", "2"], ["Pears", "Plums"])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_encoding_and_delimiter_are_found_out(read_table, encoding, delimiter):
    text = f"id{delimiter}title\n1{delimiter}Étude à l\u2019huile\n2{delimiter}Prés\n"
    assert titles(read_table(text.encode(encoding))) == ["Étude à l\u2019huile", "Prés"]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_two_bytes_a_letter_are_found_out_without_a_mark(read_table, encoding):
    assert titles(read_table(WORKS.encode(encoding))) == ["Pears", "Plums"]


def test_bytes_that_are_zero_are_no_part_of_a_value(read_table):
    assert titles(read_table(WORKS.replace("Plums", "Pl\0ums\0"))) == ["Pears", "Plums"]


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_every_kind_of_line_end_is_read(read_table, line_end):
    assert titles(read_table(WORKS.replace("\n", line_end))) == ["Pears", "Plums"]


def test_a_line_that_a_spreadsheet_writes_for_itself_is_skipped(read_table):
    found = read_table("sep=;\nid;title\n1;Pears, ripe\n2\n")
    assert titles(found) == ["Pears, ripe"]
    assert reasons(found) == ["works.csv: line 4 has 1 field instead of 2"]


def test_newlines_in_quotes_belong_to_the_field_and_count_as_lines(read_table):
    found = read_table('id,title\n1,"Pears\nand ""ripe"" plums"\n2,Figs\n')
    assert titles(found) == ['Pears\nand "ripe" plums', "Figs"]
    assert found.rows["row_number"].to_list() == [2, 4]


@pytest.mark.parametrize("ragged", ["3", "3,Figs,more", '3,Figs,"more\nof it"'])
def test_a_ragged_line_goes_to_the_quarantine_with_its_line(read_table, ragged):
    found = read_table(f'id,title\n1,"Pears\nripe"\n{ragged}\n2,Plums\n')
    assert ids(found) == ["1", "2"]
    [reason] = reasons(found)
    assert "line 4 has" in reason
    assert "instead of 2" in reason
    assert found.quarantine["raw"].item().startswith("3")


def test_a_quotation_that_is_never_closed_takes_no_other_row_with_it(read_table):
    found = read_table('id,title\n1,"Pears\n2,Plums\n3,Figs\n')
    assert ids(found) == ["2", "3"]
    assert reasons(found) == ["works.csv: line 2 opens a quotation that does not close where a field ends"]


def test_an_empty_last_column_is_no_ragged_line(read_table):
    found = read_table("id,title\n1,\n2,Plums\n")
    assert (titles(found), reasons(found)) == ([None, "Plums"], [])


def test_blank_lines_are_no_rows(read_table):
    found = read_table("id,title\n\n1,Pears\n\n\n2,Plums\n\n")
    assert (ids(found), reasons(found)) == (["1", "2"], [])
    assert found.rows["row_number"].to_list() == [3, 6]


def test_a_damaged_byte_in_utf8_puts_its_row_aside_and_no_other(read_table):
    found = read_table("id,title\n1,Étude à l\u2019huile\n2,Pr".encode() + b"\xff" + "és\n3,Ébauche\n".encode())
    assert ids(found) == ["1", "3"]
    assert reasons(found) == ["works.csv: line 3 holds bytes that cannot be decoded"]


CELLS = st.text(
    # Python takes U+001C to U+001F for spaces, Unicode and Polars do not.
    st.characters(
        codec="utf-8", exclude_characters="\0\r\x1c\x1d\x1e\x1f\ufeff\ufffd", exclude_categories=("Cs", "Zl", "Zp")
    )
)


@given(
    cells=st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=8),
    delimiter=st.sampled_from(",;\t|"),
    quoting=st.sampled_from((csv.QUOTE_MINIMAL, csv.QUOTE_ALL)),
    encoding=st.sampled_from(("utf-8", "utf-8-sig", "utf-16")),
    line_end=st.sampled_from(("\n", "\r\n")),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_whatever_a_program_writes_as_csv_is_read_back(read_table, cells, delimiter, quoting, encoding, line_end):
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, quoting=quoting, lineterminator=line_end)
    writer.writerow(["id", "title", "medium"])
    writer.writerows([number, *pair] for number, pair in enumerate(cells))
    found = read_table(out.getvalue().encode(encoding), columns={"medium": "medium"}, delimiter=delimiter)
    # Python strips separators such as U+001F, too, which stay in a text here.
    kept = [tuple(cell.strip() or None for cell in pair) for pair in cells]
    read = [tuple((cell or "").strip() or None for cell in pair) for pair in zip(*rows_of(found), strict=True)]
    assert read == kept
    assert found.quarantine.is_empty()


def rows_of(found):
    return found.rows["title"].to_list(), found.rows["medium"].to_list()


RECORDS = [
    {
        "id": 1,
        "title": "Pears",
        "creators": [{"name": "A", "born": 1600}, {"name": "B"}],
        "images": {"web": {"url": "http://x/1.jpg"}},
    },
    {"id": 2, "title": None, "creators": [], "images": None},
]
NESTED = {
    "artists": {"name": "creators[].name", "born": "creators[].born"},
    "images": "images.web.url",
    "medium": "creators[0].name",
}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("works.json", json.dumps(RECORDS)),
        ("works.json", json.dumps({"info": {"total": 2}, "data": RECORDS})),
        ("works.jsonl", "\n".join(map(json.dumps, RECORDS))),
        ("lines.json", "\n".join(map(json.dumps, RECORDS))),
        ("no_ending", json.dumps(RECORDS)),
    ],
)
def test_nested_records_are_read_by_path(read_table, name, content):
    found = read_table(content, name, columns=NESTED)
    assert ids(found) == ["1", "2"]
    first, second = found.rows.to_dicts()
    assert [(artist["name"], artist["born"]) for artist in first["artists"]] == [("A", 1600), ("B", None)]
    assert (first["medium"], first["images"][0]["url"]) == ("A", "http://x/1.jpg")
    assert (second["title"], second["artists"], second["images"]) == (None, [], [])


def test_parquet_is_read_flat_and_nested(read_table):
    out = io.BytesIO()
    pl.DataFrame(RECORDS).write_parquet(out)
    assert titles(read_table(out.getvalue(), "works.parquet")) == ["Pears", None]
    found = read_table(out.getvalue(), "works.parquet", columns=NESTED)
    assert [artist["name"] for artist in found.rows["artists"][0]] == ["A", "B"]


def test_a_line_that_is_no_json_goes_to_the_quarantine_with_its_line(read_table):
    found = read_table('{"id": 1, "title": "Pears"}\n{"id": 2,\n3\n', "works.jsonl")
    assert ids(found) == ["1"]
    assert [reason[:24] for reason in reasons(found)] == ["works.jsonl: line 2 is n", "works.jsonl: line 3 is n"]


def test_a_column_that_is_not_there_is_an_error_with_the_closest_names(read_table):
    with pytest.raises(
        MissingColumnError, match=r"columns.title names 'titel', which works.csv does not have .*'title'"
    ):
        read_table(WORKS, columns={"title": "titel"})
    with pytest.raises(MissingColumnError, match=r"'creators\[\].nmae', which works.json .*'creators\[\].name'"):
        read_table(json.dumps(RECORDS), "works.json", columns=NESTED | {"artists": "creators[].nmae"})


def test_a_path_through_what_is_always_empty_is_no_error(read_table):
    found = read_table(
        '[{"id": 1, "title": "Pears", "images": null}]', "works.json", columns={"images": "images.web.url"}
    )
    assert found.rows["images"].to_list() == [[]]


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        ("", NotATableError, "is empty"),
        (" \n", NotATableError, "is empty"),
        ("<!DOCTYPE html><p>Sorry", NotATableError, "web page"),
        ("version https://git-lfs.github.com/spec/v1\n", NotATableError, "pointer of Git LFS"),
        ("id,title\n", NoRecordsError, "no record"),
        ("id,title\n1\n2\n", NoRecordsError, "none of its 2 records can be read; the first: works.csv: line 2"),
    ],
)
def test_a_file_without_records_says_what_it_is_instead(read_table, content, error, message):
    with pytest.raises(error, match=message):
        read_table(content)


def test_json_whose_records_are_not_to_be_found_says_where_lists_are(read_table):
    content = json.dumps({"a": {"b": RECORDS, "c": RECORDS}})
    with pytest.raises(NoRecordsError, match=r"lists of objects are at a\.b, a\.c"):
        read_table(content, "works.json")
    assert ids(read_table(content, "works.json", records="a.b")) == ["1", "2"]
    assert titles(read_table(json.dumps(RECORDS[0]), "works.json", records=".")) == ["Pears"]
    answer = {"head": {"vars": ["id"]}, "results": {"bindings": RECORDS}}
    assert ids(read_table(json.dumps(answer), "works.json")) == ["1", "2"]


def test_a_repeated_id_goes_to_the_quarantine_with_the_row_of_the_first(read_table):
    found = read_table("id,title\n1,Pears\n1,Plums\n,Figs\n")
    assert ids(found) == ["1"]
    assert reasons(found) == ["row 3: the id 1 repeats that of row 2", "row 4: it has no id (columns.source_id)"]


def test_where_leaves_records_out_and_says_how_many(read_table):
    table = "id,title,kind\n1,Pears,Painting\n2,Plums,print\n3,,painting \n4,Figs,\n"
    assert ids(read_table(table, where={"kind": "painting"})) == ["1", "3"]
    assert ids(read_table(table, where={"kind": ["Print", "drawing"]})) == ["2"]
    assert ids(read_table(table, where={"kind": {"not": "painting"}, "title": {"empty": False}})) == ["2", "4"]
    found = read_table(table, where={"kind": {"regex": "^p"}})
    assert (ids(found), found.notes) == (["2", "3"], ("2 records are left out by `where`.",))
    with pytest.raises(NoRecordsError, match="`where` leaves out all of its 4 records"):
        read_table(table, where={"kind": "sculpture"})


def test_a_class_column_that_is_empty_is_said(read_table):
    found = read_table("id,title,style\n1,Pears,\n", labels={"movement": "style"})
    assert found.rows["label.movement"].to_list() == [[]]
    [note] = found.notes
    assert note.startswith("labels.movement: no row has a label (style is empty")


def test_a_folder_and_a_pattern_are_one_table(tmp_path):
    for name, text in (("b.csv", "id,title\n2,Plums\n1,Again\n"), ("a.csv", "id,title\n1,Pears\n"), ("c.md", "# no")):
        (tmp_path / name).write_text(text)
    for path in (tmp_path, tmp_path / "*.csv"):
        source = table_source(path)
        download(source, UPath(tmp_path / "raw"))
        found = source.read(UPath(tmp_path / "raw"))
        assert ids(found) == ["1", "2"]
        assert reasons(found) == ["b.csv: row 3: the id 1 repeats that of a.csv: row 2"]


@pytest.mark.parametrize("place", ["missing.csv", "no/*.csv", "empty_folder"])
def test_a_place_without_a_file_is_an_error_that_names_it(tmp_path, place):
    (tmp_path / "empty_folder").mkdir()
    with pytest.raises(NoFileError, match=place.replace("*", r"\*")):
        download(table_source(tmp_path / place), UPath(tmp_path / "raw"))


def test_a_file_is_copied_again_only_when_it_changed_and_removed_when_it_vanished(tmp_path):
    folder = tmp_path / "museum"
    folder.mkdir()
    for name in ("a.csv", "b.csv"):
        (folder / name).write_text(WORKS)
    source, raw = table_source(folder), UPath(tmp_path / "raw")
    download(source, raw)
    stored = tmp_path / "raw" / "records" / "00000-a.csv"
    before = stored.stat().st_ino
    (folder / "a.csv").touch()
    (folder / "b.csv").unlink()
    download(source, raw)
    assert stored.stat().st_ino == before
    assert not list(stored.parent.glob("*b.csv*"))
    (folder / "a.csv").write_text("id,title\n7,Figs\n")
    download(source, raw)
    assert stored.stat().st_ino != before
    assert ids(source.read(raw)) == ["7"]


def test_a_table_on_the_web_is_asked_for_conditionally(gallery, reply, config, tmp_path):
    gallery.on("/works.csv?v=1", reply(200, WORKS.encode(), {"ETag": '"1"'}), reply(304))
    source, raw = table_source(f"{gallery.url}/works.csv?v=1"), UPath(tmp_path / "raw")
    assert source.hosts == (gallery.url.removeprefix("http://"),)
    with GalleryClient(config) as client:
        for _ in range(2):
            source.download(client, raw, SilentProgress())
            assert ids(source.read(raw)) == ["1", "2"]
        assert client.counts.not_modified == 1
    gallery.on("/works.csv?v=1", reply(200, b"<html>Sorry</html>"))
    with GalleryClient(config) as client, pytest.raises(NotATableError, match="web page"):
        source.download(client, raw, SilentProgress())
    assert ids(source.read(raw)) == ["1", "2"]


def test_a_source_that_was_not_downloaded_says_so(tmp_path):
    with pytest.raises(NoRecordsError, match="artpipe refresh"):
        table_source(tmp_path / "works.csv").read(UPath(tmp_path / "raw"))


def test_tables_are_joined_by_their_keys(tmp_path):
    tables = {
        "works.csv": "id,title\n1,Pears\n2,Plums\n",
        "pictures.csv": "work,address,place\n1,http://x/b.jpg,2\n1,http://x/a.jpg,1\n9,http://x/z.jpg,1\n",
        "makers.csv": "work,person,role\n1,p1,painter\n1,p2,engraver\n1,p3,donor\n2,p9,painter\n",
        "people.csv": "person,name\np1,A\np2,B\np3,C\n",
    }
    for name, text in tables.items():
        (tmp_path / name).write_text(text)
    source = table_source(
        tmp_path / "works.csv",
        tables={
            "pictures": {"path": str(tmp_path / "pictures.csv"), "key": "work", "to": "id", "sort": "place"},
            "makers": {
                "path": str(tmp_path / "makers.csv"),
                "key": "work",
                "to": "id",
                "where": {"role": ["painter", "engraver"]},
            },
            "people": {"path": str(tmp_path / "people.csv"), "key": "person", "to": "makers.person"},
        },
        columns={
            "images": "pictures[].address",
            "artists": {"name": "makers[].people.name", "role": "makers[].role"},
            "medium": "makers.role",
            "location": "makers[1].role",
        },
    )
    raw = UPath(tmp_path / "raw")
    download(source, raw)
    first, second = source.read(raw).rows.to_dicts()
    assert [image["url"] for image in first["images"]] == ["http://x/a.jpg", "http://x/b.jpg"]
    assert [(artist["name"], artist["role"]) for artist in first["artists"]] == [("A", "painter"), ("B", "engraver")]
    assert (first["medium"], first["location"]) == ("painter", "engraver")
    assert (second["images"], second["artists"], second["medium"]) == ([], [], "painter")


def answers(*pages: list[int]) -> list[bytes]:
    return [json.dumps({"data": [{"id": number, "title": "x"} for number in page]}).encode() for page in pages]


@pytest.mark.parametrize(
    ("pages", "second"), [({"offset": "skip", "size": 2}, "skip=2"), ({"page": "page", "size": 2}, "page=2")]
)
def test_pages_are_counted_until_one_is_not_full(gallery, reply, config, tmp_path, pages, second):
    first, last = answers([1, 2], [3])
    gallery.on("/works?q=a", reply(200, first))
    gallery.on(f"/works?q=a&{second}", reply(200, last))
    source, raw = table_source(f"{gallery.url}/works?q=a", pages=pages), UPath(tmp_path / "raw")
    with GalleryClient(config) as client:
        source.download(client, raw, SilentProgress())
    assert ids(source.read(raw)) == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("following", "message"),
    [("/works", "in a circle"), ("https://elsewhere.example/works", "another host"), ("/works?page={}", "more than 3")],
)
def test_pages_that_do_not_end_are_refused_and_what_was_there_stays(
    gallery, reply, config, tmp_path, following, message
):
    page = {"data": [{"id": 1, "title": "x"}]}
    gallery.on("/works", reply(200, json.dumps(page | {"next": following.format(1)}).encode()))
    for number in range(1, 5):
        answer = json.dumps(page | {"next": following.format(number + 1)}).encode()
        gallery.on(f"/works?page={number}", reply(200, answer))
    raw = UPath(tmp_path / "raw")
    (raw / "records").mkdir(parents=True)
    (raw / "records" / "00009-works").write_bytes(answers([9])[0])
    source = table_source(f"{gallery.url}/works", pages={"next": "next", "at_most": 3})
    with GalleryClient(config) as client, pytest.raises(EndlessPagesError, match=message):
        source.download(client, raw, SilentProgress())
    assert (raw / "records" / "00009-works").exists()


def test_an_api_is_asked_once_about_each_record_and_again_when_it_changed(gallery, reply, config, tmp_path):
    works, raw = tmp_path / "works.csv", UPath(tmp_path / "raw")
    works.write_text("id,title,open,date\n1,Pears,yes,a\n2,Plums,yes,a\n3,Figs,no,a\n4,Nuts,yes,a\n5,Dates,yes,a\n")
    source = table_source(
        works,
        answers={"api": {"url": f"{gallery.url}/objects/{{id}}", "changed": "date", "where": {"open": "yes"}}},
        columns={"images": "api.pictures[].url", "medium": "api.medium"},
    )
    picture = {"medium": "oil", "pictures": [{"url": "http://x/1.jpg"}, {"url": "http://x/2.jpg"}]}
    gallery.on("/objects/1", reply(200, json.dumps(picture).encode()))
    gallery.on("/objects/4", reply(200, b"<html>"), reply(200, json.dumps(picture | {"medium": "ink"}).encode()))
    gallery.on("/objects/5", reply(403), reply(200, b'{"medium": null}'))

    def refreshed() -> tuple[list[str | None], int]:
        before = sum("/objects/" in path for path in gallery.seen)
        with GalleryClient(config) as client:
            source.download(client, raw, SilentProgress())
        found = source.read(raw)
        assert len(found.rows["images"][0]) == 2
        return found.rows["medium"].to_list(), sum("/objects/" in path for path in gallery.seen) - before

    assert source.hosts == (gallery.url.removeprefix("http://"),)
    assert refreshed() == (["oil", None, None, None, None], 4)
    assert "1 records have no current answer of api (gone)" in " ".join(source.read(raw).notes)
    assert refreshed() == (["oil", None, None, "ink", None], 2)
    assert refreshed() == (["oil", None, None, "ink", None], 0)
    works.write_text(works.read_text().replace("1,Pears,yes,a", "1,Pears,yes,b"))
    gallery.on("/objects/1", reply(403))
    assert refreshed() == (["oil", None, None, "ink", None], 1)


def test_a_table_joined_to_itself_gives_a_work_the_pictures_of_all_of_its_rows(tmp_path):
    address = "https://pictures.example"
    (tmp_path / "works.csv").write_text(
        f"id,title,image\n1,A,{address}/1.jpg\n1,A,{address}/2.jpg\n2,B,{address}/3.jpg\n"
    )
    source = table_source(
        tmp_path / "works.csv",
        tables={"rows": {"path": str(tmp_path / "works.csv"), "key": "id", "to": "id"}},
        columns={"source_id": "id", "images": "rows[].image"},
    )
    download(source, UPath(tmp_path / "raw"))
    rows = source.read(UPath(tmp_path / "raw")).rows.to_dicts()
    pictures = {row["source_id"]: [image["url"][-5:] for image in row["images"]] for row in rows}
    assert pictures == {"1": ["1.jpg", "2.jpg"], "2": ["3.jpg"]}


def test_a_joined_table_may_have_joined_tables_of_its_own(tmp_path):
    tables = {"works": "id,title\n1,Pears\n", "makers": "work,person\n1,p1\n", "people": "person,town\np1,t1\n"}
    tables |= {"towns": "town,name\nt1,Delft\n"}
    for name, text in tables.items():
        (tmp_path / f"{name}.csv").write_text(text)
    joined = {"makers": ("work", "id"), "people": ("person", "makers.person"), "towns": ("town", "people.town")}
    source = table_source(
        tmp_path / "works.csv",
        tables={
            name: {"path": str(tmp_path / f"{name}.csv"), "key": key, "to": to} for name, (key, to) in joined.items()
        },
        columns={"location": "makers[].people.towns.name"},
    )
    download(source, UPath(tmp_path / "raw"))
    assert source.read(UPath(tmp_path / "raw")).rows["location"].to_list() == ["Delft"]


@pytest.mark.parametrize("place", ["", "/*.csv", "/a.csv"])
def test_tables_and_the_lake_may_be_in_an_object_store(place):
    museum = UPath("memory://museum/works")
    museum.mkdir(parents=True, exist_ok=True)
    (museum / "a.csv").write_bytes("id,title\n1,Pears\n2\n3,Prés\n".encode("cp1252"))
    source, raw = table_source(f"memory://museum/works{place}"), UPath("memory://lake/raw/ours")
    for _ in range(2):
        download(source, raw)
        found = source.read(raw)
        assert (titles(found), reasons(found)) == (["Pears", "Prés"], ["a.csv: line 3 has 1 field instead of 2"])


ROWS_OF_BATCHES = [("1", 2), ("2", 4), ("3", 5), ("4", 6), ("5", 9)]
LINES = 'id,title\n1,"a\nb"\n2,b\n3,c\n4,"d\ne\nf"\n5,e\n'


@pytest.mark.parametrize(
    ("name", "content", "rows"),
    [
        ("works.csv", LINES, ROWS_OF_BATCHES),
        ("works.csv", LINES + "6\n", ROWS_OF_BATCHES),
        (
            "works.jsonl",
            "".join(f'{{"id": {number}}}\n\n' for number in range(1, 6)),
            [(str(n), 2 * n - 1) for n in range(1, 6)],
        ),
        ("works.json", json.dumps([{"id": number} for number in range(1, 6)]), [(str(n), n) for n in range(1, 6)]),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 100])
def test_lines_are_counted_on_from_batch_to_batch(tmp_path, name, content, rows, size):
    (tmp_path / name).write_text(content)
    reader = RecordReader(TableForm(), {"id": "columns.source_id"}, tmp_path, batch_rows=size)
    batches = list(reader.batches(UPath(tmp_path / name), name))
    assert [row for batch in batches for row in batch.select("id", NUMBER).iter_rows()] == rows
    assert size > 5 or len(batches) > 1


def test_newlines_inside_fields_and_long_files_keep_every_record_and_its_line(read_table):
    lines = [f'{number},"{"line of text" * 9}\n{number}"\n' for number in range(90_000)]  # more than is read at once
    found = read_table("id,title\n" + "".join(lines))
    assert found.rows["source_id"].to_list() == [str(number) for number in range(90_000)]
    assert found.rows["row_number"].to_list() == [2 * number + 2 for number in range(90_000)]
    assert found.rows["title"].str.ends_with(pl.concat_str(pl.lit("\n"), found.rows["source_id"])).all()
    assert found.quarantine.is_empty()


@pytest.mark.parametrize("name", ["works.csv.gz", "works.csv", "export?what=works"])
def test_a_table_compressed_by_gzip_is_read_as_it_is(read_table, name):
    assert titles(read_table(gzip.compress(WORKS.encode()), name)) == ["Pears", "Plums"]


def _zipped(**files: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return out.getvalue()


def test_the_only_table_of_a_zip_archive_is_read(read_table):
    content = _zipped(**{"export/works.csv": WORKS + "3\n", "__MACOSX/works.csv": "x", "READ ME.md": "x"})
    found = read_table(content, "works.zip")
    assert titles(found) == ["Pears", "Plums"]
    assert reasons(found) == ["works.zip/export/works.csv: line 4 has 1 field instead of 2"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (_zipped(**{"a.csv": WORKS, "b.csv": WORKS}), r"several tables \(a\.csv, b\.csv\)"),
        (_zipped(**{"a.jpg": ""}), r"no table \(a\.jpg\)"),
        (_zipped(**{"[Content_Types].xml": "", "xl/workbook.xml": ""}), "Excel workbook or the like; save it as CSV"),
        (gzip.compress(WORKS.encode())[:-9], "works.csv cannot be unpacked"),
        (gzip.compress(b"<html>Sorry"), "web page"),
    ],
    ids=["two tables", "no table", "workbook", "cut off", "web page"],
)
def test_a_compressed_file_without_a_table_says_why(read_table, content, message):
    with pytest.raises(NotATableError, match=message):
        read_table(content)


def test_lines_of_json_in_a_file_of_text_are_json(read_table):
    assert titles(read_table('{"id": 1, "title": "Pears"}\n{"id": 2, "title": "Plums"}\n', "00.txt")) == [
        "Pears",
        "Plums",
    ]


def test_a_folder_without_tables_is_read_with_the_folders_below_it(tmp_path):
    for number in range(12):
        file = tmp_path / "works" / str(number // 10) / f"{number}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"id": number, "title": f"Pears {number}", "creators": [{"name": "Ann"}]}))
    source = table_source(tmp_path / "works", records=".")
    download(source, UPath(tmp_path / "raw"))
    assert sorted(ids(source.read(UPath(tmp_path / "raw"))), key=int) == [str(number) for number in range(12)]


def test_rows_of_a_work_become_one_with_the_makers_pictures_and_labels_of_all(read_table):
    table = """id,title,artist,image,style,from,open
1,Pears,Ann,https://a.example/1.jpg,Baroque,1650,yes
2,Plums,Bo,,Rococo,1700,yes
1,Birnen,Ann,https://a.example/2.jpg,Baroque,1640,yes
1,,Cy,https://a.example/1.jpg,Rococo,,no
,Figs,,,,,
"""
    columns = {"artists": "artist", "images": "image", "year_from": "from", "is_open": {"open": "yes"}}
    found = read_table(table, columns=columns, labels={"style": "style"}, rows_of_a_work="joined")
    assert (ids(found), titles(found)) == (["1", "2"], ["Pears", "Plums"])
    first = found.rows.row(0, named=True)
    assert [artist["name"] for artist in first["artists"]] == ["Ann", "Cy"]
    assert [image["url"][-5:] for image in first["images"]] == ["1.jpg", "2.jpg"]
    assert (first["label.style"], first["year_from"], first["is_open"]) == (["Baroque", "Rococo"], 1640, False)
    assert reasons(found) == ["row 6: it has no id (columns.source_id)"]
    assert found.notes == ("1 works whose several rows are joined, such as in works.csv",)


def test_one_value_in_one_file_and_several_in_the_next_are_one_column(tmp_path):
    (tmp_path / "works").mkdir()
    for number, artists in enumerate(["Ann", ["Ann", "Bo"], None]):
        (tmp_path / f"works/{number}.json").write_text(json.dumps({"id": number, "title": "Pears", "artist": artists}))
    source = table_source(tmp_path / "works", records=".", columns={"artists": "artist"})
    download(source, UPath(tmp_path / "raw"))
    found = source.read(UPath(tmp_path / "raw")).rows["artists"]
    assert [[artist["name"] for artist in some] for some in found] == [["Ann"], ["Ann", "Bo"], []]


def test_an_address_is_no_name_of_an_artist(read_table):
    content = json.dumps([{"id": 1, "title": "Pears", "creator": ["http://data.example/agent/1", "Willem Kalf"]}])
    found = read_table(content, "works.json", columns={"artists": "creator"})
    assert [artist["name"] for artist in found.rows["artists"].item()] == ["Willem Kalf"]
    assert "1 names of artists that are addresses, and left out, such as in row 1" in found.notes[0]
