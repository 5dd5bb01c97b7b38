"""The map as a still picture, for Dagster and for print."""

import io

import polars as pl

from artpipe.figures.class_colours import UNKNOWN, class_colours
from artpipe.tasks import Task

INK, PAPER = "#22252b", "#ffffff"


def map_picture(places: pl.DataFrame, title: str, task: Task | None) -> bytes:
    """A scatter plot of the map as a PNG: one dot per work, coloured by class, with a legend.

    Args:
        places: `x`, `y` and the column of the task.
        title: of the plot.
        task: that colours the dots; none where the collection has no labels.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 6.6))
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.01, 0.02, 0.76, 0.9))
    axes.set_axis_off()
    axes.set_aspect("equal")
    size = max(1.0, min(22.0, 24_000 / max(1, places.height)))
    colours = class_colours(task) if task else {}
    label = pl.col(task.name) if task else pl.lit(None, pl.String)
    unknown = places.filter(~label.is_in(list(colours)).fill_null(value=False))
    groups = [("unknown", UNKNOWN, unknown), *((n, c, places.filter(label == n)) for n, c in colours.items())]
    for name, colour, rows in groups:
        if rows.height:
            text = f"{name}  {rows.height:,}"
            axes.scatter(rows["x"], rows["y"], s=size, color=colour, linewidths=0, alpha=0.85, label=text)
    figure.text(0.025, 0.955, title, fontsize=13, color=INK, fontweight="bold")
    if places.height:
        legend = axes.legend(
            loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=9, labelcolor=INK, markerscale=1.6
        )
        for handle in legend.legend_handles:
            if handle is not None:
                handle.set_alpha(1.0)
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=110, facecolor=PAPER)
    return out.getvalue()
