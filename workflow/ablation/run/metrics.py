"""What a run measured: the window, throughput, concurrency, latencies, goodput.

The window goes from the first to the last moment with at least 95 % of the level in flight, a
request being in flight from its send to its last byte. At level 1 that is the run from first send
to last byte; a level that was never reached has no window, and nothing that is measured in it. An
observation belongs to the window when the moment that completes it does: a TTFT by its first token,
an ITL by its second event, TPOT and E2E by the end of the request.

Throughput counts tokens by when they arrived. A whole request has as many as the server's usage
says; each event has those that the server's running usage gave it, and where it gave none the
request's tokens are spread evenly over its events. A prompt counts when its first token arrives.

ITL is per token: a gap that ends in an event of k tokens stands for k gaps of gap / k (as GuideLLM
divides by tokens; `vllm bench serve` takes each event for one token, and agrees where no events
were merged). Where k is not known, a request's gaps share its tokens after the first evenly, so
that the mean is right. TPOT = (last event - first event) / (output tokens - 1), as in `vllm bench
serve`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ablation.run.sketch import sketch

HELD = 0.95  # of the level: as `vllm bench serve` has it for its steady state
SLICES = 5
QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
SLOS = ("ttft_s", "tpot_s", "e2e_s")


@dataclass(frozen=True, slots=True)
class Window:
    """Seconds since the first send of the run."""

    start: float
    end: float

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.end - self.start

    def holds(self, moments: Any) -> Any:
        """Which moments lie in it (NaN never does)."""
        return (moments >= self.start) & (moments <= self.end)


@dataclass(frozen=True, slots=True)
class InFlight:
    """A step function: `count[i]` requests in flight from `at[i]` to `at[i + 1]` (seconds)."""

    at: Any
    count: Any

    def mean(self, start: float, end: float) -> float:
        """Its time average from start to end."""
        edges = np.clip(np.append(self.at, np.inf), start, end)
        return float((np.diff(edges) * self.count).sum() / (end - start)) if end > start else 0.0


def in_flight(sent: Any, ended: Any) -> InFlight:
    """Requests in flight over time, from the moments of sending and ending (NaN: never sent)."""
    ok = np.isfinite(sent) & np.isfinite(ended)
    at = np.concatenate([sent[ok], ended[ok]])
    step = np.concatenate([np.ones(ok.sum(), int), -np.ones(ok.sum(), int)])
    order = np.lexsort((step, at))  # an end comes before a send at the very same moment
    return InFlight(at[order], np.cumsum(step[order]))


def find_window(flight: InFlight, level: int) -> Window | None:
    """From the first to the last moment with at least 95 % of the level in flight."""
    held = np.flatnonzero(flight.count >= np.ceil(HELD * level - 1e-9))
    if not len(held):
        return None
    window = Window(float(flight.at[held[0]]), float(flight.at[held[-1] + 1]))
    return window if window.seconds > 0 else None


@dataclass(frozen=True, slots=True)
class Events:
    """Every content event of a run, flat: its row, time, tokens; and every gap between two of a
    row."""

    row: Any
    at: Any
    tokens: Any
    gap: Any
    gap_at: Any
    gap_tokens: Any


def flatten(rows: pa.Table) -> Events:
    """The events of a run's rows."""
    counts = column(rows, "events").astype(np.int64)
    row = np.repeat(np.arange(len(rows)), counts)
    at = rows["event_s"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    output = column(rows, "output_tokens")
    with np.errstate(divide="ignore", invalid="ignore"):
        each = np.where(np.isfinite(output), output / counts, 1.0)
        after = np.where(np.isfinite(output), (output - 1) / (counts - 1), 1.0)
    tokens = each[row]
    same = row[1:] == row[:-1]
    gap_tokens = after[row[1:]]
    known = pc.is_valid(rows["event_tokens"]).to_numpy(zero_copy_only=False)[row]
    if known.any():
        told = rows["event_tokens"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
        tokens[known] = told
        gap_tokens = np.where(known[1:], tokens[1:], gap_tokens)
    return Events(row, at, tokens, np.diff(at)[same], at[1:][same], gap_tokens[same])


def summarise(
    rows: pa.Table, run_json: dict[str, Any], slos: dict[str, float] | None = None
) -> dict[str, Any]:
    """What the aggregate holds of one run (its names), and what the gates look at.

    rows      schema.RUN, one row a request
    run_json  the raw record's run.json; the level is spec.concurrency, the client's own figures in `client`
    slos      seconds for any of ttft_s, tpot_s, e2e_s: goodput is requests per second that meet all of them

    Quantities of a window that does not exist are None. Raises ValueError for an unknown SLO.
    """
    if unknown := sorted(set(slos or {}) - set(SLOS)):
        raise ValueError(f"unknown SLO {', '.join(unknown)}; known: {', '.join(SLOS)}")
    level = int(run_json["spec"]["concurrency"])
    sent, ended = column(rows, "sent_s"), column(rows, "ended_s")
    whole = pc.is_null(rows["error_class"]).to_numpy(zero_copy_only=False)
    flight = in_flight(sent, ended)
    window = find_window(flight, level)
    run_s = float(np.nanmax(ended)) if np.isfinite(ended).any() else 0.0
    output = column(rows, "output_tokens")
    events = flatten(rows)
    client = run_json.get("client", {})
    summary: dict[str, Any] = {
        "requests": len(rows),
        "failed_requests": int((~whole).sum()),
        "prompt_tokens": int(np.nansum(column(rows, "prompt_tokens"))),
        "output_tokens": int(np.nansum(output)),
        "events": len(events.at),
        "run_s": run_s,
        "output_throughput_run_tok_s": _ratio(float(np.nansum(output)), run_s),
        "window_start_s": window.start if window else None,
        "window_end_s": window.end if window else None,
        "window_s": window.seconds if window else None,
        "peak_concurrency": int(flight.count.max()) if len(flight.count) else 0,
        "achieved_concurrency": flight.mean(
            *((window.start, window.end) if window else (0.0, run_s))
        ),
        "client_cpu_share": client.get("cpu_share"),
        "event_loop_lag_p99_s": client.get("event_loop_lag_p99_s"),
        "send_delay_p99_s": client.get("send_delay_p99_s"),
    }
    summary |= _throughput(rows, events, whole, window, summary["achieved_concurrency"])
    summary |= _latencies(rows, events, whole, window)
    summary["goodput_req_s"] = _goodput(rows, whole, window, slos)
    return summary


def mark_window(rows: pa.Table, summary: dict[str, Any]) -> pa.Table:
    """The rows with `in_window` set: whole, and ended inside the window."""
    inside = np.zeros(len(rows), dtype=bool)
    if summary["window_s"] is not None:
        window = Window(summary["window_start_s"], summary["window_end_s"])
        whole = pc.is_null(rows["error_class"]).to_numpy(zero_copy_only=False)
        inside = whole & window.holds(column(rows, "ended_s"))
    index = rows.schema.get_field_index("in_window")
    return rows.set_column(index, rows.schema.field(index), pa.array(inside))


def slice_rates(rows: pa.Table, summary: dict[str, Any], slices: int) -> Any:
    """Output tokens per second in equal slices of the window, in order; empty without one."""
    if summary["window_s"] is None:
        return np.array([])
    events = flatten(rows)
    edges = np.linspace(summary["window_start_s"], summary["window_end_s"], slices + 1)
    totals, _ = np.histogram(events.at, edges, weights=events.tokens)
    return totals / (summary["window_s"] / slices)


def column(rows: pa.Table, name: str) -> Any:
    """A numeric column as float64, null as NaN."""
    return rows[name].to_numpy(zero_copy_only=False).astype(np.float64)


def _throughput(
    rows: pa.Table, events: Events, whole: Any, window: Window | None, achieved: float
) -> dict[str, Any]:
    names = (
        "output_throughput_tok_s",
        "total_throughput_tok_s",
        "request_throughput_req_s",
        "achieved_concurrency_little",
        "output_throughput_little_tok_s",
        "window_requests",
    )
    if window is None:
        return dict.fromkeys(names) | {"window_requests": 0, "batch_throughput_tok_s": []}
    inside = window.holds(events.at)
    output = float(events.tokens[inside].sum()) / window.seconds
    prompts = column(rows, "prompt_tokens")[window.holds(column(rows, "first_token_s"))]
    ended = whole & window.holds(column(rows, "ended_s"))
    edges = np.linspace(window.start, window.end, SLICES + 1)
    batches, _ = np.histogram(events.at, edges, weights=events.tokens)
    # Little's law, L = lambda W, with lambda taken as tokens/s over tokens per request: a request
    # that the window cuts then counts by its part inside, also where all requests end at the same
    # moment.
    e2e, tokens = column(rows, "e2e_s")[whole], column(rows, "output_tokens")[whole]
    little = _ratio(output * float(e2e.sum()), float(np.nansum(tokens)))
    # The other way round, from whole requests alone: what is in flight, times what a request gives in
    # its time. Tokens that are counted in a window depend on the phase, prefill or decode, in which
    # its ends cut the requests; this does not.
    each = _ratio(float(np.nansum(tokens[ended[whole]])), float(e2e[ended[whole]].sum()))
    return {
        "output_throughput_tok_s": output,
        "total_throughput_tok_s": output + float(np.nansum(prompts)) / window.seconds,
        "request_throughput_req_s": int(ended.sum()) / window.seconds,
        "achieved_concurrency_little": little,
        "output_throughput_little_tok_s": None if each is None else achieved * each,
        "window_requests": int(ended.sum()),
        "batch_throughput_tok_s": (batches / (window.seconds / SLICES)).tolist(),
    }


def sketches(rows: pa.Table, summary: dict[str, Any]) -> dict[str, Any]:
    """The latencies' distributions (`ttft_sketch`, ...) of a run whose summary lacks them."""
    whole = pc.is_null(rows["error_class"]).to_numpy(zero_copy_only=False)
    window = None
    if summary["window_s"] is not None:
        window = Window(summary["window_start_s"], summary["window_end_s"])
    observed = _observed(rows, flatten(rows), whole, window)
    return {f"{name}_sketch": sketch(values, weights) for name, values, weights in observed}


def _observed(
    rows: pa.Table, events: Events, whole: Any, window: Window | None
) -> Iterator[tuple[str, Any, Any]]:
    """Each latency's name, its observations in the window (s), and their weights (None: one each)."""
    window = window or Window(np.inf, -np.inf)
    for name, moment in (("ttft", "first_token_s"), ("tpot", "ended_s"), ("e2e", "ended_s")):
        values = column(rows, f"{name}_s")[whole & window.holds(column(rows, moment))]
        yield name, values[np.isfinite(values)], None
    ok = window.holds(events.gap_at) & (events.gap_tokens > 0)
    yield "itl", events.gap[ok] / events.gap_tokens[ok], events.gap_tokens[ok]


def _latencies(rows: pa.Table, events: Events, whole: Any, window: Window | None) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, values, weights in _observed(rows, events, whole, window):
        result |= _distribution(name, values, weights)
        result[f"{name}_sketch"] = sketch(values, weights)
    return result


def _distribution(name: str, values: Any, weights: Any = None) -> dict[str, Any]:
    names = [f"{name}_{statistic}_s" for statistic in ("mean", *QUANTILES)]
    count = {f"{name}_count": len(values)}
    if not len(values):
        return dict.fromkeys(names) | count
    at = list(QUANTILES.values())
    if weights is None:
        quantiles = np.quantile(values, at)
    else:
        quantiles = np.quantile(values, at, weights=weights, method="inverted_cdf")
    mean = float(np.average(values, weights=weights))
    return dict(zip(names, [mean, *quantiles.tolist()], strict=True)) | count


def _goodput(
    rows: pa.Table, whole: Any, window: Window | None, slos: dict[str, float] | None
) -> float | None:
    if not slos or window is None:
        return None
    good = whole & window.holds(column(rows, "ended_s"))
    for name, limit in slos.items():
        good &= ~(column(rows, name) > limit)  # no TPOT (one token) breaks no limit
    return float(good.sum()) / window.seconds


def _ratio(a: float, b: float) -> float | None:
    return a / b if b > 0 else None
