"""The evaluation report as Markdown: a section for each measurement; the long tables, class by class, are folded."""

from collections.abc import Iterable, Sequence

from artpipe.evaluation.bootstrap import Interval
from artpipe.evaluation.classification import TaskScores, class_scores
from artpipe.evaluation.rephotographs import WITHIN
from artpipe.evaluation.report import EvaluationReport
from artpipe.models.rights import rights_in_words
from artpipe.sources.rights import rights_name
from artpipe.tasks import heading

_CLASSIFICATION = """\
@1 is accuracy; @3 is the share of images whose label is among the three most probable classes. The baseline always
predicts the most frequent class of the training rows. ECE is the expected calibration error; raw, before temperature
scaling."""
_REFIT = """\
This model did not see the works that measure it. With `ARTPIPE_REFIT` (the default) its refit embeds and predicts in
its place: the same recipe, seed, training set and number of epochs, fitted on every work. No figure can be measured of
the refit on these works, since it knows them."""
_RIGHTS = "Its refit, where one embeds and predicts, learned from all works: `artpipe models` has the rights of those."
_SELECTIVE = """\
The classifier abstains below a minimum confidence: coverage is the share of images that get a prediction, accuracy the
share of those that are correct."""
_RETRIEVAL = """\
Held-out images query all images, their own work left out. Chance is the expectation of a random ranking, ceiling the
precision of a perfect one."""
_YEARS = """\
Mean absolute error. The expected year is the mean of the classes' middle years, weighted by their probabilities."""
_REPHOTOGRAPHS = """\
Recall is the share of simulated photographs of held-out works whose nearest images, by vector alone, show the work."""


def report_markdown(report: EvaluationReport) -> str:
    """All sections of a report; one without rows is left out."""
    classes = "\n\n".join(_classes(scores) for scores in report.classification if scores.n)
    sections = [
        f"Model `{report.model_id}`. Intervals are 95 % bootstrap intervals over works.",
        _REFIT,
        _section("Classification", _CLASSIFICATION, _classification(report)),
        _section("Selective classification", _SELECTIVE, _selective(report)),
        _section("Retrieval", _RETRIEVAL, _retrieval(report)),
        *(
            _section(f"Error in years of the predicted {task.replace('_', ' ')}", _YEARS, _years(report, task))
            for task in dict.fromkeys(s.task for s in report.years)
        ),
        _section("Simulated photographs", _REPHOTOGRAPHS, _rephotographs(report)),
        _section("Changes since the previous model", "", _changes(report)),
        _section("Leaks", "", _leaks(report)),
        _section("Rights of the training pictures of the measured model", _RIGHTS, _rights(report)),
        _section("Class by class", "", classes),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _section(title: str, note: str, body: str) -> str:
    return "\n\n".join(part for part in (f"## {title}", note, body) if part) if body else ""


def table(head: Sequence[str], lines: Iterable[Sequence[str]], texts: int = 2) -> str:
    """A Markdown table; all columns but the first `texts` are numbers and right-aligned. Empty without lines."""
    rows = [f"| {' | '.join(line)} |" for line in lines]
    if not rows:
        return ""
    marks = [*["---"] * texts, *["--:"] * (len(head) - texts)]
    return "\n".join([f"| {' | '.join(head)} |", f"|{'|'.join(marks)}|", *rows])


def percent(share: float | None, interval: Interval | None = None) -> str:
    """A share, and its interval if there is one, as percentages; a dash for None."""
    if share is None:
        return "-"
    return f"{100 * share:.1f} %" + (f" ({100 * interval[0]:.1f} to {100 * interval[1]:.1f})" if interval else "")


def number(value: float | None, digits: int = 3) -> str:
    """A number with so many decimals; a dash for None."""
    return "-" if value is None else f"{value:.{digits}f}"


def split_title(split: str) -> str:
    """The name of a split in words."""
    return split.replace("_", " ")


def _classification(report: EvaluationReport) -> str:
    return table(
        ("split", "task", "n", "works", "@1 (95 %)", "@3", "macro-F1", "baseline @1", "ECE", "raw ECE"),
        [
            (
                split_title(s.split), s.task, f"{s.n:,}", f"{s.works:,}", percent(s.at_1, s.at_1_interval),
                percent(s.at_3), number(s.macro_f1),
                percent(s.majority_floor) + (f" ({s.majority_class})" if s.majority_floor is not None else ""),
                number(s.calibration.expected_error if s.calibration else None),
                number(s.error_before),
            )
            for s in report.classification
        ],
    )  # fmt: skip


def _selective(report: EvaluationReport) -> str:
    lines = [
        (split_title(scores.split), scores.task, f"{s.threshold:g}", percent(s.coverage), percent(s.accuracy))
        for scores in report.classification
        for s in scores.selective
    ]
    return table(("split", "task", "minimum confidence", "coverage", "accuracy"), lines)


def _retrieval(report: EvaluationReport) -> str:
    k = report.retrieval[0].k if report.retrieval else 0
    return table(
        ("split", "same", "n", f"precision@{k} (95 %)", "chance", "ceiling", "mAP (95 %)", "mAP by chance"),
        [
            (
                split_title(s.split), s.by, f"{s.n:,}", percent(s.precision, s.precision_interval), percent(s.chance),
                percent(s.ceiling), percent(s.map, s.map_interval), percent(s.map_chance),
            )
            for s in report.retrieval
        ],
    )  # fmt: skip


def _years(report: EvaluationReport, task: str) -> str:
    def years(value: float | None, interval: Interval | None) -> str:
        return number(value, 1) + (f" ({interval[0]:.0f} to {interval[1]:.0f})" if interval else "")

    return table(
        ("split", "n", "expected year (95 %)", f"most probable {task.replace('_', ' ')} (95 %)", "baseline"),
        [
            (
                split_title(s.split), f"{s.n:,}", years(s.by_mean, s.by_mean_interval),
                years(s.by_best, s.by_best_interval), number(s.by_majority, 1),
            )
            for s in report.years
            if s.task == task
        ],
        texts=1,
    )  # fmt: skip


def _rephotographs(report: EvaluationReport) -> str:
    lines = [
        (s.kind, f"{s.n:,}", percent(s.recall, s.recall_interval), percent(s.recall_within))
        for s in report.rephotographs
    ]
    return table(("distortion", "n", "recall@1 (95 %)", f"recall@{WITHIN}"), lines, texts=1)


def _classes(scores: TaskScores) -> str:
    lines = [
        (s.name, s.mistaken_for or "-", f"{s.n:,}", percent(s.precision), percent(s.recall), number(s.f1))
        for s in class_scores(scores)
    ]
    head = (scores.task, "most often mistaken for", "n", "precision", "recall", "F1")
    title = f"{heading(scores.task)} on {split_title(scores.split)}, class by class"
    return f"<details><summary>{title}</summary>\n\n{table(head, lines)}\n\n</details>"


def _changes(report: EvaluationReport) -> str:
    changes = report.changes
    if changes is None or not changes.table:
        return ""
    lines = [
        (
            split_title(s.split), s.task, f"{s.n:,}", percent(s.previous), percent(s.current),
            f"{100 * s.difference:+.1f} ({100 * s.interval[0]:+.1f} to {100 * s.interval[1]:+.1f})",
        )
        for s in changes.table
    ]  # fmt: skip
    note = f"Previous model `{changes.previous}`, on {changes.works:,} works that neither model was trained on."
    return f"{note}\n\n{table(('split', 'task', 'n', 'previous @1', '@1', 'points (95 %)'), lines)}"


def _rights(report: EvaluationReport) -> str:
    lines = [
        (
            one.source,
            rights_name(one.rights_uri) if one.rights_uri else "no statement",
            {True: "yes", False: "no", None: "unknown"}[one.is_open],
            f"{one.pictures:,}",
            f"{one.credited:,}",
        )
        for one in report.rights
    ]
    counts = table(("source", "rights", "open", "pictures", "ask for credit"), lines, texts=3)
    return f"{rights_in_words(report.rights)}.\n\n{counts}" if lines else ""


def _leaks(report: EvaluationReport) -> str:
    if report.leaks is None:
        return ""
    confirmed = report.leaks.confirmed
    compared = f"{report.leaks.pairs.height:,} held-out images were compared with a similar training image"
    if confirmed.is_empty():
        return f"{compared}; no pair shows the same work."
    pairs = table(
        ("held-out image", "training image", "split", "similarity", "inlier ratio", "hash bits apart", "verdict"),
        [
            (
                each["held_out"], each["train"], split_title(each["split"]), f"{each['similarity']:.2f}",
                percent(each["inlier_ratio"]), "-" if each["bits"] is None else str(each["bits"]), each["verdict"],
            )
            for each in confirmed.iter_rows(named=True)
        ],
        texts=3,
    )  # fmt: skip
    lines = [
        (split_title(s.split), s.task, percent(report.scores(s.task, s.split).at_1), percent(s.at_1))
        for s in report.without_leaks
        if s.n
    ]
    return (
        f"{compared}; {confirmed.height:,} show a work that the model was trained on:\n\n{pairs}\n\n"
        f"{table(('split', 'task', '@1', '@1 without leaks'), lines)}"
    )
