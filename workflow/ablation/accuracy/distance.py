"""How far the answers of two launches are apart, prompt by prompt.

The unit is a prompt. At one position the distance is the mean |difference of the log-probabilities| over the
tokens that either launch lists among its most probable ones. A token that only one of them lists has, in the
other, at most the log-probability of that one's last listed token: the difference to that bound (or 0) is taken,
so that two answers without a common token are far apart and not incomparable.

`prefill` is the first position. `decode` is the mean over the later positions before which both launches have
given the same tokens: past the first difference they answer different questions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

PHASES = ("prefill", "decode")
TopTokens = dict[str, float]


@dataclass(frozen=True)
class Answer:
    """One answer: its greedy tokens, and the listed log-probabilities at each position."""

    tokens: tuple[str, ...]
    tops: tuple[TopTokens, ...]


@dataclass(frozen=True)
class Launch:
    """The answers of one launch: `answers[repeat][prompt]`."""

    launch_id: str
    model: str
    arm: str
    block: int
    prompt_set: str
    answers: list[list[Answer]] = field(repr=False)


def answers_of(table: pa.Table) -> list[list[Answer]]:
    """The answers in an accuracy.parquet, by repeat and prompt."""
    found: dict[int, dict[int, list[tuple[int, str, TopTokens]]]] = {}
    for row in table.to_pylist():
        top = dict(zip(row["top_tokens"], row["top_logprobs"], strict=True))
        place = found.setdefault(row["repeat"], {}).setdefault(row["prompt"], [])
        place.append((row["position"], row["token"], top))
    return [
        [_answer(prompts[number]) for number in sorted(prompts)]
        for _, prompts in sorted(found.items())
    ]


def _answer(rows: list[tuple[int, str, TopTokens]]) -> Answer:
    rows = sorted(rows, key=lambda row: row[0])
    return Answer(tuple(row[1] for row in rows), tuple(row[2] for row in rows))


def position_distance(one: TopTokens, other: TopTokens) -> float:
    """Nats between two lists of candidates; infinite where a log-probability is no number."""
    if not all(map(math.isfinite, (*one.values(), *other.values()))):
        return math.inf
    last_one, last_other = min(one.values()), min(other.values())
    total = 0.0
    for token, value in one.items():
        if token in other:
            total += abs(value - other[token])
        else:
            total += max(0.0, value - last_other)
    alone = [value for token, value in other.items() if token not in one]
    total += sum(max(0.0, value - last_one) for value in alone)
    return total / (len(one) + len(alone))


def answer_distance(one: Answer, other: Answer) -> tuple[float, float]:
    """Nats between two answers to one prompt, (prefill, decode); NaN where there is nothing to compare."""
    distances = []
    for place, (top, top_other) in enumerate(zip(one.tops, other.tops, strict=True)):
        distances.append(position_distance(top, top_other))
        if one.tokens[place] != other.tokens[place]:
            break
    later = distances[1:]
    return distances[0], sum(later) / len(later) if later else math.nan


@dataclass(frozen=True)
class Distances:
    """Distances among launches, in nats.

    between   (phase, prompt, launch, launch), symmetric; first repeats
    repeats   (phase, prompt, launch): the two repeats of a launch
    equal     (launch, launch): fraction of prompts with the same first token
    equal_repeats  (launch,)
    """

    between: Any
    repeats: Any
    equal: Any
    equal_repeats: Any


def distances(launches: list[Launch]) -> Distances:
    """All distances among launches of one prompt set."""
    n, prompts = len(launches), len(launches[0].answers[0])
    between = np.zeros((len(PHASES), prompts, n, n))
    equal = np.ones((n, n))
    for i in range(n):
        for j in range(i):
            apart, same = _compare(launches[i].answers[0], launches[j].answers[0])
            between[:, :, i, j] = between[:, :, j, i] = apart
            equal[i, j] = equal[j, i] = same
    repeats = np.full((len(PHASES), prompts, n), math.nan)
    equal_repeats = np.full(n, math.nan)
    for i, launch in enumerate(launches):
        if len(launch.answers) > 1:
            repeats[:, :, i], equal_repeats[i] = _compare(launch.answers[0], launch.answers[1])
    return Distances(between, repeats, equal, equal_repeats)


def _compare(one: list[Answer], other: list[Answer]) -> tuple[Any, float]:
    """(phase, prompt) distances, and the fraction of equal first tokens."""
    pairs = list(zip(one, other, strict=True))
    apart = np.array([answer_distance(a, b) for a, b in pairs]).T
    return apart, float(np.mean([a.tokens[0] == b.tokens[0] for a, b in pairs]))
