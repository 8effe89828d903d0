"""Every launch at its time, the arms of a block joined: drift, modes and odd launches are visible."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pandas import DataFrame

from ablation.figures.layout import foot, key, model_title, models_of
from ablation.figures.style import MUTED, arm_styles, look, notice, panels, watermark
from ablation.plan.plan import Plan
from ablation.statistics.metrics import METRICS, PRIMARY

MOST_PANELS = 8
# Levels of a model that are drawn at least where all would be too many panels.
FEW = 3


def draw(plan: Plan, *, runs: DataFrame, metric: str = PRIMARY) -> Figure:
    """One panel a model and level: a point a launch at the time of its run, its block's points joined.

    ``runs`` is the aggregate. Excluded runs are hollow. Where there are more than 8 models and levels,
    the models with several arms come first, each with some of its levels from the lowest to the highest.
    """
    rows = runs[runs[metric].notna()] if len(runs) else runs
    rows, unit = _with_time(rows)
    shown, left_out = _choose(plan, rows)
    with look():
        figure, axes = panels(max(len(shown), 1), height=3.0 if len(shown) > 2 else 3.7)
        if not shown:
            notice(axes[0], "No run has left a throughput.")
        title = METRICS[metric]
        for ax, (model, level) in zip(axes, shown, strict=False):
            own = rows[(rows["model"] == model) & (rows["concurrency"] == level)]
            _panel(ax, own, metric, plan)
            ax.set_title(model_title(plan, model, f", concurrency {level}"))
            ax.set_ylabel(f"{title.title.capitalize()} ({title.display_unit})")
            ax.set_xlabel(f"Time since the first run of the study ({unit})")
        if shown:
            counts = rows.groupby(["model", "concurrency", "arm"], sort=False)["usable"].sum()
            drawn = counts.reset_index(name="n").set_index(["model", "concurrency"]).loc[shown]
            key(figure, plan, drawn)
            excluded = int((~rows["usable"].astype(bool)).sum())
            foot(
                figure,
                "A point is a server launch; lines join the launches of a block. Hollow: excluded, a gate "
                f"failed ({excluded:,} of {len(rows):,} runs of the study). The axes do not start at 0.",
                left_out,
            )
        watermark(figure, plan)
    return figure


def _with_time(rows: DataFrame) -> tuple[DataFrame, str]:
    """The rows with their time since the first of them, in a unit that fits, and the unit."""
    if rows.empty:
        return rows.assign(time=[]), "h"
    seconds = (rows["started_at"] - rows["started_at"].min()).dt.total_seconds()
    span = float(seconds.max())
    unit, size = ("min", 60.0) if span < 2 * 3600 else ("h", 3600.0)
    if span > 3 * 86400:
        unit, size = "days", 86400.0
    return rows.assign(time=seconds / size), unit


def _choose(plan: Plan, rows: DataFrame) -> tuple[list[tuple[str, int]], str]:
    """The (model, level) that get a panel, and a sentence on the others."""
    models = models_of(plan, rows)
    cells = {
        model: sorted({int(c) for c in rows.loc[rows["model"] == model, "concurrency"]})
        for model in models
    }
    everything = [(model, level) for model in models for level in cells[model]]
    if len(everything) <= MOST_PANELS:
        return everything, ""
    # A model with one arm has nothing to pair: the others are looked at first.
    models.sort(key=lambda model: len(plan.models[model].arms) < 2)
    room = max(MOST_PANELS // len(models), FEW)
    chosen = [(model, level) for model in models for level in _spread(cells[model], room)][
        :MOST_PANELS
    ]
    return chosen, f"{len(chosen)} of {len(everything):,} models and levels are drawn."


def _spread(levels: list[int], most: int) -> list[int]:
    """So many levels at most, the lowest and the highest among them."""
    if len(levels) <= most:
        return levels
    return [levels[round(i * (len(levels) - 1) / (most - 1))] for i in range(most)]


def _panel(ax: Axes, rows: DataFrame, metric: str, plan: Plan) -> None:
    for _, pair in rows.groupby("block", sort=True):
        pair = pair.sort_values("time")
        ax.plot(pair["time"], pair[metric], color="#b4b9c2", linewidth=1.0, zorder=1)
    for arm, style in arm_styles(plan).items():
        own = rows[rows["arm"] == arm].sort_values("time")
        usable = own["usable"].to_numpy(dtype=bool)
        for some, filled in ((usable, True), (~usable, False)):
            if not some.any():
                continue
            ax.plot(
                own["time"].to_numpy()[some],
                own[metric].to_numpy(dtype=float)[some],
                linestyle="none",
                marker=style.marker,
                markersize=6.5,
                color=style.color,
                markerfacecolor=style.color if filled else "white",
                zorder=3,
            )
    _limits(ax, rows[metric].to_numpy(dtype=float))
    first = rows.sort_values("time").drop_duplicates("block")
    if len(first) <= 12:
        for block, time in zip(first["block"], first["time"], strict=True):
            ax.annotate(
                f"block {block}" if block == first["block"].iloc[0] else str(block),
                (time, 0.015),
                xycoords=ax.get_xaxis_transform(),
                fontsize=7.5,
                color=MUTED,
                ha="left" if block == first["block"].iloc[0] else "center",
            )
    begin, end = float(rows["time"].min()), float(rows["time"].max())
    room = 0.04 * (end - begin) or 1.0
    ax.set_xlim(begin - room, end + room)


def _limits(ax: Axes, values: Any) -> None:
    """Room below for the blocks; launches that hardly differ are not blown up beyond 2 %."""
    low, high = float(np.min(values)), float(np.max(values))
    span = max(high - low, 0.02 * abs(high), 1e-9)
    ax.set_ylim(low - 0.22 * span, high + 0.1 * span)
