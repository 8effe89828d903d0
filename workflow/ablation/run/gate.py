"""What one gate says of a run: one of three states, the number that it saw, the one that it allows, and why.

passed        it looked, and what it saw is allowed
failed        it looked, and it is not: the run is kept, and taken out of the comparison
not observed  it could not look: this is no pass, and it takes no run out
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

State = Literal["passed", "failed", "not observed"]
PASSED: State = "passed"
FAILED: State = "failed"
NOT_OBSERVED: State = "not observed"


def gate(name: str, passed: bool | None, value: Any, threshold: Any, text: str) -> dict[str, Any]:
    """One gate's record: {gate, state, value, threshold, text}. `passed` is None where the gate could not look.

    value, threshold  numbers, or None where there is none
    """
    state = NOT_OBSERVED if passed is None else PASSED if passed else FAILED
    return {
        "gate": name,
        "state": state,
        "value": None if value is None else float(value),
        "threshold": None if threshold is None else float(threshold),
        "text": text,
    }


def in_state(gates: Iterable[Mapping[str, Any]], state: State) -> list[Mapping[str, Any]]:
    """The gates that are in a state, in their order."""
    return [gate for gate in gates if gate["state"] == state]


def usable(gates: Iterable[Mapping[str, Any]]) -> bool:
    """True where no gate failed: the run counts."""
    return not in_state(gates, FAILED)


def from_version_1(old: Mapping[str, Any]) -> dict[str, Any]:
    """A gate's record as `ablation.run/1` had it, where "passed" stood also for what was not observed.

    The gate `jit_in_window` of that version looked only at lines that carry a time of their own, by the clock of
    whoever derived the run: where it found nothing, nothing was observed.
    """
    name, text, passed = old["gate"], str(old.get("text", "")), old["passed"]
    if passed and name == "jit_in_window" and not text.startswith("not observed"):
        text = f"not observed: only lines with a time of their own were looked at ({text})"
    if passed and (text.startswith("not observed") or _asked_for_nothing(old)):
        passed = None
    return gate(name, passed, old.get("value"), old.get("threshold"), text)


def _asked_for_nothing(old: Mapping[str, Any]) -> bool:
    """The treatment's gate, where the log could not tell or the study asked for no proof."""
    return old["gate"] == "treatment" and old.get("value") is None
