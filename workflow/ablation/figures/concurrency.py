"""Achieved against nominal concurrency: whether the load was the one that was asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from pandas import DataFrame

from ablation.figures.layout import (
    MOST_PANELS,
    apart,
    dodge,
    foot,
    keep,
    level_axis,
    model_title,
    models_of,
)
from ablation.figures.style import (
    INK,
    arm_styles,
    literal,
    look,
    notice,
    panels,
    tick_levels,
    watermark,
)
from ablation.plan.plan import Plan

GATE = "achieved_concurrency"
# From so many points on they go into an SVG as one picture: each is still there, the file stays small.
MOST_VECTORS = 1_000
CROSS: dict[str, Any] = {"marker": "x", "markeredgewidth": 2.0}


def draw(plan: Plan, *, runs: DataFrame) -> Figure:
    """Two panels a model: the mean in flight in the window over the level, and the same in percent.

    Every run is a point (``runs`` is the aggregate). A run whose concurrency gate failed is a cross, one
    that failed another gate is hollow; the line is what was asked for.
    """
    rows = runs[runs["achieved_concurrency"].notna()] if len(runs) else runs
    shown, left_out = keep(models_of(plan, rows), MOST_PANELS // 2, "models")
    with look():
        figure, axes = panels(max(2 * len(shown), 1))
        if not shown:
            notice(axes[0], "No run has left its achieved concurrency.")
        for i, model in enumerate(shown):
            own = rows[rows["model"] == model]
            dense = len(rows) > MOST_VECTORS
            left, right = axes[2 * i], axes[2 * i + 1]
            for ax, relative in ((left, False), (right, True)):
                _panel(ax, own, plan, relative=relative, dense=dense)
            left.set_title(model_title(plan, model))
            left.set_ylabel("Achieved concurrency")
            right.set_title(model_title(plan, model, ": achieved / nominal"))
            right.set_ylabel("Achieved (% of nominal)")
        if shown:
            failed = int(rows["gates_failed"].map(lambda gates: GATE in list(gates)).sum())
            foot(
                figure,
                f"Mean number of requests in flight in the window, each of {len(rows):,} runs. Line: what was "
                f"asked for. {failed:,} runs failed the gate of achieved concurrency.",
                left_out,
            )
        watermark(figure, plan)
    return figure


def _panel(ax: Axes, rows: DataFrame, plan: Plan, *, relative: bool, dense: bool) -> None:
    level_axis(ax, plan.levels)
    ends = np.array(ax.get_xlim())
    ax.plot(ends, [100, 100] if relative else ends, color=INK, linewidth=0.9, zorder=1)
    styles = arm_styles(plan)
    present = [arm for arm in styles if (rows["arm"] == arm).any()]
    step = apart(plan.levels, max(len(present), 1))
    points: dict[str, Any] = {
        "linestyle": "none",
        "markersize": 5.5,
        "rasterized": dense,
        "zorder": 3,
    }
    for place, arm in enumerate(present):
        style, own = styles[arm], rows[rows["arm"] == arm]
        level = own["concurrency"].to_numpy(dtype=float)
        x = dodge(level, place, len(present), step)
        x = x * _spread(own["block"].to_numpy(dtype=float), step)
        y = own["achieved_concurrency"].to_numpy(dtype=float)
        y = 100 * y / level if relative else y
        short = own["gates_failed"].map(lambda gates: GATE in list(gates)).to_numpy(dtype=bool)
        usable = own["usable"].to_numpy(dtype=bool)
        ax.plot(
            x[usable],
            y[usable],
            label=f"{literal(style.label)}, n = {int(usable.sum())}",
            color=style.color,
            marker=style.marker,
            markeredgecolor="white",
            markeredgewidth=0.4,
            **points,
        )
        ax.plot(
            x[~usable & ~short],
            y[~usable & ~short],
            color=style.color,
            marker=style.marker,
            markerfacecolor="white",
            **points,
        )
        ax.plot(x[short], y[short], color=style.color, **CROSS, **points)
    if relative:
        low, high = ax.get_ylim()
        ax.set_ylim(min(low, 90) - 2, max(high, 101) + 1)
    else:
        ax.set_yscale("log")
        ticks = tick_levels(plan.levels, log=True)
        ax.set_yticks(ticks, [str(tick) for tick in ticks])
        ax.yaxis.set_minor_locator(NullLocator())
        _failed(ax, rows)
        ax.legend(loc="upper left", fontsize=8.5)


def _failed(ax: Axes, rows: DataFrame) -> None:
    """What the marks of failed runs mean, and how many there are, for the legend."""
    short = rows["gates_failed"].map(lambda gates: GATE in list(gates)).to_numpy(dtype=bool)
    other = int((~rows["usable"].to_numpy(dtype=bool) & ~short).sum())
    hollow: dict[str, Any] = {"marker": "o", "markerfacecolor": "white"}
    for count, words, marks in (
        (int(short.sum()), "too few in flight: gate failed", CROSS),
        (other, "another gate failed", hollow),
    ):
        if count:
            ax.plot([], [], linestyle="none", color=INK, label=f"{words}, n = {count}", **marks)


def _spread(blocks: Any, step: float) -> Any:
    """A small factor by block, less than their arm's ``step``: equal points of a level stand beside one another."""
    most = blocks.max(initial=1)
    return (step**0.4) ** ((blocks - (most + 1) / 2) / max(most / 2, 1))
