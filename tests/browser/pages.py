"""Reports of studies that went well and of those that did not, as a browser gets them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pandas import DataFrame

from ablation.compare.content import build_context as build_comparison
from ablation.compare.contrast import absolute, contrast
from ablation.compare.finished import read_finished
from ablation.report import build_context, render_html
from ablation.statistics import compare, summarise
from ablation.statistics.variability import variability
from tests.finished_study import write_finished
from tests.synthetic import make_plan, make_runs, make_sessions, relaunch, restudy

ATTACK = "<script>document.title = 'owned'</script><img src=x onerror=alert(1)>"
SVG = (
    b'<svg xmlns="http://www.w3.org/2000/svg" width="700" height="300" viewBox="0 0 700 300">'
    b'<path d="M10 290L690 10" stroke="#000"/></svg>'
)


def _failed_gates() -> tuple[dict[str, Any], DataFrame, list[dict[str, Any]]]:
    """Failed gates with a hostile text, a launch whose treatment did not happen, a hostile log."""
    plan = make_plan()
    runs = make_runs(plan)
    for row in range(0, 40, 3):
        runs.loc[row, "usable"] = False
        runs.at[row, "gates_failed"] = ["achieved_concurrency", "client"]
        runs.at[row, "gate_texts"] = ["held 3.1 of 4 in flight", f"the log says {ATTACK}"]
    sessions = make_sessions(plan)
    for session in sessions[:5]:
        launch = session["launches"][0]
        launch["treatment"] |= {"passed": False, "text": ATTACK, "found": [ATTACK]}
        launch["warnings"] = [ATTACK, "WARNING " + "no-space-in-a-long-line/" * 30]
    return plan, runs, sessions


def _missing_block() -> tuple[dict[str, Any], DataFrame, list[dict[str, Any]]]:
    plan = make_plan()
    runs = make_runs(plan)
    sessions = [s for s in make_sessions(plan) if s["block"] != 4]
    return plan, runs[runs["block"] != 4].reset_index(drop=True), sessions


def _plain(**settings: Any) -> tuple[dict[str, Any], DataFrame, list[dict[str, Any]]]:
    plan = make_plan(**settings)
    return plan, make_runs(plan), make_sessions(plan)


CASES = {
    "failed-gates": _failed_gates,
    "missing-block": _missing_block,
    "impossible-arm": lambda: _plain(single_only=True),
    "one-block": lambda: _plain(blocks=1),
    "one-level": lambda: _plain(levels=(4,)),
    "200-levels": lambda: _plain(levels=tuple(range(1, 201)), blocks=3),
    "simulated": lambda: _plain(simulated=True),
}


def write_page(case: str, folder: Path) -> Path:
    """One case's report under `folder`."""
    plan, runs, sessions = CASES[case]()
    figures = {name: folder / f"{name}.svg" for name in ("difference", "throughput")}
    for path in figures.values():
        path.write_bytes(SVG)
    context = build_context(
        plan,
        sessions,
        runs,
        summarise(runs, plan),
        compare(runs, plan),
        figures,
        variability=variability(runs, plan),
    )
    page = folder / f"{case}.html"
    page.write_text(render_html(context), encoding="utf-8")
    return page


def write_comparison(folder: Path) -> Path:
    """The comparison of two studies under `folder`."""
    studies = []
    for seed, blocks in enumerate((6, 4)):
        plan = restudy(make_plan(blocks=blocks), server={"vllm": f"0.{seed}.0"})
        plan = relaunch(plan, lambda s: {"command": [*s.launch.command, *[ATTACK] * seed]})  # noqa: B023
        path = write_finished(folder / f"study-{seed}", plan, make_runs(plan, seed))
        studies.append(read_finished(path))
    context = build_comparison(*studies, contrast(*studies), absolute(*studies))
    page = folder / "comparison.html"
    page.write_text(render_html(context), encoding="utf-8")
    return page
