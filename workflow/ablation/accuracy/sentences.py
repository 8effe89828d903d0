"""The verdict on an arm's answers in words: nothing in it that is not in its row."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ablation.accuracy.compare import PhaseResult, Result

MOST_REASONS = 3
TOKENS = {"prefill": "first tokens", "decode": "later tokens"}


def nats(value: float) -> str:
    """A distance with two significant digits: `0.031`, `2.4e-06`."""
    if value == 0:
        return "0"
    return f"{value:.2g}"


def missing_words(why: Sequence[tuple[str, str]], other_sets: int) -> str:
    """Launches that take no part, by reason; an empty text where all do."""
    counts = Counter(f"{arm}: {text.splitlines()[0][:160]}" for arm, text in why)
    parts = [f"{count} of {reason}" for reason, count in counts.most_common(MOST_REASONS)]
    if len(counts) > MOST_REASONS:
        parts.append(f"{len(counts) - MOST_REASONS} other reasons")
    if other_sets:
        parts.append(f"{other_sets} that answered another prompt set")
    return "; ".join(parts)


def sentence(row: Mapping[str, Any], result: Result, missing: str) -> str:
    """The comparison as one or two sentences."""
    who = f"{row['model']}: answers of {row['arm']} against {row['baseline']}"
    out = f" Launches without answers: {missing}." if missing else ""
    if not result.phases:
        return f"{who}: not observed, no launch of both arms has answers to compare.{out}"
    launches = f"{row['n_arm']} and {row['n_baseline']} launches"
    first = (
        f"first tokens equal in {100 * result.equal_first:.0f} % of prompts "
        f"(baseline with itself {_percent(result.equal_first_noise)})"
    )
    seen = [_phase(phase) for phase in result.phases if phase.verdict != "not observed"]
    text = f"{who}: {result.verdict} ({launches}): {'; '.join([*seen, first])}."
    if result.verdict != "different" and result.apart:
        blocks = ", ".join(map(str, result.apart))
        text += f" Single launches are beyond the limit: block {blocks}."
    if result.noise_from == "repeats":
        text += " Only one launch of the baseline: what its launches differ by was not observed."
    return text + out


def _phase(phase: PhaseResult) -> str:
    words = (
        f"{TOKENS[phase.phase]} differ by {nats(phase.median)} (95 %: {nats(phase.p95)}) in log-probability, "
        f"limit {nats(phase.limit_median)} ({nats(phase.limit_p95)}), "
    )
    if math.isnan(phase.noise_median):
        return f"{words}the baseline with itself not observed"
    return f"{words}the baseline with itself {nats(phase.noise_median)} ({nats(phase.noise_p95)})"


def _percent(value: float) -> str:
    return "not observed" if math.isnan(value) else f"{100 * value:.0f} %"
