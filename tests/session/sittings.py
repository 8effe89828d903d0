"""A block of a planned study measured as its job does it, and the evidence of its sessions."""

from __future__ import annotations

import io
from typing import Any

from ablation.plan.schedule import Schedule
from ablation.session.progress import Progress
from ablation.session.session import session_evidence
from ablation.session.store import Store
from ablation.sitting.measure import run_sitting


def measure_block(
    plan: Schedule, store: Store, *, block: int = 1, **options: Any
) -> tuple[dict[str, dict[str, Any]], str]:
    """Measure a block of the first model. Returns (arm -> its session's evidence, what was said)."""
    words = io.StringIO()
    sessions = plan.blocks[plan.plan.sessions[0].model, block]
    found = run_sitting(
        plan.study, sessions, store, lambda s: Progress([words], f"{s.id}:"), **options
    )
    evidence = {
        session.arm: session_evidence(plan.study, session, Store(store.folder), found)
        for session in sessions
    }
    return evidence, words.getvalue()


def first(plan: Schedule, store: Store, **options: Any) -> tuple[dict[str, Any], str]:
    """The same, of the session that is launched first."""
    evidence, words = measure_block(plan, store, **options)
    return evidence[plan.plan.sessions[0].arm], words
