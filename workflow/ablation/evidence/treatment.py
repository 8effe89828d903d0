"""Did the treatment happen? The study's own expressions, and a row for each setting that the arm changes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from ablation.evidence.claim import Claim
from ablation.evidence.expectations import (
    PROVED,
    REFUTED,
    UNTOLD,
    Row,
    State,
    as_json,
    findings,
)
from ablation.evidence.lines import plain
from ablation.evidence.reading import Reading
from ablation.evidence.stamps import split_lines

MOST_MARKS = 40
MOST_FOUND = 10

NOTHING: Literal["nothing to prove"] = "nothing to prove"
Outcome = State | Literal["nothing to prove"]

_PASSED: dict[str, bool | None] = {PROVED: True, REFUTED: False, UNTOLD: None, NOTHING: None}


def treatment(log: str, found: Reading, claim: Claim) -> dict[str, Any]:
    """What a server's log says of its arm's treatment. `found` is the same log, read.

    Returns {"state": proved, refuted, cannot be told, or nothing to prove; "passed": True, False, or None for the
    other two; "text": a sentence; "settings": [{"name", "setting", "state", "text"}], a row for each changed setting;
    "changed": their names; "left_out": [{"variable", "arm"}]; "found": lines; "found_against": lines;
    "unknown_variables": [...]; "marks": lines; "evidence": the expression; "counter_evidence": the expression}.
    """
    lines = _matching(log, claim.patterns())
    mine = lines.get(claim.evidence or "", [])
    against = lines.get(claim.counter_evidence or "", [])
    rows = _by_evidence(findings(found, claim), claim, mine)
    state, text = outcome(rows, claim, mine, against)
    return {
        "evidence": claim.evidence,
        "counter_evidence": claim.counter_evidence,
        "found": mine[:MOST_FOUND],
        "found_against": against[:MOST_FOUND],
        "settings": [as_json(row) for row in rows],
        "changed": list(claim.changed),
        "left_out": [{"variable": one.variable, "arm": one.arm} for one in claim.left_out or ()],
        "unknown_variables": sorted(found.unknown),
        "marks": sorted({line for kept in lines.values() for line in kept})[:MOST_MARKS],
        "state": state,
        "passed": _PASSED[state],
        "text": text,
    }


def _by_evidence(rows: Sequence[Row], claim: Claim, found: Sequence[str]) -> list[Row]:
    """The rows with the one that no check can tell proved by the line that the study asks for.

    Where several cannot be told, the line is of one of them, and the rows say so.
    """
    if [row.state for row in rows].count(UNTOLD) != 1 or not found or claim.evidence_is_inherited:
        return list(rows)
    text = f"the line that the study asks for is there: {found[0]}"
    return [
        replace(row, state=PROVED, text=f"{row.setting}: {text}") if row.state == UNTOLD else row
        for row in rows
    ]


def outcome(
    rows: Sequence[Row], claim: Claim, found: Sequence[str], against: Sequence[str]
) -> tuple[Outcome, str]:
    """The state of a launch, and why.

    One refuted setting refutes the treatment, and so does a line that the study says must not be there, or a missing
    one that it asks for. A line that it asks for proves it, whatever cannot be told of single settings; but not the
    line of the arm that it was made from by leaving a component out.
    """
    refuted = [row for row in rows if row.state == REFUTED]
    untold = [row for row in rows if row.state == UNTOLD]
    if against:
        return REFUTED, f"the server's log speaks against the treatment: {against[0]}"
    if refuted:
        return REFUTED, "; ".join(row.text for row in refuted)
    if claim.evidence and not found:
        return REFUTED, f"no line of the server's log matches {claim.evidence!r}"
    if claim.evidence and not (claim.evidence_is_inherited and rows):
        return PROVED, found[0]
    if untold:
        names = " and ".join(row.setting for row in untold)
        why = "; ".join(row.text for row in untold)
        return UNTOLD, f"it cannot be told from the log whether {names} took effect ({why})"
    if rows:
        return PROVED, "; ".join(row.text for row in rows)
    if claim.changed:
        return NOTHING, "nothing to prove: this arm sets nothing of what the others change"
    return NOTHING, "nothing to prove: this arm has the baseline's settings"


def state_of(treatment: Mapping[str, Any] | None) -> Outcome:
    """The state of a launch's treatment, as it is kept; launches measured before say only whether it passed."""
    kept = treatment or {}
    for known in (PROVED, REFUTED, UNTOLD, NOTHING):
        if kept.get("state") == known:
            return known
    passed = kept.get("passed")
    return UNTOLD if passed is None else PROVED if passed else REFUTED


def rows_of(treatment: Mapping[str, Any] | None) -> list[Row]:
    """The rows of a launch's treatment, as they are kept; launches measured before kept them without a name."""
    found = []
    for row in (treatment or {}).get("settings") or ():
        setting = str(row["setting"])
        name = row.get("name") or re.split(r"=|: ", setting, maxsplit=1)[0]
        state = row.get("state") or {True: PROVED, False: REFUTED}.get(row.get("kept"), UNTOLD)
        found.append(Row(name, setting, state, str(row["text"])))
    return found


def _matching(log: str, patterns: Sequence[str]) -> dict[str, list[str]]:
    """Pattern -> distinct plain lines that match, in order; the log is gone through once."""
    compiled = [(pattern, re.compile(pattern)) for pattern in patterns]
    found: dict[str, dict[str, None]] = {pattern: {} for pattern in patterns}
    for line in split_lines(log) if compiled else ():
        for pattern, expression in compiled:
            if expression.search(line):
                found[pattern][plain(line)[:400]] = None
    return {pattern: list(lines) for pattern, lines in found.items()}
