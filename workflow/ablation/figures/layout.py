"""How panels are laid out: which are drawn and which left out, titles, the axis of levels, footnotes."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator
from pandas import DataFrame

from ablation.figures.style import MUTED, arm_styles, literal, tick_levels
from ablation.plan.plan import Plan

Item = TypeVar("Item")

# More panels are neither read nor printed; the tables have them all.
MOST_PANELS = 12
MOST_MODELS = 24
# Letters of a title that fit over a panel of half the width.
TITLE_WIDTH = 44
# Arms stand this far apart (as a factor of the level), so that they do not hide one another.
DODGE = 1.045


def keep(items: Sequence[Item], most: int, what: str) -> tuple[list[Item], str]:
    """The first ``most`` items, and a sentence on those that are left out (empty: none are)."""
    if len(items) <= most:
        return list(items), ""
    return list(items[:most]), f"Of {len(items):,} {what} the first {most} are drawn."


def models_of(plan: Plan, *tables: DataFrame) -> list[str]:
    """The plan's models that have a row in any of the tables, in the plan's order."""
    seen = {str(model) for table in tables if not table.empty for model in table["model"].unique()}
    return [model for model in plan.models if model in seen]


def model_title(plan: Plan, model: str, more: str = "", width: int = TITLE_WIDTH) -> str:
    """A model's name as a panel's title, with what else the panel is about."""
    name = plan.model_title(model)
    return literal(textwrap.fill(f"{name}{more}", width))


def dodge(levels: Any, place: int, count: int, step: float) -> Any:
    """The levels, moved a little for the arm at this place among ``count``."""
    return np.asarray(levels, dtype=float) * step ** (place - (count - 1) / 2)


def apart(levels: Sequence[int], count: int) -> float:
    """The step of ``dodge`` for ``count`` arms: ``DODGE``, or less where the next level or the panel's end is near."""
    ends = np.log10(sorted(levels))
    between = 0.8 * np.diff(ends).min(initial=np.inf) / count
    outside = np.log10(1.2) / max((count - 1) / 2, 0.5)
    return float(min(DODGE, 10 ** min(between, outside)))


def roomy(levels: Sequence[int], count: int) -> float:
    """The widest step of ``dodge`` that keeps ``count`` arms of neighbouring levels apart."""
    ends = np.log10(sorted(levels))
    free = 0.8 * np.diff(ends).min(initial=np.inf) / count
    return float(10 ** min(0.03 * (ends[-1] - ends[0] + 0.23), free))


def level_axis(ax: Axes, levels: Sequence[int], room: float = 1.3) -> None:
    """A logarithmic axis of concurrencies, with ticks at real levels only, and room at both ends."""
    ax.set_xscale("log")
    ticks = tick_levels(sorted(levels), log=True)
    ax.set_xticks(ticks, [str(tick) for tick in ticks])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlim(min(levels) / room, max(levels) * room)
    ax.set_xlabel("Concurrency (requests in flight)")


def log_numbers(axis: Axis) -> None:
    """Numbers as people write them on a logarithmic axis, enough of them in a narrow range."""
    low, high = axis.get_view_interval()
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low < 100 else (1,)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axis.set_minor_formatter(NullFormatter())


def errors(middle: Any, low: Any, high: Any) -> Any:
    """Lengths of error bars (2 x N); nothing where a limit is missing or infinite."""
    middle, low, high = (np.asarray(values, dtype=float) for values in (middle, low, high))
    lengths = np.array([middle - low, high - middle])
    return np.where(np.isfinite(lengths), np.abs(lengths), 0.0)


def of_launches(counts: Any) -> str:
    """``n = 6``, or ``n = 3 to 6``."""
    counts = np.asarray(counts, dtype=int)
    least, most = counts.min(), counts.max()
    return f"n = {least}" if least == most else f"n = {least} to {most}"


def foot(figure: Figure, *sentences: str) -> None:
    """What the marks mean, below the panels; empty sentences are left out."""
    width = int(14.5 * figure.get_figwidth())
    text = textwrap.fill(" ".join(sentence for sentence in sentences if sentence), width)
    figure.supxlabel(literal(text), fontsize=9, color=MUTED)


def key(figure: Figure, plan: Plan, rows: DataFrame) -> None:
    """One legend for all panels, above them: each arm in ``rows``, with its launches (column n)."""
    handles: list[Any] = []
    for arm, style in arm_styles(plan).items():
        own = rows[rows["arm"] == arm]
        if len(own):
            line: Any = {"color": style.color, "marker": style.marker, "linestyle": style.line}
            label = f"{literal(style.label)}, {of_launches(own['n'])} launches"
            handles.append(Line2D([], [], label=label, **line))
    # A letter of this size takes about 0.075 inches, a handle and its gaps six of them.
    widest = max((len(handle.get_label()) for handle in handles), default=0)
    abreast = int(figure.get_figwidth() / (0.075 * (widest + 6)))
    ncols = max(1, min(len(handles), 4, abreast))
    figure.legend(handles=handles, loc="outside upper left", ncols=ncols, fontsize=9)
