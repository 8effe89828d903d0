"""Throughput against latency: what each arm trades, level by level."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pandas import DataFrame

from ablation.figures.layout import (
    MOST_PANELS,
    errors,
    foot,
    keep,
    key,
    log_numbers,
    model_title,
    models_of,
)
from ablation.figures.style import (
    MOST_TICKS,
    MUTED,
    arm_styles,
    look,
    notice,
    panels,
    tick_levels,
    watermark,
)
from ablation.plan.plan import Plan
from ablation.statistics.metrics import METRICS, PRIMARY

LATENCIES = {"itl_p50_s": "median ITL (ms)", "ttft_p50_s": "median TTFT (ms)"}
# Beyond this ratio of the largest to the smallest, an axis is logarithmic.
WIDE = 12.0


def draw(plan: Plan, *, arms: DataFrame) -> Figure:
    """Two panels a model: output throughput (per GPU where there are any) over ITL and over TTFT.

    A line an arm through its levels, each level's point with both intervals of the mean over launches.
    """
    rows = arms[arms["metric"].isin([PRIMARY, *LATENCIES]) & (arms["n"] > 0)] if len(arms) else arms
    shown, left_out = keep(models_of(plan, rows), MOST_PANELS // 2, "models")
    with look():
        figure, axes = panels(max(2 * len(shown), 1))
        if not shown:
            notice(axes[0], "No usable run: there is neither throughput nor latency to show.")
        for i, model in enumerate(shown):
            own = rows[rows.model == model]
            gpus = _gpus(plan, model)
            for ax, (latency, words) in zip(
                axes[2 * i : 2 * i + 2], LATENCIES.items(), strict=True
            ):
                ax.set_title(model_title(plan, model))
                _panel(ax, own, latency, gpus, plan)
                ax.set_xlabel(words)
                unit = "tok/s per GPU" if gpus else "tok/s"
                ax.set_ylabel(f"{METRICS[PRIMARY].title.capitalize()} ({unit})")
        if shown:
            key(figure, plan, rows)
            confidence = 100 * plan.study.design.confidence
            foot(
                figure,
                "Up and to the left is better. Numbers: concurrency of the first arm's points. Bars: "
                f"{confidence:g} % t intervals of the means over server launches, both ways.",
                left_out,
            )
        watermark(figure, plan)
    return figure


def _gpus(plan: Plan, model: str) -> dict[str, int]:
    """GPUs of each arm of a model; empty where any arm uses none."""
    own = [s for s in plan.sessions if s.model == model]
    gpus = {s.arm: s.launch.gpus for s in own}
    return gpus if gpus and all(gpus.values()) else {}


def _panel(ax: Axes, rows: DataFrame, latency: str, gpus: Mapping[str, int], plan: Plan) -> None:
    named = False
    spans, tops = [], []
    for arm, style in arm_styles(plan).items():
        own = rows[rows["arm"] == arm].set_index(["metric", "concurrency"])
        levels = [
            level
            for level in plan.levels
            if (PRIMARY, level) in own.index and (latency, level) in own.index
        ]
        if not levels:
            continue
        y, x = own.loc[PRIMARY].loc[levels], own.loc[latency].loc[levels]
        per = gpus.get(arm, 1)
        mean_x, mean_y = 1e3 * x["mean"].to_numpy(float), y["mean"].to_numpy(float) / per
        spans.append(mean_x)
        few = len(levels) <= 4 * MOST_TICKS
        tops.append(mean_y.max())
        ax.errorbar(
            mean_x,
            mean_y,
            xerr=errors(mean_x, 1e3 * x["low"], 1e3 * x["high"]),
            yerr=errors(mean_y, y["low"] / per, y["high"] / per),
            color=style.color,
            marker=style.marker,
            linestyle=style.line,
            linewidth=1.3,
            elinewidth=0.9,
            markersize=5.5,
            capsize=2 if few else 0,
            rasterized=not few,
            markeredgecolor="white",
            markeredgewidth=0.6,
        )
        if not named:
            named = True
            for level in tick_levels(levels):
                at = levels.index(level)
                ax.annotate(
                    str(level),
                    (mean_x[at], mean_y[at]),
                    xytext=(-5, 5),
                    textcoords="offset points",
                    ha="right",
                    fontsize=8,
                    color=MUTED,
                )
    if not spans:
        notice(ax, "too few observations for a median")
        return
    every = np.concatenate(spans)
    if every.max() / every.min() > WIDE:
        ax.set_xscale("log")
    # Intervals from two launches may be many times the mean: the means must stay readable.
    left, right = ax.get_xlim()
    ax.set_xlim(max(left, every.min() / 1.6), min(right, 1.6 * every.max()))
    if ax.get_xscale() == "log":
        log_numbers(ax.xaxis)
    ax.set_ylim(0, min(ax.get_ylim()[1] * 1.05, 1.6 * max(tops)))
