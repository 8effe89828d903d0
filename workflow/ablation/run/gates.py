"""Conditions that a run must meet to count. A failed gate keeps the data and takes the run out of
the comparison, with its reason.

Every gate says what it saw against what it allows. Where there is nothing to look at (no counters,
no log), it is not observed, which is no pass (run/gate.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ablation.client.failures import WRONG_LENGTH
from ablation.run.compilation import ServerLog, jit_in_window
from ablation.run.gate import gate
from ablation.run.metrics import slice_rates

TREND_SLICES = 10
# Every gate of a run, in the order of its record; the last is judged with the launch (run/derive.py).
GATES = (
    "achieved_concurrency",
    "failures",
    "token_counts",
    "server_counters",
    "client_bottleneck",
    "steady_state",
    "littles_law",
    "jit_in_window",
    "prefix_cache_hits",
    "throttling",
    "treatment",
)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What a run may do and still count.

    achieved_concurrency_min  mean in flight inside the window, as a fraction of the level
    window_requests_min       requests that ended inside the window, as a multiple of the level
    failed_max                failed requests, as a fraction of all
    inexact_tokens_max        requests whose prompt or output length is not the one asked for
    counter_difference_max    client's against server's token counts, as a fraction
    client_cpu_share_max      of one core, the busiest client process
    event_loop_lag_p99_max_s  seconds
    send_delay_p99_max_s      seconds from a free slot to the request's bytes on the socket
    trend_max                 change of throughput over the window, as a fraction of its mean ...
    trend_p                   ... that fails when noise would bring it less often than this
    littles_law_max           output throughput by counting against that by Little's law, as a fraction
    jit_lines_max             builds and compilations of kernels in the window, in part or whole, by the server's log
    prefix_cache_hits_max     prompt tokens found in the prefix cache, as a fraction of those looked up
    throttled_max             telemetry samples in the window that show throttling, as a fraction
    """

    achieved_concurrency_min: float = 0.95
    window_requests_min: float = 1.0
    failed_max: float = 0.0
    inexact_tokens_max: int = 0
    counter_difference_max: float = 0.0
    client_cpu_share_max: float = 0.8
    event_loop_lag_p99_max_s: float = 0.02
    send_delay_p99_max_s: float = 0.02
    trend_max: float = 0.2
    trend_p: float = 0.01
    littles_law_max: float = 0.05
    jit_lines_max: int = 0
    prefix_cache_hits_max: float = 0.0
    throttled_max: float = 0.01


def judge(
    summary: dict[str, Any],
    rows: pa.Table,
    run_json: dict[str, Any],
    thresholds: Thresholds | dict[str, Any] | None = None,
    log: ServerLog | None = None,
) -> list[dict[str, Any]]:
    """Judge every gate: [{gate, state, value, threshold, text}], always all of GATES but the last, in their order.

    summary           of `metrics.summarise`
    rows              schema.RUN
    log               the server's; None where there is none
    value, threshold  numbers, or None where nothing was observed
    """
    if isinstance(thresholds, dict):
        thresholds = Thresholds(**thresholds)
    limits = thresholds or Thresholds()
    return [
        _achieved_concurrency(summary, run_json, limits),
        _failures(rows, limits),
        _token_counts(rows, limits),
        _server_counters(summary, rows, run_json, limits),
        _client_bottleneck(summary, limits),
        _steady_state(summary, rows, limits),
        _littles_law(summary, limits),
        jit_in_window(summary, run_json, log, limits.jit_lines_max),
        _prefix_cache_hits(run_json, limits),
        _throttling(summary, limits),
    ]


def defaults() -> dict[str, float]:
    """The default thresholds."""
    return asdict(Thresholds())


def _achieved_concurrency(summary: dict[str, Any], run_json: dict[str, Any], t: Thresholds) -> Any:
    level = int(run_json["spec"]["concurrency"])
    least = t.achieved_concurrency_min * level
    if summary["window_s"] is None:
        peak = summary["peak_concurrency"]
        text = (
            f"at most {peak} of {level} were ever in flight, so there is no window to measure in; "
            "ask for more requests, or look for a limit in the server (max_num_seqs) or before it"
        )
        return gate("achieved_concurrency", False, peak, least, text)
    achieved, little = summary["achieved_concurrency"], summary["achieved_concurrency_little"]
    ended, needed = summary["window_requests"], t.window_requests_min * level
    by_little = f"{little:.1f}" if little is not None else "unknown"
    text = (
        f"{achieved:.1f} of {level} in flight in the window by counting ({by_little} by Little's law), "
        f"{ended} requests ended in it"
    )
    if ended < needed:
        text += f"; fewer than {needed:.0f} is too short a window: ask for more requests"
    passed = achieved >= least and ended >= needed
    return gate("achieved_concurrency", passed, achieved, least, text)


def _failures(rows: pa.Table, t: Thresholds) -> Any:
    classes = Counter(
        c for c in rows["error_class"].to_pylist() if c is not None and c not in WRONG_LENGTH
    )
    total = sum(classes.values())
    share = total / len(rows) if len(rows) else 1.0
    if not len(rows):
        text = "no request was made"
    elif total:
        first = next(
            text
            for kind, text in zip(
                rows["error_class"].to_pylist(), rows["error_text"].to_pylist(), strict=True
            )
            if kind in classes
        )
        kinds = ", ".join(f"{count} {kind}" for kind, count in classes.most_common())
        text = f"{total} of {len(rows)} requests failed ({kinds}); the first: {first}"
    else:
        text = f"none of {len(rows)} requests failed"
    return gate("failures", share <= t.failed_max, share, t.failed_max, text)


def _token_counts(rows: pa.Table, t: Thresholds) -> Any:
    wrong: dict[str, int] = {}
    asked_any = False
    for side in ("prompt_tokens", "output_tokens"):
        asked, got = rows[f"{side}_asked"], rows[side]
        asked_any |= asked.null_count < len(asked)
        wrong[side] = pc.sum(pc.not_equal(asked, got)).as_py() or 0
    total = sum(wrong.values())
    if not asked_any:
        return gate("token_counts", None, None, None, "not observed: no exact length was asked for")
    text = "every length is the one asked for, by the server's usage"
    if total:
        text = (
            f"{wrong['prompt_tokens']} prompts and {wrong['output_tokens']} outputs are not of the length "
            "asked for; is the vocabulary size the model's, and is ignore_eos obeyed?"
        )
    return gate("token_counts", total <= t.inexact_tokens_max, total, t.inexact_tokens_max, text)


def _delta(run_json: dict[str, Any], name: str) -> float | None:
    before, after = _counters(run_json)
    return after[name] - before[name] if name in before and name in after else None


def _counters(run_json: dict[str, Any]) -> tuple[dict[str, float], dict[str, float]]:
    counters = run_json.get("server_counters") or {}
    return counters.get("before") or {}, counters.get("after") or {}


def _vanished(run_json: dict[str, Any], names: Iterable[str]) -> str:
    """Says that counters were there before the run and not after it, which no healthy server does; else empty."""
    before, after = _counters(run_json)
    gone = [name for name in names if name in before and name not in after]
    if not gone:
        return ""
    return (
        f"the server showed {', '.join(gone)} on /metrics before the run and not after it: it has died, or does not "
        "answer any more; look at the end of its log, then measure again"
    )


def _server_counters(summary: dict[str, Any], rows: pa.Table, run_json: Any, t: Thresholds) -> Any:
    pairs = {
        "generation_tokens": summary["output_tokens"],
        "prompt_tokens": summary["prompt_tokens"],
        "request_success": rows["error_class"].null_count,
    }
    if gone := _vanished(run_json, pairs):
        return gate("server_counters", False, None, t.counter_difference_max, gone)
    seen = {name: _delta(run_json, name) for name in pairs}
    known = {name: value for name, value in seen.items() if value is not None}
    if not known:
        late = "" if not _counters(run_json)[1] else " before the run"
        text = f"not observed: the server shows no counters on /metrics{late}"
        return gate("server_counters", None, None, t.counter_difference_max, text)
    differences = {
        name: abs(value - pairs[name]) / max(value, pairs[name], 1) for name, value in known.items()
    }
    worst = max(differences.values())
    said = ", ".join(f"{n} {v:.0f} (client: {pairs[n]})" for n, v in known.items())
    text = f"the server counted {said}"
    passed = worst <= t.counter_difference_max
    if not passed:
        text += "; something else used the server, or requests were lost"
    return gate("server_counters", passed, worst, t.counter_difference_max, text)


def _client_bottleneck(summary: dict[str, Any], t: Thresholds) -> Any:
    looked = [
        ("client_cpu_share", t.client_cpu_share_max, "{:.0%} of a core", 1.0),
        ("event_loop_lag_p99_s", t.event_loop_lag_p99_max_s, "event-loop lag p99 {:.1f} ms", 1e3),
        ("send_delay_p99_s", t.send_delay_p99_max_s, "send delay p99 {:.1f} ms", 1e3),
    ]
    seen = [(summary[name], limit, form, k) for name, limit, form, k in looked]
    seen = [item for item in seen if item[0] is not None]
    if not seen:
        return gate(
            "client_bottleneck", None, None, None, "not observed: the client did not measure itself"
        )
    # The value is the worst of the three as a fraction of its own limit.
    worst = max(value / limit for value, limit, _, _ in seen)
    text = "the client used " + ", ".join(form.format(value * k) for value, _, form, k in seen)
    if worst > 1:
        text += "; the client was held up: give it more workers, or a core that nothing else uses"
    return gate("client_bottleneck", worst <= 1, worst, 1.0, text)


def _steady_state(summary: dict[str, Any], rows: pa.Table, t: Thresholds) -> Any:
    rates = slice_rates(rows, summary, TREND_SLICES)
    if not len(rates) or rates.mean() == 0:
        text = "not observed: there is no window"
        return gate("steady_state", None, None, t.trend_max, text)
    # Here, not above: it takes half a second to import, and there is one job a run.
    from scipy import stats

    fit = stats.linregress(range(TREND_SLICES), rates)
    change = float(fit.slope) * (TREND_SLICES - 1) / float(rates.mean())
    passed = abs(change) <= t.trend_max or float(fit.pvalue) >= t.trend_p
    text = f"throughput changes by {change:+.1%} over the window (p = {fit.pvalue:.2g})"
    if not passed:
        text += "; it was not steady: warm up for longer, or look for throttling or a growing queue"
    return gate("steady_state", passed, abs(change), t.trend_max, text)


def _littles_law(summary: dict[str, Any], t: Thresholds) -> Any:
    """Two estimates of one throughput: they part where the window cuts the requests at one phase.

    L = lambda W (Little 1961): with L in flight, W seconds and n tokens a request, n L / W tokens/s.
    On an H100 with 3 requests for each in flight and a ramp that was shorter than a request, prefill
    was 13 and 18 % too rare in the window, and a true difference of 9 % was seen as 7 (docs/h100-attention.md).
    """
    counted, little = summary["output_throughput_tok_s"], summary["output_throughput_little_tok_s"]
    if not counted or not little:
        text = "not observed: no request ended in a window"
        return gate("littles_law", None, None, t.littles_law_max, text)
    apart = counted / little - 1
    text = (
        f"{counted:,.1f} tok/s counted in the window, {little:,.1f} by Little's law from the "
        f"{summary['window_requests']} requests that ended in it: {apart:+.1%}"
    )
    passed = abs(apart) <= t.littles_law_max
    if not passed:
        text += (
            "; the window cuts the requests so that one phase, prefill or decode, is in it too often: ask for more "
            "requests (workload.requests), or ramp over a little less than the time of one "
            f"({summary['e2e_mean_s']:.2g} s)"
        )
    return gate("littles_law", passed, abs(apart), t.littles_law_max, text)


def _prefix_cache_hits(run_json: dict[str, Any], t: Thresholds) -> Any:
    if gone := _vanished(run_json, ("prefix_cache_hits", "prefix_cache_queries")):
        return gate("prefix_cache_hits", False, None, t.prefix_cache_hits_max, gone)
    hits = _delta(run_json, "prefix_cache_hits")
    queries = _delta(run_json, "prefix_cache_queries")
    if hits is None:
        text = "not observed: the server shows no prefix-cache counters"
        return gate("prefix_cache_hits", None, None, t.prefix_cache_hits_max, text)
    if hits < 0:
        text = "the counter of prefix-cache hits fell: the server was started anew during the run"
        return gate("prefix_cache_hits", False, hits, t.prefix_cache_hits_max, text)
    share = hits / queries if queries else float(hits > 0)
    text = f"{hits:.0f} prompt tokens came from the prefix cache"
    passed = share <= t.prefix_cache_hits_max
    if not passed:
        text += f" ({share:.1%}); serve with --no-enable-prefix-caching"
    return gate("prefix_cache_hits", passed, share, t.prefix_cache_hits_max, text)


def _throttling(summary: dict[str, Any], t: Thresholds) -> Any:
    share, capped = summary.get("throttled_fraction"), summary.get("power_capped_fraction")
    if share is None:
        why = summary.get("telemetry_text") or "not observed: the launch has no telemetry"
        if not why.startswith("not observed"):
            samples = summary.get("telemetry_samples")
            told = "no throttle reasons are told" if samples else "no sample fell into the window"
            why = f"not observed: {told} ({why})"
        return gate("throttling", None, None, t.throttled_max, why)
    text = f"{share:.1%} of the samples in the window show throttling by heat, a power brake or the hardware"
    if capped:
        text += (
            f"; {capped:.1%} are at the power limit, which does not fail: a device under full load runs at its "
            "limit, and what it does there is what is measured"
        )
    passed = share <= t.throttled_max
    if passed and summary.get("throttle_hole"):
        why = f"not observed over the whole window: {summary['throttle_hole']}; {text}"
        return gate("throttling", None, share, t.throttled_max, why)
    if not passed:
        seen = ", ".join(summary["throttle_reasons"])
        text += f". Seen: {seen}; look at cooling, power supply and neighbours, then measure again"
    return gate("throttling", passed, share, t.throttled_max, text)
