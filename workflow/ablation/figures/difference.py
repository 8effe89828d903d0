"""Difference from the baseline in percent, with interval, equivalence band and verdict."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pandas import DataFrame

from ablation.figures.layout import MOST_MODELS, foot, keep
from ablation.figures.style import (
    INK,
    MOST_TICKS,
    MUTED,
    arm_styles,
    literal,
    look,
    notice,
    panels,
    tick_levels,
    watermark,
)
from ablation.plan.plan import Plan
from ablation.statistics.metrics import METRICS, PRIMARY
from ablation.statistics.multiplicity import PROCEDURE
from ablation.statistics.verdict import WITHHELD

# Colour, shape and filling each tell the verdict; the word stands beside it.
LOOKS = {
    "faster": ("#0173b2", "^", True),
    "slower": ("#d55e00", "v", True),
    "equivalent": ("#4d4d4d", "s", True),
    "inconclusive": ("#8a8a8a", "o", False),
    "withheld": ("#8a8a8a", "X", False),
}


def draw(plan: Plan, *, comparisons: DataFrame, metric: str = PRIMARY) -> Figure:
    """One panel for each comparison of a model: levels from left to right, 0 in the middle."""
    rows = comparisons[comparisons["metric"] == metric] if not comparisons.empty else comparisons
    groups = [] if rows.empty else list(rows.groupby(["model", "arm"], sort=False))
    groups, left_out = keep(groups, MOST_MODELS, "comparisons")
    with look():
        figure, axes = panels(max(len(groups), 1), abreast=1)
        if not groups:
            notice(axes[0], "No model ran the baseline and another arm:\nnothing to compare.")
        for ax, ((model, arm), own) in zip(axes, groups, strict=False):
            own = own.sort_values("concurrency")
            _panel(ax, str(model), str(arm), own, plan, metric)
        if groups:
            confidence = 100 * plan.study.design.confidence
            margin = plan.study.design.equivalence_margin_percent
            foot(
                figure,
                f"Concurrency (requests in flight) and blocks n. Bars: {confidence:g} % paired t interval. "
                f"Hatched: equivalence, ±{margin:g} %. Verdicts are adjusted over the levels by {PROCEDURE}.",
                "Withheld: a premise of the verdict does not hold; the report says which."
                if (rows["verdict"] == WITHHELD).any()
                else "",
                left_out,
            )
        watermark(figure, plan)
    return figure


def _panel(
    ax: Axes,
    model: str,
    arm: str,
    rows: DataFrame,
    plan: Plan,
    metric: str,
) -> None:
    styles = arm_styles(plan)
    baseline = plan.baseline
    margin = plan.study.design.equivalence_margin_percent
    title = plan.model_title(model)
    words = f"{title}: {styles[arm].label} against {styles[baseline].label}"
    ax.set_title(literal(textwrap.fill(words, 74)))
    low = 100 * (1 / (1 + margin / 100) - 1)
    ax.axhspan(
        low, margin, facecolor="#eceef2", edgecolor="#d3d7de", hatch="//", linewidth=0.0, zorder=0
    )
    ax.axhline(0, color=INK, linewidth=0.9)
    few = len(rows) <= MOST_TICKS
    values = rows["difference_percent"].to_numpy(dtype=float)
    bound = _bound(values, rows, margin)
    for x, (_, row) in enumerate(rows.iterrows()):
        _point(ax, x, row, metric, bound, few)
    levels = [int(level) for level in rows["concurrency"]]
    ticks = tick_levels(levels)
    named = dict(zip(levels, rows["n_pairs"].astype(int), strict=True))
    ax.set_xticks(
        [levels.index(tick) for tick in ticks],
        [f"{tick}\nn = {named[tick]}" if few else str(tick) for tick in ticks],
    )
    ax.grid(axis="x", visible=False)
    ax.set_xlim(-0.6, len(rows) - 0.4)
    ax.set_ylim(*_limits(rows, bound, margin))
    ax.set_ylabel(f"Difference in {METRICS[metric].title} (%)")


def _bound(values: np.ndarray, rows: DataFrame, margin: float) -> float:
    """How far the axis may reach: all points, and intervals unless they dwarf the points."""
    ends = rows[["low_percent", "high_percent"]].to_numpy(dtype=float)
    points = np.abs(values[np.isfinite(values)]).max(initial=margin)
    widest = np.abs(ends[np.isfinite(ends)]).max(initial=margin)
    return float(max(min(widest, 4 * points), 1.5 * margin))


def _limits(rows: DataFrame, bound: float, margin: float) -> tuple[float, float]:
    """Both ends of the axis: the band always in sight, room for the words above the highest point."""
    ends = rows[["low_percent", "high_percent", "difference_percent"]].to_numpy(dtype=float)
    ends = ends[np.isfinite(ends)]
    low = max(ends.min(initial=0.0), -bound)
    high = min(ends.max(initial=0.0), bound)
    low, high = min(low, -1.5 * margin), max(high, 1.5 * margin)
    span = high - low
    return low - 0.06 * span, high + 0.32 * span


def _point(ax: Axes, x: int, row: Any, metric: str, bound: float, few: bool) -> None:
    verdict = str(row["verdict"])
    color, marker, filled = LOOKS[verdict]
    if not METRICS[metric].higher_is_better and verdict in ("faster", "slower"):
        marker = "v" if marker == "^" else "^"
    y = float(row["difference_percent"])
    if not np.isfinite(y):
        if few:
            ax.text(
                x,
                0.98,
                "no pair\ninconclusive",
                transform=ax.get_xaxis_transform(),
                ha="center",
                va="top",
                fontsize=8.5,
                color=MUTED,
            )
        return
    low, high = float(row["low_percent"]), float(row["high_percent"])
    if np.isfinite(low) and np.isfinite(high):
        low, high = max(low, -2 * bound), min(high, 2 * bound)
        ax.plot([x, x], [low, high], color=color, linewidth=1.6, zorder=2)
        ax.plot([x, x], [low, high], color=color, linestyle="none", marker="_", markersize=8)
    else:
        low = high = y
    ax.plot(
        [x],
        [y],
        marker=marker,
        markersize=8,
        color=color,
        linestyle="none",
        zorder=3,
        markerfacecolor=color if filled else "white",
        markeredgecolor=color,
        markeredgewidth=1.5,
    )
    if few:
        ax.text(
            x,
            0.98,
            f"{y:+.1f} %\n{verdict}",
            transform=ax.get_xaxis_transform(),
            ha="center",
            va="top",
            fontsize=8.5,
            color=INK,
        )
