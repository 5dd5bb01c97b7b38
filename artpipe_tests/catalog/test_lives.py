"""The dates of artists become years of birth and death, or of work."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artpipe.catalog.lives import Life, corrected_date, parse_life


@pytest.mark.parametrize(
    ("text", "born", "died"),
    [
        ("(1570-1624)", 1570, 1624),
        ("(1570\u20131624)", 1570, 1624),
        ("( 1570- 1624)", 1570, 1624),
        ("1570-1624)", 1570, 1624),
        ("(1570.1624)", 1570, 1624),
        ("(15701624)", 1570, 1624),
        ("(1570-24)", None, None),
        ("(1570-84)", 1570, 1584),
        ("(c. 1570-1624)", 1570, 1624),
        ("(1570/75-after 1624)", 1570, 1624),
        ("(before 1570-c. 1624)", 1570, 1624),
        ("(1570s-1624)", 1570, 1624),
        ("(?-1624)", None, 1624),
        ("(d. 1624)", None, 1624),
        ("(died before1624)", None, 1624),
        ("(b. ca. 1570)", 1570, None),
        ("(b. 1570-1624)", 1570, 1624),
        ("(b. 1570, Town, d. 1624, Other Town)", 1570, 1624),
        ("(b. ca. 1570, Town, d. after 1624)", 1570, 1624),
        ("(b. ?, Town, d. 1624, Town)", None, 1624),
        ("(b. c. 1570, C\u00f3rdoba, d. c. 1624)", 1570, 1624),
        ("(b.c. 1570, d.c. 1624)", 1570, 1624),
        ("(1570 or after-1624 or before)", 1570, 1624),
        ("(1570-16245)", 1570, None),
        ("Florentine, 1570-1624", 1570, 1624),
        ("(c. 490-c. 430 B.C.)", -490, -430),
        ("(99-55 BC)", -99, -55),
        ("(63 B.C.-A.D. 14)", -63, 14),
        ("(b. 460 B.C., Town, d. 370 B.C.)", -460, -370),
        ("(d. A.D. 79)", None, 79),
    ],
)
def test_birth_and_death_are_read_in_each_of_their_shapes(text: str, born: int | None, died: int | None):
    life = parse_life(text)
    assert (life.born, life.died) == (born, died)


def test_a_letter_with_an_accent_makes_no_life_approximate():
    assert not parse_life("(b. 1570, C\u00f3rdoba, d. 1624)").is_approximate
    assert parse_life("(b. c1570, Town, d. 1624)").is_approximate


@pytest.mark.parametrize(
    ("text", "active_from", "active_to"),
    [
        ("(active 1570-1624)", 1570, 1624),
        ("(active 1570-84 in Town)", 1570, 1584),
        ("(documented 1570-1624)", 1570, 1624),
        ("(active 1570s)", 1570, 1579),
        ("(active c. 1570 in Town)", 1570, 1570),
        ("(first half of 15th cent.)", 1401, 1450),
        ("(active late 12th century in Town)", 1168, 1200),
        ("(active 2nd or 3rd quarter of the 14th century)", 1326, 1375),
        ("(active 5th century B.C.)", -500, -401),
        ("(active 1748-1471)", None, None),
    ],
)
def test_active_years_are_not_birth_and_death(text: str, active_from: int, active_to: int):
    life = parse_life(text)
    assert (life.born, life.died) == (None, None)
    assert (life.active_from, life.active_to) == (active_from, active_to)


def test_a_death_before_the_birth_is_discarded():
    assert parse_life("(1798-1788)") == Life()


def test_the_middle_of_a_life_lies_between_birth_and_death():
    assert parse_life("(1570-1624)").middle == 1597
    assert parse_life("(active 1570-1580)").middle == 1575
    assert parse_life("(d. 1624)").middle == 1594
    assert parse_life("(490-430 B.C.)").middle == -460
    assert parse_life("(10 B.C.-A.D. 10)").middle == 1  # there is no year 0


@given(st.text(alphabet=list("0123456789 -/.,()?bdcative\u2013"), max_size=30))
def test_the_life_of_any_text_ends_after_it_begins(text: str):
    life = parse_life(text)
    if life.born is not None and life.died is not None:
        assert 0 <= life.died - life.born <= 120


def test_a_mistyped_year_with_one_reading_in_the_life_is_read():
    parsed = corrected_date("11757", Life(1712, 1787))
    assert parsed is not None
    assert (parsed.year_from, parsed.year_to, parsed.flags) == (1757, 1757, ("typo",))
    lost = corrected_date("'622", Life(1585, 1645))
    assert lost is not None
    assert lost.year_from == 1622


def test_a_mistyped_year_with_two_readings_in_the_life_is_not_guessed():
    assert corrected_date("15665-70", Life(1535, 1600)) is None
    assert corrected_date("11757", Life()) is None
    assert corrected_date("15%-72", Life(1520, 1582)) is None
