"""What a report must say of servers that were not launched here."""

from __future__ import annotations

from ablation.plan.advice import CAVEAT
from ablation.plan.plan import Plan


def visited(plan: Plan) -> bool:
    """Whether the servers were someone else's: blocks are then visits."""
    return plan.study.server.launch.kind == "endpoint"


def caveat(plan: Plan) -> list[str]:
    """The sentence that belongs beside the verdict, where launches were not replicated."""
    return [CAVEAT] if visited(plan) else []


def proof(plan: Plan, proved: int, launches: int) -> str:
    """How many launches proved their treatment; of endpoints that nobody could look."""
    if visited(plan):
        return (
            f"Not observable: the servers of these {launches} visits were launched by someone else and show no log. "
            "That each endpoint runs what its arm's name says is its owner's word."
        )
    return f"{proved} of {launches} server launches proved their treatment in their own log."


def noun(plan: Plan) -> str:
    """What a session's server is called."""
    return "visits to running servers" if visited(plan) else "server launches"
