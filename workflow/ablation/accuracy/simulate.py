"""Launches with known truth: how often the rule calls arms different that are not, and misses those that are.

A logit is that of the model (normal, SD 2 over 64 candidates), plus a rounding error of the request, plus one of
the launch, plus that of the launch's mode (every launch is in one of two, at random), plus, in the arm, the
planted error; each a normal function of (prompt, position) with the SD stated. Decode contexts follow the greedy
tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ablation.accuracy.compare import Rule, compare_launches
from ablation.accuracy.distance import Answer, Launch

CANDIDATES = 64
SPREAD = 2.0


@dataclass(frozen=True)
class Noise:
    """SD in nats of what is added to each logit."""

    request: float = 0.02
    launch: float = 0.0
    mode: float = 0.0


@dataclass(frozen=True)
class Asked:
    """The prompt set."""

    prompts: int = 16
    tokens: int = 4
    top: int = 10


def simulate(
    rng: np.random.Generator,
    launches: int,
    noise: Noise,
    error: float = 0.0,
    share: float = 1.0,
    asked: Asked = Asked(),
) -> tuple[list[Launch], list[Launch]]:
    """(arm, baseline): so many launches each; `share` of the prompts are touched by the error."""
    shape = (asked.prompts, asked.tokens, CANDIDATES)
    truth = SPREAD * rng.standard_normal(shape)
    touched = rng.permutation(asked.prompts) < round(share * asked.prompts)
    wrong = error * rng.standard_normal(shape) * touched[:, None, None]
    modes = noise.mode * rng.standard_normal((2, *shape))

    def launch(arm: str, number: int, planted: Any) -> Launch:
        own = noise.launch * rng.standard_normal(shape) + modes[rng.integers(2)]
        answers = [
            _answers(truth + planted + own + noise.request * rng.standard_normal(shape), asked.top)
            for _ in range(2)
        ]
        return Launch(f"{arm}-{number}", "simulated", arm, number, "set", answers)

    return (
        [launch("arm", n, wrong) for n in range(1, launches + 1)],
        [launch("baseline", n, 0.0) for n in range(1, launches + 1)],
    )


def _answers(logits: Any, top: int) -> list[Answer]:
    logprobs = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    order = np.argsort(-logprobs, axis=-1)[..., :top]
    values = np.take_along_axis(logprobs, order, axis=-1)
    return [
        Answer(
            tuple(str(ids[0]) for ids in prompt),
            tuple(dict(zip(map(str, ids), found, strict=True)) for ids, found in zip(prompt, row, strict=True)),
        )
        for prompt, row in zip(order.tolist(), values.tolist(), strict=True)
    ]  # fmt: skip


def rate_of_different(
    rng: np.random.Generator,
    studies: int,
    launches: int,
    noise: Noise,
    rule: Rule,
    *,
    error: float = 0.0,
    share: float = 1.0,
) -> float:
    """Fraction of simulated studies whose arms are called different."""
    found = [
        compare_launches(*simulate(rng, launches, noise, error, share), rule).verdict
        for _ in range(studies)
    ]
    return found.count("different") / studies
