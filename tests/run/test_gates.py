"""Each gate, passing and failing, with a text that says why."""

from __future__ import annotations

import re
from dataclasses import asdict, fields
from typing import Any

import pytest

from ablation.run.gates import Thresholds, defaults, judge
from ablation.run.metrics import summarise
from tests.run_rows import closed_loop, one_engine, request, run_json, table, unsent

NAMES = [
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
]


def gates(
    requests: list[dict[str, Any]],
    level: int = 10,
    thresholds: Any = None,
    log: list[dict[str, Any]] | None = None,
    **more: Any,
) -> dict[str, dict[str, Any]]:
    run, rows = run_json(level, **more), table(requests)
    evidence = None if log is None else {"log": log}
    judged = judge(summarise(rows, run), rows, run, thresholds, evidence)
    assert [gate["gate"] for gate in judged] == NAMES
    assert all(gate["text"] and isinstance(gate["passed"], bool) for gate in judged)
    return {gate["gate"]: gate for gate in judged}


def counters(**after: float) -> dict[str, Any]:
    return {"server_counters": {"before": dict.fromkeys(after, 5.0), "after": after}}


def test_a_good_run_passes_all() -> None:
    judged = gates(closed_loop(10, 100))
    assert [name for name, gate in judged.items() if not gate["passed"]] == []


def test_80_of_100_in_flight_fail() -> None:
    gate = gates(closed_loop(80, 400), level=100)["achieved_concurrency"]
    assert (gate["passed"], gate["value"], gate["threshold"]) == (False, 80.0, 95.0)
    assert "at most 80 of 100" in gate["text"]


def test_a_window_too_short_fails() -> None:
    gate = gates(closed_loop(10, 12))["achieved_concurrency"]
    assert not gate["passed"]
    assert "too short a window" in gate["text"]


def test_failures() -> None:
    requests = [*closed_loop(10, 98), unsent(), request(5, 5.1, 0.01, 91, error="reset")]
    gate = gates(requests)["failures"]
    assert (gate["passed"], gate["value"]) == (False, 0.02)
    assert "1 refused" in gate["text"]
    assert "the first: it was refused" in gate["text"]
    assert gates(requests, thresholds={"failed_max": 0.02})["failures"]["passed"]


def test_lengths_have_a_gate_of_their_own() -> None:
    bad = closed_loop(10, 100)
    bad[3] |= {"output_tokens": 90, "error_class": "short_output", "error_text": "short"}
    bad[4] |= {"prompt_tokens": 11}
    judged = gates(bad)
    assert judged["failures"]["passed"]
    gate = judged["token_counts"]
    assert (gate["passed"], gate["value"]) == (False, 2.0)
    assert "1 prompts and 1 outputs" in gate["text"]
    left_open = [r | {"prompt_tokens_asked": None, "output_tokens_asked": None} for r in bad]
    assert "not observed" in gates(left_open)["token_counts"]["text"]


def test_server_counters() -> None:
    loop = closed_loop(10, 100)
    good = counters(generation_tokens=9105.0, prompt_tokens=1005.0, request_success=105.0)
    gate = gates(loop, **good)["server_counters"]
    assert (gate["passed"], gate["value"]) == (True, 0.0)
    bad = counters(generation_tokens=9205.0, prompt_tokens=1005.0, request_success=106.0)
    gate = gates(loop, **bad)["server_counters"]
    assert not gate["passed"]
    assert "generation_tokens 9200 (client: 9100)" in gate["text"]
    assert "something else used the server" in gate["text"]
    assert gates(loop, thresholds=Thresholds(counter_difference_max=0.02), **bad)[
        "server_counters"
    ]["passed"]
    assert "not observed" in gates(loop)["server_counters"]["text"]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("cpu_share", 0.9, "90% of a core"),
        ("event_loop_lag_p99_s", 0.03, "lag p99 30.0 ms"),
        ("send_delay_p99_s", 0.05, "send delay p99 50.0 ms"),
    ],
)
def test_client_bottleneck(name: str, value: float, said: str) -> None:
    client = run_json(10)["client"] | {name: value}
    gate = gates(closed_loop(10, 100), client=client)["client_bottleneck"]
    assert not gate["passed"]
    assert gate["value"] > 1 == gate["threshold"]
    assert said in gate["text"]
    assert gates(closed_loop(10, 100), client={})["client_bottleneck"]["text"] == "not observed"


def test_steady_state() -> None:
    slowing, at = [], 0.0
    for index in range(60):
        slowing.append(request(at, at + 0.1, 0.01 * (1 + index / 60), 91))
        at = slowing[-1]["ended_s"]
    gate = gates(slowing, level=1)["steady_state"]
    assert not gate["passed"]
    assert re.search(r"changes by -\d\d\.\d%", gate["text"])
    assert gates(slowing, level=1, thresholds={"trend_max": 0.9})["steady_state"]["passed"]


def test_a_window_that_cuts_too_few_requests_at_one_phase() -> None:
    level, ramp, prefill = 10, 1.0, 0.06
    long = summarise(table(one_engine(level, 3000, ramp, prefill=prefill)), run_json(level))
    truth = long["output_throughput_tok_s"]
    short = one_engine(level, 30, ramp, prefill=prefill)
    gate = gates(short)["littles_law"]
    summary = summarise(table(short), run_json(level))
    assert summary["output_throughput_tok_s"] > 1.06 * truth
    assert summary["output_throughput_little_tok_s"] == pytest.approx(truth, rel=0.01)
    assert (gate["passed"], gate["threshold"]) == (False, 0.05)
    assert "ask for more requests" in gate["text"]
    more = one_engine(level, 200, ramp, prefill=prefill)
    assert gates(more)["littles_law"]["passed"]
    assert summarise(table(more), run_json(level))["output_throughput_tok_s"] == pytest.approx(
        truth, rel=0.02
    )
    assert "not observed" in gates(closed_loop(8, 40))["littles_law"]["text"]


def test_noise_is_no_trend() -> None:
    noisy, at = [], 0.0
    for index in range(10):
        noisy.append(request(at, at + 0.1, 0.01 * (1 + 0.8 * (index % 2)), 91))
        at = noisy[-1]["ended_s"]
    assert gates(noisy, level=1)["steady_state"]["passed"]


JIT = "WARNING [jit_monitor.py:9] Triton JIT compilation during inference: f. This causes a spike"


@pytest.mark.parametrize(
    ("at", "line", "passed"),
    [
        (1_000_000_005.0, JIT, False),
        ("2001-09-09T01:46:45+00:00", "[aiter] start build [x] under y", False),
        (1_000_000_001.5, JIT, False),  # a log of whole seconds: the window began at 1.9
        (1_000_000_000.0, JIT, True),
        (1_000_000_100.0, JIT, True),
        (1_000_000_005.0, "INFO engine.py: all is well", True),
    ],
)
def test_jit_in_the_window(at: float | str, line: str, passed: bool) -> None:
    # The first send is at Unix 1e9 + 1; the window lasts from 0.9 s after it to 10 s.
    gate = gates(closed_loop(10, 100), log=[{"at": at, "line": line}])["jit_in_window"]
    assert gate["passed"] is passed
    assert ("the first: " + line[:40] in gate["text"]) is not passed


def test_no_log_is_not_observed() -> None:
    gate = gates(closed_loop(10, 100))["jit_in_window"]
    assert (gate["passed"], gate["value"]) == (True, None)
    assert "no server log" in gate["text"]


def test_prefix_cache_hits() -> None:
    loop = closed_loop(10, 100)
    gate = gates(loop, **counters(prefix_cache_hits=105.0, prefix_cache_queries=1005.0))
    assert not gate["prefix_cache_hits"]["passed"]
    assert "--no-enable-prefix-caching" in gate["prefix_cache_hits"]["text"]
    none = gates(loop, **counters(prefix_cache_hits=5.0, prefix_cache_queries=5.0))
    assert none["prefix_cache_hits"]["passed"]


def test_nothing_at_all_fails_and_does_not_crash() -> None:
    judged = gates([])
    assert not judged["achieved_concurrency"]["passed"]
    assert not judged["failures"]["passed"]


def test_every_threshold_is_explained() -> None:
    for field in fields(Thresholds):
        assert re.search(rf"^    {field.name}  ", Thresholds.__doc__ or "", re.MULTILINE)
    assert defaults() == asdict(Thresholds())


def throttling(**telemetry: Any) -> dict[str, Any]:
    run, rows = run_json(10), table(closed_loop(10, 100))
    return judge(summarise(rows, run) | telemetry, rows, run)[-1]


def test_heat_fails_and_the_power_limit_does_not() -> None:
    hot = throttling(
        throttled_fraction=0.25, power_capped_fraction=0.9, throttle_reasons=["hw_thermal"]
    )
    assert (hot["passed"], hot["value"], hot["threshold"]) == (False, 0.25, 0.01)
    assert "25.0% of the samples" in hot["text"]
    assert "Seen: hw_thermal; look at cooling" in hot["text"]
    capped = throttling(
        throttled_fraction=0.0, power_capped_fraction=0.9, throttle_reasons=["sw_power_cap"]
    )
    assert capped["passed"]
    assert "90.0% are at the power limit, which does not fail" in capped["text"]


def test_throttling_that_was_not_observed_passes_and_says_so() -> None:
    before = throttling()
    assert before["passed"]
    assert before["text"] == "not observed: the launch has no telemetry"
    none = throttling(throttled_fraction=None, telemetry_text="not observed: RAPL: only root")
    assert (none["passed"], none["value"]) == (True, None)
    assert none["text"] == "not observed: RAPL: only root"
    silent = throttling(
        throttled_fraction=None, telemetry_samples=9, telemetry_text="read by RAPL every 0.5 s"
    )
    assert silent["text"] == "not observed: no throttle reasons are told (read by RAPL every 0.5 s)"
    missed = throttling(
        throttled_fraction=None, telemetry_samples=0, telemetry_text="read by RAPL every 9 s"
    )
    assert missed["text"] == "not observed: no sample fell into the window (read by RAPL every 9 s)"
