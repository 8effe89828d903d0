"""Energy per output token and power by concurrency and arm, two panels a model; or why there is neither."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter
from pandas import DataFrame

from ablation.figures.layout import (
    MOST_PANELS,
    apart,
    dodge,
    errors,
    foot,
    keep,
    level_axis,
    model_title,
    models_of,
    of_launches,
)
from ablation.figures.style import ArmStyle, arm_styles, literal, look, notice, panels, watermark
from ablation.plan.plan import Plan
from ablation.statistics.metrics import ENERGY, METRICS

POWER = "power_mean_w"
PLAIN = FuncFormatter(lambda value, _: f"{value:,g}")


def draw(plan: Plan, *, arms: DataFrame, runs: DataFrame) -> Figure:
    """Left: mean energy per output token over launches with its t interval. Right: mean power in the window."""
    told = arms[(arms["metric"] == ENERGY) & (arms["n"] > 0)] if not arms.empty else arms
    models, left_out = keep(models_of(plan, told), MOST_PANELS // 2, "models")
    with look():
        figure, axes = panels(max(2 * len(models), 1))
        if not models:
            notice(axes[0], missing("Power and energy", runs, "telemetry_text"))
        for i, model in enumerate(models):
            _energy(axes[2 * i], plan, model, told[told["model"] == model])
            _power(axes[2 * i + 1], plan, runs[runs["model"] == model])
        if models:
            confidence = 100 * plan.study.design.confidence
            foot(
                figure,
                "All devices of the server, over each run's window, prompts included.",
                f"Left, bars: {confidence:g} % t interval of the mean over server launches.",
                "Right, bars: lowest to highest launch.",
                left_out,
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


def marks(style: ArmStyle) -> dict[str, Any]:
    """How an arm's points and line look."""
    return {
        "color": style.color,
        "marker": style.marker,
        "linestyle": style.line,
        "markersize": 5,
        "linewidth": 1.5,
        "markeredgecolor": "white",
        "markeredgewidth": 0.6,
    }


def _energy(ax: Axes, plan: Plan, model: str, rows: DataFrame) -> None:
    ax.set_title(model_title(plan, model))
    ax.set_ylabel(f"{METRICS[ENERGY].title.capitalize()} (J)")
    styles = arm_styles(plan)
    step = apart(plan.levels, len(styles))
    for i, (arm, style) in enumerate(styles.items()):
        own = rows[rows["arm"] == arm].sort_values("concurrency")
        if len(own):
            ax.errorbar(
                dodge(own["concurrency"], i, len(styles), step),
                own["mean"].to_numpy(dtype=float),
                yerr=errors(own["mean"], own["low"], own["high"]),
                label=f"{literal(style.label)}, {of_launches(own['n'])}",
                capsize=3,
                **marks(style),
            )
    level_axis(ax, plan.levels)
    # Batching makes a token many times cheaper: on a linear axis the arms would lie on each other where it does.
    ax.set_yscale("log")
    # An interval from two launches may be many times the mean: the means must stay readable.
    lowest, highest = float(rows["mean"].min()), float(rows["mean"].max())
    ax.set_ylim(lowest / 1.5, highest * 1.5)
    ax.yaxis.set_major_formatter(PLAIN)
    ax.yaxis.set_minor_formatter(PLAIN if highest < 20 * lowest else NullFormatter())
    ax.legend(loc="upper right", fontsize=8.5)


def _power(ax: Axes, plan: Plan, runs: DataFrame) -> None:
    ax.set_ylabel("Mean power in the window (W)")
    usable = runs[runs["usable"].astype(bool) & runs[POWER].notna()]
    styles = arm_styles(plan)
    step = apart(plan.levels, len(styles))
    for i, (arm, style) in enumerate(styles.items()):
        own = usable[usable["arm"] == arm]
        if len(own):
            by_level = own.groupby("concurrency")[POWER].agg(["mean", "min", "max"])
            ax.errorbar(
                dodge(by_level.index, i, len(styles), step),
                np.asarray(by_level["mean"], dtype=float),
                yerr=errors(by_level["mean"], by_level["min"], by_level["max"]),
                capsize=3,
                **marks(style),
            )
    level_axis(ax, plan.levels)
    ax.set_ylim(bottom=0)
