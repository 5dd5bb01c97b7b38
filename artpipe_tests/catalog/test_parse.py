"""Catalogue files of every format become the same rows."""

import io
import re
import zipfile
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artpipe.catalog.parse import (
    COLUMNS,
    EmptyCatalogError,
    MissingColumnError,
    NotACatalogError,
    ParsedCatalog,
    parse_catalog,
)
from artpipe.errors import ArtpipeError

HEADER = [column.upper() for column in COLUMNS]


def work(title: str = "Pears", **changed: str) -> list[str]:
    values = {
        "author": "ÖRN, Åsa",
        "born-died": "(b. 1500, Näs, d. 1560, Näs)",
        "title": title,
        "date": "1530",
        "technique": "Oil on panel, 30 x 40 cm",
        "location": "Museum, Näs",
        "url": f"https://site.example/html/o/orn/{re.sub('[^a-z]', '', title.lower())}.html",
        "form": "painting",
        "type": "still-life",
        "school": "Other",
        "timeframe": "1501-1550",
    }
    return list((values | {name.replace("_", "-"): value for name, value in changed.items()}).values())


def written(rows: Sequence[Sequence[str]], delimiter: str = "\t", header: Sequence[str] = HEADER) -> str:
    return "".join(delimiter.join(row) + "\r\n" for row in (header, *rows))


def zipped(**members: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in members.items():
            archive.writestr(name.replace("_", "."), text.encode("cp1252"))
    return packed.getvalue()


def fields(parsed: ParsedCatalog) -> list[list[str]]:
    return [list(row) for row in parsed.rows.select(COLUMNS).iter_rows()]


def test_a_zipped_windows_1252_catalogue_with_tabs_is_read_and_named():
    rows = [work("Pears"), work('"Blue" Hour; Evening')]
    parsed = parse_catalog(zipped(catalog_txt=written(rows)))
    assert str(parsed.format) == "zipped, tab-separated, Windows-1252"
    assert fields(parsed) == rows
    assert parsed.rows["row_number"].to_list() == [1, 2]


def test_a_plain_utf8_catalogue_is_read_with_and_without_a_byte_order_mark():
    text = written([work("Päron")])
    for data in (text.encode(), text.encode("utf-8-sig")):
        parsed = parse_catalog(data)
        assert str(parsed.format) == "plain, tab-separated, UTF-8"
        assert fields(parsed) == [work("Päron")]


def test_a_catalogue_with_semicolons_may_quote_its_fields():
    lines = written([work("Pears"), work("Blue")], ";")
    lines = lines.replace("Pears", '"Pears; and ""ripe"" ones"', 1).replace(";Blue;", ';"Blue\r\nHour";')
    parsed = parse_catalog(lines.encode())
    assert parsed.format.delimiter == ";"
    assert [row[2] for row in fields(parsed)] == ['Pears; and "ripe" ones', "Blue\nHour"]
    assert parsed.quarantine.is_empty()


def test_a_quote_is_only_a_character_in_an_export_that_does_not_quote():
    rows = [work('"Blue" Hour'), work("Pears", location='Museum "North", Näs'), work('"All of it"')]
    assert fields(parse_catalog(written(rows, ";").encode())) == rows
    assert fields(parse_catalog(written(rows, "\t").encode())) == rows


def test_a_row_with_a_delimiter_in_a_field_is_repaired_where_that_is_unambiguous():
    rows = [work("Pears; and Plums"), work("Pears", technique="Oil; tempera"), work("Pears;Plums")]
    parsed = parse_catalog(written(rows, ";").encode())
    assert fields(parsed) == rows
    assert parsed.repaired == 3


def test_a_row_that_can_be_repaired_in_two_ways_is_quarantined():
    rows = [work("Pears"), work("Pears", technique="Oil;tempera")]
    parsed = parse_catalog(written(rows, ";").encode())
    assert fields(parsed) == rows[:1]
    assert parsed.quarantine.rows() == [(2, "12 fields instead of 11", ";".join(rows[1]))]


def test_a_short_row_is_quarantined_with_its_number_and_reason():
    parsed = parse_catalog((written([work("Pears")]) + "only\tthree\tfields\r\n" + "\r\n" + "x\r\n").encode())
    assert parsed.rows.height == 1
    assert parsed.quarantine.rows() == [
        (2, "3 fields instead of 11", "only\tthree\tfields"),
        (4, "1 field instead of 11", "x"),
    ]


def test_a_quotation_that_never_closes_takes_no_other_row_with_it():
    good = written([work("Pears", location='"Museum; Näs"'), work("Plums", location='"Museum; Näs"')], ";")
    parsed = parse_catalog((good + '"torn;row\r\n' + ";".join(work("Grapes")) + "\r\n").encode())
    assert [row[2] for row in fields(parsed)] == ["Pears", "Plums", "Grapes"]
    assert parsed.quarantine.rows() == [(3, "a quotation that is never closed", '"torn;row')]


def test_a_damaged_byte_in_utf8_quarantines_its_row():
    data = written([work("Päron"), work("Äpple"), work("Körsbär")]).encode().replace("Äpple".encode(), b"\xc4pple")
    parsed = parse_catalog(data)
    assert parsed.format.encoding == "UTF-8"
    assert parsed.rows.height == 2
    assert parsed.quarantine["reason"].to_list() == ["holds bytes that cannot be decoded"]


def test_bytes_undefined_in_windows_1252_are_accepted():
    data = written([work("Pears", location="Näs XY")]).encode("cp1252").replace(b"XY", b"\x8f\x81")
    assert fields(parse_catalog(data))[0][5] == "Näs \x8f\x81"


def test_columns_may_be_reordered_and_further_ones_added():
    header = [*reversed(HEADER), "Notes", ""]
    rows = [[*reversed(work("Pears")), "fine", ""]]
    parsed = parse_catalog(written(rows, header=header).encode())
    assert fields(parsed) == [work("Pears")]
    assert parsed.rows["notes"].to_list() == ["fine"]


def test_spreadsheet_leftovers_are_no_rows():
    text = "sep=;\r\n" + written([[*work("Pears"), "", ""]], ";") + "\r\n\r\n"
    parsed = parse_catalog(text.encode())
    assert fields(parsed) == [work("Pears")]
    assert parsed.quarantine.is_empty()


def test_a_zip_with_a_readme_is_read_and_one_with_two_tables_is_not():
    text = written([work("Pears")])
    assert parse_catalog(zipped(catalog_csv=text, readme_md="x")).rows.height == 1
    assert parse_catalog(zipped(catalog_txt=text, terms_txt="x")).rows.height == 1
    with pytest.raises(NotACatalogError, match=r"one\.txt, two\.txt"):
        parse_catalog(zipped(one_txt=text, two_txt=text))


@pytest.mark.parametrize(
    "data",
    [
        b"<!DOCTYPE html><html><body>Not found</body></html>",
        b"  \n<HTML>",
        b"\x89PNG\r\n\x1a\n\x00\x00",
        b"AUTHOR,TITLE,DATE\r\na,b,c\r\n",
        b"just a line",
        b"PK\x03\x04 broken",
        zipped(picture_jpg="x"),
    ],
)
def test_other_files_are_refused_as_a_catalogue(data: bytes):
    with pytest.raises(NotACatalogError, match=r"^the file at hand .*(check|fetch)") as caught:
        parse_catalog(data, source="the file at hand")
    assert isinstance(caught.value, ArtpipeError)


def test_a_missing_column_is_named():
    header = [column for column in HEADER if column not in ("URL", "DATE")]
    with pytest.raises(MissingColumnError, match=r"the columns DATE, URL .*AUTHOR.*export it again"):
        parse_catalog(written([["x"] * len(header)], header=header).encode())


@pytest.mark.parametrize("data", [b"", b" \r\n\r\n", b"\xef\xbb\xbf", written([]).encode(), zipped(catalog_txt="")])
def test_an_empty_catalogue_is_an_error_of_its_own(data: bytes):
    with pytest.raises(EmptyCatalogError, match="check that ARTPIPE_GALLERY"):
        parse_catalog(data)


LINES = st.lists(
    st.one_of(
        st.just("\t".join(work("Pears"))),
        st.just("a\tb\tc"),
        # Without tabs no lines can make up a row together, so that each of them counts.
        st.text(alphabet=list('ab;" é'), max_size=40).filter(str.strip),
    ),
    min_size=1,
    max_size=12,
)


@given(LINES, st.sampled_from(["utf-8", "cp1252"]))
def test_every_row_with_text_is_a_row_or_in_quarantine(lines: list[str], encoding: str):
    parsed = parse_catalog((written([]) + "\r\n".join(lines)).encode(encoding))
    assert parsed.rows.height + parsed.quarantine.height == len(lines)
    numbers = parsed.rows["row_number"].to_list() + parsed.quarantine["row_number"].to_list()
    assert sorted(numbers) == list(range(1, len(lines) + 1))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-16-le"])
def test_unicode_text_as_excel_saves_it_is_read(encoding: str):
    rows = [work("Päron"), work("Äpple")]
    text = ("" if encoding == "utf-16" else "\ufeff") + written(rows)
    parsed = parse_catalog(text.encode(encoding))
    assert (fields(parsed), parsed.format.encoding) == (rows, "UTF-16")


def test_half_a_character_of_utf16_quarantines_its_row():
    data = written([work("Pears"), work("Plums")]).encode("utf-16")[:-1]
    assert parse_catalog(data).rows.height + parse_catalog(data).quarantine.height == 2


@pytest.mark.parametrize("delimiter", ["\t", ";"])
def test_the_only_quoted_field_may_hold_a_line_break(delimiter: str):
    rows = [work("Pears"), work("Plums", location="Museum,\nNäs"), work("Grapes")]
    text = written(rows, delimiter).replace("Museum,\nNäs", '"Museum,\nNäs"')
    assert fields(parse_catalog(text.encode())) == rows


def test_a_byte_order_mark_is_no_text_wherever_it_stands():
    rows = [work("Pears"), work("Plums")]
    text = "\ufeff\ufeff" + written(rows).replace("Plums", "\ufeffPlums").replace("\r\nÖRN", "\r\n\ufeffÖRN")
    assert fields(parse_catalog(text.encode())) == rows
