"""What the figures share: look, arm styles, watermark, and saving to the same bytes every time.

Figures are made without pyplot, so nothing is global and nothing needs a display.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ablation.files import whole
from ablation.plan.plan import Plan

MARKERS = "osD^vP*X"
LINES = ["-", "--", ":", "-."]
INK = "#1f2430"
MUTED = "#5b6270"
# No date, no version: the same parquet must give the same file.
METADATA: dict[str, dict[str, None]] = {
    ".svg": {"Date": None, "Creator": None},
    ".png": {"Software": None},
}
MOST_TICKS = 12


@dataclass(frozen=True)
class ArmStyle:
    """Colour, marker and line of an arm: any one of the three is enough to tell arms apart."""

    label: str
    color: str
    marker: str
    line: str


@contextmanager
def look() -> Iterator[None]:
    """The rcParams of every figure, for drawing and for saving."""
    settings: Any = {
        **mpl.rcParamsDefault,
        **sns.axes_style("whitegrid"),
        "axes.edgecolor": MUTED,
        "axes.labelcolor": INK,
        "axes.titlesize": 11,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.labelsize": 10,
        "font.family": "sans-serif",
        "font.sans-serif": ["DejaVu Sans"],
        "font.size": 9.5,
        "grid.color": "#e3e6eb",
        "legend.frameon": False,
        "text.color": INK,
        "xtick.color": INK,
        "ytick.color": INK,
        "svg.hashsalt": "ablation",
        # Text stays text: a fifth of the size, and it can be searched, selected and read aloud.
        "svg.fonttype": "none",
    }
    settings.pop("backend", None)
    with mpl.rc_context(settings):
        yield


def arm_styles(plan: Plan) -> dict[str, ArmStyle]:
    """One style for each arm of the study, the same in every figure."""
    arms = plan.arms
    colors = sns.color_palette("colorblind", max(len(arms), 3)).as_hex()
    return {
        arm: ArmStyle(
            label=entry.label or arm,
            color=colors[i],
            marker=MARKERS[i % len(MARKERS)],
            line=LINES[i % len(LINES)],
        )
        for i, (arm, entry) in enumerate(arms.items())
    }


def new_figure(width: float, height: float) -> Figure:
    """An empty figure in inches, on the Agg canvas."""
    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def panels(count: int, *, abreast: int = 2, height: float = 3.7) -> tuple[Figure, list[Axes]]:
    """A figure of ``count`` panels, ``abreast`` in a row, each so high (inches); a single one is wide, odd
    places are empty."""
    columns = min(count, abreast)
    rows = -(-count // columns)
    figure = new_figure(7.8 if columns == 1 else 5.2 * columns, height * rows)
    grid = figure.subplots(rows, columns, squeeze=False)
    axes = [ax for row in grid for ax in row]
    for ax in axes[count:]:
        ax.set_axis_off()
    return figure, axes[:count]


def tick_levels(levels: Sequence[int], *, log: bool = False) -> list[int]:
    """The levels that get a tick: all of them, or about a dozen spread over them (by ratio for ``log``)."""
    if len(levels) <= MOST_TICKS:
        return list(levels)
    if log:
        wanted = np.geomspace(min(levels), max(levels), MOST_TICKS)
        return sorted({min(levels, key=lambda level: abs(level - at)) for at in wanted})
    last = len(levels) - 1
    return [levels[round(i * last / (MOST_TICKS - 1))] for i in range(MOST_TICKS)]


def notice(ax: Axes, text: str) -> None:
    """An empty panel that says why it is empty."""
    ax.set_xticks([])
    ax.set_yticks([])
    ax.text(0.5, 0.5, text, transform=ax.transAxes, ha="center", va="center", color=MUTED)


def literal(text: str) -> str:
    """Text from a config or a log as itself: a dollar sign starts no formula."""
    return text.replace("$", r"\$")


def watermark(figure: Figure, plan: Plan) -> None:
    """SIMULATED across the figure when nothing in it was measured on a real server."""
    if plan.simulated:
        figure.text(
            0.5,
            0.5,
            "SIMULATED",
            ha="center",
            va="center",
            rotation=22,
            fontsize=min(64.0, 15 * figure.get_figheight()),
            fontweight="bold",
            color="#b00020",
            alpha=0.22,
            zorder=1000,
        ).set_in_layout(False)


def _compact(svg: str) -> str:
    """The same drawing, its coordinates to a hundredth of a point instead of a millionth."""

    def shorten(attribute: re.Match[str]) -> str:
        return re.sub(r"(\.\d\d)\d+", r"\1", attribute[0])

    return re.sub(r' (?:d|x|y|transform)="[^"]*"', shorten, svg)


def save(figure: Figure, path: Path) -> None:
    """Write the figure as its suffix says (.svg, .png): beside its place, then moved there."""
    if path.suffix not in METADATA:
        raise ValueError(f"a figure is .svg or .png, not {path.name}")
    with whole(path) as aside:
        with look():
            figure.savefig(aside, dpi=150, metadata=METADATA[path.suffix])
        if path.suffix == ".svg":
            aside.write_text(_compact(aside.read_text(encoding="utf-8")), encoding="utf-8")
