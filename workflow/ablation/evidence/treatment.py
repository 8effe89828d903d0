"""Did the treatment happen? The study's own expressions, and what the arm's settings promise."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from ablation.evidence.backends import unknown_variables
from ablation.evidence.expectations import findings
from ablation.evidence.lines import matching
from ablation.study.config import Arm

MOST_MARKS = 40


def treatment(log: str, arm: Arm, arms: Iterable[Arm] = ()) -> dict[str, Any]:
    """What a server's log says of an arm's treatment.

    `arms` are all arms of the study: lines that any of their expressions match are kept as `marks`, so that
    the logs of two arms can be compared later.

    Returns {"passed": True, False or None (no proof was asked for, or the log cannot give it), "text": a sentence,
    "found": lines, "found_against": lines, "settings": [{"setting", "kept", "text"}], "unknown_variables": [...],
    "marks": lines, "evidence": the expression, "counter_evidence": the expression}.
    """
    found = matching(log, re.compile(arm.evidence)) if arm.evidence else []
    against = matching(log, re.compile(arm.counter_evidence)) if arm.counter_evidence else []
    settings = findings(log, arm)
    unknown = unknown_variables(log)
    result: dict[str, Any] = {
        "evidence": arm.evidence,
        "counter_evidence": arm.counter_evidence,
        "found": found[:10],
        "found_against": against[:10],
        "settings": [
            {"setting": one.setting, "kept": one.kept, "text": one.text} for one in settings
        ],
        "unknown_variables": unknown,
        "marks": marks(log, [arm, *arms]),
    }
    broken = [one for one in settings if one.kept is False]
    kept = [one for one in settings if one.kept]
    silent = [one for one in settings if one.kept is None]
    if unknown:
        text = (
            f"the server does not know {', '.join(unknown)}: what it was to change did not change"
        )
        return result | {"passed": False, "text": text}
    if against:
        text = f"the server's log speaks against the treatment: {against[0]}"
        return result | {"passed": False, "text": text}
    if broken:
        return result | {"passed": False, "text": broken[0].text}
    if arm.evidence and not found:
        return result | {
            "passed": False,
            "text": f"no line of the server's log matches {arm.evidence!r}",
        }
    if arm.evidence:
        return result | {"passed": True, "text": found[0]}
    if silent:
        text = f"{silent[0].text}, so the treatment is not shown; state `evidence`, if another line shows it"
        return result | {"passed": False, "text": text}
    if kept:
        return result | {"passed": True, "text": "; ".join(one.text for one in kept)}
    return result | {"passed": None, "text": "the study asks for no proof of this arm's treatment"}


def marks(log: str, arms: Iterable[Arm]) -> list[str]:
    """Lines that an expression of any arm matches."""
    patterns = sorted({p for arm in arms for p in (arm.evidence, arm.counter_evidence) if p})
    found = [line for pattern in patterns for line in matching(log, re.compile(pattern))]
    return sorted(set(found))[:MOST_MARKS]
