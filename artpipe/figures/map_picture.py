"""The map as a still picture, for Dagster and for print, and the class colours that every map uses."""

import io

import polars as pl

from artpipe.schema import PERIODS, STYLES, TYPES

INK, PAPER, UNKNOWN = "#22252b", "#ffffff", "#a9adb4"

# Styles and periods follow one another in time, so their hues run from violet to red and back; types have no order.
# Neighbours in the legend also differ in lightness, so that they differ for those who see no red or no green
# (CIE76 of at least 25 under the simulation of Machado et al. 2009), and all contrast with white and black paper.
_STYLES = (
    "#9a5eeb", "#651ef3", "#8e98e7", "#126379", "#44b0ac", "#18663b", "#6faf6b", "#9ca828", "#864907", "#a9685e",
    "#9e2970", "#f178a3",
)  # fmt: skip
_PERIODS = (
    "#7735cf", "#476085", "#159df3", "#30ac84", "#20b93c", "#535f33", "#f0760d", "#844761", "#c16bc9",
)  # fmt: skip
_TYPES = (
    "#f36514", "#396391", "#2ea95f", "#9950e2", "#a63809", "#3ea4a9", "#a1a146", "#cf5e7b", "#a37ad7", "#88532e",
)  # fmt: skip
CLASS_COLOURS: dict[str, dict[str, str]] = {
    "style": dict(zip(STYLES, _STYLES, strict=True)),
    "period": dict(zip(PERIODS, _PERIODS, strict=True)),
    "type": dict(zip(TYPES, _TYPES, strict=True)),
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
