"""Where the numbers come from: sessions, versions, hardware, commands, and how to redo it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ablation.plan.command import shown_command
from ablation.plan.plan import Plan
from ablation.report.content import NONE, Cell, Column, Section, Table, number, seconds, unique
from ablation.report.launch import noun
from ablation.report.results import label, title


def sessions_section(plan: Plan, sessions: Sequence[Mapping[str, Any]]) -> Section:
    """Every server launch in the order of the plan, with its stages' times."""
    section = Section("sessions", "Sessions and stage times", folded=True)
    rank = {(s.model, s.arm, s.block): s.rank for s in plan.sessions}
    ordered = sorted(
        sessions, key=lambda s: rank.get((s["model"], s["arm"], s["block"]), len(rank) + 1)
    )
    stages = unique(
        stage
        for session in ordered
        for launch in session["launches"]
        for stage in launch.get("stages") or {}
    )
    rows = []
    for session in ordered:
        place = rank.get((session["model"], session["arm"], session["block"]))
        for launch in session["launches"]:
            exit_ = launch.get("exit") or {}
            how = str(exit_.get("how") or NONE)
            code = exit_.get("code")
            rows.append(
                [
                    Cell(f"{session['model']}/{session['arm']}/block-{session['block']}"),
                    Cell(str(place or NONE), sort=place),
                    Cell(str(launch.get("started_at") or NONE)),
                    _duration(launch.get("ready_s")),
                    *(_stage(stage, (launch.get("stages") or {}).get(stage)) for stage in stages),
                    Cell(f"{how}, code {code}" if code is not None else how),
                ]
            )
    if not rows:
        section.sentences = ["No session has left its evidence."]
        return section
    section.sentences = [
        f"{len(rows)} {noun(plan)} for {len(ordered)} of {len(plan.sessions)} planned sessions."
    ]
    section.tables.append(
        Table(
            id="sessions",
            caption="Server launches in the order of the plan",
            columns=[
                Column("Session"),
                Column("Rank", True),
                Column("Started"),
                Column("Ready after", True),
                *(Column(_stage_title(stage), True) for stage in stages),
                Column("End"),
            ],
            rows=rows,
            source=f"results/{plan.name}/sessions/{{model}}/{{arm}}/block-{{block}}.json",
        )
    )
    return section


def _stage_title(stage: str) -> str:
    return stage.removesuffix("_s").replace("_", " ")


def _stage(stage: str, value: Any) -> Cell:
    """Stages whose name ends in _s are seconds; the log tells other things too (cache tokens)."""
    return _duration(value) if stage.endswith("_s") else number(value)


def _duration(value: Any) -> Cell:
    return Cell(NONE) if value is None else Cell(seconds(value), sort=float(value))


def provenance(plan: Plan, sessions: Sequence[Mapping[str, Any]]) -> Section:
    """Versions, hardware, design and workload; what differs between sessions is said."""
    section = Section("provenance", "Provenance")
    launches = [launch for session in sessions for launch in session["launches"]]
    rows = [
        _fact("Study", f"{plan.name}: {plan.title}"),
        _fact("Configuration hash", plan.config_hash),
        _fact("Platform", plan.study.hardware.platform),
        _fact("vLLM (planned)", plan.study.server.vllm),
        _fact("Seed of the order", plan.study.seed),
        _fact("Design", _pairs(plan.study.design.model_dump())),
        _fact("Workload", _pairs(plan.study.workload.model_dump())),
    ]
    changed = []
    for kind in ("versions", "hardware"):
        for key in unique(key for launch in launches for key in launch.get(kind) or {}):
            values = unique(_text((launch.get(kind) or {}).get(key)) for launch in launches)
            if key == "host" and len(values) == 1:
                # The name of the only machine tells a reader nothing; that there were two would.
                continue
            rows.append(_fact(key, "; ".join(values), bad=len(values) > 1))
            if len(values) > 1:
                changed.append(key)
    if changed:
        section.sentences.append(
            f"Not the same in all launches: {', '.join(changed)}. Differences may come from there."
        )
    section.sentences += [str(text) for text in plan.warnings]
    section.tables.append(
        Table(
            id="provenance",
            caption="What the study ran on, and with what",
            columns=[Column("What"), Column("Value")],
            rows=rows,
            source=f"results/{plan.name}/plan.json and sessions",
        )
    )
    return section


def commands(plan: Plan) -> Section:
    """The server command of each model and arm, with the environment it sets."""
    section = Section("commands", "Server commands", folded=True)
    seen: dict[tuple[str, str], str] = {}
    for session in plan.sessions:
        launch = session.launch
        shown = shown_command(
            launch.command,
            launch.env,
            container=launch.container,
            url=launch.url,
            copyable=True,
        )
        seen.setdefault((session.model, session.arm), shown)
    section.sentences = [f"From results/{plan.name}/plan.json, sessions (first block)."]
    section.code = [
        (f"{title(plan, model)}, {label(plan, arm)}", command)
        for (model, arm), command in seen.items()
    ]
    return section


def _fact(name: str, value: Any, *, bad: bool = False) -> list[Cell]:
    return [Cell(name), Cell(_text(value), kind="warn" if bad else "")]


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return _pairs(value)
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value))
    return NONE if value is None else str(value)


def _pairs(entries: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{key.replace('_', ' ')}: {json.dumps(value) if isinstance(value, dict) else _text(value)}"
        for key, value in entries.items()
    )


def reproduce(plan: Plan, names: Sequence[str]) -> Section:
    """The command behind each figure and table."""
    study = plan.name
    base = f"results/{study}"
    section = Section("reproduce", "How to reproduce each part")
    section.sentences = [
        "From the stored measurements, without a server. Delete the file first to draw it again.",
        "For an analysis of your own, the runs stand in long form (a row for each run and metric, with "
        f"its unit) in {base}/report/tidy.parquet and tidy.csv.",
    ]
    section.code = [
        *((f"Figure {name}", command(study, f"figures/{name}.svg")) for name in names),
        ("Statistics", f"snakemake --cores 1 {base}/statistics/comparisons.parquet"),
        ("The runs in long form", f"snakemake --cores 1 {base}/report/tidy.csv"),
        ("This report", f"snakemake --cores 1 {base}/report/report.html"),
    ]
    return section


def command(study: str, target: str) -> str:
    """The Snakemake command for one target of a study."""
    return f"snakemake --cores 1 results/{study}/{target}"
