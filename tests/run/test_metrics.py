"""Metrics against truth that was worked out another way."""

from __future__ import annotations

import numpy as np
import pytest

from ablation.run.metrics import (
    Window,
    column,
    find_window,
    in_flight,
    mark_window,
    slice_rates,
    summarise,
)
from tests.run_rows import closed_loop, request, run_json, table, unsent

AGGREGATE = [
    *("requests", "failed_requests", "prompt_tokens", "output_tokens"),
    *("output_throughput_tok_s", "total_throughput_tok_s", "request_throughput_req_s"),
    *("output_throughput_run_tok_s", "goodput_req_s", "window_s", "achieved_concurrency"),
    *("achieved_concurrency_little", "client_cpu_share", "event_loop_lag_p99_s"),
    *("send_delay_p99_s", "batch_throughput_tok_s"),
    *(
        f"{metric}_{statistic}"
        for metric in ("ttft", "itl", "tpot", "e2e")
        for statistic in ("mean_s", "p50_s", "p90_s", "p99_s", "count")
    ),
]


def test_the_window_against_a_slow_count() -> None:
    rng = np.random.default_rng(1)
    for _ in range(200):
        level, count = int(rng.integers(1, 25)), int(rng.integers(1, 60))
        sent = rng.integers(0, 40, count).astype(float)
        ended = sent + rng.integers(1, 30, count)
        flight = in_flight(sent, ended)
        halves = np.arange(-0.5, 80, 0.5)  # between whole seconds nothing changes
        slow = np.array([((sent <= t) & (t < ended)).sum() for t in halves])
        held = halves[slow >= np.ceil(0.95 * level - 1e-9)]
        window = find_window(flight, level)
        if not len(held):
            assert window is None
            continue
        assert window is not None
        assert window.start == held[0]
        assert held[-1] < window.end <= held[-1] + 0.5
        inside = slow[(halves >= window.start) & (halves < window.end)]
        assert flight.mean(window.start, window.end) == pytest.approx(inside.mean())


def test_level_one_is_the_whole_run() -> None:
    rows = table(closed_loop(1, 3))
    summary = summarise(rows, run_json(1))
    assert summary["window_s"] == pytest.approx(3.0)
    assert summary["output_throughput_tok_s"] == pytest.approx(91)
    assert summary["output_throughput_run_tok_s"] == pytest.approx(91)
    assert summary["achieved_concurrency"] == pytest.approx(1)
    assert summary["window_requests"] == 3
    assert mark_window(rows, summary)["in_window"].to_pylist() == [True] * 3


def test_a_known_closed_loop() -> None:
    rows = table(closed_loop(20, 200))
    summary = summarise(rows, run_json(20), {"ttft_s": 0.2, "e2e_s": 1.5})
    assert set(AGGREGATE) <= set(summary)
    assert summary["window_s"] == pytest.approx(9.15)  # 19 of 20 from 0.9 to 10.05 s
    assert summary["achieved_concurrency"] == pytest.approx(20, abs=0.2)
    assert summary["achieved_concurrency_little"] == pytest.approx(20, abs=0.3)
    assert summary["output_throughput_tok_s"] == pytest.approx(20 * 91, rel=0.01)
    assert summary["total_throughput_tok_s"] == pytest.approx(20 * 101, rel=0.01)
    assert summary["request_throughput_req_s"] == pytest.approx(20, rel=0.02)
    assert summary["goodput_req_s"] == summary["request_throughput_req_s"]
    assert summary["ttft_p99_s"] == pytest.approx(0.1)
    assert summary["itl_mean_s"] == pytest.approx(0.01)
    assert summary["tpot_p50_s"] == pytest.approx(0.01)
    assert summary["e2e_p90_s"] == pytest.approx(1.0)
    assert summary["requests"] == 200
    assert summary["failed_requests"] == 0
    batches = summary["batch_throughput_tok_s"]
    assert np.mean(batches) == pytest.approx(summary["output_throughput_tok_s"])
    assert slice_rates(rows, summary, 5).tolist() == pytest.approx(batches)


def test_waves_that_end_together_keep_littles_law() -> None:
    waves = [request(w * 1.0, w * 1.0 + 0.1, 0.01, 91) for w in range(3) for _ in range(8)]
    summary = summarise(table(waves), run_json(8))
    assert summary["achieved_concurrency"] == pytest.approx(8)
    assert summary["achieved_concurrency_little"] == pytest.approx(8)


def test_a_level_never_reached_has_no_window() -> None:
    rows = table(closed_loop(80, 300))
    summary = summarise(rows, run_json(100), {"ttft_s": 1})
    assert summary["window_s"] is None
    assert summary["output_throughput_tok_s"] is None
    assert summary["goodput_req_s"] is None
    assert summary["batch_throughput_tok_s"] == []
    assert summary["ttft_count"] == 0
    assert summary["ttft_p50_s"] is None
    assert summary["peak_concurrency"] == 80
    assert 60 < summary["achieved_concurrency"] <= 80
    assert summary["output_throughput_run_tok_s"] > 0
    assert not any(mark_window(rows, summary)["in_window"].to_pylist())


def test_observations_belong_to_the_moment_that_completes_them() -> None:
    window = Window(1.0, 2.0)
    assert window.holds(np.array([0.99, 1.0, 2.0, 2.01, np.nan])).tolist() == [
        False,
        True,
        True,
        False,
        False,
    ]
    loop = closed_loop(2, 6, ttft=0.5, gap=0.5, tokens=2)  # sends at 0, 0.5, 1, ...
    summary = summarise(table(loop), run_json(2))
    window = (summary["window_start_s"], summary["window_end_s"])
    assert window == pytest.approx((0.5, 3.0), abs=1e-5)
    assert summary["ttft_count"] == 6
    assert summary["e2e_count"] == 5
    assert summary["itl_count"] == 5
    # 11 of 12 tokens: the last comes 0.5 s after the window.
    assert summary["output_throughput_tok_s"] == pytest.approx(11 / 2.5, rel=1e-4)


@pytest.mark.parametrize("told", [True, False])
def test_merged_events_are_counted_by_their_tokens(told: bool) -> None:
    rows = table([request(0, 1.0, 0.4, 41, per_event=4, told=told)])
    summary = summarise(rows, run_json(1))
    assert summary["output_throughput_tok_s"] == pytest.approx(41 / 5)
    assert summary["itl_count"] == 10
    assert summary["tpot_mean_s"] == pytest.approx(0.1)
    # Told: nine gaps of four tokens, one of one. Not told: the mean over 40 gaps is still right.
    want = (9 * 0.4 + 0.4) / 37 if told else 0.1
    assert summary["itl_mean_s"] == pytest.approx(want)
    assert summary["itl_p50_s"] == pytest.approx(0.1)


def test_one_running_usage_among_many_rows() -> None:
    plain, told = request(0, 1, 0.1, 5), request(1.4, 2.4, 0.2, 6, per_event=2, told=True)
    summary = summarise(table([plain, told, request(2.8, 3.8, 0.1, 5)]), run_json(1))
    assert summary["itl_count"] == 4 + 2 + 4


def test_failed_requests_are_counted_and_not_measured() -> None:
    requests = [*closed_loop(2, 10), request(5.0, 5.1, 0.01, 3, error="reset"), unsent()]
    summary = summarise(table(requests), run_json(2), {"ttft_s": 1})
    assert summary["requests"] == 12
    assert summary["failed_requests"] == 2
    assert summary["ttft_count"] == 9  # the first came before the second was sent


def test_nothing_at_all() -> None:
    for rows in (table([]), table([unsent(), unsent()])):
        summary = summarise(rows, run_json(1))
        assert set(AGGREGATE) <= set(summary)
        assert summary["window_s"] is None
        assert summary["output_throughput_run_tok_s"] is None


def test_one_token_has_no_tpot_and_breaks_no_slo() -> None:
    rows = table([request(0, 0.5, 0, 1), request(0.6, 1.0, 0, 1)])
    summary = summarise(rows, run_json(1), {"tpot_s": 0.001})
    assert summary["tpot_count"] == summary["itl_count"] == 0
    assert summary["goodput_req_s"] == pytest.approx(2 / summary["window_s"])


def test_goodput_takes_all_limits_together() -> None:
    rows = table([request(i, i + 0.2 + 0.05 * i, 0.05, 3) for i in range(4)])
    summary = summarise(rows, run_json(1), {"ttft_s": 0.31, "tpot_s": 0.051})
    assert summary["goodput_req_s"] == pytest.approx(3 / summary["window_s"])
    with pytest.raises(ValueError, match="unknown SLO itl_s"):
        summarise(rows, run_json(1), {"itl_s": 1})


def test_a_column_is_float_with_nan() -> None:
    assert np.isnan(column(table([unsent()]), "status")[0])
