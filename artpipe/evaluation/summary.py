"""Several evaluation reports as one: the mean of each figure and how far the seeds are apart."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from artpipe.errors import ArtpipeError
from artpipe.evaluation.markdown import split_title, table

Report = Mapping[str, Any]


class NothingToSummariseError(ArtpipeError):
    """There is no report to summarise."""


def summarise(reports: Sequence[Report]) -> str:
    """A Markdown table of mean and standard deviation over reports of models that differ in their seed.

    Args:
        reports: as `EvaluationReport.to_dict` gives them, or as `reports/evaluation/report.json` holds them.

    Returns:
        One line for each figure that all reports have; a single report gives no spread.

    Raises:
        NothingToSummariseError: there is no report.
    """
    if not reports:
        raise NothingToSummariseError("there is no evaluation report to summarise; give at least one report.json.")
    told = [figures(report) for report in reports]
    shared = [key for key in told[0] if all(key in other for other in told[1:])]
    lines = [(*key, *_cells(key[-1], [other[key] for other in told])) for key in shared]
    head = ("split", "of", "figure", f"mean of {len(reports)}", "standard deviation", "lowest", "highest")
    return table(head, lines) + "\n"


def read_reports(paths: Sequence[Path]) -> list[Report]:
    """The reports in these files.

    Raises:
        NothingToSummariseError: a file cannot be read, or holds something else.
    """
    reports: list[Report] = []
    for path in paths:
        try:
            report = json.loads(path.read_bytes())
            figures(report)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise NothingToSummariseError(
                f"{path} is no evaluation report that can be read ({type(error).__name__}); give the "
                "reports/evaluation/report.json of each run."
            ) from error
        reports.append(report)
    return reports


def figures(report: Report) -> dict[tuple[str, str, str], float]:
    """The figures of a report by split, subject and name; those that could not be measured are left out."""
    found: dict[tuple[str, str, str], float | None] = {}
    for split, scores in report["splits"].items():
        title = split_title(split)
        for task, of_task in scores["classification"].items():
            for name, key in (("@1", "at_1"), ("@3", "at_3"), ("macro-F1", "macro_f1")):
                found[title, task, name] = of_task[key]
            calibration = of_task["calibration"]
            found[title, task, "ECE"] = calibration and calibration["expected_error"]
        for by, of_label in scores["retrieval"].items():
            found[title, f"neighbours by {by}", f"precision@{of_label['k']}"] = of_label["precision"]
            found[title, f"neighbours by {by}", "mAP"] = of_label["map"]
        years = scores["years"] or {}
        found[title, "period", "error in years"] = years.get("by_mean")
    for kind, scores in report["rephotographs"].items():
        found["held out", f"photographed: {kind}", "found first"] = scores["recall"]
    return {key: value for key, value in found.items() if value is not None}


def _cells(figure: str, values: Sequence[float]) -> tuple[str, ...]:
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else None
    shown = (float(np.mean(values)), spread, min(values), max(values))
    if figure in ("macro-F1", "ECE"):
        return tuple("-" if value is None else f"{value:.3f}" for value in shown)
    if figure == "error in years":
        return tuple("-" if value is None else f"{value:.1f}" for value in shown)
    return tuple("-" if value is None else f"{100 * value:.1f} %" for value in shown)
