"""Are the statistics right? Simulated studies with known truth, judged by the code that judges real ones.

    make calibration

Writes ``benchmarks/results/calibration.json`` (flat records), ``calibration.md`` (the tables) and
``calibration.svg`` (the figure). The same seed gives the same files.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from math import sqrt
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from seaborn import color_palette

from ablation.figures.style import LINES, MARKERS, MUTED, look, new_figure, save
from ablation.statistics.simulate import (
    CURVE_PERCENT,
    EFFECT_PERCENT,
    LEVELS,
    MOST_BLOCKS,
    POWER,
    run,
    tasks,
)

BLOCKS = (3, 5, 6, 8, 10, 12)
CURVES = (3, 5, 6, 10)
FAMILY = "family_false_positive_rate"
SAME = "family_false_equivalent_rate"
RESULTS = Path(__file__).parent / "results"
# Cells whose order or whose gates are at fault: what they are made to show stands in a panel of its own.
AT_FAULT = ("one arm first", "baseline first", "counted")

Records = Sequence[dict[str, Any]]


def percent(value: float | None) -> str:
    """A share in percent; nothing where there is none."""
    return "" if value is None else f"{100 * value:.1f} %"


def table(rows: Records) -> str:
    """The records as Markdown, in percent."""
    studies = min(row["studies"] for row in rows if "n_blocks" in row)
    error = 100 * sqrt(0.05 * 0.95 / studies)
    columns = {
        "coverage": "coverage",
        "false_positive_rate": "false positive",
        FAMILY: "any in family",
        f"{FAMILY}_holm": "(Holm)",
        SAME: 'any false "equivalent"',
        f"{SAME}_holm": "(Holm)",
        "power": f"power at {EFFECT_PERCENT:g} %",
        "power_holm": "(Holm)",
        "withheld": "withheld",
        "launches_saved": "launches saved",
        "launches_saved_holm": "(Holm)",
    }
    lines = [
        f"{studies:,} simulated studies a row at least, {LEVELS} levels each; a share of 5 % has a standard error of "
        f"{error:.2f} points. Adjusted over the levels by step-down max-t; beside it the same studies with Holm's "
        "p-values. Launches saved: by stopping early.",
        "",
        f"| simulated launches | blocks | {' | '.join(columns.values())} |",
        f"| --- | ---: |{' ---: |' * len(columns)}",
    ]
    for row in (row for row in rows if "n_blocks" in row):
        cells = [percent(row.get(key)) for key in columns]
        lines.append(f"| {row['cell']} | {row['n_blocks']} | {' | '.join(cells)} |")
    lines += [
        "",
        f"Blocks for a power of {100 * POWER:g} % at {EFFECT_PERCENT:g} %, on a tenth of the studies:",
        "",
        "| simulated launches | step-down max-t | Holm | launches saved |",
        "| --- | ---: | ---: | ---: |",
    ]
    for row in (row for row in rows if "blocks_needed" in row):
        found = [
            row[key] or f"over {MOST_BLOCKS}" for key in ("blocks_needed", "blocks_needed_holm")
        ]
        lines.append(
            f"| {row['cell']} | {found[0]} | {found[1]} | {percent(row['launches_saved'])} |"
        )
    return "\n".join(lines) + "\n"


def draw(rows: Records) -> Figure:
    """Coverage, false verdicts, what order and gates do, power by true effect, and blocks that a power takes."""
    fixed = [row for row in rows if row.get("sequential") is False]
    cells = list(dict.fromkeys(row["cell"] for row in fixed))
    fair = [cell for cell in cells if not cell.endswith(AT_FAULT)]
    at_fault = [
        cell for cell in cells if "drift" in cell or "first launch" in cell or "excluded" in cell
    ]
    colors = color_palette("husl", len(cells)).as_hex()
    with look():
        figure = new_figure(12, 14.5)
        (one, two), (three, four), (five, six) = figure.subplots(3, 2)
        panels: tuple[tuple[Axes, str, str, list[str], float, tuple[float, float]], ...] = (
            (one, "coverage", "Coverage of the 95 % interval", fair, 0.95, (0.9, 1.0)),
            (two, FAMILY, "Any false difference in a family", fair, 0.05, (0.0, 0.1)),
            (three, SAME, 'Any false "equivalent" in a family', fair, 0.05, (0.0, 0.1)),
            (four, FAMILY, "Any false difference: order and gates", at_fault, 0.05, (0.0, 1.0)),
        )
        for ax, key, title, shown, target, limits in panels:
            for cell in shown:
                own = [row for row in fixed if row["cell"] == cell]
                i = cells.index(cell)
                _line(ax, [r["n_blocks"] for r in own], [r[key] for r in own], i, colors[i], cell)
            ax.axhline(target, color=MUTED, linewidth=1)
            ax.set_title(title)
            ax.set_xticks(BLOCKS)
            ax.set_xlabel("Blocks")
            ax.set_ylim(*limits)
            ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        _power(five, [row for row in fixed if row["cell"] == cells[0]])
        _needed(six, [row for row in rows if "blocks_needed" in row])
        handles: dict[str, Any] = {}
        for ax in (one, four):
            handles |= dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
        figure.legend(
            handles.values(), handles.keys(), loc="outside lower center", ncols=3, fontsize=8.5
        )
        figure.suptitle(
            f"{fixed[0]['studies']:,} simulated studies a point, {LEVELS} levels each, adjusted over the levels by "
            "step-down max-t",
            fontsize=10,
            color=MUTED,
        )
    return figure


def _power(ax: Axes, rows: Records) -> None:
    """Power by true effect, one line a number of blocks; dotted: Holm."""
    colors = color_palette("colorblind", len(CURVES)).as_hex()
    effects = sorted([*CURVE_PERCENT, EFFECT_PERCENT])
    for i, n in enumerate(CURVES):
        row = next(r for r in rows if r["n_blocks"] == n)
        for suffix in ("", "_holm"):
            power = [
                row.get(f"power_at_{effect:g}_percent{suffix}", row[f"power{suffix}"])
                for effect in effects
            ]
            if suffix:
                ax.plot(effects, power, color=colors[i], linestyle=":", linewidth=1.2)
            else:
                _line(ax, effects, power, i, colors[i], f"{n} blocks")
    ax.plot([], [], color=MUTED, linestyle=":", label="Holm")
    ax.set_title(f"Power, {rows[0]['cell']}")
    ax.set_xlabel("True effect (%)")
    ax.set_ylim(0, 1.02)
    ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.legend(loc="lower right", fontsize=8.5)


def _needed(ax: Axes, rows: Records) -> None:
    """Blocks for the power, by cell: a line from Holm to max-t; at the edge where they would not be enough."""
    shown = [row for row in rows if not row["cell"].endswith(AT_FAULT)]
    for y, row in enumerate(reversed(shown)):
        ours, holm = (
            row[key] or MOST_BLOCKS + 1 for key in ("blocks_needed", "blocks_needed_holm")
        )
        ax.plot([ours, holm], [y, y], color=MUTED, linewidth=1.2, zorder=1)
        ax.plot(holm, y, marker="o", markerfacecolor="white", color=MUTED, linestyle="none")
        ax.plot(ours, y, marker="D", color="#0173b2", linestyle="none")
    ax.plot([], [], marker="D", color="#0173b2", linestyle="none", label="step-down max-t")
    ax.plot(
        [], [], marker="o", markerfacecolor="white", color=MUTED, linestyle="none", label="Holm"
    )
    ax.set_yticks(np.arange(len(shown)), [row["cell"] for row in reversed(shown)], fontsize=8)
    ax.set_xticks([3, 6, 9, 12, 15, 18, 21, 24, 25], [*map(str, range(3, 25, 3)), ""])
    ax.set_xlabel(f"Blocks (right edge: over {MOST_BLOCKS})")
    ax.set_title(f"Blocks for a power of {100 * POWER:g} % at {EFFECT_PERCENT:g} %")
    ax.legend(loc="lower right", fontsize=8.5)


def _line(ax: Axes, x: Sequence[float], y: Sequence[float], i: int, color: str, label: str) -> None:
    style = LINES[(i + i // len(MARKERS)) % len(LINES)]
    marker = MARKERS[i % len(MARKERS)]
    ax.plot(x, y, color=color, marker=marker, linestyle=style, linewidth=1.4, label=label)


def main() -> None:
    """Run the calibration and write its files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=40_000, help="simulated studies a cell")
    parser.add_argument("--seed", type=int, default=20260311)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    todo = tasks(BLOCKS, options.studies, options.seed)
    if options.jobs > 1:
        # One thread for each process: the matrices are too small to gain from more.
        os.environ["OMP_NUM_THREADS"] = "1"
        with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
            rows = list(pool.map(run, todo))
    else:
        rows = [run(task) for task in todo]
    options.results.mkdir(parents=True, exist_ok=True)
    text = json.dumps(rows, indent=1) + "\n"
    (options.results / "calibration.json").write_text(text, encoding="utf-8")
    (options.results / "calibration.md").write_text(table(rows), encoding="utf-8")
    save(draw(rows), options.results / "calibration.svg")
    print(table(rows))


if __name__ == "__main__":
    main()
