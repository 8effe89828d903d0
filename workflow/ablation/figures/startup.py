"""How long a server takes to start, stage by stage, launch by launch; launches that failed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pandas import DataFrame

from ablation.figures.layout import MOST_PANELS, foot, keep, key, log_numbers, model_title
from ablation.figures.style import arm_styles, look, new_figure, notice, watermark
from ablation.plan.plan import Plan

MOST_VECTORS = 1_000
BAD = "#b00020"
# From the launch on, in the order of their end; those that the log tells (session/evidence.py) and our own.
STAGES = {
    "weights_s": "weights read",
    "model_loading_s": "model loaded",
    "graph_capture_s": "graphs captured",
    "engine_init_s": "engine initialised",
    "ready_s": "ready (from launch)",
    "total_s": "whole launch, with load",
    "failed_s": "until it failed",
}


def draw(plan: Plan, *, sessions: Sequence[Mapping[str, Any]]) -> Figure:
    """A panel a model: a row a stage, a point a launch, arms beside one another; failures are crosses.

    ``sessions`` is the evidence of the sessions. Stages overlap (the engine's start contains the capture
    of graphs), so they are not stacked.
    """
    found: dict[str, list[tuple[str, str, float]]] = {}
    per_arm: dict[str, int] = {}
    failed = 0
    for session in sessions:
        for launch in session["launches"]:
            per_arm[session["arm"]] = per_arm.get(session["arm"], 0) + 1
            failed += "error" in launch
            found.setdefault(session["model"], []).extend(
                (session["arm"], stage, seconds) for stage, seconds in _times(launch)
            )
    with_times = [model for model in plan.models if found.get(model)]
    shown, left_out = keep(with_times, MOST_PANELS // 2, "models")
    with look():
        rows = [_stages(found[model]) for model in shown]
        height = sum(0.36 * len(stages) + 1.25 for stages in rows) if shown else 3.2
        figure = new_figure(8.4, height + 0.5)
        if not shown:
            notice(figure.subplots(), "No session has left its evidence.")
        else:
            ratios = [len(stages) + 2 for stages in rows]
            grid = figure.subplots(len(shown), 1, squeeze=False, height_ratios=ratios)
            for ax, model, stages in zip(grid[:, 0], shown, rows, strict=True):
                _panel(
                    ax,
                    found[model],
                    stages,
                    plan,
                    dense=sum(per_arm.values()) > MOST_VECTORS // len(STAGES),
                )
                ax.set_title(model_title(plan, model, width=80))
            grid[-1, 0].set_xlabel("Seconds (logarithmic)")
            key(figure, plan, DataFrame({"arm": list(per_arm), "n": list(per_arm.values())}))
            foot(
                figure,
                "A point is a server launch; vertical strokes: medians. Stages overlap. "
                + (f"Crosses: {failed:,} launches that failed." if failed else "No launch failed."),
                left_out,
            )
        watermark(figure, plan)
    return figure


def _times(launch: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """The stages of a launch that are seconds."""
    told = dict(launch.get("stages") or {}) | {
        name: launch.get(name) for name in ("ready_s", "total_s")
    }
    for stage in STAGES:
        seconds = told.get(stage)
        # A stage of 0 s (a log rounds) has no place on a logarithmic axis: shown at its resolution.
        if isinstance(seconds, int | float):
            yield stage, max(float(seconds), 0.01)
    if "error" in launch and launch.get("ended_at") and launch.get("started_at"):
        start, end = (datetime.fromisoformat(launch[name]) for name in ("started_at", "ended_at"))
        yield "failed_s", max((end - start).total_seconds(), 0.01)


def _stages(found: Sequence[tuple[str, str, float]]) -> list[str]:
    seen = {stage for _, stage, _ in found}
    return [stage for stage in STAGES if stage in seen]


def _panel(
    ax: Axes,
    found: Sequence[tuple[str, str, float]],
    stages: Sequence[str],
    plan: Plan,
    *,
    dense: bool,
) -> None:
    styles = arm_styles(plan)
    present = [arm for arm in styles if any(one[0] == arm for one in found)]
    for place, arm in enumerate(present):
        style = styles[arm]
        for row, stage in enumerate(stages):
            seconds = np.array([s for a, of, s in found if a == arm and of == stage])
            if not len(seconds):
                continue
            y = row + 0.62 * ((place + 0.5) / len(present) - 0.5)
            # Launches of equal duration beside one another, in the order of the launches.
            rise = 0.16 / len(present) * np.sin(np.arange(len(seconds)) * 2.4)
            bad = stage == "failed_s"
            ax.plot(
                seconds,
                y + rise,
                linestyle="none",
                marker="x" if bad else style.marker,
                markersize=7 if bad else 4.2,
                markeredgewidth=1.6 if bad else 0.8,
                color=BAD if bad else style.color,
                markerfacecolor="white",
                rasterized=dense,
                zorder=3,
            )
            half = 0.26 / len(present)
            if not bad:
                ax.vlines(np.median(seconds), y - half, y + half, color=style.color, linewidth=2.2)
    ax.set_yticks(range(len(stages)), [STAGES[stage] for stage in stages])
    ax.set_ylim(len(stages) - 0.5, -0.5)
    ax.set_xscale("log")
    low, high = ax.get_xlim()
    ax.set_xlim(low / 1.3, high * 1.3)
    log_numbers(ax.xaxis)
    ax.grid(axis="y", visible=False)
