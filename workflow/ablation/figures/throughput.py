"""Throughput by concurrency and arm, one panel a model, with intervals and n."""

from __future__ import annotations

import textwrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from pandas import DataFrame

from ablation.figures.layout import MOST_MODELS, apart, dodge, foot, keep
from ablation.figures.style import (
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

# Letters of a title that fit over a panel.
TITLE_WIDTH = 44


def draw(plan: Plan, *, arms: DataFrame, metric: str = PRIMARY) -> Figure:
    """Mean over launches with its t interval, for each arm and level of each model.

    An arm that did not run is named in its model's panel, with its status and reason.
    """
    title = METRICS[metric]
    models = list(dict.fromkeys([*plan.models, *(e.model for e in plan.excluded)]))
    rows = arms[arms["metric"] == metric] if not arms.empty else arms
    models, left_out = keep(models, MOST_MODELS, "models")
    with look():
        figure, axes = panels(max(len(models), 1))
        if not models:
            notice(axes[0], "no model in this study")
        for ax, model in zip(axes, models, strict=False):
            here = rows[rows["model"] == model] if not rows.empty else rows
            if _panel(ax, model, here, plan):
                ax.set_ylabel(f"{title.title} ({title.display_unit})")
        confidence = 100 * plan.study.design.confidence
        foot(
            figure,
            f"Concurrency (requests in flight). Bars: {confidence:g} % t interval of the mean over server "
            "launches.",
            left_out,
        )
        watermark(figure, plan)
    return figure


def _panel(ax: Axes, model: str, rows: DataFrame, plan: Plan) -> bool:
    """Draw one model; whether it has anything to show."""
    ax.set_title(literal(textwrap.fill(plan.model_title(model), TITLE_WIDTH)))
    styles, highest = arm_styles(plan), 0.0
    told = rows[rows["n"] > 0] if not rows.empty else rows
    drawn = [arm for arm in styles if not told.empty and (told["arm"] == arm).any()]
    step = apart(plan.levels, len(drawn)) if drawn else 1.0
    for place, arm in enumerate(drawn):
        own, style = told[told["arm"] == arm].sort_values("concurrency"), styles[arm]
        highest = max(highest, float(own["mean"].max()))
        x = dodge(own["concurrency"], place, len(drawn), step)
        mean = own["mean"].to_numpy(dtype=float)
        errors = np.nan_to_num([mean - own["low"], own["high"] - mean], nan=0.0, posinf=0.0)
        n = own["n"].to_numpy()
        count = f"{n.min()}" if n.min() == n.max() else f"{n.min()} to {n.max()}"
        ax.errorbar(
            x,
            mean,
            yerr=np.abs(errors),
            color=style.color,
            marker=style.marker,
            linestyle=style.line,
            markersize=5,
            capsize=3,
            linewidth=1.5,
            markeredgecolor="white",
            markeredgewidth=0.6,
            label=f"{literal(style.label)}, n = {count}",
        )
    if drawn:
        ax.set_xscale("log")
        ticks = tick_levels(plan.levels, log=True)
        ax.set_xticks(ticks, [str(tick) for tick in ticks])
        ax.xaxis.set_minor_locator(NullLocator())
        ax.set_xlim(min(plan.levels) / 1.25, max(plan.levels) * 1.25)
        # An interval from two launches may be many times the mean: the means must stay readable.
        # Matplotlib's margin is a part of the data's range, which a single level hardly has.
        ax.set_ylim(0, min(max(ax.get_ylim()[1], 1.03 * highest), 1.6 * highest))
        ax.legend(loc="upper left", fontsize=8.5)
    _excluded(ax, model, plan, alone=not drawn)
    return bool(drawn)


def _excluded(ax: Axes, model: str, plan: Plan, *, alone: bool) -> None:
    """The arms of this model that did not run, and why."""
    styles = arm_styles(plan)
    reasons: dict[str, list[str]] = {}
    for entry in plan.excluded:
        if entry.model == model:
            arm = entry.arm
            label = styles[arm].label if arm in styles else arm
            reasons.setdefault(f"{entry.status}: {entry.reason}", []).append(label)
    lines = [f"{', '.join(labels)}: {reason}" for reason, labels in reasons.items()]
    text = "\n".join(literal(textwrap.fill(line, 46)) for line in lines)
    if alone:
        notice(ax, text or "no usable run")
    elif text:
        ax.text(
            0.98,
            0.03,
            text,
            transform=ax.transAxes,
            ha="right",
            va="bottom",
            fontsize=8,
            color=MUTED,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 2},
        )
