"""Do the logs of two arms differ at all? A treatment that changed nothing is no treatment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Any

from ablation.evidence.expectations import CHOICES, UNTOLD
from ablation.evidence.treatment import rows_of
from ablation.plan.plan import Plan
from ablation.statistics.noise import same_settings

SENTENCE = "the log shows no difference between the arms"

Launch = Mapping[str, Any]
Item = tuple[str, str]


def unchanged(plan: Plan, sessions: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """(model, arm) of each comparison whose treatment changed nothing that the servers' logs show.

    Only where the study asked for proof: by an arm's `evidence`, or by a setting that the log can show. An arm that
    repeats the baseline (A/A) is meant to change nothing.
    """
    if plan.study.server.launch.kind == "endpoint":
        return []  # no log, so nothing to compare
    baseline = plan.baseline
    repeats = same_settings(plan)
    found = []
    for model, entry in plan.models.items():
        if baseline not in entry.arms:
            continue
        other = launches_of(sessions, model, baseline)
        for arm in entry.arms:
            own = launches_of(sessions, model, arm)
            if arm == baseline or arm in repeats or not own or not other:
                continue
            if (_asked(own) or _asked(other)) and not differ(own, other):
                found.append((model, arm))
    return found


def launches_of(sessions: Sequence[Mapping[str, Any]], model: str, arm: str) -> list[Launch]:
    """The launches of an arm that gave runs; all of them where none did."""
    own = [s for s in sessions if s["model"] == model and s["arm"] == arm]
    used = {run["launch_id"] for session in own for run in session.get("runs") or ()}
    launches = [launch for session in own for launch in session["launches"]]
    return [launch for launch in launches if launch.get("launch_id") in used] or launches


def differ(one: Sequence[Launch], other: Sequence[Launch]) -> bool:
    """True where something stands in every log of one arm and in none of the other.

    What comes and goes between launches of one arm is no evidence of a treatment.
    """
    both = (*one, *other)
    parts = set.intersection(*(_parts(launch) for launch in both))
    mine = [items(launch, parts) for launch in one]
    theirs = [items(launch, parts) for launch in other]
    return bool(_always(mine) - _ever(theirs) or _always(theirs) - _ever(mine))


def _always(launches: list[set[Item]]) -> set[Item]:
    return launches[0].intersection(*launches[1:])


def _ever(launches: list[set[Item]]) -> set[Item]:
    return launches[0].union(*launches[1:])


def _parts(launch: Launch) -> set[str]:
    """What a launch's evidence has: launches measured before lack it, or parts of it."""
    evidence = launch.get("evidence") or {}
    kernels = {f"kernels of {component}" for component in evidence.get("backends") or ()}
    return kernels | {name for name, part in evidence.items() if part is not None}


def items(launch: Launch, parts: Set[str]) -> set[Item]:
    """What a log says of the kernels and of what the server was told: (component, name).

    `parts` are those of the evidence that all launches to be compared have; without any, as in launches measured
    before, the lines that name kernels are taken. The arguments that the server repeats count too, but for those that
    ask for a kernel: whether they got it shows in the kernels.
    """
    evidence = launch.get("evidence") or {}
    found: set[Item] = set()
    if "backends" not in parts:
        found |= {("line", str(line)) for line in launch.get("backends") or ()}
    else:
        for component, names in evidence["backends"].items():
            if f"kernels of {component}" in parts:
                found |= {(component, name) for name in names}
    if "components" in parts:
        for variable, told in evidence["components"].items():
            found |= {(variable, name) for name in (*told["seen"], *told["instead"])}
    if "engine" in parts:
        found |= {("engine", f"{k}={v}") for k, v in evidence["engine"].items()}
    if "jit" in parts:
        found |= {("module", name) for name in evidence["jit"].get("aiter_modules") or ()}
    if "arguments" in parts:
        choices = {name.replace("-", "_") for name in CHOICES}
        found |= {
            ("argument", f"{name}={value}")
            for name, value in evidence["arguments"].items()
            if name not in choices
        }
    proof = launch.get("treatment") or {}
    found |= {("mark", str(line)) for line in proof.get("marks") or proof.get("found") or ()}
    return found


def _asked(launches: Sequence[Launch]) -> bool:
    proofs = [launch.get("treatment") or {} for launch in launches]
    return any(
        proof.get("evidence")
        or proof.get("counter_evidence")
        or any(row.state != UNTOLD for row in rows_of(proof))
        for proof in proofs
    )
