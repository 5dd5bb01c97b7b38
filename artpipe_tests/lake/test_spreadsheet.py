import csv
import io

import polars as pl
import pytest

from artpipe.lake.spreadsheet import spreadsheet_csv


def cells(frame: pl.DataFrame) -> list[list[str]]:
    return list(csv.reader(io.StringIO(spreadsheet_csv(frame).decode("utf-8-sig"))))


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1+1", "@SUM(A1)", "\tx", "\r=1", "\n=1", " =1+1", "- 1", "\uff0d1", '=HYPERLINK("http://x","y")'],
)
def test_a_text_that_a_spreadsheet_would_run_begins_with_an_apostrophe(text: str):
    assert cells(pl.DataFrame({"title": [text]}))[1] == ["'" + text]


@pytest.mark.parametrize("text", ["Madonna", "1510-12", "-", "- ", "'t Kerkje", "a=b", 'Ö, "x"'])
def test_other_texts_are_not_escaped(text: str):
    assert cells(pl.DataFrame({"title": [text]}))[1] == [text]


def test_numbers_and_nulls_are_not_escaped():
    frame = pl.DataFrame({"title": [None, "x"], "year_from": [-300, None], "similarity": [-0.5, 0.5]})
    assert cells(frame)[1:] == [["", "-300", "-0.5"], ["x", "", "0.5"]]


def test_the_file_begins_with_a_utf_8_byte_order_mark():
    assert spreadsheet_csv(pl.DataFrame({"artist": ["Dürer"]})) == "\ufeffartist\nDürer\n".encode()
