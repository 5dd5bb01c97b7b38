"""What the address of a rights statement says."""

import pytest

from artpipe.sources.rights import is_open, rights_statement

CC, RS = "http://creativecommons.org", "https://rightsstatements.org"


@pytest.mark.parametrize(
    ("uri", "open_"),
    [
        (f"{CC}/publicdomain/zero/1.0/", True),
        (f"{CC}/publicdomain/mark/1.0/deed.nl", True),
        ("https://creativecommons.org/licenses/by/4.0", True),
        (f"{CC}/licenses/by-sa/3.0/de/", True),
        (f"{CC}/licenses/by-nc/4.0/", False),
        (f"{CC}/licenses/by-nd/4.0/", False),
        (f"{RS}/vocab/NoC-US/1.0/", True),
        (f"{RS}/page/InC/1.0/", False),
        (f"{RS}/vocab/NoC-NC/1.0/", False),
        (f"{RS}/vocab/UND/1.0/", None),
        (f"{RS}/vocab/CNE/1.0/", None),
        ("https://museum.example/terms", None),
        ("", None),
        (None, None),
    ],
)
def test_a_work_is_open_where_anybody_may_use_it_for_any_purpose(uri, open_):
    assert is_open(uri) is open_


def test_a_statement_is_found_in_a_text():
    text = f'<a href="{CC}/licenses/by-sa/3.0">CC BY-SA 3.0</a>, {RS}/vocab/InC/1.0/'
    assert rights_statement(text) == f"{CC}/licenses/by-sa/3.0"
    assert rights_statement("all rights reserved") is None
