"""How TTFT, ITL and E2E latency are distributed, by arm and level."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pandas import DataFrame

from ablation.figures.layout import (
    dodge,
    foot,
    keep,
    key,
    level_axis,
    log_numbers,
    model_title,
    models_of,
    roomy,
)
from ablation.figures.style import (
    INK,
    MOST_TICKS,
    ArmStyle,
    arm_styles,
    look,
    new_figure,
    notice,
    watermark,
)
from ablation.plan.plan import Plan
from ablation.statistics.metrics import observations_needed

METRICS = {"ttft_s": "TTFT", "itl_s": "ITL", "e2e_s": "E2E latency"}
MOST_MODELS = 4
# The axis ends at the smallest median divided by this.
DEEP = 8.0
# Width of each range of quantiles in points, widest range first; drawn only where the observations
# can bound its ends.
# Of three arms; of more they are narrower.
RANGES = ((0.01, 0.99, 0.8), (0.10, 0.90, 2.6), (0.25, 0.75, 5.5))
BARS = (
    "Usable launches pooled. Marker: median. Thick, middle and thin bar: 25-75 %, 10-90 % and 1-99 % of the "
    "observations, each only where they are enough to tell its ends. Short strokes: medians of single launches."
)
BANDS = (
    "Usable launches pooled. Line: median. Bands: 25-75 % and 10-90 % of the observations, each only where they "
    "are enough to tell its ends."
)


def draw(plan: Plan, *, distributions: DataFrame) -> Figure:
    """A row a model, a panel a metric: at each level and arm the median and ranges of quantiles.

    ``distributions`` is aggregate/distributions.parquet (ablation.distributions/1). Short strokes are
    the medians of single launches. A range is drawn where there are enough observations for its ends
    (Wilks 1941: p90 takes 29, p99 299). From 13 levels on, ranges are lines and bands.
    """
    shown, left_out = keep(models_of(plan, distributions), MOST_MODELS, "models")
    with look():
        figure = new_figure(11.4 if shown else 7.8, 3.5 * max(len(shown), 1) + 0.5)
        if not shown:
            notice(
                figure.subplots(),
                "No usable run has a latency to show:\nthe gates' texts say why (aggregate/runs.parquet).",
            )
        grid: Any = figure.subplots(len(shown), len(METRICS), squeeze=False) if shown else []
        for model, row in zip(shown, grid, strict=True):
            own = distributions[distributions["model"] == model]
            for ax, (metric, name) in zip(row, METRICS.items(), strict=True):
                _panel(ax, own[own["metric"] == metric], plan)
                ax.set_title(model_title(plan, model, f": {name}", 30))
                ax.set_ylabel(f"{name} (ms)")
        if shown:
            key(figure, plan, distributions[distributions["model"].isin(shown)])
            foot(
                figure,
                BARS if len(plan.levels) <= MOST_TICKS else BANDS,
                "What leaves the panel goes on (tokens of one read are 0 apart).",
                left_out,
            )
        watermark(figure, plan)
    return figure


def _panel(ax: Axes, rows: DataFrame, plan: Plan) -> None:
    styles = arm_styles(plan)
    present = [arm for arm in styles if (rows["arm"] == arm).any()]
    if not present:
        notice(ax, "nothing measured")
        return
    bars = len(plan.levels) <= MOST_TICKS
    step = roomy(plan.levels, len(present))
    narrow = min(1.0, 3 / len(present))
    for place, arm in enumerate(present):
        own = rows[rows["arm"] == arm].sort_values("concurrency")
        x = dodge(own["concurrency"], place, len(present), step)
        _ranges(ax, x, own, styles[arm], narrow, bars=bars)
        for at, medians in zip(x, own["launch_medians_s"] if bars else [], strict=False):
            ax.plot(
                np.full(len(medians), at),
                1e3 * np.asarray(medians, dtype=float),
                linestyle="none",
                marker="_",
                markersize=6.5 * narrow,
                markeredgewidth=0.6,
                color=INK,
                zorder=2.5,
            )
    ax.set_yscale("log")
    low, high = ax.get_ylim()
    # Events of one read are 0 apart: what lies far below every median leaves the panel.
    ax.set_ylim(max(low, 1e3 * float(rows["launch_medians_s"].map(np.min).min()) / DEEP), high)
    log_numbers(ax.yaxis)
    level_axis(ax, plan.levels, 1.15 * step ** (len(present) / 2))


def _ranges(
    ax: Axes, x: Any, rows: DataFrame, style: ArmStyle, narrow: float, *, bars: bool
) -> None:
    orders = np.asarray(rows["orders"].iloc[0], dtype=float)
    values = 1e3 * np.stack([np.asarray(q, dtype=float) for q in rows["quantiles_s"]])
    seen = rows["observations"].to_numpy(dtype=float)
    for low, high, width in RANGES:
        ok = seen >= observations_needed(high)
        ends = [values[:, int(np.abs(orders - order).argmin())] for order in (low, high)]
        if bars:
            ax.vlines(
                x[ok],
                ends[0][ok],
                ends[1][ok],
                color=style.color,
                linewidth=width * narrow,
                zorder=2,
            )
        elif low > 0.01:
            bottom, top = np.where(ok, ends, np.nan)
            ax.fill_between(x, bottom, top, color=style.color, alpha=0.16, linewidth=0.5, zorder=1)
    middle = values[:, int(np.abs(orders - 0.5).argmin())]
    ax.plot(
        x,
        middle,
        color=style.color,
        linestyle=style.line,
        linewidth=0.9,
        marker=style.marker if bars else None,
        markersize=5.5 * narrow**0.5,
        markerfacecolor="white",
        zorder=3,
    )
