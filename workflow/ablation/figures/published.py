"""Our differences beside those of the published table that the study answers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pandas import DataFrame

from ablation.audit.judge import Group, Judged, audit
from ablation.audit.table import PublishedTable
from ablation.figures.layout import MOST_PANELS, errors, foot, keep, model_title
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
from ablation.statistics.metrics import PRIMARY

# More do not fit between two levels.
MOST_OF_OURS = 5


def draw(plan: Plan, *, published: PublishedTable | None, comparisons: DataFrame) -> Figure:
    """One panel a published model: differences in percent by level, theirs with what their n and CoV leave
    open, ours with its interval.

    ``published`` is the table (``audit.read_published``), None where the study names none. Ours are
    the comparisons of the model of that name, and of those that stand for it.
    """
    ours = comparisons[comparisons["metric"] == PRIMARY] if len(comparisons) else comparisons
    margin = plan.study.design.equivalence_margin_percent
    confidence = plan.study.design.confidence
    with look():
        if published is None:
            figure, axes = panels(1)
            notice(
                axes[0],
                "The study names no published table (field published):\nnothing to put beside it.",
            )
            watermark(figure, plan)
            return figure
        judged = audit(published, margin_percent=margin, confidence=confidence)
        # What has no level has no place on the axis.
        drawable = [g for g in judged.groups if any(_placed(row) for row in g.rows)]
        groups, left_out = keep(drawable, MOST_PANELS // 2, "tables")
        figure, axes = panels(max(len(groups), 1), abreast=1)
        if not groups:
            notice(
                axes[0],
                "The published table holds no difference at a known concurrency:\nnothing to draw.",
            )
        for ax, group in zip(axes, groups, strict=False):
            name = group.title or published.name
            own = [model for model in plan.models if _stands_for(plan, model, name)]
            mine = ours[ours["model"].isin(own)] if len(ours) else ours
            _panel(ax, group, mine, plan, margin)
            others = [model_title(plan, m, width=200) for m in own if m != name]
            others = [*others[:3], *([f"{len(others) - 3} more"] if len(others) > 3 else [])]
            ax.set_title(
                literal(name) + (f", and here {', '.join(others)}" if others else ""), fontsize=10.5
            )
        foot(
            figure,
            f"Ours: {100 * confidence:g} % paired t interval over n blocks. Published: half-width that its n and "
            "CoV imply (Welch), thick at the smallest, thin at the largest CoV stated; hollow: a level that its "
            f"requests could not reach. Hatched: equivalence, ±{margin:g} %.",
            left_out,
        )
        watermark(figure, plan)
    return figure


def _placed(row: Judged) -> bool:
    return row.row.level is not None and np.isfinite(row.difference_percent)


def _stands_for(plan: Plan, model: str, name: str) -> bool:
    entry = plan.models[model]
    words = (model, entry.title, entry.stands_for or "")
    return _plain(name) in {_plain(word) for word in words}


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _panel(ax: Axes, group: Group, ours: DataFrame, plan: Plan, margin: float) -> None:
    theirs = [row for row in group.rows if _placed(row)]
    groups = list(ours.groupby(["model", "arm"], sort=False)) if len(ours) else []
    groups, left_out = keep(groups, MOST_OF_OURS, "comparisons of ours")
    levels = sorted(
        {row.row.level or 0 for row in theirs} | {int(c) for c in ours.get("concurrency", [])}
    )
    place = {level: i for i, level in enumerate(levels)}
    low = 100 * (1 / (1 + margin / 100) - 1)
    ax.axhspan(
        low, margin, facecolor="#eceef2", edgecolor="#d3d7de", hatch="//", linewidth=0.0, zorder=0
    )
    ax.axhline(0, color=INK, linewidth=0.9)
    _theirs(ax, theirs, place)
    styles = arm_styles(plan)
    bound = 1.5 * margin
    for i, ((model, arm), rows) in enumerate(groups):
        rows = rows.sort_values("concurrency")
        style = styles[str(arm)]
        y = rows["difference_percent"].to_numpy(dtype=float)
        ax.errorbar(
            np.array([place[int(c)] for c in rows["concurrency"]]) + 0.14 * (i + 1),
            y,
            yerr=errors(y, rows["low_percent"], rows["high_percent"]),
            color=style.color,
            marker=style.marker,
            linestyle="none",
            markersize=6,
            capsize=3,
            label=f"ours: {literal(style.label)}"
            + (f", {literal(str(model))}" if len({m for (m, _), _ in groups}) > 1 else "")
            + f", n = {rows['n_pairs'].max()} blocks",
        )
        bound = max(bound, 2.5 * np.nanmax(np.abs(y), initial=0.0))
    if not groups or left_out:
        ax.annotate(
            left_out or "no model of this study is, or stands for, this one",
            (0.99, 0.04),
            xycoords="axes fraction",
            ha="right",
            color=MUTED,
            fontsize=9,
        )
    bound = max(bound, 1.35 * max(abs(row.difference_percent) for row in theirs))
    bottom, top = ax.get_ylim()
    ax.set_ylim(
        max(bottom, -bound), min(top, bound) + 0.25 * (min(top, bound) - max(bottom, -bound))
    )
    ticks = tick_levels(levels) if len(levels) > MOST_TICKS else levels
    ax.set_xticks([place[tick] for tick in ticks], [str(tick) for tick in ticks])
    ax.set_xlim(-0.5, len(levels) - 0.5)
    ax.grid(axis="x", visible=False)
    ax.set_xlabel("Concurrency (requests in flight)")
    ax.set_ylabel("Difference in output throughput (%)")
    ax.legend(loc="upper right", fontsize=8.5, ncols=2)


def _theirs(ax: Axes, rows: Sequence[Judged], place: Mapping[int, int]) -> None:
    x = np.array([place[row.row.level or 0] for row in rows]) - 0.14
    y = np.array([row.difference_percent for row in rows])
    for end, width in ((1, 1.0), (0, 3.2)):
        # NaN, so not drawn, where the table prints no spread.
        half = np.array([row.half_width_percent[end] for row in rows])
        ax.vlines(x, y - half, y + half, color=INK, linewidth=width, zorder=2)
    never = np.array([row.reached is False for row in rows])
    n = sorted({row.n for row in rows if row.n is not None})
    count = "not printed" if not n else f"= {n[0]}" if len(n) == 1 else f"= {n[0]} to {n[-1]}"
    for some, fill, word in ((~never, INK, ""), (never, "white", ", level never reached")):
        if some.any():
            ax.plot(
                x[some],
                y[some],
                linestyle="none",
                marker="D",
                markersize=6.5,
                color=INK,
                markerfacecolor=fill,
                zorder=3,
                label=f"published, n {count}{word}",
            )
