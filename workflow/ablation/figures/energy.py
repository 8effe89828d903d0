"""Energy per output token and power by concurrency and arm, two panels a model; or why there is neither."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator
from pandas import DataFrame

from ablation.figures.style import (
    MUTED,
    ArmStyle,
    arm_styles,
    literal,
    look,
    notice,
    panels,
    tick_levels,
    watermark,
)
from ablation.statistics.metrics import ENERGY, METRICS

POWER = "power_mean_w"
DODGE = 1.045
TITLE_WIDTH = 44
PLAIN = FuncFormatter(lambda value, _: f"{value:g}")


def draw(plan: Mapping[str, Any], *, arms: DataFrame, runs: DataFrame) -> Figure:
    """Left: mean energy per output token over launches with its t interval. Right: mean power in the window."""
    told = arms[(arms["metric"] == ENERGY) & (arms["n"] > 0)] if not arms.empty else arms
    models = [] if told.empty else [m for m in plan["models"] if (told["model"] == m).any()]
    with look():
        figure, axes = panels(max(2 * len(models), 1))
        if not models:
            notice(axes[0], missing("Power and energy", runs, "telemetry_text"))
        for i, model in enumerate(models):
            _energy(axes[2 * i], plan, model, told[told["model"] == model])
            _power(axes[2 * i + 1], plan, runs[runs["model"] == model])
        if models:
            confidence = 100 * float(plan["design"]["confidence"])
            figure.supxlabel(
                f"Concurrency (requests in flight). Left, bars: {confidence:g} % t interval of the mean over "
                "server launches.\nRight, bars: lowest to highest launch. All devices of the server, prompts "
                "included.",
                fontsize=9,
                color=MUTED,
            )
        watermark(figure, plan)
    return figure


def missing(what: str, runs: DataFrame, column: str) -> str:
    """A sentence on why there is nothing to draw, as the runs say it."""
    texts: list[str] = []
    if len(runs) and column in runs:
        texts = list(dict.fromkeys(str(text) for text in runs[column].dropna() if text))
    why = texts[0] if texts else "not observed in these runs"
    return literal(textwrap.fill(f"{what}: {why}.", 84))


def axis_of_levels(ax: Axes, levels: list[int]) -> None:
    """A logarithmic axis of concurrencies, with ticks at real levels only."""
    ax.set_xscale("log")
    ticks = tick_levels(levels)
    ax.set_xticks(ticks, [str(tick) for tick in ticks])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlim(min(levels) / 1.3, max(levels) * 1.3)


def marks(style: ArmStyle) -> dict[str, Any]:
    """How an arm's points, line and bars look."""
    return {
        "color": style.color,
        "marker": style.marker,
        "linestyle": style.line,
        "markersize": 5,
        "capsize": 3,
        "linewidth": 1.5,
        "markeredgecolor": "white",
        "markeredgewidth": 0.6,
    }


def _energy(ax: Axes, plan: Mapping[str, Any], model: str, rows: DataFrame) -> None:
    name = str(plan["models"][model].get("title") or model)
    ax.set_title(literal(textwrap.fill(name, TITLE_WIDTH)))
    ax.set_ylabel(f"{METRICS[ENERGY].title.capitalize()} (J)")
    lowest, highest = np.inf, 0.0
    for i, (arm, style) in enumerate(arm_styles(plan).items()):
        own = rows[rows["arm"] == arm].sort_values("concurrency")
        if own.empty:
            continue
        mean = own["mean"].to_numpy(dtype=float)
        lengths = np.array([mean - own["low"], own["high"] - mean], dtype=float)
        least, most = own["n"].min(), own["n"].max()
        n = f"{least}" if least == most else f"{least} to {most}"
        ax.errorbar(
            own["concurrency"].to_numpy(dtype=float) * DODGE**i,
            mean,
            yerr=np.where(np.isfinite(lengths), np.abs(lengths), 0.0),
            label=f"{literal(style.label)}, n = {n}",
            **marks(style),
        )
        lowest, highest = min(lowest, float(mean.min())), max(highest, float(mean.max()))
    axis_of_levels(ax, [int(level) for level in plan["levels"]])
    # Batching makes a token many times cheaper: on a linear axis the arms would lie on each other where it does.
    ax.set_yscale("log")
    # An interval from two launches may be many times the mean: the means must stay readable.
    ax.set_ylim(lowest / 1.5, highest * 1.5)
    ax.yaxis.set_major_formatter(PLAIN)
    ax.yaxis.set_minor_formatter(PLAIN if highest < 20 * lowest else NullFormatter())
    ax.legend(loc="upper right", fontsize=8.5)


def _power(ax: Axes, plan: Mapping[str, Any], runs: DataFrame) -> None:
    ax.set_ylabel("Mean power in the window (W)")
    usable = runs[runs["usable"].astype(bool) & runs[POWER].notna()]
    for i, (arm, style) in enumerate(arm_styles(plan).items()):
        own = usable[usable["arm"] == arm]
        if own.empty:
            continue
        by_level = own.groupby("concurrency")[POWER].agg(["mean", "min", "max"])
        mean = by_level["mean"].to_numpy(dtype=float)
        ax.errorbar(
            by_level.index.to_numpy(dtype=float) * DODGE**i,
            mean,
            yerr=np.abs([mean - by_level["min"], by_level["max"] - mean]),
            **marks(style),
        )
    axis_of_levels(ax, [int(level) for level in plan["levels"]])
    ax.set_ylim(bottom=0)
