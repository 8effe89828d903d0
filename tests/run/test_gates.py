"""Each gate, passing and failing, with a text that says why."""

from __future__ import annotations

import re
from dataclasses import asdict, fields
from typing import Any

import pytest

from ablation.run.gate import FAILED, NOT_OBSERVED, PASSED
from ablation.run.gates import GATES, Thresholds, defaults, judge
from ablation.run.metrics import summarise
from tests.run_rows import closed_loop, one_engine, request, run_json, table, unsent

STATES = (PASSED, FAILED, NOT_OBSERVED)


def gates(
    requests: list[dict[str, Any]],
    level: int = 10,
    thresholds: Any = None,
    **more: Any,
) -> dict[str, dict[str, Any]]:
    run, rows = run_json(level, **more), table(requests)
    judged = judge(summarise(rows, run), rows, run, thresholds)
    assert tuple(gate["gate"] for gate in judged) == GATES[:-1]
    assert all(gate["text"] and gate["state"] in STATES for gate in judged)
    return {gate["gate"]: gate for gate in judged}


def counters(**after: float) -> dict[str, Any]:
    return {"server_counters": {"before": dict.fromkeys(after, 5.0), "after": after}}


def test_a_good_run_passes_all() -> None:
    judged = gates(closed_loop(10, 100))
    assert [name for name, gate in judged.items() if gate["state"] == FAILED] == []


def test_80_of_100_in_flight_fail() -> None:
    gate = gates(closed_loop(80, 400), level=100)["achieved_concurrency"]
    assert (gate["state"], gate["value"], gate["threshold"]) == (FAILED, 80.0, 95.0)
    assert "at most 80 of 100" in gate["text"]


def test_a_window_too_short_fails() -> None:
    gate = gates(closed_loop(10, 12))["achieved_concurrency"]
    assert gate["state"] == FAILED
    assert "too short a window" in gate["text"]


def test_failures() -> None:
    requests = [*closed_loop(10, 98), unsent(), request(5, 5.1, 0.01, 91, error="reset")]
    gate = gates(requests)["failures"]
    assert (gate["state"], gate["value"]) == (FAILED, 0.02)
    assert "1 refused" in gate["text"]
    assert "the first: it was refused" in gate["text"]
    assert gates(requests, thresholds={"failed_max": 0.02})["failures"]["state"] == PASSED


def test_lengths_have_a_gate_of_their_own() -> None:
    bad = closed_loop(10, 100)
    bad[3] |= {"output_tokens": 90, "error_class": "short_output", "error_text": "short"}
    bad[4] |= {"prompt_tokens": 11}
    judged = gates(bad)
    assert judged["failures"]["state"] == PASSED
    gate = judged["token_counts"]
    assert (gate["state"], gate["value"]) == (FAILED, 2.0)
    assert "1 prompts and 1 outputs" in gate["text"]
    left_open = [r | {"prompt_tokens_asked": None, "output_tokens_asked": None} for r in bad]
    assert gates(left_open)["token_counts"]["state"] == NOT_OBSERVED


def test_server_counters() -> None:
    loop = closed_loop(10, 100)
    good = counters(generation_tokens=9105.0, prompt_tokens=1005.0, request_success=105.0)
    gate = gates(loop, **good)["server_counters"]
    assert (gate["state"], gate["value"]) == (PASSED, 0.0)
    bad = counters(generation_tokens=9205.0, prompt_tokens=1005.0, request_success=106.0)
    gate = gates(loop, **bad)["server_counters"]
    assert gate["state"] == FAILED
    assert "generation_tokens 9200 (client: 9100)" in gate["text"]
    assert "something else used the server" in gate["text"]
    assert (
        gates(loop, thresholds=Thresholds(counter_difference_max=0.02), **bad)["server_counters"][
            "state"
        ]
        == PASSED
    )
    assert gates(loop)["server_counters"]["state"] == NOT_OBSERVED


def test_counters_that_are_gone_after_the_run_are_no_silence() -> None:
    before = {"generation_tokens": 5.0, "prompt_tokens": 5.0, "prefix_cache_hits": 0.0}
    for after in ({}, {"generation_tokens": 9105.0}):
        judged = gates(closed_loop(10, 100), server_counters={"before": before, "after": after})
        gate = judged["server_counters"]
        assert gate["state"] == FAILED
        assert "prompt_tokens on /metrics before the run and not after it" in gate["text"]
        assert judged["prefix_cache_hits"]["state"] == FAILED
    late = gates(closed_loop(10, 100), server_counters={"before": {}, "after": before})
    assert late["server_counters"]["state"] == NOT_OBSERVED
    assert "on /metrics before the run" in late["server_counters"]["text"]


def test_a_server_that_started_anew_has_counters_that_fell() -> None:
    fell = {"before": {"prefix_cache_hits": 500.0}, "after": {"prefix_cache_hits": 0.0}}
    gate = gates(closed_loop(10, 100), server_counters=fell)["prefix_cache_hits"]
    assert gate["state"] == FAILED
    assert "started anew" in gate["text"]


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
    assert gate["state"] == FAILED
    assert gate["value"] > 1 == gate["threshold"]
    assert said in gate["text"]
    assert gates(closed_loop(10, 100), client={})["client_bottleneck"]["state"] == NOT_OBSERVED


def test_steady_state() -> None:
    slowing, at = [], 0.0
    for index in range(60):
        slowing.append(request(at, at + 0.1, 0.01 * (1 + index / 60), 91))
        at = slowing[-1]["ended_s"]
    gate = gates(slowing, level=1)["steady_state"]
    assert gate["state"] == FAILED
    assert re.search(r"changes by -\d\d\.\d%", gate["text"])
    assert gates(slowing, level=1, thresholds={"trend_max": 0.9})["steady_state"]["state"] == PASSED


def test_a_window_that_cuts_too_few_requests_at_one_phase() -> None:
    level, ramp, prefill = 10, 1.0, 0.06
    long = summarise(table(one_engine(level, 3000, ramp, prefill=prefill)), run_json(level))
    truth = long["output_throughput_tok_s"]
    short = one_engine(level, 30, ramp, prefill=prefill)
    gate = gates(short)["littles_law"]
    summary = summarise(table(short), run_json(level))
    assert summary["output_throughput_tok_s"] > 1.06 * truth
    assert summary["output_throughput_little_tok_s"] == pytest.approx(truth, rel=0.01)
    assert (gate["state"], gate["threshold"]) == (FAILED, 0.05)
    assert "ask for more requests" in gate["text"]
    more = one_engine(level, 200, ramp, prefill=prefill)
    assert gates(more)["littles_law"]["state"] == PASSED
    assert summarise(table(more), run_json(level))["output_throughput_tok_s"] == pytest.approx(
        truth, rel=0.02
    )
    assert gates(closed_loop(8, 40))["littles_law"]["state"] == NOT_OBSERVED


def test_noise_is_no_trend() -> None:
    noisy, at = [], 0.0
    for index in range(10):
        noisy.append(request(at, at + 0.1, 0.01 * (1 + 0.8 * (index % 2)), 91))
        at = noisy[-1]["ended_s"]
    assert gates(noisy, level=1)["steady_state"]["state"] == PASSED


def test_prefix_cache_hits() -> None:
    loop = closed_loop(10, 100)
    gate = gates(loop, **counters(prefix_cache_hits=105.0, prefix_cache_queries=1005.0))
    assert gate["prefix_cache_hits"]["state"] == FAILED
    assert "--no-enable-prefix-caching" in gate["prefix_cache_hits"]["text"]
    none = gates(loop, **counters(prefix_cache_hits=5.0, prefix_cache_queries=5.0))
    assert none["prefix_cache_hits"]["state"] == PASSED


def test_nothing_at_all_fails_and_does_not_crash() -> None:
    judged = gates([])
    assert judged["achieved_concurrency"]["state"] == FAILED
    assert judged["failures"]["state"] == FAILED


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
    assert (hot["state"], hot["value"], hot["threshold"]) == (FAILED, 0.25, 0.01)
    assert "25.0% of the samples" in hot["text"]
    assert "Seen: hw_thermal; look at cooling" in hot["text"]
    capped = throttling(
        throttled_fraction=0.0, power_capped_fraction=0.9, throttle_reasons=["sw_power_cap"]
    )
    assert capped["state"] == PASSED
    assert "90.0% are at the power limit, which does not fail" in capped["text"]


def test_throttling_in_a_part_of_the_window_is_found_and_its_absence_is_not() -> None:
    hole = {"throttle_hole": "GPU: the samples leave 7.0 s of the window without one"}
    cool = throttling(throttled_fraction=0.0, power_capped_fraction=0.0, **hole)
    assert cool["state"] == NOT_OBSERVED
    assert cool["text"].startswith("not observed over the whole window: GPU: the samples leave")
    hot = throttling(throttled_fraction=0.5, throttle_reasons=["hw_thermal"], **hole)
    assert hot["state"] == FAILED


def test_throttling_that_was_not_observed_is_no_pass() -> None:
    before = throttling()
    assert before["state"] == NOT_OBSERVED
    assert before["text"] == "not observed: the launch has no telemetry"
    none = throttling(throttled_fraction=None, telemetry_text="not observed: RAPL: only root")
    assert (none["state"], none["value"]) == (NOT_OBSERVED, None)
    assert none["text"] == "not observed: RAPL: only root"
    silent = throttling(
        throttled_fraction=None, telemetry_samples=9, telemetry_text="read by RAPL every 0.5 s"
    )
    assert silent["text"] == "not observed: no throttle reasons are told (read by RAPL every 0.5 s)"
    missed = throttling(
        throttled_fraction=None, telemetry_samples=0, telemetry_text="read by RAPL every 9 s"
    )
    assert missed["text"] == "not observed: no sample fell into the window (read by RAPL every 9 s)"
