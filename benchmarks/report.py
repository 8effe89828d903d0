"""How long statistics and report take, and how much memory: studies of 7,000 and 20,000 runs.

    make bench-report

Writes ``benchmarks/results/report.json``: flat records, one a step, each in its own process so that the
peak of its memory is its own.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

from ablation.aggregate.aggregate import aggregate
from ablation.aggregate.distributions import Distributions
from ablation.figures.registry import FIGURES
from ablation.figures.style import save
from ablation.plan.plan import Plan
from ablation.report import build_context, render_html, render_markdown
from ablation.run.metrics import summarise as summarise_run
from ablation.run.schema import write_run_parquet
from ablation.statistics import compare, summarise
from ablation.statistics.variability import variability

RESULTS = Path(__file__).parent / "results"
STEPS = ("load", "aggregate", "statistics", "figures", "report")


def study(runs: int) -> tuple[Plan, Any, list[dict[str, Any]]]:
    """A study of 7 levels, 2 arms and 10 blocks, and as many models as make up the runs."""
    from tests.synthetic import make_plan, make_runs, make_sessions

    plan = make_plan(levels=(1, 5, 10, 50, 100, 200, 500), blocks=10)
    own = [s for s in plan.sessions if s.model == "gqa-small"]
    models = [f"model-{i}" for i in range(max(runs // (7 * 2 * 10), 1))]
    sessions = [
        replace(
            session,
            model=model,
            rank=rank,
            levels=[
                replace(level, run_hash=f"{rank:x}-{i}") for i, level in enumerate(session.levels)
            ],
        )
        for rank, (model, session) in enumerate(product(models, own), 1)
    ]
    entries = {model: replace(plan.models["gqa-small"], title=model) for model in models}
    plan = replace(plan, models=entries, sessions=sessions, excluded=[])
    return plan, make_runs(plan), make_sessions(plan)


def write_runs(frame: Any, folder: Path) -> list[Path]:
    """The runs' parquet files: rows of one run, metadata of each."""
    from tests.run_rows import closed_loop, run_json, table

    rows = table(closed_loop(4, 40))
    summary = summarise_run(rows, run_json(4))
    paths = []
    for row in frame.to_dict("records"):
        paths.append(folder / f"{row['run_hash']}.parquet")
        names = ("study", "model", "arm", "block", "concurrency", "run_hash", "launch_id", "usable")
        metadata = {name: row[name] for name in names}
        times = {name: row[name].isoformat() for name in ("started_at", "ended_at")}
        write_run_parquet(paths[-1], rows, metadata | times | {"summary": summary, "gates": []})
    return paths


def measure(runs: int, step: str, scratch: str) -> dict[str, Any]:
    """One step, in this process, its files in the folder ``scratch``."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from tests.figures import drawn

    plan, frame, sessions = study(runs)
    arms, comparisons = summarise(frame, plan), compare(frame, plan)
    spread = variability(frame, plan)
    folder = Path(scratch)
    figures = {name: folder / f"{name}.svg" for name in FIGURES}
    files = write_runs(frame, folder) if step == "aggregate" else []
    inputs: dict[str, Any] = {}
    if step in ("figures", "report"):
        inputs = drawn.inputs_of(plan, frame, folder)

    def gather() -> int:
        distributions = Distributions()
        aggregate(files, plan, distributions)
        return len(distributions.table())

    def statistics() -> int:
        summarise(frame, plan)
        variability(frame, plan)
        return len(compare(frame, plan))

    def draw() -> int:
        for name, path in figures.items():
            save(drawn.draw(name, plan, inputs), path)
        return sum(path.stat().st_size for path in figures.values())

    def report() -> int:
        context = build_context(
            plan, sessions, frame, arms, comparisons, figures, variability=spread
        )
        render_markdown(context)
        return len(render_html(context).encode())

    def load() -> int:
        return len(frame)

    if step == "report":
        draw()
    todo: dict[str, tuple[Callable[[], int], str]] = {
        "load": (load, "rows"),
        "aggregate": (gather, "distributions"),
        "statistics": (statistics, "comparisons"),
        "figures": (draw, "bytes"),
        "report": (report, "html_bytes"),
    }
    work, unit = todo[step]
    start, busy = time.perf_counter(), time.process_time()
    size = work()
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - busy
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "runs": len(frame),
        "step": step,
        "seconds": round(seconds, 3),
        "cpu_seconds": round(cpu_seconds, 3),
        "peak_mib": round(peak),
        "size": size,
        "size_unit": unit,
    }


def main() -> None:
    """Run each step in a process of its own and write the records."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, nargs="+", default=[7_000, 20_000])
    parser.add_argument("--step", choices=STEPS, help="only this one, as JSON, in this process")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    if options.step:
        with tempfile.TemporaryDirectory() as scratch:
            print(json.dumps(measure(options.runs[0], options.step, scratch)))
        return
    records = []
    for runs in options.runs:
        for step in STEPS:
            command = [sys.executable, __file__, "--runs", str(runs), "--step", step]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            records.append(json.loads(done.stdout))
            print(records[-1], flush=True)
    options.results.mkdir(parents=True, exist_ok=True)
    text = json.dumps(records, indent=1) + "\n"
    (options.results / "report.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
