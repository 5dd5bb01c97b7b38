"""The evaluation report as tables for people; the long ones, class by class, are folded."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from artpipe.evaluation.classes import class_scores
from artpipe.evaluation.rephotographs import WITHIN

if TYPE_CHECKING:
    from artpipe.evaluation.bootstrap import Interval
    from artpipe.evaluation.classification import TaskScores
    from artpipe.evaluation.confidence import ConfidenceScores
    from artpipe.evaluation.report import EvaluationReport
    from artpipe.evaluation.retrieval import RetrievalScores
    from artpipe.evaluation.years import YearScores


def report_markdown(report: "EvaluationReport") -> str:
    """All tables of a report; one that has no line is left out."""
    k = report.retrieval[0].k if report.retrieval else 10
    plain = {(scores.task, scores.split): scores.error_before for scores in report.confidence}
    parts = [
        table(
            ("split", "task", "n", "works", "@1 (95 %)", "@3", "macro-F1", "majority floor", "ECE before", "ECE"),
            [_classification(scores, plain.get((scores.task, scores.split))) for scores in report.classification],
        ),
        table(
            ("split", "task", "answered from", "coverage", "right of those"),
            [line for scores in report.confidence for line in _selective(scores)],
        ),
        table(
            (
                "split",
                "neighbours by",
                "n",
                f"precision@{k} (95 %)",
                "chance",
                "ceiling",
                "mAP (95 %)",
                "mAP by chance",
            ),
            [_retrieval(scores) for scores in report.retrieval],
        ),
        table(
            ("split", "period, error in years", "n", "probable year (95 %)", "likeliest period (95 %)", "majority"),
            [_years(scores) for scores in report.years],
        ),
        table(
            ("photographed anew", "n", "finds its work first (95 %)", f"among the nearest {WITHIN}"),
            [
                (each.kind, str(each.n), ranged(each.recall, each.recall_interval), percent(each.recall_within))
                for each in report.rephotographs
            ],
        ),
        _changes(report),
        _leaks(report),
        *(_classes(scores) for scores in report.classification if scores.n),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A Markdown table whose numbers, all columns but the first two, stand right; empty without lines."""
    rows = [f"| {' | '.join(line)} |" for line in lines]
    if not rows:
        return ""
    marks = ["---", "---", *["--:"] * (len(head) - 2)]
    return "\n".join([f"| {' | '.join(head)} |", f"|{'|'.join(marks)}|", *rows])


def percent(share: float | None) -> str:
    """A share as a percentage; a dash for None."""
    return "-" if share is None else f"{100 * share:.1f} %"


def ranged(share: float | None, interval: "Interval | None") -> str:
    """A share and its interval."""
    return percent(share) + (f" ({100 * interval[0]:.1f} to {100 * interval[1]:.1f})" if interval else "")


def split_title(split: str) -> str:
    """The name of a split in words."""
    return split.replace("_", " ")


def _classification(scores: "TaskScores", error_before: float | None) -> tuple[str, ...]:
    floor = percent(scores.majority_floor)
    if scores.majority_floor is not None and scores.majority_class is not None:
        floor += f" ({scores.majority_class})"
    f1 = "-" if scores.macro_f1 is None else f"{scores.macro_f1:.3f}"
    ece = "-" if scores.calibration is None else f"{scores.calibration.expected_error:.3f}"
    return (
        split_title(scores.split), scores.task, f"{scores.n:,}", f"{scores.works:,}",
        ranged(scores.at_1, scores.at_1_interval), percent(scores.at_3), f1, floor,
        "-" if error_before is None else f"{error_before:.3f}", ece,
    )  # fmt: skip


def _selective(scores: "ConfidenceScores") -> list[tuple[str, ...]]:
    return [
        (split_title(scores.split), scores.task, f"{one.threshold:g}", percent(one.coverage), percent(one.accuracy))
        for one in scores.selective
    ]


def _retrieval(scores: "RetrievalScores") -> tuple[str, ...]:
    return (
        split_title(scores.split), scores.by, f"{scores.n:,}", ranged(scores.precision, scores.precision_interval),
        percent(scores.chance), percent(scores.ceiling), ranged(scores.map, scores.map_interval),
        percent(scores.map_chance),
    )  # fmt: skip


def _years(scores: "YearScores") -> tuple[str, ...]:
    def years(value: float | None, interval: "Interval | None" = None) -> str:
        around = f" ({interval[0]:.0f} to {interval[1]:.0f})" if interval else ""
        return "-" if value is None else f"{value:.1f}{around}"

    return (
        split_title(scores.split), "mean absolute", f"{scores.n:,}", years(scores.by_mean, scores.by_mean_interval),
        years(scores.by_best, scores.by_best_interval), years(scores.by_majority),
    )  # fmt: skip


def _classes(scores: "TaskScores") -> str:
    lines = [
        (
            each.name, each.mistaken_for or "-", f"{each.n:,}", percent(each.precision), percent(each.recall),
            f"{each.f1:.3f}",
        )
        for each in class_scores(scores)
    ]  # fmt: skip
    head = (scores.task, "most often taken for", "n", "precision", "recall", "F1")
    title = f"{scores.task.capitalize()} on {split_title(scores.split)}, class by class"
    return f"<details><summary>{title}</summary>\n\n{table(head, lines)}\n\n</details>"


def _changes(report: "EvaluationReport") -> str:
    changes = report.changes
    if changes is None or not changes.table:
        return ""
    lines = [
        (
            split_title(each.split), each.task, f"{each.n:,}", percent(each.before), percent(each.now),
            f"{100 * each.difference:+.1f} ({100 * each.interval[0]:+.1f} to {100 * each.interval[1]:+.1f})",
        )
        for each in changes.table
    ]  # fmt: skip
    said = f"Beside {changes.before}, served before, on {changes.works:,} works that neither learned from:"
    return f"{said}\n\n{table(('split', 'task', 'n', '@1 before', '@1 now', 'points (95 %)'), lines)}"


def _leaks(report: "EvaluationReport") -> str:
    if report.leaks is None:
        return ""
    found = report.leaks.confirmed
    hunted = f"{report.leaks.pairs.height:,} held-out pictures that look most like a taught one were compared with it"
    if found.is_empty():
        return f"{hunted}: none shows the same painting."
    pairs = table(
        ("held out", "taught", "split", "similarity", "points in common", "bits apart", "is"),
        [
            (
                each["held_out"], each["taught"], split_title(each["split"]), f"{each['similarity']:.2f}",
                percent(each["share"]), "-" if each["bits"] is None else str(each["bits"]), each["verdict"],
            )
            for each in found.iter_rows(named=True)
        ],
    )  # fmt: skip
    lines = [
        (split_title(each.split), each.task, percent(report.scores(each.task, each.split).at_1), percent(each.at_1))
        for each in report.without_leaks
        if each.n
    ]
    return (
        f"{hunted}; {found.height:,} show a painting that was taught:\n\n{pairs}\n\n"
        f"{table(('split', 'task', '@1', '@1 without them'), lines)}"
    )
