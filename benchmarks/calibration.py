"""Are the statistics right? Simulated studies with known truth, judged by the code that judges real ones.

    make calibration

Writes ``benchmarks/results/calibration.json`` (flat records), ``calibration.md`` (the table) and
``calibration.svg`` (the figure). The same seed gives the same files.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from seaborn import color_palette

from ablation.figures.style import LINES, MARKERS, MUTED, look, new_figure, save
from ablation.statistics.simulate import EFFECT_PERCENT, LEVELS, records

BLOCKS = (3, 5, 6, 10)
EFFECTS = (1, 2, 3, 4, 6, 10)
FAMILY = "family_false_positive_rate"
RESULTS = Path(__file__).parent / "results"

Records = Sequence[dict[str, Any]]


def table(rows: Records) -> str:
    """The records as Markdown, in percent."""
    columns = {
        "coverage": "coverage",
        "false_positive_rate": "false positive",
        "family_false_positive_rate": "any in family",
        "false_equivalent_rate": 'false "equivalent"',
        "power": f"power at {EFFECT_PERCENT:g} %",
        "launches_saved": "launches saved",
    }
    lines = [
        f"| simulated launches | blocks | {' | '.join(columns.values())} |",
        f"| --- | ---: |{' ---: |' * len(columns)}",
    ]
    for row in rows:
        cells = ["" if row[key] is None else f"{100 * row[key]:.1f} %" for key in columns]
        lines.append(f"| {row['cell']} | {row['n_blocks']} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def draw(rows: Records) -> Figure:
    """Coverage and false verdicts by blocks, order under drift, and power by true effect."""
    fixed = [row for row in rows if not row["sequential"]]
    cells = list(dict.fromkeys(row["cell"] for row in fixed))
    drift = [cell for cell in cells if "drift" in cell]
    ordered = [cell for cell in cells if "one arm first" not in cell]
    colors = color_palette("colorblind", len(cells)).as_hex()
    with look():
        figure = new_figure(11, 8.6)
        (first, second), (third, last) = figure.subplots(2, 2)
        panels: tuple[tuple[Axes, str, str, list[str], float, tuple[float, float]], ...] = (
            (first, "coverage", "Coverage of the 95 % interval", ordered, 0.95, (0.9, 1.0)),
            (second, FAMILY, "Any false verdict in a family", ordered, 0.05, (0.0, 0.1)),
            (third, FAMILY, "The same under drift: order decides", drift, 0.05, (0.0, 1.0)),
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
        third.legend(loc="center right", fontsize=8.5)
        for i, n in enumerate(BLOCKS):
            row = next(r for r in fixed if r["n_blocks"] == n)
            power = [row.get(f"power_at_{effect}_percent", row["power"]) for effect in EFFECTS]
            _line(last, EFFECTS, power, i, colors[i], f"{n} blocks")
        last.set_title(f"Power, {cells[0]}")
        last.set_xlabel("True effect (%)")
        last.set_ylim(0, 1.02)
        last.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        last.legend(loc="lower right", fontsize=8.5)
        handles, labels = first.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=8.5)
        figure.suptitle(
            f"{fixed[0]['studies']:,} simulated studies a point, {LEVELS} levels each, Holm over "
            "the levels",
            fontsize=10,
            color=MUTED,
        )
    return figure


def _line(ax: Axes, x: Sequence[float], y: Sequence[float], i: int, color: str, label: str) -> None:
    style = LINES[i % len(LINES)]
    marker = MARKERS[i % len(MARKERS)]
    ax.plot(x, y, color=color, marker=marker, linestyle=style, linewidth=1.4, label=label)


def main() -> None:
    """Run the calibration and write its files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=40_000, help="simulated studies a cell")
    parser.add_argument("--seed", type=int, default=20260311)
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    # Replaying the looks study by study is slower: a quarter of them.
    few = max(options.studies // 4, 1)
    rows = records(BLOCKS, options.studies, options.seed, few)
    options.results.mkdir(parents=True, exist_ok=True)
    text = json.dumps(rows, indent=1) + "\n"
    (options.results / "calibration.json").write_text(text, encoding="utf-8")
    (options.results / "calibration.md").write_text(table(rows), encoding="utf-8")
    save(draw(rows), options.results / "calibration.svg")
    print(table(rows))


if __name__ == "__main__":
    main()
