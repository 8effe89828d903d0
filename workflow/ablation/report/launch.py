"""What a report must say of servers that were not launched here."""

from __future__ import annotations

from collections.abc import Sequence

from ablation.evidence.expectations import PROVED, REFUTED, UNTOLD
from ablation.evidence.treatment import NOTHING, Outcome
from ablation.plan.advice import CAVEAT
from ablation.plan.plan import Plan


def visited(plan: Plan) -> bool:
    """Whether the servers were someone else's: blocks are then visits."""
    return plan.study.server.launch.kind == "endpoint"


def caveat(plan: Plan) -> list[str]:
    """The sentence that belongs beside the verdict, where launches were not replicated."""
    return [CAVEAT] if visited(plan) else []


def proof(plan: Plan, states: Sequence[Outcome]) -> str:
    """How many launches proved their treatment, and what the others did; of endpoints that nobody could look."""
    if visited(plan):
        return (
            f"Not observable: the servers of these {len(states)} visits were launched by someone else and show no log. "
            "That each endpoint runs what its arm's name says is its owner's word."
        )
    others = {
        REFUTED: "the log of {} speaks against it",
        UNTOLD: "of {} it cannot be told from the log",
        NOTHING: "{} had nothing to prove",
    }
    proved = states.count(PROVED)
    more = [
        words.format(count) for state, words in others.items() if (count := states.count(state))
    ]
    told = f"{proved} of {len(states)} server launches proved their treatment in their own log"
    return f"{'; '.join([told, *more])}."


def noun(plan: Plan) -> str:
    """What a session's server is called."""
    return "visits to running servers" if visited(plan) else "server launches"
