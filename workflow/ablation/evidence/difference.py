"""Do the logs of two arms differ at all? A treatment that changed nothing is no treatment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ablation.plan.plan import Plan
from ablation.statistics.noise import same_settings

SENTENCE = "the log shows no difference between the arms"

Launch = Mapping[str, Any]
Item = tuple[str, str]


def unchanged(plan: Plan, sessions: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """(model, arm) of each comparison whose treatment changed nothing that the servers' logs show.

    Only where the study asked for proof: by an arm's `evidence`, or by a setting that promises something. An arm
    that repeats the baseline (A/A) is meant to change nothing.
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
    plain = any("evidence" not in launch for launch in (*one, *other))
    mine = [items(launch, plain=plain) for launch in one]
    theirs = [items(launch, plain=plain) for launch in other]
    return bool(_always(mine) - _ever(theirs) or _always(theirs) - _ever(mine))


def _always(launches: list[set[Item]]) -> set[Item]:
    return launches[0].intersection(*launches[1:])


def _ever(launches: list[set[Item]]) -> set[Item]:
    return launches[0].union(*launches[1:])


def items(launch: Launch, *, plain: bool = False) -> set[Item]:
    """What a log says of the kernels: (component, name). `plain` as launches measured before have it: lines."""
    found = {("line", str(line)) for line in launch.get("backends") or ()} if plain else set()
    evidence = launch.get("evidence") or {}
    if not plain:
        for component, names in (evidence.get("backends") or {}).items():
            found |= {(component, name) for name in names}
        found |= {("engine", f"{k}={v}") for k, v in (evidence.get("engine") or {}).items()}
        found |= {
            ("module", name) for name in (evidence.get("jit") or {}).get("aiter_modules") or ()
        }
    proof = launch.get("treatment") or {}
    found |= {("mark", str(line)) for line in proof.get("marks") or proof.get("found") or ()}
    return found


def _asked(launches: Sequence[Launch]) -> bool:
    proofs = [launch.get("treatment") or {} for launch in launches]
    return any(p.get("evidence") or p.get("counter_evidence") or p.get("settings") for p in proofs)
