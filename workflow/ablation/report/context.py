"""The report's content, once: HTML and Markdown only render it."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pandas import DataFrame

from ablation.accuracy.verdicts import carry
from ablation.audit.judge import Audit
from ablation.evidence.difference import unchanged
from ablation.evidence.settled import unproved
from ablation.figures.registry import FIGURES
from ablation.plan.plan import Plan
from ablation.report import accuracy as answers
from ablation.report import doubt, energy, failures, launch, provenance, results, spread
from ablation.report.audit import published
from ablation.report.content import Figure, Section
from ablation.report.limit import limit, limit_figures
from ablation.report.treatment import treatment
from ablation.statistics.metrics import PRIMARY
from ablation.statistics.sequential import planned_blocks

# Levels that a figure's alternative text reads out; the tables have all.
MOST_POINTS = 40
MIME = {".svg": "image/svg+xml", ".png": "image/png"}


def build_context(
    plan: Plan,
    sessions: Sequence[Mapping[str, Any]],
    runs: DataFrame,
    arms: DataFrame,
    comparisons: DataFrame,
    figures: Mapping[str, Path],
    *,
    variability: DataFrame | None = None,
    position: DataFrame | None = None,
    decisions: DataFrame | None = None,
    accuracy: DataFrame | None = None,
    audit: Audit | None = None,
    audit_source: str = "",
    probes: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """All that the report says. ``figures``: name (as in its file's name) to an SVG or PNG file.

    ``runs`` is the aggregate, ``arms`` and ``comparisons`` the statistics' tables (empty ones are
    fine). ``variability`` (with ``position``), ``decisions`` (of a study that may stop early),
    ``accuracy`` and ``audit`` (of a published table, read from ``audit_source``) have sections where they
    are given. ``probes`` are quoted with the constraints.
    Verdict first, then the table by level, then everything needed to doubt it.
    """
    plan = planned_blocks(runs, plan)
    comparisons = carry(comparisons, accuracy)
    optional: list[Section | None] = [
        failures.failures(plan, sessions),
        spread.variability(plan, comparisons, variability, position)
        if variability is not None
        else None,
        spread.early(plan, decisions),
        answers.accuracy(plan, accuracy) if accuracy is not None else None,
        published(audit, audit_source),
    ]
    sections: list[Section] = [
        results.verdict(
            plan,
            runs,
            comparisons,
            unchanged(plan, sessions),
            unproved(sessions, plan.baseline, plan.arm_label),
        ),
        results.levels(plan, arms, comparisons),
        results.latencies(plan, comparisons),
        results.findings(plan, comparisons),
        *(section for section in optional if section is not None),
        *energy.sections(plan, sessions, runs, arms, comparisons),
        doubt.gates(plan, runs),
        treatment(plan, sessions),
        doubt.constraints(plan, probes),
        provenance.sessions_section(plan, sessions),
        provenance.provenance(plan, sessions),
        provenance.commands(plan),
        provenance.reproduce(plan, list(figures)),
    ]
    sections[0].items += answers.summary(plan, accuracy)
    sections[0].sentences = [
        *failures.sentences(plan, sessions),
        *sections[0].sentences,
        *launch.caveat(plan),
    ]
    for section in sections:
        section.figures += [
            _figure(plan, name, figures[name], comparisons)
            for name, entry in FIGURES.items()
            if name in figures and entry.section == section.id
        ]
    limit(sections)
    limit_figures(sections)
    return {
        "title": plan.title,
        "study": plan.name,
        "description": plan.study.description,
        "simulated": plan.simulated,
        "simulated_text": "Nothing here was measured on a real server.",
        "factor": plan.study.factor.title,
        "sections": sections,
    }


def _figure(plan: Plan, name: str, path: Path, comparisons: DataFrame) -> Figure:
    entry = FIGURES[name]
    data = base64.b64encode(path.read_bytes()).decode()
    alt = entry.alt
    if name == "difference" and len(comparisons):
        main = comparisons[comparisons["metric"] == PRIMARY].head(MOST_POINTS)
        columns = ("model", "arm", "concurrency", "difference_percent", "verdict")
        points = zip(*(main[column] for column in columns), strict=True)
        alt += ": " + "; ".join(f"{m} {a} at {c}: {d:+.1f} %, {v}" for m, a, c, d, v in points)
    if plan.simulated:
        alt = f"SIMULATED. {alt}"
    return Figure(
        name=name,
        title=entry.title,
        alt=alt,
        data_uri=f"data:{MIME[path.suffix]};base64,{data}",
        link=f"../{path.parent.name}/{path.name}",
        command=provenance.command(plan.name, f"figures/{name}.svg"),
        source=f"results/{plan.name}/{entry.source}",
    )
