"""One run, request by request: when each was sent, got its first token, its tokens, and its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ablation.figures.layout import foot, model_title
from ablation.figures.style import (
    INK,
    MUTED,
    arm_styles,
    look,
    new_figure,
    notice,
    watermark,
)
from ablation.plan.plan import Plan
from ablation.run.gate import FAILED, in_state
from ablation.run.metrics import column, in_flight
from ablation.run.schema import read_run_metadata, read_run_parquet
from ablation.study.load import StudyError

# More lines than these are not told apart: every k-th request is drawn, and that is said.
MOST_REQUESTS = 300
MOST_VECTORS = 1_000
WAITING, ANSWERING, BAD = "#e69f00", "#0173b2", "#b00020"


def draw(plan: Plan, *, run: Sequence[Path]) -> Figure:
    """The run at the path; of several, the usable one whose throughput is their median.

    One line a request in the order of sending: scheduled to sent (grey), to the first token (broad, light),
    to its end (dark), tokens as dots; the window is shaded. Above it the number in flight. Raises StudyError
    for a run of another configuration, RunError for a file that cannot be read.
    """
    with look():
        if not run:
            figure = new_figure(7.8, 3.7)
            notice(figure.subplots(), "No run has been measured.")
            watermark(figure, plan)
            return figure
        path, metadata = choose(run)
        _check(plan, path, metadata)
        rows, _ = read_run_parquet(path)
        rows = rows.filter(pc.is_valid(rows["sent_s"])).sort_by("sent_s")
        figure = new_figure(9.4, 7.2)
        above, ax = figure.subplots(2, 1, sharex=True, height_ratios=[1, 4.2])
        if len(rows):
            _in_flight(above, rows, metadata)
            said = _requests(ax, rows)
            _window((above, ax), metadata["summary"])
        else:
            notice(ax, "Not one request of this run was sent.")
            said = ""
        label = arm_styles(plan)[metadata["arm"]].label
        where = f", {label}, block {metadata['block']}, concurrency {metadata['concurrency']}"
        above.set_title(model_title(plan, metadata["model"], where, 100))
        failed = [gate["gate"] for gate in in_state(metadata["gates"], FAILED)]
        foot(
            figure,
            f"n = {metadata['summary'].get('requests', 0):,} requests. {said}",
            f"Out of the comparison, gates failed: {', '.join(failed)}." if failed else "",
        )
        watermark(figure, plan)
    return figure


def choose(paths: Sequence[Path]) -> tuple[Path, dict[str, Any]]:
    """The run of median throughput among the usable ones (among all where none is), and its metadata."""
    read = [(path, read_run_metadata(path)) for path in paths]
    usable = [(path, metadata) for path, metadata in read if metadata["usable"]] or read
    order = sorted(
        usable,
        key=lambda one: (one[1]["summary"].get("output_throughput_tok_s") or 0.0, one[1]["block"]),
    )
    return order[(len(order) - 1) // 2]


def _check(plan: Plan, path: Path, metadata: Mapping[str, Any]) -> None:
    known = {level.run_hash for session in plan.sessions for level in session.levels}
    if metadata["run_hash"] not in known:
        raise StudyError(
            f"{path}: was measured under another configuration (run {metadata['run_hash']}); delete this file and "
            "type the same command again: it is derived anew, and measured where the store lacks it"
        )


def _in_flight(ax: Axes, rows: pa.Table, metadata: Mapping[str, Any]) -> None:
    flight = in_flight(column(rows, "sent_s"), column(rows, "ended_s"))
    level = metadata["concurrency"]
    ax.step(
        flight.at,
        flight.count,
        where="post",
        color=INK,
        linewidth=0.8,
        rasterized=len(flight.at) > 2 * MOST_VECTORS,
    )
    ax.axhline(level, color=BAD, linewidth=0.9, linestyle="--")
    ax.set_ylim(0, 1.25 * level)
    ax.set_ylabel("In flight")


def _requests(ax: Axes, rows: pa.Table) -> str:
    """Draw the requests; what is to be said of it."""
    step = -(-len(rows) // MOST_REQUESTS)
    place = np.arange(0, len(rows), step)
    some = rows.take(pa.array(place))
    sent, ended = column(some, "sent_s"), column(some, "ended_s")
    first = column(some, "first_token_s")
    answered = np.isfinite(first)
    until = np.where(answered, first, ended)
    width = float(np.clip(330 / len(place), 0.8, 7))
    marks: dict[str, Any] = {"rasterized": len(place) > MOST_VECTORS}
    ax.hlines(place, column(some, "scheduled_s"), sent, color=MUTED, linewidth=0.6 * width, **marks)
    ax.hlines(place, sent, until, color=WAITING, alpha=0.75, linewidth=width, **marks)
    ax.hlines(
        place[answered],
        first[answered],
        ended[answered],
        color=ANSWERING,
        linewidth=0.5 * width,
        **marks,
    )
    events = some["event_s"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    of = np.repeat(place, column(some, "events").astype(np.int64))
    ax.plot(
        events,
        of,
        linestyle="none",
        marker="|",
        markersize=min(width, 5),
        markeredgewidth=0.5,
        color="white" if width > 3 else INK,
        rasterized=len(events) > MOST_VECTORS,
        zorder=3,
    )
    failed = pc.is_valid(some["error_class"]).to_numpy(zero_copy_only=False)
    ax.plot(ended[failed], place[failed], linestyle="none", marker="x", color=BAD, zorder=4)
    ax.set_ylim(len(rows) - 0.5 + 0.01 * len(rows), -0.5 - 0.01 * len(rows))
    ax.set_ylabel("Request, in the order of sending")
    ax.set_xlabel("Time since the first send (s)")
    handles: list[Any] = [
        Line2D([], [], color=MUTED, linewidth=4, label="scheduled to sent"),
        Line2D([], [], color=WAITING, alpha=0.75, linewidth=5, label="sent to first token"),
        Line2D([], [], color=ANSWERING, linewidth=3, label="first token to end, ticks: arrivals"),
        Patch(facecolor="#dfe5ee", label="window"),
    ]
    if failed.any():
        handles.append(
            Line2D([], [], color=BAD, marker="x", linestyle="none", label=f"failed, {failed.sum()}")
        )
    ax.figure.legend(handles=handles, loc="outside upper right", ncols=len(handles), fontsize=8.5)
    return f"Every {step}th request is drawn ({len(place)})." if step > 1 else ""


def _window(axes: Sequence[Axes], summary: Mapping[str, Any]) -> None:
    if summary["window_s"] is None:
        axes[0].annotate(
            "never full: there is no window",
            (0.99, 0.9),
            xycoords="axes fraction",
            ha="right",
            va="top",
            fontsize=8.5,
            color=BAD,
        )
        return
    for ax in axes:
        ax.axvspan(
            summary["window_start_s"],
            summary["window_end_s"],
            color="#dfe5ee",
            zorder=0,
            linewidth=0,
        )
