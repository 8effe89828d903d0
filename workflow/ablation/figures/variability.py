"""How much launches differ: the CoV of each arm, where it comes from, and the noise floor."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
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
from ablation.figures.style import INK, arm_styles, literal, look, notice, panels, watermark
from ablation.plan.plan import Plan
from ablation.statistics.metrics import METRICS, PRIMARY
from ablation.statistics.noise import noise_floor

# From so many levels on, intervals are bands and points have no marker.
MOST_BARS = 24


def draw(
    plan: Plan,
    *,
    arms: DataFrame,
    variability: DataFrame,
    comparisons: DataFrame,
    metric: str = PRIMARY,
) -> Figure:
    """Two panels a model: the CoV over launches, and its parts within and between launches.

    The A/A floor (the most that two arms with the same settings may differ by) stands beside the CoV
    where the study has such an arm. All in percent of the mean.
    """
    spread = _rows(arms, metric)
    spread = spread[spread["n"] > 1] if not spread.empty else spread
    parts = _rows(variability, metric)
    floor = noise_floor(comparisons, plan)
    floor = floor[floor["metric"] == metric] if not floor.empty else floor
    shown, left_out = keep(models_of(plan, spread), MOST_PANELS // 2, "models")
    with look():
        figure, axes = panels(max(2 * len(shown), 1))
        if not shown:
            notice(
                axes[0],
                "No arm has two usable launches at any level:\nhow much launches differ is not known.",
            )
        for i, model in enumerate(shown):
            left, right = axes[2 * i], axes[2 * i + 1]
            own = spread[spread["model"] == model]
            _cov(left, own, _of(floor, model), plan)
            left.set_title(model_title(plan, model))
            left.set_ylabel(f"CoV of {METRICS[metric].title} (%)")
            _parts(right, _of(parts, model), plan)
            right.set_title(model_title(plan, model, ": where it comes from"))
            right.set_ylabel("Spread (% of the mean)")
        if shown:
            confidence = 100 * plan.study.design.confidence
            foot(
                figure,
                f"CoV over server launches with its {confidence:g} % interval (Vangel 1996)"
                + (
                    "; lines without a marker: A/A floor, the most that two arms with the same settings "
                    "may differ by."
                    if not floor.empty
                    else ". No arm repeats the baseline's settings: no noise floor."
                ),
                "Where it comes from: between launches (filled, thick line), and between slices of a "
                "window within one (hollow, thin line).",
                left_out,
            )
        watermark(figure, plan)
    return figure


def _rows(table: DataFrame, metric: str) -> DataFrame:
    return table[table["metric"] == metric] if not table.empty else table


def _of(table: DataFrame, model: str) -> DataFrame:
    return table[table["model"] == model] if not table.empty else table


def _cov(ax: Axes, rows: DataFrame, floor: DataFrame, plan: Plan) -> None:
    styles = arm_styles(plan)
    present = [arm for arm in styles if (rows["arm"] == arm).any()]
    step = apart(plan.levels, max(len(present), 1))
    top = 0.0
    for place, arm in enumerate(present):
        own = rows[rows["arm"] == arm].sort_values("concurrency")
        style = styles[arm]
        cov = own["cov_percent"].to_numpy(dtype=float)
        top = max(top, np.nanmax(cov, initial=0.0))
        x = dodge(own["concurrency"], place, len(present), step)
        marks: Any = {"color": style.color, "linestyle": style.line, "linewidth": 1.1}
        marks["label"] = f"{literal(style.label)}, {of_launches(own['n'])}"
        if len(own) > MOST_BARS:
            ax.plot(x, cov, **marks)
            ends = own[["cov_low_percent", "cov_high_percent"]].to_numpy(dtype=float).T
            ax.fill_between(x, *np.nan_to_num(ends, posinf=1e6), color=style.color, alpha=0.15)
        else:
            ends = errors(cov, own["cov_low_percent"], own["cov_high_percent"])
            ax.errorbar(x, cov, yerr=ends, marker=style.marker, markersize=5.5, capsize=3, **marks)
    reach = top
    for arm in [] if floor.empty else floor["arm"].unique():
        own = floor[floor["arm"] == arm].sort_values("concurrency")
        values = own["floor_percent"].to_numpy(dtype=float)
        reach = max(reach, np.nanmax(values[np.isfinite(values)], initial=0.0))
        ax.plot(
            own["concurrency"],
            values,
            color=INK,
            linestyle=(0, (5, 1, 1, 1)),
            linewidth=1.4,
            label=f"A/A floor ({literal(styles[arm].label)})",
        )
    level_axis(ax, plan.levels)
    # The interval of two or three launches reaches to many times the CoV: the CoVs must stay readable.
    height = max(min(ax.get_ylim()[1], 3.2 * max(top, 0.6 * reach)), 1e-3)
    ax.set_ylim(0, height * (1.25 + _legend_room(len(present) - 3)))
    ax.legend(loc="upper right", fontsize=8.5)


def _legend_room(more: int) -> float:
    """Share of the axis that so many more lines of a legend take."""
    return 0.1 * max(more, 0)


def _parts(ax: Axes, rows: DataFrame, plan: Plan) -> None:
    styles = arm_styles(plan)
    if rows.empty or not rows["between_percent"].notna().any():
        notice(ax, "too few launches or slices to split the spread")
        return
    present = [arm for arm in styles if (rows["arm"] == arm).any()]
    step = apart(plan.levels, len(present))
    for place, arm in enumerate(present):
        own = rows[rows["arm"] == arm].sort_values("concurrency")
        style = styles[arm]
        for column, word in (("between_percent", "between"), ("within_percent", "within")):
            filled = word == "between"
            ax.plot(
                dodge(own["concurrency"], place, len(present), step),
                own[column].to_numpy(dtype=float),
                color=style.color,
                marker=style.marker if len(own) <= MOST_BARS else None,
                markersize=5.5,
                markerfacecolor=style.color if filled else "white",
                linestyle=style.line,
                linewidth=1.1 if filled else 0.6,
                label=f"{literal(style.label)}, {word}",
            )
    level_axis(ax, plan.levels)
    ax.set_ylim(0, ax.get_ylim()[1] * (1.35 + _legend_room(len(present) - 3)))
    ax.legend(loc="upper right", fontsize=8, ncols=2)
