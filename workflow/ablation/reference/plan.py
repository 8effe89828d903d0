"""What the reference server is told to do: its planted schedule and its faults."""

from __future__ import annotations

import random
from dataclasses import dataclass

FAULTS = {
    "refuse": "stop listening once this request has come, and close idle connections",
    "reset": "RST in the middle of the stream",
    "close": "FIN in the middle of the stream",
    "hang": "send half of the stream, then nothing",
    "status": "answer HTTP 500",
    "not_http": "send bytes that are no HTTP",
    "malformed": "send an event that is not JSON",
    "not_utf8": "send an event that is not UTF-8",
    "huge": "send one token as an event of 1 MiB (valid)",
    "cut": "send the stream in pieces of 1 to 7 bytes (valid)",
    "error_event": "report an error inside the stream",
    "no_usage": "leave the usage out",
    "short": "stop one token early",
    "long": "send one token too many",
    "death": "end the process, without a word",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault, and which requests have it: every n-th, from the n-th on."""

    kind: str
    every: int

    @staticmethod
    def parse(text: str) -> Fault:
        """From KIND:EVERY, as on the command line. Raises ValueError."""
        kind, _, every = text.partition(":")
        if kind not in FAULTS:
            raise ValueError(f"unknown fault {kind!r}; known: {', '.join(FAULTS)}")
        if not every.isdigit() or int(every) < 1:
            raise ValueError(
                f"{text!r}: write KIND:EVERY, every n-th request, for example {kind}:10"
            )
        return Fault(kind, int(every))


@dataclass(frozen=True, slots=True)
class Schedule:
    """When tokens are due.

    ttft_s            from the arrival of a request to its first token
    itl_s             between two tokens, plus
    itl_per_active_s  so much for each request that is being served
    jitter_s          standard deviation of a normal error on every interval (never below 0)
    prefill_s         added to ttft_s for each prompt token
    tokens_per_event  tokens that are merged into one event, due with the last of them
    events_per_write  events that are written together, due with the last of them
    slots             requests served at once (None: all); others wait, first come first served
    slowdown          factor on every interval
    """

    ttft_s: float = 0.05
    itl_s: float = 0.02
    itl_per_active_s: float = 0.0
    jitter_s: float = 0.0
    prefill_s: float = 0.0
    tokens_per_event: int = 1
    events_per_write: int = 1
    slots: int | None = None
    slowdown: float = 1.0

    def first(self, prompt_tokens: int, rng: random.Random) -> float:
        """Seconds from the start of a request to its first token."""
        return self._interval(self.ttft_s + self.prefill_s * prompt_tokens, rng)

    def next(self, tokens: int, active: int, rng: random.Random) -> float:
        """Seconds that the next so many tokens take."""
        return self._interval(tokens * (self.itl_s + self.itl_per_active_s * active), rng)

    def _interval(self, seconds: float, rng: random.Random) -> float:
        if self.jitter_s:
            seconds += rng.gauss(0.0, self.jitter_s)
        return max(0.0, seconds * self.slowdown)
