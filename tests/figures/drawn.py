"""What stands on a figure, and the synthetic tables that every figure is drawn from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from pandas import DataFrame

from ablation.audit.read import read_published
from ablation.figures.registry import FIGURES, drawing
from ablation.plan.plan import Plan
from ablation.run.gate import usable
from ablation.run.gates import judge
from ablation.run.metrics import mark_window
from ablation.run.metrics import summarise as summarise_run
from ablation.run.schema import write_run_parquet
from ablation.statistics import compare, summarise
from ablation.statistics.variability import variability
from tests.run_rows import closed_loop, run_json, table, unsent
from tests.synthetic import make_distributions, make_sessions

PUBLISHED = Path(__file__).parents[2] / "config" / "published" / "aiter-ablation.csv"


def texts(figure: Figure) -> str:
    """All words on a figure, one text a line."""
    found = [text.get_text() for text in figure.texts]
    if figure._supxlabel is not None:
        found.append(figure._supxlabel.get_text())
    for ax in figure.axes:
        found += [text.get_text() for text in ax.texts]
        found += [ax.get_title(loc="left"), ax.get_ylabel(), ax.get_xlabel()]
        found += [label.get_text() for label in [*ax.get_xticklabels(), *ax.get_yticklabels()]]
    for legend in [*figure.legends, *(ax.get_legend() for ax in figure.axes)]:
        if legend is not None:
            found += [text.get_text() for text in legend.get_texts()]
    return "\n".join(found)


def words(figure: Figure) -> str:
    """The same as one line."""
    return " ".join(texts(figure).split())


def write_run(folder: Path, plan: Plan, requests: list[dict[str, Any]], **more: Any) -> Path:
    """A run's parquet of these requests, at the first level of the plan's first session."""
    session = plan.sessions[0]
    level = session.levels[0]
    concurrency = more.pop("concurrency", level.concurrency)
    rows = table(requests)
    told = run_json(concurrency)
    summary = summarise_run(rows, told)
    gates = judge(summary, rows, told)
    metadata = {
        "study": plan.name,
        "model": session.model,
        "arm": session.arm,
        "block": session.block,
        "concurrency": concurrency,
        "run_hash": level.run_hash,
        "launch_id": "launch-1",
        "started_at": "2026-01-01T00:00:00+00:00",
        "ended_at": "2026-01-01T00:01:00+00:00",
        "summary": summary,
        "gates": gates,
        "usable": usable(gates),
        "provenance": {},
    }
    path = folder / f"{more.get('run_hash', level.run_hash)}-{more.get('block', 1)}.parquet"
    write_run_parquet(path, mark_window(rows, summary), metadata | more)
    return path


def inputs_of(plan: Plan, runs: DataFrame, folder: Path) -> dict[str, Any]:
    """Every input that a figure may name."""
    return {
        "arms": summarise(runs, plan),
        "comparisons": compare(runs, plan),
        "variability": variability(runs, plan),
        "distributions": make_distributions(runs),
        "runs": runs,
        "sessions": make_sessions(plan),
        "published": read_published(PUBLISHED),
        "run": [write_run(folder, plan, [*closed_loop(4, 40), unsent()], concurrency=4)],
    }


def draw(name: str, plan: Plan, inputs: dict[str, Any]) -> Figure:
    """A figure from those of the inputs that it names."""
    function: Callable[..., Figure] = drawing(name)
    return function(plan, **{key: inputs[key] for key in FIGURES[name].inputs})
