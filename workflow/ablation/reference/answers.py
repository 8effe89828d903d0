"""Log-probabilities of the simulated server: a function of the prompt and the tokens so far.

`noise` is drawn anew for each request, as a kernel's is by the composition of its batch; `launch` once for each
launch; `error` is planted: a function of the context alone, as wrong weights are.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import numpy as np

CANDIDATES = 64  # token ids that have any probability
SPREAD = 2.0  # standard deviation of their logits


@dataclass(frozen=True, slots=True)
class Answers:
    """Standard deviations, in nats, of what is added to each logit."""

    noise: float = 0.0
    launch: float = 0.0
    error: float = 0.0
    seed: int = 0

    def complete(self, prompt: Any, tokens: int, top: int) -> dict[str, Any]:
        """The `logprobs` of a completion of so many greedy tokens, with `top` candidates at each."""
        chosen: list[str] = []
        values: list[float] = []
        tops: list[dict[str, float]] = []
        for _ in range(tokens):
            logprobs = self._logprobs(prompt, chosen)
            order = np.argsort(-logprobs, kind="stable")[: max(top, 1)]
            tops.append({f"token_id:{int(i)}": float(logprobs[i]) for i in order})
            chosen.append(f"token_id:{int(order[0])}")
            values.append(float(logprobs[order[0]]))
        return {"tokens": chosen, "token_logprobs": values, "top_logprobs": tops, "text_offset": []}

    def _logprobs(self, prompt: Any, chosen: list[str]) -> Any:
        logits = SPREAD * _normal("model", prompt, chosen)
        if self.error:
            logits = logits + self.error * _normal("error", prompt, chosen)
        if self.launch:
            logits = logits + self.launch * _normal(f"launch {self.seed}", prompt, chosen)
        if self.noise:
            logits = logits + self.noise * np.random.default_rng().standard_normal(CANDIDATES)
        return logits - np.log(np.exp(logits).sum())


def _normal(what: str, prompt: Any, chosen: list[str]) -> Any:
    text = json.dumps([what, prompt, chosen], separators=(",", ":")).encode()
    seed = int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")
    return np.random.default_rng(seed).standard_normal(CANDIDATES)
