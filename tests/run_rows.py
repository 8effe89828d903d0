"""Rows of a run with a known truth, made without a server."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from ablation.run.schema import RUN


def request(
    sent: float,
    first: float,
    gap: float,
    tokens: int,
    *,
    per_event: int = 1,
    told: bool = False,
    prompt: int = 10,
    error: str | None = None,
) -> dict[str, Any]:
    """A request sent at `sent` with its first token at `first` and one event every `gap` after."""
    events = [first + gap * i for i in range(-(-tokens // per_event))]
    counts = [min(per_event, tokens - per_event * i) for i in range(len(events))]
    ended = events[-1]
    return {
        "worker": 0,
        "scheduled_s": sent,
        "sent_s": sent,
        "first_byte_s": first,
        "first_token_s": first,
        "ended_s": ended,
        "status": 200,
        "error_class": error,
        "error_text": error and f"it was {error}",
        "prompt_tokens_asked": prompt,
        "output_tokens_asked": tokens,
        "prompt_tokens": prompt,
        "output_tokens": tokens,
        "events": len(events),
        "event_s": events,
        "event_tokens": counts if told else None,
        "ttft_s": first - sent,
        "tpot_s": (ended - first) / (tokens - 1) if tokens > 1 else None,
        "e2e_s": None if error else ended - sent,
        "in_window": False,
    }


def unsent(error: str = "refused") -> dict[str, Any]:
    """A request whose connection could not be opened."""
    row = request(0, 0, 0, 1, error=error) | {"event_s": [], "events": 0}
    names = ("sent_s", "first_byte_s", "first_token_s", "status", "prompt_tokens", "output_tokens")
    return row | dict.fromkeys((*names, "ttft_s"))


def table(requests: list[dict[str, Any]]) -> pa.Table:
    """As schema.RUN."""
    return pa.Table.from_pylist([{"request": i, **r} for i, r in enumerate(requests)], RUN)


def closed_loop(
    level: int, count: int, *, ttft: float = 0.1, gap: float = 0.01, tokens: int = 91
) -> list[dict[str, Any]]:
    """Slots that send again 1 us after an answer; arrivals spread over one request."""
    length = ttft + gap * (tokens - 1)
    made = []
    for index in range(count):
        sent = length * (index % level) / level + (length + 1e-6) * (index // level)
        made.append(request(sent, sent + ttft, gap, tokens))
    return made


def one_engine(
    level: int, count: int, ramp: float, *, tokens: int = 128, decode: float = 0.008, prefill: float
) -> list[dict[str, Any]]:
    """A server that computes in steps: each gives every running request a token in `decode` s, and
    takes `prefill` s more when it also begins a request. So requests hold each other up, as they do
    in vLLM, and stay in the phases in which they were sent."""
    arrivals = [ramp * i / level for i in range(level)]
    waiting: list[tuple[float, list[float]]] = []
    running: list[tuple[float, list[float]]] = []
    done: list[tuple[float, list[float]]] = []
    now, begun = 0.0, 0
    while len(done) < count:
        while arrivals and (arrivals[0] <= now or not (waiting or running)):
            now = max(now, arrivals[0])
            waiting.append((arrivals.pop(0), []))
            begun += 1
        now += decode * bool(running)
        if waiting:
            now += prefill
            running.append(waiting.pop(0))
        for sent, events in list(running):
            events.append(now)
            if len(events) == tokens:
                running.remove((sent, events))
                done.append((sent, events))
                if begun < count:
                    waiting.append((now + 1e-6, []))
                    begun += 1
    made = []
    for sent, events in sorted(done):
        whole = {"event_s": events, "ended_s": events[-1], "e2e_s": events[-1] - sent}
        tpot = (events[-1] - events[0]) / (tokens - 1)
        made.append(request(sent, events[0], 0, tokens) | whole | {"tpot_s": tpot})
    return made


def run_json(level: int, **more: Any) -> dict[str, Any]:
    """What metrics and gates read of a record's run.json."""
    return {
        "spec": {"concurrency": level},
        "first_send_ns": 5_000_000_000,
        "clock": {"monotonic_ns": 4_000_000_000, "unix_ns": 1_000_000_000_000_000_000},
        "client": {
            "cpu_share": 0.2,
            "event_loop_lag_p99_s": 0.001,
            "send_delay_p99_s": 0.001,
        },
        "server_counters": {"before": {}, "after": {}},
    } | more
