"""Summary of several evaluation reports: mean and standard deviation of each figure over the seeds."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from artpipe.errors import ArtpipeError
from artpipe.evaluation.markdown import number, percent, split_title, table

Report = Mapping[str, Any]


class NothingToSummariseError(ArtpipeError):
    """There is no report to summarise."""


def summarise(reports: Sequence[Report]) -> str:
    """A Markdown table of mean and standard deviation over reports of models that differ in their seed.

    Args:
        reports: the contents of `reports/evaluation/report.json` of each run.

    Returns:
        One line for each figure that all reports have; a single report has no standard deviation.

    Raises:
        NothingToSummariseError: there is no report.
    """
    if not reports:
        raise NothingToSummariseError("there is no evaluation report to summarise; give at least one report.json.")
    each = [figures(report) for report in reports]
    shared = [key for key in each[0] if all(key in other for other in each[1:])]
    lines = [(*key, *_cells(key[-1], [one[key] for one in each])) for key in shared]
    head = ("split", "subject", "figure", f"mean of {len(reports)}", "standard deviation", "lowest", "highest")
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
                f"{path} cannot be read as an evaluation report ({type(error).__name__}); give the "
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
            found[title, f"retrieval by {by}", f"precision@{of_label['k']}"] = of_label["precision"]
            found[title, f"retrieval by {by}", "mAP"] = of_label["map"]
        years = scores["years"] or {}
        by_task = {"period": years} if "by_mean" in years else years  # older reports know of one such task
        for task, of_task in by_task.items():
            found[title, task, "error in years"] = of_task.get("by_mean")
    for kind, scores in report["rephotographs"].items():
        found["held out", f"photograph: {kind}", "recall@1"] = scores["recall"]
    return {key: value for key, value in found.items() if value is not None}


def _cells(figure: str, values: Sequence[float]) -> list[str]:
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
    shown = (float(np.mean(values)), deviation, min(values), max(values))
    if figure in ("macro-F1", "ECE"):
        return [number(value) for value in shown]
    return [number(value, 1) if figure == "error in years" else percent(value) for value in shown]
