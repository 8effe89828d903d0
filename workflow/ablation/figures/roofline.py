"""Achieved output throughput under its two bounds, one panel a model; or why there is no bound."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pandas import DataFrame

from ablation.figures.energy import PLAIN, marks, missing
from ablation.figures.layout import MOST_PANELS, foot, keep, level_axis, model_title, models_of
from ablation.figures.style import (
    INK,
    MOST_TICKS,
    arm_styles,
    literal,
    look,
    notice,
    panels,
    watermark,
)
from ablation.plan.plan import Plan
from ablation.statistics.metrics import PRIMARY

MEMORY = "roofline_memory_tok_s"
COMPUTE = "roofline_compute_tok_s"
# Arms whose bounds differ by less (achieved concurrency is never quite the same) share one line.
SAME = 1.02
# Under a point, one line an arm: more are in the tables.
MOST_SHARES = 4


def draw(plan: Plan, *, runs: DataFrame) -> Figure:
    """Means over usable launches, with the share of the memory bound at each point where there are few."""
    told = runs[runs["usable"].astype(bool)] if len(runs) else runs
    told = told[told[MEMORY].notna()] if MEMORY in told else told.iloc[:0]
    models, left_out = keep(models_of(plan, told), MOST_PANELS, "models")
    with look():
        figure, axes = panels(max(len(models), 1))
        if not models:
            notice(axes[0], missing("Bounds of throughput", runs, "roofline_text"))
        for ax, model in zip(axes, models, strict=False):
            _panel(ax, plan, model, told[told["model"] == model])
        if models:
            texts = (str(text).split(" (")[0] for text in told["roofline_text"])
            foot(
                figure,
                f"{'; '.join(dict.fromkeys(texts))}.",
                "Memory: active weights and KV cache read once a decode step at the peak bandwidth.",
                "Arithmetic: 2 operations a parameter and token, prompts included, at the dense peak.",
                "Percentages: of the memory bound, in the legend's order.",
                left_out,
            )
        watermark(figure, plan)
    return figure


def _panel(ax: Axes, plan: Plan, model: str, runs: DataFrame) -> None:
    ax.set_title(model_title(plan, model))
    ax.set_ylabel("Output throughput (tok/s)")
    means = runs.groupby(["arm", "concurrency"])[[PRIMARY, MEMORY, COMPUTE]].mean()
    _bounds(ax, means, plan)
    shares: dict[float, list[str]] = {}
    for arm, style in arm_styles(plan).items():
        if arm not in means.index.get_level_values("arm"):
            continue
        own = means.loc[arm].sort_index()
        ax.plot(own.index, own[PRIMARY], label=literal(style.label), **marks(style))
        for level, share in (100 * own[PRIMARY] / own[MEMORY]).items():
            shares.setdefault(float(str(level)), []).append(f"{share:.0f} %")
    if len(plan.levels) <= MOST_TICKS:
        lowest = means[PRIMARY].groupby("concurrency").min()
        for level, words in shares.items():
            ax.annotate(
                "\n".join(words[:MOST_SHARES]),
                (level, lowest[level]),
                xytext=(0, -7),
                textcoords="offset points",
                ha="center",
                va="top",
                fontsize=8,
            )
    level_axis(ax, plan.levels)
    ax.set_yscale("log")
    ax.set_ylim(bottom=float(means[PRIMARY].min()) / 3)
    ax.yaxis.set_major_formatter(PLAIN)
    ax.legend(loc="lower right", fontsize=8.5)


def _bounds(ax: Axes, means: DataFrame, plan: Plan) -> None:
    """Both bounds: one line each where the arms share them, else one an arm."""
    for column, words, line in (
        (MEMORY, "bound by memory bandwidth", "-"),
        (COMPUTE, "bound by arithmetic", ":"),
    ):
        levels = means[column].groupby("concurrency")
        if bool((levels.max() <= SAME * levels.min()).all()):
            shared = levels.mean().sort_index()
            ax.plot(shared.index, shared, color=INK, linestyle=line, linewidth=2, label=words)
            continue
        styles = arm_styles(plan)
        for arm in dict.fromkeys(means.index.get_level_values("arm")):
            own = means.loc[arm][column].sort_index()
            label = f"{words}, {literal(styles[arm].label)}"
            ax.plot(
                own.index, own, color=styles[arm].color, linestyle=line, linewidth=2, label=label
            )
