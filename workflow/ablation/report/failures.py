"""Launches that failed: which, at which stage, why, and what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ablation.evidence.stages import WORDS
from ablation.plan.plan import Plan
from ablation.report.content import Cell, Column, Section, Table, count
from ablation.report.results import label, title

Session = Mapping[str, Any]


def _failed(sessions: Sequence[Session]) -> list[tuple[Session, Mapping[str, Any]]]:
    return [(session, session["failure"]) for session in sessions if session.get("failure")]


def sentences(plan: Plan, sessions: Sequence[Session]) -> list[str]:
    """One sentence for each arm with failed launches, for the first lines of the report."""
    found = []
    for model, entry in plan.models.items():
        for arm in entry.arms:
            own = [
                (session, failure)
                for session, failure in _failed(sessions)
                if (session["model"], session["arm"]) == (model, arm)
            ]
            if not own:
                continue
            blocks = ", ".join(str(block) for block in sorted(s["block"] for s, _ in own))
            planned = sum((s["model"], s["arm"]) == (model, arm) for s in sessions)
            text = own[0][1]["text"]
            found.append(
                f"{title(plan, model)}, {label(plan, arm)}: {len(own)} of {planned} launches failed (block {blocks}): "
                f"{text}. No verdict uses them; the same command tries them again."
            )
    return found


def failures(plan: Plan, sessions: Sequence[Session]) -> Section | None:
    """Every failed launch with its stage, cause and remedy; None where none failed."""
    rows = [
        [
            Cell(f"{session['model']}/{session['arm']}/block-{session['block']}"),
            count(session["block"]),
            Cell(WORDS.get(str(failure.get("stage")), "") if failure.get("stage") else ""),
            Cell(str(failure["text"]), kind="bad"),
            Cell(str(failure["remedy"])),
            Cell(str(failure["launch_id"] or "not launched"), kind="log"),
        ]
        for session, failure in _failed(sessions)
    ]
    if not rows:
        return None
    section = Section("failures", "Launches that failed")
    section.sentences = [
        "A failed launch is a result: it is kept with its log and is never counted. Only its arm is affected; what was "
        "measured beside it stands."
    ]
    section.tables.append(
        Table(
            id="failures",
            caption="Failed launches",
            columns=[
                Column("Session"),
                Column("Block", True),
                Column("Stage"),
                Column("Why"),
                Column("What to do"),
                Column("Launch, in the store"),
            ],
            rows=rows,
            source=f"results/{plan.name}/sessions/{{model}}/{{arm}}/block-{{block}}.json, failure",
        )
    )
    return section
