"""Titles of paintings, of their details and of their other parts."""

import pytest

from artpipe.catalog.titles import base_title, shows_a_part


@pytest.mark.parametrize(
    ("title", "base"),
    [
        ("The Tower (detail)", "tower"),
        ("The Tower (left wing, detail))", "tower"),
        ("The Tower (detail", "tower"),
        ("Tower, detail of the gate", "tower"),
        ("Detail of the Tower", "tower"),
        ("Tower Detail 1663 10", "tower"),
        ("Tower 1663", "tower"),
        ("Été à Győr: No. 3 (detail)", "ete a gyor no"),
        ("1914", "1914"),
        ("(detail)", ""),
        ("-", ""),
        (None, ""),
    ],
)
def test_a_painting_and_its_details_have_one_base_title(title, base):
    assert base_title(title) == base


@pytest.mark.parametrize(
    ("title", "part"),
    [
        ("Tower (detail)", True),
        ("Tower (right wing)", True),
        ("Tower Detail 3", True),
        ("Tower, detail of the gate", True),
        ("Details of the Gate", True),
        ("Tower", False),
        ("Two Self-Portraits and Several Details in Red", False),
        ("Tower (after Millet)", False),
        ("Man with Left Hand Raised", False),
        (None, False),
    ],
)
def test_a_title_can_name_a_part(title, part):
    assert shows_a_part(title) is part
