"""The artist page becomes a table with one row for each name."""

import polars as pl
import pytest

from artpipe.catalog.artists import NotAnArtistListError, folder_of, parse_artist_list
from artpipe.schema import ARTISTS


def cells(*texts: str) -> str:
    return "<tr>" + "".join(f'<td class="ARTISTLIST">{text}</td>' for text in texts) + "</tr>"


def artist(name: str, folder: str, dates: str = "(1500-1560)", period: str = "Baroque", kind: str = "Dutch painter "):
    link = f'<a href="https://site.example/html/{folder}/index.html"><b>{name}</b></a>'
    return cells(link, dates, period, kind)


def alias(name: str, target: str, folder: str) -> str:
    link = f'<a href="https://site.example/html/{folder}/index.html"><b>{target}</b></a>'
    return cells(f"<b>{name} (see </b>{link}<b>)</b>", "(1500-1560)", "Baroque", "Dutch painter ")


def page(*rows: str) -> bytes:
    return f"<html><body><table><tr><td>Name</td></tr>{''.join(rows)}</table></body></html>".encode()


def row(table: pl.DataFrame, artist_id: str) -> dict[str, object]:
    return table.row(by_predicate=pl.col("artist_id") == artist_id, named=True)


def test_an_artist_is_known_by_its_folder():
    table = parse_artist_list(
        page(artist("ÖRN, Åsa", "o/orn", "(1500-1560) ", "Mannerism", "Italian graphic artist  (Venice)"))
    )
    assert table.schema == ARTISTS
    assert row(table, "o/orn") == {
        "artist_id": "o/orn",
        "name": "ÖRN, Åsa",
        "born": 1500,
        "died": 1560,
        "dates_text": "(1500-1560)",
        "period": "Mannerism",
        "school": "Italian",
        "profession": "graphic artist",
        "alias_of": None,
    }


def test_an_alias_points_at_the_artist_it_names():
    table = parse_artist_list(page(alias("LITTLE BEAR, The", "ÖRN, Åsa", "o/orn"), artist("ÖRN, Åsa", "o/orn")))
    assert row(table, "~little-bear-the")["alias_of"] == "o/orn"
    assert row(table, "~little-bear-the")["name"] == "LITTLE BEAR, The"


def test_the_letters_see_inside_a_name_make_no_alias():
    table = parse_artist_list(page(artist("MASTER of the Tegernsee Chapel", "m/master/tegern")))
    assert row(table, "m/master/tegern")["alias_of"] is None


def test_every_id_is_unique_where_names_and_folders_are_not():
    table = parse_artist_list(
        page(
            artist("ÖRN, Åsa", "o/orn"),
            artist("ÖRN, Östen", "o/orn"),
            alias("BEAR", "ÖRN, Åsa", "o/orn"),
            alias("BEAR", "ÖRN, Östen", "o/orn"),
            cells("<b>NOBODY, Known</b>", "", "", ""),
        )
    )
    assert table["artist_id"].to_list() == ["o/orn", "~bear", "~bear-2", "~nobody-known", "~orn-osten"]
    nobody = row(table, "~nobody-known")
    assert (nobody["period"], nobody["school"], nobody["profession"], nobody["born"]) == (None, None, None, None)


def test_an_unknown_period_is_no_style():
    assert parse_artist_list(page(artist("A", "a/aaaa", period="Dada")))["period"].to_list() == [None]
    assert parse_artist_list(page(artist("A", "a/aaaa", period="high renaissance")))["period"].to_list() == [
        "High Renaissance"
    ]


def test_the_page_is_read_as_utf8_as_windows_1252_and_after_it_was_saved_twice():
    good = page(artist("ÉTÉ, Città", "e/ete"))
    assert parse_artist_list(good)["name"].to_list() == ["ÉTÉ, Città"]
    assert parse_artist_list(good.decode().encode("cp1252")).equals(parse_artist_list(good))
    assert parse_artist_list(good.decode("latin-1").encode()).equals(parse_artist_list(good))


@pytest.mark.parametrize(
    ("address", "folder"),
    [
        ("https://site.example/html/o/orn/index.html", "o/orn"),
        ("https://site.example/html/o/orn/asa/index.html", "o/orn/asa"),
        ("/html/o/orn/", "o/orn"),
        ("https://site.example/htmlo/orn/index.html", "o/orn"),
        ("https://site.example/html/oorn/index.html", "o/orn"),
        ("https://site.example/html/o/index.html", None),
        ("https://site.example/other.html", None),
        ("", None),
    ],
)
def test_a_link_leads_to_a_folder_even_without_one_of_its_slashes(address: str, folder: str | None):
    assert folder_of(address) == folder


@pytest.mark.parametrize(
    "content", [b"", b"<html><body>Log in</body></html>", b"\x89PNG\r\n\x1a\n\x00", page(cells("one", "two"))]
)
def test_another_page_is_refused_with_the_next_step(content: bytes):
    with pytest.raises(NotAnArtistListError, match=r"the list at hand.*(check|fetch)"):
        parse_artist_list(content, source="the list at hand")
