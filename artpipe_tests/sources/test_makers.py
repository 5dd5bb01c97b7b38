"""A maker as catalogues write one."""

import pytest

from artpipe.sources.makers import authority_in, read_maker


@pytest.mark.parametrize(
    ("text", "name", "born", "died"),
    [
        ("Winslow Homer (1836\u20131910)", "Winslow Homer", 1836, 1910),
        ("Homer, Winslow, 1836-1910", "Homer, Winslow", 1836, 1910),
        ("Ann [born 1950]", "Ann", 1950, None),
        ("Bo, 1950-", "Bo", 1950, None),
        ("Workshop of Bo (Delft)", "Workshop of Bo (Delft)", None, None),
        ("Bo", "Bo", None, None),
    ],
)
def test_dates_of_life_are_told_from_the_name(text, name, born, died):
    found = read_maker(text)
    assert (found["name"], found["born"], found["died"]) == (name, born, died)


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
