"""Did the treatment happen? What each arm was told and what its servers' logs say, side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from ablation.evidence.difference import SENTENCE, unchanged
from ablation.evidence.expectations import PROVED, REFUTED, UNTOLD
from ablation.evidence.settled import Settled, settle
from ablation.evidence.treatment import NOTHING, Outcome, state_of
from ablation.plan.plan import Plan
from ablation.report.content import NONE, Cell, Column, Section, Table, unique
from ablation.report.launch import proof
from ablation.report.results import label, title

MOST_LINES = 6
COMPONENTS = {
    "attention": "Attention",
    "prefill": "Prefill of MLA",
    "moe": "MoE",
    "linear": "Linear layers",
    "vision": "Vision encoder",
}

Launch = Mapping[str, Any]


def treatment(plan: Plan, sessions: Sequence[Mapping[str, Any]]) -> Section:
    """One table a model: a column for each arm, a row for each component, launches counted."""
    section = Section("treatment", "Did the treatment happen?")
    launches = [launch for session in sessions for launch in session["launches"]]
    states = [state_of(launch.get("treatment")) for launch in launches]
    section.sentences = [proof(plan, states) if launches else "No session has left its evidence."]
    section.items = [
        f"{title(plan, model)}, {label(plan, arm)}: {SENTENCE}."
        for model, arm in unchanged(plan, sessions)
    ]
    for model, entry in plan.models.items():
        if entry.arms and launches:
            section.tables.append(_table(plan, model, entry.arms, sessions))
    return section


def _table(
    plan: Plan, model: str, arms: Sequence[str], sessions: Sequence[Mapping[str, Any]]
) -> Table:
    per_arm = {
        arm: [
            launch
            for session in sessions
            if session["model"] == model and session["arm"] == arm
            for launch in session["launches"]
        ]
        for arm in arms
    }
    rows = [
        [Cell("Settings"), *(Cell(_settings(plan, model, arm), kind="log") for arm in arms)],
        [Cell("Treatment proved"), *(_proved(per_arm[arm]) for arm in arms)],
        *_changed({arm: settle(sessions, model, arm, plan.arm_label) for arm in arms}),
    ]

    def add(head: str, cell: Callable[[list[Launch]], Cell], *, always: bool = False) -> None:
        cells = [cell(per_arm[arm]) for arm in arms]
        if always or any(one.text not in ("none", NONE) for one in cells):
            rows.append([Cell(head), *cells])

    add("Not proved", lambda own: _lines(own, _unproved))
    for component, head in COMPONENTS.items():
        add(head, partial(_counted, of=_kernels(component)))
    add("AITER's modules loaded", lambda own: _counted(own, _modules))
    add("Kernels built by AITER", _built)
    add("torch.compile", _compiled)
    add("Compiled during inference", lambda own: _counted(own, _late))
    add("Shapes without a tuned configuration", _untuned)
    add("Fallbacks", lambda own: _lines(own, lambda launch: _evidence(launch).get("fallbacks")))
    add(
        "Log lines that prove it",
        lambda own: _lines(own, lambda x: _proof(x).get("found")),
        always=True,
    )
    add(
        "Lines that name kernels", lambda own: _lines(own, lambda x: x.get("backends")), always=True
    )
    add("Server warnings", lambda own: _lines(own, lambda x: x.get("warnings")), always=True)
    return Table(
        id=f"treatment-{model}",
        caption=f"{title(plan, model)}: what each arm was told, and what its servers said",
        columns=[Column("Evidence"), *(Column(label(plan, arm)) for arm in arms)],
        rows=rows,
        source=f"results/{plan.name}/sessions/{model}/{{arm}}/block-{{block}}.json, launches",
    )


def _proof(launch: Launch) -> Mapping[str, Any]:
    return launch.get("treatment") or {}


def _evidence(launch: Launch) -> Mapping[str, Any]:
    """Launches measured before lack it."""
    return launch.get("evidence") or {}


def _settings(plan: Plan, model: str, arm: str) -> str:
    told = plan.arms[arm]
    env = [f"{key}={value}" for key, value in told.env.items()]
    args = [f"{key}: {value}" for key, value in told.args.items()]
    own = told.paths.get(model)
    return "\n".join([*env, *args, *([f"model: {own}"] if own else [])]) or "no setting of its own"


# How a state is shown.
KINDS: dict[Outcome, str] = {PROVED: "good", REFUTED: "bad", UNTOLD: "warn", NOTHING: ""}


def _changed(settled: Mapping[str, Sequence[Settled]]) -> list[list[Cell]]:
    """A row for each setting that an arm changes, with its state in each arm."""
    names = unique(one.row.name for rows in settled.values() for one in rows)
    return [
        [Cell(f"Proof of {name}"), *(_state(name, rows) for rows in settled.values())]
        for name in names
    ]


def _state(name: str, rows: Sequence[Settled]) -> Cell:
    for one in rows:
        if one.row.name == name:
            some = f" in {one.launches} of {one.of} launches" if one.launches < one.of else ""
            text = f"{one.row.state}{some}: {one.row.text.removeprefix(f'{one.row.setting}: ')}"
            return Cell(text, kind=KINDS[one.row.state])
    return Cell(NONE)


def _proved(own: list[Launch]) -> Cell:
    states = [state_of(launch.get("treatment")) for launch in own]
    if states and all(state == NOTHING for state in states):
        return Cell(NOTHING)
    worst = next((state for state in (REFUTED, UNTOLD, PROVED) if state in states), NOTHING)
    more = [f"{state} in {states.count(state)}" for state in (REFUTED, UNTOLD) if state in states]
    proved = f"{states.count(PROVED)} of {len(own)} launches"
    return Cell("; ".join([proved, *more]), kind=KINDS[worst])


def _unproved(launch: Launch) -> list[str]:
    proof = _proof(launch)
    known = state_of(proof) in (PROVED, NOTHING)
    return [] if known else [str(proof.get("text") or "not shown")]


def _kernels(component: str) -> Callable[[Launch], Iterable[str]]:
    return lambda launch: (_evidence(launch).get("backends") or {}).get(component) or ()


def _modules(launch: Launch) -> Iterable[str]:
    return (_evidence(launch).get("jit") or {}).get("aiter_modules") or ()


def _late(launch: Launch) -> Iterable[str]:
    return (_evidence(launch).get("jit") or {}).get("late_compilations") or ()


def _counted(own: list[Launch], of: Callable[[Launch], Iterable[str]]) -> Cell:
    """`TRITON_MLA (5 of 6 launches)`: what is not in every launch is marked."""
    counts = Counter(name for launch in own for name in of(launch))
    if not counts:
        return Cell("none")
    some = any(count < len(own) for count in counts.values())
    lines = [f"{name} ({count} of {len(own)} launches)" for name, count in counts.most_common()]
    return Cell("\n".join(_cut(lines)), kind="warn" if some else "log")


def _built(own: list[Launch]) -> Cell:
    jits = [_evidence(launch).get("jit") or {} for launch in own]
    builds = sum(jit.get("aiter_builds") or 0 for jit in jits)
    seconds = sum(jit.get("aiter_build_s") or 0.0 for jit in jits)
    return Cell(f"{builds}, {seconds:.0f} s in all" if builds else "none")


def _compiled(own: list[Launch]) -> Cell:
    took = [(_evidence(launch).get("jit") or {}).get("torch_compile_s") for launch in own]
    known = sorted(seconds for seconds in took if seconds is not None)
    if not known:
        return Cell("none")
    return Cell(f"{known[0]:.0f} to {known[-1]:.0f} s ({len(known)} of {len(own)} launches)")


def _untuned(own: list[Launch]) -> Cell:
    """Distinct shapes or kernels of the launch that had most, beside how many launches had any."""
    counts = [
        sum((_evidence(x).get("untuned") or {}).get(k, 0) for k in ("shapes", "vllm")) for x in own
    ]
    some = sum(bool(count) for count in counts)
    return Cell(f"{max(counts)} ({some} of {len(own)} launches)" if some else "none")


def _lines(own: list[Launch], of: Callable[[Launch], Iterable[Any] | None]) -> Cell:
    kept = unique(str(line) for launch in own for line in of(launch) or ())
    return Cell("\n".join(_cut(kept)) or "none", kind="log" if kept else "")


def _cut(lines: list[str]) -> list[str]:
    more = [f"({len(lines) - MOST_LINES} more)"] if len(lines) > MOST_LINES else []
    return [*lines[:MOST_LINES], *more]
