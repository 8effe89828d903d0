"""Counters from a page of metrics."""

from __future__ import annotations

from ablation.client.counters import parse, scrape, scrape_settled
from tests.reference_server import serving

# As vLLM 0.32 writes them, cut.
PAGE = """\
# HELP vllm:prompt_tokens_total Number of prefill tokens processed.
# TYPE vllm:prompt_tokens_total counter
vllm:prompt_tokens_total{engine="0",model_name="m"} 640.0
vllm:prompt_tokens_total{engine="1",model_name="m"} 60.0
vllm:prompt_tokens_created{engine="0",model_name="m"} 1.7e+09
vllm:request_success_total{engine="0",finished_reason="stop",model_name="m"} 0.0
vllm:request_success_total{engine="0",finished_reason="length",model_name="m {x}"} 1.1e+01
vllm:prefix_cache_hits_total{engine="0",model_name="m"} 0.0
vllm:time_to_first_token_seconds_sum{engine="0",model_name="m"} 3.0
python_gc_objects_collected_total{generation="0"} 5.0
"""


def test_counters_are_summed_over_their_labels() -> None:
    assert parse(PAGE) == {
        "prompt_tokens": 700.0,
        "request_success": 11.0,
        "prefix_cache_hits": 0.0,
    }


def test_a_server_without_counters_is_tolerated() -> None:
    assert parse("<html>") == {}
    assert scrape("http://127.0.0.1:9", timeout_s=0.5) == {}
    assert scrape_settled("http://127.0.0.1:9") == {}


def test_the_reference_server_has_them() -> None:
    with serving() as server:
        assert scrape_settled(server.url)["generation_tokens"] == 0
