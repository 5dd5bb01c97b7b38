"""Date texts become years, a precision and flags."""

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from artpipe.catalog.dates import EARLIEST_YEAR, LATEST_YEAR, class_by_year, parse_date
from artpipe.schema import PERIOD_BOUNDS, PERIODS

PRECISIONS = {"exact", "range", "circa", "decade", "century", "before", "after", "unknown"}
YEARS = ("year_from", "year_to")

DATE_LIKE = st.text(alphabet=list("0123456789 -/.,;()?'scabefortnuyhdl\u2013%"), max_size=30)
PIECES = (
    *(
        "0",
        "1",
        "5",
        "16",
        "50",
        "450",
        "1500",
        "1650",
        "9999",
        "162628",
        "1650s",
        "XVI",
        "16th",
        "1st",
        "century",
        "c.",
    ),
    *(
        "cent.",
        "millennium",
        "B.C.",
        "A.D.",
        "CE",
        "A.H.",
        "circa",
        "before",
        "after",
        "early",
        "mid-",
        "late",
        "-",
        "/",
    ),
    *(
        "second half",
        "2nd quarter",
        "turn of the",
        "period",
        "dynasty",
        "reign of",
        "(",
        ")",
        ",",
        "?",
        "or",
        "to",
        "and",
    ),
    *("cast", "printed", "completed", "May", "12 May", "present", "or later", "onwards", "No.", "s.", "c1596", "C18"),
    *("1889-06-21", "21.6.1889", "1912.45", "1,250", "Louis XV", "Meiji 20", "with", "from", "until", "by"),
)
PIECED = st.lists(st.sampled_from(PIECES), max_size=9).flatmap(
    lambda pieces: st.sampled_from((" ", "")).map(lambda space: space.join(pieces))
)


@pytest.mark.parametrize(
    ("text", "year_from", "year_to", "precision"),
    [
        ("1601", 1601, 1601, "exact"),
        ("812", 812, 812, "exact"),
        ("June 1701, Harbour", 1701, 1701, "exact"),
        ("12 May 1701", 1701, 1701, "exact"),
        ("May 12, 1701", 1701, 1701, "exact"),
        ("begun 1601", 1601, 1601, "exact"),
        ("1601 (completed)", 1601, 1601, "exact"),
        ("1601-5", 1601, 1605, "range"),
        ("1601-12", 1601, 1612, "range"),
        ("1690-15", 1690, 1715, "range"),
        ("1601—1612", 1601, 1612, "range"),
        ("990-1040", 990, 1040, "range"),
        ("1743/44", 1743, 1744, "range"),
        ("Winter 1785/86, Harbour", 1785, 1786, "range"),
        ("1610 or 1616", 1610, 1616, "range"),
        ("1626 and after 1628", 1626, 1628, "range"),
        ("1608-after 1613", 1608, 1613, "range"),
        ("1475-83, 1508-12", 1475, 1512, "range"),
        ("1505 (completed 1508)", 1505, 1508, "range"),
        ("c. 1601", 1601, 1601, "circa"),
        ("c.1601", 1601, 1601, "circa"),
        ("ca 1601", 1601, 1601, "circa"),
        ("around 1601", 1601, 1601, "circa"),
        ("begun c. 1601", 1601, 1601, "circa"),
        ("1601 (?)", 1601, 1601, "circa"),
        ("c. 1601-08", 1601, 1608, "circa"),
        ("1284-c. 1341", 1284, 1341, "circa"),
        ("1590s", 1590, 1599, "decade"),
        ("1740's", 1740, 1749, "decade"),
        ("1640-50s", 1640, 1659, "decade"),
        ("early 1630s", 1630, 1632, "decade"),
        ("16th century", 1501, 1600, "century"),
        ("early 9th century", 801, 833, "century"),
        ("mid-12th century", 1134, 1167, "century"),
        ("late 13th century", 1268, 1300, "century"),
        ("first half of 16th century", 1501, 1550, "century"),
        ("11th-12th centuries", 1001, 1200, "century"),
        ("before 1601", 1601, 1601, "before"),
        ("begun before 1601", 1601, 1601, "before"),
        ("after 1601", 1601, 1601, "after"),
        ("After 1601", 1601, 1601, "after"),
        ("1601 onwards", 1601, 1601, "after"),
        ("1601 or later", 1601, 1601, "after"),
    ],
)
def test_a_date_is_read_in_each_of_its_shapes(text: str, year_from: int, year_to: int, precision: str):
    parsed = parse_date(text)
    assert (parsed.year_from, parsed.year_to, parsed.precision, parsed.flags) == (year_from, year_to, precision, ())


@pytest.mark.parametrize("text", ["-", "", "  ", "n.d.", "?", "undated"])
def test_a_missing_date_is_not_flagged_as_a_typo(text: str):
    assert parse_date(text) == parse_date("-")
    assert parse_date(text).year_from is None
    assert parse_date(text).flags == ()


@pytest.mark.parametrize(
    ("text", "years"),
    [("162628", (1626, 1628)), ("c, 1646", (1646, 1646)), ("1615-20,", (1615, 1620)), ("1430 .", (1430, 1430))],
)
def test_a_typo_with_one_reading_is_read_and_flagged(text: str, years: tuple[int, int]):
    parsed = parse_date(text)
    assert (parsed.year_from, parsed.year_to) == years
    assert parsed.flags == ("typo",)


@pytest.mark.parametrize("text", ["11757", "15665-70", "15%-72", "'622", "c. 178c", "1/69-70", "162612", "9999"])
def test_a_typo_with_several_readings_is_flagged_and_not_guessed(text: str):
    parsed = parse_date(text)
    assert parsed.year_from is None
    assert parsed.year_to is None
    assert parsed.flags == ("typo",)


@pytest.mark.parametrize(
    ("text", "years"),
    [
        ("1889-06", (1889, 1906)),  # June 1889
        ("350-25 BC", (-350, -25)),  # 350-325 BC
        ("27 BC-14", (None, None)),
        ("-500", (None, None)),
    ],
)
def test_a_text_with_two_usual_readings_is_flagged(text: str, years: tuple[int | None, int | None]):
    parsed = parse_date(text)
    assert (parsed.year_from, parsed.year_to) == years
    assert parsed.flags == ("ambiguous",)


@pytest.mark.parametrize("unit", ["", "th century", "s", " B.C."])
def test_a_number_of_thousands_of_digits_is_no_date(unit: str):
    assert parse_date("9" * 5000 + unit).year_from is None


def test_a_range_that_runs_backwards_by_far_is_no_date():
    parsed = parse_date("1570-1200")
    assert (parsed.year_from, parsed.year_to, parsed.flags) == (None, None, ("reversed",))


@given(st.integers(1, 2999), st.integers(1, 2999))
def test_years_before_christ_are_negative_and_in_order(one: int, other: int):
    first, last = max(one, other), min(one, other)
    assert parse_date(f"{one} BC").year_from == parse_date(f"ca. {one} B.C.E.").year_to == -one
    parsed = parse_date(f"{first} BC-{last} BC")
    assert (parsed.year_from, parsed.year_to) == (-first, -last)
    across = parse_date(f"{one} B.C.-A.D. {min(other, 2000)}")
    assert (across.year_from, across.year_to, across.flags) == (-one, min(other, 2000), ())


@given(st.integers(1, 20))
def test_a_century_is_a_hundred_years_on_either_side_of_christs_birth(number: int):
    nth = {1: "st", 2: "nd", 3: "rd"}.get(number, "th")
    after, before = parse_date(f"{number}{nth} century"), parse_date(f"{number}{nth} century B.C.")
    assert (after.year_from, after.year_to) == (100 * number - 99, 100 * number)
    assert (before.year_from, before.year_to) == (-100 * number, 99 - 100 * number)


@pytest.mark.parametrize("text", ["1650-1640", "1650-40"])
def test_a_range_that_runs_backwards_is_flagged_and_put_in_order(text: str):
    parsed = parse_date(text)
    assert (parsed.year_from, parsed.year_to, parsed.flags) == (1640, 1650, ("reversed",))


@pytest.mark.parametrize(
    "text", ["1834 (cast 1842)", "1834 (1862)", "1834 (model), c. 1910 (cast)", "1834, reworked c. 1860"]
)
def test_a_later_event_is_left_out_and_flagged(text: str):
    parsed = parse_date(text)
    assert (parsed.year_from, parsed.year_to, parsed.flags) == (1834, 1834, ("second_date",))


@given(st.one_of(st.text(max_size=40), DATE_LIKE, PIECED))
@example("c. 99999999")
@example("1698-9-1/2")
@example("²³th century 0th century")
@example("turn of the 1st century")
@example("5 B.C.-0")
@example("1st century B.C.-A.D.-XVI")
def test_the_years_of_any_text_are_in_order_or_both_absent(text: str):
    parsed = parse_date(text)
    assert parsed.precision in PRECISIONS
    if parsed.year_from is None or parsed.year_to is None:
        assert parsed.year_from is parsed.year_to is None
        assert parsed.precision == "unknown"
    else:
        assert EARLIEST_YEAR <= parsed.year_from <= parsed.year_to <= LATEST_YEAR
        assert 0 not in (parsed.year_from, parsed.year_to)


@given(st.integers(1000, 2000), st.integers(0, 60))
def test_a_range_means_the_same_in_full_and_abbreviated(first: int, years: int):
    last = first + years
    full = parse_date(f"{first}-{last}")
    assert (full.year_from, full.year_to) == (first, last)
    if first // 100 == last // 100:
        short = parse_date(f"{first}-{last % 100:02d}")
        assert (short.year_from, short.year_to) == (first, last)


@pytest.mark.parametrize(
    ("year_from", "year_to", "period"),
    [
        (-500, -450, "before 1350"),
        (-100, 50, "before 1350"),
        (1349, 1349, "before 1350"),
        (1350, 1350, "1350-1450"),
        (1449, 1449, "1350-1450"),
        (1450, 1450, "1450-1550"),
        (1650, 1650, "1650-1750"),
        (1999, 1999, "1950-2000"),
        (2000, 2000, "after 2000"),
        (1440, 1458, "1350-1450"),
        (1440, 1460, "1450-1550"),
        (None, None, None),
    ],
)
def test_a_period_is_that_of_the_middle_year_and_ends_before_its_last(year_from, year_to, period):
    years = pl.DataFrame({"year_from": [year_from], "year_to": [year_to]}, schema=dict.fromkeys(YEARS, pl.Int32))
    assert years.select(period=class_by_year(PERIODS, PERIOD_BOUNDS))["period"].to_list() == [period]
