"""A probe in words: one line for the report, a few for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ablation.evidence.expectations import UNTOLD
from ablation.evidence.stages import WORDS

LAST_LINES = 4


def summary(record: Mapping[str, Any]) -> str:
    """`145.27 GiB loaded, died at graph capture: AITER has no kernel for this shape`."""
    memory = record["memory_loaded_gib"]
    loaded = f"{memory:g} GiB loaded, " if memory is not None else ""
    if record["outcome"] == "answered":
        text = f"{loaded}was ready after {record['ready_s']:.0f} s and answered {record['answered']} requests"
        proof = record["treatment"]
        doubtful = proof["passed"] is False or proof.get("state") == UNTOLD
        return f"{text}, but {proof['text']}" if doubtful else text
    failure = record["failure"]
    if failure is None:
        why = record["first_error"] or "no reason was given"
        return f"{loaded}was ready, but answered {record['answered']} of {record['requests']} requests: {why}"
    words = failure["words"] if failure["id"] != "unknown" else failure["line"] or failure["words"]
    return f"{loaded}died {WORDS[record['stage']]}: {words}"


def against_catalogue(record: Mapping[str, Any]) -> str:
    """What the probe means for the catalogue's entry; empty where it calls the arm possible."""
    claim = record["claim"]
    if claim is None:
        return ""
    said = f"{claim['reason']}  [{claim['source']}]"
    if record["stale"]:
        return f"STALE: the catalogue says that this cannot run ({claim['condition']}), and it did: {said}"
    return f"the catalogue says that this cannot run ({claim['condition']}): {said}"


def probe_text(record: Mapping[str, Any]) -> str:
    """A probe as a person reads it on a terminal."""
    simulated = "SIMULATED  " if record["simulated"] else ""
    lines = [f"{simulated}{record['model']}, {record['arm']}: {record['text']}"]
    failure = record["failure"]
    if failure is not None:
        lines += [
            f"    class {failure['id']}, stage {record['stage']}; {failure['remedy']}",
            f"    {failure['line']}",
        ]
    if said := against_catalogue(record):
        lines.append(f"    {said}")
    lines.append(f"    {record['seconds']:.0f} s; log in {record['log']}, which ends with")
    lines += [f"        {line}" for line in record["last_lines"].splitlines()[-LAST_LINES:]]
    return "\n".join(lines) + "\n"
