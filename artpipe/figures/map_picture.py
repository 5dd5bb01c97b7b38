"""The map as a still picture, for Dagster and for print, and the class colours that every map uses."""

import io

import polars as pl

from artpipe.schema import PERIODS, STYLES, TYPES

INK, PAPER, UNKNOWN = "#22252b", "#ffffff", "#a9adb4"

# Styles and periods follow one another in time, so their colours run through one spectrum; types have no order. All
# of them contrast with white paper and with a dark screen.
_SPECTRUM = (
    "#7d4fb3", "#5560c4", "#3a83cc", "#2c9fb8", "#2aa587", "#5aa94a", "#a0a932", "#d3a11f", "#e57f28", "#d9502f",
    "#c2385a", "#a34a86",
)  # fmt: skip
_UNORDERED = (
    "#c9892b", "#3f7fbf", "#4d9c56", "#a45cb0", "#cf5442", "#2fa3a0", "#8a7f33", "#c45f93", "#7b6bd0", "#9c755f",
)  # fmt: skip
CLASS_COLOURS: dict[str, dict[str, str]] = {
    "style": dict(zip(STYLES, _SPECTRUM, strict=True)),
    "period": dict(zip(PERIODS, (_SPECTRUM[round(i * 11 / 8)] for i in range(9)), strict=True)),
    "type": dict(zip(TYPES, _UNORDERED, strict=True)),
}
"""For each task the colour of every class, in the order of the legend."""


def map_picture(places: pl.DataFrame, title: str, task: str = "style") -> bytes:
    """A scatter plot of the map as a PNG: one dot per work, coloured by class, with a legend.

    Args:
        places: `x`, `y` and the column `task`.
        title: of the plot.
        task: `style`, `period` or `type`.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 6.6))
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.01, 0.02, 0.76, 0.9))
    axes.set_axis_off()
    axes.set_aspect("equal")
    size = max(1.0, min(22.0, 24_000 / max(1, places.height)))
    colours = CLASS_COLOURS[task]
    unknown = places.filter(~pl.col(task).is_in(list(colours)).fill_null(value=False))
    groups = [("unknown", UNKNOWN, unknown), *((n, c, places.filter(pl.col(task) == n)) for n, c in colours.items())]
    for name, colour, rows in groups:
        if rows.height:
            label = f"{name}  {rows.height:,}"
            axes.scatter(rows["x"], rows["y"], s=size, color=colour, linewidths=0, alpha=0.85, label=label)
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
