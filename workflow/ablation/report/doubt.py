"""What a reader needs to doubt the result: gates, treatment evidence, constraints, warnings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

from pandas import DataFrame

from ablation.plan.plan import Plan
from ablation.report.content import Cell, Column, Section, Table, count
from ablation.report.gates import UNKNOWN, states_table, tells_states
from ablation.report.probes import add_probes, stale_entries
from ablation.report.results import label, title

MOST_LINES = 6


def gates(plan: Plan, runs: DataFrame) -> Section:
    """What each gate said, counted over the runs; every failed one with its text."""
    section = Section("gates", "Gates")
    failed = runs[~runs["usable"].astype(bool)] if len(runs) else runs
    section.sentences = [
        f"{len(runs) - len(failed):,} of {len(runs):,} runs count: no gate failed. A failed gate keeps "
        "the data and takes the run out of the comparison. A gate that could not look at a run is not observed: it has "
        "not passed, and the run counts all the same."
    ]
    if not tells_states(runs):
        section.sentences.append(UNKNOWN)
    elif len(runs):
        section.tables.append(states_table(plan.name, runs))
    rows = []
    for row in failed.to_dict("records"):
        names, texts = list(row["gates_failed"]), list(row["gate_texts"])
        for gate, text in zip_longest(names or ["unknown"], texts, fillvalue=""):
            where = f"{row['model']}/{row['arm']}/block-{row['block']}"
            rows.append(
                [
                    Cell(where),
                    count(row["concurrency"]),
                    Cell(str(gate), kind="bad"),
                    Cell(str(text)),
                ]
            )
    if rows:
        section.tables.append(
            Table(
                id="gates-failed",
                caption="Failed gates",
                columns=[Column("Run"), Column("Concurrency", True), Column("Gate"), Column("Why")],
                rows=rows,
                source=f"results/{plan.name}/aggregate/runs.parquet, rows with usable = false",
            )
        )
    section.sentences += _missing(plan, runs)
    return section


def _missing(plan: Plan, runs: DataFrame) -> list[str]:
    """A sentence on planned runs that are not there."""
    planned = {
        (s.model, s.arm, s.block, level.concurrency) for s in plan.sessions for level in s.levels
    }
    seen = set()
    if len(runs):
        keys = (runs[name] for name in ("model", "arm", "block", "concurrency"))
        seen = {(m, a, int(b), int(c)) for m, a, b, c in zip(*keys, strict=True)}
    missing = sorted(planned - seen)
    if not missing:
        return []
    names = [f"{m}/{a}/block-{b}/concurrency-{c}" for m, a, b, c in missing[:10]]
    more = f" and {len(missing) - 10:,} more" if len(missing) > 10 else ""
    return [f"{len(missing):,} planned runs are missing: {', '.join(names)}{more}."]


def constraints(plan: Plan, probes: Sequence[Mapping[str, Any]] = ()) -> Section:
    """Which arms each model permits, why not, and what to know of those that run.

    ``probes`` are records of probes; where there are any, each row quotes its own.
    """
    section = Section("constraints", "What could not be run, and why")
    rows = [
        [
            Cell(title(plan, entry.model)),
            Cell(label(plan, entry.arm)),
            Cell(entry.status, kind="warn"),
            Cell(entry.reason),
            Cell(entry.condition),
            Cell(entry.source),
        ]
        for entry in plan.excluded
    ]
    said = {entry.model for entry in plan.excluded}
    for model, entry in plan.models.items():
        if model not in said and entry.reason:
            names = ", ".join(label(plan, arm) for arm in entry.arms) or "none"
            rows.append(
                [
                    Cell(title(plan, model)),
                    Cell(f"runs: {names}"),
                    Cell(entry.status),
                    Cell(entry.reason),
                    Cell(entry.condition),
                    Cell(entry.source),
                ]
            )
    rows += [
        [
            Cell(title(plan, caution.model)),
            Cell(", ".join(label(plan, arm) for arm in caution.arms)),
            Cell("caution", kind="warn"),
            Cell(caution.reason),
            Cell(caution.condition),
            Cell(caution.source),
        ]
        for caution in plan.cautions
    ]
    columns = ["Model", "Arm", "Status", "Reason", "Condition", "Source"]
    if probes:
        add_probes(plan, rows, probes)
        columns.append("Probe")
        section.sentences = stale_entries(plan, probes)
    if not rows:
        section.sentences = ["Every arm could run on every model."]
        return section
    section.tables.append(
        Table(
            id="constraints",
            caption="Models and arms that the support catalogue limits",
            columns=[Column(name) for name in columns],
            rows=rows,
            source=f"results/{plan.name}/plan.json, excluded and models",
        )
    )
    return section
