"""What a reader needs to doubt the result: gates, treatment evidence, constraints, warnings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

from pandas import DataFrame

from ablation.report.content import Cell, Column, Section, Table, count, unique
from ablation.report.results import label, title

MOST_LINES = 6


def gates(plan: Mapping[str, Any], runs: DataFrame) -> Section:
    """Every failed gate with its text; passed runs counted."""
    section = Section("gates", "Gates")
    failed = runs[~runs["usable"].astype(bool)] if len(runs) else runs
    section.sentences = [
        f"{len(runs) - len(failed):,} of {len(runs):,} runs passed every gate. A failed gate keeps "
        "the data and takes the run out of the comparison."
    ]
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
                source=f"results/{plan['study']}/aggregate/runs.parquet, rows with usable = false",
            )
        )
    section.sentences += _missing(plan, runs)
    return section


def _missing(plan: Mapping[str, Any], runs: DataFrame) -> list[str]:
    """A sentence on planned runs that are not there."""
    planned = {
        (s["model"], s["arm"], int(s["block"]), int(level["concurrency"]))
        for s in plan["sessions"]
        for level in s["levels"]
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


def treatment(plan: Mapping[str, Any], sessions: Sequence[Mapping[str, Any]]) -> Section:
    """What each arm was told, and what its servers said they did, side by side for each model."""
    section = Section("treatment", "Did the treatment happen?")
    launches = [launch for session in sessions for launch in session["launches"]]
    proved = sum(bool(launch.get("treatment", {}).get("passed")) for launch in launches)
    section.sentences = [
        f"{proved} of {len(launches)} server launches proved their treatment in their own log."
        if launches
        else "No session has left its evidence."
    ]
    for model, entry in plan["models"].items():
        if entry["arms"] and launches:
            section.tables.append(_treatment(plan, model, entry["arms"], sessions))
    return section


def _treatment(
    plan: Mapping[str, Any], model: str, arms: Sequence[str], sessions: Sequence[Mapping[str, Any]]
) -> Table:
    columns = [Column("Evidence"), *(Column(label(plan, arm)) for arm in arms)]
    per_arm = {
        arm: [
            launch
            for session in sessions
            if session["model"] == model and session["arm"] == arm
            for launch in session["launches"]
        ]
        for arm in arms
    }

    def row(head: str, cells: list[Cell]) -> list[Cell]:
        return [Cell(head), *cells]

    def settings(arm: str) -> str:
        told = plan["factor"]["arms"].get(arm, {})
        env = [f"{key}={value}" for key, value in dict(told.get("env") or {}).items()]
        args = [f"{key}: {value}" for key, value in dict(told.get("args") or {}).items()]
        own = dict(told.get("paths") or {}).get(model)
        path = [f"model: {own}"] if own else []
        return "\n".join([*env, *args, *path]) or "no setting of its own"

    def proved(arm: str) -> Cell:
        own = per_arm[arm]
        good = sum(bool(launch.get("treatment", {}).get("passed")) for launch in own)
        kind = "bad" if good < len(own) else "good" if own else ""
        return Cell(f"{good} of {len(own)} launches", kind=kind)

    def lines(arm: str, of: str) -> Cell:
        found: list[str] = []
        for launch in per_arm[arm]:
            if of == "backends":
                found += map(str, launch.get("backends") or [])
            elif of == "found":
                found += map(str, launch.get("treatment", {}).get("found") or [])
            elif of == "failed":
                proof = launch.get("treatment", {})
                found += [] if proof.get("passed") else [str(proof.get("text") or "not shown")]
            else:
                found += map(str, launch.get("warnings") or [])
        kept = unique(found)
        more = [f"({len(kept) - MOST_LINES} more)"] if len(kept) > MOST_LINES else []
        return Cell("\n".join([*kept[:MOST_LINES], *more]) or "none", kind="log" if kept else "")

    rows = [
        row("Settings", [Cell(settings(arm), kind="log") for arm in arms]),
        row("Treatment proved", [proved(arm) for arm in arms]),
        row("Log lines that prove it", [lines(arm, "found") for arm in arms]),
        row("Backends in use", [lines(arm, "backends") for arm in arms]),
        row("Server warnings", [lines(arm, "warnings") for arm in arms]),
    ]
    failed = [lines(arm, "failed") for arm in arms]
    if any(cell.kind for cell in failed):
        rows.insert(2, row("Not proved", failed))
    return Table(
        id=f"treatment-{model}",
        caption=f"{title(plan, model)}: what each arm was told, and what its servers said",
        columns=columns,
        rows=rows,
        source=f"results/{plan['study']}/sessions/{model}/{{arm}}/block-{{block}}.json, launches",
    )


def constraints(plan: Mapping[str, Any]) -> Section:
    """Which arms each model permits, why not, and what to know of those that run."""
    section = Section("constraints", "What could not be run, and why")
    rows = [
        [
            Cell(title(plan, entry["model"])),
            Cell(label(plan, entry["arm"])),
            Cell(str(entry["status"]), kind="warn"),
            Cell(str(entry["reason"])),
            Cell(str(entry.get("condition") or "")),
            Cell(str(entry.get("source") or "")),
        ]
        for entry in plan["excluded"]
    ]
    said = {entry["model"] for entry in plan["excluded"]}
    for model, entry in plan["models"].items():
        if model not in said and entry.get("reason"):
            names = ", ".join(label(plan, arm) for arm in entry["arms"]) or "none"
            rows.append(
                [
                    Cell(title(plan, model)),
                    Cell(f"runs: {names}"),
                    Cell(str(entry["status"])),
                    Cell(str(entry["reason"])),
                    Cell(str(entry.get("condition") or "")),
                    Cell(str(entry.get("source") or "")),
                ]
            )
    rows += [
        [
            Cell(title(plan, caution["model"])),
            Cell(", ".join(label(plan, arm) for arm in caution["arms"])),
            Cell("caution", kind="warn"),
            Cell(str(caution["reason"])),
            Cell(str(caution["condition"])),
            Cell(str(caution["source"])),
        ]
        for caution in plan.get("cautions", [])
    ]
    if not rows:
        section.sentences = ["Every arm could run on every model."]
        return section
    columns = ["Model", "Arm", "Status", "Reason", "Condition", "Source"]
    section.tables.append(
        Table(
            id="constraints",
            caption="Models and arms that the support catalogue limits",
            columns=[Column(name) for name in columns],
            rows=rows,
            source=f"results/{plan['study']}/plan.json, excluded and models",
        )
    )
    return section
