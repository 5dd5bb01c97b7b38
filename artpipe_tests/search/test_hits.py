import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from artpipe.embedding.predictions import PictureEncoder
from artpipe.search import Collection
from artpipe.search.hits import Explanation, Hits, UnknownFormatError

FRAME = pl.DataFrame(
    {
        "rank": [1, 2],
        "artwork_id": ["a/b/c", "a/b/d"],
        "similarity": [0.91, 0.5],
        "artist": ["Ö & <i>Co</i>", None],
        "title": ['"Quoted" <script>', None],
        "style": ["Baroque", None],
        "page_url": ["https://gallery.example/a?x=1&y=2", "javascript:alert(1)"],
    }
)
ROWS = np.arange(2)
EXPLANATION = Explanation("exact", True, "", "", 2, 2, 0.1)


def jpeg(colour: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (400, 300), colour).save(out, "JPEG")
    return out.getvalue()


@pytest.fixture
def hits() -> Hits:
    return Hits(
        FRAME, lambda names: {name: jpeg("red") for name in names if name == "a/b/c"}, EXPLANATION, positions=ROWS
    )


@pytest.fixture
def page(hits: Hits) -> str:
    return hits._repr_html_()


def test_hits_are_used_like_the_frame_they_wrap(hits: Hits):
    assert hits.height == len(hits) == 2
    assert hits["artwork_id"].to_list() == ["a/b/c", "a/b/d"]
    assert hits.select("rank").columns == ["rank"]
    assert [hit["rank"] for hit in hits] == [1, 2]
    assert repr(hits) == repr(FRAME)
    with pytest.raises(AttributeError, match="no attribute 'sulect'"):
        hits.sulect("rank")


def test_a_date_that_the_catalogue_leaves_out_is_not_shown(hits: Hits):
    hits.frame = FRAME.with_columns(date_text=pl.Series(["-", "c. 1500"]))
    page = hits._repr_html_()
    assert "Co&lt;/i&gt;<br>0.910<" in page
    assert "c. 1500 · 0.500" in page


def test_hits_become_a_frame_of_every_library(hits: Hits):
    assert hits.to_polars().equals(FRAME)
    assert hits.to_pandas()["similarity"].tolist() == [0.91, 0.5]
    assert hits.to_arrow().column("rank").to_pylist() == [1, 2]


def test_hits_are_saved_as_tables(hits: Hits, tmp_path: Path):
    assert hits.to_csv(tmp_path / "hits.csv").read_bytes().startswith(b"\xef\xbb\xbfrank,")
    assert pl.read_csv(tmp_path / "hits.csv")["artist"].to_list() == ["Ö & <i>Co</i>", None]
    assert pl.read_parquet(hits.to_parquet(tmp_path / "hits.parquet")).equals(FRAME)


def test_a_title_that_looks_like_a_formula_is_no_formula_in_csv(hits: Hits, tmp_path: Path):
    titles = ["=HYPERLINK(0)", "-2+3"]
    hits.frame = FRAME.with_columns(title=pl.Series(titles))
    assert pl.read_csv(hits.to_csv(tmp_path / "hits.csv"))["title"].to_list() == ["'=HYPERLINK(0)", "'-2+3"]
    assert pl.read_parquet(hits.to_parquet(tmp_path / "hits.parquet"))["title"].to_list() == titles


def test_a_contact_sheet_shows_every_hit_even_one_without_a_picture(hits: Hits, tmp_path: Path):
    with Image.open(hits.contact_sheet(tmp_path / "sheet.png", columns=2, title="Two works")) as sheet:
        colours = {colour for _, colour in sheet.convert("RGB").getcolors(1 << 20) or []}
        assert sheet.width > 2 * 150
        assert any(red > 240 and green < 20 for red, green, _ in colours)


@pytest.mark.parametrize(
    ("name", "signature"),
    [("s.png", b"\x89PNG"), ("s", b"\x89PNG"), ("s.JPG", b"\xff\xd8"), ("s.webp", b"RIFF"), ("s.pdf", b"%PDF")],
)
def test_a_contact_sheet_has_the_format_that_its_name_says(hits: Hits, tmp_path: Path, name: str, signature: bytes):
    assert hits.contact_sheet(tmp_path / name).read_bytes().startswith(signature)


def test_a_contact_sheet_of_an_unknown_format_is_refused(hits: Hits, tmp_path: Path):
    with pytest.raises(UnknownFormatError, match=r"cannot be written as s\.docx; end its name with \.png, \.jpg"):
        hits.contact_sheet(tmp_path / "s.docx")
    assert not (tmp_path / "s.docx").exists()


def test_more_pictures_than_a_format_holds_are_refused_in_words(hits: Hits, tmp_path: Path):
    hits.frame = pl.concat([FRAME] * 40)
    with pytest.raises(UnknownFormatError, match=r"80 pictures are too many for a sheet in WEBP; write \.png"):
        hits.contact_sheet(tmp_path / "s.webp", columns=1)
    assert not (tmp_path / "s.webp").exists()


def test_a_notebook_shows_small_pictures_inside_the_page(page: str):
    assert page.count("<figure") == 2
    assert page.count('<img src="data:image/jpeg;base64,') == 1
    assert "no picture" in page
    assert len(page) < 20_000


def test_what_the_catalogue_says_cannot_change_the_page(page: str):
    assert "<script" not in page
    assert "&quot;Quoted&quot; &lt;script&gt;" in page
    assert "Ö &amp; &lt;i&gt;Co&lt;/i&gt;" in page


def test_only_web_addresses_become_links(page: str):
    assert page.count("<a ") == 1
    assert 'href="https://gallery.example/a?x=1&amp;y=2"' in page
    assert "javascript:" not in page


def test_no_hits_and_many_hits_are_told_in_words():
    assert "No work was found" in Hits(FRAME.head(0), lambda _: {}, EXPLANATION, positions=ROWS)._repr_html_()
    assert "and 6 more" in Hits(pl.concat([FRAME] * 15), lambda _: {}, EXPLANATION, positions=ROWS)._repr_html_()


def test_the_hits_of_a_collection_show_its_pictures(
    lake: object, colour_model: PictureEncoder, picture_of: Callable[..., bytes]
):
    hits = Collection.open(lake, encoder=colour_model).similar("d/durer/hare", k=2)  # pyright: ignore[reportArgumentType]
    assert hits._repr_html_().count("data:image/jpeg") == 2
    assert hits._stored_jpegs(["h/hals/smile"]) == {"h/hals/smile": picture_of((180, 90, 40))}
