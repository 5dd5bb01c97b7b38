"""A maker as catalogues write one."""

import pytest

from artpipe.sources.makers import authority_in, read_maker, read_makers


@pytest.mark.parametrize(
    ("text", "name", "born", "died"),
    [
        ("Winslow Homer (1836\u20131910)", "Winslow Homer", 1836, 1910),
        ("Homer, Winslow, 1836-1910", "Homer, Winslow", 1836, 1910),
        ("Ann [born 1950]", "Ann", 1950, None),
        ("Ann (French, 1859-1891)", "Ann", 1859, 1891),
        ("Bo, 1691\u20131781, Flemish, active in Britain (from ca. 1720)", "Bo", 1691, 1781),
        ("Artist: Bo, 1853 - 1890", "Bo", 1853, 1890),
        ("Bo, 1950-", "Bo", 1950, None),
        ("Workshop of Bo (Delft)", "Workshop of Bo (Delft)", None, None),
        ("Bo", "Bo", None, None),
    ],
)
def test_dates_of_life_are_told_from_the_name(text, name, born, died):
    found = read_maker(text)
    assert (found["name"], found["born"], found["died"]) == (name, born, died)


def test_a_role_before_the_name_is_told_from_it():
    assert [(maker["name"], maker["role"]) for maker in read_makers("Painter: Bo; Ann")] == [
        ("Bo", "painter"),
        ("Ann", None),
    ]


@pytest.mark.parametrize(
    ("text", "makers"),
    [
        ("Bo\nFrench, 1859-1891", [("Bo", 1859)]),
        ("Bo\nAnn", [("Bo", None), ("Ann", None)]),
        ("Ann\nCy (1600-1650)", [("Ann", None), ("Cy", 1600)]),
        ("Bo, 1600-1650\nAnn, 1610-1660", [("Bo", 1600), ("Ann", 1610)]),
        ("\n;\n", []),
    ],
)
def test_makers_stand_on_lines_and_the_second_of_two_may_give_the_years(text, makers):
    assert [(maker["name"], maker["born"]) for maker in read_makers(text)] == makers


@pytest.mark.parametrize(
    "uri",
    [
        "https://www.wikidata.org/wiki/Q5598",
        "http://vocab.getty.edu/page/ulan/500011051",
        "http://viaf.org/viaf/64013650",
        "https://d-nb.info/gnd/11859964X",
    ],
)
def test_an_authority_is_found_in_a_text(uri):
    assert authority_in(f"<a href='{uri}'>Bo</a>") == uri
    assert authority_in("https://museum.example/bo") is None
