"""Plots: confusion matrix, reliability diagram, training curves, class balance. Each returns PNG bytes.

Only matplotlib's object interface is used, without pyplot: no global state, no window, safe in threads.
"""

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from artpipe.tasks import Task, Tasks, heading

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, GREY, RULE, PAPER = "#22252b", "#6d737d", "#d9dce1", "#ffffff"
SPLIT_COLOURS = {
    "train": "#9aa3b2",
    "validation": "#e0a030",
    "test": "#2f6db5",
    "unseen_artists": "#b5473c",
}
TASK_COLOURS = ("#2f6db5", "#b5473c", "#3d8a5f", "#8a5fb0", "#c08a1e", "#3d9aa8", "#7a4a2b", "#c05c96")
"""The colour of each task, by its place among them; after the last the first follows again."""
_DPI = 150


def class_order(task: Task, classes: Sequence[str]) -> list[str]:
    """Classes in the order of the task, such as periods by time; others last, by name."""
    known = {name: i for i, name in enumerate(task.classes)}
    return sorted(classes, key=lambda name: (known.get(name, len(known)), name))


def confusion_picture(
    confusion: Sequence[Sequence[int]], classes: Sequence[str], *, task: Task, split: str, reason: str | None = None
) -> bytes:
    """The confusion matrix of one task on one split: rows are true classes and add up to 100 %, counts at the side.

    Args:
        confusion: (C, C) counts, true class by row, predicted class by column; empty where nothing was measured.
        classes: the C names.
        task: of the classes.
        split: name of the split.
        reason: why the matrix is empty.
    """
    title = f"{heading(task.name)} on {_title_of(split)}"
    if not len(confusion):
        return _nothing(title, reason or "nothing to show")
    names = class_order(task, classes)
    at = [classes.index(name) for name in names]
    counts = np.array(confusion)[np.ix_(at, at)]
    occurs = (counts.sum(axis=0) + counts.sum(axis=1)) > 0
    counts, names = counts[np.ix_(occurs, occurs)], [name for name, kept in zip(names, occurs, strict=True) if kept]
    totals = counts.sum(axis=1)
    shares = counts / np.maximum(totals, 1)[:, None]

    size = len(names)
    side = max(3.2, 0.52 * size)
    figure = _figure(side + 3.1, side + 2.1)
    axes = figure.add_subplot()
    axes.imshow(shares, cmap=_blues(), vmin=0, vmax=1)
    for i in range(size):
        for j in range(size):
            if counts[i, j]:
                text = f"{100 * shares[i, j]:.0f}" if shares[i, j] >= 0.005 else "<1"
                colour = PAPER if shares[i, j] > 0.55 else INK
                axes.text(j, i, text, ha="center", va="center", fontsize=8, color=colour)
    axes.set_xticks(range(size), names, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(size), names)
    axes.set_xticks(np.arange(size + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(size + 1) - 0.5, minor=True)
    axes.grid(which="minor", color=PAPER, linewidth=1.5)
    axes.tick_params(which="both", length=0, labelsize=9, colors=INK)
    for i, total in enumerate(totals):
        axes.text(size - 0.3, i, f"{total:,}", ha="left", va="center", fontsize=8, color=GREY)
    axes.text(size - 0.3, -0.75, "images", ha="left", va="center", fontsize=8, color=GREY)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_xlabel("predicted", color=GREY, fontsize=9)
    axes.set_ylabel("true", color=GREY, fontsize=9)
    accuracy = 100 * np.trace(counts) / counts.sum()
    _title(axes, title, f"% of each row; {counts.sum():,} images, accuracy {accuracy:.1f} %")
    return _png(figure)


def reliability_picture(
    curves: Mapping[str, Sequence[Mapping[str, Any]]], tasks: Sequence[str], *, split: str
) -> bytes:
    """Reliability diagram: accuracy against confidence of several tasks on one split, and the histogram of confidence.

    Args:
        curves: for each task one mapping a bin of confidence with `low`, `rows`, `mean_confidence` and `accuracy`.
        tasks: every task, so that one has the same colour on each split.
        split: name of the split.
    Source: Guo et al., arXiv:1706.04599.
    """
    title = f"Calibration on {_title_of(split)}"
    if not curves:
        return _nothing(title, "nothing to show")
    figure = _figure(5.4, 6.0)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3.4, 1))
    upper.plot((0, 1), (0, 1), color=GREY, linewidth=1, linestyle=(0, (4, 3)))
    for task, bins in curves.items():
        colour, n = _task_colour(task, tasks), sum(each["rows"] for each in bins)
        filled = [each for each in bins if each["rows"]]
        x = np.array([each["mean_confidence"] for each in filled])
        y = np.array([each["accuracy"] for each in filled])
        shares = np.array([each["rows"] / n for each in filled])
        upper.plot(x, y, color=colour, linewidth=1.6, alpha=0.9, zorder=2, clip_on=False)
        upper.scatter(x, y, s=12 + 160 * shares, color=colour, linewidths=0, zorder=3, clip_on=False)
        upper.plot([], [], color=colour, marker="o", label=f"{task}, ECE {(shares * np.abs(x - y)).sum():.3f}")
        edges = [*(each["low"] for each in bins), 1.0]
        lower.stairs([each["rows"] / n for each in bins], edges, color=colour, linewidth=1.4)
    upper.set(xlim=(0, 1), ylim=(0, 1), ylabel="accuracy")
    lower.set(xlabel="confidence (highest probability)", ylabel="share of images")
    lower.set_ylim(bottom=0)
    upper.legend(frameon=False, fontsize=9, labelcolor=INK, loc="upper left")
    for axes in (upper, lower):
        _plain(axes)
    _title(upper, title, "dashed: perfect calibration; dot size: number of images")
    return _png(figure)


def training_curves_picture(epochs: Sequence[Mapping[str, Any]], tasks: Sequence[str]) -> bytes:
    """Loss, validation accuracy and learning rate by epoch.

    Args:
        epochs: one mapping an epoch with `epoch`, `train_loss`, `validation_loss`, `accuracy` (task to share)
            and `learning_rate`; missing values are not drawn.
        tasks: that the model learns.
    """
    if not epochs:
        return _nothing("Training", "no epoch has ended yet")
    figure = _figure(10.5, 3.9)
    losses, accuracy, rates = figure.subplots(1, 3)
    _curve(losses, epochs, "train_loss", "train", SPLIT_COLOURS["train"])
    _curve(losses, epochs, "validation_loss", "validation", SPLIT_COLOURS["validation"])
    for task in tasks:
        points = [(e["epoch"], e.get("accuracy", {}).get(task)) for e in epochs]
        points = [(x, y) for x, y in points if y is not None]
        if points:
            accuracy.plot(
                *zip(*points, strict=True), color=_task_colour(task, tasks), marker="o", markersize=3.5, label=task
            )
    _curve(rates, epochs, "learning_rate", "learning rate", INK)
    best = max(epochs, key=_criterion)
    for axes, label in ((losses, "best epoch"), (accuracy, None)):
        axes.axvline(best["epoch"], color=GREY, linewidth=1, linestyle=(0, (4, 3)), zorder=0, label=label)
    accuracy.set_ylim(0, 1)
    rates.set_ylim(bottom=0)
    rates.yaxis.set_major_formatter(
        lambda rate, _: f"{rate:.1e}".replace(".0e", "e").replace("e-0", "e-") if rate else "0"
    )
    for axes, title, note in (
        (losses, "Loss", "train and validation"),
        (accuracy, "Accuracy (@1)", "validation"),
        (rates, "Learning rate", "at the end of each epoch"),
    ):
        _plain(axes)
        axes.set_xlabel("epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        _title(axes, title, note)
        if axes is not rates and axes.get_legend_handles_labels()[0]:
            corner = "upper right" if axes is losses else "lower right"
            axes.legend(facecolor=PAPER, edgecolor=PAPER, framealpha=0.95, fontsize=9, labelcolor=INK, loc=corner)
    return _png(figure)


def class_balance_picture(balance: pl.DataFrame, declared: Tasks) -> bytes:
    """Class distribution of each split, one panel a task.

    Args:
        balance: `task`, `class` (null: unknown), `split`, `rows`, as made by `splits.leaks.class_balance`.
        declared: the tasks of the collection.
    """
    if balance.is_empty():
        return _nothing("Class balance", "the splits are empty")
    present = set(balance["split"].to_list())
    splits = [split for split in SPLIT_COLOURS if split in present]
    tasks = [task for name, task in declared.items() if name in set(balance["task"].to_list())]
    names = {task.name: _class_names(balance, task) for task in tasks}
    tallest = max(len(found) for found in names.values())
    figure = _figure(3.9 * len(tasks) + 0.6, 1.7 + 0.105 * tallest * (len(splits) + 1))
    for axes, task in zip(np.atleast_1d(figure.subplots(1, len(tasks))), tasks, strict=True):
        rows = {
            (c, s): n
            for c, s, n in balance.filter(pl.col("task") == task.name).select("class", "split", "rows").iter_rows()
        }
        height = 0.8 / len(splits)
        for i, split in enumerate(splits):
            total = max(sum(rows.get((name, split), 0) for name in names[task.name]), 1)
            shares = [rows.get((name, split), 0) / total for name in names[task.name]]
            y = np.arange(len(shares)) + (i - (len(splits) - 1) / 2) * height
            axes.barh(y, shares, height=height * 0.92, color=SPLIT_COLOURS[split], label=_title_of(split))
        axes.set_yticks(range(len(names[task.name])), [name or "unknown" for name in names[task.name]])
        axes.set_ylim(tallest - 0.4, -0.6)
        axes.xaxis.set_major_formatter(lambda share, _: f"{100 * share:.0f} %")
        _plain(axes, grid="x")
        axes.tick_params(axis="y", length=0)
        _title(axes, heading(task.name), "share of the split's images")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    totals = dict(
        balance.filter(pl.col("task") == tasks[0].name).group_by("split").agg(pl.col("rows").sum()).iter_rows()
    )
    labels = [f"{label} ({totals[split]:,})" for label, split in zip(labels, splits, strict=True)]
    figure.legend(handles, labels, loc="outside lower center", ncols=len(splits), frameon=False, fontsize=9)
    return _png(figure)


def _class_names(balance: pl.DataFrame, task: Task) -> list[str | None]:
    found = balance.filter(pl.col("task") == task.name)["class"].unique().to_list()
    known = class_order(task, [name for name in found if name is not None])
    return [*known, None] if None in found else [*known]


def _task_colour(task: str, tasks: Sequence[str]) -> str:
    return TASK_COLOURS[tasks.index(task) % len(TASK_COLOURS)]


def _criterion(epoch: Mapping[str, Any]) -> tuple[float, float]:
    """The criterion of the best epoch: mean validation accuracy, then low validation loss."""
    shares = [share for share in epoch.get("accuracy", {}).values() if share is not None]
    loss = epoch.get("validation_loss")
    return (sum(shares) / max(len(shares), 1), float("-inf") if loss is None else -float(loss))


def _curve(axes: "Axes", epochs: Sequence[Mapping[str, Any]], key: str, label: str, colour: str) -> None:
    points = [(e["epoch"], e[key]) for e in epochs if e.get(key) is not None]
    if points:
        axes.plot(*zip(*points, strict=True), color=colour, marker="o", markersize=3.5, label=label)


def _title_of(split: str) -> str:
    return split.replace("_", " ")


def _blues() -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("artpipe", ("#f3f5f8", "#a9c4e2", SPLIT_COLOURS["test"], "#173a66"))


def _figure(width_in: float, height_in: float) -> "Figure":
    from matplotlib.figure import Figure

    return Figure(figsize=(width_in, height_in), dpi=_DPI, facecolor=PAPER, layout="constrained")


def _title(axes: "Axes", title: str, note: str) -> None:
    axes.set_title(f"{title}\n", loc="left", fontsize=12, fontweight="bold", color=INK)
    axes.annotate(
        note,
        (0, 1),
        (0, 6),
        xycoords="axes fraction",
        textcoords="offset points",
        fontsize=8.5,
        color=GREY,
        va="bottom",
    )


def _plain(axes: "Axes", grid: str = "both") -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(RULE)
    axes.tick_params(colors=INK, labelsize=9, color=RULE)
    axes.xaxis.label.set_color(GREY)
    axes.yaxis.label.set_color(GREY)
    axes.grid(axis=grid, color=RULE, linewidth=0.6)  # pyright: ignore[reportArgumentType]
    axes.set_axisbelow(True)


def _nothing(title: str, reason: str) -> bytes:
    """A placeholder with the reason why there is no plot."""
    figure = _figure(5, 1.8)
    axes = figure.add_subplot()
    axes.axis("off")
    axes.text(0.5, 0.5, reason, ha="center", va="center", color=GREY, fontsize=11)
    _title(axes, title, "")
    return _png(figure)


def _png(figure: "Figure") -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    out = io.BytesIO()
    FigureCanvasAgg(figure).print_png(out)
    return out.getvalue()
