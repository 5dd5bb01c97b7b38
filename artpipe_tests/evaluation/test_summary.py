"""Reports of several seeds as one table."""

import json
from pathlib import Path

import pytest

from artpipe.evaluation.summary import NothingToSummariseError, figures, read_reports, summarise


def report(at_1: float | None, years: float | None = 40.0) -> dict:
    task = {"at_1": at_1, "at_3": 0.9, "macro_f1": 0.5, "calibration": {"expected_error": 0.02}}
    return {
        "splits": {
            "unseen_artists": {
                "classification": {"style": task},
                "retrieval": {"artist": {"k": 10, "precision": 0.3, "map": 0.2}},
                "years": {"period": {"by_mean": years}},
            }
        },
        "rephotographs": {"glare": {"recall": 0.8}},
    }


def test_each_figure_has_its_mean_and_its_spread_over_the_seeds():
    lines = summarise([report(0.5), report(0.6), report(0.7)]).splitlines()
    assert "mean of 3" in lines[0]
    assert "| unseen artists | style | @1 | 60.0 % | 10.0 % | 50.0 % | 70.0 % |" in lines
    assert "| unseen artists | period | error in years | 40.0 | 0.0 | 40.0 | 40.0 |" in lines
    assert "| held out | photograph: glare | recall@1 | 80.0 % | 0.0 % | 80.0 % | 80.0 % |" in lines
    assert "| unseen artists | style | macro-F1 | 0.500 | 0.000 | 0.500 | 0.500 |" in lines


def test_one_report_has_no_spread_and_none_is_refused():
    assert "| unseen artists | style | @1 | 50.0 % | - | 50.0 % | 50.0 % |" in summarise([report(0.5)])
    with pytest.raises(NothingToSummariseError, match="at least one"):
        summarise([])


def test_a_figure_that_one_report_lacks_is_left_out():
    summary = summarise([report(0.5), report(None, years=None)])
    assert "| style | @1 |" not in summary
    assert "years" not in summary
    assert ("unseen artists", "style", "@1") not in figures(report(None))


def test_a_report_of_an_earlier_release_has_the_error_in_years_of_the_period_alone():
    earlier = report(0.5)
    earlier["splits"]["unseen_artists"]["years"] = {"by_mean": 40.0}
    assert figures(earlier) == figures(report(0.5))


def test_reports_are_read_and_anything_else_is_refused_by_its_name(tmp_path: Path):
    paths = [tmp_path / f"{n}.json" for n in range(2)]
    for path, at_1 in zip(paths, (0.5, 0.7), strict=True):
        path.write_text(json.dumps(report(at_1)))
    assert summarise(read_reports(paths)) == summarise([report(0.5), report(0.7)])
    for name, content in (
        ("none.json", None),
        ("list.json", "[]"),
        ("other.json", "{}"),
        ("kind.json", '{"splits": []}'),
        ("cut.json", '{"splits": {'),
    ):
        path = tmp_path / name
        if content is not None:
            path.write_text(content)
        with pytest.raises(NothingToSummariseError, match=name):
            read_reports([path])
