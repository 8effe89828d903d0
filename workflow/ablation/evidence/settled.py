"""What all launches of an arm come to, setting by setting, and what a component left out meant in the arm that had it.

One log cannot tell whether a component that is off would have been in use; the logs of the arm that is the same but for
that can. Where a component was not in use there either, switching it off changed nothing.

A place for what vLLM's own selectors say of an arm, once they are executed: `settle` takes the rows of a launch as they
are and may replace them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ablation.evidence.components import COMPONENTS
from ablation.evidence.difference import Launch, launches_of
from ablation.evidence.expectations import PROVED, REFUTED, UNTOLD, Row, State
from ablation.evidence.treatment import Outcome, rows_of, state_of


@dataclass(frozen=True)
class Settled:
    """A setting of an arm over its launches: the worst state that any of them gave, and in how many it held.

    `alone` is the state by the arm's own logs, before the logs of another arm were seen beside them.
    """

    row: Row
    alone: State
    launches: int
    of: int


def settle(
    sessions: Sequence[Mapping[str, Any]],
    model: str,
    arm: str,
    label: Callable[[str], str] = str,
    *,
    without: Outcome | None = None,
) -> list[Settled]:
    """Each setting that an arm changes, over the launches that gave its runs. `label` names an arm for a reader.

    Launches whose treatment is in the state `without` are left out, where there are others.
    """
    launches = launches_of(sessions, model, arm)
    launches = [x for x in launches if state_of(x.get("treatment")) != without] or launches
    rows: dict[str, list[Row]] = {}
    for launch in launches:
        for row in rows_of(launch.get("treatment")):
            rows.setdefault(row.name, []).append(row)
    found = []
    for name, given in rows.items():
        row = next(r for state in (REFUTED, UNTOLD, PROVED) for r in given if r.state == state)
        count = sum(one.state == row.state for one in given)
        left_out = _left_out(launches, name)
        beside = None
        if row.state != REFUTED and left_out is not None:
            whole = launches_of(sessions, model, left_out)
            beside = _beside_the_whole(row, launches, whole, label(left_out))
        if beside is not None:
            found.append(Settled(beside, row.state, len(given), len(launches)))
        else:
            found.append(Settled(row, row.state, count, len(launches)))
    return found


def _left_out(launches: Sequence[Launch], name: str) -> str | None:
    """The arm that is the same as this one but for a component that is on there."""
    for launch in launches:
        for one in (launch.get("treatment") or {}).get("left_out") or ():
            if one["variable"] == name:
                return str(one["arm"])
    return None


def _beside_the_whole(
    row: Row, own: Sequence[Launch], whole: Sequence[Launch], arm: str
) -> Row | None:
    """The row of a component that is off, seen beside the logs of the arm that has it on; None where they add nothing.

    `arm` is that other arm's name for a reader.
    """
    component = COMPONENTS.get(row.name)
    theirs = [_told(launch, row.name) for launch in whole]
    if component is None or not whole or None in theirs:
        return None
    seen = [told["seen"] for told in theirs if told is not None]
    instead = sorted({name for told in theirs if told is not None for name in told["instead"]})
    if any(seen):
        mine = [_told(launch, row.name) for launch in own]
        if row.state == UNTOLD and all(seen) and all(m is not None and not m["seen"] for m in mine):
            text = (
                f"{row.setting}: {', '.join(seen[0][:6])} in every log of {arm}, in none without it"
            )
            return Row(row.name, row.setting, PROVED, text)
        return None
    if not instead:
        text = f"{row.setting}: no log of {arm} names AITER's {component.words} either"
        return Row(row.name, row.setting, UNTOLD, text)
    names = ", ".join(instead)
    if component.whole:
        text = (
            f"{row.setting}: this component was not in use in {arm} either ({names}), so that the setting "
            "changed nothing"
        )
        return Row(row.name, row.setting, REFUTED, text)
    text = (
        f"{row.setting}: the logs of {arm} name {names} too, not AITER's {component.words}; what else the "
        "variable switches leaves no line"
    )
    return Row(row.name, row.setting, UNTOLD, text)


def _told(launch: Launch, variable: str) -> Mapping[str, Any] | None:
    """What a launch's log says of a component; None of a launch whose log was read before components were."""
    components = (launch.get("evidence") or {}).get("components")
    if components is None:
        return None
    told: Mapping[str, Any] = components.get(variable) or {"seen": [], "instead": []}
    return told


def unproved(
    sessions: Sequence[Mapping[str, Any]],
    baseline: str,
    label: Callable[[str], str] = str,
) -> dict[tuple[str, str], list[str]]:
    """(model, arm) -> what stands beside the arm's verdict, as clauses: what its logs cannot tell, or speak against.

    Of the baseline only what concerns a setting that the arm changes. Empty where everything is proved, and where
    there is nothing to prove.
    """
    arms = dict.fromkeys((str(s["model"]), str(s["arm"])) for s in sessions)
    found: dict[tuple[str, str], list[str]] = {}
    for model, arm in arms:
        clauses = _clauses(sessions, model, arm, label)
        if arm != baseline:
            changed = _changed(sessions, model, arm)
            theirs = _clauses(sessions, model, baseline, label, only=changed)
            clauses += [f"of {label(baseline)}, {clause}" for clause in theirs]
        if clauses:
            found[model, arm] = clauses
    return found


def _clauses(
    sessions: Sequence[Mapping[str, Any]],
    model: str,
    arm: str,
    label: Callable[[str], str],
    only: set[str] | None = None,
) -> list[str]:
    launches = launches_of(sessions, model, arm)
    states = [state_of(launch.get("treatment")) for launch in launches]
    # What a launch's own log speaks against fails its gate: those that are left are the ones compared.
    rows = [
        one
        for one in settle(sessions, model, arm, label, without=REFUTED)
        if only is None or one.row.name in only
    ]
    # A line that the study asks for proves a launch, whatever its log says of single settings.
    asked = all(state == PROVED for state in states)
    untold = [
        one for one in rows if one.row.state == UNTOLD and not (asked and one.alone == UNTOLD)
    ]
    clauses = []
    if untold:
        names = " and ".join(one.row.setting for one in untold)
        most, of = max((one.launches, one.of) for one in untold)
        where = "" if most == of else f" in {most} of {of} launches"
        clauses.append(f"it cannot be told from the log whether {names} took effect{where}")
    clauses += [one.row.text for one in rows if one.row.state == REFUTED and one.alone != REFUTED]
    if not rows and only is None and UNTOLD in states:
        proof = launches[states.index(UNTOLD)].get("treatment") or {}
        text = proof.get("text") or "the launch left no evidence"
        clauses.append(f"whether the treatment took effect cannot be told ({text})")
    return clauses


def _changed(sessions: Sequence[Mapping[str, Any]], model: str, arm: str) -> set[str] | None:
    """Names of what an arm changes; None where its launches were measured before that was kept."""
    kept = [
        (launch.get("treatment") or {}).get("changed")
        for launch in launches_of(sessions, model, arm)
    ]
    told = [names for names in kept if names is not None]
    return {name for names in told for name in names} if told else None
